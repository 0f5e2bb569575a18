# SPDX-License-Identifier: GPL-2.0-only
"""No traceback at a user: every command with every option that it has, each with values that it can't use, and inputs
that are broken in every way. The options are taken from the parsers, so that a new one is in it by itself."""

import argparse
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from iopf import _exit, _mishaps, cli, scenarios
from iopf.explore import Scenario, ScenarioError, find_scenario
from iopf.explore.programs import rcget

SAMPLES = Path(cli.__file__).resolve().parent / "samples"
#: A line for each command on which it does little, and with what it can't use nothing.
LINES = {
    "run": ["/dev/null", "--maps", str(SAMPLES / "perl.maps")],
    "record": ["--", "/no/such/program"],
    "explore": ["rcget-2", "--budget", "1"],
    "replay": ["iopf1.nonsense"],
    "failures": [],
    "scenarios": ["rcget-2"],
    "check": ["--core", "iopf", "--scenario", "partial", "--budget", "1"],
    "bench": ["--core", "no-such-core"],
    "cores": [],
    "info": [],
}
BAD = [
    "", " ", "-1", "0", "-0", "1.5", "nan", "inf", "-inf", "1e400", "1e-320", str(10**23), str(-(10**23)), "9" * 5000,
    "x" * 10000, "\udcff", "é\u2028\f", "{}", "{}.json", ":x", "a.py:b", "/no/such.py:x", "/no/such.json", "/no/such.c",
    "/", "--", "=", "=x", "x=", "removal=", "iopf9.x", "iopf1.", "v6.41", "%s%n", "0x10", "1_000", "\0",
]  # fmt: skip


def parsers():
    parser = cli._parser()
    return next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction)).choices


def values():
    """Every option and argument of every command that takes a value."""
    for command, parser in parsers().items():
        for action in parser._actions:
            if action.nargs == 0 or isinstance(action, argparse._HelpAction):
                continue
            yield command, (action.option_strings or [action.dest])[0]


def line(command, name, value):
    """The command's line with one value replaced, or an option more."""
    base = list(LINES[command])
    if not name.startswith("-"):  # the first argument, or one more
        return [command, value, *base[1:]] if base and not base[0].startswith("-") else [command, value, *base]
    at = base.index("--") if "--" in base else len(base)
    return [command, *base[:at], f"{name}={value}" if name.startswith("--") else f"{name}{value}", *base[at:]]


def harmless(code, errors, command, output=""):
    """An exit code of the table, that is not "a bug", and no traceback."""
    assert code in _exit.allowed(command) and code != _exit.BUG, (code, errors)
    assert "Traceback" not in errors
    assert code == 0 or errors or output, "a failure that says nothing"
    assert len(errors) < 4000


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A working directory of its own, and no compile."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.parametrize(("command", "name"), list(values()), ids=lambda value: value)
def test_no_value_of_any_option_brings_a_traceback(command, name, capsys):
    """Exit code in the table, and a line that says what is wrong, when something is."""
    for value in BAD:
        code = cli.main(line(command, name, value))
        shown = capsys.readouterr()
        harmless(code, shown.err, command, shown.out)


def test_every_command_has_a_line_here():
    assert set(LINES) == set(parsers())


def test_what_was_meant_is_said(capsys, tmp_path):
    """Commands, options, choices, and every kind of name."""
    (tmp_path / "mine.py").write_text("from iopf.explore import Scenario\nracing = Scenario('r')\n")
    for arguments, meant in (
        (["exlpore", "x"], "'explore'"),
        (["explore", "rcget-2", "--bugdet", "1"], "--budget"),
        (["explore", "rcget-2", "--strategy", "dpro"], "'dpor'"),
        (["explore", "parital"], "'partial'"),
        (["explore", "rcget-2", "--core", "v6.41"], "'v6.14'"),
        (["check", "--core", "v6.41"], "'v6.14'"),
        (["check", "--scenario", "refusla"], "'refusal'"),
        (["explore", "mine.py:racign"], "'racing'"),
        (["scenarios", "parital"], "'partial'"),
        (["explore", "rcget-2", "--accept", "sampeld"], "'sampled'"),
    ):
        assert 2 == cli.main(arguments)
        assert f"did you mean {meant}" in capsys.readouterr().err
    for wrong, meant in (
        (lambda s, q: s.device(q, handler="inlnie"), "inline"),
        (lambda s, q: s.expect("laek"), "leak"),
        (lambda s, q: s.task("t").respond(s.device(q), grpid=1, code="sucess"), "success"),
        (
            lambda s, q: Scenario.from_dict({**s.to_dict(), "tasks": [{"name": "t", "operations": [["reprot", {}]]}]}),
            "report",
        ),
    ):
        scenario = Scenario("s")
        with pytest.raises(ValueError, match=f"did you mean '{meant}'"):
            wrong(scenario, scenario.queue())


