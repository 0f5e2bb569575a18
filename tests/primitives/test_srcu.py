# SPDX-License-Identifier: GPL-2.0-only
"""Sleepable RCU: a grace period waits for the readers of its own srcu_struct that had begun, and for no other."""

import pytest


@pytest.fixture
def srcu(runtime):
    """An srcu_struct; nobody is in when the test is over."""
    srcu = runtime.srcu_new()
    yield srcu
    runtime.srcu_barrier(srcu)
    runtime.srcu_free(srcu)


def test_a_grace_period_waits_for_readers_that_began_before(runtime, srcu, other):
    """And not for one that begins meanwhile."""
    index = runtime.srcu_read_lock(srcu)
    waiting = other.start(runtime.synchronize_srcu, srcu)
    assert runtime.blocked(waiting)
    later = runtime.srcu_read_lock(srcu)
    runtime.srcu_read_unlock(srcu, index)
    waiting.result(60)
    runtime.srcu_read_unlock(srcu, later)


def test_readers_of_another_one_do_not_matter(runtime, srcu):
    """Two worlds."""
    another = runtime.srcu_new()
    index = runtime.srcu_read_lock(another)
    runtime.synchronize_srcu(srcu)
    runtime.srcu_read_unlock(another, index)
    runtime.srcu_free(another)


def test_readers_nest_and_end_in_any_order(runtime, srcu, other):
    """The grace period ends with the last of those that had begun."""
    one, two = runtime.srcu_read_lock(srcu), runtime.srcu_read_lock(srcu)
    waiting = other.start(runtime.synchronize_srcu, srcu)
    runtime.srcu_read_unlock(srcu, one)
    assert runtime.blocked(waiting)
    runtime.srcu_read_unlock(srcu, two)
    waiting.result(60)


def test_one_grace_period_after_the_other(runtime, srcu):
    """Both counts are used again and again."""
    for _ in range(5):
        index = runtime.srcu_read_lock(srcu)
        runtime.srcu_read_unlock(srcu, index)
        runtime.synchronize_srcu(srcu)


def test_readers_may_sleep(runtime, srcu):
    """It is no RCU reader: a mutex in it is fine."""
    index = runtime.srcu_read_lock(srcu)
    mutex = runtime.mutex_new()
    runtime.mutex_lock(mutex)
    runtime.mutex_unlock(mutex)
    runtime.mutex_free(mutex)
    runtime.srcu_read_unlock(srcu, index)


def test_a_callback_runs_after_the_readers_and_a_barrier_waits_for_it(runtime, srcu, other):
    """call_srcu() waits for nobody."""
    counter = runtime.ffi.new("unsigned long *")
    index = runtime.srcu_read_lock(srcu)
    for _ in range(3):
        runtime.call_srcu(srcu, counter)
    waiting = other.start(runtime.srcu_barrier, srcu)
    assert runtime.blocked(waiting)
    assert 0 == counter[0]
    runtime.srcu_read_unlock(srcu, index)
    waiting.result(60)
    assert 3 == counter[0]


@pytest.mark.parametrize("of_rcu", [False, True])
def test_a_callback_must_not_sleep(runtime, srcu, of_rcu):
    """Of RCU neither: both run as softirqs do."""
    runtime.callback_sleeps(runtime.ffi.NULL if of_rcu else srcu)
    assert {"sleeping function called with a spinlock held": 1} == runtime.warned()


def test_a_reader_that_was_none(runtime, srcu):
    """An unlock too many, and an index that nobody gave."""
    index = runtime.srcu_read_lock(srcu)
    runtime.srcu_read_unlock(srcu, index)
    runtime.srcu_read_unlock(srcu, index)
    runtime.srcu_read_unlock(srcu, 7)
    assert {
        "unbalanced srcu_read_unlock": 1,
        "srcu_read_unlock with an index that srcu_read_lock did not give": 1,
    } == runtime.warned()


def test_cleaning_up_while_a_reader_is_in(runtime):
    """A warning."""
    srcu = runtime.srcu_new()
    runtime.srcu_read_lock(srcu)
    runtime.srcu_free(srcu)
    assert {"cleanup_srcu_struct while readers are in": 1} == runtime.warned()


def test_waiting_for_a_grace_period_sleeps(runtime, srcu):
    """In an RCU reader it is a warning."""
    runtime.rcu_read_lock()
    runtime.synchronize_srcu(srcu)
    runtime.rcu_read_unlock()
    assert {"sleeping function called from an RCU reader": 1} == runtime.warned()


@pytest.mark.threads
def test_what_is_retracted_is_free_after_a_grace_period(runtime):
    """One retracts and frees, three read: nobody reads what is free."""
    assert 0 == runtime.srcu_race(4, 300)
