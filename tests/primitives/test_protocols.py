# SPDX-License-Identifier: GPL-2.0-only
"""The protocols of the native mutex and of the native counts, in every way in which two or three threads can go through them.

They are written down here for a machine that is no more orderly than x86 (tso.py), step by step as the C takes them:
what is atomic there is one step here, and what is inlined there is a function here that writes its steps. A mutex may become
a thread's own again whenever its holder likes, instead of after a number of times: that is more than the C can do.

Each part that the essay (csrc/runtime/native/README.md) gives a reason for is left out once, and then something is wrong.
"""

import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("iopf_tests_tso", Path(__file__).with_name("tso.py"))
_tso = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_tso)
ALL, Machine, Program = _tso.ALL, _tso.Machine, _tso.Program

# --- mutexes ---

SHARED, REVOKED, BIASED = "shared", "revoked", "biased"
LAST_TIME = 1


class Mutex:
    """One lock, as csrc/runtime/native/mutex.[ch] take and give it; ``without`` names what is left out."""

    def __init__(self, *without):
        self.without = set(without)

    def held(self, own):
        """The word of a time."""
        return f"held[{own.get('time', 0)}]"

    def take(self, p, me, ok, fail):
        """__mutex_take(): both ways out are labels."""
        shared, fast = p.fresh(), p.fresh()
        p.load("bias", "bias")
        p.go(fast, lambda own: isinstance(own.get("bias", 0), tuple) and own.get("bias", 0)[0] == me)
        p.go(shared, lambda own: own.get("bias", 0) == SHARED)
        p.go(fail)
        p.label(fast)
        p.set("time", lambda own: own.get("bias", 0)[1])
        p.forget("time", "bias")
        p.load("was", self.held)
        p.go(fail, lambda own: own.get("was", 0))
        p.forget("time", "bias")
        p.store(self.held, me)
        if "look again" not in self.without:
            p.load("now", "bias")
            p.go(ok, lambda own: own.get("now", 0) == own.get("bias", 0))
            p.store(self.held, 0)
            p.wake(self.held, ALL)
            p.go(fail)
        p.go(ok)
        p.label(shared)
        p.compare("won", "owner", 0, me)
        p.go(fail, lambda own: not own.get("won", 0))
        p.forget()
        p.choose("again", False, True)
        p.go(ok, lambda own: not own.get("again", 0))
        self.bias_again(p, me, ok)

    def bias_again(self, p, me, done):
        p.load("time", "time")
        p.go(done, lambda own: own.get("time", 0) == LAST_TIME)
        if "first look" not in self.without:
            p.load("waiters", "waiters")
            p.go(done, lambda own: own.get("waiters", 0))
        if "word of its own" not in self.without:
            p.set("time", lambda own: own.get("time", 0) + 1)
        p.store("time", lambda own: own.get("time", 0))
        p.store(self.held, me)
        if "owner" not in self.without:
            p.store("owner", BIASED)
        p.exchange("bias", lambda own: (me, own.get("time", 0)))
        p.forget()
        if "second look" not in self.without:
            p.load("waiters", "waiters")
            p.go(done, lambda own: not own.get("waiters", 0))
            p.wake("owner", ALL)
        p.go(done)

    def end_bias(self, p):
        revoke, sleep, done = p.fresh(), p.fresh(), p.fresh()
        p.label(revoke)
        p.load("bias", "bias")
        p.go(done, lambda own: own.get("bias", 0) == SHARED)
        p.compare("won", "bias", lambda own: own.get("bias", 0), REVOKED)
        p.go(revoke, lambda own: not own.get("won", 0))
        if "barrier" not in self.without:
            p.membarrier()
        p.load("time", "time")
        p.forget("time")
        p.label(sleep)
        p.load("holder", self.held)
        if "wait" not in self.without:
            free = p.fresh()
            p.go(free, lambda own: not own.get("holder", 0))
            p.wait(self.held, lambda own: own.get("holder", 0))
            p.go(sleep)
            p.label(free)
        p.compare("won", "bias", REVOKED, SHARED)
        p.go(done, lambda own: not own.get("won", 0))
        p.load("time", "time")
        p.wake(self.held, ALL)
        p.compare("won", "owner", BIASED, 0)
        p.go(done, lambda own: not own.get("won", 0))
        p.wake("owner", ALL)
        p.label(done)

    def lock(self, p, me):
        begin, is_shared, slow, sleep, retry, ok, woken = (p.fresh() for _ in range(7))
        self.take(p, me, ok, slow)
        p.label(slow)
        p.forget()
        p.compare("won", "bias", 0, (me, 0))
        p.go(begin, lambda own: not own.get("won", 0))
        self.take(p, me, ok, begin)
        p.label(begin)
        p.forget()
        p.load("bias", "bias")
        p.go(is_shared, lambda own: own.get("bias", 0) == SHARED)
        if "count" not in self.without:
            p.add("waiters", 1)
        self.end_bias(p)
        if "count" not in self.without:
            p.add("waiters", -1)
        p.label(is_shared)
        p.forget()
        self.take(p, me, ok, sleep)
        p.label(sleep)
        p.forget()
        p.add("waiters", 1)
        if "sleeper's barrier" not in self.without:
            p.membarrier()
        p.label(retry)
        p.forget()
        again, done = p.fresh(), p.fresh()
        self.take(p, me, woken, again)
        p.label(again)
        p.forget()
        p.load("bias", "bias")
        p.go(done, lambda own: own.get("bias", 0) != SHARED)
        p.load("owner", "owner")
        p.go(retry, lambda own: not own.get("owner", 0))
        naps = None if "nap" in self.without else (lambda own: own.get("owner", 0) == BIASED)
        p.wait("owner", lambda own: own.get("owner", 0), naps)
        p.go(retry)
        p.label(done)
        p.add("waiters", -1)
        p.go(begin)
        p.label(woken)
        p.forget()
        p.add("waiters", -1)
        p.label(ok)
        p.forget()

    def unlock(self, p, me):
        shared, freed, done, to_owner = (p.fresh() for _ in range(4))
        p.load("time", "time")
        p.load("holder", self.held)
        p.go(shared, lambda own: own.get("holder", 0) != me)
        p.store(self.held, 0)
        p.go(freed)
        p.label(shared)
        p.load("owner", "owner")
        p.wrong("does not own it", lambda own: own.get("owner", 0) != me)
        p.store("owner", 0)
        p.label(freed)
        p.load("waiters", "waiters")
        p.go(done, lambda own: not own.get("waiters", 0))
        p.load("bias", "bias")
        p.go(to_owner, lambda own: own.get("bias", 0) == SHARED)
        p.load("time", "time")
        p.wake(self.held, ALL)
        p.go(done)
        p.label(to_owner)
        p.wake("owner", 1)
        p.label(done)
        p.forget()

    def thread(self, me, times):
        """So many sections."""
        p = Program()
        for _ in range(times):
            self.lock(p, me)
            p.enter()
            p.leave()
            self.unlock(p, me)
        return p


