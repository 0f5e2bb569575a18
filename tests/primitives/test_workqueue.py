# SPDX-License-Identifier: GPL-2.0-only
"""Workqueues: when an item runs and when not, what a flush covers, how a queue ends."""

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import wait
from pathlib import Path

import pytest

DRAINING = "workqueue: queueing on a queue that is draining"
FLUSH_INSIDE = "flush_workqueue from an item of the same queue"
DESTROY_INSIDE = "destroy_workqueue from an item of the same queue"
TOO_LATE = "workqueue: the number of workers is set before the first item"

SECOND = 10**9


class Item:
    """A work item that does what it is told, see struct iopf_prim_item."""

    def __init__(self, runtime, wq, *flags):
        self.runtime = runtime
        self.at = runtime.item_new(wq, sum(getattr(runtime, f"ITEM_{flag}") for flag in flags))

    def queue(self):
        return self.runtime.item_queue(self.at)

    def flush(self):
        return self.runtime.item_flush_work(self.at)

    def cancel(self):
        return self.runtime.item_cancel_work(self.at)

    def move(self, queue):
        self.runtime.item_move(self.at, queue.at)

    def cancel_sync(self):
        return self.runtime.item_cancel_work_sync(self.at)

    @property
    def busy(self):
        """Is it pending, is it running."""
        busy = self.runtime.item_busy(self.at)
        return bool(busy & 1), bool(busy & 2)

    def requeue(self, times):
        self.runtime.item_requeue(self.at, times)
        return self

    def chain(self, following):
        self.runtime.item_chain(self.at, following.at)
        return self

    def open(self, times=1):
        self.runtime.item_open(self.at, times)

    def started(self, times=1):
        assert self.runtime.item_wait_started(self.at, times, 20_000), f"not started {times} times: {self.report}"

    def finished(self, times=1):
        assert self.runtime.item_wait_finished(self.at, times, 20_000), f"not finished {times} times: {self.report}"

    @property
    def report(self):
        report = self.runtime.ffi.new("struct iopf_prim_item_report *")
        self.runtime.item_report(self.at, report)
        return report

    @property
    def runs(self):
        return self.report.finished


class Queue:
    """A workqueue and its items."""

    def __init__(self, runtime, workers):
        self.runtime = runtime
        self.at = runtime.wq_new(b"tested", workers)
        self.items = []

    def item(self, *flags):
        self.items.append(Item(self.runtime, self.at, *flags))
        return self.items[-1]

    def flush(self):
        self.runtime.wq_flush(self.at)

    def run(self):
        return self.runtime.wq_run(self.at)

    def wait_idle(self, ns):
        return self.runtime.wq_wait_idle(self.at, ns)

    def destroy(self):
        at, self.at = self.at, None
        self.runtime.wq_destroy(at)


@pytest.fixture
def queue(runtime):
    """Makes workqueues with so many workers. They are destroyed with the test, if it did not."""
    made = []

    def make(workers):
        made.append(Queue(runtime, workers))
        return made[-1]

    yield make
    runtime.poll_set(0)
    runtime.after_item_reset()
    for one in made:
        for item in one.items:
            item.requeue(0)
            item.open(1000)
    runtime.end_threads()
    for one in made:
        if one.at is not None:
            one.destroy()
        for item in one.items:
            runtime.item_free(item.at)


with_workers = pytest.mark.parametrize("workers", [1, 3])
with_or_without_workers = pytest.mark.parametrize("workers", [0, 1, 3])

# --- running ---


@with_workers
def test_an_item_runs_once_in_a_worker(runtime, queue, workers):
    """In another thread, and inside the queue as far as current_work_on() is concerned."""
    q = queue(workers)
    item = q.item()
    assert item.queue()
    item.finished()
    q.flush()
    report = item.report
    assert (1, 1, 1) == (report.started, report.finished, report.inside_said)
    assert runtime.this_thread() != report.thread
    assert not runtime.wq_current_work_on(q.at)


def test_items_run_beside_each_other_if_nobody_said_how_many(runtime, queue):
    """alloc_workqueue() alone: an item that waits for another one of the queue keeps that one from nothing."""
    q = queue(0)
    runtime.wq_destroy(q.at)
    q.at = runtime.wq_alloc(b"default")
    blockers = [q.item("GATED") for _ in range(5)]
    for blocker in blockers:
        blocker.queue()
    for blocker in blockers:
        blocker.started()
    item = q.item()
    item.queue()
    item.finished()
    for blocker in blockers:
        blocker.open()
    q.flush()


@pytest.mark.parametrize("said", [None, 0, 1, 3])
def test_an_ordered_queue_runs_one_at_a_time_in_order(runtime, queue, said):
    """alloc_ordered_workqueue(), whatever number of workers somebody asks for; 0 is none, by hand."""
    q = queue(0)
    runtime.wq_destroy(q.at)
    q.at = runtime.wq_alloc_ordered(b"ordered")
    if said is not None:
        runtime.wq_set_workers(q.at, said)
    items = [q.item() for _ in range(20)]
    if said != 0:
        blocker = q.item("GATED")
        blocker.queue()
        blocker.started()
    for item in items:
        item.queue()
    if said != 0:
        assert [0] * 20 == [item.runs for item in items]
        blocker.open()
    q.flush()
    starts = [item.report.first_start for item in items]
    assert sorted(starts) == starts
    assert [1] * 20 == [item.runs for item in items]


