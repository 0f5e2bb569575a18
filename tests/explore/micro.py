# SPDX-License-Identifier: GPL-2.0-only
"""Small programs: for each kind of failure one that has it and a twin, as close as possible, that has not; and programs
whose classes are counted in several ways.

Every function makes new ones.
"""

import random

from iopf.explore.programs import Layout, Program, rcget

OBJECT = Layout(users="refcount", payload="u64", head="rcu_head")
A, B, C = 0, 1, 2


def _object(p, slot="slot"):
    """Setup: an object with one user in the slot; p.at[slot] has to exist."""
    p.setup.kzalloc(A, OBJECT).refcount_set(OBJECT.users(A), 1).store(p.at[slot], register=A, order="once")


def use_after_free(wrong):
    """A task reads the object that another frees; the twin reads before it lets the other one free."""
    p = Program("read against free", slot="pointer", done="u32")
    _object(p)
    reader = p.task("reader").load(A, p.at["slot"], order="once")
    if not wrong:
        reader.load(B, OBJECT.payload(A)).store(p.at["done"], 1, order="release")
    else:
        reader.store(p.at["done"], 1, order="release").load(B, OBJECT.payload(A))
    p.task("freer").await_not(B, p.at["done"]).load(C, p.at["done"], order="acquire").load(
        A, p.at["slot"], order="once"
    ).kfree(A)
    return p


def double_free(wrong):
    """Two tasks free what is in the slot; in the twin each takes it out first."""
    p = Program("two frees", slot="pointer", lock="mutex")
    p.setup.mutex_init(p.at["lock"])
    _object(p)
    for name in ("one", "other"):
        t = p.task(name).mutex_lock(p.at["lock"]).load(A, p.at["slot"])
        with t.when(A):
            if not wrong:
                t.store(p.at["slot"], 0)
            t.kfree(A)
        t.mutex_unlock(p.at["lock"])
    return p


def invalid_free(wrong):
    """kfree() of the middle of an object, or of its begin."""
    p = Program("free of the middle")
    t = p.task("t").kzalloc(A, OBJECT)
    if wrong:
        t.kfree_at(OBJECT.payload(A))
    else:
        t.kfree(A)
    return p


def invalid_free_of_memory(wrong):
    """kfree() of what never came from kzalloc()."""
    p = Program("free of static memory", slot="u64")
    t = p.task("t").kzalloc(A, OBJECT)
    if wrong:
        t.kfree_at(p.at["slot"])
    t.kfree(A)
    return p


def sleep_with_a_spinlock(wrong):
    """A mutex is taken with a spinlock held, or behind it."""
    p = Program("sleep with a spinlock held", spinlock="spinlock", mutex="mutex")
    p.setup.spin_lock_init(p.at["spinlock"]).mutex_init(p.at["mutex"])
    t = p.task("t").spin_lock(p.at["spinlock"])
    if not wrong:
        t.spin_unlock(p.at["spinlock"])
    t.mutex_lock(p.at["mutex"]).mutex_unlock(p.at["mutex"])
    if wrong:
        t.spin_unlock(p.at["spinlock"])
    return p


def null_access(wrong):
    """The slot is NULL until the other task has filled it; the twin looks."""
    p = Program("NULL", slot="pointer")
    filler = (
        p.task("filler").kzalloc(A, OBJECT).store(OBJECT.payload(A), 3).store(p.at["slot"], register=A, order="release")
    )
    filler.move(A)
    reader = p.task("reader").load(A, p.at["slot"], order="acquire")
    if wrong:
        reader.load(B, OBJECT.payload(A))
    else:
        with reader.when(A):
            reader.load(B, OBJECT.payload(A))
    p.teardown.load(A, p.at["slot"], order="once").kfree(A)
    return p


def out_of_bounds(wrong):
    """An access beyond the object's end."""
    p = Program("behind the end")
    small = Layout(value="u64")
    p.task("t").kzalloc(A, small).load(B, _field(8 if wrong else 0)).kfree(A)
    return p


def _field(offset):
    from iopf.explore.programs import Address

    return Address(A, offset, 8, f"byte {offset}")


def leak(wrong):
    """An object that nobody frees."""
    p = Program("kept")
    t = p.task("t").kzalloc(A, OBJECT)
    if not wrong:
        t.kfree(A)
    return p


