# SPDX-License-Identifier: GPL-2.0-only
"""What the first answer of a process loads: what that answer needs, and nothing of the others'.

Most commands are over in less time than it takes to load the whole package, so what a process has loaded is most of what
its answer costs. It is held by name: what must not be there when an answer is. Each answer is that of a process of its own,
without site-packages' own start (``-S``): what an installation loads into every interpreter would hide what we load.
"""

import argparse
import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import _cffi_backend
import pytest

import iopf
from iopf import cli
from iopf._commands import SUMMARIES

#: What only a failure has, of one that was found or of one that is kept.
FAILURES = {f"iopf.explore.{name}" for name in (
    "_again", "_as_test", "_failure_copier", "_replay", "causes", "corefile", "deviations", "failure", "given", "kept",
    "lines", "packed", "page", "perfetto", "rows", "sources", "token", "trace",
)}  # fmt: skip
#: What only a search in parts has, or one that tells how far it is.
PARTS = {f"iopf.explore.{name}" for name in (
    "_checkpoint", "_jobs", "_parallel", "_pool", "_setting", "_wire", "_work", "progress",
)}  # fmt: skip
#: What only a user's file has as a core.
FILES = {
    "iopf._facets", "iopf._failed_compiles", "iopf._members", "iopf._probe", "iopf._refusals", "iopf._revisions", "iopf._source",
    "iopf.explore.loader", "ctypes", "shlex",
}  # fmt: skip
#: What only running has.
RUN = {
    "iopf._callbacks", "iopf._runtime", "iopf.device", "iopf.group", "iopf.handlers", "iopf.inputs", "iopf.queue", "iopf.record",
    "iopf.responses", "iopf.run", "iopf.space",
}  # fmt: skip
CHECK = {f"iopf.{name}" for name in (
    "_check_baseline", "_check_columns", "_check_command", "_check_pool", "_check_render", "_check_results", "_check_table",
    "check",
)}  # fmt: skip
#: Forms of output that somebody has to ask for, and commands that measure.
ASKED_FOR = {
    "iopf._bench", "iopf._bug_report", "iopf._check_kept", "iopf._check_page", "iopf._check_reports", "iopf._plots",
    "iopf.bench_table", "iopf.pytest_plugin", "xml.etree.ElementTree",
}  # fmt: skip
#: Of the standard library, what takes a millisecond or more.
SLOW = {
    "concurrent.futures", "difflib", "importlib.util", "logging", "multiprocessing", "pickle", "socket", "subprocess",
    "tempfile", "traceback", "unittest",
}  # fmt: skip
EXPLORER = {"iopf._explore", "iopf.explore.search", "iopf.explore.library", "iopf.explore.races", "iopf.explore.result"}

MAIN = "from iopf import cli\nassert 0 == cli.main({!r}), 'the answer'\n"
#: Of each answer: the program, and what it must not have loaded.
ANSWERS = {
    "import iopf": (
        "import iopf",
        FAILURES | PARTS | FILES | RUN | CHECK | ASKED_FOR | SLOW | EXPLORER
        | {"argparse", "dataclasses", "hashlib", "inspect", "iopf._native", "iopf.exceptions", "json", "pathlib", "re", "shutil",
           "textwrap", "typing"},
    ),
    "iopf.Queue": (
        "import iopf\niopf.Queue('a').close()",
        FAILURES | PARTS | FILES | CHECK | ASKED_FOR | SLOW | EXPLORER | {"argparse", "hashlib", "json", "shutil"},
    ),
    "explore() of what passes": (
        "from iopf.explore import explore, find_scenario\nassert 'pass' == explore(find_scenario('partial')).verdict",
        FAILURES | PARTS | FILES | RUN | CHECK | ASKED_FOR | SLOW
        | {"argparse", "hashlib", "iopf._native", "iopf.explore.programs", "json", "pathlib", "shutil"},
    ),
    "iopf --help": (
        "from iopf import cli\nassert 0 == cli.main(['--help'])",
        FAILURES | PARTS | FILES | RUN | CHECK | ASKED_FOR | SLOW | EXPLORER
        | {"dataclasses", "hashlib", "inspect", "iopf.explore.cli", "json", "pathlib"},
    ),
    "iopf explore of what passes": (
        MAIN.format(["explore", "partial", "--core", "iopf"]),
        FAILURES | PARTS | FILES | RUN | CHECK | ASKED_FOR | SLOW | {"hashlib", "iopf.explore.programs", "json", "pathlib"},
    ),
    "iopf check of what is known": (
        MAIN.format(["check", "--core", "iopf", "--scenario", "partial"]),
        (FAILURES | PARTS | FILES | ASKED_FOR | SLOW | EXPLORER) - {"iopf._explore", "iopf.explore.races"} | {"iopf._check_pool"},
    ),
    # As a process of a pool does it, without what brings its work to it.
    "a cell that passes": (
        "from iopf import scenarios\nfrom iopf._check_pool import Job, explore_cell\n"
        "cell = explore_cell(Job('partial', scenarios.build('partial'), 'iopf', 'iopf', True, 20.0))\n"
        "assert 'pass' == cell.verdict",
        FAILURES | PARTS | FILES | ASKED_FOR | {"argparse", "iopf._native", "iopf.check", "iopf.explore.programs"},
    ),
}  # fmt: skip