@with_or_without_workers
def test_a_drain_waits_for_what_items_queue(runtime, queue, workers):
    """A chain of three, from the same queue: all have run. Afterwards the queue takes items as before."""
    q = queue(workers)
    last = q.item()
    items = [q.item().chain(last), last]
    items[0].queue()
    runtime.wq_drain(q.at)
    assert [1, 1] == [item.runs for item in items]
    last.queue()
    q.flush()
    assert 2 == last.runs


def test_a_queue_that_drains_drops_what_others_queue(runtime, queue, other):
    """With a warning, although queue_work() says true; and until the drain is over alone."""
    q = queue(1)
    blocker, item = q.item("GATED"), q.item()
    blocker.queue()
    blocker.started()
    draining = other.start(runtime.wq_drain, q.at)
    assert runtime.blocked(draining)
    assert item.queue()
    blocker.open()
    draining.result(60)
    assert {DRAINING: 1} == runtime.warned()
    q.flush()
    assert 0 == item.runs


@with_workers
def test_a_pending_item_is_not_queued_again(queue, workers):
    """queue_work() is false until a worker has taken the item, which then runs once."""
    q = queue(workers)
    blockers = [q.item("GATED") for _ in range(workers)]
    for blocker in blockers:
        blocker.queue()
        blocker.started()
    item = q.item()
    assert [True, False, False] == [item.queue() for _ in range(3)]
    for blocker in blockers:
        blocker.open()
    q.flush()
    assert 1 == item.runs


@with_workers
def test_a_running_item_is_queued_again_and_runs_after_itself(runtime, queue, workers):
    """PENDING is cleared before the function runs; the second run waits for the first, however many workers idle."""
    q = queue(workers)
    item = q.item("GATED")
    item.queue()
    item.started()
    assert [True, False] == [item.queue(), item.queue()]
    runtime.moment()
    assert 1 == item.report.started
    item.open()
    item.started(2)
    item.open()
    q.flush()
    report = item.report
    assert (2, 2, 1) == (report.started, report.finished, report.most_inside)


@with_workers
def test_a_second_run_that_waits_for_the_first_holds_up_nobody(queue, workers):
    """An item that is queued again while it runs takes no worker from the others."""
    q = queue(workers)
    item = q.item("GATED")
    item.queue()
    item.started()
    item.queue()
    others = [q.item() for _ in range(5)]
    for other_item in others:
        other_item.queue()
    if workers > 1:
        for other_item in others:
            other_item.finished()
    item.open(2)
    q.flush()
    assert ([1] * 5, 2, 1) == ([one.runs for one in others], item.runs, item.report.most_inside)


def test_an_item_that_waits_for_its_first_run_is_not_stuck_behind_another(queue):
    """X runs and is queued again, Y is queued; X's worker may take Y, then an idle one has to take X."""
    q = queue(2)
    x, y = q.item("GATED"), q.item("GATED")
    helper = q.item()
    x.queue()
    x.started()
    helper.queue()
    helper.finished()
    y.queue()
    y.started()
    x.queue()
    x.open()
    x.started(2)
    assert 0 == y.runs
    x.open()
    y.open()


@with_or_without_workers
def test_an_item_may_queue_itself(queue, workers):
    """From its own function: it says true, and the item runs again."""
    q = queue(workers)
    item = q.item().requeue(5)
    item.queue()
    while item.runs < 6:
        q.flush()
    report = item.report
    assert (6, 1, 1) == (report.finished, report.requeue_said, report.most_inside)


@with_or_without_workers
def test_an_item_may_free_itself(runtime, queue, workers):
    """In its own function; its memory may be another item's before it returned."""
    q = queue(workers)
    before = runtime.slab_live()
    for _ in range(50):
        item = q.item("FREES")
        assert item.queue()
    q.flush()
    assert ([1] * 50, 0) == ([item.runs for item in q.items], runtime.slab_live() - before)


@pytest.mark.threads
def test_an_item_that_got_the_memory_of_a_running_one_is_another_item(queue):
    """X frees itself, allocates Y, which may lie where X was, and waits for it: Y runs on another worker meanwhile."""
    q = queue(2)
    item = q.item("REBORN")
    item.queue()
    item.finished()
    assert 1 == item.report.reborn_ran
    q.flush()


@pytest.mark.threads
def test_several_workers_run_several_items(runtime, queue):
    """Three items that wait run at the same time on three workers; a fourth has to wait."""
    q = queue(3)
    items = [q.item("GATED") for _ in range(4)]
    for item in items:
        item.queue()
    for item in items[:3]:
        item.started()
    runtime.moment()
    assert 0 == items[3].report.started
    assert 3 == len({item.report.thread for item in items[:3]})
    items[0].open()
    items[3].started()


@pytest.mark.threads
def test_items_that_are_queued_at_once_get_workers_at_once(queue):
    """Two items in a row while one worker sleeps: the second, which the first waits for, gets a worker of its own."""
    for _ in range(50):
        q = queue(2)
        first = q.item()
        first.queue()
        q.flush()
        a, b = q.item("GATED"), q.item("GATED")
        a.queue()
        b.queue()
        b.started()
        a.started()
        a.open()
        b.open()


