# SPDX-License-Identifier: GPL-2.0-only
"""What a command line says of an exception that no command expected.

Some are the machine's: no memory, no file descriptors, no disk, a working directory that was deleted. They are said as
such, and the exit code is that of unusable input. The others are bugs of ours, whatever the user did: one line says so,
where the traceback is (``IOPF_TRACEBACK=1`` prints it), and the exit code is not one that means "found".
"""

from __future__ import annotations

import errno
import os
import sys

from . import _exit
from ._extension import MissingExtension
from ._hints import said
from .exceptions import IopfError

__all__ = ["explain"]

_ADVICE = {
    errno.EMFILE: "this process may open no more files: raise the limit (ulimit -n 256)",
    errno.ENFILE: "this system may open no more files",
    errno.ENOMEM: "there is no memory left",
    errno.EAGAIN: "no more processes or threads may be started: raise the limit (ulimit -u)",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
}


def _cwd_is_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _of_the_machine(error: BaseException) -> str | None:
    """What the machine lacks, in words; None: it is not the machine."""
    if isinstance(error, MissingExtension):
        return _of_a_load(error) or str(error)
    if isinstance(error, MemoryError):
        return f"{_ADVICE[errno.ENOMEM]}{f' ({error})' if str(error) else ''}"
    if isinstance(error, ImportError):
        return _of_a_load(error)
    if not isinstance(error, OSError):
        return "there is no thread to be had: raise the limit (ulimit -u)" if "start new thread" in str(error) else None
    if isinstance(error, IopfError) and error.errno not in _ADVICE:
        return str(error.strerror)
    if isinstance(error, FileNotFoundError) and _cwd_is_gone():
        return "the working directory was deleted: go to one that exists (cd)"
    if error.errno in _ADVICE or error.filename is not None:
        place = f"{os.fsdecode(error.filename)!s}: " if isinstance(error.filename, (str, bytes)) else ""
        more = _ADVICE.get(error.errno or 0)
        return f"{place}{error.strerror}{f': {more}' if more else ''}"
    return None


def _of_a_load(error: ImportError) -> str | None:
    """A shared object or a module that could not be opened."""
    text = f"{error} {error.__cause__ or ''}"
    for number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        if os.strerror(number) in text:
            return _ADVICE[number]
    return None


def _keep(error: BaseException) -> str:
    """Writes the traceback somewhere and says where."""
    import traceback  # a bug is rare

    text = "".join(traceback.format_exception(error))
    if os.environ.get("IOPF_TRACEBACK"):
        sys.stderr.write(text)
        return "it is above"
    try:
        import tempfile  # takes as long as most commands

        descriptor, path = tempfile.mkstemp(prefix="iopf-traceback-", suffix=".txt")
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except (OSError, ImportError):
        return "IOPF_TRACEBACK=1 prints it"
    return f"it is in {path}"


def explain(command: str, error: BaseException) -> int:
    """Says it in one line on standard error, and gives the exit code."""
    name = f"iopf {command}".rstrip()
    reason = _of_the_machine(error)
    if reason is not None:
        print(f"{name}: {said(' '.join(reason.split()))}", file=sys.stderr)
        return _exit.UNUSABLE
    import traceback

    what = said(" ".join(traceback.format_exception_only(error)[-1].split())[:300])
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    print(
        f"{name}: this is a bug in iopf, please report it with the traceback ({_keep(error)}): {what}{where}",
        file=sys.stderr,
    )
    return _exit.BUG