SAY = "\nimport sys; print('loaded', *sys.modules)"


@pytest.fixture
def loaded(tmp_path):
    """A function: what a process has loaded when a program is through."""
    path = [str(Path(iopf.__file__).resolve().parents[1]), str(Path(_cffi_backend.__file__).parent)]
    environment = {
        # A checkout hashes its sources before it believes an extension; that is no user's answer.
        **{name: value for name, value in os.environ.items() if not name.startswith(("IOPF_", "COVERAGE_"))},
        "IOPF_ALLOW_STALE": "1", "IOPF_CACHE_DIR": str(tmp_path / "cache"),
    }  # fmt: skip

    def run(program):
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", f"import sys\nsys.path += {path!r}\n{program}{SAY}"],
            capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120,
        )  # fmt: skip
        assert (0, "") == (done.returncode, done.stderr)
        return set(done.stdout.splitlines()[-1].split()[1:])

    return run


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_loads_nothing_that_only_others_need(answer, loaded):
    program, never = ANSWERS[answer]
    if answer == "iopf check of what is known":
        loaded(program)  # in a process of its own, whose pool is no part of the answer
    found = loaded(program)
    assert "iopf" in found
    assert set() == found & never


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_import_at_the_top_would_be_seen(answer, loaded):
    """The negative control: one more import, of any of them."""
    program, never = ANSWERS[answer]
    ours = next(name for name in sorted(never) if name.startswith("iopf._") and "plugin" not in name)
    assert ours in loaded(f"import {ours}\n{program}") & never


def test_what_needs_it_loads_it(loaded):
    """And another: the same names are there where they are asked for, so each stands for something."""
    fails = loaded(
        "from iopf.explore import explore, find_scenario\n"
        "found = explore(find_scenario('remove-queued-work'), core='v6.14', jobs=2, progress=lambda now: None)\n"
        "assert 'fail' == found.verdict; found.failure.keep(); str(found.failure)"
    )
    assert {"iopf.explore.failure", "iopf.explore.kept", "iopf.explore.token", "iopf.explore.trace", "hashlib"} <= fails
    assert {"iopf.explore._parallel", "iopf.explore._setting", "iopf.explore.progress", "concurrent.futures"} <= fails
    assert {"iopf._facets", "iopf._runtime"} <= loaded("import iopf; iopf.Facets, iopf.cores()")


def test_every_name_is_that_of_a_module():
    """A module that was renamed would not be looked for any more."""
    for name in sorted({name for _, never in ANSWERS.values() for name in never}):
        assert importlib.util.find_spec(name) is not None, name


# --- what is listed without being loaded ---


def commands(parser):
    return next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))


