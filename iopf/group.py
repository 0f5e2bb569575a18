# SPDX-License-Identifier: GPL-2.0-only
"""Page request groups, as a Python handler has them."""

from __future__ import annotations

import warnings
import weakref
from typing import TYPE_CHECKING

from . import _registry
from ._held import Unique
from ._types import PageRequest, ResponseCode, page_request, page_requests
from .exceptions import AlreadyAnswered, ForkedError

if TYPE_CHECKING:
    from ._extension import CData
    from ._runtime import Runtime
    from .device import Device


class Group(Unique):
    """A complete group, from the call of its handler until it is answered.

    Its owner answers it once, at once or later, from any thread. One that is collected unanswered is answered INVALID,
    with a ResourceWarning.
    """

    __slots__ = ("__weakref__", "_core", "_device", "_generation", "_owned", "_raw", "_runtime")

    def __init__(self, runtime: Runtime, core: CData, pointer: CData, faults: int, device: weakref.ref[Device] | None):
        # A copy in C's form, since the group goes with its answer; most handlers look at few of the requests.
        self._raw = raw = runtime.new_requests(faults)
        runtime.lib.iopf_group_faults(pointer, faults, raw)
        self._runtime = runtime
        self._core = core
        # Not held: a group that somebody keeps for long must not keep its device.
        self._device = device
        self._generation = _registry.generation
        # Who pops the pointer owns the C group: list.pop is atomic, with and without the GIL.
        self._owned = [pointer]

    @property
    def faults(self) -> list[PageRequest]:
        """The requests in the order of arrival, the last one last. A copy; still there after the answer."""
        return page_requests(self._runtime.ffi.buffer(self._raw))

    @property
    def last(self) -> PageRequest:
        """The request that completed the group."""
        return page_request(self._raw[len(self._raw) - 1])

    @property
    def answered(self) -> bool:
        """Has respond() been called?"""
        return not self._owned

    def _take(self) -> CData | None:
        """The C group, when nobody took it before; the caller owns it then."""
        try:
            return self._owned.pop()
        except IndexError:
            return None

    def respond(self, code: ResponseCode | int = ResponseCode.SUCCESS) -> bool:
        """Answers with ``code`` and frees the C group.

        True: the device got the answer. False: removal had answered before, being late is no error. A second call
        raises AlreadyAnswered, reaches nobody, and is counted (``already_answered`` of the device's statistics). Any
        thread; runs ``on_response`` of the device.
        """
        if code.__class__ is not ResponseCode:
            code = ResponseCode(code)
        if self._generation != _registry.generation:
            raise ForkedError(f"the group {self.last.grpid}")
        pointer = self._take()
        if pointer is None:
            device = self._device() if self._device is not None else None
            if device is not None:
                device._count_answered_again()
            raise AlreadyAnswered(114, f"group {self.last.grpid} has been answered before: a group takes one respond()")
        got_it = self._runtime.lib.iopf_group_finish(self._core, pointer, code)
        self._runtime.after()
        return bool(got_it)

    def __repr__(self) -> str:
        last = self.last
        pasid = "" if last.pasid is None else f", pasid {last.pasid}"
        pages = f"{len(self._raw)} page{'s' if len(self._raw) != 1 else ''}"
        return f"<Group {last.grpid}{pasid}: {pages}, {'answered' if self.answered else 'waits for an answer'}>"

    def __del__(self) -> None:
        owned = getattr(self, "_owned", None)
        # At the end of the interpreter the names of modules are gone before the last objects.
        if not owned or _registry is None or self._generation != _registry.generation:
            return
        pointer = self._take()
        if pointer is None:
            return
        try:
            self._runtime.lib.iopf_group_finish(self._core, pointer, ResponseCode.INVALID)
            self._runtime.after()
        finally:
            warnings.warn(
                f"group {self.last.grpid} was collected without an answer: the device got INVALID",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
