# SPDX-License-Identifier: GPL-2.0-only
"""Read-copy-update: readers, grace periods, what is deferred, and a torture with a control that must fail."""

from concurrent.futures import wait

import pytest

SLEEPS = "sleeping function called from an RCU reader"
UNBALANCED = "unbalanced rcu_read_unlock"
CHECK = "suspicious rcu_dereference_check"
PROTECTED = "suspicious rcu_dereference_protected"


@pytest.fixture
def cell(runtime):
    """A published pointer, to nothing yet."""
    cell = runtime.cell_new()
    yield cell
    runtime.cell_free(cell)


def log(runtime):
    """The numbers of the call_rcu() callbacks that ran, in their order."""
    numbers = runtime.ffi.new("int[256]")
    n = runtime.rcu_log(numbers, 256)
    return list(numbers[0:n])


# --- readers ---


def test_a_reader_lasts_until_its_outermost_unlock(runtime):
    """rcu_read_lock() nests."""
    seen = []
    for step in (runtime.rcu_read_lock,) * 2 + (runtime.rcu_read_unlock,) * 2:
        seen.append(runtime.rcu_read_lock_held())
        step()
    seen.append(runtime.rcu_read_lock_held())
    assert [False, True, True, True, False] == seen


def test_being_in_a_reader_is_a_threads_own(runtime, other):
    """Another thread's reader is not this one's."""
    other.call(runtime.rcu_read_lock)
    assert (False, True) == (runtime.rcu_read_lock_held(), other.call(runtime.rcu_read_lock_held))
    other.call(runtime.rcu_read_unlock)


def test_one_unlock_too_many_warns(runtime):
    """And nothing else happens: the next reader is one."""
    runtime.rcu_read_unlock()
    assert {UNBALANCED: 1} == runtime.warned()
    runtime.rcu_read_lock()
    assert runtime.rcu_read_lock_held()
    runtime.rcu_read_unlock()
    assert not runtime.rcu_read_lock_held()


def test_a_thread_that_ends_in_a_reader_holds_up_nobody(runtime):
    """It warns, and the reader ends with it."""
    thread = runtime.thread()
    thread.call(runtime.rcu_read_lock)
    runtime.end_threads()
    runtime.synchronize_rcu()
    assert {"a thread ended inside an RCU reader": 1} == runtime.warned()


# --- pointers ---


def test_dereferencing_needs_a_reader(runtime, cell):
    """rcu_dereference() inside one is silent, outside it warns; the value is the same."""
    runtime.cell_publish(cell, 7)
    runtime.rcu_read_lock()
    assert (7, {}) == (runtime.cell_dereference(cell), runtime.warned())
    runtime.rcu_read_unlock()
    assert (7, {CHECK: 1}) == (runtime.cell_dereference(cell), runtime.warned())


@pytest.mark.parametrize(
    ("in_reader", "condition", "hits"), [(False, False, 1), (False, True, 0), (True, False, 0), (True, True, 0)]
)
def test_dereference_check_takes_a_reader_or_the_condition(runtime, cell, in_reader, condition, hits):
    """rcu_dereference_check() warns where it has neither."""
    runtime.cell_publish(cell, 7)
    if in_reader:
        runtime.rcu_read_lock()
    assert 7 == runtime.cell_dereference_check(cell, condition)
    if in_reader:
        runtime.rcu_read_unlock()
    assert ({CHECK: hits} if hits else {}) == runtime.warned()


@pytest.mark.parametrize(("condition", "hits"), [(False, 1), (True, 0)])
@pytest.mark.parametrize("in_reader", [False, True])
def test_dereference_protected_takes_the_condition_alone(runtime, cell, in_reader, condition, hits):
    """It is for those who keep others from changing the pointer: being a reader is no excuse."""
    runtime.cell_publish(cell, 7)
    if in_reader:
        runtime.rcu_read_lock()
    assert 7 == runtime.cell_dereference_protected(cell, condition)
    if in_reader:
        runtime.rcu_read_unlock()
    assert ({PROTECTED: hits} if hits else {}) == runtime.warned()


