# SPDX-License-Identifier: GPL-2.0-only
"""The primitives that patches use, under the explorer: spinlocks, completions, wait queues, and what is asked of one work.

Each says what must be found and what must not; and each set of programs goes through every strategy, which have to come
to the same classes, and through the commutation oracle.
"""

import random

import micro
import pytest
from test_golden import agree, quiet
from test_oracle import exchanged

from iopf.explore import explore
from iopf.explore.programs import Layout, Program

A, B, C, D = 0, 1, 2, 3
OBJECT = Layout(payload="u64", head="rcu_head")


def kinds(program, **options):
    """What a complete search finds."""
    result = explore(program, strategy="dpor", all_failures=True, **quiet(**options))
    assert result.exhausted, result
    return {failure.kind for failure in result.failures}


def outcomes(program):
    """All outcomes of a complete search that passes: what was put out, as sets of words."""
    result = explore(program, strategy="dpor", **quiet())
    assert ("pass", True) == (result.verdict, result.exhausted), result
    return set(result.outcomes)


# --- spinlocks ---


def counting(lock=True, form="plain", unlocked=None):
    """Two tasks add to a plain variable, under a spinlock or not."""
    p = Program("counting", lock="spinlock", n="u64")
    p.setup.spin_lock_init(p.at["lock"])
    for name in ("one", "other"):
        t = p.task(name)
        if lock:
            t.spin_lock(p.at["lock"], form)
        t.load(A, p.at["n"]).sum(A, 1).store(p.at["n"], register=A)
        if lock:
            t.spin_unlock(p.at["lock"], unlocked or form)
    p.teardown.load(A, p.at["n"]).out(A)
    return p


@pytest.mark.parametrize("form", ["plain", "bh", "irq", "irqsave"])
def test_a_spinlock_keeps_others_out(form):
    """Whatever the form: no race, and one outcome. Without the lock: the race."""
    assert set() == kinds(counting(form=form))
    assert 1 == len(outcomes(counting(form=form)))
    assert {"data-race"} == kinds(counting(lock=False))


def test_the_forms_of_a_pair_belong_together():
    """spin_lock_irq() and spin_unlock(): a warning."""
    assert {"warn"} == kinds(counting(form="irq", unlocked="plain"))


def sleeping(what, where):
    """A task that may sleep, in a spinlock's section, without preemption, or behind both."""
    p = Program(
        f"{what} {where}", lock="spinlock", mutex="mutex", done="completion", wq="waitqueue", go="u64", work="work"
    )
    body = p.work("body").load(A, p.at["go"], order="once")
    p.setup.spin_lock_init(p.at["lock"]).mutex_init(p.at["mutex"]).init_completion(p.at["done"]).complete(p.at["done"])
    p.setup.init_waitqueue_head(p.at["wq"]).alloc_workqueue().init_work(p.at["work"], body)
    t = p.task("t")
    if where == "locked":
        t.spin_lock(p.at["lock"])
    elif where == "unpreempted":
        t.preempt_disable()
    {
        "mutex": lambda: t.mutex_lock(p.at["mutex"]),
        "grace period": t.synchronize_rcu,
        "barrier": t.rcu_barrier,
        "allocation": lambda: t.kzalloc(A, 8).kfree(A),
        "completion": lambda: t.wait_for_completion(p.at["done"]),
        "timeout": lambda: t.wait_event_timeout(A, p.at["wq"], p.at["go"]),
        "flush": t.flush_workqueue,
        "flush_work": lambda: t.flush_work(p.at["work"]),
        "cancel_work_sync": lambda: t.cancel_work_sync(p.at["work"]),
        "trylock": lambda: t.mutex_trylock(A, p.at["mutex"]),
        "cancel_work": lambda: t.cancel_work(p.at["work"]),
        "complete": lambda: t.complete(p.at["done"]),
        "wake_up": lambda: t.wake_up(p.at["wq"]),
    }[what]()
    if what in ("mutex", "trylock"):
        t.mutex_unlock(p.at["mutex"])
    if where == "locked":
        t.spin_unlock(p.at["lock"])
    elif where == "unpreempted":
        t.preempt_enable()
    p.teardown.destroy_workqueue()
    return p


SLEEPS = (
    "mutex", "grace period", "barrier", "allocation", "completion", "timeout", "flush", "flush_work", "cancel_work_sync",
)  # fmt: skip