# --- scenario files ---

MINE = """
from iopf.explore import Scenario

def race() -> Scenario:
    \"\"\"Removal beside a report.\"\"\"
    s = Scenario("mine")
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s

ready = race()

def helper(name):
    return name

def words() -> str:
    return "no scenario"
"""


def test_a_file_of_scenarios_is_listed_and_used(capsys, tmp_path):
    """``explore mine.py`` says which there are, ``scenarios mine.py`` lists them; explore and check take one."""
    (tmp_path / "mine.py").write_text(MINE)
    assert 2 == cli.main(["explore", "mine.py"])
    assert "which of its scenarios? mine.py:NAME. There are race, ready" in capsys.readouterr().err
    assert 0 == cli.main(["scenarios", "mine.py"])
    assert ["race   Removal beside a report.", "ready  mine"] == capsys.readouterr().out.splitlines()
    assert 0 == cli.main(["scenarios", "mine.py", "--json"])
    assert ["race", "ready"] == [entry["name"] for entry in json.loads(capsys.readouterr().out)]
    assert 0 == cli.main(["explore", "mine.py:race"])
    assert 1 == cli.main(["explore", "mine.py:ready", "--core", "v6.14"])
    capsys.readouterr()
    assert 0 == cli.main(["check", "--core", "iopf", "--scenario", "mine.py:race", "--scenario", "partial"])
    assert re.search(r"^mine\.py:race  ✓ \d+$", capsys.readouterr().out, re.M)
    (tmp_path / "saved.json").write_text(find_scenario("mine.py:race").to_json())
    assert 0 == cli.main(["check", "--core", "iopf", "--scenario", "saved.json"])
    # Nothing is written beside it; the cache is where it was said to be.
    assert ["cache", "mine.py", "saved.json"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n1 / 0\n", "mine.py:2: ZeroDivisionError: division by zero"),
        ("def x(:\n", "mine.py:1: SyntaxError: "),
        ("raise SystemExit(0)\n", "mine.py:1: SystemExit: 0"),
        ("import no_such_module_at_all\n", "mine.py:1: ModuleNotFoundError: "),
        ("def x():\n    return x()\n", "mine.py:2: RecursionError: "),
        (
            "from iopf.explore import Scenario\ndef x():\n    Scenario('x').task('t').reprot()\n",
            "did you mean 'report'?",
        ),
        ("from iopf.explore import Scenario\ns = Scenario('')\n", "mine.py:2: ValueError: a scenario's name"),
        ("def x(argument): pass\n", "TypeError: x() missing"),
        ("x = 5\n", "'x' is no scenario"),
        ("y = 5\n", "mine.py has no scenario 'x'"),
        ("\0", "mine.py"),
        ("\udcff", "mine.py"),
    ],
)
def test_what_a_scenario_file_raises_is_told_with_its_line(capsys, tmp_path, text, says):
    """In one line, exit code 2, by each command that reads it; from Python as a ScenarioError with the cause."""
    (tmp_path / "mine.py").write_bytes(os.fsencode(text))
    for arguments in (["explore", "mine.py:x"], ["scenarios", "mine.py:x"], ["check", "--scenario", "mine.py:x"]):
        assert 2 == cli.main(arguments)
        errors = capsys.readouterr().err
        assert says in errors and 1 == errors.count("\n") and "Traceback" not in errors


def test_a_scenario_error_has_the_place_and_the_cause(tmp_path):
    (tmp_path / "mine.py").write_text("\n\nraise KeyError('a')\n")
    with pytest.raises(ScenarioError) as caught:
        find_scenario("mine.py:x")
    assert ("mine.py", 3) == (caught.value.path, caught.value.line) and isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("suffix", [".json", ".py:x", ".py"])
@pytest.mark.parametrize("kind", ["/dev/zero", "fifo", "large", "folder"])
def test_a_scenario_file_is_a_regular_file_of_a_small_size(capsys, tmp_path, kind, suffix):
    """A device never ends, and a pipe may be waited for for ever."""
    path = tmp_path / f"x{suffix.partition(':')[0]}"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "large":
        path.touch()
        os.truncate(path, 1 << 40)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(kind)
    for command in (["explore"], ["scenarios"], ["check", "--scenario"]):
        assert 2 == cli.main([*command, f"x{suffix}"])
        assert "Traceback" not in capsys.readouterr().err


def test_json_that_is_nested_too_deep_is_no_scenario(capsys, tmp_path):
    for number, text in enumerate(
        ("[" * 100_000, '{"a":' * 100_000, "1" * 10_000, "\xff", "", "null", '{"name": "x"}')
    ):
        (tmp_path / f"{number}.json").write_bytes(text.encode("latin-1"))
        assert 2 == cli.main(["explore", f"{number}.json"])
        errors = capsys.readouterr().err
        assert f"{number}.json: " in errors and 1 == errors.count("\n")