def plain_race(wrong):
    """Two plain stores; in the twin under a mutex."""
    p = Program("two stores", lock="mutex", value="u64")
    p.setup.mutex_init(p.at["lock"])
    for number, name in enumerate(("one", "other"), 1):
        t = p.task(name)
        if not wrong:
            t.mutex_lock(p.at["lock"])
        t.store(p.at["value"], number)
        if not wrong:
            t.mutex_unlock(p.at["lock"])
    return p


def relaxed_message(wrong):
    """Message passing by a relaxed flag; with release and acquire it is none."""
    p = Program("message", flag="u32", data="u64")
    p.task("sender").store(p.at["data"], 7).store(p.at["flag"], 1, order="relaxed" if wrong else "release")
    t = p.task("receiver").load(A, p.at["flag"], order="relaxed" if wrong else "acquire")
    with t.when(A):
        t.load(B, p.at["data"]).out(B)
    return p


def unpublished_pointer(wrong):
    """An object that is published by a marked store, and by rcu_assign_pointer()."""
    p = Program("publication", slot="pointer")
    t = p.task("writer").kzalloc(A, OBJECT).store(OBJECT.payload(A), 5)
    if wrong:
        t.store(p.at["slot"], register=A, order="once")
    else:
        t.rcu_assign_pointer(p.at["slot"], A)
    r = p.task("reader").rcu_read_lock().rcu_dereference(A, p.at["slot"])
    with r.when(A):
        r.load(B, OBJECT.payload(A)).out(B)
    r.rcu_read_unlock()
    p.teardown.load(A, p.at["slot"], order="once").kfree(A)
    return p


def increment_from_zero(wrong):
    """A reference is taken from a count that the other task may have brought to zero."""
    p = Program("increment from zero", users="refcount")
    p.setup.refcount_set(p.at["users"], 1)
    p.task("owner").refcount_dec_and_test(A, p.at["users"])
    if wrong:
        p.task("taker").refcount_inc(p.at["users"])
    else:
        p.task("taker").refcount_inc_not_zero(A, p.at["users"])
    return p


def decrement_below_zero(wrong):
    """Three puts for two references."""
    p = Program("one put too many", users="refcount")
    p.setup.refcount_set(p.at["users"], 2)
    for name in ("one", "other", "third")[: 3 if wrong else 2]:
        p.task(name).refcount_dec_and_test(A, p.at["users"])
    return p


def dereference_outside(wrong):
    """rcu_dereference() without a reader around it."""
    p = Program("dereference outside of a reader", slot="pointer")
    t = p.task("t")
    if not wrong:
        t.rcu_read_lock()
    t.rcu_dereference(A, p.at["slot"])
    if not wrong:
        t.rcu_read_unlock()
    return p


def sleep_in_reader(wrong):
    """A mutex is taken inside an RCU reader."""
    p = Program("sleeping reader", lock="mutex")
    p.setup.mutex_init(p.at["lock"])
    t = p.task("t").rcu_read_lock()
    if not wrong:
        t.rcu_read_unlock()
    t.mutex_lock(p.at["lock"]).mutex_unlock(p.at["lock"])
    if wrong:
        t.rcu_read_unlock()
    return p


def unbalanced_reader(wrong):
    """A task ends inside a reader."""
    p = Program("unbalanced reader")
    t = p.task("t").rcu_read_lock()
    if not wrong:
        t.rcu_read_unlock()
    return p


def grace_period_of_oneself(wrong):
    """synchronize_rcu() inside a reader waits for itself."""
    p = Program("own grace period")
    t = p.task("t").rcu_read_lock()
    if wrong:
        t.synchronize_rcu().rcu_read_unlock()
    else:
        t.rcu_read_unlock().synchronize_rcu()
    return p


def _callback_beside(name, **fields):
    """A task defers an object to a callback that reads another one, the module's, which somebody is going to free."""
    p = Program(name, slot="pointer", module="pointer", deferred="u32", **fields)
    _object(p)
    p.setup.kzalloc(B, OBJECT).store(p.at["module"], register=B, order="once")
    body = p.work("callback").load(B, p.at["module"], order="once").load(C, OBJECT.payload(B)).kfree(A)
    p.task("caller").load(A, p.at["slot"], order="once").call_rcu(OBJECT.head(A), body).store(
        p.at["deferred"], 1, order="release"
    )
    return p


