# SPDX-License-Identifier: GPL-2.0-only
"""A user's own ``drivers/iommu/io-pgfault.c`` as a core: the compile.

The file is compiled **unmodified**, as the form that its text shows (_facets.py), by way of ``csrc/forms/unit.c``.

Two traps decide how the compiler is called. ``#include "iommu-priv.h"`` looks beside the file *as it was opened* before
any ``-I`` path, and in a kernel tree the real one lies there, which drags in half the kernel or, worse, silently
replaces ours. So the compiler opens a symlink in a scratch directory, where nothing lies beside it, and
``-ffile-prefix-map`` puts the user's own path into ``__FILE__`` and the line tables. And because silence is the
dangerous case, ``-H`` lists what was included: anything else from the user's tree is an error.

A core becomes a shared library that is linked against the extension module of its runtime, which offers the kernel
primitives. It is kept in a cache (_cache.py) under a hash of all that went into it. Nothing is ever written beside the
user's file, which is a regular file of at most 4 MiB. Compiling a file and loading the result *runs* it: do it with files that you trust. A library
that was loaded stays: the runtime keeps pointers into it.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import importlib.util
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _cache, _failed_compiles, _members, _refusals
from ._cache import FULL
from ._csrc_tools import csrc, tool
from ._facets import SUPPORTED, CoreSourceError, Facets, ambiguous_dequeue, code_of, detect
from ._files import read_small
from ._processes import Watchdog, held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["SYMBOL", "CompiledCore", "CoreSourceError", "Facets", "Prepared", "compile_core", "detect", "prepare"]

#: The table that every compiled core exports.
SYMBOL = "iopf_core_user"

#: What makes a compiler compile otherwise, beside its command.
COMPILER_VARIABLES = (
    "CPATH",
    "C_INCLUDE_PATH",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "LIBRARY_PATH",
    "CCC_OVERRIDE_OPTIONS",
)


@dataclass(frozen=True)
class CompiledCore:
    """A core that was compiled later: a shared library whose symbol ``symbol`` is its ``struct iopf_core``.

    Its line map lies beside it (csrc/lines.py), where binutils are installed.
    """

    source: Path
    library: Path
    symbol: str
    name: str
    facets: Facets
    runtime: str
    compiler: str
    #: what the compiler had to say about the file
    warnings: str
    #: nothing had to be compiled
    cached: bool


def _csrc() -> Path:
    """Where the C sources are."""
    found = csrc()
    if found is None:
        raise CoreSourceError("The C sources of iopf are missing from this installation: install it again with pip.")
    return found


def _tool(name: str) -> Any:
    """A module of the sources: build (flags and include paths of a core unit), lines (line maps)."""
    _csrc()
    return tool(name)


def _extension(runtime: str) -> Path:
    spec = importlib.util.find_spec(f"iopf._{runtime}")
    if spec is None or not spec.origin:
        raise CoreSourceError(f"There is no runtime {runtime!r} in this build of iopf.", number=errno.ENOENT)
    return Path(spec.origin).resolve()


#: Options of a compiler after which a path comes, in the same word or in the next one.
_PATH = re.compile(r"(-(?:include|imacros|isystem|iquote|idirafter|I|B|L)|@)(.*)")


def _from_here(command: list[str]) -> list[str]:
    """A compiler's command with the paths in it as they are from here: it is run elsewhere."""
    found = [os.path.abspath(command[0]) if os.sep in command[0] else command[0]]
    for before, word in itertools.pairwise(command):
        match = _PATH.fullmatch(word)
        option, path = match.groups() if match else ("", word)
        after_option = bool(option) or before in ("-include", "-imacros", "-isystem", "-iquote", "-idirafter", "-I")
        found.append(option + os.path.abspath(path) if path and after_option and os.path.exists(path) else word)
    return found