@pytest.mark.parametrize("what", SLEEPS)
def test_sleeping_with_a_spinlock_held_is_a_finding(what):
    """Of a kind of its own; without preemption likewise; and nowhere else."""
    assert ({"sleep"}, {"sleep"}, set()) == tuple(
        kinds(sleeping(what, where)) for where in ("locked", "unpreempted", "free")
    )


@pytest.mark.parametrize("what", ["trylock", "cancel_work", "complete", "wake_up"])
def test_what_does_not_sleep_may_be_called_there(what):
    """trylock, cancel_work(), complete(), wake_up()."""
    assert set() == kinds(sleeping(what, "locked"))


def test_the_task_that_holds_a_spinlock_and_takes_it_again_is_stuck():
    """A deadlock; likewise two that take two in both orders, and lock-order where they cannot meet."""
    p = Program("again", lock="spinlock")
    p.setup.spin_lock_init(p.at["lock"])
    p.task("t").spin_lock(p.at["lock"]).spin_lock(p.at["lock"])
    assert "deadlock" in kinds(p)
    p = Program("both orders", one="spinlock", other="mutex")
    p.setup.spin_lock_init(p.at["one"]).mutex_init(p.at["other"])
    p.task("a").mutex_lock(p.at["other"]).spin_lock(p.at["one"]).spin_unlock(p.at["one"]).mutex_unlock(p.at["other"])
    t = p.task("b").spin_lock(p.at["one"]).mutex_trylock(A, p.at["other"]).spin_unlock(p.at["one"])
    with t.when(A):
        t.mutex_unlock(p.at["other"])
    assert set() == kinds(p)


def test_a_task_that_ends_with_a_spinlock_held_is_found():
    """It stays without preemption."""
    p = Program("kept", lock="spinlock")
    p.setup.spin_lock_init(p.at["lock"])
    p.task("t").spin_lock(p.at["lock"])
    assert "sleep" in kinds(p)


def protected(by):
    """A reader uses what a slot points to while a remover clears it and calls kfree_rcu(); the reader is protected by a
    spinlock's section of its own, by rcu_read_lock(), or by nothing.
    """
    p = Program(f"protected by {by}", slot="pointer", lock="spinlock")
    p.setup.spin_lock_init(p.at["lock"]).kzalloc(A, OBJECT).store(p.at["slot"], register=A, order="release")
    reader = p.task("reader")
    if by == "spinlock":
        reader.spin_lock(p.at["lock"])
    elif by == "preempt":
        reader.preempt_disable()
    elif by == "rcu":
        reader.rcu_read_lock()
    reader.rcu_dereference(A, p.at["slot"], locked=by != "rcu")
    with reader.when(A):
        reader.load(B, OBJECT.payload(A))
    if by == "spinlock":
        reader.spin_unlock(p.at["lock"])
    elif by == "preempt":
        reader.preempt_enable()
    elif by == "rcu":
        reader.rcu_read_unlock()
    p.task("remover").rcu_dereference(A, p.at["slot"], locked=True).rcu_assign_pointer(p.at["slot"], None).kfree_rcu(
        OBJECT.head(A)
    )
    return p


@pytest.mark.parametrize("by", ["spinlock", "preempt", "rcu"])
def test_a_grace_period_waits_for_a_section_without_preemption(by):
    """As it does for a reader."""
    assert set() == kinds(protected(by))


def test_what_protects_nothing_is_found():
    """The control."""
    assert {"use-after-free"} == kinds(protected("nothing"))


def test_a_spinlock_is_no_reader_for_rcu_dereference():
    """It wants its condition still."""
    p = Program("no reader", slot="pointer", lock="spinlock")
    p.setup.spin_lock_init(p.at["lock"])
    p.task("t").spin_lock(p.at["lock"]).rcu_dereference(A, p.at["slot"]).spin_unlock(p.at["lock"])
    assert {"rcu"} == kinds(p)


# --- completions ---


def test_what_was_done_before_complete_is_seen_after_the_wait():
    """complete() orders. A store after it races."""

    def program(late):
        p = Program("completion", done="completion", data="u64")
        p.setup.init_completion(p.at["done"])
        worker = p.task("worker")
        if not late:
            worker.store(p.at["data"], 5)
        worker.complete(p.at["done"])
        if late:
            worker.store(p.at["data"], 5)
        p.task("waiter").wait_for_completion(p.at["done"]).load(A, p.at["data"]).out(A)
        return p

    assert (set(), {"data-race"}) == (kinds(program(False)), kinds(program(True)))
    assert 1 == len(outcomes(program(False)))


