# SPDX-License-Identifier: GPL-2.0-only
"""Checks of values that are on their way to C: in range, or an error that says what is taken. Nothing has to be loaded for
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import SupportsIndex

__all__ = ["PAGE_SIZE", "check_name", "check_pages", "check_range", "parse_perm"]

#: Bytes of a page.
PAGE_SIZE = 4096

#: Of a permission, the numbers of iopf.Perm.
_LETTERS = {"r": 1, "w": 2, "x": 4, "p": 8}
_PERM_CACHE: dict[str, int] = {}


def parse_perm(perm: str | int, allowed: str = "rwxp") -> int:
    """``"rw"`` or a :class:`iopf.Perm` as a number; ValueError names the letters."""
    if isinstance(perm, str):
        key = perm + allowed
        value = _PERM_CACHE.get(key)
        if value is None:
            if not set(perm) <= set(allowed) or len(set(perm)) != len(perm):
                raise ValueError(f"perm {perm!r}: takes each of the letters {', '.join(allowed)} at most once")
            value = 0
            for letter in perm:
                value |= _LETTERS[letter]
            _PERM_CACHE[key] = value
        return value
    value = int(perm)
    limit = sum(_LETTERS[letter] for letter in allowed)
    if value & ~limit or value < 0:
        raise ValueError(f"perm {value:#x}: takes bits of {limit:#x}")
    return value


def check_range(name: str, value: SupportsIndex, limit: int) -> int:
    """An integer in 0 ≤ value < limit, or TypeError, ValueError."""
    try:
        number: int = value.__index__()
    except AttributeError:
        raise TypeError(f"{name} is an integer, not {type(value).__name__}") from None
    if not 0 <= number < limit:
        raise ValueError(f"{name} {number}: out of range 0 ≤ {name} < {limit:#x}")
    return number


def check_pages(start: SupportsIndex, length: SupportsIndex) -> tuple[int, int]:
    """A range of whole pages in an address space, or TypeError, ValueError."""
    start = check_range("start", start, 1 << 64)
    length = check_range("length", length, 1 << 64)
    if start % PAGE_SIZE or length % PAGE_SIZE or not length:
        raise ValueError(f"start {start:#x}, length {length:#x}: whole pages of {PAGE_SIZE} bytes, at least one")
    if start + length >= 1 << 64:
        raise ValueError(f"start {start:#x}, length {length:#x}: the range ends beyond the address space")
    return start, length


def check_name(what: str, name: object) -> str:
    """A name that C can take: a str without NUL that is UTF-8."""
    if not isinstance(name, str):
        raise TypeError(f"the name of {what} is a str, not {type(name).__name__}")
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the name of {what} is no text: {error}") from None
    if b"\0" in encoded:
        raise ValueError(f"the name of {what} has a NUL in it")
    return name
