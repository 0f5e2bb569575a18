# SPDX-License-Identifier: GPL-2.0-only
"""What became of a failure that was kept: the three answers (_again.py has what they mean)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CANNOT_BE_TOLD", "PASSES_NOW", "STILL_FAILS", "Again"]

STILL_FAILS, PASSES_NOW, CANNOT_BE_TOLD = "still fails", "passes now", "cannot be told"


@dataclass(frozen=True)
class Again:
    """What became of a failure that was kept (_again.py)."""

    #: of the failure
    id: str
    signature: str
    #: "still fails": an execution shows it; "passes now": all were explored, and none fails; "cannot be told"
    answer: str
    #: how that is known, or why not
    why: str
    #: steps of its schedule that did not come, at most 64 with ``added``: ``irq: mutex_lock(param#1.lock)``
    left_out: tuple[str, ...]
    #: steps that came, and that its schedule does not have
    added: tuple[str, ...]
    #: how many of both there are
    differences: int

    def __str__(self) -> str:
        return f"{self.answer}: {self.id}" + (f" ({self.why})" if self.why else "")
