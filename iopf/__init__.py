# SPDX-License-Identifier: GPL-2.0-only
"""The Linux I/O page fault framework in user space: run it, explore every interleaving of it, time it.

The names are loaded, with the native extension, when the first of them is used: the pytest plugin is imported by every
pytest run of an environment, and must neither cost those runs anything nor break them.
"""

from __future__ import annotations

from . import _registry as _registry  # what it does at exit is registered here and now
from ._extension import MissingExtension
from ._lazy import attribute as _attribute

TYPE_CHECKING = False  # (_registry.py says why)
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
    from ._cores import Core, cores
    from ._facets import Facets
    from ._hazards import HAZARDS
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
        CoreSourceError,
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

#: What each of them is loaded from when it is first used, and with what that needs; few programs need all.
_FROM = {
    "_cores": ("Core", "cores"),
    "_facets": ("Facets",),
    "_hazards": ("HAZARDS",),
    "_types": ("PAGE_REQUEST_FORMAT", "PageRequest", "PageResponse", "Perm", "RequestFlags", "ResponseCode",
               "page_request_dtype", "page_response_dtype"),
    "device": ("Device", "DeviceStatistics"),
    "exceptions": ("AlreadyAnswered", "AlreadyOnQueue", "BadSetup", "Closed", "CoreSourceError", "ForkedError", "HandlerError",
                   "IopfError", "NoPasidWarning", "NotOnQueue", "UnsafeCore", "UnsafeCoreWarning", "WouldDeadlock"),
    "group": ("Group",),
    "handlers": ("SVA", "Inline", "Refuse", "Work"),
    "info": ("Site", "build_info", "clear_warnings", "live_objects", "warnings"),
    "queue": ("Queue", "QueueStatistics"),
    "responses": ("Responses",),
    "space": ("AddressSpace", "Area"),
}
# fmt: on
_NEED_NUMPY = ("page_request_dtype", "page_response_dtype")
_MODULES = ("device", "exceptions", "group", "handlers", "info", "queue", "responses", "space")


def _load(name: str) -> object:
    value = _attribute(__name__, name, _MODULES, _FROM)
    if name not in _NEED_NUMPY:
        globals()[name] = value
    return value


if not TYPE_CHECKING:  # to a type checker a module with this function has every name
    __getattr__ = _load


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING", "annotations", *_NEED_NUMPY})
