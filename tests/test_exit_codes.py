# SPDX-License-Identifier: GPL-2.0-only
"""A gate never passes on nothing: exit codes are made of evidence, by one function, and the tables say what they mean."""

import argparse
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from iopf import _exit, check, cli
from iopf._exit import Evidence, decide
from iopf.check import ENDED, HUNG, LEFT_OUT, Cell, Finding, Table
from iopf.explore import cli as explore_cli, explore
from iopf.explore.programs import rcget

ROOT = Path(__file__).resolve().parent.parent


# --- the function ---


def test_only_something_good_and_nothing_else_is_0():
    """Every combination: 130 before 1 before 3 before 0, and 0 never for nothing."""
    for good, bad, unknown, interrupted in itertools.product((0, 1, 5), (0, 1), ((), ("why",)), (False, True)):
        code = decide(Evidence(good, bad, unknown, interrupted))
        expected = 130 if interrupted else 1 if bad else 3 if unknown or not good else 0
        assert expected == code, (good, bad, unknown, interrupted)
    assert 3 == decide(Evidence())


@pytest.mark.parametrize("returned", [None, True, "0", 0, 1])
def test_a_new_command_can_not_end_with_0_by_default(monkeypatch, capsys, tmp_path, returned):
    """Whatever a command returns that decide() did not make is a bug of ours, and exit code 70: neither 0 nor 1."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    real = cli._parser

    def parser():
        made = real()
        commands = next(action for action in made._actions if isinstance(action, argparse._SubParsersAction))
        commands.add_parser("judge").set_defaults(run=lambda options: returned)
        return made

    monkeypatch.setattr(cli, "_parser", parser)
    assert _exit.BUG == cli.main(["judge"])
    assert "a bug in iopf" in capsys.readouterr().err


def test_a_command_without_a_verdict_has_to_say_a_code_too(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(cli, "_info", lambda options: None)
    assert _exit.BUG == cli.main(["info"])


# --- check ---


def cell(verdict="pass", findings=(), executions=3, why=None, core="iopf", exhausted=True):
    kinds = tuple(
        Finding("leak", contract, (), "leaked", "token", "iopf replay token", "trace") for contract in findings
    )
    return Cell("partial", core, verdict, why, 3, executions, 0.1, kinds, exhausted)


def table(*cells, claims=(True,), complete=True):
    return Table(
        ("partial",),
        tuple(dict.fromkeys(cell.core for cell in cells)) or ("iopf",),
        claims,
        cells,
        0.1,
        complete,
        (None,) * len(claims),
    )


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (cell(), 0),
        (cell(executions=0), 3),
        (cell("bounded"), 3),
        (cell("sampled"), 3),
        (cell("inconclusive", why="the time is up"), 3),
        (cell("fail", ["kept"]), 1),
        (cell("fail", ["broken", "kept"], exhausted=False), 1),
        (cell("fail", ["broken"]), 0),
        (cell("fail", ["broken"], exhausted=False), 3),
        (cell("fail"), 3),
        (cell("inconclusive", why=ENDED, executions=0), 1),
        (cell("inconclusive", why=HUNG, executions=0), 1),
        (cell("inconclusive", why=LEFT_OUT, executions=0), 3),
    ],
    ids=lambda value: value if isinstance(value, int) else f"{value.verdict}{len(value.findings)}",
)
def test_each_cell_is_evidence_of_one_thing(one, code):
    """What passes, fails with its contract kept, or says neither. A failure of the driver hides nothing when the search
    came to its end after it, and may hide everything when it did not."""
    assert code == table(one).exit_code


def test_accept_takes_what_it_names_and_no_more():
    for verdict in ("bounded", "sampled"):
        found = table(cell(verdict))
        assert [3, 0, 0] == [decide(found.evidence(accept)) for accept in ((), (verdict,), ("bounded", "sampled"))]
        assert 3 == decide(table(cell(verdict, executions=0)).evidence((verdict,)))
    assert 3 == decide(table(cell("bounded")).evidence(("sampled",)))
    assert 3 == decide(table(cell("inconclusive", why="x")).evidence(("bounded", "sampled")))
    assert 1 == decide(table(cell("fail", ["kept"])).evidence(("bounded", "sampled")))


def test_history_never_decides():
    """Neither for nor against: beside a core that claims to be correct, and alone."""
    for history in (cell(), cell("fail", ["kept"]), cell("sampled"), cell("inconclusive", why=ENDED, executions=0)):
        history = Cell(history.scenario, "v6.9", *list(vars(history).values())[2:])
        assert 0 == table(cell(), history, claims=(True, False)).exit_code
        assert 1 == table(cell("fail", ["kept"]), history, claims=(True, False)).exit_code
        assert 3 == table(history, claims=(False,)).exit_code


def test_a_cell_that_is_missing_is_no_pass():
    assert 3 == table().exit_code
    assert 130 == table(cell(), complete=False).exit_code
    assert 3 == Table((), ("iopf",), (True,), (), 0.0, True, (None,)).exit_code


ONE = ("--core", "iopf", "--scenario", "partial")


def test_a_budget_for_nothing_is_no_verdict(command):
    """It printed "0 executions", and ended with 0."""
    code, output, errors = command("check", *ONE, "--budget", "1e-9")
    assert 3 == code
    assert "partial   ? nothing ran" in output and "?: no verdict" in output and "0 executions" in output
    assert "iopf: no verdict: partial on iopf" in errors
    data = json.loads(command("check", *ONE, "--budget", "1e-9", "--json")[1])
    assert (3, 1) == (data["exit_code"], len(data["unknown"]))
    assert 3 == command("check", *ONE, "--budget", "1e-9", "--accept", "sampled", "--accept", "bounded")[0]


def test_check_passes_with_evidence_and_not_on_history_alone(command):
    assert 0 == command("check", *ONE)[0]
    code, _, errors = command("check", "--core", "v6.12", "--scenario", "partial")
    assert 3 == code and "none of these cores claims to be correct" in errors


def test_what_was_found_counts_when_the_reader_goes_away():
    """``iopf check FILE | head`` with pipefail: 1 stays 1, and no verdict stays 3."""
    for arguments, expected in (
        (("check", *ONE, "--budget", "1e-9"), 3),
        (("check", *ONE), 0),
        (("explore", "partial", "--core", "v6.9"), 1),
        (("explore", "partial", "--budget", "1e-9"), 3),
    ):
        line = f"{sys.executable} -m iopf {' '.join(arguments)} | true; exit ${{PIPESTATUS[0]}}"
        # The pipe is closed before anything is written: true is done long before a search is.
        assert expected == subprocess.run(["bash", "-c", line], stderr=subprocess.DEVNULL).returncode, arguments


def test_bisect_says_good_bad_or_skip(command, tmp_path, monkeypatch):
    """0 and 1 as check; 125 for usage, a file of no known form, what does not compile, no verdict, and a bug of ours."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    good, bad = ROOT / "tests/kernel_files/form-g.c", ROOT / "tests/kernel_files/form-e-lost-return.c"
    broken = tmp_path / "broken.c"
    broken.write_text(good.read_text() + "int broken( {\n")
    one = ("--scenario", "partial")
    assert [0, 1] == [command("check", path, *one, "--bisect")[0] for path in (good, bad)]
    for arguments in (
        (broken, *one),
        (tmp_path / "none.c",),
        (tmp_path,),
        ("--core", "v9.99"),
        ("--nonsense",),
        ("--budget", "0"),
        (good, *one, "--budget", "1e-9"),
        ("--core", "v6.9", *one),
    ):
        assert 125 == command("check", *arguments, "--bisect")[0], arguments
    assert 125 == command("check", "--budget", "x", "--bis")[0]  # an abbreviation, as argparse takes it

    def bug(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr("iopf._check_command.check", bug)
    assert 125 == command("check", good, *one, "--bisect")[0]
    assert 70 == command("check", good, *one)[0]

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("iopf._check_command.check", interrupt)
    assert 130 == command("check", good, *one, "--bisect")[0]  # git bisect run ends


# --- explore ---


def test_explore_passes_finds_or_has_no_verdict(command):
    """What passed with 0 before: sampled, bounded, an estimate."""
    assert 0 == command("explore", "rcget-2")[0]
    assert 1 == command("explore", "partial", "--core", "v6.9")[0]
    random = ("explore", "rcget-3", "--strategy", "random", "--max-executions", "20")
    assert [3, 0, 3] == [command(*random, *more)[0] for more in ((), ("--accept", "sampled"), ("--accept", "bounded"))]
    bounded = ("explore", "rcget-3", "--strategy", "bound", "--bound", "0")
    assert [3, 0] == [command(*bounded, *more)[0] for more in ((), ("--accept", "bounded"))]
    assert 3 == command("explore", "rcget-3", "--strategy", "estimate")[0]
    assert 3 == command("explore", "rcget-3", "--budget", "1e-9", "--accept", "sampled", "--accept", "bounded")[0]
    assert 1 == command("explore", "partial", "--core", "v6.9", "--accept", "sampled")[0]


def test_the_verdict_and_the_exit_code_agree():
    """0 exactly where Result.check() does not raise, on every strategy."""
    for strategy in explore_cli.STRATEGIES:
        for budget in (1e-9, 20):
            result = explore(rcget(2), strategy=strategy, budget=budget, max_executions=5)
            passes = True
            try:
                result.check()
            except AssertionError:
                passes = False
            assert passes == (0 == decide(explore_cli._evidence(result, []))), result


# --- the tables ---


@pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="of a checkout")
@pytest.mark.parametrize("name", ["README.md", "iopf/explore/README.md"])
def test_the_tables_in_the_docs_are_those_of_the_code(name):
    """``python -m iopf._exit`` prints it."""
    assert _exit.markdown() in (ROOT / name).read_text(), "python -m iopf._exit prints what it should be"


@pytest.mark.parametrize("name", ["check", "explore", "failures --run"])
def test_help_has_the_codes(command, name):
    code, output, _ = command(name.partition(" ")[0], "--help")
    words = " ".join(output.split())
    assert 0 == code
    for number, meaning in {**_exit.MEANINGS[name], **_exit.EVERYWHERE}.items():
        assert f"{number} {meaning}" in re.sub(r"- ", "-", words) or f"{number} {meaning}" in words


def test_table_rows_name_commands_that_exist():
    parser = cli._parser()
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction)).choices
    assert {name.partition(" ")[0] for name in _exit.MEANINGS} - {"others"} <= set(commands)
    assert set(_exit.WITHOUT_VERDICT) <= set(commands)
    assert set(commands) - set(_exit.WITHOUT_VERDICT) == {"check", "explore", "failures"}
    assert check.__doc__ and _exit.epilog(("check",))
