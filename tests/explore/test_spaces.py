# SPDX-License-Identifier: GPL-2.0-only
"""Address spaces in scenarios: what each operation does is what the work of a fault finds."""

import errno

import pytest

from iopf.explore import Scenario, explore

PAGE = 0x1000


def bound(name="spaces", **device):
    s = Scenario(name)
    queue, space = s.queue(), s.space()
    return s, queue, s.device(queue, handler="sva", pasid=1, space=space, **device), space


def answers(s, core="iopf", **options):
    """The answers that there are, of a scenario that passes: one letter for each last request, in order."""
    result = explore(s, core=core, **options)
    assert ("pass", None) == (result.verdict, result.failure), result.failure
    found = set()
    for outcome in result.outcomes:
        words = outcome.text.replace(";", "").split()
        found.add("".join(word[0] for word in words if word in ("success", "invalid", "failure")))
    return found


def test_nothing_is_mapped_at_first():
    s, _, dev, _ = bound()
    s.task("irq").report(dev, grpid=1, pasid=1)
    assert {"i"} == answers(s)


@pytest.mark.parametrize(
    ("perm", "wanted", "code"),
    [
        ("r", "r", "s"),
        ("r", "w", "i"),
        ("rw", "w", "s"),
        ("r", "x", "i"),
        ("rx", "x", "s"),
        ("w", "r", "i"),
        ("r", "rw", "i"),
    ],
)
def test_an_area_allows_what_it_was_mapped_for(perm, wanted, code):
    s, _, dev, space = bound()
    s.setup.map(space, PAGE, PAGE, perm)
    s.task("irq").report(dev, grpid=1, pasid=1, perm=wanted)
    assert {code} == answers(s)


def test_an_area_ends_where_it_ends_and_a_hole_is_a_hole():
    """Both halves stay of what an unmap takes the middle of; a later map takes the place of what was there."""
    s, _, dev, space = bound()
    s.setup.map(space, 1 << 40, 4 * PAGE, "rw").unmap(space, (1 << 40) + PAGE, PAGE).map(
        space, (1 << 40) + 3 * PAGE, PAGE, "x"
    )
    irq = s.task("irq")
    for number, offset in enumerate((-1, 0, PAGE - 1, PAGE, 2 * PAGE, 3 * PAGE, 4 * PAGE)):
        irq.report(dev, grpid=number, pasid=1, addr=(1 << 40) + offset).flush(dev)
    assert {"issisii"} == answers(s)


def test_exit_unmap_and_map_beside_a_work_have_both_outcomes():
    """The order is the scheduler's, and each is explored."""
    for change in ("exit", "unmap"):
        s, _, dev, space = bound()
        s.setup.map(space, PAGE, PAGE, "r").report(dev, grpid=1, pasid=1)
        task = s.task("process")
        task.exit(space) if change == "exit" else task.unmap(space, PAGE, PAGE)
        assert {"s", "i"} == answers(s)
    s, _, dev, space = bound()
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("process").map(space, PAGE, PAGE, "r")
    assert {"s", "i"} == answers(s)


def test_exit_is_for_good_and_may_be_said_twice():
    s, _, dev, space = bound()
    s.setup.map(space, PAGE, PAGE, "r").exit(space).map(space, PAGE, PAGE, "r").exit(space)
    s.task("irq").report(dev, grpid=1, pasid=1).flush(dev).unbind(dev, 1).bind(dev, space, 1, returns=-errno.ESRCH)
    assert {"i"} == answers(s)


def test_bind_and_unbind_change_whose_faults_they_are():
    s, _, dev, _ = bound()
    other = s.space()
    s.setup.map(other, PAGE, PAGE, "r")
    irq = s.task("irq").bind(dev, other, 1, returns=-errno.EBUSY).report(dev, grpid=1, pasid=1).flush(dev)
    irq.unbind(dev, 1).report(dev, grpid=2, pasid=1, returns=-errno.EINVAL)
    irq.bind(dev, other, 1, returns=0).report(dev, grpid=3, pasid=1)
    assert {"iis"} == answers(s)