@pytest.mark.threads
def test_every_sleeping_worker_wakes_for_an_item(runtime, queue):
    """Two workers sleep, two items come in a row, of which the first waits for the second: both workers wake."""
    for _ in range(30):
        q = queue(2)
        pair = q.item("GATED"), q.item("GATED")
        for times in (1, 2):
            for item in pair:
                item.queue()
            for item in pair:
                item.started(times)
            for item in pair:
                item.open()
            q.flush()
            runtime.moment(0.002)  # for both to go to sleep


def test_the_number_of_workers_is_set_before_the_first_item(runtime, queue):
    """Afterwards it is too late: a warning, and the number stays."""
    q = queue(0)
    runtime.wq_set_workers(q.at, 0)
    assert {} == runtime.warned()
    item = q.item()
    item.queue()
    runtime.wq_set_workers(q.at, 1)
    assert {TOO_LATE: 1} == runtime.warned()
    assert 1 == q.run()


# --- an idle queue ---


def threads_now():
    """Of this process: by thread, how often it has slept or waited so far, and its state."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            said = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        except OSError:  # it is gone
            continue
        found[int(task.name)] = int(said["voluntary_ctxt_switches"]), said["State"][0]
    return found


def test_an_idle_queue_costs_nothing(runtime, queue):
    """Its workers have slept since the last item: none of them wakes within a second, whatever it would look for."""
    before = set(threads_now())
    q = queue(2)
    items = [q.item() for _ in range(2)]
    for _ in range(20):
        for item in items:
            item.queue()
        q.flush()

    def workers():
        return {thread: seen for thread, seen in threads_now().items() if thread not in before}

    assert workers()
    for _ in range(1000):  # until they have stopped looking for more
        seen = workers()
        runtime.moment(0.01)
        if seen == workers() and all(state == "S" for _, state in seen.values()):
            break
    runtime.moment(1.0)
    assert seen == workers()


def idle(runtime, before):
    """Waits until every thread that was not there before sleeps."""

    def sleeps():
        return all(state == "S" for thread, (_, state) in threads_now().items() if thread not in before)

    runtime.eventually(sleeps)


def used(runtime, q, item, before):
    """How often workers spin when one of them runs an item, and has nothing more to do."""
    idle(runtime, before)
    spins = runtime.spins()
    runs = item.runs
    item.queue()
    item.finished(runs + 1)
    idle(runtime, before)
    return runtime.spins() - spins


CPUS = len(os.sched_getaffinity(0))


@pytest.mark.skipif(CPUS < 2, reason="needs two CPUs: with one nobody spins")
def test_a_worker_spins_only_while_fewer_workers_are_awake_than_there_are_cpus(native, queue):
    """One that runs out of items looks for more for a moment: not each time, since it may have been woken from its own CPU, but
    some time it does. Where others are awake, each in an item, and with it as many as there are CPUs, it sleeps at once."""
    before = set(threads_now())
    q = queue(1)
    item, others = q.item(), []
    native.eventually(lambda: used(native, q, item, before))
    for _ in range(CPUS - 1):
        others.append(queue(1).item("GATED"))
        others[-1].queue()
        others[-1].started()
    assert [0] * 100 == [used(native, q, item, before) for _ in range(100)]
    for one in others:
        one.open()
        one.finished()
    native.eventually(lambda: used(native, q, item, before))


@pytest.mark.skipif(CPUS < 2, reason="needs two CPUs: with one nobody spins")
def test_a_worker_that_ran_several_items_in_one_go_lets_more_gather(native, queue):
    """It waits once more before it looks again, if its CPU is not wanted, and not after an item that came alone."""
    before = set(threads_now())
    q = queue(1)
    gated, items = q.item("GATED"), [q.item() for _ in range(3)]

    def together(count):
        """How often the worker waits where so many items are queued while it is in one."""
        runs = gated.runs
        idle(native, before)
        spins = native.spins()
        gated.queue()
        gated.started(runs + 1)
        for one in items[:count]:
            one.queue()
        gated.open()
        q.flush()
        idle(native, before)
        return native.spins() - spins

    native.eventually(lambda: sum(together(3) - together(1) for _ in range(20)) >= 15)


def test_on_one_cpu_nobody_spins(native):
    """The CPU is for whoever has something to do. In a process that may use one CPU only."""
    code = f"""
import os, sys
os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import semantics
ffi, lib = semantics.load("native")
wq = lib.iopf_prim_wq_new(b"one", 1)
item = lib.iopf_prim_item_new(wq, 0)
for n in range(1, 101):
    lib.iopf_prim_item_queue(item)
    assert lib.iopf_prim_item_wait_finished(item, n, 60_000)
print(lib.iopf_prim_spins())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (0, "0\n") == (done.returncode, done.stdout), done.stderr


