# SPDX-License-Identifier: GPL-2.0-only
"""Kernel trees: the file in a tree, and the file at a commit, read from the object store with git.

Nothing is checked out, and nothing in the repository or its work tree is written. What git is asked are names of objects
in full: what a user gives goes into one command alone, rev-parse, after the word that ends options, and one that begins
with a dash is refused before. A commit's file is put, with the two headers that are its own, into a directory of the
user's cache that is named by the commit and laid out as a tree, so that everything that works on a file in a tree works
on it: what its headers add, the places in a trace, a replay.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import _cache
from ._files import MAX_TEXT
from ._members import HEADERS
from .exceptions import CoreSourceError

__all__ = ["FILE", "MAX_REVISIONS", "Revision", "Tree", "find_tree"]

#: The file, from the root of a kernel tree.
FILE = "drivers/iommu/io-pgfault.c"
PATHS = (FILE, *HEADERS)
#: Of a range; each is a column.
MAX_REVISIONS = 500
#: Directories of commits that are kept, those that were used last.
MAX_KEPT = 2000

#: What git would take from the environment of a hook: another repository than the one that is named.
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE")
#: And what would make another path of one.
_PATHS = ("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS")


#: What a commit's directory is called.
_ENTRY = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Revision:
    """One commit, with the file as it was then."""

    commit: str
    #: the first line of its message, in characters that can be printed
    subject: str
    #: where its file was put; None: it has none
    path: Path | None

    @property
    def short(self) -> str:
        """The commit in twelve digits."""
        return self.commit[:12]


def find_tree(folder: str | os.PathLike[str]) -> Path | None:
    """The kernel tree that a directory is in; None: it is in none."""
    here = Path(os.path.abspath(folder))
    return next((tree for tree in (here, *here.parents) if (tree / FILE).is_file()), None)


class Tree:
    """A repository with a kernel's history. OSError and ValueError say in a sentence what is wrong."""

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(os.path.abspath(folder))
        self._prefix: str | None = None

    def _git(self, *arguments: str, given: bytes = b"") -> bytes:
        environment = {name: value for name, value in os.environ.items() if name not in (*_ELSEWHERE, *_PATHS)}
        environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}
        try:
            done = subprocess.run(
                ["git", "-C", str(self.folder), "-c", "core.fsmonitor=false", *arguments],
                input=given,
                capture_output=True,
                env=environment,
                check=False,
            )
        except FileNotFoundError as error:
            if not self.folder.is_dir():
                raise ValueError(f"{self.folder}: there is no such directory") from error
            raise ValueError("revisions are read with git, which is not installed (apt install git)") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().split("\n")[0] or f"git ended with {done.returncode}"
            raise ValueError(f"{self.folder}: git says: {said}")
        return done.stdout

    @property
    def prefix(self) -> str:
        """Where the kernel tree is in the repository: "" or a path that ends with a slash."""
        if self._prefix is None:
            self._prefix = os.fsdecode(self._git("rev-parse", "--show-prefix")).removesuffix("\n")
        return self._prefix

    def commit(self, name: str) -> str:
        """The commit that a name stands for, in full. ValueError: there is none."""
        if not name or name.startswith("-") or any(char in name for char in "\0\n\r"):
            raise ValueError(f"{name!r} is no revision")
        if ".." in name:
            raise ValueError(f"{name!r} is no single revision; a range is A..B")
        self._git("rev-parse", "--git-dir")  # what is wrong with the tree is said as that
        try:
            found = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        except ValueError as error:
            raise ValueError(f"no revision {name!r} in {self.folder}") from error
        commit = found.decode().strip()
        if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
            raise ValueError(f"no revision {name!r} in {self.folder}")
        return commit

    def commits(self, text: str) -> dict[str, list[str] | None]:
        """The commits that ``A`` or ``A..B`` names, the oldest first: of a range those that touch the file or its own
        headers. Each with those before it, of which none is left out that touches these; None: it was named alone."""
        if ".." not in text:
            return {self.commit(text): None}
        first, _, last = text.partition("..")
        if last.startswith("."):
            raise ValueError(f"{text!r}: a range is A..B, the commits of B that A does not have")
        old, new = self.commit(first or "HEAD"), self.commit(last or "HEAD")
        paths = [f":(top,literal){self.prefix}{path}" for path in PATHS]
        listed = self._git("rev-list", "--topo-order", "--reverse", "--parents", new, f"^{old}", "--", *paths)
        commits = {commit: before for commit, *before in map(str.split, filter(None, listed.decode().split("\n")))}
        if not commits:
            raise ValueError(f"{text}: no commit of this range touches {FILE} or its own headers")
        if len(commits) > MAX_REVISIONS:
            raise ValueError(f"{text}: {len(commits)} commits touch {FILE} or its own headers; {MAX_REVISIONS} at most")
        # Where the range begins, A is as good as the commit before, when it has the same files.
        return {commit: self._within(before, commits, old) for commit, before in commits.items()}

    def _within(self, before: list[str], commits: Collection[str], old: str) -> list[str] | None:
        outside = [commit for commit in before if commit not in commits]
        if not outside:
            return before
        *found, begin = [
            list(self._objects([f"{commit}:{self.prefix}{path}" for path in PATHS])) for commit in (*outside, old)
        ]
        same = {commit for commit, files in zip(outside, found) if files == begin}
        return [old if commit in same else commit for commit in before]

    def revisions(self, commits: Iterable[str]) -> list[Revision]:
        """The commits with their files, which are put where they can be compiled."""
        commits = list(commits)
        wanted = [f"{commit}:{self.prefix}{path}" for commit in commits for path in PATHS]
        objects = self._objects(wanted)
        subjects = self._git("log", "--no-walk=unsorted", "--stdin", "--format=%H %s", given=_lines(commits))
        subject = dict(line.split(" ", 1) for line in subjects.decode(errors="replace").split("\n") if " " in line)
        found = []
        for commit in commits:
            file, *headers = [next(objects) for _ in PATHS]
            path = None
            if file is not None:
                contents = {name: one for name, one in zip(PATHS, (file, *headers)) if one is not None}
                path = _put(commit, contents)
            found.append(Revision(commit, _printable(subject.get(commit, "")), path))
        return found

    def has_file(self, commit: str) -> bool:
        """Is the file there in this commit?"""
        return next(self._objects([f"{commit}:{self.prefix}{FILE}"])) is not None

    def _objects(self, names: list[str]) -> Iterator[bytes | None]:
        """The content of each; None: there is no such file."""
        output = self._git("cat-file", "--batch", given=_lines(names))
        at = 0
        for name in names:
            end = output.index(b"\n", at)
            head, at = output[at:end].decode(errors="replace"), end + 1
            match = re.fullmatch(r"[0-9a-f]{40,64} (\w+) (\d+)", head)
            if match is None:
                yield None
                continue
            size = int(match[2])
            content, at = output[at : at + size], at + size + 1
            if match[1] == "blob" and size > MAX_TEXT:
                raise ValueError(f"{name}: a core's source is at most {MAX_TEXT >> 20} MiB; this is larger")
            yield content if match[1] == "blob" else None

    def good_of_bisect(self) -> str | None:
        """The commit that was called good when a bisection began which goes on here; None: there is none."""
        first: str | None
        try:
            terms = self._git("bisect", "terms", "--term-good").decode().strip()
            refs = self._git("for-each-ref", "--format=%(objectname)", f"refs/bisect/{terms}-*").decode().split()
            # What the bisection itself called good since then are descendants of it.
            first = refs.pop() if refs else None
            for other in refs:
                if self._git("merge-base", str(first), other).decode().strip() == other:
                    first = other
            return first
        except ValueError:
            return None


