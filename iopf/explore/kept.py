# SPDX-License-Identifier: GPL-2.0-only
"""Failures that are kept: what a trace ends with is the short id of one, and not its token.

A token is all that a replay needs, and a few hundred characters long. So who prints a trace puts the token into a file in
``.iopf/failures`` below the current directory, and prints its id: the first digits of a hash of the token, which are the
same wherever and whenever that is kept. ``IOPF_FAILURES_DIR`` names another directory. Where nothing can be written, it is
``iopf/failures`` in the user's cache directory, and where that can't be either, the token is printed after all: nothing
that is printed leads nowhere. ``.iopf`` has a ``.gitignore`` of its own, so that it gets into nobody's commits.

A file is JSON: the number of its format, the token, what it is about in words, the names of its scenario and its core, where
that scenario was named (``mine.py:race``), and which tests met it. The token has the rest that it takes to try it again:
the core's file and facets, the whole scenario, the schedule step by step (_again.py). Files of format 1, which have the token and
the words alone, are read as well. It is named by the hash, made aside and
renamed, so that two processes that keep the same failure write the same file, and a damaged one shows. What was kept last
stays: MAX_FILES of them. An id has no dot in it, and a token has; neither is ever taken for the other.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .._files import read_small
from .kept_where import FOLDER, VARIABLE, folder, near
from .packed import unpack

if TYPE_CHECKING:
    from .._cache import Place

__all__ = [
    "FOLDER",
    "MAX_FILES",
    "VARIABLE",
    "Kept",
    "failure_id",
    "find",
    "forget",
    "keep",
    "of_project",
    "resolve",
    "shortened",
]

MAX_FILES = 1024
FORMAT = 2
#: Those that are read.
FORMATS = (1, 2)
#: Digits of an id, of a name, and the fewest that find one.
ID, NAME, LEAST = 10, 32, 4
#: What a process left that was killed while it wrote.
ABANDONED_SECONDS = 3600.0
ASIDE = ".keeping-"

_FILE = rf"([0-9a-f]{{{NAME}}})\.json"
_ID = rf"[0-9a-f]{{{LEAST},{NAME}}}"

_told: set[str] = set()


def _name(token: str) -> str:
    import hashlib

    return hashlib.sha256(token.encode()).hexdigest()[:NAME]


class Kept(NamedTuple):
    """What a file of a failure says."""

    path: Path
    token: str
    #: it in a line
    about: str
    #: the scenario's own name, and the core's, or the path of its file; None: the file does not say
    scenario: str | None = None
    core: str | None = None
    #: how the scenario was named where it failed: ``/home/me/mine.py:race``; None: it is not known
    source: str | None = None
    #: the tests of pytest that met it, by node id
    tests: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The short name of the token."""
        return failure_id(self.token)

    def to_dict(self) -> dict[str, object]:
        """As it is in the file."""
        return {
            "iopf-failure": FORMAT,
            "about": self.about,
            "scenario": self.scenario,
            "core": self.core,
            "source": self.source,
            "tests": list(self.tests),
            "token": self.token,
        }


def failure_id(token: str) -> str:
    """The id of a token; "" of none."""
    return _name(token)[:ID] if token else ""


# --- where ---


def _near(base: str | os.PathLike[str] | None) -> Place | None:
    """:func:`kept_where.near`, as a place."""
    from .._cache import Place

    path = near(base)
    return None if path is None else Place(Path(path), runs=False)


def _places(base: str | os.PathLike[str] | None) -> Iterator[Place]:
    """Where failures are kept, best first."""
    from .._cache import Place, places

    said = os.environ.get(VARIABLE, "")
    first = Place(Path(os.path.abspath(said)), runs=False) if said else _near(base)
    if first is not None:
        yield first
    yield from places("failures")


# --- keeping ---


def _not_for_git(folder: Path) -> None:
    """``.iopf`` is nobody's to commit."""
    ignore = folder / ".gitignore"
    if not ignore.exists():
        _write(ignore, b"*\n")