def test_looking_at_a_pointer_needs_nothing(runtime, cell):
    """rcu_access_pointer() is for comparing."""
    assert not runtime.cell_access(cell)
    runtime.cell_publish(cell, 7)
    assert runtime.cell_access(cell)
    runtime.cell_clear(cell)
    assert not runtime.cell_access(cell)


def test_a_reader_finds_what_was_published(runtime, cell):
    """Nothing, the first object, the next one."""
    runtime.rcu_read_lock()
    seen = [runtime.cell_dereference(cell)]
    for value in (1, 2):
        runtime.cell_publish(cell, value)
        seen.append(runtime.cell_dereference(cell))
    runtime.rcu_read_unlock()
    assert [-1, 1, 2] == seen


# --- grace periods ---


def test_a_grace_period_without_readers_ends(runtime):
    """synchronize_rcu() and rcu_barrier() return where nobody reads and nothing is deferred."""
    runtime.synchronize_rcu()
    runtime.rcu_barrier()


@pytest.mark.threads
def test_a_grace_period_waits_for_a_reader_that_was_there(runtime, other):
    """synchronize_rcu() returns after the outermost unlock, not after an inner one."""
    other.call(runtime.rcu_read_lock)
    other.call(runtime.rcu_read_lock)
    synchronizing = runtime.thread().start(runtime.synchronize_rcu)
    assert runtime.blocked(synchronizing)
    other.call(runtime.rcu_read_unlock)
    assert runtime.blocked(synchronizing)
    other.call(runtime.rcu_read_unlock)
    synchronizing.result(20)


@pytest.mark.threads
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_grace_period_waits_for_no_reader_that_came_later(runtime, which):
    """Reader A, then synchronize_rcu(), then readers B and C: when A leaves it is over, though the others stay."""
    later = [runtime.thread() for _ in range(3)]
    for thread in later:  # so that each is known, in some order, before it matters
        thread.call(runtime.rcu_read_lock)
        thread.call(runtime.rcu_read_unlock)
    first = later.pop(which)
    for _ in range(10):
        first.call(runtime.rcu_read_lock)
        synchronizing = runtime.thread().start(runtime.synchronize_rcu)
        runtime.moment(0.1)  # for the call to begin
        for thread in later:
            thread.call(runtime.rcu_read_lock)
        first.call(runtime.rcu_read_unlock)
        over = bool(wait([synchronizing], 1).done)  # else it began too late, and all three were there before: no round
        for thread in later:
            thread.call(runtime.rcu_read_unlock)
        synchronizing.result(20)
        if over:
            break
    assert over


@pytest.mark.threads
def test_kfree_rcu_frees_after_the_readers(runtime, cell, other):
    """The object is there while the reader that may have found it is, and gone afterwards."""
    before = runtime.live()
    runtime.cell_publish(cell, 7)
    other.call(runtime.rcu_read_lock)
    assert 7 == other.call(runtime.cell_dereference, cell)
    runtime.cell_clear(cell)
    runtime.moment()
    assert 1 == runtime.slab_live() - before
    other.call(runtime.rcu_read_unlock)
    assert 0 == runtime.live() - before


def test_kfree_rcu_frees_without_a_barrier(runtime, cell):
    """Nobody has to ask: what was deferred is freed in a while."""
    before = runtime.live()
    runtime.cell_publish(cell, 7)
    runtime.cell_clear(cell)
    runtime.eventually(lambda: runtime.slab_live() == before)


def test_kfree_rcu_of_nothing_is_nothing(runtime, cell):
    """NULL is fine."""
    runtime.cell_clear(cell)


@pytest.mark.threads
def test_call_rcu_calls_after_the_readers(runtime, other):
    """Not while a reader is there that was before; then each function once, in the order of the calls."""
    other.call(runtime.rcu_read_lock)
    for number in range(100):
        runtime.call_rcu(number, 0)
    runtime.moment()
    assert [] == log(runtime)
    other.call(runtime.rcu_read_unlock)
    runtime.rcu_barrier()
    assert list(range(100)) == log(runtime)


