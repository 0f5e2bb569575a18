# SPDX-License-Identifier: GPL-2.0-only
"""The law of the house: arrows point down (csrc/README.md is the map).

Every C file is compiled, quickly and without optimisation, and what its object takes from others is held against one list
of rooms in order. So is what it includes. The controls are arrows that are put in. What a pointer to a function reaches is
no arrow: that is how who stands below calls who stands above.
"""

import os
import re
import shutil
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from iopf._csrc_tools import tool

build = tool("build")
compilers = tool("compilers")
CSRC = build.CSRC
COMPILER = shutil.which(os.environ.get("CC", "gcc").split()[0])

pytestmark = pytest.mark.skipif(
    COMPILER is None or shutil.which("nm") is None, reason="needs a C compiler and binutils"
)

#: From below. A room may use those before it. Halves: what both have, what runs on threads, what explores.
BOTH, RUN, EXPLORE = "both", "run", "explore"
ROOMS = (
    ("runtime", BOTH),  # what a runtime offers beside the kernel API: headers alone
    ("runtime/shared", RUN),
    ("runtime/native", RUN),
    ("runtime/plain", RUN),
    ("runtime/threads", RUN),
    ("runtime/explore/machine", EXPLORE),
    ("runtime/explore/detect", EXPLORE),
    ("runtime/explore/schedule", EXPLORE),
    ("runtime/explore/primitives", EXPLORE),
    ("core", BOTH),
    ("history", BOTH),
    ("forms", BOTH),
    ("driver", BOTH),
    ("api", RUN),
    ("api/trace", RUN),
    ("api/bench", RUN),
    ("explore/explore.h", EXPLORE),  # the face: numbers and structs
    ("explore/progress", EXPLORE),
    ("explore/scenario", EXPLORE),
    ("explore/names", EXPLORE),
    ("explore/monitor", EXPLORE),
    ("explore/program", EXPLORE),
    ("explore/strategy", EXPLORE),
    ("explore/report", EXPLORE),
    ("explore/guard", EXPLORE),
    ("explore", EXPLORE),
)
RANK = {room: rank for rank, (room, _) in enumerate(ROOMS)}
HALF = dict(ROOMS)

#: The kernel API, which every room speaks. It includes the headers of whichever runtime is under it.
API = "include"

#: Files that know each other, and why that stays.
CIRCLES = {
    frozenset(
        {"explore/program/program.c", "explore/program/lowlevel.c"}
    ): "the interpreter's own recursion: the body of a work is a program again"
}


def room_of(path):
    """The room that a file is in: of those whose name its path begins with, the longest."""
    found = [
        room
        for room in RANK
        if path.startswith(room + "/") or path == room or (path.startswith(room + ".") and not room.endswith(".h"))
    ]
    assert found, f"csrc/{path} is in no room: name it in tests/test_rooms.py, where it belongs in the order"
    return max(found, key=len)


def is_up(one, other):
    """Does an arrow from a file to another point up, or from one half into the other?"""
    halves = {HALF[room_of(one)], HALF[room_of(other)]}
    return RANK[room_of(one)] < RANK[room_of(other)] or {RUN, EXPLORE} <= halves


@dataclass
class Object:
    """What a file defines for others, and what it takes from them."""

    file: str
    defines: set
    takes: set


def compiled(file, unit, flavour, output, source=None):
    """The object of a file of csrc. ``source``: another text in its place."""
    flags = compilers.flags_for([COMPILER], [*build.CFLAGS, *flavour.flags, *unit.flags])
    flags = [flag for flag in flags if not flag.startswith(("-fsanitize", "-O", "-g", "-W"))]
    subprocess.run(
        [COMPILER, *flags, "-O0", "-w", *(f"-D{name}={value}" for name, value in unit.macros),
         *(f"-I{CSRC / folder}" for folder in unit.include), "-c", str(source or CSRC / file), "-o", str(output)], check=True,
    )  # fmt: skip
    defines, takes = set(), set()
    for line in subprocess.run(["nm", str(output)], capture_output=True, text=True, check=True).stdout.splitlines():
        *_, kind, name = line.split()
        if kind in "Uwv":
            takes.add(name)
        elif kind.isupper():
            defines.add(name)
    return Object(file, defines, takes)


