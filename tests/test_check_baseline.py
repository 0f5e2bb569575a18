# SPDX-License-Identifier: GPL-2.0-only
"""``iopf check --baseline``: what differs is shown and judged, and nothing else."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from iopf import Core, cli
from iopf._exit import decide
from iopf.check import ENDED, HUNG, Cell, Finding, Table, check, compare, render, render_comparison

FILES = Path(__file__).resolve().parent / "kernel_files"
FORM = FILES / "form-g.c"


def beside(name):
    spec = importlib.util.spec_from_file_location(f"kernel_files_{name}", FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TREES = beside("trees")
CHANGES = {change.name: change for change in TREES.CHANGES.CHANGES}
PUT = CHANGES["a stored partial keeps the reference"]
QUICK = ("partial", "refusal", "remove-held-group", "remove-late-report")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Results and compiled cores of a test are its own."""
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def command(capsys):
    """A command line in this process: exit code, output, errors."""

    def command(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


def only(*names):
    return [argument for name in names for argument in ("--scenario", name)]


def plant(folder, text):
    folder.mkdir()
    path = folder / "io-pgfault.c"
    path.write_text(text)
    return path


# --- by hand: every pair of cells ---


def finding(kind="leak", what="param in f: nobody freed it", clauses=()):
    """One that breaks these clauses, or keeps the contract."""
    contract = "broken" if clauses else "kept"
    tail = f"contract broken: {', '.join(clauses)}" if clauses else "contract kept"
    return Finding(kind, contract, tuple(clauses), what, "token", "line", "trace", f"{kind} of {what}; {tail}")


def cell(core, *findings, verdict=None, classes=4, exhausted=True, executions=4, why=None):
    return Cell(
        "row", core, verdict or ("fail" if findings else "pass"), why, classes, executions, 0.1, findings, exhausted
    )


#: As check() says of a file.
FILE = {"path": "io-pgfault.c", "form": "", "facets": {}, "members": []}


def compared(before, after, **options):
    """The comparison of one cell with another."""
    cells = (replace(before, core="old"), replace(after, core="new"))
    table = Table(("row",), ("old", "new"), (True, True), cells, 0.1, True, (FILE, FILE), "old")
    return compare(table, **options)


def kinds(comparison):
    return [difference.kind for difference in comparison.differences]


LEAK, ELSEWHERE, RACE = finding(), finding(what="group in g: nobody freed it"), finding("data-race", "param in f and g")
PASS = cell("x")


@pytest.mark.parametrize(
    ("before", "after", "expected", "code"),
    [
        (PASS, PASS, [], 0),
        (PASS, cell("x", LEAK), ["new failure"], 1),
        (cell("x", LEAK), PASS, ["mended"], 0),
        (cell("x", LEAK), cell("x", LEAK), [], 0),
        (cell("x", LEAK), cell("x", ELSEWHERE), ["other place"], 1),
        (cell("x", LEAK), cell("x", RACE), ["other kind"], 1),
        (cell("x", LEAK), cell("x", LEAK, RACE), ["new failure"], 1),
        (cell("x", LEAK, ELSEWHERE), cell("x", RACE), ["other kind", "hidden"], 1),
        (cell("x", LEAK, RACE), cell("x", LEAK), ["mended"], 0),
        (PASS, cell("x", classes=5), ["other classes"], 0),
        (cell("x", LEAK), cell("x", LEAK, classes=5), ["other classes"], 0),
    ],
)  # fmt: skip
def test_each_kind_of_difference_is_told_and_only_what_is_new_is_bad(before, after, expected, code):
    """A failure at another place or of another kind is one that was not there."""
    found = compared(before, after)
    assert (expected, code) == (kinds(found), decide(found.evidence()))


@pytest.mark.parametrize("options", [{}, {"accept": ("moved",)}])
def test_a_search_that_was_cut_short_beside_a_failure_that_moved_has_no_verdict(options):
    """What moved is no new failure where that is accepted: then nothing tells what else fails, and that is no pass."""
    comparison = compared(cell("x", LEAK), cell("x", ELSEWHERE, exhausted=False), **options)
    assert ["other place"] == kinds(comparison) and 0 == comparison.compared
    good = replace(comparison, compared=5)  # other cells
    assert (3 if options else 1) == decide(good.evidence())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (("flush",), ("flush",), []),
        ((), (), []),
        (("flush",), (), ["new failure"]),  # the driver need not break anything any more: it is graver
        ((), ("flush",), ["other contract"]),
        (("flush",), ("flush", "reception"), ["other contract"]),
        (("flush", "reception"), ("flush",), ["new failure"]),
        (("flush",), ("reception",), ["new failure"]),
    ],
)
def test_a_failure_was_there_before_when_the_driver_had_to_break_no_more_for_it(before, after, expected):
    """The clauses are part of what a failure is. What is one with the contract kept alone, now, is new."""
    found = compared(cell("x", finding(clauses=before)), cell("x", finding(clauses=after)))
    assert expected == kinds(found)
    assert ("new failure" in expected) == bool(found.new)