def test_call_rcu_calls_nothing_itself(runtime):
    """The caller may hold the locks that the function takes: it runs elsewhere, however many are deferred."""
    assert 0 == runtime.call_rcu_calls(500)


def test_call_rcu_in_a_callback_is_a_new_call(runtime):
    """A barrier covers what was deferred before it, and what that defers is for the next one."""
    runtime.call_rcu(0, 3)
    seen = []
    for _ in range(4):
        runtime.rcu_barrier()
        seen += log(runtime)
    assert [0, 1, 2, 3] == seen


def test_deferring_inside_a_reader_is_allowed(runtime, cell):
    """call_rcu() and kfree_rcu() never sleep; what they deferred waits for their own reader as well."""
    runtime.cell_publish(cell, 7)
    before = runtime.live()
    runtime.rcu_read_lock()
    runtime.cell_clear(cell)
    runtime.call_rcu(1, 0)
    runtime.moment()
    assert (2, []) == (runtime.slab_live() - before + 1, log(runtime))
    runtime.rcu_read_unlock()
    runtime.rcu_barrier()
    assert (-1, [1]) == (runtime.slab_live() - before, log(runtime))


@pytest.mark.threads
def test_a_barrier_covers_what_other_threads_deferred(runtime, other):
    """Those that are still there, and those that have ended."""
    gone = runtime.thread()
    gone.call(runtime.call_rcu, 1, 0)
    gone.end()
    gone.join()
    other.call(runtime.call_rcu, 2, 0)
    runtime.call_rcu(3, 0)
    runtime.rcu_barrier()
    assert [1, 2, 3] == sorted(log(runtime))


@pytest.mark.threads
def test_a_barrier_waits_for_readers_only_if_something_is_deferred(runtime, other):
    """rcu_barrier() is no synchronize_rcu(): without a deferred call it returns at once."""
    runtime.rcu_barrier()
    other.call(runtime.rcu_read_lock)
    runtime.rcu_barrier()
    runtime.call_rcu(1, 0)
    waiting = runtime.thread().start(runtime.rcu_barrier)
    assert runtime.blocked(waiting)
    other.call(runtime.rcu_read_unlock)
    waiting.result(20)
    assert [1] == log(runtime)


def test_who_waits_for_readers_makes_everybody_pass_a_barrier(native):
    """It is the one that readers are spared: whether they have been seen is decided by it, once for each grace period."""
    before = native.barriers()
    native.synchronize_rcu()
    native.synchronize_rcu()
    assert 2 == native.barriers() - before


def test_the_64th_deferred_free_of_a_thread_begins_a_grace_period_itself(native, cell, other):
    """And does not wait for it. Step by step: a thread reads; another one defers a call; the reclaimer begins a grace
    period for that and waits for the reader, so it takes nothing from anybody else until the reader is done. Now 64 frees
    of this thread are 64 in a row, however slow it is: the last one begins one grace period, which is not over."""
    other.call(native.rcu_read_lock)
    before = native.barriers_of_all()
    native.thread().call(native.call_rcu, 1, 0)
    native.eventually(lambda: native.barriers_of_all() > before)
    before = native.barriers()
    for number in range(64):
        assert before == native.barriers(), number
        native.cell_publish(cell, 1)
        native.cell_clear(cell)
    assert 1 == native.barriers() - before
    other.call(native.rcu_read_unlock)
    native.rcu_barrier()
    assert [1] == log(native)


# --- readers do not sleep ---


@pytest.mark.parametrize("wait", ["synchronize_rcu", "rcu_barrier"])
def test_waiting_for_readers_in_a_reader_warns_and_returns(runtime, wait):
    """It would wait for itself."""
    getattr(runtime, wait)()
    assert {} == runtime.warned()
    runtime.rcu_read_lock()
    runtime.call_rcu(1, 0)
    getattr(runtime, wait)()
    assert ({SLEEPS: 1}, []) == (runtime.warned(), log(runtime))
    runtime.rcu_read_unlock()
    runtime.rcu_barrier()
    assert [1] == log(runtime)


