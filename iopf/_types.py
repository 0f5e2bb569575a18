# SPDX-License-Identifier: GPL-2.0-only
"""The values that travel: permissions, flags, codes, requests and responses.

Their numbers are those of C; a test compares them with every extension, so nothing has to be loaded for them.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from typing_extensions import Buffer

    from ._extension import CData

    page_request_dtype: numpy.dtype[numpy.void]
    page_response_dtype: numpy.dtype[numpy.void]

__all__ = ["PAGE_REQUEST_FORMAT", "PageRequest", "PageResponse", "Perm", "RequestFlags", "ResponseCode"]

#: One page request as ``Device.report_many`` takes it, in :mod:`struct` syntax: 48 bytes, native byte order.
#: type (1), padding, flags, pasid, grpid, perm, addr, two words of private data.
PAGE_REQUEST_FORMAT = "=IIIIIIQQQ"
_REQUESTS = struct.Struct(PAGE_REQUEST_FORMAT)


class Perm(enum.IntFlag):
    """Access permissions: of a request what it wants, of an area what it allows."""

    READ = 1
    WRITE = 2
    EXEC = 4
    PRIV = 8


class RequestFlags(enum.IntFlag):
    """Flags of a page request (include/linux/iommu.h, v7.2)."""

    PASID_VALID = 1
    LAST_PAGE = 2
    NEEDS_PASID = 4


class ResponseCode(enum.IntEnum):
    """What a device is told; not the numbers on the wire (PCIe PRI: 0, 1, 0xF)."""

    SUCCESS = 0
    INVALID = 1
    FAILURE = 2


@dataclass(frozen=True)
class PageRequest:
    """One page request of a group. ``pasid`` is None for a request without one."""

    addr: int
    perm: Perm
    grpid: int
    pasid: int | None
    flags: RequestFlags

    @property
    def last(self) -> bool:
        """Does it complete its group?"""
        return bool(self.flags & RequestFlags.LAST_PAGE)


@dataclass(frozen=True)
class PageResponse:
    """What a device got for a group. ``pasid`` is None when the last request had none."""

    pasid: int | None
    grpid: int
    code: ResponseCode


# Calling an enumeration costs more than a whole report in C, so the members that occur are looked up; and the values are
# filled in as they are, since nothing of them has to be checked.
_PERMS = {value: Perm(value) for value in range(16)}
_FLAGS = {value: RequestFlags(value) for value in range(8)}
_CODES = {code.value: code for code in ResponseCode}
_VALID = RequestFlags.PASID_VALID.value
_new, _fill = object.__new__, object.__setattr__


def _page_request(flags: int, pasid: int, grpid: int, perm: int, addr: int) -> PageRequest:
    made = _new(PageRequest)
    fields = {
        "addr": addr,
        "perm": _PERMS.get(perm) or Perm(perm),
        "grpid": grpid,
        "pasid": pasid if flags & _VALID else None,
        "flags": _FLAGS.get(flags) or RequestFlags(flags),
    }
    _fill(made, "__dict__", fields)
    return made


def page_request(raw: CData) -> PageRequest:
    """A request from its C structure."""
    return _page_request(raw.flags, raw.pasid, raw.grpid, raw.perm, raw.addr)


def page_requests(raw: Buffer) -> list[PageRequest]:
    """Requests from records of PAGE_REQUEST_FORMAT."""
    return [_page_request(*record[2:7]) for record in _REQUESTS.iter_unpack(raw)]


def page_response(raw: CData) -> PageResponse:
    """A response from its C structure."""
    return response_of(raw.pasid, raw.grpid, raw.code, raw.flags)


def response_of(pasid: int, grpid: int, code: int, flags: int) -> PageResponse:
    """A response from the fields of its C structure."""
    made = _new(PageResponse)
    fields = {
        "pasid": pasid if flags & _VALID else None,
        "grpid": grpid,
        "code": _CODES[code] if code in _CODES else ResponseCode(code),
    }
    _fill(made, "__dict__", fields)
    return made


def __getattr__(name: str) -> object:
    if name == "page_request_dtype":
        import numpy

        dtype = numpy.dtype(
            [
                ("type", "u4"),
                ("padding", "u4"),
                ("flags", "u4"),
                ("pasid", "u4"),
                ("grpid", "u4"),
                ("perm", "u4"),
                ("addr", "u8"),
                ("private_data", "u8", (2,)),
            ]
        )
        globals()[name] = dtype
        return dtype
    if name == "page_response_dtype":
        import numpy

        dtype = numpy.dtype([(field, "u4") for field in ("pasid", "grpid", "code", "flags")])
        globals()[name] = dtype
        return dtype
    raise AttributeError(name)
