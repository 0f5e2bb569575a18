# SPDX-License-Identifier: GPL-2.0-only
"""The logger of the package, ``logging.getLogger("iopf")``, above those of its parts: loaded by who has something to say,
which is rare.
"""

from __future__ import annotations

import logging

__all__ = ["LEVELS", "log"]

#: The kernel's levels, 0 to 7, as those of ``logging``.
LEVELS = (*3 * (logging.CRITICAL,), logging.ERROR, logging.WARNING, *2 * (logging.INFO,), logging.DEBUG)

log = logging.getLogger("iopf")
log.addHandler(logging.NullHandler())
