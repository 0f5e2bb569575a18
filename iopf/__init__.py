# SPDX-License-Identifier: GPL-2.0-only
"""The Linux I/O page fault framework in user space: run it, explore every interleaving of it, time it.

The names are loaded, with the native extension, when the first of them is used: the pytest plugin is imported by every
pytest run of an environment, and must neither cost those runs anything nor break them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._runtime import MissingExtension, loading as _loading

if TYPE_CHECKING:
    from ._public import *  # noqa: F403

__version__ = "0.1.0"

__all__ = [
    "HAZARDS", "PAGE_REQUEST_FORMAT", "SVA", "AddressSpace", "AlreadyAnswered", "AlreadyOnQueue", "Area",
    "BadSetup", "Closed", "Core", "CoreSourceError", "Device", "DeviceStatistics", "Facets", "ForkedError", "Group",
    "HandlerError", "Inline", "IopfError", "MissingExtension", "NoPasidWarning", "NotOnQueue", "PageRequest",
    "PageResponse", "Perm", "Queue", "QueueStatistics", "Refuse", "RequestFlags", "ResponseCode", "Site", "UnsafeCore",
    "UnsafeCoreWarning", "Work", "WouldDeadlock", "build_info", "clear_warnings", "cores", "live_objects",
    "page_request_dtype", "warnings",
]


_MODULES = ("device", "exceptions", "group", "handlers", "info", "queue", "space")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in __all__:
        raise AttributeError(f"module 'iopf' has no attribute {name!r}")
    if name == "page_request_dtype":  # needs NumPy
        from ._types import page_request_dtype

        return page_request_dtype
    with _loading:
        from . import _public

    globals()[name] = value = getattr(_public, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"Any", "TYPE_CHECKING", "annotations", "importlib", "page_request_dtype"})
