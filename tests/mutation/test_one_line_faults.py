# SPDX-License-Identifier: GPL-2.0-only
"""``iopf check FILE --baseline OLD`` finds the faults of one_line_faults.py, and says where and whose they are."""

import re
from concurrent.futures import Executor, Future
from pathlib import Path

import pytest
from one_line_faults import FAULTS, FORMS, Absent, Equivalent, Found

from iopf import Core, scenarios
from iopf.check import Column, check, compare
from iopf.explore import Scenario, explore

FILES = Path(__file__).resolve().parents[1] / "kernel_files"
TEXTS = {form: (FILES / f"{form}.c").read_text() for form in FORMS}

#: Of the faults of a form, so that none of the long tests takes minutes.
PARTS = 5

#: Those that are looked for in every run: of one form, each of another kind.
QUICK = (
    "unlock dropped in the allocation of a group", "partials not freed", "dequeue dropped", "response without lock",
    "removal answers SUCCESS", "order of the pages of a group, as they are taken",
)  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Results and compiled cores of a test are its own."""
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)


def written_otherwise(text):
    """The same, in other words and on other lines, so that it is explored and not known."""
    before = "\tif (!queue)\n\t\treturn;\n"
    assert text.count(before) == 1
    return "\n" + text.replace(before, "\tif (queue == NULL)\n\t\treturn;\n")


class Here(Executor):
    """This process: for a few cells it is dearer to start others."""

    def submit(self, function, /, *arguments):
        done = Future()
        done.set_result(function(*arguments))
        return done


def compared(form, faults, names, folder, executor=None):
    """What differs in each changed file, by the fault's name, and their texts; and in the unchanged one, beside itself."""
    columns, texts = [], {}
    for number, fault in enumerate(faults):
        texts[fault.name] = fault.apply(TEXTS[form])
        path = folder / str(number) / "io-pgfault.c"
        path.parent.mkdir(parents=True)
        path.write_text(texts[fault.name])
        columns.append(Column(fault.name, Core.from_source(path)))
    same = folder / "same" / "io-pgfault.c"
    same.parent.mkdir()
    same.write_text(written_otherwise(TEXTS[form]))
    columns.append(Column("unchanged", Core.from_source(same)))
    table = check(columns, names, baseline=Core.from_source(FILES / f"{form}.c"), executor=executor)
    return {column.label: compare(table, [column.label]) for column in columns}, texts


def function_of(number, text):
    """The function that a line is in, counted from 1: kernel style, nothing else begins at the margin."""
    lines = text.split("\n")
    first = max(index for index, line in enumerate(lines[:number], 1) if line == "{")
    return next(
        found[1] for line in reversed(lines[: first - 1]) if (found := re.match(r"\w[\w *]*?(\w+)\(", line)) is not None
    )


def home(fault):
    """The function that the fault is in."""
    before, after = TEXTS[fault.form].split("\n"), fault.apply(TEXTS[fault.form]).split("\n")
    number = next(number for number, (one, two) in enumerate(zip(before, after), 1) if one != two)
    return function_of(number, TEXTS[fault.form])


def told(finding, text):
    """As the table has it: ``function: line``."""
    line = text.split("\n")[finding.line - 1].strip() if finding.line else ""
    return f"{finding.function}: {line}"


def fitting(fault, findings, text):
    """Those that are what the table says."""
    found = fault.verdict
    return [
        one
        for one in findings
        if one.kind in found.kinds and one.contract == found.contract and told(one, text) in found.at
    ]


def wrong_with(fault, comparison, text):
    """What the comparison says otherwise than the table; None: nothing."""
    new = [one.after for one in comparison.new]
    seen = sorted({f"{one.kind}, contract {one.contract}, at {told(one, text)}" for one in new})
    if isinstance(fault.verdict, Equivalent):
        return f"found, and called equivalent: {seen}" if new else None
    found = fault.verdict
    fits = fitting(fault, new, text)
    if not fits:
        return f"not found as {found.kinds}, contract {found.contract}, at {found.at}; but as {seen}"
    if any(Path(one.file).name != "io-pgfault.c" for one in fits):
        return f"the place is in {fits[0].file}"
    if found.contract == "broken" and any(one.contract == "kept" for one in new):
        return f"found with the contract kept: {seen}"
    if comparison.unknown:
        return f"no verdict: {comparison.unknown}"
    return None


def all_wrong(form, faults, names, folder, executor=None):
    comparisons, texts = compared(form, faults, names, folder, executor)
    assert faults and not comparisons["unchanged"].differences and not comparisons["unchanged"].unknown
    wrong = {fault.name: wrong_with(fault, comparisons[fault.name], texts[fault.name]) for fault in faults}
    return {name: what for name, what in wrong.items() if what is not None}, comparisons, texts


