# SPDX-License-Identifier: GPL-2.0-only
"""Every mutant of the core is found, fast, as what it is; and with the fewest preemptions there are."""

import mutants
import pytest

from iopf.explore import Scenario, explore, replay
from iopf.explore.loader import load

EXECUTIONS = 50_000
#: Mutants whose minimal preemptions are found by brute force, too.
BRUTE_FORCED = (
    "kfree-for-kfree-rcu", "lookup-without-reference", "late-report-keeps-lock", "removal-answers-nobody",
    "group-touched-after-hand-over", "removal-frees-groups", "free-frees-twice", "late-report-unanswered",
    "queue-freed-before-its-works", "removal-locks-in-reverse",
)  # fmt: skip


def core_of(compiled, one):
    library = compiled[one.id]
    if isinstance(library, Exception):
        raise library
    return load(library, "iopf_core_iopf")


ROWS = []


@pytest.mark.parametrize("one", mutants.MUTANTS, ids=[one.id for one in mutants.MUTANTS])
def test_a_mutant_is_found(compiled, one):
    """In what two seconds have on a slow machine, as one of the kinds that this bug can show as."""
    result = explore(one.scenario(), core=core_of(compiled, one), max_executions=EXECUTIONS, budget=300, shrink=False)
    ROWS.append((one.id, result.kind, result.first_failure, result.executions))
    assert "fail" == result.verdict, result
    assert result.kind in one.kinds, result.failure


@pytest.mark.parametrize("name", BRUTE_FORCED)
def test_the_reported_preemptions_are_the_fewest(compiled, name):
    """A search over bounds 0, 1, 2 ... meets the same failure first at the bound that the trace has."""
    one = next(one for one in mutants.MUTANTS if one.id == name)
    core = core_of(compiled, one)
    failure = explore(one.scenario(), core=core, budget=300).failure
    assert failure.minimal
    for bound in range(failure.preemptions + 1):
        found = explore(
            one.scenario(), core=core, strategy="bound", bound=bound, all_failures=True, shrink=False, budget=300
        )
        met = {other.signature for other in found.failures}
        assert (failure.signature in met) == (bound == failure.preemptions), (bound, met, failure.signature)


@pytest.mark.parametrize("name", BRUTE_FORCED[:4])
def test_a_mutants_trace_replays_and_names_its_line(compiled, name):
    """The token reproduces it, and the trace has files and lines of the mutated file."""
    one = next(one for one in mutants.MUTANTS if one.id == name)
    failure = explore(one.scenario(), core=core_of(compiled, one), budget=300).failure
    again = replay(failure.token).failure
    assert (failure.kind, failure.signature, failure.steps) == (again.kind, again.signature, again.steps)
    assert any(step.place and step.place.file.endswith(one.file) and step.place.line for step in failure.steps)


#: Mutants of what devices get: what the failure is, and the code in the line that its first place names.
PLACES = (
    ("answers-twice", "double-response", "iopf_respond(group->fault_param->dev, &group->last_fault, code);"),
    ("bad-setup-answers-twice", "double-response", "iopf_respond(dev, evt, IOMMU_PAGE_RESP_INVALID);"),
    ("removal-answers-nobody", "late-response", "iopf_respond(group->fault_param->dev, &group->last_fault, code);"),
    ("answers-wrong-group", "wrong-response", "iopf_respond(group->fault_param->dev, &group->last_fault, code);"),
    ("answers-nothing", "lost-response", "kfree(group);"),
    ("list-del-for-list-del-init", "bad-access", "list_del(&group->pending_node);"),
)


@pytest.mark.parametrize("name, kind, code", PLACES, ids=[name for name, _, _ in PLACES])
def test_what_a_device_gets_has_a_line(compiled, name, kind, code):
    """The line from which the driver is called, or next to which the answer is missing; in the mutated file."""
    one = next(one for one in mutants.MUTANTS if one.id == name)
    result = explore(one.scenario(), core=core_of(compiled, one), all_failures=True, budget=300)
    failure = next(failure for failure in result.failures if failure.kind == kind)
    text = one.apply((mutants.ROOT / "csrc" / "core" / one.file).read_text()).split("\n")
    place = failure.sites[0].place
    # iopf_respond is in line: the line is its own, or that of its call.
    near = "\n".join(text[place.line - 1 : place.line + 1])
    assert place.file.endswith(one.file) and (code in near or "page_response(" in near), (place, near)
    assert str(place) in str(failure)


def test_a_second_answer_names_the_first(compiled):
    """Both places: who answers now, and who had."""
    one = next(one for one in mutants.MUTANTS if one.id == "bad-setup-answers-twice")
    failure = explore(one.scenario(), core=core_of(compiled, one), budget=300).failure
    now, before = (site for site in failure.sites if site.what.startswith("answered"))
    assert ("answered", "answered before") == (now.what, before.what)
    assert all(
        site.place.line and failure.steps[site.step].op in ("response", "double-response") for site in (now, before)
    )
    # The helper that answers says little: who called it is beside it.
    assert ["iopf_respond", "iopf_bad_setup"] == [site.place.function for site in failure.sites[:2]], failure.sites
    assert "called from" == failure.sites[1].what


