# SPDX-License-Identifier: GPL-2.0-only
"""The cache of compiled cores: directories named by a hash of all that went into them, shared by every process.

``IOPF_CACHE_DIR`` names its place. Without it, it is ``iopf/cores`` in the user's cache directory (``XDG_CACHE_HOME``,
``~/.cache``). A place has to be the user's own, can be written, and is not mounted ``noexec``, for what lies there is
loaded; where one of that fails, or the disk is full, the next place serves, and the last is a directory of the user
among the temporary ones. What lies complete in a place that can only be read is used, too.

An entry is made aside and renamed into its place, so that others see all of it or nothing. Whoever uses one holds a
shared lock on its library for the life of the process; the cache keeps the MAX_ENTRIES entries, and MAX_BYTES, that
were used last, within a month, and removes no entry that somebody holds. Changes of the directory (installing, removing)
are made under a lock on it, for moments: nobody compiles under it. On file systems without locks, only what nobody has
touched for a day is removed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ._processes import commanded
from .exceptions import CoreSourceError

__all__ = ["FULL", "MAX_BYTES", "MAX_ENTRIES", "Place", "changing", "find", "install", "no_place", "places"]

MAX_ENTRIES = 64
MAX_BYTES = 256 << 20
#: What nobody used for so long goes, too.
UNUSED_SECONDS = 30 * 24 * 3600.0
#: What a compile left that was killed.
ABANDONED_SECONDS = 3600.0
#: What nobody touched for so long is removed where locks don't work.
UNLOCKED_SECONDS = 24 * 3600.0
VARIABLE = "IOPF_CACHE_DIR"
#: There is no room: another place may have some.
FULL = (errno.ENOSPC, errno.EDQUOT)
#: How long a place that had no room is left alone: every cell of a table asks for its core.
FULL_SECONDS = 60.0
#: Seconds for the directory's lock; who holds it renames a few directories.
LOCK_SECONDS = 10.0

#: What else lies beside the compiled cores, each in a directory of its own (where the user named one place for all).
NEIGHBOURS = ("results", "revisions", "failures", "errors")

#: What is in an entry. Any other directory where the user told us to keep them is the user's own, and stays.
_FILES = frozenset({"core.so", "core.so.sha256", "warnings.txt"})

#: Locked libraries of this process by path: closing one would let it go.
_held: dict[Path, int] = {}
_told: set[str] = set()
#: Places that had no room, when that was, and what was said.
_full: dict[Path, tuple[float, tuple[str, int]]] = {}


class Place:
    """A directory that may hold entries. ``why_not`` says why nothing can be put there, or None."""

    def __init__(self, root: Path, said: bool = False, runs: bool = True):
        self.root = root
        #: the user named it
        self.said = said
        #: what lies there is loaded
        self.runs = runs
        #: what lies there can be used
        self.readable = False
        self.why_not: str | None = None
        self.number = 0
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._look()

    def _no(self, why: str, number: int) -> None:
        self.why_not, self.number = why, number

    def _look(self) -> None:
        try:
            state = self.root.stat()
        except PermissionError as error:
            self._no(os.strerror(errno.EACCES), error.errno or errno.EACCES)
            return
        if state.st_uid not in (os.getuid(), 0) or state.st_mode & 0o002:
            for_what = "run" if self.runs else "believed"
            self._no(
                f"it is somebody else's, or others can write there, and what lies there is {for_what}", errno.EACCES
            )
        elif self.runs and os.statvfs(self.root).f_flag & os.ST_NOEXEC:
            self._no("it is mounted noexec, and cores are loaded from there", errno.EACCES)
        else:
            self.readable = True
            if not os.access(self.root, os.W_OK | os.X_OK):
                read_only = os.statvfs(self.root).f_flag & os.ST_RDONLY
                number = errno.EROFS if read_only else errno.EACCES
                self._no(os.strerror(number), number)

    def usable(self) -> bool:
        """Can something be put here? Makes the directory; says what is wrong with one that the user named."""
        full = _full.get(self.root)
        if full is not None and time.monotonic() - full[0] < FULL_SECONDS:
            self._no(*full[1])
        if self.why_not is None:
            try:
                self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._look()
            except OSError as error:
                self.failed(error)
                return False
        self._tell()
        return self.why_not is None

    def failed(self, error: OSError) -> None:
        """Something could not be written here: the disk is full, the quota used up ... It is not tried again at once."""
        self._no(error.strerror or str(error), error.errno or errno.EIO)
        if error.errno in FULL:
            _full[self.root] = time.monotonic(), (str(self.why_not), self.number)
        self._tell()

    def _tell(self) -> None:
        if self.said and self.why_not is not None and str(self.root) not in _told:
            _told.add(str(self.root))
            from ._log import log

            told = f"{VARIABLE}={self.root}: {self.why_not}. Compiled cores are kept elsewhere."
            log.getChild("cache").warning("%s", told)
            if commanded():
                print(f"iopf: {told}", file=sys.stderr)


def places(what: str = "cores") -> Iterator[Place]:
    """Where entries may be, best first. ``what``: "cores", or one of NEIGHBOURS, which nobody loads."""
    runs = what == "cores"
    said = os.environ.get(VARIABLE, "")
    if said:
        root = Path(os.path.abspath(said))
        yield Place(root if runs else root / what, said=runs, runs=runs)
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        try:
            home = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
            yield Place(home / "iopf" / what, runs=runs)
        except RuntimeError:  # nobody's home
            pass
    import tempfile  # there, nearly always, something came before

    last = Path(tempfile.gettempdir()) / f"iopf-{what}-{os.getuid()}"
    if last.is_symlink():
        return
    yield Place(last, runs=runs)


def no_place(looked: list[Place]) -> CoreSourceError:
    """Nothing can be compiled anywhere, and why."""
    reasons = "; ".join(f"{place.root}: {place.why_not}" for place in looked)
    return CoreSourceError(
        f"No place for compiled cores ({reasons or 'there is no temporary directory'}). Set {VARIABLE} (or"
        " XDG_CACHE_HOME) to a directory of yours that can be written and executed from.",
        number=looked[-1].number if looked else errno.EACCES,
    )


def _hash_of(library: Path) -> str:
    return hashlib.sha256(library.read_bytes()).hexdigest()


def _is_whole(home: Path) -> bool:
    """Is this what a compile left there? What a full disk or a cleaner damaged is compiled again."""
    try:
        return (home / "warnings.txt").exists() and _hash_of(home / "core.so") == (home / "core.so.sha256").read_text()
    except (OSError, UnicodeDecodeError):
        return False


def _hold(library: Path) -> bool:
    """Holds an entry for the life of this process; False: somebody is removing it."""
    if library in _held:
        try:
            if os.path.samestat(os.fstat(_held[library]), library.stat()):
                return True
        except OSError:
            pass
        os.close(_held.pop(library))
    try:
        descriptor = os.open(library, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE) and library.exists()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    except OSError:  # no locks here
        os.close(descriptor)
        return True
    try:
        there = os.path.samestat(os.fstat(descriptor), library.stat())
    except OSError:
        there = False
    if not there:
        os.close(descriptor)
        return False
    _held[library] = descriptor
    return True


def find(place: Place, digest: str) -> Path | None:
    """The directory of a complete entry, held from now on; None: there is none."""
    home = place.root / digest
    if not place.readable or not _hold(home / "core.so") or not _is_whole(home):
        return None
    with contextlib.suppress(OSError):
        os.utime(home)
    return home


@contextlib.contextmanager
def changing(root: Path) -> Iterator[None]:
    """The right to change the directory, for a moment. Where there are no locks, or one is stuck, it goes without."""
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while time.monotonic() < deadline:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.005)
            except OSError:
                break
        yield
    finally:
        os.close(descriptor)


def install(place: Place, digest: str, finished: Path) -> Path:
    """Moves a finished entry into its place, unless somebody was faster, and makes room. OSError: it can't be."""
    home = place.root / digest
    aside: list[Path] = []
    with changing(place.root):
        if not _is_whole(home):
            if home.exists():
                aside.append(_aside(home))
            finished.rename(home)
        _hold(home / "core.so")
        aside += _surplus(place.root, home)
    for path in aside:
        import shutil

        shutil.rmtree(path, ignore_errors=True)
    return home


