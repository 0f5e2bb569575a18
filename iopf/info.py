# SPDX-License-Identifier: GPL-2.0-only
"""What is built, what warned, what is alive."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict, overload

from . import _runtime

if TYPE_CHECKING:
    from ._extension import CData

__all__ = ["BuildInfo", "Site", "build_info", "clear_warnings", "live_objects", "warnings"]


class Site(NamedTuple):
    """A place in the C sources. ``reason`` tells warnings of one place apart and is "" for allocations."""

    file: str
    line: int
    function: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}" + (f": {self.reason}" if self.reason else "")


class BuildInfo(TypedDict):
    """What :func:`build_info` returns."""

    flavours: list[str]
    cores: list[str]
    compiler: str
    flags: str
    #: a hash of them
    sources: str


def build_info() -> BuildInfo:
    """How the extensions were built: flavours, cores, compiler, flags, and a hash of the sources."""
    runtimes = [_runtime.get(name) for name in _runtime.RUNTIMES]
    text = {name: runtime.ffi.string for name, runtime in ((r.name, r) for r in runtimes)}
    first = runtimes[0]
    return {
        "flavours": [text[r.name](r.lib.iopf_runtime_name()).decode() for r in runtimes],
        "cores": list(first.core_info),
        "compiler": first.ffi.string(first.lib.iopf_compiler()).decode(),
        "flags": first.ffi.string(first.lib.iopf_build_flags).decode(),
        "sources": first.ffi.string(first.lib.iopf_sources_hash).decode(),
    }


def _sites(runtime: _runtime.Runtime, call: Callable[[CData, int], int]) -> dict[Site, int]:
    capacity = 64
    while True:
        raw = runtime.ffi.new("struct iopf_site[]", capacity)
        count = call(raw, capacity)
        if count <= capacity:
            break
        capacity = 2 * count
    found: dict[Site, int] = {}
    for i in range(count):
        reason = raw[i].reason
        site = Site(
            runtime.ffi.string(raw[i].file).decode(),
            raw[i].line,
            runtime.ffi.string(raw[i].function).decode(),
            runtime.ffi.string(reason).decode() if reason else "",
        )
        found[site] = found.get(site, 0) + raw[i].count
    return found


def _merged(call: str) -> dict[Site, int]:
    merged: dict[Site, int] = {}
    for runtime in _runtime.loaded():
        for site, count in _sites(runtime, getattr(runtime.lib, call)).items():
            merged[site] = merged.get(site, 0) + count
    return merged


def warnings() -> dict[Site, int]:
    """Kernel WARNs by place and reason, in all runtimes, since the start or clear_warnings()."""
    return _merged("iopf_warnings")


def clear_warnings() -> None:
    """Sets the counts to 0; WARN_ONCE counts again."""
    for runtime in _runtime.loaded():
        runtime.lib.iopf_clear_warnings()


@overload
def live_objects(detail: Literal[False] = False) -> int: ...
@overload
def live_objects(detail: Literal[True]) -> dict[Site, int]: ...
@overload
def live_objects(detail: bool) -> int | dict[Site, int]: ...
def live_objects(detail: bool = False) -> int | dict[Site, int]:
    """Objects that cores have allocated and not freed, after a grace period.

    Queues (two objects each: the queue and its workqueue), fault params, groups, partial requests and attach handles, in
    the run runtimes; address spaces, devices and Python objects do not count. With ``detail`` a dict by place of allocation.
    """
    if detail:
        return _merged("iopf_live_sites")
    return sum(int(runtime.lib.iopf_live_objects()) for runtime in _runtime.loaded())
