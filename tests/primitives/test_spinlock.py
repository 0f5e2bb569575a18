# SPDX-License-Identifier: GPL-2.0-only
"""Spinlocks: exclusion, owners, no sleeping inside, and the pairs of forms."""

import pytest

RECURSIVE = "recursive spin_lock"
NOT_OWNER = "spin_unlock by somebody who does not own it"
OTHER_FORM = "a spinlock is unlocked by another form than it was locked by"
OTHER_FLAGS = "spin_unlock_irqrestore with the flags of another lock"
SLEEPS = "sleeping function called with a spinlock held"
SUSPICIOUS = "suspicious rcu_dereference_check"

PLAIN, BH, IRQ = 0, 1, 2


@pytest.fixture
def lock(runtime):
    """A spinlock, free again when the test is over."""
    lock = runtime.spin_new()
    yield lock
    runtime.spin_free(lock)


@pytest.mark.parametrize("form", [PLAIN, BH, IRQ])
def test_a_spinlock_is_locked_from_lock_to_unlock(runtime, lock, form):
    """spin_is_locked() before, between and after; lockdep_is_held() with it."""

    def look():
        return runtime.spin_is_locked(lock), runtime.spin_lockdep_is_held(lock)

    seen = [look()]
    runtime.spin_lock(lock, form)
    seen.append(look())
    runtime.spin_unlock(lock, form)
    seen.append(look())
    assert [(False, False), (True, True), (False, False)] == seen


def test_a_static_spinlock_is_free_from_the_start(runtime):
    """DEFINE_SPINLOCK() needs no spin_lock_init()."""
    lock = runtime.spin_static()
    assert runtime.spin_trylock(lock, PLAIN)
    runtime.spin_unlock(lock, PLAIN)
    assert not runtime.spin_is_locked(lock)


def test_trylock_takes_a_free_spinlock_and_no_other(runtime, lock, other):
    """False for one that is held, by whomever; who failed may sleep."""
    assert [True, False] == [runtime.spin_trylock(lock, PLAIN), runtime.spin_trylock(lock, PLAIN)]
    assert not other.call(runtime.spin_trylock, lock, PLAIN)
    runtime.spin_unlock(lock, PLAIN)
    mutex = runtime.mutex_new()
    other.call(runtime.mutex_lock, mutex)
    other.call(runtime.mutex_unlock, mutex)
    runtime.mutex_free(mutex)


def test_a_waiter_gets_it_when_the_owner_lets_go(runtime, lock, other):
    """And not before."""
    runtime.spin_lock(lock, PLAIN)
    waiting = other.start(runtime.spin_lock, lock, PLAIN)
    assert runtime.blocked(waiting)
    runtime.spin_unlock(lock, PLAIN)
    waiting.result(60)
    assert (True, False) == (runtime.spin_is_locked(lock), runtime.spin_lockdep_is_held(lock))
    other.call(runtime.spin_unlock, lock, PLAIN)


def test_locking_what_one_holds_is_a_warning(runtime, lock):
    """The caller goes on as the owner of one lock."""
    runtime.spin_lock(lock, PLAIN)
    runtime.spin_lock(lock, PLAIN)
    assert {RECURSIVE: 1} == runtime.warned()
    runtime.spin_unlock(lock, PLAIN)
    assert not runtime.spin_is_locked(lock)


def test_unlocking_what_one_does_not_hold_is_a_warning(runtime, lock, other):
    """Nothing happens to the lock."""
    runtime.spin_unlock(lock, PLAIN)
    assert {NOT_OWNER: 1} == runtime.warned()
    other.call(runtime.spin_lock, lock, PLAIN)
    runtime.spin_unlock(lock, PLAIN)
    assert ({NOT_OWNER: 1}, True) == (runtime.warned(), runtime.spin_is_locked(lock))
    other.call(runtime.spin_unlock, lock, PLAIN)


@pytest.mark.parametrize("locked, unlocked", [(PLAIN, IRQ), (IRQ, BH), (BH, PLAIN)])
def test_the_forms_of_a_pair_belong_together(runtime, lock, locked, unlocked):
    """spin_lock_irq() is not undone by spin_unlock()."""
    runtime.spin_lock(lock, locked)
    runtime.spin_unlock(lock, unlocked)
    assert ({OTHER_FORM: 1}, False) == (runtime.warned(), runtime.spin_is_locked(lock))


def test_the_flags_are_those_of_the_lock(runtime, lock):
    """irqsave and irqrestore agree; flags that were saved for another lock are told."""
    second = runtime.spin_new()
    first_flags = runtime.spin_lock_irqsave(lock)
    second_flags = runtime.spin_lock_irqsave(second)
    runtime.spin_unlock_irqrestore(second, second_flags)
    assert {} == runtime.warned()
    runtime.spin_unlock_irqrestore(lock, second_flags)
    assert ({OTHER_FLAGS: 1}, False) == (runtime.warned(), runtime.spin_is_locked(lock))
    assert first_flags != second_flags
    runtime.spin_free(second)