@pytest.mark.threads
def test_a_batch_costs_one_wake(runtime, queue):
    """Two hundred items are queued while the only worker is in one: it goes through them without a sleep in between.

    The control: the same worker sleeps once for each item, where each is queued when it sleeps.
    """
    before = set(threads_now())
    q = queue(1)
    gated, items = q.item("GATED"), [q.item() for _ in range(200)]

    def asleep():
        """How often the worker has slept, once it does."""
        (worker,) = set(threads_now()) - before
        for _ in range(2000):
            slept, state = threads_now()[worker]
            if state == "S":
                return slept
            runtime.moment(0.001)
        raise AssertionError("the worker never sleeps")

    def batch():
        """How often it sleeps from its sleep in the item on, until all is done and it sleeps for the next one."""
        runs = gated.runs
        gated.queue()
        gated.started(runs + 1)
        first = asleep()
        for item in items:
            item.queue()
        gated.open()
        q.flush()
        assert {runs + 1} == {item.runs for item in items}
        return asleep() - first

    # In some round: it may meet the lock of somebody who was taken off its CPU, any number of times.
    runtime.eventually(lambda: batch() <= 10)
    first, runs = asleep(), items[0].runs
    for item in items[:50]:
        item.queue()
        item.finished(runs + 1)
        asleep()
    assert asleep() - first >= 40


# --- flush ---


def test_flushing_a_queue_that_was_never_used_returns(queue):
    """There is nothing to wait for."""
    queue(1).flush()
    queue(0).flush()


@with_workers
def test_a_flush_waits_for_running_and_for_pending_items(runtime, queue, workers):
    """Everything on the whole queue that was queued before the call, whoever queued it."""
    q = queue(workers)
    running, pending = [q.item("GATED") for _ in range(workers)], [q.item() for _ in range(5)]
    for item in running:
        item.queue()
        item.started()
    for item in pending:
        runtime.thread().call(item.queue)
    flushing = runtime.thread().start(q.flush)
    assert runtime.blocked(flushing)
    for item in running:
        item.open()
    flushing.result(20)
    assert [1] * (workers + 5) == [item.runs for item in running + pending]


def test_a_flush_waits_for_the_slowest_of_several_workers(runtime, queue):
    """Later items may be through long before."""
    q = queue(2)
    slow, fast = q.item("GATED"), q.item()
    slow.queue()
    slow.started()
    fast.queue()
    fast.finished()
    flushing = runtime.thread().start(q.flush)
    assert runtime.blocked(flushing)
    slow.open()
    flushing.result(20)


@pytest.mark.threads
@with_workers
def test_a_flush_does_not_wait_for_what_comes_later(runtime, queue, workers):
    """An item that queues itself over and over keeps the queue busy for ever, and a flush returns all the same."""
    q = queue(workers)
    item = q.item().requeue(10**9)
    item.queue()
    item.started()
    for _ in range(20):
        runtime.thread().start(q.flush).result(20)
    assert not q.wait_idle(1000)
    item.requeue(0)
    q.flush()


def test_a_flush_covers_the_second_run_of_an_item_that_runs(runtime, queue):
    """X runs, X is queued, flush: both runs are over when it returns."""
    q = queue(2)
    item = q.item("GATED")
    item.queue()
    item.started()
    item.queue()
    flushing = runtime.thread().start(q.flush)
    item.open()
    item.started(2)
    assert runtime.blocked(flushing)
    item.open()
    flushing.result(20)
    assert 2 == item.runs


@pytest.mark.threads
@pytest.mark.parametrize("batch", [False, True])
def test_a_flush_is_woken_when_its_last_item_is_through(runtime, queue, batch, in_some_round):
    """Whether the worker is idle then, or goes on with a later item: it does not wait for the next slice, which would
    always be most of a slice away."""

    def flush():
        q = queue(1)
        item, later = q.item("GATED"), q.item("GATED")
        blocker = q.item("GATED")
        blocker.queue()
        blocker.started()
        item.queue()
        flushing = runtime.thread().start(q.flush)
        runtime.moment(0.01)  # for the flush to begin
        if batch:
            later.queue()
        blocker.open()
        item.started()
        runtime.moment(0.001)
        begin = time.monotonic()
        item.open()
        # Else it began too late, and covers the later item as well: no round.
        took = time.monotonic() - begin if wait([flushing], 1).done else float("inf")
        later.open()
        flushing.result(20)
        return took

    in_some_round(flush, 0.02, least=10)


@pytest.mark.threads
@pytest.mark.parametrize("flushers", [1, 4])
def test_every_flusher_is_woken_when_the_last_item_is_through(runtime, queue, flushers):
    """
    At the end of each slice a flusher asks whether to give up. The item is let go when all have asked: who is woken
    does not ask again, who is not does. In one of ten rounds nobody does. And each flusher that slept had made
    everybody pass a barrier, or the worker might not have seen it.
    """
    threads = [runtime.thread() for _ in range(flushers)]
    for _ in range(10):
        q = queue(1)
        item = q.item("GATED")
        item.queue()
        item.started()
        asked = [0] * flushers

        def flush(index, q=q, asked=asked):
            @runtime.ffi.callback("int(void)")
            def poll():
                asked[index] += 1
                return 0

            runtime.poll_call(poll)
            before = runtime.barriers()
            q.flush()
            runtime.poll_set(0)
            return runtime.barriers() - before

        flushing = [thread.start(flush, index) for index, thread in enumerate(threads)]
        runtime.eventually(lambda asked=asked: all(asked))
        before = sum(asked)
        item.open()
        barriers = [future.result(20) for future in flushing]
        assert runtime.name != "native" or 0 not in barriers
        if not (again := sum(asked) - before):
            break
    assert 0 == again