BEGINNINGS = {"nobody's": {}, "the first one's": {"bias": ("a", 0)}, "shared": {"bias": SHARED}}


def mutex(*without, sections=(2, 1), begins="nobody's"):
    lock = Mutex(*without)
    return Machine([lock.thread("abc"[i], times) for i, times in enumerate(sections)], BEGINNINGS[begins]).explore()


def show(wrong):
    """What is wrong, and the steps that lead there."""
    return wrong and "\n".join((wrong[0], *wrong[1]))


@pytest.mark.parametrize("begins", BEGINNINGS)
def test_the_mutex_lets_one_in_and_leaves_nobody_asleep(begins):
    """Two threads, two sections each, from a lock that is nobody's, one's own, or shared."""
    states, wrong = mutex(sections=(2, 2), begins=begins)
    assert wrong is None, show(wrong)
    assert states > 10_000


@pytest.mark.long
@pytest.mark.parametrize("begins", BEGINNINGS)
def test_three_threads_take_the_mutex(begins):
    """One section each: a million states."""
    states, wrong = mutex(sections=(1, 1, 1), begins=begins)
    assert wrong is None, show(wrong)
    assert states > 100_000


@pytest.mark.parametrize(
    ("part", "comes"),
    [
        ("look again", "does not own it"),
        ("barrier", "for ever"),
        ("wait", "two are in section"),
        ("count", "for ever"),
        ("sleeper's barrier", "for ever"),
        ("nap", "for ever"),
        ("first look", "two are in section"),
        ("second look", "for ever"),
        ("owner", "for ever"),
        ("word of its own", "does not own it"),
    ],
)
def test_each_part_of_the_mutex_is_needed(part, comes):
    """Without it somebody sleeps for ever, two are inside, or one has lost what it took, in one of the beginnings."""
    found = [mutex(part, sections=(1, 1), begins=begins)[1] for begins in BEGINNINGS]
    assert any(wrong and comes in wrong[0] for wrong in found), [wrong and wrong[0] for wrong in found]


