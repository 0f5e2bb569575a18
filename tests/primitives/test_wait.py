# SPDX-License-Identifier: GPL-2.0-only
"""Wait queues: the condition, the wake, the time, and a lock that is not held while somebody sleeps."""

import pytest

HOUR = 3_600_000


@pytest.fixture
def gate(runtime):
    """A number that one can wait for, 0."""
    gate = runtime.gate_new()
    yield gate
    runtime.gate_free(gate)


def asleep(runtime, gate, tests):
    """Waits until somebody has tested the condition so often, and is counted."""
    runtime.eventually(lambda: runtime.gate_tests(gate) >= tests and runtime.gate_active(gate))


def test_who_finds_the_condition_true_does_not_wait(runtime, gate):
    """It is tested once."""
    runtime.gate_set(gate, 1, False)
    runtime.gate_wait(gate, 1)
    assert (1, False) == (runtime.gate_tests(gate), runtime.gate_active(gate))


def test_a_wake_with_the_condition_true_ends_the_wait(runtime, gate, other):
    """waitqueue_active() says that somebody waits, until nobody does."""
    waiting = other.start(runtime.gate_wait, gate, 1)
    asleep(runtime, gate, 2)
    assert runtime.blocked(waiting)
    runtime.gate_set(gate, 1, True)
    waiting.result(60)
    assert not runtime.gate_active(gate)


def test_a_wake_with_the_condition_false_is_one_more_test(runtime, gate, other):
    """And the wait goes on."""
    waiting = other.start(runtime.gate_wait, gate, 2)
    asleep(runtime, gate, 2)
    before = runtime.gate_tests(gate)
    runtime.gate_set(gate, 1, True)
    runtime.eventually(lambda: runtime.gate_tests(gate) > before)
    assert runtime.blocked(waiting)
    runtime.gate_set(gate, 2, True)
    waiting.result(60)


def test_a_change_without_a_wake_is_lost_on_who_sleeps(runtime, gate, other):
    """The next wake shows it."""
    waiting = other.start(runtime.gate_wait, gate, 1)
    asleep(runtime, gate, 2)
    runtime.gate_set(gate, 1, False)
    assert runtime.blocked(waiting)
    runtime.gate_set(gate, 1, True)
    waiting.result(60)


def test_one_wake_is_for_all(runtime, gate):
    """Nobody here waits exclusively."""
    waiting = [runtime.thread().start(runtime.gate_wait, gate, 1) for _ in range(3)]
    asleep(runtime, gate, 6)
    runtime.gate_set(gate, 1, True)
    for one in waiting:
        one.result(60)


def test_a_timeout_says_what_was_left(runtime, gate, other):
    """0 when the condition is false at the end; 1 where it came true as the time ran out; else what was left."""
    assert 0 == runtime.gate_wait_timeout(gate, 1, 2)
    assert 0 == runtime.gate_wait_timeout(gate, 1, 0)
    waiting = other.start(runtime.gate_wait_timeout, gate, 1, HOUR)
    asleep(runtime, gate, 4)
    runtime.gate_set(gate, 1, True)
    assert 1 <= waiting.result(60) <= HOUR
    assert 1 == runtime.gate_wait_timeout(gate, 1, 0)


def test_the_lock_is_held_for_the_tests_and_not_for_the_sleep(runtime, gate, other):
    """wait_event_lock_irq(): others can take it meanwhile, and nobody is warned of sleeping."""
    waiting = other.start(runtime.gate_wait_locked, gate, 1)
    asleep(runtime, gate, 2)
    second = runtime.thread().start(runtime.gate_wait_locked, gate, 0)
    assert 0 == second.result(60)
    runtime.gate_set(gate, 1, True)
    assert 0 == waiting.result(60)


@pytest.mark.threads
def test_no_wake_is_lost(runtime):
    """Two threads wait for each other in turn: one lost wake, and neither comes to its end."""
    assert 3_000 == runtime.gate_race(3_000)
