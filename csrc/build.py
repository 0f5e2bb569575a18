# SPDX-License-Identifier: GPL-2.0-only
"""What the extensions are made of: the one list of units, and the cffi modules over them.

A *unit* is a set of C files compiled with one include path, one set of macros and one set of flags; the compiler's
objects of a unit go to a directory of its own, so that several extensions may be built from one source at the same
time. A *flavour* is one extension: a runtime, the cores on it, and a face for Python. The same core file is compiled
once for every flavour; which kernel primitives it gets is decided by the include path alone.

``setup.py`` runs this file for its ``cffi_modules`` and compiles the units; ``iopf`` itself uses it to find the sources
for a core that is compiled later.
"""

import hashlib
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

CSRC = Path(__file__).resolve().parent
PACKAGE_ROOT = CSRC.parent

#: Flags for all of our C, as gcc takes them (compilers.py: what clang takes). Python's own CFLAGS carry -DNDEBUG and -O3, and come first: these have the last word.
CFLAGS = [
    "-std=gnu11", "-O2", "-g1", "-UNDEBUG", "-fvisibility=hidden", "-fno-strict-aliasing", "-Wall", "-Wextra",
    "-Werror=implicit-function-declaration", "-Werror=incompatible-pointer-types", "-Werror=int-conversion",
    "-Wno-unused-parameter", "-Wno-missing-field-initializers", f"-ffile-prefix-map={PACKAGE_ROOT}/=",
]  # fmt: skip
#: A core may be a file that somebody else wrote: it is compiled with the kernel's set of warnings, not with ours.
CORE_FLAGS = ["-Wno-unused-function", "-Wno-maybe-uninitialized"]

#: Functions of the extension module that C calls: one set in every run flavour (csrc/api/run.h, iopf_callbacks).
RUN_CALLBACKS = """
extern "Python" int iopf_on_handle(uint64_t handler, uint64_t device, const iopf_core *core, iopf_group *group, size_t faults,
                                   uint64_t work_of);
extern "Python" void iopf_on_response(uint64_t device, struct iopf_response *response, uint64_t work_of);
extern "Python" int iopf_on_poll(void);
"""