#: Of the cores one of each kind of form: all are compiled from the same file.
CORES = {"core-iopf", "core-v5_14", "core-v7_2"}


def units_of(flavour):
    """Units to compile: of the plain flavour its runtime alone, whose API the native one has."""
    for unit in flavour.units:
        if unit.name.startswith("core-") and unit.name not in CORES:
            continue
        if flavour.name == "plain" and unit.name not in {"runtime", "shared", "threads"}:
            continue
        yield unit


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    """The objects of each flavour."""
    jobs = []
    for flavour in build.flavours():
        folder = tmp_path_factory.mktemp(flavour.name)
        jobs += [
            (source, unit, flavour, folder / f"{len(jobs)}-{unit.name}-{number}.o")
            for unit in units_of(flavour)
            for number, source in enumerate(unit.sources)
        ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda job: compiled(*job), jobs))
    found = defaultdict(list)
    for (_, _, flavour, _), each in zip(jobs, objects):
        found[flavour.name].append(each)
    return dict(found)


def arrows(objects):
    """Which file takes what from which: (one, other) -> names."""
    where = {name: each.file for each in objects for name in each.defines}
    found = defaultdict(set)
    for each in objects:
        for name in each.takes & set(where):
            if where[name] != each.file:
                found[each.file, where[name]].add(name)
    return dict(found)


def told(found):
    """Arrows that must not be, in words."""
    return sorted(
        f"csrc/{one} takes {', '.join(sorted(names))} from csrc/{other}"
        for (one, other), names in found.items()
        if is_up(one, other)
    )


def files_of(found):
    """Of each file those that it takes something from."""
    below = defaultdict(set)
    for one, other in found:
        below[one].add(other)
    return below


def test_every_file_is_in_a_room(linked):
    """And every room has one."""
    files = {str(path.relative_to(CSRC)) for path in CSRC.rglob("*.[ch]")}
    assert {room for room, _ in ROOMS} == {room_of(file) for file in files if not file.startswith(API + "/")}
    assert {each.file for objects in linked.values() for each in objects} <= files


#: Rooms whose files include the kernel API and nothing else; csrc/README.md has them.
WITHOUT_HEADER = {"runtime", "core", "history", "explore/explore.h", "explore/progress"}


def introduced(text):
    """The rooms that a header's first comment says what is in, and what they may use."""
    comment = text.partition("*/")[2].partition("*/")[0]  # after the line of the licence
    parts = re.split(r"^ \* ([a-z/]+)/: ", comment, flags=re.M)
    return {name for name, says in zip(parts[1::2], parts[2::2]) if "The room may use " in says}


def test_every_room_says_in_a_header_what_is_in_it_and_what_it_may_use():
    """In the first lines of one of its own; those of shared/ and threads/ lie beside them."""
    found = {
        f"{folder}/{name}" if folder else name
        for path in CSRC.rglob("*.h")
        for name in introduced(path.read_text())
        for folder in [str(path.relative_to(CSRC).parent) if name in {"shared", "threads"} else
                       str(path.relative_to(CSRC).parent)[: -len(name)].rstrip("/")]
    }  # fmt: skip
    assert {room for room, _ in ROOMS} - WITHOUT_HEADER == found


def test_a_header_that_says_half_of_it_is_none():
    """The control."""
    says = "/* SPDX */\n/*\n * attic/: old things.\n *\n * The room may use the stairs.\n */\n#include <a.h>\n"
    assert {"attic"} == introduced(says)
    assert (
        set()
        == introduced(says.replace("The room may use", "It needs"))
        == introduced(says.replace("attic/:", "The attic:"))
    )
    assert set() == introduced("/* SPDX */\n/* Old. */\n" + says)


@pytest.mark.parametrize("flavour", ["native", "plain", "explore"])
def test_no_file_takes_anything_from_a_room_above(linked, flavour):
    """By what the objects link."""
    assert [] == told(arrows(linked[flavour]))


