# SPDX-License-Identifier: GPL-2.0-only
"""The largest numbers that options and arguments take."""

from __future__ import annotations

__all__ = ["MAX_COUNT", "MAX_JOBS", "MAX_SECONDS"]

#: C counts in 64 bits; a preemption bound and a number of devices in 32.
MAX_COUNT = 2**63 - 1
#: More processes than any machine is good for.
MAX_JOBS = 4096
#: Thirty years: what every clock and every wait can take.
MAX_SECONDS = 1e9
