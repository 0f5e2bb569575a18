# SPDX-License-Identifier: GPL-2.0-only
"""Whoever is in a call on a C object holds it: the one guard of every way into C.

C frees an object when it is told to, whoever is using it. So no pointer is kept by itself. An object that lives as long
as somebody refers to it (a device, an iommu group, an address space) is *Held*: its owner has one reference, everybody
in a call on it has another in a local variable, and with the last one it is put. Python counts references exactly, on
any number of threads, with the GIL and without it, whatever interrupts the call. What goes at a definite moment, as a
queue does in close(), is *Counted*: a traceback that is kept may hold a local variable for years, so there the calls
are counted, and the object goes with close() or with the last call that is on it.

Nobody waits here for anybody: close() in a callback, a finaliser or a signal handler that runs inside a call on the
same object leaves the object to that call.

In a cycle that is collected Python runs the finalisers in no promised order, and one may call what another one has
finished with. An owner's reference is therefore kept in a table, too, and let go by its finaliser and by nobody else;
from then on it has no pointer that a call could take.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from . import _registry
from .exceptions import Closed

if TYPE_CHECKING:
    from ._extension import CData
    from ._runtime import Runtime

#: The references of the owners, by what they hold. What is in here is not collected.
_owned: dict[int, Held] = {}


class Held:
    """A reference to a C object; put when nobody has it any more, unless a fork came between."""

    __slots__ = ("_generation", "_put", "core_name", "pointer", "runtime")

    def __init__(self, runtime: Runtime, pointer: CData, put: Callable[[CData], object], core_name: str = ""):
        self._generation = -1
        self.runtime = runtime
        self.core_name = core_name
        self.pointer = pointer
        self._put = put
        _owned[id(self)] = self
        self._generation = _registry.generation

    @property
    def of_this_process(self) -> bool:
        """False in the child of a fork, for what the parent made; and when the interpreter has cleared its modules."""
        return _registry is not None and self._generation == _registry.generation

    def let_go(self, _owned: dict[int, Held] = _owned) -> None:
        """The owner has done with it. A second call is fine."""
        _owned.pop(id(self), None)

    def __del__(self, _registry: Any = _registry) -> None:  # bound: at the end of the interpreter the name may be gone
        if self._generation == _registry.generation:
            self._put(self.pointer)


class Counted:
    """A C object that close() frees, or the last call that is on it: ``with counted as pointer`` around each.

    Every step may be interrupted by a signal handler, or a finaliser, that does the same on the same thread.
    """

    __slots__ = ("_free", "_inside", "_lock", "_owned", "_pointer", "_what", "closed")

    def __init__(self, pointer: CData, free: Callable[[CData], object], what: str):
        self._lock = threading.RLock()
        self._inside = 0
        self._pointer = pointer
        self._owned = [pointer]  # who pops it frees it
        self._free = free
        self._what = what
        #: Has close() been called?
        self.closed = False

    def enter(self) -> CData:
        """The pointer, until leave(). Closed: there is none any more."""
        with self._lock:
            self._inside += 1
        # After it was counted: a close() that comes in between finds the caller, or is seen here.
        if self.closed:
            self.leave()
            raise Closed(errno.EBADF, f"{self._what} is closed")
        return self._pointer

    def leave(self) -> None:
        """The call is over; frees the object when that was the last one, and the object is closed."""
        with self._lock:
            self._inside -= 1
        self._free_unused()

    def close(self) -> None:
        """No call begins any more. Frees the object now, or leaves that to the last call that is on it."""
        with self._lock:
            self.closed = True
        self._free_unused()

    def _free_unused(self) -> None:
        with self._lock:
            if not self.closed or self._inside:
                return
        try:
            pointer = self._owned.pop()
        except IndexError:
            return
        self._free(pointer)

    def __enter__(self) -> CData:
        return self.enter()

    def __exit__(self, *exc_info: object) -> None:
        self.leave()


class Unique:
    """What stands for a C object, or for a group that is answered once, is not a value that can be copied."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} can't be copied or pickled: it stands for one object in C, of this process."
            " Refer to it, or make another one"
        )

    def __reduce__(self) -> NoReturn:
        self.__reduce_ex__(0)


# After a fork what the parent owned is dead here. The registry has counted the fork by then.
os.register_at_fork(after_in_child=_owned.clear)
