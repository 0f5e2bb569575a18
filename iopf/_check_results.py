# SPDX-License-Identifier: GPL-2.0-only
"""The cache of results: a cell that was explored before is not explored again.

What a cell shows follows from the core, the scenario, the options that matter and iopf itself, so the name of a result
is a hash of all of these: of a file, its path and content, its facets, what its headers add, the compiler; of a core of
the build, the extension; the scenario as data; the budget; the code of the package. Only what is final is kept: a
search that came to its end. A result that was bounded, sampled or cut short, or whose process died, is asked for again.

A column has one file, in a directory that belongs to the user, beside the compiled cores (_cache.py says where). It is
a line with a hash of the rest, and the rest: what does not fit together is as good as nothing. A file is made aside and
renamed, under a lock on the directory; two processes that write the same column keep the cells of both. The MAX_FILES
files, and MAX_BYTES, that were used last are kept. Where nothing can be written, nothing is.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path

from . import _cache
from ._check_table import Cell, Finding
from ._extension import load_extension
from .explore.scenario import BaseScenario

__all__ = ["MAX_BYTES", "MAX_FILES", "Column", "of_built_in", "scenario_key"]

MAX_FILES = 1024
MAX_BYTES = 128 << 20
#: One column has a few hundred KB at most; a file that is larger is none of ours.
MAX_FILE = 64 << 20
HEADER = b"iopf-results 1 "
SUFFIX = ".cells"


@functools.cache
def _package() -> str:
    """A hash of the package's own code: what explores, shrinks, and puts into words."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parent
    for path in sorted([*root.glob("*.py"), *(root / "explore").glob("*.py")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _explorer() -> str:
    """A hash of the explorer as it was built, with its line map."""
    path = Path(load_extension("explore").__file__)
    digest = hashlib.sha256(path.read_bytes())
    with contextlib.suppress(FileNotFoundError):
        digest.update(path.with_name(f"{path.name}.lines").read_bytes())
    return digest.hexdigest()


def of_built_in(name: str) -> str:
    """What stands for a core of the build, where a file has the digest of its compile."""
    return f"built in: {name}"


def scenario_key(scenario: BaseScenario) -> str:
    """What stands for a scenario: all that it says."""
    return hashlib.sha256(json.dumps(scenario.to_dict(), sort_keys=True).encode()).hexdigest()


def _is_final(cell: Cell) -> bool:
    """Would the same search say the same, whenever it is run?"""
    return cell.exhausted and cell.verdict in ("pass", "fail") and cell.executions > 0


_CELL = {field.name for field in fields(Cell)} - {"core", "scenario", "findings", "cached"}
_FINDING = {field.name for field in fields(Finding)}


def _cell(data: Mapping[str, object], scenario: str, core: str) -> Cell:
    """A cell from what was kept of it; KeyError or TypeError: it is something else."""
    found = data["findings"]
    if not isinstance(found, list) or set(data) != _CELL | {"findings"}:
        raise TypeError("no cell")
    findings = []
    for one in found:
        if set(one) != _FINDING:
            raise TypeError("no finding")
        findings.append(Finding(**{**one, "clauses": tuple(one["clauses"])}))
    plain = {name: value for name, value in data.items() if name != "findings"}
    return Cell(scenario=scenario, core=core, findings=tuple(findings), cached=True, **plain)  # type: ignore[arg-type]


class Column:
    """What is known of one core under one set of options."""

    def __init__(self, core: str, options: Mapping[str, object]):
        """
        :param core: the digest of a compile, or of_built_in()
        :param options: those that a result depends on
        """
        parts = [core, json.dumps(dict(options), sort_keys=True), _package(), _explorer()]
        self._name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40] + SUFFIX
        self._cells: dict[str, dict[str, object]] = {}
        self._new: dict[str, dict[str, object]] = {}
        for place in _cache.places("results"):
            if place.readable and (cells := _read(place.root / self._name)) is not None:
                self._cells = cells
                with contextlib.suppress(OSError):
                    os.utime(place.root / self._name)
                break

    def get(self, key: str, scenario: str, core: str) -> Cell | None:
        """The cell of a scenario's key, under the names of its row and column; None: it has to be explored."""
        data = self._cells.get(key)
        if data is None:
            return None
        try:
            cell = _cell(data, scenario, core)
        except (KeyError, TypeError, ValueError):
            return None
        return cell if _is_final(cell) else None

    def put(self, key: str, cell: Cell) -> None:
        """Keeps a cell when it is final; save() writes it."""
        if _is_final(cell):
            data = asdict(cell)
            for name in ("core", "scenario", "cached"):
                del data[name]
            self._new[key] = data

    def save(self) -> None:
        """Writes what is new, where that can be done."""
        if not self._new:
            return
        for place in _cache.places("results"):
            if not place.usable():
                continue
            try:
                _write(place.root, self._name, {**self._cells, **self._new})
            except OSError as error:
                place.failed(error)
                continue
            self._new.clear()
            return


def _read(path: Path) -> dict[str, dict[str, object]] | None:
    """The cells of a file; None: there is none, or it is damaged."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(descriptor, "rb") as file:
            content = file.read(MAX_FILE + 1)
        head, _, rest = content.partition(b"\n")
        if len(content) > MAX_FILE or head != HEADER + hashlib.sha256(rest).hexdigest().encode():
            return None
        unpacker = zlib.decompressobj()
        cells = json.loads(unpacker.decompress(rest, MAX_FILE))
    except (OSError, ValueError, zlib.error, RecursionError):
        return None
    if not isinstance(cells, dict) or not all(isinstance(cell, dict) for cell in cells.values()):
        return None
    return cells


def _write(root: Path, name: str, cells: dict[str, dict[str, object]]) -> None:
    with _cache.changing(root):
        import tempfile

        cells = {**(_read(root / name) or {}), **cells}
        rest = zlib.compress(json.dumps(cells).encode(), 1)
        descriptor, made = tempfile.mkstemp(prefix=".writing-", dir=root)
        try:
            with open(descriptor, "wb") as file:
                file.write(HEADER + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
            os.replace(made, root / name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(made)
            raise
        _make_room(root, name)


def _make_room(root: Path, new: str) -> None:
    """Removes what is too much, the least recently used first, and what killed processes left."""
    now = time.time()
    files: list[tuple[float, int, str]] = []
    for entry in os.scandir(root):
        with contextlib.suppress(OSError):
            state = entry.stat(follow_symlinks=False)
            if entry.name.startswith(".writing-"):
                if now - state.st_mtime > _cache.ABANDONED_SECONDS:
                    os.unlink(entry.path)
            elif entry.name.endswith(SUFFIX):
                files.append((state.st_mtime, state.st_size, entry.name))
    for name in _surplus(sorted(files, reverse=True), now):
        if name != new:
            with contextlib.suppress(OSError):
                os.unlink(root / name)


def _surplus(files: Iterable[tuple[float, int, str]], now: float) -> list[str]:
    """Of (time, size, name), the most recent first: the names of those that are too much, or too old."""
    gone, count, size = [], 0, 0
    for touched, bytes_, name in files:
        count, size = count + 1, size + bytes_
        if count > MAX_FILES or size > MAX_BYTES or now - touched > _cache.UNUSED_SECONDS:
            gone.append(name)
    return gone