def test_the_list_of_commands_is_that_of_their_parsers(monkeypatch):
    """The help that lists the commands without loading them, and that of the parsers themselves: to the letter."""
    for width in ("60", "80", "200"):
        monkeypatch.setenv("COLUMNS", width)
        assert cli._parser().format_help() == cli._overview().format_help()
    assert [*SUMMARIES] == [*commands(cli._parser()).choices] == [*commands(cli._overview()).choices]
    listed = {name for names, _ in cli._PARSERS for name in names}
    assert listed == {*SUMMARIES}


def test_a_command_that_is_not_listed_would_be_seen(monkeypatch):
    """The negative control: one more, and one that says something else of itself."""
    real = cli._parser().format_help()
    monkeypatch.setitem(SUMMARIES, "weigh", "what a core weighs")
    assert real != cli._overview().format_help()
    monkeypatch.delitem(SUMMARIES, "weigh")
    assert real == cli._overview().format_help()
    monkeypatch.setattr(
        cli, "_PARSERS", (*cli._PARSERS, (("weigh",), lambda parsers: parsers.add_parser("weigh", help="x")))
    )
    assert cli._parser().format_help() != cli._overview().format_help()


@pytest.mark.parametrize("line", cli.WITHOUT_COMMAND)
def test_a_line_without_a_command_ends_as_the_parsers_end_it(line, capsys):
    """Code, text, and where it goes."""
    ends = []
    for parser in (cli._parser(), cli._overview()):
        with pytest.raises(SystemExit) as end:
            parser.parse_args(line)
        ends.append((end.value.code, *capsys.readouterr()))
    assert ends[0] == ends[1]
    assert cli.main(line) == ends[0][0]
    assert (ends[0][1], ends[0][2]) == tuple(capsys.readouterr())


# --- what is loaded late is the same ---


def test_a_scenario_of_any_form_is_read_by_who_has_loaded_one(loaded):
    """Forms that nobody has used yet are loaded when one is read: from JSON, and from a token."""
    from iopf.explore.programs import rcget

    text = json.dumps(rcget(2).to_dict())
    assert "iopf.explore.programs" in loaded(
        f"from iopf.explore.scenario import Scenario\nassert 'rcget-2' == Scenario.from_json({text!r}).name"
    )


def test_the_types_of_fields_can_be_asked_for(loaded):
    """typing.get_type_hints() of what a user holds, also of a field whose class has not been loaded: nobody but this program
    has used one."""
    loaded("""
import dataclasses, importlib, typing
for package in ("iopf.explore", "iopf.check", "iopf.scenarios"):
    module = importlib.import_module(package)
    classes = [value for name in module.__all__ if dataclasses.is_dataclass(value := getattr(module, name))]
    assert classes
    for one in classes:
        assert {field.name for field in dataclasses.fields(one)} <= set(typing.get_type_hints(one)), one
""")
    loaded(
        "import typing, iopf.explore.result as r; assert 'Failure' in str(typing.get_type_hints(r.Result)['failure'])"
    )


@pytest.mark.parametrize("package", ["iopf", "iopf.explore"])
def test_a_public_name_is_listed_three_times_and_is_one(package):
    """For ``import *``, for who loads it, and for type checkers; from the same module, which is where it is defined."""
    module = importlib.import_module(package)
    tree = ast.parse(Path(module.__file__).read_text())
    told = {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level and node.module
        for alias in node.names
    }
    loaded = {name: source for source, names in module._FROM.items() for name in names}
    eager = {"MissingExtension"} if package == "iopf" else set()
    assert {*module.__all__} - eager == {*loaded}
    assert loaded == {name: told[name] for name in loaded}
    assert sum(map(len, module._FROM.values())) == len(loaded)
    with pytest.raises(AttributeError, match="has no attribute 'explored'"):
        module.explored


@pytest.mark.parametrize("first", ["_again", "_replay", "_as_test", "search", "library"])
def test_functions_stay_functions_whatever_is_imported_first(first, loaded):
    """Nothing that the package offers has the name of one of its modules, which an import would put in its place."""
    loaded(
        f"import iopf.explore.{first}\nimport iopf.explore as e\n"
        "assert all(callable(getattr(e, name)) for name in ('again', 'replay', 'as_test', 'explore', 'find_scenario'))"
    )