def _compiler(cc: str | None) -> list[str]:
    wanted = cc or os.environ.get("CC")
    if wanted and wanted.strip():
        try:
            command = shlex.split(wanted)
        except ValueError as error:
            raise CoreSourceError(f"CC {wanted!r} is no command: {error}.") from error
        if command and shutil.which(command[0]):
            return _from_here(command)
        raise CoreSourceError(f"The compiler {wanted!r} can't be found. Name another one with CC.", number=errno.ENOENT)
    for name in ("gcc", "cc", "clang"):
        if shutil.which(name):
            return [name]
    raise CoreSourceError(
        "A core is compiled from its source, and there is no C compiler: install gcc (apt install gcc libc6-dev, dnf"
        " install gcc), or name one with CC.",
        number=errno.ENOENT,
    )


@functools.cache
def _version(command: tuple[str, ...]) -> str:
    result = _run([*command, "--version"], None)
    return result.stdout.partition("\n")[0].strip() or command[0]


def _state(command: Iterable[str]) -> list[str]:
    """What stands for the files that a command names (the compiler, a plugin, a file of options): when each was changed."""
    found = []
    for word in command:
        for name in {word, word.removeprefix("@"), word.partition("=")[2]}:
            path = shutil.which(name) or name
            with contextlib.suppress(OSError, ValueError):
                if name and os.path.isfile(path):
                    state = os.stat(path)
                    found.append(f"{os.path.realpath(path)} {state.st_mtime_ns} {state.st_size}")
    return sorted(found)


#: What the compiler makes of a file before it compiles it, as a hash, and the state of the files that went into it.
_preprocessed: dict[str, tuple[str, list[tuple[str, int, int]]]] = {}


def _opened_state(paths: Iterable[str]) -> list[tuple[str, int, int]]:
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            state = os.stat(path)
            found.append((path, state.st_mtime_ns, state.st_size))
    return found


def _with_all_it_includes(key: str, command: tuple[str, ...], flags: list[str], csrc: Path, core: Prepared) -> str:
    """A hash of what the compiler makes of a file before it compiles it: all that is included, by whatever way, is in it.
    What the file is called is not.

    :param key: a hash of everything else: as long as none of the files was changed that were opened, it is asked once
    """
    known = _preprocessed.get(key)
    if known is not None and known[1] == _opened_state(path for path, _, _ in known[1]):
        return known[0]
    with held(), tempfile.TemporaryDirectory(prefix="iopf-", ignore_cleanup_errors=True) as made:
        scratch = Path(made).resolve()
        linked, more = _laid_out(scratch, core, csrc)
        words = [*command, *more, *flags, *_unit(scratch, linked, Path("core.c"), csrc), "-E", "-dD"]
        run = _run(words, scratch, None)
        text = run.stdout.replace(f"source/{linked}", "core.c").replace(str(scratch), "")
        opened = {path for path in re.findall(r'^# \d+ "([^"\n]+)"', run.stdout, re.M) if os.path.isabs(path)}
        outside = sorted(path for path in opened if not path.startswith(str(scratch)))
    found = hashlib.sha256(os.fsencode(f"{run.returncode} {text}")).hexdigest()
    _preprocessed[key] = found, _opened_state(outside)
    return found


@functools.cache
def _is_clang(command: tuple[str, ...]) -> bool:
    compilers = _tool("compilers")
    return bool(compilers.are_clangs(_run([*command, *compilers.PROBE], None).stdout))


#: Exit status of what can't be executed: no permission or no format that is known, not found (POSIX, exec).
NO_PROGRAM = (126, 127)


