# SPDX-License-Identifier: GPL-2.0-only
"""Replay: the same execution again, or a word on where it differs."""

import core_scenarios as sc
import micro
import pytest

from iopf.explore import DidNotReproduce, Failure, Scenario, explore, replay
from iopf.explore.programs import rcget


@pytest.fixture(scope="module")
def failure():
    """A failure of a kernel revision: the work races a removal."""
    found = explore(sc.work_against_removal(), core="v6.14").failure
    assert isinstance(found, Failure)
    return found


def test_a_token_reproduces_the_execution_step_by_step(failure):
    """Kind, signature, and each step of the trace."""
    result = replay(failure.token)
    assert "fail" == result.verdict
    assert (failure.kind, failure.signature, failure.steps, failure.token) == (
        result.failure.kind,
        result.failure.signature,
        result.failure.steps,
        result.failure.token,
    )


@pytest.mark.parametrize(
    "program",
    [program for _, program in micro.KINDS],
    ids=[f"{kind}-{program.__name__}" for kind, program in micro.KINDS],
)
def test_every_kind_replays(program):
    """Whatever failed, its token brings it back, twice."""
    found = explore(program(wrong=True)).failure
    for _ in range(2):
        again = replay(found.token).failure
        assert (found.kind, found.signature, found.steps) == (again.kind, again.signature, again.steps)


def test_another_core_that_is_right_does_not_reproduce_it(failure):
    """The same schedule on our core: it differs somewhere, or does not fail."""
    with pytest.raises(DidNotReproduce) as caught:
        replay(failure.token, core="iopf")
    assert caught.value.expected and caught.value.found


@pytest.mark.parametrize("where", ["before", "after"])
def test_an_unrelated_operation_is_noticed(failure, where):
    """A flush put before or after the operation of a task: the replay stops at the first step that is another one, and
    names both."""
    changed = Scenario("remove races the work, changed")
    queue = changed.queue()
    dev = changed.device(queue, handler="sva", pasid=1)
    other = changed.device(queue, handler="sva", pasid=2)
    irq = changed.task("irq")
    if where == "before":
        irq.flush(other)
    irq.report(dev, grpid=1, pasid=1)
    teardown = changed.task("teardown").remove(queue, dev)
    if where == "after":
        teardown.flush(other)
    try:
        replay(failure.token, scenario=changed)
    except DidNotReproduce as error:
        if error.step is not None:
            assert error.step >= 0
            assert error.expected in str(error) and error.found in str(error)
            assert error.expected != error.found
    else:
        assert "after" == where, "an operation before the others cannot go unnoticed"


def test_a_changed_program_says_at_which_step_what_was_expected():
    """An unrelated lock in front: expected the recorded lock, found the new one."""
    found = explore(rcget(2, bug=True)).failure
    program = rcget(2, bug=True)
    lock = program.field("unrelated", "mutex")
    program.setup.mutex_init(lock)
    for task in program._tasks:
        body, task.operations = task.operations, []
        task.mutex_lock(lock).mutex_unlock(lock)
        task.operations += body
    with pytest.raises(DidNotReproduce) as caught:
        replay(found.token, scenario=program)
    assert caught.value.step is not None
    assert "mutex_lock" in caught.value.expected or "lock" in caught.value.expected
    assert caught.value.found != caught.value.expected
    assert f"at step {caught.value.step}" in str(caught.value)


def test_a_program_that_was_mended_does_not_reproduce():
    """The bug is gone: the message says so."""
    found = explore(rcget(2, bug=True)).failure
    with pytest.raises(DidNotReproduce):
        replay(found.token, scenario=rcget(2))


def test_an_unknown_core_is_named(failure):
    """A token of a core that was compiled later and is not loaded here."""
    with pytest.raises(ValueError, match="no core 'mine'"):
        replay(failure.token, core="mine")
    with pytest.raises(TypeError):
        replay(failure.token, scenario="x")


def test_a_failure_of_an_allocation_is_part_of_the_schedule():
    """The choice that an allocation fails is in the token, too."""
    s = Scenario("the partial is lost")
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    s.task("irq").report_partial(dev, grpid=1, pasid=1, returns=0).report(dev, grpid=1, pasid=1)
    s.alloc_may_fail()
    found = explore(s).failure
    assert "unexpected-return" == found.kind
    assert found.steps == replay(found.token).failure.steps


def test_the_trace_of_a_real_failure_has_what_a_reader_needs(failure):
    """Kind, culprits, columns, triple, source lines, and the line to paste."""
    text = str(failure)
    assert text.startswith(failure.kind)
    for part in ("irq", "teardown", "> report(dev0", "In the other order", f"iopf replay {failure.token}", ".c:"):
        assert part in text, part
    for what in ("accessed", "freed", "allocated"):
        assert f"  {what}" in text
    assert len(text.splitlines()) < 70
