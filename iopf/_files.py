# SPDX-License-Identifier: GPL-2.0-only
"""Small input files: regular ones, and no larger than what they can be. A device or a pipe may never end, and whoever
opens one for reading may wait for ever."""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["MAX_TEXT", "read_small"]

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
