# SPDX-License-Identifier: GPL-2.0-only
"""Files that a user names. What is read is regular and no larger than what it can be: a device or a pipe may never end, and
whoever opens one for reading may wait for ever. What is written is there as a whole, or as it was before."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

__all__ = ["MAX_TEXT", "check_writable", "read_small", "write_whole"]

#: A kernel file has 15 KB, a scenario less.
MAX_TEXT = 4 << 20


def read_small(path: str | os.PathLike[str], what: str, limit: int = MAX_TEXT) -> bytes:
    """The content of a regular file of at most ``limit`` bytes, symbolic links followed.

    :param what: what it should be, for the message
    :raises OSError: it can't be read; EINVAL, with a sentence: it is another kind of file, or too large
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb", buffering=0) as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, f"{what} is a regular file; this is a device, a pipe or a socket")
        pieces, left = [], limit + 1
        while left and (piece := file.read(min(left, 1 << 20))):
            pieces.append(piece)
            left -= len(piece)
    if not left:
        raise OSError(errno.EINVAL, f"{what} is at most {limit >> 20} MiB; this is larger")
    return b"".join(pieces)


def check_writable(option: str, path: str) -> None:
    """ValueError: nothing can be put there. Said before anything is done for it that takes time.

    :param option: which one of the command line, for the message
    """
    if not path or "\0" in path:
        raise ValueError(f"{option}: takes the name of a file")
    folder = os.path.dirname(os.path.abspath(path))
    if (
        os.path.isdir(path)
        or not os.path.isdir(folder)
        or not os.access(path if os.path.exists(path) else folder, os.W_OK)
    ):
        raise ValueError(f"{option} {path}: no file can be written there")


def write_whole(path: str, content: str | bytes) -> None:
    """Puts a text, or bytes, there: readers see all of it, or what was there before. A device or a pipe is written to.

    :raises OSError: it can't be
    """
    if isinstance(content, str):
        content = content.encode("utf-8")
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            file.write(content)
        return
    path = os.path.realpath(path)
    part = os.path.join(os.path.dirname(path), f".iopf-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        with open(part, "xb") as file:
            file.write(content)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        raise
