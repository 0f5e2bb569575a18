# SPDX-License-Identifier: GPL-2.0-only
"""Answers that an owner gives twice, or too late: found where the core lets them through, and nothing where it does not."""

import pytest

from iopf import scenarios
from iopf.explore import Scenario, explore, replay

CORES = ("iopf", "v5.14", "locking", "refcount", "track-group", "v6.9", "v6.12", "v6.14", "v7.2")
UNCONDITIONAL = "v7.2"
CLAUSE = "the handler freed a group unanswered, or answered it twice"


def held(name="held"):
    """A scenario with one group that its handler keeps."""
    s = Scenario(name)
    queue = s.queue()
    dev = s.device(queue, handler="held", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    return s, queue, dev


@pytest.mark.parametrize("core", CORES)
def test_a_second_answer_reaches_the_device_only_where_nobody_looks(core):
    """v7.2 alone lets it through: a double response, and the owner's fault. Elsewhere nothing fails in any execution."""
    s, _, dev = held()
    s.task("owner").respond(dev, grpid=1, pasid=1, free=False).respond(dev, grpid=1, pasid=1, code="invalid")
    result = explore(s, core=core)
    if core != UNCONDITIONAL:
        assert ("pass", ()) == (result.verdict, result.failures), result.failure
        return
    (failure,) = result.failures
    assert ("double-response", "broken", (CLAUSE,)) == (failure.kind, failure.contract, failure.clauses)
    assert "double-response" == replay(failure.token).kind


@pytest.mark.parametrize("core", CORES)
def test_the_owners_of_a_file_may_come_in_either_order(core):
    """Two classes: the one who frees it comes first, and the other finds nothing; or last."""
    result = explore(scenarios.build("answered-twice"), core=core)
    assert 2 == result.classes
    assert ({"double-response"} if core == UNCONDITIONAL else set()) == {failure.kind for failure in result.failures}


@pytest.mark.parametrize("core", CORES)
def test_a_group_that_is_answered_and_kept_is_freed_at_the_end(core):
    """Answered once, and nothing leaks: the end does not answer it again."""
    s, _, dev = held()
    s.task("owner").respond(dev, grpid=1, pasid=1, free=False)
    result = explore(s, core=core)
    assert ("pass", ()) == (result.verdict, result.failures), result.failure
    assert 1 == len(result.outcomes)


def test_owners_without_a_lock_between_them_are_to_blame_themselves():
    """One frees the group while the other answers it: memory errors on our core too, each with the contract broken."""
    s, _, dev = held()
    s.task("reader").respond(dev, grpid=1, pasid=1, free=False)
    s.task("detach").respond(dev, grpid=1, pasid=1)
    result = explore(s)
    assert "use-after-free" in {failure.kind for failure in result.failures}
    assert {("broken", (CLAUSE,))} == {(failure.contract, failure.clauses) for failure in result.failures}


def answered_behind_add():
    """The group is out while its device is removed and added again, and answered then."""
    s, queue, dev = held("answered behind add")
    s.task("driver").flush(dev).remove(queue, dev).add(queue, dev).respond(dev, grpid=1, pasid=1)
    return s


@pytest.mark.parametrize(("core", "kinds"), [("iopf", set()), ("v6.12", set()), ("v7.2", {"late-response"})])
def test_an_answer_is_late_also_when_its_device_was_added_again(core, kinds):
    """The removal that followed its request is what counts: the device would take it for an answer to a new one."""
    result = explore(answered_behind_add(), core=core)
    assert kinds == {failure.kind for failure in result.failures}, result.failure
    assert {"kept"} >= {failure.contract for failure in result.failures}


def test_a_report_that_runs_on_into_the_new_param_is_answered_in_time():
    """It began before removal ended, and found the param of the second add: its answer is none of the removal's."""
    s = Scenario("straddles")
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev).add(queue, dev)
    result = explore(s)
    assert ("pass", ()) == (result.verdict, result.failures), result.failure
    assert any("success" in outcome for outcome in map(str, result.outcomes))


@pytest.mark.parametrize(("core", "fails"), [("iopf", False), ("locking", True)])
def test_two_removals_at_once_are_the_drivers_fault(core, fails):
    """Whoever begins second breaks the contract, whichever of them finds the device."""
    result = explore(scenarios.build("remove-twice"), core=core)
    assert fails == bool(result.failures)
    assert {"broken"} >= {failure.contract for failure in result.failures}
