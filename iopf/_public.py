# SPDX-License-Identifier: GPL-2.0-only
"""What ``import iopf`` offers: the names, and what they need, the native extension included."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import _runtime
from ._cores import Core, CoreSourceError, Facets, cores
from ._extension import MissingExtension
from ._types import PAGE_REQUEST_FORMAT, PageRequest, PageResponse, Perm, RequestFlags, ResponseCode
from .device import Device, DeviceStatistics
from .exceptions import (
    AlreadyAnswered,
    AlreadyOnQueue,
    BadSetup,
    Closed,
    ForkedError,
    HandlerError,
    IopfError,
    NoPasidWarning,
    NotOnQueue,
    UnsafeCore,
    UnsafeCoreWarning,
    WouldDeadlock,
)
from .group import Group
from .handlers import SVA, Inline, Refuse, Work
from .info import Site, build_info, clear_warnings, live_objects, warnings
from .queue import Queue, QueueStatistics
from .responses import Responses
from .space import AddressSpace, Area

#: What can break a core on a queue, by name: what happens.
HAZARDS: Mapping[str, str] = MappingProxyType(_runtime.get("native").hazards)
