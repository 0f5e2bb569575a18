# SPDX-License-Identifier: GPL-2.0-only
"""How wide the terminal is, as shutil.get_terminal_size() has it: to load that takes longer than to parse a command line."""

from __future__ import annotations

import contextlib
import os
import sys

__all__ = ["columns"]


def columns(otherwise: int) -> int:
    """What COLUMNS says, else what the terminal of standard output says, else ``otherwise``."""
    with contextlib.suppress(KeyError, ValueError):
        if (said := int(os.environ["COLUMNS"])) > 0:
            return said
    with contextlib.suppress(AttributeError, ValueError, OSError):  # there may be no stream at all
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or otherwise  # type: ignore[union-attr]
    return otherwise
