# SPDX-License-Identifier: GPL-2.0-only
"""What can go wrong, with the errno of the kernel and a word on what to do next."""

from __future__ import annotations

import errno
import os
from typing import Any

__all__ = [
    "AlreadyAnswered", "AlreadyOnQueue", "BadSetup", "Closed", "CoreSourceError", "ForkedError", "HandlerError", "IopfError",
    "NoPasidWarning", "NotOnQueue", "Travels", "UnsafeCore", "UnsafeCoreWarning", "WouldDeadlock",
]  # fmt: skip


class Travels(BaseException):
    """An exception that pickles and copies with all its attributes and its cause, whatever its constructor takes.

    Python's own way calls the class with ``args``; where that does not fit, unpickling raises, and who waits for a pool
    of processes waits for ever.
    """

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args, dict(self.__dict__), _portable(self.__cause__))

    def __copy__(self) -> BaseException:
        return _rebuild(type(self), self.args, dict(self.__dict__), self.__cause__)


def _rebuild(
    cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any], cause: BaseException | None
) -> BaseException:
    error = cls.__new__(cls, *args)
    builtin = next(base for base in cls.__mro__ if base.__module__ == "builtins")
    builtin.__init__(error, *args)  # type: ignore[misc]  # the class's own would take other arguments
    error.__dict__.update(state)
    error.__cause__ = cause
    return error


def _portable(cause: BaseException | None) -> BaseException | None:
    """The cause, when it arrives where it is sent; else what it said."""
    if cause is None:
        return None
    import pickle

    try:
        pickle.loads(pickle.dumps(cause))
    except Exception:
        return RuntimeError(f"{type(cause).__qualname__}: {cause}")
    return cause


class IopfError(Travels, OSError):
    """A call of the framework failed; ``errno`` is the kernel's (positive)."""

    def __init__(self, number: int, message: str):
        super().__init__(number, message)

    def __str__(self) -> str:
        number = self.errno or 0
        return f"[{errno.errorcode.get(number, number)}] {self.strerror}"


class CoreSourceError(IopfError):
    """A file can't be used as a core. ``first_error`` is the compiler's, or ""; ``output`` all that it wrote."""

    #: the compiler was at work and found it in the file: asked again, it says the same
    in_the_file = False

    def __init__(self, message: str, *, number: int = errno.EINVAL, first_error: str = "", output: str = ""):
        super().__init__(number, message)
        self.first_error = first_error
        self.output = output

    def __str__(self) -> str:
        return str(self.strerror)


class BadSetup(IopfError):
    """EINVAL: nobody can resolve the request. A last request has been answered INVALID."""


class NotOnQueue(IopfError):
    """ENODEV: the device is on no queue (any more)."""


class AlreadyOnQueue(IopfError):
    """EBUSY: the device is on a queue."""


class WouldDeadlock(IopfError):
    """EDEADLK: the call would wait for the work that makes it."""


class Closed(IopfError):
    """EBADF: the object was closed."""


class ForkedError(IopfError):
    """EOWNERDEAD: the object belongs to the parent process; make a new one in the child."""

    def __init__(self, what: str):
        super().__init__(
            errno.EOWNERDEAD, f"{what} was made before this process was forked: make a new one in the child"
        )


class AlreadyAnswered(IopfError):
    """EALREADY: respond() was called on this group before; the C group is gone."""


class HandlerError(IopfError):
    """EIO: a handler raised on a worker (``__cause__``); the device got FAILURE."""


class UnsafeCore(IopfError, ValueError):
    """EOPNOTSUPP: what was asked for would corrupt this process's memory with that core; the message says what to do."""


class UnsafeCoreWarning(RuntimeWarning):
    """A core can corrupt this process's memory, or hang, in uses that ours takes: :attr:`iopf.Core.hazards`."""


class NoPasidWarning(UserWarning):
    """SVA was attached without a PASID: it resolves addresses of a process, a request that names none is answered
    INVALID."""


_CLASSES = {errno.EINVAL: BadSetup, errno.ENODEV: NotOnQueue, errno.EBUSY: AlreadyOnQueue, errno.EDEADLK: WouldDeadlock}


def error_for(result: int, advice: dict[int, str]) -> IopfError:
    """The exception for a negative return value; ``advice`` says what each errno means in this call."""
    number = -result
    message = advice.get(number, os.strerror(number))
    return _CLASSES.get(number, IopfError)(number, message)