def test_what_bind_returns_is_demanded():
    """The negative control of returns."""
    s, _, dev, space = bound()
    s.task("irq").bind(dev, space, 1, returns=0)
    assert "unexpected-return" == explore(s).failure.kind


def test_who_does_not_pin_the_domain_loses_the_space():
    """Unbound and exited, and the work looks a page up: where the group does not count its domain, what leads to the
    space is gone. (The space itself, used after its group: test_library.py, space-used-behind-its-group.)
    """
    s, _, dev, space = bound()
    s.setup.map(space, PAGE, PAGE, "r").report(dev, grpid=1, pasid=1)
    s.task("driver").unbind(dev, 1).exit(space)
    assert {"s", "i"} == answers(s)
    for core in ("v6.9", "v6.12"):
        assert "use-after-free" == explore(s, core=core).failure.kind


def test_a_pasid_that_went_to_another_process_is_resolved_by_the_wrong_one():
    """v5.14 looks its PASID up when the work runs."""
    s, _, dev, _ = bound()
    other = s.space()
    s.setup.map(other, PAGE, PAGE, "r").report(dev, grpid=1, pasid=1)
    s.task("driver").unbind(dev, 1).bind(dev, other, 1)
    assert {"i"} == answers(s)
    failures = explore(s, core="v5.14", all_failures=True).failures
    assert any("address space that came to its PASID later" in failure.message for failure in failures)


def test_a_trace_names_the_process_and_its_areas():
    s, _, dev, space = bound()
    s.task("driver").exit(space).bind(dev, space, 2, returns=0)
    failure = explore(s).failure
    assert "> exit(space0)" in str(failure)
    seen = {(step.op, step.object) for step in failure.steps}
    assert seen >= {
        ("atomic store", "process 1"),
        ("refcount_dec_and_test", "space#1.users"),
        ("exit_mmap", "space#1.areas"),
        ("atomic load", "process 1"),
    }, seen


# --- what else a request and a queue may be ---


def test_a_nested_domain_stands_for_the_guests_pasids():
    """Only where the guest owns the table, only a nested one, and a PASID that the host attached comes first."""
    for nested, table, code in ((True, True, "s"), (False, True, "i"), (True, False, "i")):
        s = Scenario("guest")
        dev = s.device(s.queue(), handler="inline", nested=nested, user_pasid_table=table)
        s.task("irq").report(dev, grpid=1, pasid=9)
        assert {code} == answers(s), (nested, table)
        if nested and table:
            assert {code} == answers(s, core="v6.12")
            # Nobody handles it there, and FAILURE is what upstream chose for that.
            assert {"f"} == answers(s, core="v6.9", deviations=False)
    s = Scenario("host")
    dev = s.device(s.queue(), handler="inline", nested=True, user_pasid_table=True)
    s.setup.attach(dev, handler="refuse", pasid=9)
    s.task("irq").report(dev, grpid=1, pasid=9)
    assert {"f"} == answers(s)


def test_a_domain_without_a_handler_resolves_nothing():
    s = Scenario("none")
    dev = s.device(s.queue(), handler=None, pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1, returns=-errno.EINVAL).attach(
        dev, handler="inline", pasid=1, returns=-errno.EBUSY
    ).replace(dev, handler="inline", pasid=1).report(dev, grpid=2, pasid=1).replace(dev, handler=None, pasid=1).report(
        dev, grpid=3, pasid=1, returns=-errno.EINVAL
    )
    assert {"isi"} == answers(s)
    assert s == Scenario.from_json(s.to_json())
    assert "replace(dev0, handler=None, pasid=1)" in str(s)


def test_raw_flags_are_what_the_core_gets():
    """Without PASID_VALID the PASID is only a number; without LAST_PAGE nothing is answered."""
    s = Scenario("flags")
    dev = s.device(s.queue(), handler="inline")
    s.setup.attach(dev, handler="refuse", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1, flags=2).report(dev, grpid=1, pasid=1, flags=3).report(
        dev, grpid=1, flags=0
    )
    assert {"sf"} == answers(s)