@pytest.mark.parametrize(("gfp", "hits"), [("GFP_KERNEL", 1), ("GFP_ATOMIC", 0)])
def test_an_allocation_that_may_sleep_warns_in_a_reader(runtime, gfp, hits):
    """GFP_KERNEL does, GFP_ATOMIC does not; both give memory. Outside a reader neither warns."""
    flag = getattr(runtime, gfp)
    runtime.kfree(runtime.kmalloc(8, flag))
    assert {} == runtime.warned()
    runtime.rcu_read_lock()
    memory = runtime.kmalloc(8, flag)
    runtime.rcu_read_unlock()
    assert memory != runtime.ffi.NULL
    runtime.kfree(memory)
    assert ({SLEEPS: hits} if hits else {}) == runtime.warned()


@pytest.mark.parametrize("queued", [False, True])
def test_flushing_in_a_reader_warns_and_flushes(runtime, queued):
    """flush_workqueue() may sleep, whether or not there is something to wait for."""
    wq = runtime.wq_new(b"flushed", 1)
    item = runtime.item_new(wq, 0)
    report = runtime.ffi.new("struct iopf_prim_item_report *")
    if queued:
        runtime.item_queue(item)
    runtime.rcu_read_lock()
    runtime.wq_flush(wq)
    runtime.rcu_read_unlock()
    runtime.item_report(item, report)
    assert (int(queued), {SLEEPS: 1}) == (report.finished, runtime.warned())
    runtime.wq_flush(wq)
    assert {} == runtime.warned()
    runtime.wq_destroy(wq)
    runtime.item_free(item)


# --- torture ---

#: How the updaters get rid of an object, by the name of the face's constant.
SAFE = ["FREE_KFREE_RCU", "FREE_CALL_RCU", "FREE_SYNCHRONIZE"]


def torture(runtime, how, readers, ms, updates):
    """Updates, reads, and in how many a reader found its object published, replaced, freed, reused."""
    result = runtime.ffi.new("struct iopf_prim_torture *")
    runtime.rcu_torture(getattr(runtime, how), readers, ms, updates, result)
    print(runtime.name, how, result.updates, "updates", result.reads, "reads, ages", list(result.ages))
    assert sum(result.ages) == result.reads
    return result.updates, result.reads, list(result.ages)


@pytest.mark.threads
@pytest.mark.parametrize("how", SAFE)
def test_no_reader_meets_what_was_freed(runtime, how):
    """A while of replacing an object under two readers, who are preempted while they hold it."""
    updates, reads, ages = torture(runtime, how, readers=2, ms=300, updates=0)
    assert (True, True, True) == (updates > 0, reads > 0, ages[1] > 0)
    assert [0, 0] == ages[2:]


@pytest.mark.threads
def test_no_reader_begins_unseen(runtime):
    """Short readers and as many grace periods as possible: a reader is seen before it looks, or sees the new object."""
    updates, reads, ages = torture(runtime, "FREE_SYNCHRONIZE", readers=1, ms=300, updates=0)
    assert (True, True) == (updates > 0, reads > 0)
    assert [0, 0] == ages[2:]


@pytest.mark.threads
def test_the_torture_notices_a_missing_grace_period(runtime):
    """The control: with kfree() in place of kfree_rcu() readers do meet freed objects, within a second."""
    freed = 0
    for _ in range(10):
        _updates, _reads, ages = torture(runtime, "FREE_AT_ONCE", readers=2, ms=100, updates=0)
        freed += sum(ages[2:])
        if freed:
            break
    assert freed > 0


@pytest.mark.long
@pytest.mark.threads
@pytest.mark.parametrize(
    ("how", "updates"), [("FREE_KFREE_RCU", 10**6), ("FREE_CALL_RCU", 10**6), ("FREE_SYNCHRONIZE", 0)]
)
def test_no_reader_meets_what_was_freed_in_a_million_updates(runtime, how, updates):
    """Ten seconds at least, and a million updates where an update does not wait."""
    did, _reads, ages = torture(runtime, how, readers=3, ms=10_000, updates=updates)
    assert did >= updates
    assert [0, 0] == ages[2:]