def _aside(home: Path) -> Path:
    """Takes an entry out of the way at once; removing it takes its time."""
    to = home.parent / f".removing-{home.name}-{os.getpid()}-{time.monotonic_ns()}"
    home.rename(to)
    return to


def _size(entry: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):
        for file in os.scandir(entry):
            total += file.stat(follow_symlinks=False).st_size
    return total


def _is_used(entry: Path, age: float) -> bool:
    """Does anybody hold it? Where that can't be told: was it touched lately?"""
    try:
        descriptor = os.open(entry / "core.so", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return age < UNLOCKED_SECONDS
    finally:
        os.close(descriptor)
    return False


def _surplus(root: Path, new: Path) -> list[Path]:
    """Takes out of the way what is too much, the least recently used first, and what killed processes left."""
    now = time.time()
    entries: list[tuple[float, Path]] = []
    gone = []
    for entry in root.iterdir():
        with contextlib.suppress(OSError):
            touched = entry.lstat().st_mtime
            if entry.name.startswith((".compiling-", ".removing-")):
                if now - touched > ABANDONED_SECONDS:
                    gone.append(entry)
            elif not entry.name.startswith(".") and entry.is_dir() and not _FILES.isdisjoint(os.listdir(entry)):
                entries.append((touched, entry))
    count, size = 0, 0
    for touched, entry in sorted(entries, reverse=True):
        count, size = count + 1, size + _size(entry)
        surplus = count > MAX_ENTRIES or size > MAX_BYTES or now - touched > UNUSED_SECONDS
        if surplus and entry != new and not _is_used(entry, now - touched):
            with contextlib.suppress(OSError):
                gone.append(_aside(entry))
    return gone