def test_complete_is_for_one_and_complete_all_for_all():
    """Two wait: one complete() leaves one of them, a deadlock; two do not, nor does complete_all(), before or after."""

    def program(*calls):
        p = Program("two wait", done="completion")
        p.setup.init_completion(p.at["done"])
        for name in ("one", "other"):
            p.task(name).wait_for_completion(p.at["done"])
        t = p.task("worker")
        for call in calls:
            getattr(t, call)(p.at["done"])
        return p

    assert {"deadlock"} == kinds(program("complete"))
    assert set() == kinds(program("complete", "complete")) == kinds(program("complete_all"))
    assert set() == kinds(program("complete_all", "complete"))
    assert {"deadlock"} == kinds(program("complete_all", "reinit_completion"))


def test_a_wait_with_a_timeout_ends_either_way():
    """Time is virtual: over before complete(), or not."""
    p = Program("timeout", done="completion")
    p.setup.init_completion(p.at["done"])
    p.task("worker").complete(p.at["done"])
    p.task("waiter").wait_for_completion_timeout(A, p.at["done"]).out(A)
    assert 2 == len(outcomes(p))


def test_a_completion_of_a_freed_object_is_found():
    """complete() of what the waiter has freed: it may, when the wait is over; twice is once too often."""

    def program(calls):
        p = Program("freed by the waiter", slot="pointer")
        layout = Layout(done="completion")
        p.setup.kzalloc(A, layout).init_completion(layout.done(A)).store(p.at["slot"], register=A)
        waiter = p.task("waiter").load(A, p.at["slot"]).wait_for_completion(layout.done(A)).kfree(A)
        worker = p.task("worker").load(A, p.at["slot"])
        for _ in range(calls):
            worker.complete(layout.done(A))
        assert waiter
        return p

    assert set() == kinds(program(1))
    assert {"use-after-free"} == kinds(program(2))


# --- wait queues ---


def waiting(wake=True, order="change first"):
    """A task waits for a flag; another sets it and wakes, or forgets to, or does it in the wrong order."""
    p = Program(f"waiting, {wake}, {order}", wq="waitqueue", go="u64", data="u64")
    p.setup.init_waitqueue_head(p.at["wq"])
    p.task("waiter").wait_event(p.at["wq"], p.at["go"]).load(A, p.at["data"]).out(A)
    t = p.task("setter").store(p.at["data"], 5)
    if wake and order == "wake first":
        t.wake_up(p.at["wq"])
    t.store(p.at["go"], 1, order="once")
    if wake and order == "change first":
        t.wake_up(p.at["wq"])
    return p


def test_a_change_with_a_wake_is_never_missed():
    """In no order of the two."""
    assert "deadlock" not in kinds(waiting())


@pytest.mark.parametrize("program", [waiting(wake=False), waiting(order="wake first")], ids=["none", "too-early"])
def test_a_lost_wake_up_is_a_deadlock(program):
    """Nobody wakes; or before the condition is true."""
    assert "deadlock" in kinds(program)


def test_who_did_not_sleep_is_not_ordered_by_the_wake():
    """The condition that was found true at once orders nothing, with READ_ONCE(): the data races. As in the kernel."""
    assert {"data-race"} == kinds(waiting())


def test_waitqueue_active_without_order_loses_the_wake():
    """``if (waitqueue_active()) wake_up()``: under sequential consistency the test of it after the change is enough."""

    def program(test_first):
        p = Program("active", wq="waitqueue", go="u64")
        p.setup.init_waitqueue_head(p.at["wq"])
        p.task("waiter").wait_event(p.at["wq"], p.at["go"])
        t = p.task("setter")
        if test_first:
            t.waitqueue_active(A, p.at["wq"])
        t.store(p.at["go"], 1, order="once")
        if not test_first:
            t.waitqueue_active(A, p.at["wq"])
        with t.when(A):
            t.wake_up(p.at["wq"])
        return p

    assert (set(), {"deadlock"}) == (kinds(program(False)), kinds(program(True)))


def test_one_wake_is_for_all_who_wait():
    """Two of them."""
    p = Program("two wait", wq="waitqueue", go="u64")
    p.setup.init_waitqueue_head(p.at["wq"])
    for name in ("one", "other"):
        p.task(name).wait_event(p.at["wq"], p.at["go"])
    p.task("setter").store(p.at["go"], 1, order="once").wake_up(p.at["wq"])
    assert set() == kinds(p)


