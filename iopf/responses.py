# SPDX-License-Identifier: GPL-2.0-only
"""What a device was told: a sequence that makes a response when somebody asks for it, and an array of all."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

from ._types import PageResponse, response_of

if TYPE_CHECKING:
    import numpy

__all__ = ["RESPONSE_BYTES", "Responses"]

#: struct iopf_response: pasid, grpid, code, flags of the last request.
_RESPONSE = struct.Struct("=IIII")
RESPONSE_BYTES = _RESPONSE.size


class Responses(Sequence[PageResponse]):
    """Responses of a device as they were when it was asked, oldest first. Any thread; nothing changes it.

    It equals a list of the same responses, and adds up with lists to lists.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes = b""):
        self._raw = raw

    def __len__(self) -> int:
        return len(self._raw) // RESPONSE_BYTES

    @overload
    def __getitem__(self, which: int) -> PageResponse: ...
    @overload
    def __getitem__(self, which: slice[int | None, int | None, int | None]) -> Responses: ...
    def __getitem__(self, which: int | slice[int | None, int | None, int | None]) -> PageResponse | Responses:
        places = range(0, len(self._raw), RESPONSE_BYTES)
        if isinstance(which, slice):
            chosen = places[which]
            if chosen.step == RESPONSE_BYTES:
                return Responses(self._raw[chosen.start : chosen.stop])
            return Responses(b"".join(self._raw[place : place + RESPONSE_BYTES] for place in chosen))
        try:
            place = places[which]
        except IndexError:
            raise IndexError(f"response {which} of {len(self)}") from None
        return response_of(*_RESPONSE.unpack_from(self._raw, place))

    def __iter__(self) -> Iterator[PageResponse]:
        for record in _RESPONSE.iter_unpack(self._raw):
            yield response_of(*record)

    def array(self) -> numpy.ndarray[tuple[int], numpy.dtype[numpy.void]]:
        """All of them as a NumPy array of ``iopf.page_response_dtype``, read-only; nothing is copied. Needs NumPy.

        ``pasid`` counts where bit 0 of ``flags``, which are those of the last request, is set.
        """
        import numpy

        from ._types import page_response_dtype

        return numpy.frombuffer(self._raw, page_response_dtype)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Responses, list)):
            return len(self) == len(other) and list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Sequence[PageResponse]) -> list[PageResponse]:
        return [*self, *other] if isinstance(other, (Responses, list)) else NotImplemented

    def __radd__(self, other: list[PageResponse]) -> list[PageResponse]:
        return [*other, *self] if isinstance(other, list) else NotImplemented

    def __repr__(self) -> str:
        return repr(list(self))