def test_lines_are_no_difference():
    """A signature has none; the line of a finding is not looked at."""
    moved = replace(LEAK, line=99, trace="another", token="another", message="another")
    assert [] == kinds(compared(cell("x", LEAK), cell("x", moved)))


UNKNOWN = {
    "bounded": cell("x", verdict="bounded", exhausted=False),
    "sampled": cell("x", verdict="sampled", exhausted=False),
    "inconclusive": cell("x", verdict="inconclusive", exhausted=False, why="the time is up"),
    "nothing ran": cell("x", verdict="inconclusive", exhausted=False, executions=0),
    "the rest unknown": cell("x", LEAK, exhausted=False),
}


@pytest.mark.parametrize("name", [*UNKNOWN, ENDED, HUNG])
def test_no_verdict_in_either_column_is_never_no_difference(name):
    """Not even when both have none, and look the same."""
    unknown = UNKNOWN.get(name) or cell("x", verdict="inconclusive", exhausted=False, executions=0, why=name)
    for other in (PASS, cell("x", LEAK), unknown):
        found = compared(unknown, other)
        assert 3 == decide(found.evidence()), (name, other)
        assert found.unknown and not found.compared and not found.new
    for other in (PASS, cell("x", LEAK)):
        found = compared(other, unknown)
        new = (name == "the rest unknown" and other is PASS) or name in (ENDED, HUNG)
        assert (1 if new else 3) == decide(found.evidence()), (name, other)


def test_what_is_accepted_is_enough_in_both_columns():
    for name in ("bounded", "sampled"):
        for before, after in ((UNKNOWN[name], PASS), (PASS, UNKNOWN[name]), (UNKNOWN[name],) * 2):
            assert 0 == decide(compared(before, after, accept=[name]).evidence())
            assert 3 == decide(compared(before, after, accept=["other"]).evidence())


def test_moved_is_no_new_failure_when_that_is_accepted():
    """And nothing else is let through by it."""
    for after, without, within in ((ELSEWHERE, 1, 0), (RACE, 1, 1)):
        pair = cell("x", LEAK), cell("x", after)
        assert [without, within] == [decide(compared(*pair, accept=accept).evidence()) for accept in ((), ("moved",))]
    assert 1 == decide(compared(PASS, cell("x", LEAK), accept=["moved"]).evidence())


def test_functions_of_a_core_that_was_written_anew_tell_nothing():
    """A baseline of the build has the names that we gave: only beside a file is another place another failure."""
    cells = (cell("old", LEAK), cell("new", ELSEWHERE))
    table = Table(("row",), ("old", "new"), (False, True), cells, 0.1, True, (None, FILE), "old")
    assert ["other place"] == kinds(compare(table)) and 0 == decide(compare(table).evidence())
    assert 1 == decide(compare(replace(table, sources=(FILE, FILE))).evidence())


def test_contract_kept_leaves_out_what_the_driver_is_to_blame_for():
    """One that is with the contract kept only now counts; what is mended so far that the driver has to break it, too."""
    broken, kept = cell("x", finding(clauses=["flush"])), cell("x", finding())
    for before, after, without, within in (
        (PASS, broken, 1, 0),
        (PASS, kept, 1, 1),
        (broken, kept, 1, 1),
        (kept, broken, 0, 0),
        (kept, kept, 0, 0),
    ):
        codes = [decide(compared(before, after, contract=which).evidence()) for which in (None, "kept")]
        assert [without, within] == codes, (before, after)
    assert ["mended"] == kinds(compared(kept, broken, contract="kept"))
    assert ["other contract"] == kinds(compared(kept, broken))
    with pytest.raises(ValueError, match="takes 'kept'"):
        compared(PASS, PASS, contract="broken")