def test_the_halves_do_not_know_each_other(linked):
    """What runs on threads takes nothing that only the explorer has, and the other way round, though neither is linked."""
    run = linked["native"] + linked["plain"]
    for one, other in ((run, linked["explore"]), (linked["explore"], run)):
        own = {name for each in one for name in each.defines}
        foreign = {name: each.file for each in other for name in each.defines - own}
        assert [] == [
            f"csrc/{each.file} takes {name} from csrc/{foreign[name]}"
            for each in one
            for name in sorted(each.takes & set(foreign))
        ]


def test_files_know_each_other_only_where_it_is_said_why(linked, circles):
    """A circle that is gone is to be taken off the list."""
    found = {frozenset(circle) for objects in linked.values() for circle in circles(files_of(arrows(objects)))}
    assert set(CIRCLES) == found


INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def includes(file, path):
    """The files of csrc that one includes, by the include path of its unit."""
    for quote, name in INCLUDE.findall((CSRC / file).read_text()):
        folders = [(CSRC / file).parent] if quote == '"' else []
        for folder in (*folders, *(CSRC / each for each in path)):
            if (folder / name).is_file():
                yield str((folder / name).resolve().relative_to(CSRC))
                break


def included(flavours):
    """All arrows of inclusion, also those from header to header."""
    found = defaultdict(set)
    for flavour in flavours:
        for unit in flavour.units:
            seen, left = set(), list(unit.sources)
            while left:
                file = left.pop()
                if file in seen:
                    continue
                seen.add(file)
                for other in includes(file, unit.include):
                    left.append(other)
                    if not {file.partition("/")[0], other.partition("/")[0]} & {API}:
                        found[file, other].add("it")
    return dict(found)


def test_no_file_includes_one_of_a_room_above():
    """Nor one of the other half."""
    found = included(build.flavours())
    assert ("explore/search.c", "explore/search.h") in found and ("api/bench/rig.h", "forms/core.h") in found
    assert [] == told(found)


PLANTED = {
    "up": ("explore", "runtime/explore/detect/planted.c", "void task_finish(void); void planted(void) { task_finish(); }",
           "csrc/runtime/explore/detect/planted.c takes task_finish from csrc/runtime/explore/schedule/engine.c"),
    "data": ("explore", "explore/strategy/planted.c", "extern int nr_found; int planted(void) { return nr_found; }",
             "csrc/explore/strategy/planted.c takes nr_found from csrc/explore/report/failure.c"),
    "run": ("native", "runtime/shared/planted.c", "long slab_live(void); long planted(void) { return slab_live(); }",
            "csrc/runtime/shared/planted.c takes slab_live from csrc/runtime/native/slab.c"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_an_arrow_that_is_put_in_is_named(linked, tmp_path, name):
    """The control: a file that takes something from above, compiled and read as all others are."""
    flavour_name, file, text, says = PLANTED[name]
    flavour = next(flavour for flavour in build.flavours() if flavour.name == flavour_name)
    (tmp_path / "planted.c").write_text(text)
    unit = next(unit for unit in flavour.units if unit.name == "runtime")
    planted = compiled(file, unit, flavour, tmp_path / "planted.o", tmp_path / "planted.c")
    assert [says] == told(arrows([*linked[flavour_name], planted]))


def test_a_circle_and_a_step_into_the_other_half_are_seen(circles):
    """The controls of the rest."""
    one, other = "explore/report/record.c", "explore/report/shrink.c"
    found = {(one, other): {"f"}, (other, one): {"g"}, (one, "explore/names/names.c"): {"h"}}
    assert [(one, other)] == circles(files_of(found))
    assert is_up("api/trace/trace.c", "runtime/explore/detect/hb.c") and is_up("explore/search.c", "api/report.c")
    assert not is_up("api/trace/trace.c", "runtime/native/rcu.c") and not is_up("explore/search.c", "forms/cores.c")
    with pytest.raises(AssertionError, match="is in no room"):
        room_of("attic/file.c")
