# SPDX-License-Identifier: GPL-2.0-only
"""Addresses to source lines, from the map that the build writes beside a shared object (``csrc/lines.py``).

A core that is compiled later brings its own map. Where none lies beside the object it is made in memory, if binutils
are there; else a place is shown as module and offset. Nothing fails for want of a line.
"""

from __future__ import annotations

import bisect
import functools
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from .._csrc_tools import tool

__all__ = ["LineMap", "Place", "find", "map_path"]

HEADER = "iopf-lines 3"


@dataclass(frozen=True)
class Place:
    """A place in the code. ``line`` 0: no line is known, and ``file`` is the module then."""

    file: str
    line: int
    function: str | None = None
    #: the inline function of a kernel header that this line calls and that the place is in: "linux/list.h:64"
    inside: str | None = None
    #: calls that were compiled into their callers, from the inside out
    callers: tuple[Place, ...] = ()
    #: the functions of every core are called from there: it says nothing about any of them
    calls_cores: bool = field(default=False, repr=False, compare=False, metadata={"json": False})

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return " ".join(filter(None, (where, self.function, self.inside and f"({self.inside})")))

    @property
    def short(self) -> str:
        """The file without its folders, and the line."""
        name = os.path.basename(self.file)
        return f"{name}:{self.line}" if self.line else name


class LineMap:
    """The map of one shared object. It has tens of thousands of rows, and a trace names a few dozen places: a row is read
    when an address is looked up."""

    def __init__(self, text: str):
        if not text.startswith(f"{HEADER}\n") or not text.endswith("\n"):
            raise ValueError("this is no line map of this version of iopf, or not all of one")
        # Rows of a kind are together, and the kinds in this order.
        begins = [_first(text, kind) for kind in "FNLS"]
        files, names, self._lines, self._functions = (
            text[begin:end].split("\n")[:-1] for begin, end in zip(begins, [*begins[1:], len(text)])
        )
        #: (path, room)
        self._files = [(path, room) for _, room, path in (row.split(" ", 2) for row in files)]
        self._names = [row[2:] for row in names]
        self._found: dict[int, Place | None] = {}

    def find(self, offset: int) -> Place | None:
        """The place of an address in the object, or None."""
        if offset not in self._found:  # traces name few places, and often
            self._found[offset] = self._find(offset)
        return self._found[offset]

    def _find(self, offset: int) -> Place | None:
        index = bisect.bisect_right(self._lines, offset, key=_address) - 1
        if index < 0:
            return None
        entry = self._lines[index].split(" ", 2)[2]
        if entry.startswith("0 "):
            return None
        own, *calls = entry.split(" from ")
        own, _, inner = own.partition(" in ")
        place = self._place(own, self.function(offset))
        inside = self._place(inner) if inner else None
        return replace(
            place,
            inside=f"{'/'.join(inside.file.split('/')[-2:])}:{inside.line}" if inside else None,
            callers=tuple(map(self._place, calls)),
        )

    def _place(self, text: str, function: str | None = None) -> Place:
        """What an L says of one place: line, file, and the function if it knows better than ``function``."""
        line, file, *name = map(int, text.split())
        path, room = self._files[file]
        return Place(path, line, self._names[name[0]] if name else function, calls_cores=room == "caller")

    def function(self, offset: int) -> str | None:
        """The function that an address is in."""
        index = bisect.bisect_right(self._functions, offset, key=_address) - 1
        if index < 0:
            return None
        _, start, size, name = self._functions[index].split(" ", 3)
        # GCC's names for what it made of a function: iopf_report_last.isra.0, ....part.0, ....cold
        return name.partition(".")[0] if offset < int(start, 16) + int(size, 16) else None


def _first(text: str, kind: str) -> int:
    """Where the first row is of this kind or a later one."""
    for one in "FNLS"["FNLS".index(kind) :]:
        found = text.find(f"\n{one} ")
        if found >= 0:
            return found + 1
    return len(text)


def _address(row: str) -> int:
    """Of an L or an S."""
    return int(row[2 : row.index(" ", 2)], 16)


def _map_name(so_path: str | os.PathLike[str]) -> str:
    return f"{os.fspath(so_path)}.lines"


def map_path(so_path: str | os.PathLike[str]) -> Path:
    """Where the line map of a shared object is."""
    return Path(_map_name(so_path))


@functools.lru_cache(maxsize=64)
def _load(so_path: str, _stamp: tuple[int, int]) -> LineMap | None:
    try:
        return LineMap(map_path(so_path).read_bytes().decode(errors="surrogateescape"))
    except (OSError, ValueError):
        pass
    module = tool("lines")
    try:
        return LineMap(module.line_map(so_path)) if module is not None else None
    except (OSError, ValueError, RuntimeError):
        return None


def _stamp(path: str | os.PathLike[str]) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def find(so_path: str, offset: int) -> Place:
    """The place of an address in a shared object; its name and the offset when there is no map."""
    lines = _load(so_path, (_stamp(so_path), _stamp(_map_name(so_path))))
    module = f"{os.path.basename(so_path)}+{offset:#x}"
    try:
        place = lines.find(offset) if lines is not None else None
        return place or Place(module, 0, lines.function(offset) if lines else None)
    except (ValueError, IndexError):  # a row of a map that was damaged: it is as good as none
        return Place(module, 0)