def test_a_cell_that_was_not_reached_and_an_interrupt_are_no_pass():
    table = Table(("row",), ("old", "new"), (True, True), (cell("old"),), 0.1, False, (None, None), "old")
    found = compare(table)
    assert ("row on new: it was not reached",) == found.unknown
    assert 130 == decide(found.evidence())
    assert 3 == decide(compare(replace(table, complete=True)).evidence())
    assert 3 == decide(compare(replace(table, complete=True), []).evidence())
    assert 3 == decide(compare(replace(table, complete=True, scenarios=(), cells=())).evidence())
    with pytest.raises(ValueError, match="no baseline"):
        compare(replace(table, baseline=None))
    with pytest.raises(ValueError, match="no column 'x'"):
        compare(table, ["x"])


def test_the_baseline_itself_is_never_judged():
    """It is a file, too, and claims to be correct."""
    table = Table(
        ("row",), ("old", "new"), (True, True), (cell("old", LEAK), cell("new")), 0.1, True, (None,) * 2, "old"
    )
    assert 0 == table.exit_code and [] == table.bugs
    assert 1 == replace(table, baseline=None).exit_code


# --- files ---


def test_an_unchanged_file_has_no_difference_and_is_explored_once(command, tmp_path):
    """A copy elsewhere, and the file itself; the same from what was kept."""
    copy = plant(tmp_path / "copy", FORM.read_text())
    for baseline in (copy, FORM):
        code, output, errors = command("check", FORM, "--baseline", baseline, *only(*QUICK))
        assert (0, "") == (code, errors)
        assert "4 cells compared: no difference" in output and "scenario" not in output.split("\n\n")[1].split()
    code, output, _ = command("check", FORM, "--baseline", copy, *only(*QUICK), "--json")
    data = json.loads(output)
    assert (0, True) == (code, all(cell["cached"] for cell in data["cells"]))
    assert [] == data["comparison"]["differences"] and 4 == data["comparison"]["compared"]
    assert "form-g.c" == data["cores"][0]["same_as"]


def test_one_dropped_put_is_exactly_its_cells(command, tmp_path):
    """Exit code 1: a leak in the rows with a partial request, and no other row is shown; its trace is."""
    changed = plant(tmp_path / "new", PUT.apply(FORM.read_text()))
    old = plant(tmp_path / "old", FORM.read_text())
    code, output, errors = command("check", changed, "--baseline", old, *only(*QUICK))
    assert (1, "") == (code, errors)
    assert "old/io-pgfault.c" in output and "new/io-pgfault.c" in output
    table = output.partition("scenario")[2].partition("\n\n")[0]
    assert ["partial"] == [line.split()[0] for line in table.splitlines()[1:]]
    assert "1 new failure" in output and "new failure: leak of param" in output
    assert output.count("its count is still 1") == 1
    data = json.loads(command("check", changed, "--baseline", old, *only(*QUICK), "--json")[1])
    (difference,) = data["comparison"]["differences"]
    assert ("new failure", "partial", "new/io-pgfault.c", None, "kept", "leak") == (
        difference["kind"], difference["scenario"], difference["core"], difference["before"], difference["contract"],
        difference["after"]["kind"],
    )  # fmt: skip
    assert [0, 1] == [
        command("check", *pair, "--contract", "kept", *only(*QUICK))[0]
        for pair in ((old, "--baseline", changed), (changed, "--baseline", old))
    ]
    assert "mended: leak of param" in command("check", old, "--baseline", changed, *only(*QUICK))[1]


def test_moved_lines_are_no_difference(command, tmp_path):
    """A comment on top of a file that fails."""
    failing = (FILES / "form-j.c").read_text()
    old, new = plant(tmp_path / "old", failing), plant(tmp_path / "new", f"/* above\n\n\n */\n{failing}")
    code, output, _ = command(
        "check", new, "--baseline", old, *only("remove-held-group", "free-queue-pending", "partial")
    )
    assert 0 == code and "3 cells compared: no difference" in output
    assert 1 == command("check", new, *only("free-queue-pending"))[0]


