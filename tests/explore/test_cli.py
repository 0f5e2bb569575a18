# SPDX-License-Identifier: GPL-2.0-only
"""``iopf explore``, ``replay`` and ``scenarios``: output, JSON, exit codes."""

import errno
import inspect
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import core_scenarios as sc
import pytest

from iopf.explore import Progress, Scenario, explore
from iopf.explore.cli import ProgressLine, duration, large
from iopf.explore.token import decode, encode


@pytest.fixture
def saved(tmp_path):
    """A scenario in a file, that v6.14 fails and our core passes."""
    path = tmp_path / "race.json"
    path.write_text(sc.work_against_removal().to_json())
    return str(path)


def test_a_pass_is_exit_code_0(run, saved):
    """One line that says so."""
    code, out, err = run("explore", saved)
    assert (0, "") == (code, err)
    assert "pass: exhaustive" in out


def test_a_failure_is_exit_code_1_with_its_trace(run, saved):
    """The trace, the result, and no escape codes on a pipe."""
    code, out, _ = run("explore", saved, "--core", "v6.14")
    assert 1 == code
    assert re.search(r"^  iopf replay [0-9a-f]{10}$", out, re.M) and "fail: " in out and "\033" not in out


def test_json_is_the_whole_result(run, saved):
    """Both verdicts."""
    code, out, _ = run("explore", saved, "--json")
    assert (0, "pass") == (code, json.loads(out)["verdict"])
    code, out, _ = run("explore", saved, "--core", "v6.14", "--json")
    data = json.loads(out)
    assert (1, "fail") == (code, data["verdict"])
    assert data["failure"]["token"].startswith("iopf2.") and data["failure"]["steps"]


def test_replay_runs_a_token(run):
    """1: it fails as recorded; 3: it did not reproduce; 2: it is no token."""
    failure = explore(sc.work_against_removal(), core="v6.14").failure
    token = failure.token
    code, out, _ = run("replay", token)
    assert 1 == code and f"iopf replay {failure.id}\n" in out
    code, out, _ = run("replay", failure.id, "--long-token")
    assert 1 == code and token in out
    code, out, _ = run("replay", token, "--json")
    assert 1 == code and json.loads(out)["reproduced"] is True
    code, out, _ = run("replay", token, "--core", "iopf")
    assert 3 == code and "did not reproduce" in out
    code, out, _ = run("replay", token, "--core", "iopf", "--json")
    assert json.loads(out)["reproduced"] is False
    code, _, err = run("replay", "iopf2.nonsense")
    assert 2 == code and "damaged" in err
    code, _, err = run("replay", "iopf9.nonsense")
    assert 2 == code and "format" in err


def test_a_replay_that_passes_now_is_exit_code_0(run, tmp_path):
    """The bug is gone and the schedule still fits: the execution runs to its end, and nothing fails."""
    wrong, right = Scenario("result"), Scenario("result")
    for scenario, result in ((wrong, -errno.EBUSY), (right, 0)):
        queue = scenario.queue()
        dev = scenario.device(queue, handler="inline", pasid=1)
        scenario.task("irq").report(dev, grpid=1, pasid=1, returns=result)
    recorded = decode(explore(wrong).failure.token)
    values = {name: getattr(recorded, name) for name in inspect.signature(encode).parameters}
    token = encode(**{**values, "scenario": right})
    code, out, _ = run("replay", token)
    assert 0 == code and "It passes now: " in out
    code, out, _ = run("replay", token, "--json")
    assert (0, False) == (code, json.loads(out)["reproduced"])


def test_a_replay_that_fails_in_another_way_is_exit_code_3(run):
    """It runs to its end, and what fails is not what was recorded: no word on that failure."""
    failure = explore(sc.work_against_removal(), core="v6.14").failure
    recorded = decode(failure.token)
    values = {name: getattr(recorded, name) for name in inspect.signature(encode).parameters}
    code, out, _ = run(
        "replay", encode(**{**values, "signature": "leak of group in f: nobody freed it; contract kept"})
    )
    assert 3 == code and "did not reproduce" in out and failure.signature in out


def test_a_kernel_file_is_a_core(run, saved):
    """By its path: compiled, explored, and its lines in the trace; the line to paste runs, as it is and without the file."""
    file = str(Path(__file__).resolve().parents[1] / "kernel_files" / "form-h.c")
    code, out, _ = run("explore", saved, "--core", file)
    assert 1 == code and "form-h.c:" in out
    line = shlex.split(next(line for line in out.splitlines() if "  iopf replay " in line))
    assert ["iopf", "replay", "--core", file] == [*line[:2], *line[3:]]
    assert 1 == run(*line[1:])[0] == run("replay", line[2])[0]
    assert 1 == run(*line[1:], "--facet", "kzalloc_obj=true")[0]
    code, _, err = run(*line[1:], "--facet", "removal")
    assert 2 == code and "takes NAME=VALUE" in err
    code, _, err = run("replay", line[2], "--facet", "kzalloc_obj=true")
    assert 2 == code and "--core" in err
    code, _, err = run("explore", saved, "--core", "/no/such.c")
    assert 2 == code and "/no/such.c" in err