def _run(
    command: list[str], cwd: Path | None, given_up: threading.Event | None = None
) -> subprocess.CompletedProcess[str]:
    """The compiler, with what it writes. An interrupt ends it at once, with the processes that it started."""
    env = {**os.environ, "LC_ALL": "C"}
    if cwd is not None:
        env["TMPDIR"] = str(cwd)  # what is killed leaves its files where they are removed
    with held() as signals, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Watchdog() as watchdog:
        process = watchdog.start(
            command, session=True, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        try:
            while process.poll() is None:  # wait() would give it a quarter of a second more
                signals.act()
                if given_up is not None and given_up.is_set():
                    raise KeyboardInterrupt
                time.sleep(0.005)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                for _ in range(10):  # those that it started: somebody else takes their exit status
                    os.killpg(process.pid, 0)
                    time.sleep(0.001)
            raise
        finally:
            watchdog.released()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    if process.returncode in NO_PROGRAM:
        raise CoreSourceError(
            f"The compiler {command[0]!r} can't be run: {texts[1].strip() or process.returncode}", number=errno.ENOENT
        )
    return subprocess.CompletedProcess(command, process.returncode, *texts)


@functools.lru_cache(maxsize=16)
def _sources_hash(function: Callable[[], str]) -> str:
    """Of a process, once: it reads every file of the sources, and a table has many columns."""
    return function()


@functools.lru_cache(maxsize=16)
def _extension_hash(path: str, _changed: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _c_string(text: str) -> str:
    quoted = "".join(
        f"\\{char}"
        if char in '"\\'
        else char
        if " " <= char <= "~"
        else "".join(f"\\{b:03o}" for b in os.fsencode(char))
        for char in text
    )
    return f'"{quoted}"'


def _facets_header(facets: Facets, name: str, source: Path) -> str:
    identity = {
        "FACET_NAME": _c_string(name),
        "FACET_TITLE": _c_string(facets.form),
        "FACET_COMMIT": '""',
        "FACET_RELEASES": '""',
        "FACET_SUMMARY": _c_string(f"Compiled from {source}"),
        "FACET_CLAIMS_CORRECT": "1",
    }
    defines = {**identity, **facets.macros()}
    if facets.dequeue and facets.dequeue_name:
        defines["iopf_group_dequeue"] = facets.dequeue_name
    return "".join(f"#define {key} {value}\n" for key, value in defines.items())


def included_by(facets: Facets) -> list[tuple[Path, bytes]]:
    """The files that a user has included before the core, with their content."""
    found = []
    for name in filter(None, facets.include.split(os.pathsep)):
        path = Path(os.path.abspath(name))
        try:
            found.append((path, read_small(path, "what is included")))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise CoreSourceError(f"{path}, which is to be included: {why}") from error
    return found


_ERROR = re.compile(r"^.*?(?:error: |undefined reference|undefined symbol).*$", re.M)
_OPENED = re.compile(r"^\.+ (.*)$")


def _foreign_includes(opened: list[str], source: Path, csrc: Path, scratch: Path) -> list[str]:
    """What came from the user's tree: from beside the file, and, in a kernel tree, from anywhere in it."""
    tree = source.parent
    whole = tree.parts[-2:] == ("drivers", "iommu")
    if whole:
        tree = tree.parent.parent
    foreign = []
    for name in opened:
        path = Path(os.path.abspath(scratch / name))
        if path.is_relative_to(csrc) or path.is_relative_to(scratch):
            continue
        if path.is_relative_to(tree) if whole else path.parent == tree:
            foreign.append(str(path))
    return foreign


def _flavour(runtime: str) -> tuple[Any, Any]:
    for flavour in _tool("build").flavours():
        if flavour.name == runtime:
            return flavour, next(unit for unit in flavour.units if unit.name == "core-iopf")
    raise CoreSourceError(f"There is no runtime {runtime!r} in this build of iopf.", number=errno.ENOENT)


@dataclass(frozen=True)
class Prepared:
    """A kernel file that was read, and how it will be compiled: everything but the compiler's work."""

    source: Path
    content: bytes
    #: what is shown for its name
    shown: str
    facets: Facets
    runtime: str
    #: what its tree's headers add to our structs
    added: _members.Added
    #: a hash of all that goes into the compiled core, the path and the name included: its name in the cache
    digest: str
    #: a hash of what it does: of two files that have the same one, one needs to be explored
    behaviour: str
    command: tuple[str, ...]
    flags: tuple[str, ...]
    header: str

    def compile(self, given_up: threading.Event | None = None) -> CompiledCore:
        """The compiled core, from the cache when it is there. CoreSourceError carries the compiler's first error.

        In other threads than the main one, which signals do not interrupt, KeyboardInterrupt comes of ``given_up``.
        """
        return _compiled(self, given_up)

    @property
    def failing(self) -> str:
        """A hash of all that a compiler's error depends on, and how that is put."""
        return hashlib.sha256("\0".join([self.digest, str(self.facets), *self.added.refused]).encode()).hexdigest()[:40]


def prepare(
    path: str | os.PathLike[str],
    runtime: str = "native",
    *,
    facets: Facets | Mapping[str, str | bool] | None = None,
    cc: str | None = None,
    name: str | None = None,
) -> Prepared:
    """Reads a kernel file and finds out how it is compiled, without compiling it: see compile_core()."""
    source = Path(os.path.abspath(path))
    build = _tool("build")
    flavour, unit = _flavour(runtime)
    extension = _extension(runtime)
    command = build.without_link_time(_compiler(cc))
    if build.is_explored(unit):
        command, _ = build.without_fortify(command)
    try:
        content = read_small(source, "a core's source")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        number = error.errno if isinstance(error, OSError) else None
        raise CoreSourceError(
            f"{source}: {getattr(error, 'strerror', None) or error}", number=number or errno.EINVAL
        ) from error

    text = content.decode(errors="replace")
    line = _refusals.conflict(text)
    if line is not None:
        raise CoreSourceError(
            f"{source}:{line}: a merge conflict is not resolved: there are <<<<<<<, ======= and >>>>>>>."
        )
    try:
        found = facets if isinstance(facets, Facets) else detect(text).override(**dict(facets or {}))
    except CoreSourceError as error:
        known = _refusals.what_it_is(source, text)
        told = f"{known} {SUPPORTED}" if known else error
        raise CoreSourceError(f"{source}: {told}", number=error.errno or errno.EINVAL) from error
    if not isinstance(facets, Facets) and not found.dequeue and "dequeue" not in (facets or {}):
        # Without that call a handler that keeps a group, and tells nobody, would look like a bug of the core's.
        candidates = ambiguous_dequeue(text, found.removal)
        if candidates:
            raise CoreSourceError(
                f"{source}: {' and '.join(f'{name}()' for name in candidates)} are in no form that iopf knows, and one of them may"
                " be how a handler takes a group from removal: say which with --call dequeue=NAME (facets:"
                " dequeue=true, dequeue_name=NAME), or that none is with --facet dequeue=false."
            )
    shown = os.fsencode(name or source.name).decode(errors="replace")  # a name that can be printed
    sanitizers = build.sanitizers() if flavour.sanitizable else []
    csrc = _csrc()
    added = _members.of_tree(source, csrc, code_of(text))
    try:
        said = _members.by_hand(found.members, code_of(text))
    except ValueError as error:
        raise CoreSourceError(f"{source}: {error}") from error
    if said:
        by_hand = {(member.struct, member.name) for member in said}
        others = tuple(member for member in added.members if (member.struct, member.name) not in by_hand)
        added = replace(added, members=(*others, *said))
    included = included_by(found)
    more = "".join(f"#include {_c_string(str(path))}\n" for path, _ in included)
    if added:
        more += _members.types_with(added.members, (csrc / "forms" / "layout.c").read_text())
    compile_flags = [
        *_tool("compilers").flags_for(
            command, [*build.CFLAGS, *flavour.flags, *sanitizers, *unit.flags], clang=_is_clang(tuple(command))
        ),
        "-fPIC",
        "-DRUNTIME_IS_ELSEWHERE",
        *(f"-I{csrc / folder}" for folder in unit.include),
    ]
    how = [
        runtime, _sources_hash(build.sources_hash), _version(tuple(command)), *command, *compile_flags,
        str(shutil.which(command[0])), *_state(command), *(f"{name}={os.environ.get(name)}" for name in COMPILER_VARIABLES),
        str(extension), _extension_hash(str(extension), extension.stat().st_mtime_ns),
        *(f"{member.struct}: {member.text}" for member in added.members), *(text for _, text in added.more),
        *(hashlib.sha256(text).hexdigest() for _, text in included),
    ]  # fmt: skip

    def hashed(*parts: str) -> str:
        return hashlib.sha256(content + b"\0" + os.fsencode("\0".join([*parts, *how]))).hexdigest()[:32]

    def prepared(header: str) -> Prepared:
        return Prepared(
            source,
            content,
            shown,
            found,
            runtime,
            added,
            hashed(str(source), header),
            hashed(str(found)),
            tuple(command),
            tuple(compile_flags),
            header,
        )

    header = _facets_header(found, shown, source) + more
    if len(command) > 1 or included or any(os.environ.get(name) for name in COMPILER_VARIABLES):
        # Then it is not our headers alone that are read: what is included may include more.
        bare = prepared(_facets_header(found, "", Path("core.c")) + more)
        how.append(_with_all_it_includes(bare.digest, bare.command, compile_flags, csrc, bare))
    return prepared(header)


def compile_core(
    path: str | os.PathLike[str],
    runtime: str = "native",
    *,
    facets: Facets | Mapping[str, str | bool] | None = None,
    cc: str | None = None,
    name: str | None = None,
) -> CompiledCore:
    """Compiles a kernel file for a runtime, or takes it from the cache.

    ``facets`` replaces what detect() finds, wholly (a Facets) or in part (a mapping). ``cc`` is the compiler; without
    it $CC, gcc, cc or clang. ``name`` is what the core is called: the file's name, if nothing is said. CoreSourceError
    carries the compiler's first error.
    """
    return prepare(path, runtime, facets=facets, cc=cc, name=name).compile()


def _compiled(core: Prepared, given_up: threading.Event | None) -> CompiledCore:
    build = _tool("build")
    flavour, _ = _flavour(core.runtime)
    extension = _extension(core.runtime)
    sanitizers = build.sanitizers() if flavour.sanitizable else []
    command, source, csrc = list(core.command), core.source, _csrc()

    def result(home: Path, cached: bool) -> CompiledCore:
        warnings = (home / "warnings.txt").read_text(errors="replace")
        return CompiledCore(
            source, home / "core.so", SYMBOL, core.shown, core.facets, core.runtime, _version(core.command), warnings,
            cached,
        )  # fmt: skip

    def made_in(place: _cache.Place) -> Path:
        with (
            held(),
            tempfile.TemporaryDirectory(prefix=".compiling-", dir=place.root, ignore_cleanup_errors=True) as made,
        ):
            scratch = Path(made).resolve()
            linked, more = _laid_out(scratch, core, csrc)
            _compile(command, [*more, *core.flags], scratch, linked, csrc, core, given_up)
            _link(command, sanitizers, scratch, extension, source, given_up)
            if read_small(source, "a core's source") != core.content:
                raise CoreSourceError(
                    f"{source} was changed while it was being compiled: try again.", number=errno.EAGAIN
                )
            lines = _tool("lines")
            with contextlib.suppress(lines.NoLines):  # places are shown as offsets then
                lines.write_line_map(scratch / "core.so", scratch / "core.so.lines")
            finished = scratch / "finished"
            finished.mkdir()
            for kept in ("core.so", "core.so.lines", "warnings.txt"):
                with contextlib.suppress(FileNotFoundError):
                    (scratch / kept).rename(finished / kept)
            (finished / "core.so.sha256").write_text(_cache._hash_of(finished / "core.so"))
            return _cache.install(place, core.digest, finished)

    looked = []
    for place in _cache.places():
        looked.append(place)
        if (home := _cache.find(place, core.digest)) is not None:
            return result(home, True)
        if (before := _failed_compiles.known(core.failing)) is not None:
            raise before
        if not place.usable():
            continue
        try:
            return result(made_in(place), False)
        except CoreSourceError as error:
            if error.in_the_file and read_small(source, "a core's source") == core.content:
                _failed_compiles.keep(core.failing, error)
            if error.errno not in FULL:
                raise
            place.failed(OSError(error.errno, os.strerror(error.errno)))
        except OSError as error:
            if error.errno not in (*FULL, errno.EROFS, errno.EACCES, errno.EPERM):
                raise CoreSourceError(
                    f"{source} can't be compiled in {place.root}: {error.strerror or error}.",
                    number=error.errno or errno.EIO,
                ) from error
            place.failed(error)
    raise _cache.no_place(looked)


def _laid_out(scratch: Path, core: Prepared, csrc: Path) -> tuple[str, list[str]]:
    """Puts what the compiler opens into a directory; the name of the file there, and the flags that are needed."""
    (scratch / "source").mkdir()
    linked = core.source.name if re.fullmatch(r"[\w.+-]+", core.source.name) else "core.c"
    (scratch / "source" / linked).symlink_to(core.source)
    (scratch / "facets-of-core.h").write_text(core.header)
    if not core.added:
        return linked, []
    (scratch / "headers" / "linux").mkdir(parents=True)
    ours = (csrc / "include" / "linux" / "iommu.h").read_text()
    with_members = _members.header_with(core.added.members, ours, core.added.more)
    (scratch / "headers" / "linux" / "iommu.h").write_text(with_members)
    return linked, [f"-I{scratch / 'headers'}"]


def _unit(scratch: Path, linked: str, source: Path, csrc: Path) -> list[str]:
    """What the compiler is told about the file that was put into a directory."""
    return [
        f"-iquote{scratch}",
        "-DCORE_ID=user",
        f'-DCORE_SOURCE="source/{linked}"',
        '-DCORE_FACETS="facets-of-core.h"',
        f"-ffile-prefix-map={scratch}=iopf",
        # The last one that fits counts. A line feed would end a line of the line map.
        f"-ffile-prefix-map={scratch}/source/{linked}={source}".replace("\n", "\\n"),
        "-c",
        str(csrc / "forms" / "unit.c"),
    ]


def _compile(
    command: list[str],
    flags: list[str],
    scratch: Path,
    linked: str,
    csrc: Path,
    core: Prepared,
    given_up: threading.Event | None,
) -> None:
    source = core.source
    run = _run([*command, *flags, "-H", *_unit(scratch, linked, source, csrc), "-o", "core.o"], scratch, given_up)
    lines = run.stderr.split("\n")
    guards = next((i for i, line in enumerate(lines) if line.startswith("Multiple include guards")), len(lines))
    opened = [match.group(1) for line in lines[:guards] if (match := _OPENED.match(line))]
    notes = "\n".join(line for line in lines[:guards] if not _OPENED.match(line)).strip()
    notes = notes.replace(f"{scratch}/source/{linked}", str(source))

    allowed = {str(path) for path, _ in included_by(core.facets)}
    foreign = [path for path in _foreign_includes(opened, source, csrc, scratch) if path not in allowed]
    if foreign:
        raise CoreSourceError(
            f"{source}: the compile took {foreign[0]} from the file's own tree; only the file itself may come from"
            f" there. {SUPPORTED}",
            output=notes,
        )
    if run.returncode == 0 and not (scratch / "core.o").exists():
        raise CoreSourceError(
            f"{command[0]!r} compiled nothing and said nothing: is it a C compiler? Name one with CC."
        )
    if run.returncode:
        raise _compile_error(command, run.returncode, notes, scratch, csrc, core)
    (scratch / "warnings.txt").write_text(notes)


#: What a compiler says when there is no room for what it writes, and when its parts are killed.
_NO_ROOM = re.compile("|".join(map(os.strerror, FULL)), re.I)
_KILLED = re.compile(
    r"internal compiler error|Killed signal|out of memory|virtual memory exhausted|Cannot allocate", re.I
)


def _not_the_file(command: list[str], code: int, output: str) -> tuple[str, int] | None:
    """What kept a compiler from its work that is no matter of the file, in words; None: it found an error."""
    if room := _NO_ROOM.search(output):
        number = next(number for number in FULL if os.strerror(number).lower() == room.group().lower())
        return f"there is no room for what {command[0]!r} writes: {room.group()}.", number
    if code < 0 or _KILLED.search(output):
        how = f"was ended by signal {-code}" if code < 0 else "broke down"
        return f"the compiler {command[0]!r} {how}: is there too little memory?", errno.ENOMEM
    if "error" not in output.lower() and "undefined" not in output.lower():
        said = f"said: {output.partition(chr(10))[0]}" if output.strip() else "said nothing"
        return (
            f"the compiler {command[0]!r} ended with exit {code} and {said}. Is it a C compiler? Name one with CC.",
            errno.EINVAL,
        )
    return None


def _compile_error(
    command: list[str], code: int, notes: str, scratch: Path, csrc: Path, core: Prepared
) -> CoreSourceError:
    """Why it did not compile. What to do follows from where the first error is: in the file, where the file meets what
    its facets promise, or anywhere else, which is the compiler's matter."""
    source, facets = core.source, core.facets
    in_the_file = False
    included = {os.path.abspath(name) for name in facets.include.split(os.pathsep) if name}
    other = _not_the_file(command, code, notes)
    if other is not None:
        return CoreSourceError(f"{source}: {other[0]}", number=other[1], output=notes)
    first = _ERROR.search(notes)
    first_error = first.group().strip() if first else notes.partition("\n")[0]
    first_error = _refusals.in_the_file(first_error, notes, str(source)) or first_error
    place = re.match(r"(.+?):\d+:", first_error)
    where = Path(os.path.abspath(scratch / place.group(1))) if place else None
    if where is not None and (
        where == source
        or str(where) in included
        or any(where.is_relative_to(csrc / room) for room in ("forms", "core", "history"))
        or where.is_relative_to(scratch)
    ):
        in_the_file = True
        advice = (
            f"Facets: {facets}\n{SUPPORTED}\nIf the facets are wrong, override them (--facet NAME=VALUE, facets=). If"
            " the file uses a part of the kernel that is named in the error, it is a form that iopf does not know yet."
        )
        unfinished = _refusals.unfinished(code_of(core.content.decode(errors="replace")))
        if where != source and unfinished:
            last = core.content.count(b"\n") + 1
            first_error = f"{source}:{last}: error: the file ends in the middle of something: {unfinished}"
        if core.added.refused:
            advice += f"\nWhat its tree's headers add and iopf can't take over: {'; '.join(core.added.refused)}."
    else:
        advice = (
            f"The error is not in the file: {shlex.join(command)!r} can't compile what iopf compiles with it. Name"
            " another compiler, or other flags, with CC."
        )
    error = CoreSourceError(
        f"{source} does not compile as a core ({facets.form}):\n  {first_error}\n{advice}",
        first_error=first_error,
        output=notes,
    )
    error.in_the_file = in_the_file
    return error


def _link(
    command: list[str],
    sanitizers: list[str],
    scratch: Path,
    extension: Path,
    source: Path,
    given_up: threading.Event | None,
) -> None:
    run = _run(
        [*command, "-shared", "-o", "core.so", "core.o", str(extension), "-Wl,-z,defs", "-Wl,-z,now", *sanitizers],
        scratch,
        given_up,
    )
    if run.returncode:
        other = _not_the_file(command, run.returncode, run.stderr)
        if other is not None:
            raise CoreSourceError(f"{source}: {other[0]}", number=other[1], output=run.stderr)
        first = _ERROR.search(run.stderr)
        first_error = first.group().strip() if first else run.stderr.strip().partition("\n")[0]
        raise CoreSourceError(
            f"{source}: the compiled core can't be linked with {extension.name}:\n  {first_error}",
            first_error=first_error,
            output=run.stderr,
        )
