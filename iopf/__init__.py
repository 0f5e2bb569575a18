# SPDX-License-Identifier: GPL-2.0-only
"""The Linux I/O page fault framework in user space: run it, explore every interleaving of it, time it."""

from __future__ import annotations

from typing import Any

from . import _callbacks, _runtime, _types
from ._runtime import MissingExtension
from ._types import PAGE_REQUEST_FORMAT, PageRequest, PageResponse, Perm, RequestFlags, ResponseCode
from ._cores import Core, CoreSourceError, Facets, cores
from .device import Device, DeviceStatistics
from .exceptions import (
    AlreadyAnswered,
    AlreadyOnQueue,
    BadSetup,
    Closed,
    ForkedError,
    HandlerError,
    IopfError,
    NotOnQueue,
    UnsafeCore,
    UnsafeCoreWarning,
    WouldDeadlock,
)
from .group import Group
from .handlers import SVA, Inline, Refuse, Work
from .info import Site, build_info, clear_warnings, live_objects, warnings
from .queue import Queue, QueueStatistics
from .space import AddressSpace, Area

__version__ = "0.1.0"

__all__ = [
    "HAZARDS", "PAGE_REQUEST_FORMAT", "SVA", "AddressSpace", "AlreadyAnswered", "AlreadyOnQueue", "Area",
    "BadSetup", "Closed", "Core", "CoreSourceError", "Device", "DeviceStatistics", "Facets", "ForkedError", "Group",
    "HandlerError", "Inline", "IopfError", "MissingExtension", "NotOnQueue", "PageRequest", "PageResponse", "Perm",
    "Queue", "QueueStatistics", "Refuse", "RequestFlags", "ResponseCode", "Site", "UnsafeCore", "UnsafeCoreWarning",
    "Work", "WouldDeadlock", "build_info", "clear_warnings", "cores", "live_objects", "page_request_dtype",
    "warnings",
]


def __getattr__(name: str) -> Any:
    if name == "HAZARDS":  # what can break a core on a queue, by name: what happens
        return dict(_runtime.get("native").hazards)
    if name == "page_request_dtype":
        return _types.page_request_dtype
    raise AttributeError(f"module 'iopf' has no attribute {name!r}")