def test_a_core_of_the_build_is_a_baseline_and_is_compared(command):
    """Against the revision whose facets it has: no difference. Named alone, a core is judged, whatever it claims."""
    rows = only("partial", "remove-held-group")
    assert 0 == command("check", FILES / "form-j.c", "--baseline", "v7.2", *rows, "--contract", "kept")[0]
    code, output, _ = command("check", "--core", "v7.2", "--baseline", "v6.12", *rows)
    assert 1 == code and "new failure: late-response" in output
    assert 0 == command("check", "--core", "v7.2", "--baseline", "v7.2", *rows)[0]
    # What is beside a SOURCE is shown and not judged.
    assert 0 == command("check", FORM, "--core", "v7.2", "--baseline", FORM, *rows)[0]


def test_a_budget_for_nothing_is_no_verdict(command):
    code, output, errors = command("check", FORM, "--baseline", FORM, *only("partial"), "--budget", "1e-9")
    assert 3 == code and "iopf: no verdict: partial on " in errors and "no difference" not in output
    assert "0 cells compared: 2 without a verdict" in output


def test_every_failure_of_a_cell_is_looked_for(tmp_path):
    """Where a search is over with the first of the core's own, what else is new would be missed."""
    core = Core._from_source(FILES / "form-j.c", "explore")
    table = check([core], ["remove-group-late-report"], baseline="v7.2")
    contracts = {one.contract for one in table.cell("remove-group-late-report", "form-j.c").findings}
    assert {"kept", "broken"} == contracts


# --- several columns ---


def test_sources_and_cores_go_together(command, tmp_path):
    """Files, cores of the build, a file as core; each a column of its own name; ours only when nothing is named."""
    one, two = plant(tmp_path / "one", FORM.read_text()), plant(tmp_path / "two", PUT.apply(FORM.read_text()))
    code, output, _ = command(
        "check", one, two, "--core", "v6.12", "--core", FILES / "form-j.c", *only("partial"), "--json"
    )
    data = json.loads(output)
    assert ["one/io-pgfault.c", "two/io-pgfault.c", "v6.12", "form-j.c"] == [core["name"] for core in data["cores"]]
    assert (1, ["pass", "fail", "pass", "pass"]) == (code, [cell["verdict"] for cell in data["cells"]])
    assert [["partial", "two/io-pgfault.c"]] == data["bugs"]
    names = [core["name"] for core in json.loads(command("check", one, *only("partial"), "--json")[1])["cores"]]
    assert ["io-pgfault.c", "iopf"] == names
    for words in ((one, "--json", two), ("--json", one, two), (one, two, "--json")):
        data = json.loads(command("check", *words, *only("partial"))[1])
        assert ["one/io-pgfault.c", "two/io-pgfault.c", "iopf"] == [core["name"] for core in data["cores"]]
    names = [core["name"] for core in json.loads(command("check", one, one, *only("partial"), "--json")[1])["cores"]]
    assert ["io-pgfault.c", "iopf"] == names


def test_several_that_do_not_compile_are_told_by_the_first(command, tmp_path):
    """They are compiled at the same time."""
    paths = [
        plant(tmp_path / name, f"{FORM.read_text()}\nint {name}(void) {{ return missing_{name}; }}\n") for name in "ab"
    ]
    code, output, errors = command("check", *paths, *only("partial"))
    assert (2, "") == (code, output) and "missing_" in errors and "Traceback" not in errors


# --- as text ---


def test_a_difference_is_marked_and_one_failure_is_told_once():
    """In the cell, and in a line for all the rows that have it."""
    rows = ("a", "b", "c")
    cells = [replace(cell("old"), scenario=row) for row in rows]
    cells += [replace(cell("new", LEAK), scenario=row) for row in rows[:2]] + [replace(cell("new"), scenario="c")]
    table = Table(rows, ("old", "new"), (True, True), tuple(cells), 0.1, True, (None,) * 2, "old")
    found = compare(table)
    text = render(table, width=80, color=False, comparison=found)
    assert "+leak" in text and not [line for line in text.splitlines() if line.startswith("c ")]
    told = render_comparison(found, width=80)
    assert 1 == told.count("new failure: ") and "in a, b\n" in told and "2 new failures" in told
    assert 1 == told.count("\ntrace")