def test_a_report_that_nobody_answers_names_where_it_went_out(compiled):
    """There is no group: the last step of the report, in a file of the core."""
    one = next(one for one in mutants.MUTANTS if one.id == "late-report-unanswered")
    failure = explore(one.scenario(), core=core_of(compiled, one), budget=300).failure
    (site,) = failure.sites
    assert "its report's last step" == site.what and site.place.line and site.place.file.startswith("csrc/core/")


#: Mutants that leak: the object, and the functions of which one is named next to it, since it lost a line.
LEAKS = (
    ("free-keeps-param", "param#1", {"iopf_free_group"}),
    ("free-keeps-handle", "handle#1", {"iopf_free_group"}),
    ("free-forgets-partials", "partial#1", {"iopf_free_group"}),
    ("free-forgets-group", "group#1", {"iopf_free_group"}),
    ("bad-setup-keeps-param", "param#1", {"iopf_bad_setup"}),
    ("late-report-keeps-group", "group#1", {"iopf_report_last"}),
    ("late-report-keeps-handle", "handle#1", {"iopf_report_last"}),
    ("removal-keeps-reference", "param#1", {"iopf_queue_remove_device"}),
    ("work-does-not-free", "group#1", {"iommu_sva_handle_iopf"}),
)


@pytest.mark.parametrize("name, what, functions", LEAKS, ids=[name for name, _, _ in LEAKS])
def test_a_leak_names_what_leaked_by_itself_and_where_it_was_held(compiled, name, what, functions):
    """Not what hangs on it; and besides its allocation a place in the function whose line is missing."""
    one = next(one for one in mutants.MUTANTS if one.id == name)
    failure = explore(one.scenario(), core=core_of(compiled, one), budget=300).failure
    assert ("leak", what) == (failure.kind, failure.object) and failure.message.startswith(f"{what}: nobody freed it")
    held = [site for site in failure.sites if site.what.startswith(("last ", "freed, with", "called from"))]
    assert {site.place.function for site in held if site.place} & functions, failure.sites
    assert "allocated" == failure.sites[-1].what


def test_a_leak_counts_its_references(compiled):
    """Every increment and decrement with its task and line, from 0 on; the one that was never put is called so."""
    one = next(one for one in mutants.MUTANTS if one.id == "free-keeps-param")
    failure = explore(one.scenario(), core=core_of(compiled, one), budget=300).failure
    counted = [site for site in failure.sites if site.what.startswith("counted")]
    assert {"param#1.users"} == {site.object for site in counted} and all(site.place.line for site in counted)
    assert ["0 -> 1", "1 -> 2"] == [site.what.split(" ", 1)[1].partition(",")[0] for site in counted[:2]]
    (left,) = [site for site in counted if site.what.endswith("perhaps never put")]
    assert "irq" == left.task and "refcount_inc_not_zero" == failure.steps[left.step].op
    assert failure.message.endswith("its count is still 1")
    others = [other.message for other in explore(one.scenario(), core=core_of(compiled, one), budget=300).failures[1:]]
    assert any(
        "device#1: nobody freed it; param#1, which nobody freed either, points to it" == other for other in others
    )


def test_the_unchanged_core_passes_where_its_mutants_fail(compiled):
    """Compiled the same way and loaded the same way: no mutant is found for that it was compiled later."""
    for scenario in {one.scenario for one in mutants.MUTANTS}:
        assert "pass" == explore(scenario(), budget=300).verdict, scenario.__name__


def test_there_are_enough_mutants():
    """At least thirty, each with a name of its own."""
    names = [one.id for one in mutants.MUTANTS]
    assert len(names) == len(set(names)) >= 30


@pytest.mark.long
def test_the_table_of_mutants(compiled, capsys):
    """Prints what was found when, for the record."""
    ROWS.clear()
    for one in mutants.MUTANTS:
        result = explore(
            one.scenario(), core=core_of(compiled, one), max_executions=EXECUTIONS, budget=300, shrink=False
        )
        ROWS.append((one.id, result.kind, result.first_failure, result.executions))
    with capsys.disabled():
        print(f"\n{'mutant':<36} {'found as':<18} {'at execution':>12} {'executions':>11}")
        for name, kind, first, executions in ROWS:
            print(f"{name:<36} {kind or '-':<18} {first or 0:>12,} {executions:>11,}")
    assert [] == [row for row in ROWS if row[1] is None]


def test_a_long_history_of_a_count_is_cut_and_says_so(compiled):
    """Sixty references, none of them put: so many places as a person reads, and the word that there are more."""
    one = next(one for one in mutants.MUTANTS if one.id == "free-keeps-param")
    s = Scenario("sixty groups")
    dev = s.device(s.queue(), handler="inline", pasid=1)
    irq = s.task("irq")
    for number in range(60):
        irq.report(dev, grpid=number, pasid=1)
    failure = explore(s, core=core_of(compiled, one), budget=300, shrink=False).failure
    assert failure.message.endswith("its count is still 60")
    assert ["and more, which is left out", "allocated"] == [site.what for site in failure.sites[-2:]]
    told = [site.what for site in failure.sites]
    assert len(told) < 50 and 4 == told.count("freed, with a pointer to it") and "and 56 more" in told
    assert "counted 0 -> 1" in told and "counted 1 -> 2, perhaps never put" in told