# --- counts ---

UNUSED, MANY, REVOKED_COUNT, SHARED_COUNT, DEAD = range(5)
ONE = 64
BUSY = 32
NO_CELLS = 1
#: Modes of a thread's own.
OWNERS = {"a": 8, "b": 9, "c": 10}


def mode(own):
    return own.get("word", 0) % ONE


def refs(own):
    return own.get("word", 0) // ONE


class Count:
    """One count, as csrc/runtime/native/refcount.[ch] change it, and its object; ``without`` names what is left out.

    A thread has one cell, and nothing else wants it. Keys are even, and the mark is 1. A count may be apart again whenever
    one puts a reference.
    """

    def __init__(self, threads, *without):
        self.threads = threads
        self.without = set(without)

    def touch(self, p, held):
        """The object is looked at, by somebody who says that he has a reference; else, that he is a reader."""
        if held:
            p.load("freed", "freed")
            p.wrong("the object is gone", lambda own: own.get("freed", 0))
            p.forget("word", "key", "own", "sum")

    def wait_collected(self, p, held):
        again = p.fresh()
        p.label(again)
        self.touch(p, held)
        p.load("seen", "word")
        p.go(again, lambda own: own.get("seen", 0) % ONE == REVOKED_COUNT)

    def cell_add(self, p, me, n, ok, fail, held=True):
        """refcount_cell_add(): both ways out are labels."""
        cell = f"cell[{me}]"
        p.load("key", "key")
        p.load("own", cell)
        p.load("its", f"key[{me}]")
        p.go(fail, lambda own: own.get("its", 0) != own.get("key", 0) or own.get("own", 0) + n < 0)
        p.forget("key", "own", "word")
        if "mark" not in self.without:
            p.store(cell, lambda own: own.get("own", 0) + BUSY)
        if "look again" not in self.without:
            lost = p.fresh()
            self.touch(p, held)
            p.load("now", "key")
            p.go(lost, lambda own: own.get("now", 0) != own.get("key", 0))
            p.store(cell, lambda own: own.get("own", 0) + n)
            p.go(ok)
            p.label(lost)
            p.store(cell, lambda own: own.get("own", 0))
            self.wait_collected(p, held)
            if "empty again" not in self.without:
                p.store(cell, 0)
            p.go(fail)
        p.store(cell, lambda own: own.get("own", 0) + n)
        p.go(ok)

    def publish(self, p, of, to):
        p.add("word", lambda own: of(own) * ONE + to - REVOKED_COUNT)

    def collect(self, p, me, held):
        begin, done, mine, over = (p.fresh() for _ in range(4))
        p.label(begin)
        p.forget()
        self.touch(p, held)
        p.load("word", "word")
        revoked, free = p.fresh(), p.fresh()
        p.go(revoked, lambda own: mode(own) == REVOKED_COUNT)
        p.go(free)
        p.label(revoked)
        self.wait_collected(p, held)
        p.go(begin)
        p.label(free)
        p.go(done, lambda own: mode(own) in (SHARED_COUNT, DEAD))
        p.compare("won", "word", lambda own: own["word"], lambda own: refs(own) * ONE + REVOKED_COUNT)
        p.go(begin, lambda own: not own.get("won", 0))
        p.load("key", "key")
        if "another key" in self.without:
            p.exchange("key", lambda own: own["key"] + NO_CELLS)
        else:
            p.add("given", 2, "new")
            p.exchange("key", lambda own: own["new"] + 2 + NO_CELLS)
        p.forget("word", "key")
        p.go(over, lambda own: mode(own) == UNUSED)
        p.go(mine, lambda own: mode(own) == OWNERS[me])
        if "barrier" not in self.without:
            p.membarrier()
        for other in self.threads:
            self.empty(p, other)
        p.go(over)
        p.label(mine)
        self.empty(p, me)
        p.label(over)
        what = (lambda own: 0) if "what was there" in self.without else (lambda own: own.get("sum", 0))
        self.publish(p, what, SHARED_COUNT)
        p.label(done)
        p.forget()

    def empty(self, p, other):
        """refcount_empty_cell(): what another thread has."""
        again, done = p.fresh(), p.fresh()
        p.label(again)
        p.load("there", f"cell[{other}]")
        p.load("its", f"key[{other}]")
        p.go(done, lambda own: own.get("its", 0) != own["key"] or not own.get("there", 0))
        if "wait" not in self.without:
            p.go(again, lambda own: own["there"] >= BUSY)
        if "empty" not in self.without:
            p.store(f"cell[{other}]", 0)
        p.set("sum", lambda own: own.get("sum", 0) + own["there"] % BUSY)
        p.label(done)
        p.forget("word", "key", "sum")

    def part(self, p):
        """refcount_part(): it was shared, and is apart again."""
        done = p.fresh()
        p.compare("won", "word", lambda own: own["word"], lambda own: refs(own) * ONE + REVOKED_COUNT)
        p.go(done, lambda own: not own.get("won", 0))
        p.load("key", "key")
        p.store("key", lambda own: own["key"] - NO_CELLS)
        self.publish(p, lambda own: 0, MANY)
        p.label(done)
        p.forget("word")

    def get(self, p, me, dead=None, held=True):
        """refcount_inc(), or where ``dead`` is a label, refcount_inc_not_zero()."""
        ok, slow, apart, change, fast = (p.fresh() for _ in range(5))
        self.cell_add(p, me, 1, ok, slow, held)
        p.label(slow)
        p.forget()
        self.touch(p, held)
        p.load("word", "word")
        revoked, shared, not_dead = p.fresh(), p.fresh(), p.fresh()
        p.go(not_dead, lambda own: mode(own) != DEAD)
        p.wrong("takes a reference of a dead one") if dead is None else p.go(dead)
        p.label(not_dead)
        p.go(revoked, lambda own: mode(own) == REVOKED_COUNT)
        p.go(shared, lambda own: mode(own) == SHARED_COUNT)
        p.go(apart, lambda own: mode(own) in (OWNERS[me], MANY))
        p.compare("won", "word", lambda own: own["word"],
                  lambda own: refs(own) * ONE + (OWNERS[me] if mode(own) == UNUSED else MANY))  # fmt: skip
        p.go(slow)
        p.label(revoked)
        self.wait_collected(p, held)
        p.go(slow)
        p.label(shared)
        p.add("word", ONE, "word")
        p.go(ok, lambda own: mode(own) != DEAD)
        p.wrong("takes a reference of a dead one") if dead is None else p.go(dead)
        p.label(apart)
        p.load("key", "key")
        p.go(change, lambda own: own.get("key", 0) % 2)
        p.load("its", f"key[{me}]")
        p.go(fast, lambda own: own.get("its", 0) == own["key"])
        p.load("own", f"cell[{me}]")
        p.go(change, lambda own: own.get("own", 0))
        p.store(f"key[{me}]", lambda own: own["key"])
        p.label(fast)
        p.forget("word")
        self.cell_add(p, me, 1, ok, change, held)
        p.label(change)
        p.forget("word")
        p.compare("won", "word", lambda own: own["word"], lambda own: own["word"] + ONE)
        p.go(ok, lambda own: own.get("won", 0))
        p.go(slow)
        p.label(ok)
        p.forget()

    def put(self, p, me):
        """refcount_dec_and_test(), and the object goes with the last."""
        ok, slow, last, more, one, go_on = (p.fresh() for _ in range(6))
        self.cell_add(p, me, -1, ok, slow)
        p.label(slow)
        p.forget()
        self.touch(p, True)
        p.load("word", "word")
        p.wrong("puts one of a dead one", lambda own: mode(own) == DEAD)
        again, free = p.fresh(), p.fresh()
        p.go(again, lambda own: mode(own) == REVOKED_COUNT)
        p.go(free)
        p.label(again)
        self.wait_collected(p, True)
        p.go(slow)
        p.label(free)
        p.go(go_on, lambda own: mode(own) not in (OWNERS[me], MANY))
        self.cell_add(p, me, -1, ok, go_on)
        p.label(go_on)
        p.forget("word")
        p.go(one, lambda own: refs(own) <= 1)
        p.go(more, lambda own: mode(own) != SHARED_COUNT)
        p.choose("part", False, True)
        p.go(more, lambda own: not own.get("part", 0))
        self.part(p)
        p.label(more)
        p.compare("won", "word", lambda own: own["word"], lambda own: own["word"] - ONE)
        p.go(ok, lambda own: own.get("won", 0))
        p.go(slow)
        p.label(one)
        collect = p.fresh()
        if "nobody's cell" not in self.without:
            p.go(collect, lambda own: mode(own) not in (SHARED_COUNT, UNUSED))
        p.compare("won", "word", lambda own: own["word"], DEAD)
        p.go(last, lambda own: own.get("won", 0))
        p.go(slow)
        p.label(collect)
        self.collect(p, me, True)
        p.go(slow)
        p.label(last)
        p.exchange("freed", 1)
        p.label(ok)
        p.forget()