@dataclass(frozen=True)
class Unit:
    """C files that are compiled alike. Paths are relative to csrc."""

    name: str
    sources: tuple[str, ...]
    include: tuple[str, ...]
    macros: tuple[tuple[str, str], ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flavour:
    """One extension module, ``iopf._<name>``."""

    name: str
    faces: tuple[str, ...]
    units: tuple[Unit, ...]
    callbacks: str = ""
    libraries: tuple[str, ...] = ("pthread",)
    sanitizable: bool = True
    line_map: bool = False
    flags: tuple[str, ...] = field(default=())


#: Every core, by its C identifier: the source as csrc/forms/unit.c includes it, and its facets header or None.
CORES: dict[str, tuple[str, str | None]] = {
    "iopf": ("io-pgfault.c", None),
    **{
        name.translate(str.maketrans(".-", "__")): (f"../history/{name}.c", f"../history/facets/{name}.h")
        for name in (
            "v5.14", "locking", "lkml-v8", "refcount", "remove-void", "track-group", "void-response", "v6.9", "6.10.y", "v6.11", "v6.12",
            "v6.14", "v7.2",
        )
    },
}  # fmt: skip


def _sources(*rooms: str) -> tuple[str, ...]:
    """The C files of rooms, without those of the rooms inside them."""
    return tuple(f"{room}/{path.name}" for room in rooms for path in sorted((CSRC / room).glob("*.c")))


def core_unit(identifier: str, include: tuple[str, ...], flags: tuple[str, ...] = ()) -> Unit:
    """The unit of one core, for the runtime that comes first on the include path."""
    source, facets = CORES[identifier]
    macros = [("CORE_SOURCE", f'"{source}"'), ("CORE_ID", identifier)]
    if facets is not None:
        macros.append(("CORE_FACETS", f'"{facets}"'))
    return Unit(
        f"core-{identifier}", ("forms/unit.c",), (*include, "forms", "core"), tuple(macros), (*CORE_FLAGS, *flags)
    )


def _list_of_cores(include: tuple[str, ...]) -> Unit:
    """csrc/forms/cores.c, and what it is told: the cores that are built in, in this order."""
    return Unit(
        "forms",
        ("forms/cores.c",),
        (*include, "forms"),
        (("CORES", " ".join(f"CORE({identifier})" for identifier in CORES)),),
    )


def run_flavour(runtime: str) -> Flavour:
    """A flavour that runs on threads: ``native`` or ``plain``."""
    include = (f"runtime/{runtime}", "include", "runtime")
    units = [
        Unit("runtime", _sources(f"runtime/{runtime}"), include, flags=("-fno-tree-loop-distribute-patterns",)),
        Unit("shared", _sources("runtime/shared"), include),
        Unit("threads", _sources("runtime/threads"), include),
        *(core_unit(identifier, include) for identifier in CORES),
        _list_of_cores(include),
        *(
            Unit(room.rpartition("/")[2], _sources(room), (*include, "forms", "driver", "api"))
            for room in ("api", "api/trace", "api/bench")
        ),
    ]
    faces = ("api/run.h", "api/trace/trace.h", "api/bench/bench.h")
    return Flavour(runtime, faces, tuple(units), RUN_CALLBACKS)


#: What makes a core one for the explorer: the compiler's calls for every access, answered by csrc/runtime/explore and never by
#: libtsan. Volatile accesses get calls of their own; string functions are ours, so that none is expanded in line.
EXPLORED_FLAGS = (
    "-O1",
    "-fsanitize=thread",
    "-fno-builtin",
    "--param=tsan-distinguish-volatile=1",
    "-U_FORTIFY_SOURCE",
    "-Dmemcpy=iopf_explore_memcpy",
    "-Dmemmove=iopf_explore_memcpy",
    "-Dmemset=iopf_explore_memset",
)

#: The explorer switches stacks by hand (runtime/explore/machine/fiber.c), so it must not be marked as fit for a shadow stack,
#: which some compilers do unasked.
EXPLORE_FLAGS = ("-fcf-protection=none",) if platform.machine() in ("x86_64", "i686") else ()

EXPLORE_CALLBACKS = """
extern "Python" int xp_on_progress(void *arg, const struct xp_progress *progress);
extern "Python" const char *xp_on_function(const struct xp_place *place);
"""


#: What the explorer is made of above its runtime, from below.
EXPLORE_ROOMS = ("scenario", "names", "monitor", "program", "strategy", "report", "guard")


def explore_flavour() -> Flavour:
    """The flavour that runs under the deterministic scheduler. Only its core units are instrumented."""
    include = ("runtime/explore/primitives", "include", "runtime")
    runtime = (*include, "runtime/explore")
    units = [
        Unit("runtime", _sources(*(f"runtime/explore/{room}" for room in ("machine", "detect", "schedule", "primitives"))), runtime),
        *(core_unit(identifier, include, EXPLORED_FLAGS) for identifier in CORES),
        _list_of_cores(include),
        Unit("explore", _sources("explore", *(f"explore/{room}" for room in EXPLORE_ROOMS)), (*runtime, "forms", "driver", "explore")),
    ]  # fmt: skip
    return Flavour(
        "explore",
        ("explore/explore.h",),
        tuple(units),
        EXPLORE_CALLBACKS,
        sanitizable=False,
        line_map=True,
        flags=EXPLORE_FLAGS,
    )


def flavours() -> tuple[Flavour, ...]:
    """All extensions of a build."""
    return (run_flavour("native"), run_flavour("plain"), explore_flavour())


def sources_hash() -> str:
    """A hash of everything under csrc that a build depends on: what a stale extension is told by."""
    digest = hashlib.sha256()
    for path in dependencies():
        digest.update(str(path.relative_to(CSRC)).encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def dependencies() -> list[Path]:
    """Every file whose change calls for a new build."""
    return sorted(
        path
        for path in CSRC.rglob("*")
        if path.suffix in {".c", ".h"} or path.name in {"build.py", "compilers.py", "lines.py"}
    )


# What a compiler's command brings with it, from CC and CFLAGS. Our flags come after it and have the last word, but for
# these: link-time optimisation takes code out of its unit and away from the flags of that unit, and -Wp reaches the
# preprocessor after every -U.
_LINK_TIME = re.compile(r"-f(no-)?(lto|fat-lto-objects|use-linker-plugin|whole-program)\b.*")
_FORTIFY = re.compile(r"-(D|U|Wp,).*_FORTIFY_SOURCE.*")


def without_link_time(command: Iterable[str]) -> list[str]:
    """A compiler's or linker's command, without link-time optimisation."""
    return [part for part in command if not _LINK_TIME.fullmatch(part)]


def without_fortify(command: Iterable[str]) -> tuple[list[str], list[str]]:
    """A compiler's command without what fortifies, and that: units that are explored are compiled without."""
    fortify = [part for part in command if _FORTIFY.fullmatch(part)]
    return [part for part in command if part not in fortify], fortify


def is_explored(unit: Unit) -> bool:
    """Is it compiled with the calls for every access?"""
    return set(EXPLORED_FLAGS) <= set(unit.flags)


def overridden(command: Iterable[str]) -> str | None:
    """Which flags of a command the build does not follow, and why, in a line; None: it follows all."""

    def found(pattern: str) -> str:
        return " ".join(dict.fromkeys(part for part in command if re.fullmatch(pattern, part)))

    said = [
        f"{flags} {why}"
        for flags, why in (
            (found(_LINK_TIME.pattern), "nowhere: every unit has flags of its own"),
            (found(_FORTIFY.pattern), "not in the explored cores, whose accesses are all looked at"),
            (
                found("-fcf-protection(=(full|return))?") if EXPLORE_FLAGS else "",
                "not in the explorer, which switches stacks",
            ),
            (found("-O([^2]|fast)?"), "is -O2, and -O1 in the explored cores"),
        )
        if flags
    ]
    return f"flags that are overridden: {'; '.join(said)}" if said else None


_CDEF = re.compile(r"/\* cdef-begin \*/\n(.*?)/\* cdef-end \*/", re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_EXPRESSION = re.compile(r"^#define\s+(\w+)[ \t]+(?!(?:0x[0-9a-fA-F]+|\d+)[ \t]*$)\S.*$", re.MULTILINE)


def face_cdef(face: str) -> str:
    """What cffi learns from a face: the text between its markers, constants that are no number left to the compiler."""
    text = (CSRC / face).read_text()
    parts = _CDEF.findall(text)
    if not parts:
        raise ValueError(f"csrc/{face} has no text between /* cdef-begin */ and /* cdef-end */")
    return _EXPRESSION.sub(r"#define \1 ...", _COMMENT.sub("", "".join(parts)))


def instrumented(flavour: Flavour, unit: Unit | None = None) -> list[str]:
    """Compiler and linker flags for what the environment asks for; of a unit, or of the module and the link.

    IOPF_COVERAGE=1 counts the lines that run, for gcov. What is explored can't be counted: the explorer would take the
    counters for memory that tasks share.
    """
    if os.environ.get("IOPF_COVERAGE"):
        return [] if unit is not None and is_explored(unit) else ["--coverage", "-fprofile-update=atomic", "-O1", "-g"]
    return sanitizers() if flavour.sanitizable else []


def sanitizers() -> list[str]:
    """Compiler and linker flags for IOPF_SANITIZE: ``address,undefined`` or ``thread``; empty for a release build."""
    wanted = os.environ.get("IOPF_SANITIZE", "").strip()
    if not wanted:
        return []
    known = {"address", "undefined", "thread"}
    names = wanted.split(",")
    if not set(names) <= known or {"address", "thread"} <= set(names):
        raise SystemExit(f"IOPF_SANITIZE={wanted}: takes 'address', 'undefined', 'address,undefined' or 'thread'")
    return [f"-fsanitize={wanted}", "-fno-omit-frame-pointer", "-O1", "-g"]


def ffi_module(flavour: Flavour):
    """The cffi builder of a flavour, for ``cffi_modules`` in setup.py."""
    import cffi

    ffi = cffi.FFI()
    for face in flavour.faces:
        ffi.cdef(face_cdef(face))
    ffi.cdef(flavour.callbacks)
    ffi.cdef("extern const char *const iopf_sources_hash;\nextern const char *const iopf_build_flags;")
    flags = [*CFLAGS, *flavour.flags, *instrumented(flavour)]
    shown = " ".join(flag for flag in flags if not flag.startswith("-ffile-prefix-map"))
    ffi.set_source(
        f"iopf._{flavour.name}",
        "".join(f'#include "{face}"\n' for face in flavour.faces)
        + f'static const char *const iopf_sources_hash = "{sources_hash()}";\n'
        + f'static const char *const iopf_build_flags = "{shown}";\n',
        include_dirs=[os.path.relpath(CSRC, os.getcwd())],
        libraries=list(flavour.libraries),
        extra_compile_args=[*flags, "-Wno-unused-function"],
        extra_link_args=instrumented(flavour),
        depends=[os.path.relpath(path, os.getcwd()) for path in dependencies()],
    )
    return ffi


# cffi runs this file by itself and takes the builders from its globals; a plain import has no use for them.
if __name__ == "__cffi__":
    globals().update({f"ffi_{flavour.name}": (lambda flavour=flavour: ffi_module(flavour)) for flavour in flavours()})