def test_scenarios_are_listed_and_shown(run):
    """Names with what they are about; one by name; JSON."""
    code, out, _ = run("scenarios")
    assert 0 == code and "rcget-3" in out
    assert {"name", "summary"} == set(json.loads(run("scenarios", "--json")[1])[0])
    assert "reader1" in run("scenarios", "rcget-2")[1]
    assert "rcget-2" == Scenario.from_json(run("scenarios", "rcget-2", "--json")[1]).name
    assert 2 == run("scenarios", "no-such")[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("explore",),
        ("explore", "no-such"),
        ("explore", "rcget-2", "--core", "v9"),
        ("explore", "rcget-2", "--strategy", "x"),
        ("explore", "rcget-2", "--budget", "0"),
        ("explore", "/no/such.json"),
        ("replay",),
    ],
)
def test_what_cannot_be_used_is_exit_code_2(run, arguments):
    """With a line on stderr, and no traceback."""
    code, out, err = run(*arguments)
    assert (2, "") == (code, out)
    assert err and "Traceback" not in err


def test_ctrl_c_is_exit_code_130_with_what_was_found(session):
    """A search without an end, interrupted when it says that it is at work: the result so far, and 130."""
    code = (
        "import argparse, sys\nfrom iopf.explore.cli import register\n"
        "p = argparse.ArgumentParser()\nregister(p.add_subparsers())\n"
        "a = p.parse_args(['explore', 'rcget-7', '--strategy', 'naive', '--budget', '1000', '--json'])\n"
        "sys.stderr.isatty = lambda: True\nsys.exit(a.run(a))\n"
    )
    child = session(sys.executable, "-c", code)
    shown = ""
    while "executions" not in shown:
        shown += child.process.stderr.read(1)
    os.kill(child.pid, signal.SIGINT)
    out, _ = child.end()
    assert 130 == child.process.returncode
    assert json.loads(out)["interrupted"] is True


def test_the_progress_line_says_how_long_it_takes():
    """Strategy, bar, executions, rate, estimate, time to go, failures."""
    stream = io.StringIO()
    line = ProgressLine(stream)
    line(Progress(2.0, 0.5, 2_000_000, 2.0, 1_000_000, 3, "dpor", 1, None))
    assert (
        "dpor, [##########----------] 50 %, 1 M executions, 500 k/s, of about 2 M, 2.0 s to go, 1 failing"
        in stream.getvalue()
    )
    line.clear()
    assert stream.getvalue().endswith("\r\033[K")
    assert ["0.4 s", "12 s", "3 min 20 s"] == [duration(0.4), duration(12), duration(200)]
    assert ["950", "12.3 k", "4.5 M", "7 G"] == [large(950), large(12_300), large(4.5e6), large(7e9)]


def test_progress_is_on_stderr_of_a_terminal_only(saved):
    """On a pipe there is none."""
    code = (
        "import argparse, sys\nfrom iopf.explore.cli import register\n"
        "p = argparse.ArgumentParser()\nregister(p.add_subparsers())\n"
        "a = p.parse_args(sys.argv[1:])\nsys.exit(a.run(a))\n"
    )
    command = [sys.executable, "-c", code, "explore", "rcget-5", "--budget", "0.5", "--strategy", "naive"]
    assert "" == subprocess.run(command, capture_output=True, text=True).stderr
    parent, child = os.openpty()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=child)
    os.close(child)
    shown = os.read(parent, 65536).decode()
    os.close(parent)
    assert done.returncode in (0, 3) and "executions" in shown and "\r" in shown


#: What no search needs: other commands, files as cores, programs that are run, what is said of mistakes.
NOT_NEEDED = {
    "iopf._bench", "iopf._check_command", "iopf._runtime", "iopf._source", "iopf.check", "iopf.device", "iopf.record", "iopf.run",
    "ctypes", "difflib", "hashlib", "multiprocessing", "platform", "subprocess", "tempfile",
}  # fmt: skip


@pytest.mark.parametrize(
    "arguments, needed",
    [(["explore", "rcget-2"], set()), (["scenarios"], set()), (["cores"], {"iopf._runtime"})],
    ids=["explore", "scenarios", "cores"],
)  # fmt: skip
def test_a_command_loads_what_it_needs_and_not_what_others_do(arguments, needed):
    """A search of a millisecond is not to begin with a tenth of a second of imports. (The control: who needs it, loads it.)"""
    program = f"""
import sys
from iopf.cli import main
code = main({arguments})
print(*sorted(set(sys.modules) & {NOT_NEEDED}))
raise SystemExit(code)
"""
    # A checkout reads its sources, to compare: that is no part of it.
    done = subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path}\n{program}"],
                          env={**os.environ, "IOPF_ALLOW_STALE": "1"}, capture_output=True, text=True)  # fmt: skip
    loaded = set(done.stdout.splitlines()[-1].split())
    assert (0, "") == (done.returncode, done.stderr)
    assert loaded >= needed and (needed or not loaded), loaded
