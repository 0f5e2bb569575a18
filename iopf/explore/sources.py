# SPDX-License-Identifier: GPL-2.0-only
"""The text of the places that a trace names: of the user's file, and of the C that iopf brings along."""

from __future__ import annotations

import linecache
import os
from typing import TYPE_CHECKING

from .._csrc_tools import csrc

if TYPE_CHECKING:
    from .lines import Place

__all__ = ["source_line", "source_lines"]


def _path(file: str) -> str | None:
    """Where a file is that a place names; None: not here."""
    if os.path.isabs(file):
        return file
    folder = csrc()
    if folder is None or not file.startswith("csrc/"):
        return None
    return str(folder / file.removeprefix("csrc/"))


def _printable(line: str) -> str:
    """Nothing of a file acts where it is shown: tabs are blanks, what else can't be printed is a question mark."""
    return "".join(character if character.isprintable() else " " if character == "\t" else "?" for character in line)


def source_lines(file: str, first: int, last: int) -> dict[int, str]:
    """The lines of a file from ``first`` to ``last``, those that there are, by number; empty where the file is not here."""
    path = _path(file)
    if path is None:
        return {}
    linecache.checkcache(path)
    lines = linecache.getlines(path)
    return {
        number: _printable(lines[number - 1].rstrip("\n").expandtabs())
        for number in range(max(first, 1), min(last, len(lines)) + 1)
    }


def source_line(place: Place) -> str | None:
    """The text of that line, without what stands around it; None where the file is not here, or says nothing there."""
    if not place.line:
        return None
    path = _path(place.file)
    if path is None:
        return None
    linecache.checkcache(path)
    line = _printable(linecache.getline(path, place.line).strip())
    return line if any(character.isalnum() for character in line) else None
