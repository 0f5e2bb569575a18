# SPDX-License-Identifier: GPL-2.0-only
"""Why an execution failed, in one sentence, and what was required there.

A trace shows everything that happened; a person first wants to know which two or three facts make it a failure. For each
kind the sentence is made of facts of this execution: who did what, in which call, at which step. The steps that it names
are part of the trace whatever else is folded (:attr:`Cause.steps`), so each of its words can be looked up there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .failure import Failure, Site, Step

__all__ = ["CLEAN_UP", "REQUIRED", "Cause", "cause", "required"]

#: The operation of task 0 behind all tasks: the driver frees what is kept, removes what is left.
CLEAN_UP = "clean-up, when all tasks are over"

#: What a failure of the kind breaks.
REQUIRED = {
    "use-after-free": "an object stays until the last task that may touch it is done with it",
    "double-free": "an object is freed once",
    "invalid-free": "only what was allocated is freed",
    "bad-access": "an access stays inside an object that is there",
    "leak": "when all is over, nothing that was allocated is left",
    "data-race": "two tasks' accesses to plain memory are ordered, or both are marked",
    "refcount": "a count never rises from 0, never falls below it, and is never exhausted",
    "rcu": "nothing sleeps in a reader, and each section ends in the task that began it",
    "sleep": "nothing sleeps where preemption is off",
    "deadlock": "every task comes to its end",
    "livelock": "every loop comes to its end",
    "lock-order": "two locks are taken in the same order by everybody",
    "stack-overflow": "the stack of a task is enough",
    "lost-response": "every last request that is accepted is answered, once",
    "double-response": "every last request that is accepted is answered, once",
    "wrong-response": "an answer goes to the last request of its own group, and has its index and PASID",
    "wrong-code": "the code of an answer is the one that its answerer may give",
    "wrong-group": "a handler gets every accepted partial of its key, once, in the order of arrival, the last at the tail",
    "wrong-count": "what is counted as dropped or as answered twice is what was",
    "late-response": "removal answers all that is outstanding; once it has returned, an answer does nothing",
    "unexpected-return": "a call returns what its documentation says",
    "warn": "a WARN fires where the caller is to blame, and nowhere else",
    "missing-warn": "where the caller is to blame, a WARN says so",
    "under-lock": "under a lock of the framework nothing is allocated, freed or put",
    "explorer": "the explorer's own limits are not reached",
}

#: What a site of a lock says that its task held when it came to its end.
KEPT = "taken, and not let go"

LOCKS = ("mutex_lock", "mutex_trylock", "spin_lock", "spin_trylock")
UNLOCKS = ("mutex_unlock", "spin_unlock")
#: "in mutex_lock, waits for driver", of a deadlock's sites.
WAITS = r"in (?P<op>.+?), waits for (?P<whom>.+)"


class Cause(NamedTuple):
    """A sentence, and the indices of the steps that it names."""

    text: str
    steps: frozenset[int] = frozenset()


class _Telling:
    """Collects the steps that a sentence names while it is made."""

    def __init__(self, failure: Failure):
        self.failure = failure
        self.steps: set[int] = set()

    def step(self, index: int | None) -> str:
        """``(step 13)``, and that it was named."""
        if index is None or not 0 <= index < len(self.failure.steps):
            return ""
        self.steps.add(index)
        return f" (step {index + 1})"

    def who(self, task: str | None, index: int | None) -> str:
        """Who does it there: ``irq, in report(dev0, grpid=1, pasid=1),``."""
        step = self.failure.steps[index] if index is not None and index < len(self.failure.steps) else None
        if step is not None and step.operation == CLEAN_UP:
            return "the clean-up"
        name = task or "somebody"
        return f"{name}, in {step.operation}," if step is not None and step.operation else name

    def of(self, site: Site) -> str:
        return self.who(site.task, site.step)

    def site(self, *beginnings: str) -> Site | None:
        """The first site that says so."""
        for beginning in beginnings:
            for site in self.failure.sites:
                if site.what.startswith(beginning):
                    return site
        return None

    def fails_at(self) -> int | None:
        """The step that is the failure."""
        found = [index for index, step in enumerate(self.failure.steps) if step.op == self.failure.kind]
        return found[-1] if found else None

    def failing(self) -> tuple[str, str]:
        """Who was at it when it failed, and the step."""
        at = self.fails_at()
        if at is None:
            return "", ""
        return self.who(self.failure.steps[at].task, at), self.step(at)

    def last_before(self, index: int, wanted: Callable[[Step], bool]) -> int | None:
        for at in range(min(index, len(self.failure.steps)) - 1, -1, -1):
            if wanted(self.failure.steps[at]):
                return at
        return None

    def taken(self, lock: str | None, task: str | None, index: int | None) -> int | None:
        """Where that task took the lock that it holds there, if it is in the trace and not let go before."""
        end = len(self.failure.steps) if index is None else index
        at = self.last_before(
            end,
            lambda step: step.object == lock and step.op in (*LOCKS, *UNLOCKS) and (task is None or step.task == task),
        )
        return at if at is not None and self.failure.steps[at].op in LOCKS else None


def _freed(t: _Telling) -> str | None:
    accessed, freed = t.site("accessed"), t.site("freed")
    if accessed is None or freed is None:
        return None
    thing = (freed.object or accessed.object or "it").partition(".")[0]
    if "nothing orders" in t.failure.message:
        return (
            f"{t.of(freed)} frees {thing}{t.step(freed.step)} while {t.of(accessed)} may still use"
            f" {accessed.object or 'it'}{t.step(accessed.step)}: nothing makes the free wait for the access"
        )
    queued = t.site("queued")
    text = f"{t.of(freed)} freed {thing}{t.step(freed.step)}, and after that {t.of(accessed)} used {accessed.object}"
    text += t.step(accessed.step)
    if queued is not None:
        text += f"; its work had been queued by {queued.task}{t.step(queued.step)}"
    return text


def _freed_twice(t: _Telling) -> str | None:
    again = t.site("freed")
    before = t.site("freed before", "freed first", "first freed")
    if again is None or before is None or again is before:
        return None
    return f"{t.of(before)} freed {before.object}{t.step(before.step)}, and {t.of(again)} frees it again{t.step(again.step)}"


def _race(t: _Telling) -> str | None:
    both = [site for site in t.failure.sites if not site.memory and not site.more][:2]
    if len(both) < 2:
        return None
    one, two = both
    return (
        f"{t.of(one)} {one.what} {one.object or t.failure.object}{t.step(one.step)} and {t.of(two)} {two.what} it"
        f"{t.step(two.step)}: no lock, no counted reference and no barrier puts one before the other"
    )


def _deadlock(t: _Telling) -> str | None:
    waiting = [(site, re.fullmatch(WAITS, site.what)) for site in t.failure.sites]
    stuck = [(site, match) for site, match in waiting if match]
    if not stuck:
        return None
    names = {site.task for site, _ in stuck}
    parts = []
    for site, match in stuck:
        lock, whom = site.object, match["whom"]
        holder = whom if lock is not None and match["op"] in LOCKS else None
        at = t.taken(lock, holder, site.step) if holder is not None else None
        if at is None and holder is not None:
            at = t.taken(lock, None, site.step)
        if whom == site.task:
            parts.append(f"{site.task} takes {lock}{t.step(site.step)}, which it holds already{t.step(at)}")
        elif holder is not None and whom not in names:
            parts.append(
                f"{site.task} waits for {lock}{t.step(site.step)}; {whom} took it{t.step(at)} and came to its end"
                " without letting it go"
            )
        elif holder is not None:
            parts.append(f"{site.task} waits for {lock}{t.step(site.step)}, which {whom} took{t.step(at)}")
        else:
            parts.append(f"{site.task} waits in {match['op'].removesuffix(' ends')}{t.step(site.step)} for {whom}")
    return "; ".join(parts)


def _late(t: _Telling) -> str | None:
    at = t.fails_at()
    if at is None:
        return None
    answer = t.last_before(at + 1, lambda step: step.op == "response")
    answer = at if answer is None else answer
    device = (t.failure.steps[answer].object or "").partition(" ")[0]
    over = t.last_before(
        at,
        lambda step: (
            step.op == "free returns"
            or (
                step.op == "remove returns" and (step.operation in (None, CLEAN_UP) or f", {device})" in step.operation)
            )
        ),
    )
    if over is None:
        return None
    removal = t.failure.steps[over]
    what = removal.operation or "the removal"
    if what == CLEAN_UP:
        what = "the removal of the clean-up"
    return (
        f"{what} by {removal.task} had returned{t.step(over)} when {t.who(t.failure.steps[answer].task, answer)}"
        f" answered a request that was outstanding{t.step(answer)}"
    )


def _lost(t: _Telling) -> str | None:
    request = t.failure.message.partition(":")[0]
    freed, last = t.site("its group was freed"), t.site("its report's last step")
    if freed is not None:
        return f"{t.of(freed)} freed the group of {request}{t.step(freed.step)}, and nobody had answered it"
    if last is None:
        return None
    begun = 0 if last.step is None else last.step
    over = next(
        (
            index
            for index, step in enumerate(t.failure.steps)
            if index >= begun and step.op == "report returns" and step.task == last.task
        ),
        None,
    )
    if over is None:
        return f"{t.of(last)} did nothing more about {request} after its last step there{t.step(last.step)}, and nobody answered it"
    note = t.failure.steps[over].note
    return f"{t.who(last.task, over)} returned {note}{t.step(over)}, and to the end nobody answered {request}"


def _twice(t: _Telling) -> str | None:
    again, before = t.site("answered"), t.site("answered before")
    if again is None or before is None:
        return None
    first = "itself" if again.task == before.task and before.task is None else t.of(before)
    return (
        f"{first} had answered the request{t.step(before.step)}, and {t.of(again)} answers it again{t.step(again.step)}"
    )


def _given(t: _Telling) -> str | None:
    at, here = t.fails_at(), t.site("here")
    if at is None:
        return None
    who = t.who(t.failure.steps[at].task, at)
    return f"{who} gives that answer{t.step(here.step if here is not None and here.step is not None else at)}"


def _returned(t: _Telling) -> str | None:
    last, at = t.site("the call's last step"), t.site("returned")
    if at is None or at.step is None:
        return None
    what = t.failure.steps[at.step].operation or "the call"
    number = t.failure.message.rpartition(": ")[2]
    if last is not None:
        t.step(last.step)
    return f"{what} by {at.task} returned {number}{t.step(at.step)}" + (
        f"; its last step was step {last.step + 1}" if last is not None and last.step is not None else ""
    )


def _leaked(t: _Telling) -> str | None:
    made = t.site("allocated")
    if made is None:
        return None
    thing = (t.failure.object or made.object or "it").partition(".")[0]
    text = f"{made.task or 'somebody'} allocated {thing}{t.step(made.step)}, and it is still there at the end"
    counted = [site for site in t.failure.sites if site.what.startswith("counted")]
    kept = [site for site in counted if "never put" in site.what]
    if kept:
        text += f"; the reference that {kept[0].task} took{t.step(kept[0].step)} was never put"
    return text


def _kept(t: _Telling) -> str | None:
    """Of the WARNs the one about a lock that somebody holds at its end."""
    taken = t.site(KEPT)
    if taken is None:
        return None
    return f"{t.of(taken)} took {taken.object}{t.step(taken.step)} and came to its end without letting it go"


def _ordered(t: _Telling) -> str | None:
    parts = []
    for site in t.failure.sites:
        held, found, _ = site.what.partition(", takes")
        if found and held.startswith("holds "):
            parts.append(f"{site.task}{t.step(site.step)} {held}")
    if len(parts) < 2:
        return None
    return "; ".join(parts) + "; each takes a lock that the next one holds: when they meet there, none goes on"


_TELL: dict[str, Callable[[_Telling], str | None]] = {
    "use-after-free": _freed,
    "double-free": _freed_twice,
    "data-race": _race,
    "deadlock": _deadlock,
    "late-response": _late,
    "lost-response": _lost,
    "double-response": _twice,
    "wrong-response": _given,
    "wrong-code": _given,
    "unexpected-return": _returned,
    "leak": _leaked,
    "warn": _kept,
    "lock-order": _ordered,
}


def required(failure: Failure) -> str:
    """What was to hold, and did not."""
    if any(site.what == KEPT for site in failure.sites):
        return "whoever takes a lock lets go of it"
    return REQUIRED[failure.kind]


def cause(failure: Failure) -> Cause:
    """What made this execution fail, of any kind: in the words of its own facts, or at least who was at it and where."""
    telling = _Telling(failure)
    tell = _TELL.get(failure.kind)
    text = tell(telling) if tell is not None else None
    if text is None:
        telling = _Telling(failure)
        who, step = telling.failing()
        text = f"{who.rstrip(',')} was at it{step}" if who else "it shows when all is over"
    return Cause(text, frozenset(telling.steps))
