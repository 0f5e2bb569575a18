# SPDX-License-Identifier: GPL-2.0-only
"""The line map of a shared object: which file and line an address in it comes from, and in which function.

It is written where the object is built, since a machine that has only the wheel has no binutils. Text, one record a
line, addresses in hexadecimal:

    iopf-lines 2
    F <path>                    files, numbered from 0
    L <address> <line> <file>   from this address on; line 0: no line is known from here on. Sorted
    L <address> <line> <file> <line> <file>
                                the same, of an inline function of a kernel header: the line that calls it, then its own
    S <address> <size> <name>   functions. Sorted

``iopf.explore.lines`` reads it.
"""

import itertools
import os
import re
import subprocess

HEADER = "iopf-lines 2"

_FILE = re.compile(r"^(?:CU: )?(\S.*?):(?:\[\+\+\])?$")
_ROW = re.compile(r"^(\S.*?)\s+(\d+|-)\s+(0x[0-9a-f]+)")
_SYMBOL = re.compile(r"^([0-9a-f]+) .{6}F \S+\s+([0-9a-f]+) +(?:\.hidden |\.protected |\.internal )?(\S+)$")


#: What a core includes and calls as the kernel's: a place there says little without the line that calls it.
_KERNEL_HEADER = re.compile(r"(^|/)(include/linux|runtime/[^/]+)/[^/]+\.h$")


class NoLines(RuntimeError):
    """The line map could not be made; the message says why."""


def _objdump(*arguments):
    return _run(os.environ.get("OBJDUMP", "objdump"), *arguments)


def _run(*command, lines=()):
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, errors="replace",
                              env=environment, check=True)
    except FileNotFoundError:
        raise NoLines(f"there is no {command[0]}: install binutils") from None
    except subprocess.CalledProcessError as error:
        raise NoLines(f"{' '.join(command)} failed: {error.stderr.strip()}") from None
    return done.stdout.splitlines()


def _callers(so_path, rows):
    """For each address of a kernel header's inline function: (line, path) of what is no such header and calls it.

    Every address is asked for: two calls in a row of the same function are one row of the table.
    """
    addresses = [
        f"{address:x}"
        for (first, line, path), (behind, _, _) in itertools.pairwise(rows) if line and _KERNEL_HEADER.search(path)
        for address in range(first, behind)
    ]
    if not addresses:
        return {}
    callers, known, address = {}, {path for _, _, path in rows}, 0
    for text in _run(os.environ.get("ADDR2LINE", "addr2line"), "-a", "-i", "-e", str(so_path), lines=addresses):
        if text.startswith("0x"):
            address = int(text, 16)
            continue
        path, _, line = text.partition(" (discriminator")[0].rpartition(":")
        path = os.path.normpath(path)
        if address not in callers and line.isdigit() and int(line) and not _KERNEL_HEADER.search(path):
            callers[address] = int(line), _as_compiled(path, known)
    return callers


def _split(rows, callers):
    """Rows with what calls them, or None; one more wherever that changes."""
    for (first, line, path), (behind, _, _) in itertools.pairwise([*rows, (rows[-1][0] + 1, 0, "")] if rows else []):
        yield first, line, path, callers.get(first)
        if first not in callers:
            continue
        for address in range(first + 1, behind):
            if callers.get(address) != callers.get(address - 1):
                yield address, line, path, callers.get(address)


def _as_compiled(path, known):
    """A path that addr2line has made absolute as the compiler was told it."""
    parts = path.split("/")
    return next((tail for tail in ("/".join(parts[first:]) for first in range(len(parts))) if tail in known), path)


def _rows(lines):
    """Rows (address, line, path), sorted: a path as the compiler was told it."""
    path, rows = "", []
    for text in lines:
        row = _ROW.match(text)
        if row:
            line = 0 if row[2] == "-" else int(row[2])
            full = path if os.path.basename(path) == os.path.basename(row[1].rstrip(":")) else row[1]
            rows.append((int(row[3], 16), line, os.path.normpath(full)))
            continue
        header = _FILE.match(text)
        if header:
            path = header[1]
    # The end of one sequence may be the start of the next: the start wins. Else the last row of an address counts.
    rows = [row for _, row in sorted(enumerate(rows), key=lambda item: (item[1][0], item[1][1] != 0, item[0]))]
    kept = []
    for row in rows:
        if kept and kept[-1][0] == row[0]:
            kept.pop()
        kept.append(row)
    return kept


def line_map(so_path, only=None):
    """The map of a shared object as text. ``only``: a predicate on paths; rows of other files are left out.

    NoLines when binutils are missing.
    """
    rows = _rows(_objdump("--dwarf=decodedline", "--wide", str(so_path)))
    if only is not None:
        rows = [row if not row[1] or only(row[2]) else (row[0], 0, "") for row in rows]
    files, text, last = {}, [], None
    for address, line, path, caller in _split(rows, _callers(so_path, rows)):
        entry = (line, files.setdefault(path, len(files)) if line else 0)
        if caller:
            entry = (caller[0], files.setdefault(caller[1], len(files)), *entry)
        if entry != last:
            text.append(" ".join(("L", f"{address:x}", *map(str, entry))))
        last = entry
    symbols = set()
    for line in _objdump("--syms", "--wide", str(so_path)):
        symbol = _SYMBOL.match(line)
        if symbol and int(symbol[2], 16):
            symbols.add((int(symbol[1], 16), int(symbol[2], 16), symbol[3]))
    text = [HEADER, *(f"F {path}" for path in files), *text,
            *(f"S {address:x} {size:x} {name}" for address, size, name in sorted(symbols))]
    return "\n".join(text) + "\n"


def write_line_map(so_path, map_path, only=None):
    """Writes the map of a shared object: line_map(). The file appears whole or not at all."""
    text = line_map(so_path, only)
    temporary = f"{map_path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, map_path)