def barrier_beside_callback(wrong):
    """rcu_barrier() waits for callbacks that were deferred before it: in the twin somebody sees to that."""
    p = _callback_beside("barrier beside call_rcu")
    t = p.task("unloader")
    if not wrong:
        t.await_not(B, p.at["deferred"]).load(C, p.at["deferred"], order="acquire")
    t.rcu_barrier().load(A, p.at["module"], order="once").kfree(A)
    return p


def grace_period_for_barrier(wrong):
    """synchronize_rcu() waits for readers, and not for callbacks."""
    p = _callback_beside("grace period in the place of a barrier")
    t = p.task("unloader").await_not(B, p.at["deferred"]).load(C, p.at["deferred"], order="acquire")
    if wrong:
        t.synchronize_rcu()
    else:
        t.rcu_barrier()
    t.load(A, p.at["module"], order="once").kfree(A)
    return p


def crossed_locks(wrong):
    """Two locks in both orders."""
    p = Program("crossed locks", a="mutex", b="mutex")
    p.setup.mutex_init(p.at["a"]).mutex_init(p.at["b"])
    for name, order in (("one", "ab"), ("other", "ba" if wrong else "ab")):
        t = p.task(name)
        for lock in order:
            t.mutex_lock(p.at[lock])
        for lock in reversed(order):
            t.mutex_unlock(p.at[lock])
    return p


def flush_of_locked_work(wrong):
    """A flush with a lock held that the work wants."""
    p = Program("flush under a lock", lock="mutex", work="work")
    body = p.work("body").mutex_lock(p.at["lock"]).mutex_unlock(p.at["lock"])
    p.setup.mutex_init(p.at["lock"]).alloc_workqueue(0).init_work(p.at["work"], body)
    p.task("queuer").queue_work(p.at["work"])
    t = p.task("flusher")
    if wrong:
        t.mutex_lock(p.at["lock"]).flush_workqueue().mutex_unlock(p.at["lock"])
    else:
        t.mutex_lock(p.at["lock"]).mutex_unlock(p.at["lock"]).flush_workqueue()
    p.teardown.destroy_workqueue()
    return p


def lock_twice(wrong):
    """A mutex is taken by who has it."""
    p = Program("locked twice", lock="mutex")
    p.setup.mutex_init(p.at["lock"])
    t = p.task("t").mutex_lock(p.at["lock"])
    if not wrong:
        t.mutex_unlock(p.at["lock"])
    t.mutex_lock(p.at["lock"]).mutex_unlock(p.at["lock"])
    return p


def endless_wait(wrong):
    """A loop that waits for a store that never comes."""
    p = Program("endless wait", flag="u32")
    p.task("waiter").spin_while(A, p.at["flag"])
    other = p.task("other")
    if wrong:
        other.load(A, p.at["flag"], order="once")
    else:
        other.store(p.at["flag"], 1, order="once")
    return p


def deep_recursion(wrong):
    """More frames than a kernel stack has room for."""
    p = Program("recursion")
    p.task("t").recurse(1000 if wrong else 10)
    return p


def warning(wrong):
    """A WARN that no caller is to blame for."""
    p = Program("warning", x="u32")
    t = p.task("t").load(A, p.at["x"])
    if wrong:
        t.warn()
    return p


#: kind, program
KINDS = (
    ("sleep", sleep_with_a_spinlock),
    ("use-after-free", use_after_free), ("double-free", double_free), ("invalid-free", invalid_free),
    ("invalid-free", invalid_free_of_memory), ("bad-access", null_access), ("bad-access", out_of_bounds), ("leak", leak),
    ("data-race", plain_race), ("data-race", relaxed_message), ("data-race", unpublished_pointer),
    ("refcount", increment_from_zero), ("refcount", decrement_below_zero), ("rcu", dereference_outside),
    ("rcu", sleep_in_reader), ("rcu", unbalanced_reader), ("rcu", grace_period_of_oneself),
    ("use-after-free", barrier_beside_callback), ("use-after-free", grace_period_for_barrier), ("deadlock", crossed_locks),
    ("deadlock", flush_of_locked_work), ("deadlock", lock_twice), ("livelock", endless_wait),
    ("stack-overflow", deep_recursion), ("warn", warning),
)  # fmt: skip


