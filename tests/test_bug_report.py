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
from iopf.explore import explore, library

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
def found():
    return bug_reports("v7.2", [*KNOWN, "partial", "free-queue-two-devices"])


@pytest.fixture
def reports(found):
    return found.reports


def parts(text):
    """The text of each report, by its number."""
    found, lines = [], text.splitlines()
    for line in lines:
        if line[:1].isdigit():
            found.append([])
        if found:
            found[-1].append(line)
    return ["\n".join(part).rstrip() for part in found]


def test_each_failure_is_one_part_of_at_most_so_many_lines(reports, found):
    """Failures that are the same are told once, with the scenarios that show them; a scenario that passes is not told."""
    assert sorted(KNOWN) == sorted(report.failure.scenario for report in reports)
    assert all(KNOWN[report.failure.scenario] in report.failure.message for report in reports)
    (twice,) = (report for report in reports if report.failure.scenario == "free-queue-pending")
    assert ("free-queue-pending", "free-queue-two-devices") == twice.scenarios
    text = render_bug_reports("v7.2", found, "--core v7.2")
    for part, report in zip(parts(text), reports, strict=True):
        lines = part.removesuffix(
            "Each was executed, not predicted: the command under it shows the whole execution."
        ).rstrip()
        assert len(lines.splitlines()) <= MOST_LINES and max(map(len, lines.splitlines())) <= 80, part
        told = " ".join(part.split())
        for fact in (report.failure.message, report.failure.cause, f"Required: {report.failure.required}."):
            assert fact in told, part


def test_a_part_says_since_when_it_is_so_and_who_does_not_do_it(reports, found):
    """Both are explored, not looked up. A form is without it where every interleaving was executed and nothing fails,
    or nothing but what upstream chose; of one that fails otherwise in that scenario nobody can tell, and it is not said."""
    by = {report.failure.scenario: report for report in reports}
    assert "v6.14" == by["free-queue-pending"].since.name and {"iopf", "v6.12"} <= set(by["free-queue-pending"].clean)
    assert "v7.2" == by["remove-held-group"].since.name and "v6.14" in by["remove-held-group"].untold
    # v6.9 frees memory twice there, so what it would do later is not seen; what came before it does it, too.
    assert "locking" == by["pasid-not-valid"].since.name and "v6.9" in by["pasid-not-valid"].untold
    for report in reports:
        assert "iopf" in report.clean and not {*report.clean} & {*report.untold}
        for form in report.clean:
            result = explore(
                library.find_scenario(report.failure.scenario), core=form, deviations=report.failure.chosen is not None
            )
            assert "pass" == result.verdict, (form, report.failure.scenario)
    text = " ".join(render_bug_reports("v7.2", found, "--core v7.2").split())
    assert f"Since v6.14, {iopf.cores()['v6.14'].commit}" in text and "Since v7.2, 738e6f32e61d" in text
    assert "6.18.44, or before it." in text and text.count("or before it") == 1


def test_the_command_of_a_part_shows_the_failure(reports, found, tmp_path):
    """As it stands there, in another process: the kind and the message, or at least the kind beside graver ones."""
    text = render_bug_reports("v7.2", found, "--core v7.2")
    commands = [line.partition("Shown by: ")[2] for line in text.splitlines() if "Shown by: " in line]
    assert len(reports) == len(commands)
    for report, line in zip(reports, commands, strict=True):
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(line)], capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert 1 == done.returncode and report.failure.kind in done.stdout, (line, done.stderr)


def test_a_core_that_is_right_has_no_part():
    """And the text says what was looked at."""
    clean = bug_reports("iopf", ["partial", "remove-held-group"])
    assert ((), 2, 0, ()) == (clean.reports, clean.evidence.good, clean.evidence.bad, clean.evidence.unknown)
    assert "scenarios explored to their end: 2; none fails" in render_bug_reports("iopf", clean, "--core iopf")


def test_a_long_story_is_cut_and_says_so(reports, found, monkeypatch):
    """The control of the limit: with less room there are fewer steps, and nothing else is missing."""
    monkeypatch.setattr(_bug_report, "MOST_LINES", 18)
    text = render_bug_reports("v7.2", found, "--core v7.2")
    assert "      ..." in text
    assert len(reports) == text.count("Shown by:") == text.count("Since ")


def test_check_prints_the_report_of_a_core_or_a_file(command):
    """Exit code 1 where there is something to report, 0 where every scenario was explored and there is not; a file's
    places are its own."""
    code, out, _ = command("check", "--report", "v7.2", "--scenario", "free-queue-pending", "--scenario", "partial")
    assert 1 == code and out.startswith("v7.2: 1 failure with the contract")
    code, out, errors = command("check", "--report", "iopf", "--scenario", "partial")
    assert (0, "") == (code, errors) and "scenarios explored to their end: 1; none fails" in out
    file = FILES / "form-j.c"
    code, out, _ = command("check", "--report", file, "--scenario", "free-queue-pending")
    assert 1 == code and f"--core {file}" in out and "form-j.c:" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--report", "v9.9"), "v9.9"),
        (("--report", "v7.2", "--baseline", "v6.14"), "--report"),
        (("--report", "v7.2", "file.c"), "--report"),
        (("--report", "v7.2", "--accept", "bounded"), "--report"),
        (("--report", "v7.2", "--all"), "--report"),
        (("--report", "v7.2", "--scenario", "nothing-lef"), "did you mean"),
    ],
)
def test_a_report_of_nothing_is_refused_in_a_line(arguments, words, command):
    """What does not go together with it, and what is not there."""
    code, out, errors = command("check", *arguments)
    assert (2, "", 1) == (code, out, errors.count("\n")) and words in errors


def test_a_report_without_a_whole_search_is_no_verdict(command):
    """No time, no word: exit code 3, and what was not explored is not called right."""
    code, out, errors = command("check", "--report", "iopf", "--scenario", "nine-keys-remove", "--budget", "1e-9")
    assert 3 == code and "no verdict: nine-keys-remove: " in errors
    assert "explored to their end: 0" in out and "Not explored to the end: 1" in out


def test_a_facet_that_was_said_by_hand_is_not_asked_of_the_file(command, capsys):
    """As in the table: the user's word stands."""
    file = FILES / "form-h.c"
    code, _, errors = command("check", "--report", file, "--facet", "answers_partials=false", "--scenario", "partial")
    assert (0, "") == (code, errors)
    code, _, errors = command("check", "--report", file, "--scenario", "partial")
    assert (0, "") == (code, errors)


def test_failures_in_brackets_are_printed_when_they_are_asked_for(command):
    """The legend says how; --all prints their traces, and those of cores that claim nothing; without it there is none."""
    options = (
        "check",
        "--core",
        "v7.2",
        "--core",
        "iopf",
        "--scenario",
        "detach-report",
        "--scenario",
        "detach-partial",
    )
    few, text, _ = command(*options)
    assert "(use-after-free)" in text and "--all prints how" in text and "required:" not in text
    code, text, _ = command(*options, "--all")
    assert few == code
    assert 1 == text.count("required: an object stays") and "the driver broke its contract" in text
    assert "v7.2 fails detach-partial with the contract broken" in text
