# SPDX-License-Identifier: GPL-2.0-only
"""The line map of a shared object: which file and line an address in it comes from, and in which function.

It is written where the object is built, since a machine that has only the wheel has no binutils. Text, one record a
line, addresses in hexadecimal:

    iopf-lines 3
    F <room> <path>             files, numbered from 0; room: "caller" calls the functions of every core, "other"
    N <name>                    names of functions, numbered from 0
    L <address> <line> <file>   from this address on; line 0: no line is known from here on. Sorted
    S <address> <size> <name>   functions of the symbol table. Sorted

After an L, where the code is a core's: " <name>" of the function that the line is in, whatever it was compiled into;
" in <line> <file>" if it calls an inline function of a kernel header, which the address is in; and for each function
that it was compiled into " from <line> <file> <name>", the line of the call, from the inside out.

``iopf.explore.lines`` reads it.
"""

import itertools
import os
import re
import subprocess

HEADER = "iopf-lines 3"

_FILE = re.compile(r"^(?:CU: )?(\S.*?):(?:\[\+\+\])?$")
_ROW = re.compile(r"^(\S.*?)\s+(\d+|-)\s+(0x[0-9a-f]+)")
_SYMBOL = re.compile(r"^([0-9a-f]+) .{6}F \S+\s+([0-9a-f]+) +(?:\.hidden |\.protected |\.internal )?(\S+)$")


#: What a core includes and calls as the kernel's: a place there says little without the line that calls it.
_KERNEL_HEADER = re.compile(r"(^|/)(include/linux|runtime/(native|plain|explore/primitives))/[^/]+\.h$")

#: The explorer itself, whose functions are few in a trace.
_EXPLORER = re.compile(r"(^|/)(explore/|runtime/|csrc/driver/|iopf\._\w+\.c$|python3)|^$")


#: Where the functions of every core are called from: such a place says nothing about any of them.
CALLERS = (
    "csrc/forms/layout.c",
    "csrc/forms/table.c",
    "csrc/history/registered-handler.c",
    "csrc/driver/driver.h",
    "csrc/explore/program/driver.c",
    "csrc/explore/program/handlers.c",
    "csrc/explore/program/processes.c",
)


def _room(path):
    return "caller" if path.endswith(CALLERS) else "other"


class NoLines(RuntimeError):
    """The line map could not be made; the message says why."""


def _objdump(*arguments):
    return _run(os.environ.get("OBJDUMP", "objdump"), *arguments)


def _run(*command, lines=()):
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, input="\n".join(lines).encode(), capture_output=True, env=environment, check=True
        )
    except FileNotFoundError:
        raise NoLines(f"there is no {command[0]}: install binutils") from None
    except subprocess.CalledProcessError as error:
        raise NoLines(f"{' '.join(command)} failed: {error.stderr.decode(errors='replace').strip()}") from None
    # As bytes: in a path, what else a str or a text file takes for a line's end is none.
    return done.stdout.decode(errors="surrogateescape").split("\n")[:-1]


def _instructions(so_path):
    """Where each instruction begins."""
    return {
        int(address, 16)
        for text in _objdump("--disassemble", "--no-show-raw-insn", str(so_path))
        if text[:1] == " "
        for address, colon, _ in [text.partition(":")]
        if colon
    }


def _frames(so_path, rows):
    """For each instruction of a core's code: its frames (line, path, function), from the inside out.

    Every one is asked for: two calls in a row of the same function are one row of the table.
    """
    code = [
        range(first, end)
        for (first, line, path), (end, _, _) in itertools.pairwise(rows)
        if line and not _EXPLORER.search(path)
    ]
    if not code:
        return {}
    starts = _instructions(so_path)
    if not all(stretch.start in starts for stretch in code):  # not disassembled as it was assembled: each byte, then
        starts.update(*code)
    addresses = [f"{address:x}" for stretch in code for address in stretch if address in starts]
    frames, known, same = {}, {path: path for _, _, path in rows}, {}

    def read(name, place):
        path, _, line = place.partition(" (discriminator")[0].rpartition(":")
        if path not in known:
            known[path] = _as_compiled(os.path.normpath(path), known)
        # GCC's names for what it made of a function: iopf_report_last.isra.0, ....part.0
        return int(line) if line.isdigit() else 0, known[path], name.partition(".")[0]

    told = _run(os.environ.get("ADDR2LINE", "addr2line"), "-a", "-i", "-f", "-e", str(so_path), lines=addresses)
    heads = [index for index, text in enumerate(told) if text.startswith("0x")]
    for head, next_head in itertools.pairwise([*heads, len(told)]):
        what = tuple(told[head + 1 : next_head])  # a function and a place for each frame: few stretches differ
        if what not in same:
            same[what] = tuple(map(read, what[::2], what[1::2]))
        frames[int(told[head], 16)] = same[what]
    return frames


def _split(rows, frames):
    """Rows with their frames, or (); one more wherever those change, which is at an instruction."""
    for (first, line, path), (end, _, _) in itertools.pairwise([*rows, (rows[-1][0] + 1, 0, "")] if rows else []):
        yield first, line, path, frames.get(first, ())
        if first not in frames:
            continue
        before = frames[first]
        for address in range(first + 1, end):
            if frames.get(address, before) != before:
                before = frames[address]
                yield address, line, path, before


class _Names(dict):
    """Numbers for names, in the order in which they come."""

    def __missing__(self, name):
        self[name] = len(self)
        return self[name]


def _entry(line, path, frames, files, names):
    """What an L says after its address."""
    own = next((index for index, frame in enumerate(frames) if frame[0] and not _KERNEL_HEADER.search(frame[1])), None)
    if not line or own is None or (frames[0][0], frames[0][1]) != (line, path):
        return f"{line} {files[path] if line else 0}"
    text = f"{frames[own][0]} {files[frames[own][1]]} {names[frames[own][2]]}"
    if own:
        text += f" in {line} {files[path]}"
    return text + "".join(f" from {line} {files[path]} {names[name]}" for line, path, name in frames[own + 1 :] if line)


def _as_compiled(path, known):
    """A path that addr2line has made absolute as the compiler was told it."""
    parts = path.split("/")
    return next(
        (known[tail] for tail in ("/".join(parts[first:]) for first in range(len(parts))) if tail in known), path
    )


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
    files, names, text, last = _Names(), _Names(), [], None
    for address, line, path, frames in _split(rows, _frames(so_path, rows)):
        entry = _entry(line, path, frames, files, names)
        if entry != last:
            text.append(f"L {address:x} {entry}")
        last = entry
    symbols = set()
    for line in _objdump("--syms", "--wide", str(so_path)):
        symbol = _SYMBOL.match(line)
        if symbol and int(symbol[2], 16):
            symbols.add((int(symbol[1], 16), int(symbol[2], 16), symbol[3]))
    text = [
        HEADER,
        *(f"F {_room(path)} {path}" for path in files),
        *(f"N {name}" for name in names),
        *text,
        *(f"S {address:x} {size:x} {name}" for address, size, name in sorted(symbols)),
    ]
    return "\n".join(text) + "\n"


def write_line_map(so_path, map_path, only=None):
    """Writes the map of a shared object: line_map(). The file appears whole or not at all."""
    text = line_map(so_path, only)
    temporary = f"{map_path}.{os.getpid()}.tmp"
    with open(temporary, "wb") as file:
        file.write(text.encode(errors="surrogateescape"))
    os.replace(temporary, map_path)