def predicted_cycle(gate=False, tries=False, deadlock=False):
    """Two locks in both orders, but never at the same time: one task begins when the other has ended. ``gate``: in
    addition both hold a third lock around the two; ``tries``: the other one only tries its second lock; ``deadlock``: after
    that one takes a lock of its own twice."""
    p = Program("locks in both orders, in turn", a="mutex", b="mutex", gate="mutex", turn="u32")
    p.setup.mutex_init(p.at["a"]).mutex_init(p.at["b"]).mutex_init(p.at["gate"])
    one, other = p.task("one"), p.task("other")
    other.await_not(A, p.at["turn"])
    for t, (first, second) in ((one, "ab"), (other, "ba")):
        if gate:
            t.mutex_lock(p.at["gate"])
        t.mutex_lock(p.at[first])
        (t.mutex_trylock(B, p.at[second]) if tries and t is other else t.mutex_lock(p.at[second]))
        t.mutex_unlock(p.at[second]).mutex_unlock(p.at[first])
        if gate:
            t.mutex_unlock(p.at["gate"])
    one.store(p.at["turn"], 1, order="release")
    if deadlock:
        other.mutex_lock(p.at["gate"]).mutex_lock(p.at["gate"])
    return p


def one_class(gate):
    """Two locks that one place has initialised, one taken inside the other; ``gate``: inside a third one."""
    p = Program("two locks of one class", a="mutex", b="mutex", gate="mutex")
    lock = Layout(lock="mutex")
    p.setup.mutex_init(p.at["gate"]).address(A, p.at["a"])
    p.setup.mutex_init(lock.lock(A)).sum(A, p.at["b"].offset - p.at["a"].offset).repeat(2, 2)
    one, other = p.task("one"), p.task("other")
    if gate:
        one.mutex_lock(p.at["gate"])
    one.mutex_lock(p.at["a"]).mutex_lock(p.at["b"]).mutex_unlock(p.at["b"]).mutex_unlock(p.at["a"])
    if gate:
        one.mutex_unlock(p.at["gate"])
    other.mutex_lock(p.at["a"]).mutex_unlock(p.at["a"])
    return p


def works_in_both_orders():
    """Two works take two locks in both orders; one is queued when the other is over."""
    p = Program("works in both orders", a="mutex", b="mutex", one="work", other="work")
    p.setup.mutex_init(p.at["a"]).mutex_init(p.at["b"]).alloc_workqueue(0)
    for name, (first, second) in (("one", "ab"), ("other", "ba")):
        body = p.work(f"{name}'s body").mutex_lock(p.at[first]).mutex_lock(p.at[second])
        body.mutex_unlock(p.at[second]).mutex_unlock(p.at[first])
        p.setup.init_work(p.at[name], body)
    p.task("driver").queue_work(p.at["one"]).flush_workqueue().queue_work(p.at["other"]).flush_workqueue()
    p.teardown.destroy_workqueue()
    return p


def random_program(seed):
    """A small program over two mutexes, two counts, two atomics, RCU and a work, without a failure in it but by design:
    what it does is in its outcome."""
    rng = random.Random(seed)
    p = Program(
        f"random {seed}",
        lock0="mutex",
        lock1="mutex",
        users0="refcount",
        users1="refcount",
        x="u64",
        y="u64",
        work="work",
    )
    body = p.work("body").add(p.at["x"], 100, register=A).out(A)
    p.setup.mutex_init(p.at["lock0"]).mutex_init(p.at["lock1"]).alloc_workqueue(0).init_work(p.at["work"], body)
    p.setup.refcount_set(p.at["users0"], 50).refcount_set(p.at["users1"], 1)

    def locked(t):
        lock = p.at[rng.choice(("lock0", "lock1"))]
        variable = p.at[rng.choice("xy")]
        t.mutex_lock(lock).load(A, variable, order="once").out(A).mutex_unlock(lock)

    def tried(t):
        lock = p.at[rng.choice(("lock0", "lock1"))]
        t.mutex_trylock(B, lock).out(B)
        with t.when(B):
            t.mutex_unlock(lock)

    choices = (
        locked,
        tried,
        lambda t: t.store(p.at[rng.choice("xy")], rng.randrange(9), order="once"),
        lambda t: t.load(A, p.at[rng.choice("xy")], order="once").out(A),
        lambda t: t.add(p.at[rng.choice("xy")], 1, register=A).out(A),
        lambda t: t.compare_exchange(A, p.at[rng.choice("xy")], 0, 5).out(A),
        lambda t: t.refcount_inc(p.at["users0"]),
        lambda t: t.refcount_dec(p.at["users0"]),
        lambda t: t.refcount_read(A, p.at["users0"]).out(A),
        lambda t: t.refcount_inc_not_zero(A, p.at["users1"]).out(A),
        lambda t: t.rcu_read_lock().load(A, p.at["x"], order="once").out(A).rcu_read_unlock(),
        lambda t: t.synchronize_rcu(),
        lambda t: t.queue_work(p.at["work"], register=A).out(A),
        lambda t: t.flush_workqueue(),
    )
    for number in range(rng.choice((2, 2, 3))):
        t = p.task(f"t{number}")
        for _ in range(rng.randrange(1, 4 if number < 2 else 2)):
            rng.choice(choices)(t)
    p.teardown.flush_workqueue().destroy_workqueue()
    return p


