# SPDX-License-Identifier: GPL-2.0-only
"""Where the failures of a project are kept, and whether there are any: what every search with ``kept=True`` asks first. What is
in their files is kept.py's matter.
"""

from __future__ import annotations

import os

__all__ = ["FOLDER", "VARIABLE", "any_kept", "folder", "near"]

VARIABLE = "IOPF_FAILURES_DIR"
FOLDER = (".iopf", "failures")


def near(base: str | os.PathLike[str] | None = None) -> str | None:
    """``.iopf/failures`` below a directory, None: the current one. None: it is not there any more, or it is a link."""
    try:
        root = os.getcwd() if base is None else os.fspath(base)
    except OSError:
        return None
    path = os.path.join(root, *FOLDER)
    return None if os.path.islink(os.path.dirname(path)) or os.path.islink(path) else path


def folder(base: str | os.PathLike[str] | None = None) -> str | None:
    """The directory of a project's failures, whether or not there is one yet: the one that IOPF_FAILURES_DIR says, else
    :func:`near` it."""
    said = os.environ.get(VARIABLE, "")
    return os.path.abspath(said) if said else near(base)


def any_kept() -> bool:
    """May something be kept for the project of the current directory?"""
    path = folder()
    return path is not None and os.path.lexists(path)