def test_nobody_sleeps_with_a_spinlock_held(runtime, lock):
    """A mutex, a grace period, a completion, a wait queue, a flush, GFP_KERNEL: each is a warning; GFP_ATOMIC is none."""
    mutex, wq = runtime.mutex_new(), runtime.wq_new(b"slept on", 1)
    completion, gate = runtime.completion_new(), runtime.gate_new()
    item = runtime.item_new(wq, 0)
    runtime.complete(completion)
    runtime.gate_set(gate, 1, False)

    def allocate(gfp):
        runtime.kfree(runtime.kmalloc(8, gfp))

    def lock_and_unlock():
        runtime.mutex_lock(mutex)
        runtime.mutex_unlock(mutex)

    sleeping = {
        "mutex": lock_and_unlock,
        "synchronize_rcu": runtime.synchronize_rcu,
        "rcu_barrier": runtime.rcu_barrier,
        "flush": lambda: runtime.wq_flush(wq),
        "completion": lambda: runtime.wait_for_completion(completion),
        "timeout": lambda: runtime.gate_wait_timeout(gate, 2, 1),
        "flush_work": lambda: runtime.item_flush_work(item),
        "cancel_work_sync": lambda: runtime.item_cancel_work_sync(item),
        "allocation": lambda: allocate(runtime.GFP_KERNEL),
    }
    for what, call in sleeping.items():
        runtime.spin_lock(lock, PLAIN)
        call()
        runtime.spin_unlock(lock, PLAIN)
        assert SLEEPS in runtime.warned(), what
        if what != "completion":  # which is not done a second time
            call()
        assert {} == runtime.warned(), what
    runtime.spin_lock(lock, PLAIN)
    allocate(runtime.GFP_ATOMIC)
    assert runtime.mutex_trylock(mutex)
    runtime.mutex_unlock(mutex)
    runtime.item_cancel_work(item)
    runtime.complete(completion)
    runtime.spin_unlock(lock, PLAIN)
    assert {} == runtime.warned()
    runtime.item_free(item)
    runtime.gate_free(gate)
    runtime.completion_free(completion)
    runtime.wq_destroy(wq)
    runtime.mutex_free(mutex)


def test_a_grace_period_waits_for_the_section(runtime, lock, other):
    """It is a reader for synchronize_rcu()."""
    runtime.spin_lock(lock, PLAIN)
    waiting = other.start(runtime.synchronize_rcu)
    assert runtime.blocked(waiting)
    runtime.spin_unlock(lock, PLAIN)
    waiting.result(60)


@pytest.mark.parametrize("first", ["reader", "lock"])
def test_a_grace_period_waits_for_reader_and_section(runtime, lock, other, first):
    """Whichever of the two begins, or ends, first."""

    def begin(which):
        runtime.rcu_read_lock() if which == "reader" else runtime.spin_lock(lock, PLAIN)

    def end(which):
        runtime.rcu_read_unlock() if which == "reader" else runtime.spin_unlock(lock, PLAIN)

    second = {"reader": "lock", "lock": "reader"}[first]
    for ends in ((first, second), (second, first)):
        begin(first)
        begin(second)
        waiting = other.start(runtime.synchronize_rcu)
        end(ends[0])
        assert runtime.blocked(waiting)
        assert runtime.rcu_read_lock_held() == (ends[1] == "reader")
        end(ends[1])
        waiting.result(60)


def test_it_is_no_reader_for_rcu_dereference(runtime, lock):
    """rcu_dereference() in the section alone wants its condition still."""
    cell = runtime.cell_new()
    runtime.cell_publish(cell, 7)
    runtime.spin_lock(lock, PLAIN)
    assert (False, 7) == (runtime.rcu_read_lock_held(), runtime.cell_dereference(cell))
    assert {SUSPICIOUS: 1} == runtime.warned()
    assert 7 == runtime.cell_dereference_check(cell, True)
    runtime.rcu_read_lock()
    assert 7 == runtime.cell_dereference(cell)
    runtime.rcu_read_unlock()
    runtime.spin_unlock(lock, PLAIN)
    assert {} == runtime.warned()
    runtime.cell_free(cell)


def test_preemption_is_off_as_often_as_it_was_disabled(runtime, lock):
    """preempt_disable() nests, by itself and with spinlocks; one enable too many is a warning."""

    def sleeps():
        runtime.synchronize_rcu()
        return SLEEPS in runtime.warned()

    seen = [sleeps()]
    runtime.preempt_disable()
    runtime.spin_lock(lock, PLAIN)
    runtime.spin_unlock(lock, PLAIN)
    seen.append(sleeps())
    runtime.preempt_enable()
    seen.append(sleeps())
    runtime.preempt_enable()
    assert ([False, True, False], {"unbalanced preempt_enable": 1}) == (seen, runtime.warned())


def test_a_thread_that_ends_with_a_spinlock_held_holds_up_nobody(runtime):
    """It warns, and its section ends with it: a grace period does, and the next thread may sleep. The lock stays taken."""
    lock = runtime.spin_new()
    runtime.thread().call(runtime.spin_lock, lock, PLAIN)
    runtime.end_threads()
    runtime.synchronize_rcu()
    runtime.thread().call(runtime.synchronize_rcu)
    assert ({"a thread ended with a spinlock held": 1}, True) == (runtime.warned(), runtime.spin_is_locked(lock))
    runtime.spin_free(lock)


@pytest.mark.threads
@pytest.mark.parametrize("threads, rounds", [(2, 20_000), (4, 5_000)])
def test_one_thread_at_a_time_is_inside(runtime, threads, rounds):
    """Threads add 1 without atomics, under the lock; also more of them than CPUs."""
    assert threads * rounds == runtime.spin_race(threads, rounds)