def random_rcu_program(seed):
    """A small program over callbacks, readers, grace periods and barriers."""
    rng = random.Random(seed)
    p = Program(f"random RCU {seed}", x="u64")
    body = p.work("callback").add(p.at["x"], 100, register=B).out(B).kfree(A)
    choices = (
        lambda t: t.kzalloc(A, OBJECT).call_rcu(OBJECT.head(A), body),
        lambda t: t.kzalloc(A, OBJECT).kfree_rcu(OBJECT.head(A)),
        lambda t: t.rcu_barrier(),
        lambda t: t.rcu_barrier().load(A, p.at["x"], order="once").out(A),
        lambda t: t.rcu_read_lock().load(A, p.at["x"], order="once").out(A).rcu_read_unlock(),
        lambda t: t.synchronize_rcu(),
        lambda t: t.add(p.at["x"], 1, register=A).out(A),
    )
    choices[0](p.task("caller"))
    for number in range(rng.choice((1, 2))):
        t = p.task(f"t{number}")
        for _ in range(rng.randrange(1, 3)):
            rng.choice(choices)(t)
    return p


def named_programs():
    """Programs whose classes are counted by every strategy: litmus tests, locks, RCU, works."""

    def litmus(name, first, second, third=None):
        p = Program(name, x="u64", y="u64")
        for number, operations in enumerate(filter(None, (first, second, third))):
            t = p.task(f"t{number}")
            for what, variable in operations:
                if what == "w":
                    t.store(p.at[variable], 1, order="once")
                elif what == "u":
                    t.add(p.at[variable], 1, register=A).out(A)
                else:
                    t.load(A, p.at[variable], order="once").out(A)
        return p

    yield litmus("store buffering", (("w", "x"), ("r", "y")), (("w", "y"), ("r", "x")))
    yield litmus("message passing", (("w", "x"), ("w", "y")), (("r", "y"), ("r", "x")))
    yield litmus("load buffering", (("r", "x"), ("w", "y")), (("r", "y"), ("w", "x")))
    yield litmus("two writers, a reader", (("w", "x"),), (("w", "x"), ("w", "y")), (("r", "x"), ("r", "y")))
    yield litmus("three updates", (("u", "x"),), (("u", "x"),), (("u", "x"),))
    yield litmus("readers only", (("r", "x"), ("r", "y")), (("r", "y"), ("r", "x")), (("r", "x"),))
    yield litmus("independent", (("w", "x"), ("w", "x")), (("w", "y"), ("w", "y")))
    yield litmus("updates and reads", (("u", "x"), ("r", "y")), (("u", "y"), ("r", "x")), (("u", "x"),))
    yield rcget(2)
    yield rcget(3)
    yield crossed_order()


def crossed_order():
    """Three tasks, two locks, always in order."""
    p = Program("two locks in order", a="mutex", b="mutex", x="u64")
    p.setup.mutex_init(p.at["a"]).mutex_init(p.at["b"])
    for number in range(3):
        t = p.task(f"t{number}")
        for lock in ("ab", "b", "a")[number]:
            t.mutex_lock(p.at[lock])
        t.store(p.at["x"], number + 1, order="once").load(A, p.at["x"], order="once").out(A)
        for lock in reversed(("ab", "b", "a")[number]):
            t.mutex_unlock(p.at[lock])
    return p
