# SPDX-License-Identifier: GPL-2.0-only
"""What is alive, by the numbers that C knows it by, and what a callback leaves for the call that caused it.

C gives a callback a number; the callback finds the device, the handler or the queue here. The modules that make these
put them in, so nothing here, and nothing that a callback uses, has to know them. The tables are weak: being in one keeps
nothing alive.

An exception cannot pass through C. It is kept for the thread (``pending``) and raised when the call that caused it is
back; one from a work item is kept with its queue.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref

# Type checkers take it for True. typing.TYPE_CHECKING would load typing, which takes longer than all that import iopf needs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from .device import Device, PythonHandler
    from .queue import Queue

    T = TypeVar("T")


def remember(table: dict[int, weakref.ref[T]], number: int, thing: T) -> None:
    """Puts an object into a table by its number, until it is collected. Any thread."""
    table[number] = weakref.ref(thing, lambda _: table.pop(number, None))


def look_up(table: dict[int, weakref.ref[T]], number: int) -> T | None:
    """What has the number in a table, if it is alive. Any thread."""
    reference = table.get(number)
    return None if reference is None else reference()


# Numbers are never used again.
#: Devices by the number that C knows them by.
devices: dict[int, weakref.ref[Device]] = {}
#: Python handlers by the number that C knows them by. Whatever has one attached keeps it (a handler may well refer to its
#: own device, and the two are garbage together); what is detached with groups in flight is in ``detached``.
handlers: dict[int, weakref.ref[PythonHandler]] = {}
#: Python handlers by number, from when they are detached until no group in flight needs them.
detached: dict[int, PythonHandler] = {}
#: Queues by the identity of their workqueue: who gets the exception of a work.
queues: weakref.WeakValueDictionary[int, Queue] = weakref.WeakValueDictionary()

#: Counts forks: an object from before one is dead in the child.
generation = 0


# --- exceptions of callbacks, until a call can raise them ---

#: How many exceptions of callbacks are kept until a call can raise them.
KEPT = 100


class _Pending(threading.local):
    """Exceptions of callbacks that the current call of this thread has to raise."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []


pending = _Pending()


class NotKept(Exception):
    """In the place of the exceptions of callbacks that came after the first hundred which no call had raised yet."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 1

    def __str__(self) -> str:
        return f"after {KEPT} exceptions that were kept {self.count} more came and were not"


def keep_first(errors: list[BaseException], error: BaseException) -> None:
    """Keeps an exception among others, or counts it."""
    last = errors[-1] if errors else None
    if isinstance(last, NotKept):
        last.count += 1
    else:
        errors.append(error if len(errors) < KEPT else NotKept())


def keep(error: BaseException, work_of: int) -> None:
    """Keeps a callback's exception for the call of this thread, or, from a work item, for its queue."""
    if not work_of:
        keep_first(pending.errors, error)
        return
    queue = queues.get(work_of)
    if queue is None:
        unraisable(error, "a handler raised in a work of a queue that is gone")
    else:
        queue._keep_error(error)


def unraisable(error: BaseException, what: str) -> None:
    """Reports an exception that no call can raise: to ``sys.unraisablehook``, which asks for a type that it hides.

    Python itself calls the hook for what a finaliser raises, so that is what this is.
    """

    def __del__(self: Any) -> None:
        raise self.error

    __del__.__qualname__ = f"iopf, {what}"
    teller = type("Unraisable", (), {"__del__": __del__})()
    vars(teller)["error"] = error


# --- the ends of processes ---


def _after_fork_in_child() -> None:
    global generation
    generation += 1
    detached.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _close_queues() -> None:
    for reference in queues.valuerefs():
        queue = reference()
        if queue is not None:
            queue._close_at_exit()


# Here, which is at import: what a program registers after it runs before it, with its queues as they were.
atexit.register(_close_queues)