def _printable(text: str) -> str:
    """A text that does nothing to a terminal or a log: whoever wrote the commit wrote it."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _lines(names: Iterable[str]) -> bytes:
    return os.fsencode("".join(f"{name}\n" for name in names))


def _put(commit: str, contents: dict[str, bytes]) -> Path:
    """Puts a commit's files into a directory of its own, laid out as a tree, unless they are there; the file's path."""
    looked = []
    for place in _cache.places("revisions"):
        home = place.root / commit[:12]
        if place.readable and _has(home, contents):
            with contextlib.suppress(OSError):
                os.utime(home)
            return home / FILE
        looked.append(place)
        if not place.usable():
            continue
        try:
            with _cache.changing(place.root):
                if not _has(home, contents):
                    _write(home, contents)
                _make_room(place.root, home)
        except OSError as error:
            place.failed(error)
            continue
        return home / FILE
    reasons = "; ".join(f"{place.root}: {place.why_not}" for place in looked)
    raise CoreSourceError(
        f"No place for the files of revisions ({reasons or 'there is no temporary directory'}). Set {_cache.VARIABLE} to a"
        " directory of yours that can be written.",
        number=errno.EACCES,
    )


def _has(home: Path, contents: dict[str, bytes]) -> bool:
    """Are these the files there, and no others?"""
    try:
        return all(
            (home / path).read_bytes() == contents[path] if path in contents else not (home / path).exists()
            for path in PATHS
        )
    except OSError:
        return False


def _write(home: Path, contents: dict[str, bytes]) -> None:
    made = Path(tempfile.mkdtemp(prefix=".writing-", dir=home.parent))
    try:
        for path, content in contents.items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_bytes(content)
        if home.exists():
            shutil.rmtree(home)
        made.rename(home)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _make_room(root: Path, new: Path) -> None:
    """Removes the directories that were used longest ago, and what killed processes left; what is not ours stays."""
    entries = []
    for entry in root.iterdir():
        with contextlib.suppress(OSError):
            if entry.name.startswith(".writing-") or _ENTRY.fullmatch(entry.name):
                entries.append((entry.lstat().st_mtime, entry))
    now = time.time()
    entries.sort(reverse=True)
    for index, (touched, entry) in enumerate(entries):
        left = entry.name.startswith(".writing-") and now - touched > _cache.ABANDONED_SECONDS
        old = index >= MAX_KEPT or now - touched > _cache.UNUSED_SECONDS
        if entry != new and (left or (old and not entry.name.startswith("."))):
            shutil.rmtree(entry, ignore_errors=True)
