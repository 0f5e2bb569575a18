# SPDX-License-Identifier: GPL-2.0-only
"""Compiles that failed, so that a file with an error in it is not compiled again as long as nothing of it changes.

Beside the compiled cores (_cache.py), under the same hash of all that goes into one: the file, the headers, the facets, the
compiler. What is kept is the compiler's error in the file; that the compiler was killed, had no room or is none may be
otherwise the next time, and is asked again. A file is a line with a hash of the rest, and the rest, made aside and renamed;
what does not fit together is as good as nothing. The MAX_FILES that were used last stay.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

from . import _cache
from ._files import read_small
from .exceptions import CoreSourceError

__all__ = ["MAX_FILES", "keep", "known"]

MAX_FILES = 256
#: The output of a compiler that is longer is not kept.
MAX_OUTPUT = 256 << 10
HEADER = b"iopf-error 1 "
SUFFIX = ".error"
_FIELDS = {"message": str, "number": int, "first_error": str, "output": str}


def _read(path: Path) -> CoreSourceError | None:
    try:
        content = read_small(path, "a compiler's error")
        head, _, rest = content.partition(b"\n")
        if head != HEADER + hashlib.sha256(rest).hexdigest().encode():
            return None
        data = json.loads(rest)
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or {name: type(value) for name, value in data.items()} != _FIELDS:
        return None
    error = CoreSourceError(
        data["message"], number=data["number"], first_error=data["first_error"], output=data["output"]
    )
    error.in_the_file = True
    return error


def known(digest: str) -> CoreSourceError | None:
    """What the compiler said of a file with that digest; None: it has not been asked, or it compiles."""
    for place in _cache.places("errors"):
        if place.readable and (error := _read(place.root / f"{digest}{SUFFIX}")) is not None:
            with contextlib.suppress(OSError):
                os.utime(place.root / f"{digest}{SUFFIX}")
            return error
    return None


def keep(digest: str, error: CoreSourceError) -> None:
    """Keeps what the compiler said; where nothing can be written, nothing is."""
    if len(error.output) > MAX_OUTPUT:
        return
    data = {"message": str(error), "number": error.errno or 0, "first_error": error.first_error, "output": error.output}
    rest = json.dumps(data).encode()
    for place in _cache.places("errors"):
        if not place.usable():
            continue
        try:
            _write(place.root, f"{digest}{SUFFIX}", HEADER + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
        except OSError as failed:
            place.failed(failed)
            continue
        return


def _write(root: Path, name: str, content: bytes) -> None:
    descriptor, made = tempfile.mkstemp(prefix=".writing-", dir=root)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.replace(made, root / name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise
    _make_room(root)


def _make_room(root: Path) -> None:
    """Removes what is too much, and what killed processes left."""
    files = []
    now = time.time()
    with os.scandir(root) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                touched = entry.stat(follow_symlinks=False).st_mtime
                if entry.name.startswith(".writing-") and now - touched > _cache.ABANDONED_SECONDS:
                    os.unlink(entry.path)
                elif entry.name.endswith(SUFFIX):
                    files.append((touched, entry.path))
    for _, path in sorted(files, reverse=True)[MAX_FILES:]:
        with contextlib.suppress(OSError):
            os.unlink(path)