def _write(path: Path, content: bytes) -> None:
    """All of a file or nothing of it. OSError: it can't be."""
    import tempfile

    descriptor, made = tempfile.mkstemp(prefix=ASIDE, dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.replace(made, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise


def _make_room(root: Path) -> None:
    """Removes those that were kept longest ago, of more than MAX_FILES, and what killed processes left."""
    files = []
    with os.scandir(root) as found:
        for entry in found:
            with contextlib.suppress(OSError):
                touched = entry.stat(follow_symlinks=False).st_mtime
                if re.fullmatch(_FILE, entry.name):
                    files.append((touched, entry.path))
                elif entry.name.startswith(ASIDE) and time.time() - touched > ABANDONED_SECONDS:
                    os.unlink(entry.path)
    for _, path in sorted(files, reverse=True)[MAX_FILES:]:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _subject(token: str) -> tuple[str | None, str | None]:
    """The names of a token's scenario and core, the core's path where it is a file's; None: the token does not say."""
    try:
        data = unpack(token.partition(".")[2])
        assert isinstance(data, dict)
        scenario, core, file = data["scenario"]["name"], data["core"], data.get("file")
        path = file["path"] if file is not None else core
    except (AssertionError, LookupError, TypeError, ValueError):
        return None, None
    return scenario if isinstance(scenario, str) else None, path if isinstance(path, str) else None


def _described(path: Path, token: str, about: str, source: str | None, test: str | None) -> Kept:
    """What is to be in a file: with what the one that is there says already."""
    before = None
    with contextlib.suppress(ValueError, OSError):
        before = _load(path)
    scenario, core = _subject(token)
    tests = before.tests if before is not None else ()
    if test is not None and test not in tests:
        tests = (*tests, test)
    source = source or (before.source if before is not None else None)
    return Kept(path, token, about or (before.about if before else ""), scenario, core, source, tests)


def _keep_in(place: Place, token: str, about: str, source: str | None, test: str | None) -> bool:
    if not place.usable():
        return False
    path = place.root / f"{_name(token)}.json"
    try:
        wanted = _described(path, token, about, source, test)
        with contextlib.suppress(ValueError, OSError):
            if _data(path) == wanted.to_dict():
                os.utime(path)
                return True
        if place.root.parts[-2:] == FOLDER:
            _not_for_git(place.root.parent)
        _write(path, json.dumps(wanted.to_dict(), indent=1).encode() + b"\n")
    except OSError as error:
        place.failed(error)
        return False
    with contextlib.suppress(OSError):
        if len(os.listdir(place.root)) > MAX_FILES:
            _make_room(place.root)
    return True


def keep(
    token: str,
    about: str = "",
    *,
    base: str | os.PathLike[str] | None = None,
    source: str | None = None,
    test: str | None = None,
) -> str | None:
    """Keeps a failure by its token, and gives its id; None: it can't be written anywhere, or has no token.

    Any number of threads and processes may keep failures in one directory.

    :param about: what it is, for whoever looks into the file
    :param base: the directory that ``.iopf`` is in; None: the current one
    :param source: how its scenario was named, a file's with the path of that: ``/home/me/mine.py:race``
    :param test: the node id of the test that met it
    """
    if not token:
        return None
    for place in _places(base):
        if _keep_in(place, token, about, source, test):
            return failure_id(token)
        said = os.environ.get(VARIABLE, "")
        if said and str(place.root) == os.path.abspath(said) and said not in _told:
            _told.add(said)
            from .._log import log

            log.getChild("failures").warning("%s=%s: %s. Failures are kept elsewhere.", VARIABLE, said, place.why_not)
    return None


def shortened(text: str, failures: Iterable[tuple[str, str]]) -> str:
    """A text with ids in place of the tokens that are in it, each of which is kept; one that can't be stays.

    :param failures: tokens, each with what it is about
    """
    for token, about in failures:
        if token and token in text:
            text = text.replace(token, keep(token, about) or token)
    return text


# --- finding ---


def _data(path: Path) -> dict[str, Any]:
    """What is in a file, as JSON. ValueError: it is another file; OSError: it can't be read."""
    try:
        data = json.loads(read_small(path, "a failure that was kept"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged, or none of iopf's: remove it, and run again what found the failure"
        ) from error
    if not isinstance(data, dict) or "iopf-failure" not in data:
        raise ValueError(f"{path} is no failure that iopf kept: move it elsewhere")
    if data["iopf-failure"] not in FORMATS:
        raise ValueError(f"{path} was kept by another version of iopf: use that, or run again what found the failure")
    return data


def _load(path: Path) -> Kept:
    """The failure in a file. ValueError: it is another file; OSError: it can't be read."""
    data = _data(path)
    token = data.get("token")
    if not isinstance(token, str) or _name(token) != path.stem:
        raise ValueError(f"{path} is damaged: remove it, and run again what found the failure")

    def text(name: str) -> str | None:
        value = data.get(name)
        return value if isinstance(value, str) else None

    tests = data.get("tests")
    names = tuple(name for name in tests if isinstance(name, str)) if isinstance(tests, list) else ()
    return Kept(path, token, text("about") or "", text("scenario"), text("core"), text("source"), names)


def _names(root: Path) -> list[str]:
    """The files of failures in a directory, those that were kept last first."""
    found = []
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        for entry in entries:
            if re.fullmatch(_FILE, entry.name):
                with contextlib.suppress(OSError):
                    found.append((-entry.stat(follow_symlinks=False).st_mtime_ns, entry.name))
    return [name for _, name in sorted(found)]


def of_project(*, base: str | os.PathLike[str] | None = None) -> tuple[list[Kept], list[str]]:
    """The failures that are kept for a project, the last ones first, and what is wrong with files that are none: where
    IOPF_FAILURES_DIR says, else in ``.iopf/failures``. The cache directory, which is everybody's, is not looked at.

    :param base: the directory that ``.iopf`` is in; None: the current one
    """
    path = folder(base)
    if path is None:
        return [], []
    root = Path(path)
    found, wrong = [], []
    for name in _names(root):
        try:
            found.append(_load(root / name))
        except ValueError as error:
            wrong.append(str(error))
        except OSError as error:
            wrong.append(f"{root / name} can't be read: {error.strerror}")
    return found, wrong


def forget(kept: Kept) -> None:
    """Removes the file of a failure. ValueError: it can't be."""
    try:
        kept.path.unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(f"{kept.path} can't be removed: {error.strerror}") from error


def resolve(text: str, *, base: str | os.PathLike[str] | None = None) -> str:
    """The token of a failure that was kept, by its id or the first digits of that; what is no id is given back.

    :param base: the directory that ``.iopf`` is in; None: the current one
    :raises ValueError: nothing, or more than one, is kept under that id, or its file can't be used
    """
    if not re.fullmatch(_ID, "".join(text.split()).lower()):
        return text
    return find(text, base=base).token


def find(text: str, *, base: str | os.PathLike[str] | None = None) -> Kept:
    """The failure that was kept under an id, or the first digits of one.

    :param base: the directory that ``.iopf`` is in; None: the current one
    :raises ValueError: it is no id, nothing or more than one is kept under it, or its file can't be used
    """
    wanted = "".join(text.split()).lower()
    if not re.fullmatch(_ID, wanted):
        raise ValueError(
            f"{text!r:.60} is no id of a failure: one has {ID} hexadecimal digits ('iopf failures' lists them)"
        )
    found: dict[str, Path] = {}
    looked = []
    for place in _places(base):
        looked.append(str(place.root))
        if not place.readable:
            continue
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(place.root)):
                match = re.fullmatch(_FILE, name)
                if match is not None and match[1].startswith(wanted):
                    found.setdefault(match[1], place.root / name)
    if not found:
        raise ValueError(
            f"no failure {wanted} is kept in {' or '.join(looked)}: go to where it was found, or run again what found it"
            " (with --long-token it prints what needs no file)"
        )
    if len(found) > 1:
        some = ", ".join(name[: max(ID, len(wanted) + 2)] for name in sorted(found)[:4])
        raise ValueError(f"{wanted} is the beginning of {len(found)} ids: {some}; take more digits")
    (path,) = found.values()
    try:
        return _load(path)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from error