def test_a_wait_for_an_event_with_a_timeout_ends_either_way():
    """Also when nobody ever wakes."""
    p = waiting(wake=False)
    p = Program("timeout", wq="waitqueue", go="u64")
    p.setup.init_waitqueue_head(p.at["wq"])
    p.task("waiter").wait_event_timeout(A, p.at["wq"], p.at["go"]).out(A)
    p.task("setter").store(p.at["go"], 1, order="once").wake_up(p.at["wq"])
    assert 2 == len(outcomes(p))


# --- one work ---


def works(workers=0):
    """A program with a queue and a work that counts its runs without atomics; and the work's address."""
    p = Program("one work", work="work", runs="u64")
    body = p.work("body").load(A, p.at["runs"]).sum(A, 1).store(p.at["runs"], register=A)
    p.setup.alloc_workqueue(0, workers).init_work(p.at["work"], body)
    p.teardown.destroy_workqueue().load(A, p.at["runs"]).out(A)
    return p, p.at["work"]


@pytest.mark.parametrize("workers", [0, 1])
def test_flush_work_waits_for_the_work(workers):
    """What it did is seen: no race. A flush of another work orders nothing."""
    p, work = works(workers)
    p.task("t").queue_work(work).flush_work(work, register=B).load(A, p.at["runs"]).out(A).out(B)
    assert set() == kinds(p)
    p, work = works(workers)
    other = p.field("other", "work")
    p.setup.init_work(other, p.works[0])
    p.task("t").queue_work(work).flush_work(other).load(A, p.at["runs"]).out(A)
    assert {"data-race"} == kinds(p)


def test_flush_work_waits_for_its_last_queueing_and_no_older_work():
    """A work that waits for the flusher is no deadlock where it is another one."""
    p = Program("older", work="work", older="work", go="u64")
    waits = p.work("waits").await_not(A, p.at["go"])
    p.setup.alloc_workqueue().init_work(p.at["older"], waits).init_work(p.at["work"], p.work("nothing").move(A))
    t = p.task("t").queue_work(p.at["older"]).queue_work(p.at["work"]).flush_work(p.at["work"])
    t.store(p.at["go"], 1, order="release")
    p.teardown.destroy_workqueue()
    assert set() == kinds(p)
    t.operations[:] = []
    t.queue_work(p.at["older"]).flush_work(p.at["older"]).store(p.at["go"], 1, order="release")
    assert {"deadlock"} == kinds(p)


@pytest.mark.parametrize("how", ["flush_work", "cancel_work_sync"])
def test_a_work_that_waits_for_itself_is_stuck(how):
    """A deadlock."""
    p = Program(f"itself {how}", work="work")
    body = p.work("body")
    getattr(body, how)(p.at["work"])
    p.setup.alloc_workqueue().init_work(p.at["work"], body)
    p.task("t").queue_work(p.at["work"])
    assert {"deadlock"} == kinds(p)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_work_that_is_taken_back_does_not_run(workers):
    """It ran once, or it was pending: never both, never neither."""
    p, work = works(workers)
    p.task("t").queue_work(work).cancel_work_sync(work, register=B).load(A, p.at["runs"]).out(A).out(B)
    found = outcomes(p)
    assert 2 == len(found), found
    assert set() == kinds(p)


def test_cancel_work_does_not_wait():
    """What runs, runs on: its accesses race with those behind cancel_work(), and not with those behind the sync form."""
    p, work = works()
    p.task("t").queue_work(work).cancel_work(work).load(A, p.at["runs"])
    assert {"data-race"} == kinds(p)


def test_a_work_that_queues_itself_is_idle_when_cancel_work_sync_returns():
    """Freed then, without a use after free; with cancel_work() it is found."""

    def program(how):
        layout = Layout(work="work")
        p = Program(f"queues itself, {how}", slot="pointer")
        body = p.work("body")
        body.queue_work(Layout(work="work").work(0), register=B)
        p.setup.alloc_workqueue().kzalloc(A, layout).init_work(layout.work(A), body).store(p.at["slot"], register=A)
        t = p.task("t").load(A, p.at["slot"]).queue_work(layout.work(A))
        getattr(t, how)(layout.work(A)).kfree(A)
        p.teardown.destroy_workqueue()
        return p

    def found(how):
        result = explore(program(how), strategy="bound", bound=2, all_failures=True, budget=20, max_steps=60)
        return {failure.kind for failure in result.failures} - {"livelock"}

    assert set() == found("cancel_work_sync")
    assert "use-after-free" in found("cancel_work")


