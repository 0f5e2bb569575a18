# SPDX-License-Identifier: GPL-2.0-only
"""The Linux I/O page fault framework in user space: run it, explore every interleaving of it, time it.

The names are loaded, with the native extension, when the first of them is used: the pytest plugin is imported by every
pytest run of an environment, and must neither cost those runs anything nor break them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from . import _registry as _registry  # what it does at exit is registered here and now
from ._extension import MissingExtension, loading as _loading

if TYPE_CHECKING:  # what __getattr__ gives, for type checkers; each from where it is defined
    from . import (
        device as device,
        exceptions as exceptions,
        group as group,
        handlers as handlers,
        info as info,
        queue as queue,
        responses as responses,
        space as space,
    )
    from ._cores import Core, CoreSourceError, Facets, cores
    from ._public import HAZARDS
    from ._types import (
        PAGE_REQUEST_FORMAT,
        PageRequest,
        PageResponse,
        Perm,
        RequestFlags,
        ResponseCode,
        page_request_dtype,
        page_response_dtype,
    )
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

__version__ = "0.1.0"

# fmt: off
__all__ = [
    "HAZARDS", "PAGE_REQUEST_FORMAT", "SVA", "AddressSpace", "AlreadyAnswered", "AlreadyOnQueue", "Area",
    "BadSetup", "Closed", "Core", "CoreSourceError", "Device", "DeviceStatistics", "Facets", "ForkedError", "Group",
    "HandlerError", "Inline", "IopfError", "MissingExtension", "NoPasidWarning", "NotOnQueue", "PageRequest",
    "PageResponse", "Perm", "Queue", "QueueStatistics", "Refuse", "RequestFlags", "ResponseCode", "Responses", "Site",
    "UnsafeCore", "UnsafeCoreWarning", "Work", "WouldDeadlock", "build_info", "clear_warnings", "cores", "live_objects",
    "page_request_dtype", "page_response_dtype", "warnings",
]
# fmt: on


_NEED_NUMPY = ("page_request_dtype", "page_response_dtype")
_MODULES = ("device", "exceptions", "group", "handlers", "info", "queue", "responses", "space")


def _load(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in __all__:
        raise AttributeError(f"module 'iopf' has no attribute {name!r}")
    if name in _NEED_NUMPY:
        from . import _types

        return getattr(_types, name)
    with _loading:
        from . import _public

    value: object = getattr(_public, name)
    globals()[name] = value
    return value


if not TYPE_CHECKING:  # to a type checker a module with this function has every name
    __getattr__ = _load


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING", "annotations", "importlib", *_NEED_NUMPY})