def broken(data, rng):
    """The same with one value somewhere replaced."""
    junk = [None, True, -1, 0, 1.5, 2**31, 2**32, 2**64, 10**30, -(2**63), "", "x", "\ud800", "sva", [], {}, [[]], [1, 2],
            {"a": 1}, float("nan"), float("inf")]  # fmt: skip
    if isinstance(data, dict) and data and rng.random() < 0.85:
        key = rng.choice(list(data))
        how = rng.random()
        if how < 0.1:
            return {name: value for name, value in data.items() if name != key}
        if how < 0.2:
            return {**data, rng.choice(["x", "addr", "queue", "operations", "grpid"]): rng.choice(junk)}
        return {**data, key: broken(data[key], rng)}
    if isinstance(data, list) and data and rng.random() < 0.85:
        at = rng.randrange(len(data))
        return [*data[:at], broken(data[at], rng), *data[at + 1 :]]
    return rng.choice(junk)


def test_a_scenario_with_a_broken_value_is_read_or_refused(seed, long_mode):
    """Whatever stands where in the JSON: a scenario that compiles to the same JSON again, or a ValueError. Of the
    framework's and of the low-level form, from a seed that is printed."""
    rng = random.Random(seed)
    whole = [scenarios.build(name).to_dict() for name in ("partial", "driver-lock", "one-index-two-pasids")]
    whole.append(rcget(2).to_dict())
    read = 0
    for _ in range(50_000 if long_mode else 3000):
        data = broken(rng.choice(whole), rng)
        try:
            scenario = Scenario.from_json(json.dumps(data))
        except ValueError:
            continue
        read += 1
        assert scenario.copy() == scenario and str(scenario)
    assert read  # some changes do no harm


# --- what the machine lacks, and our own bugs ---


def process(*arguments, before="", **env):
    code = f"{before}; exec {sys.executable} -m iopf {' '.join(arguments)}" if before else ""
    command = ["bash", "-c", code] if before else [sys.executable, "-m", "iopf", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, timeout=120)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--core", "iopf", "--scenario", "partial"),
        ("explore", "rcget-2"),
        ("cores",),
        ("run", "x", "--maps", "y"),
    ],
)
def test_few_files_may_be_opened(arguments):
    """``ulimit -n``: it works, or says what to raise. Below a few the interpreter itself does not start."""
    for limit in (8, 10, 12, 14, 16):
        done = process(*arguments, before=f"ulimit -n {limit}")
        harmless(done.returncode, done.stderr, arguments[0], done.stdout)
        assert done.returncode in (0, 2), done.stderr
        if done.returncode == 2 and arguments[0] != "run":
            assert "ulimit -n 256" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--core", "iopf", "--scenario", "partial"),
        ("explore", "rcget-2"),
        ("explore", "x.py:y"),
        ("cores",),
        ("record", "--", "true"),
    ],
)
def test_the_working_directory_was_deleted(arguments, tmp_path):
    """It works all the same, or says so."""
    gone = tmp_path / "gone"
    gone.mkdir()
    path = os.pathsep.join(os.path.abspath(part) for part in sys.path if part)
    done = process(*arguments, before=f"cd {gone} && rmdir {gone}", PYTHONPATH=path)
    harmless(done.returncode, done.stderr, arguments[0], done.stdout)
    assert 1 != done.returncode


def test_a_bug_of_ours_is_no_finding(monkeypatch, capsys, tmp_path):
    """One line with where the traceback is, and an exit code that is neither "found" nor "fine"."""

    def bug(options):
        raise KeyError("deep inside")

    monkeypatch.setattr(cli, "_info", bug)
    assert 70 == cli.main(["info"])
    errors = capsys.readouterr().err
    assert errors.startswith("iopf info: this is a bug in iopf, please report it") and 1 == errors.count("\n")
    (kept,) = tmp_path.glob("iopf-traceback-*.txt")
    assert str(kept) in errors and "in bug" in kept.read_text()
    monkeypatch.setenv("IOPF_TRACEBACK", "1")
    assert 70 == cli.main(["info"])
    assert "Traceback" in capsys.readouterr().err and [kept] == list(tmp_path.glob("iopf-traceback-*.txt"))
    monkeypatch.delenv("IOPF_TRACEBACK")
    monkeypatch.setattr("tempfile.tempdir", "/proc/none")
    assert 70 == cli.main(["info"])
    assert "IOPF_TRACEBACK=1 prints it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "there is no memory left"),
        (OSError(24, "Too many open files"), "ulimit -n"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (PermissionError(13, "Permission denied", "/x"), "/x: Perm"),
        (ImportError("/x/_native.abi3.so: failed to map: Cannot allocate memory"), "no memory left"),
    ],
)
def test_what_the_machine_lacks_is_no_bug(capsys, error, says):
    assert 2 == _mishaps.explain("check", error)
    assert says in capsys.readouterr().err
