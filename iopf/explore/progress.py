# SPDX-License-Identifier: GPL-2.0-only
"""How far a search is, while it runs."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Progress"]


@dataclass(frozen=True)
class Progress:
    """A search that runs, as its progress callback sees it."""

    seconds: float
    #: done part of the search, 0 to 1, never falls; None where the strategy has no notion of it
    done: float | None
    #: how many classes there are, about; None when it is not known
    estimate: float | None
    #: seconds to go, or None
    eta: float | None
    executions: int
    #: executions that were cut short because others cover them
    blocked: int
    #: the strategy at work
    strategy: str
    failures: int
    #: preemptions allowed now, of strategy "bound"
    bound: int | None

    @property
    def executions_per_second(self) -> float:
        """Executions by time so far."""
        return self.executions / self.seconds if self.seconds > 0 else 0.0