def test_the_table_has_each_fault_for_each_form_and_says_why_where_it_must():
    """No cell is left out; a form without the line has no such text; a place elsewhere and a broken contract have reasons."""
    cells = [(fault.name, fault.form) for fault in FAULTS]
    assert len(cells) == len(set(cells))
    assert {(name, form) for name, _ in cells for form in FORMS} == set(cells)
    for fault in FAULTS:
        if isinstance(fault.verdict, Absent):
            assert not fault.edits and fault.verdict.why and fault.verdict.lacks not in TEXTS[fault.form], fault
        elif isinstance(fault.verdict, Equivalent):
            assert fault.edits and fault.verdict.proof
        else:
            elsewhere = {at.partition(":")[0] for at in fault.verdict.at} != {home(fault)}
            assert fault.verdict.why or not (elsewhere or fault.verdict.contract == "broken"), fault
            assert fault.verdict.shows in scenarios.names()


def test_faults_of_each_kind_are_found_where_they_are(tmp_path):
    """A deadlock, a leak, a use after free, a race, a wrong code and a wrong group, in the newest form, in a row each."""
    faults = [fault for fault in FAULTS if fault.form == "form-j" and fault.name in QUICK]
    assert len(QUICK) == len(faults)
    names = sorted({fault.verdict.shows for fault in faults})
    wrong, comparisons, texts = all_wrong("form-j", faults, names, tmp_path, Here())
    assert not wrong
    # And the table cannot say anything else: not equivalent, not of the other contract, kind or place.
    one = faults[0]
    for other in (
        Equivalent("no proof"),
        Found(("lost-response",), one.verdict.contract, one.verdict.at, one.verdict.shows),
        Found(one.verdict.kinds, "broken", one.verdict.at, one.verdict.shows),
        Found(one.verdict.kinds, one.verdict.contract, ("iopf_queue_free: kfree(queue);",), one.verdict.shows),
    ):
        changed = type(one)(one.name, one.form, one.edits, other)
        assert wrong_with(changed, comparisons[one.name], texts[one.name])


def changed(form, name, folder):
    """The form with the fault, as a core."""
    path = folder / "io-pgfault.c"
    path.write_text(next(fault for fault in FAULTS if (fault.form, fault.name) == (form, name)).apply(TEXTS[form]))
    return Core.from_source(path)


def test_who_did_what_a_driver_can_do_is_not_blamed_for_an_answer_that_the_core_lost(tmp_path):
    """The copy of a request is lost, so its answer comes to nothing. A driver that has flushed before it removes has kept
    its contract, and so has one whose owner has answered. One that does not wait for a work has not."""
    core = changed("form-a", "a group never pending", tmp_path)

    def contracts(handler, wait):
        s = Scenario("lost")
        queue = s.queue()
        dev = s.device(queue, handler=handler, pasid=1)
        s.setup.report(dev, grpid=1, pasid=1)
        s.teardown.remove(queue, dev)
        wait(s.task("driver"), dev)
        found = explore(s, core=core, all_failures=True).failures
        return {failure.contract for failure in found if failure.kind == "lost-response"}

    assert {"kept"} == contracts("sva", lambda task, dev: task.flush(dev))
    assert {"kept"} == contracts("held", lambda task, dev: task.respond(dev, grpid=1, pasid=1))
    late = explore(scenarios.build("remove-queued-work"), core="v6.14").failure
    assert "broken" == late.contract and late.signature.endswith("contract broken: flush")


def test_a_flush_that_waits_for_nothing_is_found_where_no_step_of_it_meets_the_work(tmp_path):
    """One class: the call touches nothing of the work's. The order in which it returns first is predicted, and executed."""
    result = explore(scenarios.build("flush-pending-work"), core=changed("form-j", "flush does nothing", tmp_path))
    assert ("fail", 1, "unexpected-return") == (result.verdict, result.classes, result.failure.kind)


def test_a_partial_request_that_is_lost_is_missed_also_where_report_says_nothing(tmp_path):
    """A void report accepts what has a handler and memory: so it has to be part of its group."""
    core = changed("form-e", "the fault not copied, of a partial", tmp_path)
    failure = explore(scenarios.build("partial"), core=core).failure
    assert "wrong-group" == failure.kind and "a request that was accepted is missing from its group" in failure.message


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("form", FORMS)
def test_every_fault_is_found_where_it_is_or_is_equivalent(form, part, tmp_path):
    """All rows of the library. What is called equivalent is not found, everything has a verdict, and the scenario that the
    table names is enough: kind, contract and place are seen there."""
    faults = [fault for fault in FAULTS if fault.form == form and not isinstance(fault.verdict, Absent)][part::PARTS]
    wrong, comparisons, texts = all_wrong(form, faults, scenarios.names(), tmp_path)
    assert not wrong
    for fault in faults:
        if isinstance(fault.verdict, Found):
            new = [one for one in comparisons[fault.name].new if one.scenario == fault.verdict.shows]
            assert fitting(fault, [one.after for one in new], texts[fault.name]), fault.name