def counting(*without, tasks=("gp.", "gp.")):
    """Each thread by its letters: g gets, p puts, . puts the reference that it was given at the beginning; s sends one that
    it has, r receives and puts it; n gets one if there is any left, as a reader, and puts it."""
    threads = "abc"[: len(tasks)]
    count = Count(threads, *without)
    programs = []
    for me, letters in zip(threads, tasks, strict=True):
        p = Program()
        for letter in letters:
            if letter == "g":
                count.get(p, me)
            elif letter in "p.":
                count.put(p, me)
            elif letter == "s":
                p.exchange("sent", 1)
            elif letter == "r":
                wait = p.fresh()
                p.label(wait)
                p.load("sent", "sent")
                p.go(wait, lambda own: not own.get("sent", 0))
                p.forget()
                count.put(p, me)
            else:
                dead = p.fresh()
                count.get(p, me, dead, held=False)
                count.touch(p, True)
                count.put(p, me)
                p.label(dead)
                p.forget()
        programs.append(p)
    held = sum(letters.count(".") for letters in tasks)

    def final(memory):
        if not memory.get("freed", 0):
            return "the object is left"
        if any(value for name, value in memory.items() if name.startswith("cell[")):
            return "a cell is in use for ever"
        # One that came too late has added to it: nobody asks a dead one.
        return None if memory["word"] % ONE == DEAD else "the count is not dead"

    return Machine(programs, {"word": held * ONE + UNUSED, "key": 2, "given": 2}, final).explore()