def test_flushing_one_queue_does_not_wait_for_another(queue):
    """Queues are apart."""
    busy, idle = queue(1), queue(1)
    item = busy.item("GATED")
    item.queue()
    item.started()
    idle.item().queue()
    idle.flush()
    assert (0, 1) == (item.runs, idle.items[0].runs)


@with_or_without_workers
def test_flushing_from_an_item_of_the_queue_warns(runtime, queue, workers):
    """It would wait for itself: it returns instead."""
    q = queue(workers)
    q.item("FLUSHES").queue()
    q.flush()
    assert {FLUSH_INSIDE: 1} == runtime.warned()


@with_or_without_workers
def test_destroying_from_an_item_of_the_queue_warns(runtime, queue, workers):
    """It would wait for itself: it returns instead, and the queue is still there."""
    q = queue(workers)
    q.item("DESTROYS").queue()
    q.flush()
    assert {DESTROY_INSIDE: 1} == runtime.warned()
    item = q.item()
    item.queue()
    q.flush()
    assert 1 == item.runs


# --- the hook after an item ---


@with_or_without_workers
def test_the_hook_is_called_after_each_item(runtime, queue, workers):
    """Once for each run, before a flush returns."""
    q = queue(workers)
    runtime.after_item_set(False)
    items = [q.item() for _ in range(10)]
    for item in items:
        item.queue()
    q.flush()
    assert 10 == runtime.after_item_count()


def test_an_item_counts_as_finished_after_the_hook(runtime, queue):
    """A flush, and an idle queue, wait for the hook as for the function."""
    q = queue(1)
    runtime.after_item_set(True)
    item = q.item()
    item.queue()
    item.finished()
    flushing = runtime.thread().start(q.flush)
    assert runtime.blocked(flushing)
    assert not q.wait_idle(1000)
    runtime.after_item_open(1)
    flushing.result(20)
    assert q.wait_idle(20 * SECOND)


# --- being idle ---