def test_a_fault_that_is_no_page_request_is_not_supported():
    s = Scenario("other")
    dev = s.device(s.queue(), handler="inline", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1, type="other", returns=-errno.EOPNOTSUPP)
    assert {""} == answers(s)
    messages = [failure.message for failure in explore(s, core="v6.12").failures]
    assert any("no page request" in message for message in messages), messages


def test_a_queue_without_workers_runs_its_works_in_the_callers():
    """In the task that reported or the one that flushes; a work is run once, and no task is made for it."""
    s = Scenario("by hand")
    queue = s.queue(workers=0)
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").flush(dev)
    result = explore(s, points=("unlock", "free"))
    assert ("pass", None) == (result.verdict, result.failure), result.failure
    assert {"s"} == answers(s)
    # Where flush holds the lock that the answer needs, it waits for itself in its own work.
    assert "deadlock" == explore(s, core="locking").failure.kind


def test_freeing_no_queue_is_nothing():
    s = Scenario("null")
    dev = s.device(s.queue(), handler="inline", pasid=1)
    s.task("driver").free_queue(None).report(dev, grpid=1, pasid=1)
    assert {"s"} == answers(s)
    assert s == Scenario.from_json(s.to_json()) and "free_queue(None)" in str(s)


def test_works_that_one_task_runs_by_hand_are_judged_one_by_one():
    """What a work has resolved is nothing that the next one of its task has: INVALID after SUCCESS, and after INVALID."""
    s = Scenario("by hand")
    space = s.space()
    dev = s.device(s.queue(workers=0), handler="sva", pasid=1, space=space)
    s.setup.map(space, PAGE, PAGE, "r")
    irq = s.task("irq").report(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1, addr=2 * PAGE)
    irq.attach(dev, handler="sva", space=space).report(dev, grpid=1).report(dev, grpid=1, pasid=1)
    assert {"siis"} == answers(s)


def test_a_page_that_a_group_wants_twice_for_different_things_is_judged_where_it_is_known():
    """The space is asked for a page, and not for a request: which of two, nobody knows. Other groups of the key are no doubt."""
    s, _, dev, space = bound()
    s.setup.map(space, PAGE, PAGE, "r")
    irq = s.task("irq").report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1, perm="w").flush(dev)
    irq.report(dev, grpid=1, pasid=1, perm="w").flush(dev).report(dev, grpid=1, pasid=1)
    assert {"iis"} == answers(s)


def test_a_page_for_which_there_is_no_memory_is_invalid():
    """Where allocations may fail, so may a page of a space that the scenario made."""
    s, _, dev, space = bound()
    s.setup.map(space, PAGE, PAGE, "r").report(dev, grpid=1, pasid=1)
    s.task("driver").flush(dev)
    assert {"s"} == answers(s)
    assert {"s", "i"} == answers(s.alloc_may_fail())


def test_a_device_that_nobody_can_answer_comes_onto_no_queue():
    """Without page_response, or without an IOMMU: -ENODEV, and its requests are nobody's."""
    for what in ("no_response", "no_iommu"):
        s = Scenario(what)
        queue = s.queue()
        dev = s.device(None, handler="inline", pasid=1, **{what: True})
        s.task("probe").add(queue, dev, returns=-errno.ENODEV).report(dev, grpid=1, pasid=1, returns=-errno.EINVAL)
        assert set() - {""} == answers(s) - {""}
        with pytest.raises(ValueError, match="say queue None"):
            s.device(queue, **{what: True})


def test_a_queue_is_tried_and_its_allocations_may_fail():
    """0 and -ENOMEM where any may fail; a number that is demanded is demanded."""
    s = Scenario("tried")
    s.task("probe").try_queue(returns=0).fail_next_alloc().try_queue(returns=-errno.ENOMEM).try_queue()
    assert "pass" == explore(s).verdict
    s = Scenario("tried, and refused")
    s.task("probe").try_queue(returns=-errno.ENOMEM).discard_partial(None, returns=0)
    assert {"unexpected-return"} == {failure.kind for failure in explore(s).failures}
