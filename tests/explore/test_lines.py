# SPDX-License-Identifier: GPL-2.0-only
"""The line map: addresses of a shared object to file, line and function, the same as addr2line says."""

import importlib.util
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import iopf
from iopf.explore.lines import LineMap, Place, find, map_path

SOURCE = """
static __attribute__((noinline)) int helper(int x)
{
    return x * 3 + 1;
}

int entry(int x);
int entry(int x)
{
    int sum = 0;
    for (int i = 0; i < x; i++)
        sum += helper(i);
    return sum;
}
"""


def lines_module():
    path = Path(__file__).resolve().parents[2] / "csrc" / "lines.py"
    spec = importlib.util.spec_from_file_location("lines_of_the_build", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A shared object with line information, and its map."""
    for tool in ("gcc", "objdump", "addr2line", "nm"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    folder = tmp_path_factory.mktemp("lines")
    (folder / "some thing.c").write_text(SOURCE)
    library = folder / "thing.so"
    subprocess.run(["gcc", "-g1", "-O1", "-shared", "-fPIC", "-o", library, folder / "some thing.c"], check=True)
    lines_module().write_line_map(library, map_path(library))
    return library


def test_every_address_of_our_functions_has_the_line_that_addr2line_gives(built):
    """The map and binutils agree, address by address."""
    symbols = subprocess.run(["nm", "-S", built], capture_output=True, text=True, check=True).stdout
    spans = [
        (int(start, 16), int(size, 16), name)
        for start, size, name in re.findall(r"(\w+) (\w+) [tT] (helper|entry)$", symbols, re.M)
    ]
    assert {"helper", "entry"} == {name for _, _, name in spans}
    for start, size, name in spans:
        for address in range(start, start + size):
            said = subprocess.run(["addr2line", "-e", built, hex(address)], capture_output=True, text=True, check=True)
            file, _, line = said.stdout.split(" (")[0].strip().rpartition(":")
            place = find(str(built), address)
            assert (Path(file).name, int(line), name) == (Path(place.file).name, place.line, place.function)


def test_an_inline_function_of_a_kernel_header_is_where_it_is_called(tmp_path):
    """A line of list.h says little: the place is the line of the file that calls it, and the header's is beside it.

    Any other function is itself, whatever it was compiled into, and knows the calls that were.
    """
    for tool in ("gcc", "objdump", "addr2line", "nm"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    header, own = tmp_path / "include" / "linux" / "cell.h", tmp_path / "own.h"
    header.parent.mkdir(parents=True)
    header.write_text("static inline void set(volatile int *p)\n{\n\t*p = 1;\n}\n")
    own.write_text("static inline void twice(volatile int *p)\n{\n\t*p = 2;\n}\n")
    source = tmp_path / "user.c"
    source.write_text(
        '#include <linux/cell.h>\n#include "own.h"\nvoid f(volatile int *p);\nvoid f(volatile int *p)\n{\n'
        "\tset(p);\n\tset(p);\n\ttwice(p);\n}\n"
    )
    library = tmp_path / "thing.so"
    subprocess.run(
        ["gcc", "-g1", "-O1", "-shared", "-fPIC", f"-I{tmp_path}/include", "-o", library, source], check=True
    )
    lines_module().write_line_map(library, map_path(library))
    symbols = subprocess.run(["nm", "-S", library], capture_output=True, text=True, check=True).stdout
    start, size = (int(number, 16) for number in re.search(r"(\w+) (\w+) T f$", symbols, re.M).groups())
    places = [find(str(library), address) for address in range(start, start + size)]
    told = {str(place).replace(f"{tmp_path}/", "") for place in places}
    assert {"user.c:6 f (linux/cell.h:3)", "user.c:7 f (linux/cell.h:3)", "own.h:3 twice"} <= told
    callers = {
        tuple((caller.line, caller.function) for caller in place.callers)
        for place in places
        if place.function == "twice"
    }
    assert {((8, "f"),)} == callers


def test_an_address_outside_is_shown_as_an_offset(built, tmp_path):
    """Nothing fails for want of a line: outside of all functions, and without a map."""
    assert Place("thing.so+0x1", 0, None) == find(str(built), 1)
    assert "thing.so+0xfffffff" == str(find(str(built), 0xFFFFFFF))
    assert Place("none.so+0x10", 0) == find(str(tmp_path / "none.so"), 0x10)


def test_a_map_of_another_version_is_not_read(tmp_path):
    """The first line says what it is."""
    with pytest.raises(ValueError):
        LineMap("iopf-lines 9\nF other x.c\n")
    library = tmp_path / "x.so"
    map_path(library).write_text("iopf-lines 9\n")
    assert "x.so+0x20" == str(find(str(library), 0x20))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("F other a.c\nL 10 7 0\nS 10 20 f\n", "a.c:7 f"),
        ("F other a.c\nL 10 7 0\nS 10 20 f", "x.so+0x18"),  # cut off
        ("F other a.c\nL 10 7 1\nS 10 20 f\n", "x.so+0x18"),  # there is no file 1
        ("F other a.c\nL 10 x 0\nS 10 20 f\n", "x.so+0x18"),
        ("F other a.c\nL zz 7 0\nS 10 20 f\n", "x.so+0x18"),
        ("F other a.c\nL 10\nS 10 20 f\n", "x.so+0x18"),
        ("F other a.c\nL 10 7 0\nS 10\n", "x.so+0x18"),
        ("F other a.c\nS 10 20 f\n", "x.so+0x18 f"),
        ("L 10 7 0\n", "x.so+0x18"),
        ("F other a.c\nL 10 7 0\n", "a.c:7"),
        ("", "x.so+0x18"),
    ],
)
def test_a_map_that_is_damaged_is_as_good_as_none(tmp_path, text, shown):
    """Whatever is wrong with a row is found when it is looked up, and nothing fails for it."""
    map_path(tmp_path / "x.so").write_text(f"iopf-lines 3\n{text}")
    assert shown == str(find(str(tmp_path / "x.so"), 0x18))


def test_what_calls_the_functions_of_every_core_is_there_and_is_marked():
    """By its path, so a file that was moved is told; and the map of the explorer has all of them, marked, and others."""
    callers = lines_module().CALLERS
    root = Path(__file__).resolve().parents[2]
    if (root / "csrc").exists():
        assert [] == [path for path in callers if not (root / path).exists()]
    extension = next(Path(iopf.__file__).parent.glob("_explore*.so"))
    rows = [row.split(" ", 2)[1:] for row in map_path(extension).read_text().splitlines() if row.startswith("F ")]
    assert set(callers) == {path[path.index("csrc/") :] for room, path in rows if room == "caller"}
    assert {"caller", "other"} == {room for room, _ in rows}


def test_rows_that_are_left_out_leave_a_hole(built, tmp_path):
    """``only`` drops files, and no address of theirs falls to a neighbour."""
    target = tmp_path / "none.lines"
    lines_module().write_line_map(built, target, only=lambda path: False)
    empty = LineMap(target.read_text())
    assert [] == [offset for offset in random.Random(1).sample(range(0x4000), 500) if empty.find(offset)]


def test_missing_binutils_are_named(built, tmp_path, monkeypatch):
    """The build says what to install, and leaves no half map."""
    monkeypatch.setenv("OBJDUMP", "no-such-objdump")
    module = lines_module()
    with pytest.raises(module.NoLines, match="binutils"):
        module.write_line_map(built, tmp_path / "x.lines")
    assert [] == list(tmp_path.iterdir())


def test_it_is_enough_to_ask_where_instructions_begin(kernel_trees, monkeypatch):
    """The map of a kernel file, with all that was compiled into what: the same as when each byte is asked for, which is done
    where the disassembly does not fit the line table."""
    kernel_trees.compile([("form-j", "explore")])
    library = kernel_trees.core("form-j", "explore").library
    module = lines_module()
    asked = []

    def run(*command, lines=(), before=module._run):
        asked.append(len(lines))
        return before(*command, lines=lines)

    monkeypatch.setattr(module, "_run", run)
    by_instruction, few = module.line_map(library), max(asked)
    monkeypatch.setattr(module, "_instructions", lambda so_path: {1})
    asked.clear()
    assert by_instruction == module.line_map(library)
    assert 2 * few < max(asked) and " in " in by_instruction and " from " in by_instruction


@pytest.mark.parametrize("odd", [b"\r", b"\f", b"\x1c", "\x85".encode(), "\u2028".encode(), b"\xe9"], ids=repr)
def test_a_path_may_hold_any_byte_but_a_line_feed(tmp_path, odd):
    """What splitlines() and text files take for a line's end is none, and what is no UTF-8 comes through."""
    for tool in ("gcc", "objdump", "addr2line"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    source = tmp_path / os.fsdecode(b"a" + odd + b"b.c")
    source.write_text(SOURCE)
    library = tmp_path / "thing.so"
    subprocess.run(["gcc", "-g1", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
    lines_module().write_line_map(library, map_path(library))
    rows = map_path(library).read_bytes().split(b"\n")
    assert any(row.startswith(b"F ") and row.endswith(b"a" + odd + b"b.c") for row in rows)
    assert find(str(library), 1) is not None