def test_two_who_cancel_one_work_wait_for_each_other():
    """One finds it pending at most, and both find it idle behind it."""
    p, work = works()
    p.setup.queue_work(work)
    for name in ("one", "other"):
        p.task(name).cancel_work_sync(work, register=B).load(A, p.at["runs"]).out(A).out(B)
    assert set() == kinds(p)
    assert 3 == len(outcomes(p))


# --- all of them ---


def random_program(seed):
    """Up to three tasks of few operations over two spinlocks, a completion, a wait queue and two works."""
    rng = random.Random(f"primitives {seed}")
    p = Program(f"random primitives {seed}", lock="spinlock", second="spinlock", done="completion", wq="waitqueue", go="u64",
                work="work", other="work", x="u64", slot="pointer")  # fmt: skip
    at = p.at
    body = p.work("body").add(at["x"], 1, register=A)
    second = p.work("second").complete(at["done"]) if rng.random() < 0.5 else p.work("second").wake_up(at["wq"])
    p.setup.spin_lock_init(at["lock"]).spin_lock_init(at["second"]).init_completion(at["done"])
    p.setup.init_waitqueue_head(at["wq"]).alloc_workqueue(0, rng.choice([0, 0, 1])).init_work(at["work"], body)
    p.setup.init_work(at["other"], second)
    nested = Layout(payload="u64", head="rcu_head")
    p.setup.kzalloc(A, nested).store(at["slot"], register=A, order="release")

    def locked(t):
        lock = rng.choice([at["lock"], at["second"]])
        t.spin_lock(lock)
        t.load(A, at["x"], order="once")
        if rng.random() < 0.4:
            t.complete(at["done"])
        t.spin_unlock(lock)

    def tried(t):
        t.spin_trylock(B, at["lock"])
        with t.when(B):
            t.store(at["go"], 1, order="once").spin_unlock(at["lock"])

    operations = [
        locked,
        tried,
        lambda t: t.complete(at["done"]),
        lambda t: t.wait_for_completion_timeout(C, at["done"]).out(C),
        lambda t: t.try_wait_for_completion(C, at["done"]).out(C),
        lambda t: t.store(at["go"], 1, order="once").wake_up(at["wq"]),
        lambda t: t.wait_event_timeout(C, at["wq"], at["go"]).out(C),
        lambda t: t.waitqueue_active(C, at["wq"]).out(C),
        lambda t: t.queue_work(rng.choice([at["work"], at["other"]]), register=C).out(C),
        lambda t: t.flush_work(at["work"], register=C),
        lambda t: t.cancel_work(rng.choice([at["work"], at["other"]]), register=C).out(C),
        lambda t: t.cancel_work_sync(at["work"], register=C).out(C),
        lambda t: t.work_pending(C, at["work"]).out(C),
        lambda t: t.preempt_disable().rcu_dereference(D, at["slot"], locked=True).preempt_enable(),
        lambda t: t.rcu_assign_pointer(at["slot"], None).synchronize_rcu(),
    ]
    for name in ("a", "b", "c")[: rng.choice([2, 2, 3])]:
        t = p.task(name)
        for _ in range(rng.choice([1, 2, 2]) if name != "c" else 1):
            rng.choice(operations)(t)
    p.teardown.destroy_workqueue().load(B, at["x"]).out(B)
    p.expect("leak")
    return p


@pytest.mark.parametrize("block", range(12))
def test_strategies_agree_on_random_programs_of_these(block, class_hashes):
    """Ten each: the same classes, outcomes and failures by classes, sleep sets and every interleaving."""
    assert all(agree(random_program(10 * block + n), class_hashes) >= 1 for n in range(10))


@pytest.mark.parametrize("block", range(6))
def test_independent_steps_of_these_commute(block):
    """The commutation oracle over twenty random programs each."""
    for n in range(20):
        assert (n, None) == (n, exchanged(random_program(20 * block + n), exchanges=300)[1])


PROGRAMS = {
    "counting": counting(),
    "protected": protected("spinlock"),
    "waiting": waiting(),
    "cancelled": (lambda pair: pair[0])(works()),
}


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_strategies_agree_on_named_programs_of_these(name, class_hashes):
    """The same classes."""
    program = PROGRAMS[name]
    if name == "cancelled":
        work = program.at["work"]
        program.task("t").queue_work(work).cancel_work_sync(work)
        program.task("u").cancel_work(work).queue_work(work)
    assert agree(program, class_hashes) >= 1
    assert micro
