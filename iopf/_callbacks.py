# SPDX-License-Identifier: GPL-2.0-only
"""What happens when C calls: the handler is found and called, the response is delivered."""

from __future__ import annotations

import errno
from . import _runtime, queue
from .device import devices, handlers, page_response
from ._runtime import CData
from .group import Group


def _handle(runtime: _runtime.Runtime, handler: int, device: int, pointer: CData) -> int:
    known = handlers.get(handler)
    if known is None:
        return -errno.EINVAL
    core = runtime.lib.iopf_group_core(pointer)
    group = Group(runtime, core, pointer, devices.get(device))
    try:
        known.function(group)
    except BaseException as error:
        # Unanswered, the group goes back to C, which answers FAILURE; answered, it is gone already.
        result = 0 if group._take() is None else -errno.EINVAL
        raise _runtime._HandlerFailed(result) from error
    return 0


def _respond(runtime: _runtime.Runtime, device: int, raw: CData) -> None:
    owner = devices.get(device)
    if owner is not None and owner._on_response is not None:
        owner._on_response(page_response(raw))


_runtime.handle = _handle
_runtime.respond = _respond
_runtime.keep_for_queue = queue.keep_error
