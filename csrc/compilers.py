# SPDX-License-Identifier: GPL-2.0-only
"""What differs between the C compilers: flags are written for gcc (build.py), and become another one's here.

``setup.py`` uses it for the extensions, ``iopf`` for a core that is compiled later.
"""

import functools
import subprocess

#: What each of gcc's flags is for clang. The instrumentation has options of its own there: a read before a write of the
#: same place counts, as it does for gcc; vectors are accesses that no hook has a name for; and copies of structures are
#: calls of memcpy, which clang-copies.h makes hooks of.
CLANG = {
    "-fno-tree-loop-distribute-patterns": (),
    "-Wno-maybe-uninitialized": (),
    "--param=tsan-distinguish-volatile=1": (
        "-mllvm",
        "-tsan-distinguish-volatile=1",
        "-mllvm",
        "-tsan-instrument-read-before-write=1",
        "-fno-vectorize",
        "-fno-slp-vectorize",
        "-include",
        "clang-copies.h",
    ),
}


#: What a compiler is asked, after its name, for the macros that it defines.
PROBE = ("-dM", "-E", "-x", "c", "/dev/null")


def are_clangs(macros: str) -> bool:
    """Is what PROBE printed clang's, whatever the compiler is called?"""
    return "#define __clang__ " in macros


@functools.cache
def is_clang(*command: str) -> bool:
    """Is the compiler clang? What can't be run is not."""
    try:
        done = subprocess.run([*command, *PROBE], capture_output=True, check=False)
    except OSError:
        return False
    return are_clangs(done.stdout.decode(errors="replace"))


def flags_for(command: list[str], flags: list[str], clang: bool | None = None) -> list[str]:
    """The flags, which are gcc's, as ``command`` takes them. ``clang``: whether it is, by who has asked it."""
    if not (is_clang(*command) if clang is None else clang):
        return list(flags)
    return [new for flag in flags for new in CLANG.get(flag, (flag,))]


def known(command: list[str], flags: list[str]) -> list[str]:
    """The flags that ``command`` knows: Python's own are those of the compiler that it was built with."""
    if not is_clang(*command) or _takes(command[:1], flags):
        return list(flags)
    return [flag for flag in flags if not flag.startswith("-") or _takes(command[:1], [flag])]


def _takes(command: list[str], flags: list[str]) -> bool:
    only = ("-Werror", "-Wno-unused-command-line-argument", "-fsyntax-only", "-x", "c", "/dev/null")
    done = subprocess.run([*command, *flags, *only], capture_output=True, check=False)
    return done.returncode == 0
