# SPDX-License-Identifier: GPL-2.0-only
"""Timers and delayed works, with real time on threads: when one runs, and what takes it back."""

import pytest

#: In ticks: nothing that a test waits for.
HOUR = 3_600_000


@pytest.fixture
def alarm(runtime):
    """A timer and a delayed work, which ring."""
    alarm = runtime.alarm_new()
    yield alarm
    runtime.alarm_gate(alarm, 0)
    runtime.alarm_rearms(alarm, 0)
    runtime.timer_delete_sync(alarm)
    runtime.cancel_delayed_sync(alarm)
    runtime.alarm_free(alarm)


@pytest.fixture
def wq(runtime, alarm):
    """A queue for the delayed work; it goes first, empty."""
    wq = runtime.wq_new(b"alarms", 2)
    yield wq
    runtime.alarm_gate(alarm, 0)
    runtime.cancel_delayed_sync(alarm)
    runtime.end_threads()
    runtime.wq_destroy(wq)


def rung(runtime, alarm, times):
    """Waits until it has."""
    runtime.eventually(lambda: runtime.alarm_runs(alarm) >= times)


def inside(runtime, alarm):
    """Waits until it is, behind its gate."""
    runtime.eventually(lambda: runtime.alarm_inside(alarm))


# --- timers ---


def test_a_timer_rings_when_its_time_has_come(runtime, alarm):
    """Once; a past time is now."""
    assert not runtime.mod_timer(alarm, 2)
    rung(runtime, alarm, 1)
    runtime.mod_timer(alarm, 0)
    rung(runtime, alarm, 2)
    runtime.moment()
    assert (2, False) == (runtime.alarm_runs(alarm), runtime.timer_pending(alarm))


def test_a_timer_that_is_armed_again_has_the_new_time(runtime, alarm):
    """Sooner, or later: it rings once."""
    assert [False, True] == [runtime.mod_timer(alarm, HOUR), runtime.mod_timer(alarm, 1)]
    rung(runtime, alarm, 1)
    runtime.mod_timer(alarm, 1)
    runtime.mod_timer(alarm, HOUR)
    assert runtime.timer_pending(alarm)
    assert runtime.timer_delete(alarm)


def test_a_pending_timer_is_taken_back(runtime, alarm):
    """True then, and it does not ring."""
    assert not runtime.timer_delete(alarm)
    runtime.mod_timer(alarm, HOUR)
    assert [True, False] == [runtime.timer_delete_sync(alarm), runtime.timer_pending(alarm)]


def test_only_the_sync_form_waits_while_it_rings(runtime, alarm, other):
    """timer_delete() returns at once; behind timer_delete_sync() it has ended."""
    runtime.alarm_gate(alarm, 1)
    runtime.mod_timer(alarm, 0)
    inside(runtime, alarm)
    assert not runtime.timer_delete(alarm)
    waiting = other.start(runtime.timer_delete_sync, alarm)
    assert runtime.blocked(waiting)
    runtime.alarm_gate(alarm, 0)
    waiting.result(60)
    assert 1 == runtime.alarm_runs(alarm)


def test_a_timer_that_arms_itself_is_idle_behind_the_sync_form(runtime, alarm, other):
    """It was armed when it was waited for."""
    runtime.alarm_gate(alarm, 1)
    runtime.alarm_rearms(alarm, 1000)
    runtime.mod_timer(alarm, 0)
    inside(runtime, alarm)
    waiting = other.start(runtime.timer_delete_sync, alarm)
    assert runtime.blocked(waiting)
    runtime.alarm_gate(alarm, 0)
    assert waiting.result(60)
    runs = runtime.alarm_runs(alarm)
    runtime.moment()
    assert (runs, False) == (runtime.alarm_runs(alarm), runtime.timer_pending(alarm))


def test_a_timer_that_was_shut_down_is_never_armed_again(runtime, alarm):
    """mod_timer() does nothing."""
    runtime.mod_timer(alarm, HOUR)
    assert runtime.timer_shutdown_sync(alarm)
    assert not runtime.mod_timer(alarm, 0)
    assert not runtime.timer_pending(alarm)
    runtime.moment()
    assert 0 == runtime.alarm_runs(alarm)


def test_a_timer_must_not_sleep(runtime, alarm):
    """A warning."""
    runtime.alarm_sleeps(alarm)
    runtime.mod_timer(alarm, 0)
    rung(runtime, alarm, 1)
    assert {"sleeping function called with a spinlock held": 1} == runtime.warned()


# --- delayed works ---


def test_a_delayed_work_runs_when_its_time_has_come(runtime, alarm, wq):
    """It is pending from the call on, and queued a second time by nobody."""
    assert [True, False] == [runtime.queue_delayed(wq, alarm, 20), runtime.queue_delayed(wq, alarm, 0)]
    rung(runtime, alarm, 1)
    assert runtime.queue_delayed(wq, alarm, 0)
    rung(runtime, alarm, 2)


def test_a_flush_of_the_queue_does_not_wait_for_a_timer(runtime, alarm, wq):
    """That of the delayed work queues it at once."""
    runtime.queue_delayed(wq, alarm, HOUR)
    runtime.wq_flush(wq)
    assert (0, True) == (runtime.alarm_runs(alarm), runtime.delayed_pending(alarm))
    runtime.flush_delayed(alarm)
    assert (1, False) == (runtime.alarm_runs(alarm), runtime.delayed_pending(alarm))
    assert not runtime.flush_delayed(alarm)


def test_a_delayed_work_is_taken_back_from_its_timer_and_from_its_queue(runtime, alarm, wq):
    """True in both cases; False when there is nothing to take."""
    runtime.queue_delayed(wq, alarm, HOUR)
    assert [True, False] == [runtime.cancel_delayed(alarm), runtime.cancel_delayed(alarm)]
    runtime.alarm_gate(alarm, 1)
    runtime.queue_delayed(wq, alarm, 0)
    inside(runtime, alarm)
    runtime.queue_delayed(wq, alarm, 0)  # behind itself
    assert runtime.cancel_delayed(alarm)
    runtime.alarm_gate(alarm, 0)
    runtime.wq_flush(wq)
    assert 1 == runtime.alarm_runs(alarm)


def test_only_the_sync_form_of_a_cancel_waits(runtime, alarm, wq, other):
    """And meanwhile nobody queues it."""
    runtime.alarm_gate(alarm, 1)
    runtime.queue_delayed(wq, alarm, 0)
    inside(runtime, alarm)
    assert not runtime.cancel_delayed(alarm)
    waiting = other.start(runtime.cancel_delayed_sync, alarm)
    assert runtime.blocked(waiting)
    assert not runtime.queue_delayed(wq, alarm, 0)
    runtime.alarm_gate(alarm, 0)
    assert not waiting.result(60)
    runtime.moment()
    assert 1 == runtime.alarm_runs(alarm)


def test_mod_delayed_work_moves_it(runtime, alarm, wq):
    """It says whether it was pending, on its timer or on its queue."""
    assert [False, True] == [runtime.mod_delayed(wq, alarm, HOUR), runtime.mod_delayed(wq, alarm, 1)]
    rung(runtime, alarm, 1)
    runtime.wq_flush(wq)
    runtime.queue_delayed(wq, alarm, HOUR)
    assert runtime.mod_delayed(wq, alarm, 0)
    rung(runtime, alarm, 2)


@pytest.mark.threads
def test_nothing_rings_behind_the_last_cancel(runtime, wq):
    """Two queue it with all sorts of delays, one cancels all the time."""
    assert 0 == runtime.delayed_race(wq, 2000)
