# SPDX-License-Identifier: GPL-2.0-only
"""Address spaces: what SVA resolves faults against."""

from __future__ import annotations

import errno
from typing import NamedTuple

from . import _registry, _runtime
from ._checks import PAGE_SIZE, check_pages, parse_perm
from ._held import Held, Unique
from ._types import Perm
from .exceptions import Closed, ForkedError, IopfError, error_for

_ADVICE = {
    errno.EEXIST: "part of the range is mapped: unmap it first",
    errno.ENOENT: "part of the range is not mapped",
    errno.ENOMEM: "no memory for another area",
}


# At import: where the extension is missing, nobody gets as far as to have an object that needs it.
_runtime.get("native")


class Area(NamedTuple):
    """One mapped range: ``start`` ≤ address < ``end``, bytes."""

    start: int
    end: int
    perm: Perm


class AddressSpace(Unique):
    """A process' address space: areas of whole 4 KiB pages with permissions.

    All methods may be called from any thread, also while faults are being resolved. A space may serve any number of
    devices, in any runtime. It needs no closing: it lives as long as an attachment refers to it.
    """

    def __init__(self) -> None:
        runtime = _runtime.get("native")
        self._lib = runtime.lib
        self._ffi = runtime.ffi
        self._generation = _registry.generation
        self._held: Held | None = None
        space = self._lib.iopf_space_new()
        if not space:
            raise MemoryError("no memory for an address space")
        self._held = Held(runtime, space, self._lib.iopf_space_put)

    def _live(self) -> Held:
        if self._generation != _registry.generation:
            raise ForkedError("the address space")
        held = self._held
        if held is None:
            raise Closed(errno.EBADF, "the address space was collected")
        return held

    def _change(self, result: int) -> None:
        if result:
            raise error_for(result, _ADVICE)

    def _not_exited(self) -> None:
        if self.exited:
            raise IopfError(errno.ESRCH, "the address space has exited")

    def map(self, start: int, length: int, perm: str | int) -> None:
        """Maps ``length`` bytes from ``start`` with ``perm`` (of r, w, x). EEXIST when part of it is mapped."""
        start, length = check_pages(start, length)
        value = parse_perm(perm, "rwx")
        space = self._live()
        self._not_exited()
        self._change(self._lib.iopf_space_map(space.pointer, start, length, value))

    def unmap(self, start: int, length: int) -> None:
        """Takes the range away; parts that are not mapped are fine."""
        start, length = check_pages(start, length)
        space = self._live()
        self._change(self._lib.iopf_space_unmap(space.pointer, start, length))

    def protect(self, start: int, length: int, perm: str | int) -> None:
        """Changes the permissions of the range. ENOENT, and no change, when part of it is not mapped."""
        start, length = check_pages(start, length)
        value = parse_perm(perm, "rwx")
        space = self._live()
        self._change(self._lib.iopf_space_protect(space.pointer, start, length, value))

    def exit(self) -> None:
        """The process ends: from now on every fault against this space is INVALID. A second call is fine."""
        space = self._live()
        self._lib.iopf_space_exit(space.pointer)

    @property
    def exited(self) -> bool:
        """Has exit() been called?"""
        space = self._live()
        return bool(self._lib.iopf_space_exited(space.pointer))

    @property
    def areas(self) -> list[Area]:
        """The mapped areas by address, a copy."""
        space = self._live()
        capacity = 16
        while True:
            buffer = self._ffi.new("uint64_t[][3]", capacity)
            count = self._lib.iopf_space_areas(space.pointer, capacity, buffer)
            if count <= capacity:
                return [Area(a[0], a[1], Perm(a[2])) for a in (buffer[i] for i in range(count))]
            capacity = 2 * count

    def __repr__(self) -> str:
        if self._generation != _registry.generation:
            return "<AddressSpace of another process>"
        if self._held is None:
            return "<AddressSpace, collected>"
        if self.exited:
            return "<AddressSpace, exited>"
        areas = self.areas
        pages = sum(area.end - area.start for area in areas) // PAGE_SIZE
        return f"<AddressSpace of {len(areas)} areas, {pages} pages>"

    def __del__(self) -> None:
        held, self._held = getattr(self, "_held", None), None
        if held is not None:
            held.let_go()