@with_workers
def test_a_queue_is_idle_when_nothing_is_pending_or_running(runtime, queue, workers):
    """At once if it is; not while an item runs, nor while one waits; after the last one."""
    q = queue(workers)
    assert q.wait_idle(0)
    item = q.item("GATED")
    item.queue()
    item.started()
    item.queue()
    assert not q.wait_idle(SECOND // 100)
    waiting = runtime.thread().start(q.wait_idle, 20 * SECOND)
    item.open()
    item.started(2)
    assert runtime.blocked(waiting)
    item.open()
    assert waiting.result(20)


def test_waiting_for_idle_takes_no_longer_than_it_may(queue):
    """False after the time, and not earlier."""
    q = queue(1)
    item = q.item("GATED")
    item.queue()
    item.started()
    begin = time.monotonic()
    assert not q.wait_idle(SECOND // 5)
    took = time.monotonic() - begin
    assert 0.2 <= took


# --- giving up ---


def test_a_flush_that_polls_may_give_up(runtime, queue):
    """It asks now and then, and returns at the first "yes", although the item is not through."""
    q = queue(1)
    item = q.item("GATED")
    item.queue()
    item.started()
    runtime.poll_set(3)
    q.flush()
    assert (3, True, 0) == (runtime.poll_count(), runtime.wait_abandoned(), item.runs)
    runtime.poll_set(0)
    item.open()
    q.flush()
    assert (False, 1) == (runtime.wait_abandoned(), item.runs)


def test_a_flush_that_has_nothing_to_wait_for_does_not_ask(runtime, queue):
    """Giving up is for waits."""
    q = queue(1)
    runtime.poll_set(1)
    q.flush()
    assert (0, False) == (runtime.poll_count(), runtime.wait_abandoned())


def test_a_poll_may_use_the_queue(runtime, queue, other):
    """It is asked without a lock of the queue: others queue meanwhile, and look whether it is idle."""
    q = queue(1)
    item, later = q.item("GATED"), q.item()
    item.queue()
    item.started()
    asked = threading.Event()
    answer = threading.Event()

    @runtime.ffi.callback("int(void)")
    def poll():
        asked.set()
        answer.wait(60)
        return 0

    def flush():
        runtime.poll_call(poll)
        q.flush()
        runtime.poll_set(0)

    flushing = other.start(flush)
    assert asked.wait(20)
    assert runtime.thread().call(later.queue)
    assert not q.wait_idle(1000)
    answer.set()
    item.open()
    flushing.result(20)


def test_destroying_never_gives_up(runtime, queue, other):
    """A queue can't be half destroyed, whatever the poll function says."""
    q = queue(1)
    item = q.item("GATED")
    item.queue()
    item.started()

    def destroy():
        runtime.poll_set(1)
        q.destroy()
        asked = runtime.poll_count(), runtime.wait_abandoned()
        runtime.poll_set(0)
        return asked

    destroying = other.start(destroy)
    runtime.moment(0.1)
    assert runtime.blocked(destroying)
    item.open()
    assert (0, False) == destroying.result(20)
    assert 1 == item.runs


# --- destroying ---


@with_or_without_workers
def test_destroying_drains(runtime, queue, workers):
    """Everything that is queued runs before it returns; nothing is left of the queue."""
    before = runtime.slab_live()
    q = queue(workers)
    items = [q.item() for _ in range(20)]
    for item in items:
        assert item.queue()
    q.destroy()
    assert ([1] * 20, 20) == ([item.runs for item in items], runtime.slab_live() - before)


def test_destroying_a_queue_that_was_never_used(runtime, queue):
    """Is possible."""
    queue(3).destroy()
    queue(0).destroy()


@with_or_without_workers
def test_items_may_queue_items_while_the_queue_drains(runtime, queue, workers):
    """Chained queueing: an item that queues itself, or another one, is served to the end."""
    q = queue(workers)
    last = q.item()
    item = q.item().requeue(5).chain(last)
    item.queue()
    q.destroy()
    assert (6, 1, True) == (item.runs, item.report.requeue_said, last.runs >= 1)
    assert {} == runtime.warned()


@pytest.mark.threads
def test_destroying_waits_for_the_item_that_queues_the_next(runtime, queue):
    """The chain goes on while destroy_workqueue() waits, and its end is the end of the wait."""
    q = queue(1)
    last = q.item("GATED")
    item = q.item("GATED").chain(last)
    item.queue()
    item.started()
    destroying = runtime.thread().start(q.destroy)
    assert runtime.blocked(destroying)
    item.open()
    last.started()
    assert runtime.blocked(destroying)
    last.open()
    destroying.result(20)
    assert (1, 1, 1) == (item.runs, item.report.chain_said, last.runs)


@pytest.mark.threads
@with_workers
def test_queueing_from_outside_while_the_queue_drains_warns_and_is_dropped(runtime, queue, workers):
    """queue_work() says true and the item never runs; the warning is said once."""
    q = queue(workers)
    item = q.item("GATED")
    item.queue()
    item.started()
    destroying = runtime.thread().start(runtime.wq_destroy, q.at)
    foreign = None

    def warned():
        nonlocal foreign
        if not runtime.warn_total():
            foreign = q.item()
            assert foreign.queue()
        return runtime.warn_total()

    runtime.eventually(warned)
    assert q.item().queue()
    assert {DRAINING: 1} == runtime.warned()
    assert not foreign.queue()  # still pending, as the kernel leaves it
    item.open()
    destroying.result(20)
    q.at = None
    assert (1, 0, 0) == (item.runs, foreign.runs, q.items[-1].runs)


# --- queues without workers ---


def test_without_workers_items_wait_for_somebody_to_run_them(runtime, queue):
    """workqueue_run() runs them in the caller, in their order, and says how many."""
    q = queue(0)
    items = [q.item() for _ in range(5)]
    for item in items:
        item.queue()
    assert not q.wait_idle(SECOND // 100)
    assert [0] * 5 == [item.runs for item in items]
    assert 5 == q.run()
    assert ([1] * 5, {runtime.this_thread()}) == ([item.runs for item in items], {item.report.thread for item in items})
    starts = [item.report.first_start for item in items]
    assert sorted(starts) == starts
    assert (0, True) == (q.run(), q.wait_idle(0))


@pytest.mark.parametrize("workers", [1, 3])
def test_with_workers_nobody_else_runs_items(queue, workers):
    """workqueue_run() is for queues without."""
    q = queue(workers)
    item = q.item("GATED")
    item.queue()
    q.item().queue()
    assert 0 == q.run()
    item.open()


def test_without_workers_a_flush_runs_what_it_covers(runtime, queue):
    """In the caller; what those items queue is not covered, and stays."""
    q = queue(0)
    following = q.item()
    item = q.item().requeue(3).chain(following)
    item.queue()
    q.flush()
    assert (1, 0, runtime.this_thread()) == (item.runs, following.runs, item.report.thread)
    assert 2 == q.run()
    assert (2, 1) == (item.runs, following.runs)


def test_without_workers_a_flush_waits_for_what_another_thread_runs(runtime, queue, other):
    """Two callers at once share the items, and each returns when those it covers are through."""
    q = queue(0)
    first, second = q.item("GATED"), q.item()
    first.queue()
    running = other.start(q.run)
    first.started()
    second.queue()
    flushing = runtime.thread().start(q.flush)
    second.finished()
    assert runtime.blocked(flushing)
    first.open()
    flushing.result(20)
    running.result(20)
    assert (1, 1) == (first.runs, second.runs)


def test_without_workers_an_item_does_not_meet_itself(runtime, queue, other):
    """X runs in one caller and is queued again: a flush in another caller has X run after that, not beside it."""
    q = queue(0)
    item = q.item("GATED")
    item.queue()
    running = other.start(q.run)
    item.started()
    assert item.queue()
    flushing = runtime.thread().start(q.flush)
    assert runtime.blocked(flushing)
    assert 1 == item.report.started
    item.open(2)
    flushing.result(20)
    running.result(20)
    assert (2, 1) == (item.runs, item.report.most_inside)


def test_without_workers_destroying_runs_what_is_left(runtime, queue):
    """In the caller, chained items too."""
    q = queue(0)
    following = q.item()
    item = q.item().chain(following)
    item.queue()
    q.destroy()
    assert (1, 1, {runtime.this_thread()}) == (item.runs, following.runs, {item.report.thread, following.report.thread})


# --- races ---


@pytest.mark.threads
@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("items", [1, 8])
def test_threads_that_queue_and_flush_the_same_items(runtime, workers, items):
    """As many runs as queue_work() said true, never two of one item, none that is stale, none that a flush missed."""
    result = runtime.ffi.new("struct iopf_prim_work_race *")
    runtime.work_race(workers, 3, items, 2000, result)
    assert (result.queued, 0, 0, 0) == (result.runs, result.overlaps, result.stale, result.uncovered)
    assert result.runs > 0


NO_THREAD = "workqueue: no thread for a worker"


@pytest.fixture
def no_new_threads():
    """``with no_new_threads():`` no thread can be started: its stack would be larger than the address space."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "pthread_setattr_default_np"):
        pytest.skip("only glibc can be told the size of stacks")

    @contextlib.contextmanager
    def within():
        before, none = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)  # pthread_attr_t: 56 bytes
        assert 0 == libc.pthread_getattr_default_np(before)
        assert 0 == libc.pthread_attr_init(none) == libc.pthread_attr_setstacksize(none, ctypes.c_size_t(1 << 47))
        assert 0 == libc.pthread_setattr_default_np(none)
        try:
            yield
        finally:
            assert 0 == libc.pthread_setattr_default_np(before)

    return within


def warned_that_there_is_none(runtime):
    return set(runtime.warned()) <= {NO_THREAD}


@with_workers
def test_without_a_thread_for_a_worker_a_flush_runs_the_items(runtime, queue, no_new_threads, workers):
    """In the caller, in the order of queueing, and inside the queue as far as current_work_on() is concerned."""
    q = queue(workers)
    items = [q.item() for _ in range(3)]
    runtime.poll_set(40)  # a flush that waits for nobody gives up after two seconds
    with no_new_threads():
        for item in items:
            assert item.queue()
        q.flush()
    assert [1, 1, 1] == [item.runs for item in items]
    assert [(1, runtime.this_thread())] * 3 == [(i.report.inside_said, i.report.thread) for i in items]
    starts = [item.report.first_start for item in items]
    assert sorted(starts) == starts
    assert warned_that_there_is_none(runtime)


@with_workers
def test_without_a_thread_for_a_worker_destroying_runs_the_items(runtime, queue, no_new_threads, workers):
    """What is pending runs before the queue goes, an item that queues itself again until it does not."""
    q = queue(workers)
    item = q.item().requeue(5)
    with no_new_threads():
        item.queue()
        q.destroy()
    assert 6 == item.runs
    assert warned_that_there_is_none(runtime)


@with_workers
def test_a_worker_is_started_as_soon_as_there_is_a_thread_for_it(runtime, queue, no_new_threads, workers):
    """The next item asks again, and the items from before run there, too."""
    q = queue(workers)
    first, second = q.item(), q.item()
    with no_new_threads():
        first.queue()
    second.queue()
    first.finished()
    second.finished()
    assert runtime.this_thread() not in (first.report.thread, second.report.thread)
    assert warned_that_there_is_none(runtime)


# --- one item ---

WORKERS = pytest.mark.parametrize("workers", [1, 3])


@WORKERS
def test_flushing_an_item_waits_for_that_one_alone(queue, workers):
    """Others before and after it may go on. True: it had to wait."""
    queue = queue(workers)
    item, later = queue.item("GATED"), queue.item("GATED")
    assert not item.flush()  # it was never queued
    for one in (item, later):
        assert one.queue()
    item.started()
    flusher = queue.runtime.thread()
    flushing = flusher.start(item.flush)
    assert queue.runtime.blocked(flushing)
    item.open()
    assert flushing.result(60)
    assert (1, 0) == (item.runs, later.runs)
    assert not item.flush()
    later.open()


def test_flushing_an_item_does_not_wait_for_an_older_one_of_another_worker(queue):
    """Step by step: one worker is in an older item, another has run the item that is flushed."""
    queue = queue(2)
    older, item = queue.item("GATED"), queue.item()
    older.queue()
    older.started()
    item.queue()
    item.finished()
    item.flush()
    assert (0, 1) == (older.runs, item.runs)
    older.open()


def test_flushing_an_item_covers_its_last_queueing_so_far(queue):
    """An item that runs and is queued again has to run twice; what it queues later is not waited for."""
    queue = queue(1)
    item = queue.item("GATED")
    item.queue()
    item.started()
    assert item.queue()
    flushing = queue.runtime.thread().start(item.flush)
    item.open()
    item.started(2)
    assert queue.runtime.blocked(flushing)
    item.open()
    assert flushing.result(60)
    assert 2 == item.runs


def test_flushing_an_item_from_itself_warns(runtime, queue):
    """It would wait for its own end."""
    item = queue(1).item("FLUSHES_ITSELF")
    item.queue()
    item.finished()
    assert {"flush_work from the work itself": 1} == runtime.warned()


@pytest.mark.parametrize("how", ["cancel", "cancel_sync"])
@WORKERS
def test_what_is_pending_is_taken_back(queue, how, workers):
    """True, and it does not run; it can be queued again. Wherever it waits: for the queue, or with the worker that has
    taken it along.
    """
    queue = queue(workers)
    blocking = [queue.item("GATED") for _ in range(workers)]
    items = [queue.item() for _ in range(3)]
    for one in (*blocking, *items):
        one.queue()
    for one in blocking:
        one.started()
    assert (True, False) == items[1].busy
    assert [True, False] == [getattr(items[1], how)(), getattr(items[1], how)()]
    assert (False, False) == items[1].busy
    for one in blocking:
        one.open()
    queue.flush()
    assert [1, 0, 1] == [one.runs for one in items]
    assert items[1].queue()
    queue.flush()
    assert 1 == items[1].runs


@pytest.mark.parametrize("how, waits", [("cancel", False), ("cancel_sync", True)])
@WORKERS
def test_only_the_sync_form_waits_for_what_runs(queue, how, waits, workers):
    """False: it was not pending."""
    queue = queue(workers)
    item = queue.item("GATED")
    item.queue()
    item.started()
    assert (False, True) == item.busy
    cancelling = queue.runtime.thread().start(getattr(item, how))
    assert waits == queue.runtime.blocked(cancelling)
    item.open()
    assert not cancelling.result(60)
    queue.flush()
    assert 1 == item.runs


@WORKERS
def test_who_is_being_cancelled_cannot_queue_itself(queue, workers):
    """Step by step: it runs and is to queue itself again; cancel_work_sync() comes and waits; its queue_work() says
    false, and it is idle when the other returns.
    """
    queue = queue(workers)
    item = queue.item("GATED").requeue(1)
    item.queue()
    item.started()
    cancelling = queue.runtime.thread().start(item.cancel_sync)
    assert queue.runtime.blocked(cancelling)
    item.open()
    assert not cancelling.result(60)
    assert (0, 1, (False, False)) == (item.report.requeue_said, item.runs, item.busy)


def test_cancelling_an_item_from_itself(runtime, queue):
    """cancel_work_sync() would wait for its own end: a warning, and it goes on."""
    item = queue(1).item("CANCELS_ITSELF")
    item.queue()
    item.finished()
    assert {"cancel_work_sync from the work itself": 1} == runtime.warned()


@WORKERS
def test_an_item_outlives_its_queue(runtime, queue, workers):
    """It remembers the queue that it was queued on, which is gone: nothing of it is looked at. Another queue may have its
    memory by then, with items of its own.
    """
    queues = [queue(workers) for _ in range(3)]
    items = [one.item() for one in queues]
    for one, item in zip(queues, items):
        item.queue()
        one.destroy()
    after = queue(workers)
    busy = after.item("GATED")
    busy.queue()
    busy.started()
    for item in items:
        assert (False, False, False, (False, False)) == (item.flush(), item.cancel(), item.cancel_sync(), item.busy)
    assert [1, 1, 1] == [item.runs for item in items]
    busy.open()


@WORKERS
def test_an_item_is_taken_back_from_the_queue_that_it_is_on(queue, workers):
    """Not from the one that it was on before."""
    first, second = queue(workers), queue(workers)
    item = first.item()
    item.queue()
    first.flush()
    blocking = [second.item("GATED") for _ in range(workers)]
    for one in blocking:
        one.queue()
        one.started()
    item.move(second)
    assert item.queue()
    assert [True, False] == [item.cancel_sync(), item.cancel_sync()]
    for one in blocking:
        one.open()
    second.flush()
    assert 1 == item.runs


def test_what_a_draining_queue_dropped_can_be_taken_back(runtime, queue):
    """It is PENDING for ever otherwise, as in the kernel: queue_work() says false. Step by step: the queue drains, since an
    item of it runs; another is queued from outside, which is a warning, and dropped.
    """
    q = queue(1)
    gate, dropped = q.item("GATED"), q.item()
    gate.queue()
    gate.started()
    destroying = runtime.thread().start(q.destroy)
    assert runtime.blocked(destroying)
    assert dropped.queue()
    assert {DRAINING: 1} == runtime.warned()
    assert [(True, False), False] == [dropped.busy, dropped.queue()]
    assert [True, False] == [dropped.cancel(), dropped.cancel()]
    gate.open()
    destroying.result(60)
    assert 0 == dropped.runs


def test_an_item_that_was_never_queued_has_nothing_to_take_back(queue):
    """Nor to wait for."""
    item = queue(1).item()
    assert (False, False, False) == (item.cancel(), item.cancel_sync(), item.flush())


def test_without_workers_flushing_an_item_runs_it(queue):
    """And what was queued before it, in order."""
    queue = queue(0)
    first, second, third = (queue.item() for _ in range(3))
    for one in (first, second, third):
        one.queue()
    assert second.flush()
    assert (1, 1, True) == (first.runs, second.runs, third.cancel() or bool(third.runs))


@pytest.mark.threads
@pytest.mark.parametrize("workers, threads", [(1, 2), (2, 2), (3, 1)])
def test_nothing_runs_behind_a_cancel(runtime, workers, threads):
    """Each item runs once for each time that it was queued and not taken back; and none between the return of
    cancel_work_sync() and the next queue_work().
    """
    result = runtime.ffi.new("struct iopf_prim_cancel_race *")
    runtime.cancel_race(workers, threads, 400, result)
    assert (result.queued - result.cancelled, 0) == (result.runs, result.beside)
    assert result.cancelled > 0