#: Taken and put beside each other; one sends a reference and the other puts it; one may come too late.
TASKS = [
    ("gp.", "gp."),
    ("gpgp.", "gp."),
    ("gs.", "gpr."),
    ("gsgp.", "r"),
    ("gp.", "n"),
    ("gpgp.", "nn"),
    ("gsgpgp.", "rgpgp."),
]


@pytest.mark.parametrize("tasks", TASKS, ids=" ".join)
def test_the_last_reference_is_found_once_and_no_object_goes_before(tasks):
    """And no cell is left in use."""
    states, wrong = counting(tasks=tasks)
    assert wrong is None, show(wrong)
    assert states > 5_000


@pytest.mark.long
@pytest.mark.parametrize("tasks", [("gs.", "r", "gp."), (".", "n", "gp.")], ids=" ".join)
def test_three_threads_count(tasks):
    """Up to millions of states."""
    _, wrong = counting(tasks=tasks)
    assert wrong is None, show(wrong)


@pytest.mark.parametrize(
    ("part", "comes"),
    [
        ("mark", "the object is gone"),
        ("look again", "the object is gone"),
        ("empty again", "a cell is in use for ever"),
        ("barrier", "the object is gone"),
        ("wait", "the object is gone"),
        ("empty", "a cell is in use for ever"),
        ("what was there", "the object is gone"),
        ("another key", "the object is left"),
        ("nobody's cell", "the object is gone"),
    ],
)
def test_each_part_of_the_counts_is_needed(part, comes):
    """Without it an object goes too early or never, or a cell is lost."""
    found = [counting(part, tasks=tasks)[1] for tasks in (("gsgp.", "r"), ("gsgpgp.", "rgpgp."))]
    assert any(wrong and comes in wrong[0] for wrong in found), [wrong and wrong[0] for wrong in found]
