# SPDX-License-Identifier: GPL-2.0-only
"""What happens when C calls: the handler is found and called, the response is delivered.

C calls Python in three places only, and never with a lock of a core held: a handler, a response, and "shall I go on
waiting?".
"""

from __future__ import annotations

import errno
import sys
import threading
from typing import TYPE_CHECKING, Any

from ._registry import devices, handlers, keep, look_up, pending
from ._types import page_response
from .group import Group

if TYPE_CHECKING:
    from ._extension import CData
    from ._runtime import Runtime

__all__ = ["on_handle", "on_poll", "on_poll_error", "on_response"]


def on_handle(
    runtime: Runtime, handler: int, device: int, core: CData, pointer: CData, faults: int, work_of: int
) -> int:
    """A group came for a Python handler. 0: it has the group; -errno: C answers FAILURE."""
    if work_of and (threading.gettrace() or threading.getprofile() or _Followed.any):
        _follow()
    kept, pending.errors = pending.errors, []
    error = None
    try:
        known = look_up(handlers, handler)
        if known is None:
            return -errno.EINVAL
        group = Group(runtime, core, pointer, faults, devices.get(device))
        try:
            known.function(group)
        except BaseException as raised:
            error = raised
            # Unanswered, the group goes back to C, which answers FAILURE; answered, it is gone already.
            return 0 if group._take() is None else -errno.EINVAL
        return 0
    except BaseException as unexpected:  # nothing may pass through C
        error = unexpected
        return -errno.EINVAL
    finally:
        pending.errors = kept
        if error is not None:
            keep(error, work_of)
        del error, kept  # the error's traceback has this frame: no cycle


def on_response(runtime: Runtime, device: int, response: CData, work_of: int) -> None:
    """A device that has an ``on_response`` got a response."""
    if work_of and (threading.gettrace() or threading.getprofile() or _Followed.any):
        _follow()
    kept, pending.errors = pending.errors, []
    error = None
    try:
        owner = look_up(devices, device)
        if owner is not None and owner._on_response is not None:
            owner._on_response(page_response(response))
    except BaseException as raised:  # nothing may pass through C
        error = raised
    finally:
        pending.errors = kept
        if error is not None:
            keep(error, work_of)
        del error, kept  # the error's traceback has this frame: no cycle


def on_poll() -> int:
    """A call that waits asks whether to go on; not 0: no."""
    # Python runs signal handlers between bytecodes of the main thread; a loop makes sure that there are some.
    for _ in range(2):
        pass
    return 0


def on_poll_error(_type: Any, error: BaseException, _traceback: Any) -> int:
    """A signal handler raised: the call that waits ends, and raises it."""
    pending.errors.append(error)
    return 1


# --- debuggers, profilers, coverage ---


class _Followed(threading.local):
    """What this thread has of threading.settrace() and setprofile(); foreign: Python did not start it."""

    any = False  # of all threads
    foreign: bool | None = None
    trace: Any = None
    profile: Any = None


_followed = _Followed()


def _follow() -> None:
    """Lets debuggers, profilers and coverage see the handlers on a worker, as they see every thread that Python starts.

    Such a thread asks once, when it begins. A worker is C's, so it asks at each callback, and takes out what it put in
    when it is not wanted any more. What a debugger sets for this thread alone is left as it is.
    """
    mine = _followed
    if mine.foreign is None:
        known = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]
        mine.foreign = known is None or isinstance(known, threading._DummyThread)
    if not mine.foreign:
        return
    _Followed.any = True
    trace, profile = threading.gettrace(), threading.getprofile()
    if profile is not mine.profile:
        mine.profile = profile
        sys.setprofile(profile)
    if trace is not mine.trace:
        mine.trace = trace
        sys.settrace(trace)
