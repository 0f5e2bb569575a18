# SPDX-License-Identifier: GPL-2.0-only
"""The report of a core's failures: short, true, and enough to act on."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import iopf
from iopf import _bug_report
from iopf._bug_report import MOST_LINES, bug_reports, render_bug_reports

FILES = Path(__file__).resolve().parent / "kernel_files"
#: What v7.2 does although its driver keeps the contract, by the scenario and what the message has.
KNOWN = {
    "free-queue-pending": "group#1.work: the object was freed",
    "bad-setup-reused-index": "a later group that uses its index again",
    "pasid-not-valid": "another index or PASID than its own",
    "remove-held-group": "when removal was over",
    "no-page-request": "no page request",
}


@pytest.fixture(scope="module")
def reports():
    return bug_reports("v7.2", [*KNOWN, "partial", "free-queue-two-devices"]).reports


def parts(text):
    """The text of each report, by its number."""
    found, lines = [], text.splitlines()
    for line in lines:
        if line[:1].isdigit():
            found.append([])
        if found:
            found[-1].append(line)
    return ["\n".join(part).rstrip() for part in found]


def test_each_failure_is_one_part_of_at_most_so_many_lines(reports):
    """Failures that are the same are told once, with the scenarios that show them; a scenario that passes is not told."""
    assert sorted(KNOWN) == sorted(report.failure.scenario for report in reports)
    assert all(KNOWN[report.failure.scenario] in report.failure.message for report in reports)
    (twice,) = (report for report in reports if report.failure.scenario == "free-queue-pending")
    assert ("free-queue-pending", "free-queue-two-devices") == twice.scenarios
    text = render_bug_reports("v7.2", reports, "--core v7.2")
    for part, report in zip(parts(text), reports, strict=True):
        lines = part.removesuffix(
            "Each was executed, not predicted: the command under it shows the whole execution."
        ).rstrip()
        assert len(lines.splitlines()) <= MOST_LINES and max(map(len, lines.splitlines())) <= 80, part
        told = " ".join(part.split())
        for fact in (report.failure.message, report.failure.cause, f"Required: {report.failure.required}."):
            assert fact in told, part


def test_a_part_says_since_when_it_is_so_and_who_does_not_do_it(reports):
    """Both are explored, not looked up: the commit is that of the first form of the last stretch that shows it."""
    since = {report.failure.scenario: (report.since and report.since.name, report.clean) for report in reports}
    assert "v6.14" == since["free-queue-pending"][0] and {"iopf", "v6.12"} <= set(since["free-queue-pending"][1])
    assert "v7.2" == since["remove-held-group"][0] and "v6.14" in since["remove-held-group"][1]
    assert all("iopf" in clean for _, clean in since.values())
    text = render_bug_reports("v7.2", reports, "--core v7.2")
    assert iopf.cores()["v6.14"].commit in text


def test_the_command_of_a_part_shows_the_failure(reports, tmp_path):
    """As it stands there, in another process."""
    text = render_bug_reports("v7.2", reports, "--core v7.2")
    (line,) = (line for line in text.splitlines() if "iopf explore remove-held-group" in line)
    command = shlex.split(line.partition("Shown by: ")[2])
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=tmp_path)
    assert 1 == done.returncode and "late-response" in done.stdout


def test_a_core_that_is_right_has_no_part():
    """And the text says what was looked at."""
    clean = bug_reports("iopf", ["partial", "remove-held-group"])
    assert ((), 2, 0, ()) == (clean.reports, clean.evidence.good, clean.evidence.bad, clean.evidence.unknown)
    assert "no scenario of the library fails" in render_bug_reports("iopf", [], "--core iopf")


def test_a_long_story_is_cut_and_says_so(reports, monkeypatch):
    """The control of the limit: with less room there are fewer steps, and nothing else is missing."""
    monkeypatch.setattr(_bug_report, "MOST_LINES", 18)
    text = render_bug_reports("v7.2", reports, "--core v7.2")
    assert "      ..." in text
    assert len(reports) == text.count("Shown by:") == text.count("Since ")


def command(*arguments, cwd):
    return subprocess.run([sys.executable, "-m", "iopf", "check", *arguments], capture_output=True, text=True, cwd=cwd)


def test_check_prints_the_report_of_a_core_or_a_file(tmp_path):
    """Exit code 1 where there is something to report, 0 where every scenario was explored and there is not; a file's
    places are its own."""
    done = command("--report", "v7.2", "--scenario", "free-queue-pending", "--scenario", "partial", cwd=tmp_path)
    assert 1 == done.returncode and done.stdout.startswith("v7.2: 1 failure with the contract"), done.stderr
    done = command("--report", "iopf", "--scenario", "partial", cwd=tmp_path)
    assert (0, "") == (done.returncode, done.stderr) and "no scenario of the library fails" in done.stdout
    file = FILES / "form-j.c"
    done = command("--report", str(file), "--scenario", "free-queue-pending", cwd=tmp_path)
    assert 1 == done.returncode and f"--core {file}" in done.stdout and "form-j.c:" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--report", "v9.9"), "v9.9"),
        (("--report", "v7.2", "--baseline", "v6.14"), "--report"),
        (("--report", "v7.2", "file.c"), "--report"),
        (("--report", "v7.2", "--scenario", "nothing-lef"), "did you mean"),
    ],
)
def test_a_report_of_nothing_is_refused_in_a_line(arguments, words, tmp_path):
    """What does not go together with it, and what is not there."""
    done = command(*arguments, cwd=tmp_path)
    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n")) and words in done.stderr


def test_failures_in_brackets_are_printed_when_they_are_asked_for(tmp_path):
    """The legend says how; --all prints their traces, and those of cores that claim nothing; without it there is none."""
    options = ("--core", "v7.2", "--core", "iopf", "--scenario", "detach-report", "--scenario", "detach-partial")
    few = command(*options, cwd=tmp_path)
    assert "(use-after-free)" in few.stdout and "--all prints how" in few.stdout and "required:" not in few.stdout
    done = command(*options, "--all", cwd=tmp_path)
    assert few.returncode == done.returncode
    assert 1 == done.stdout.count("required: an object stays") and "the driver broke its contract" in done.stdout
    assert "v7.2 fails detach-partial with the contract broken" in done.stdout
