# SPDX-License-Identifier: GPL-2.0-only
"""What a check found: cells, each with its findings, in a table; and what follows for the cores that claim to be correct.

A cell passes when its search was exhaustive and nothing failed. A failure says whether the driver kept the core's
contract in the execution that failed: with the contract kept it is the core's bug, with a clause broken it is the
driver's, and nobody should take one for the other. What decides is the columns of cores that claim to be correct (ours,
the user's file): each of their cells has to be evidence of a pass, of a bug, or it has no verdict. History decides
nothing. The exit codes are in _exit.py.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from . import _exit

__all__ = ["ENDED", "HUNG", "LEFT_OUT", "SCHEMA", "Cell", "Finding", "Table"]

#: Of to_dict(): it goes up when a field goes away or means something else, and not when one is added.
SCHEMA = 2

ENDED = "the process that explored it ended: the core called something that it must not"
HUNG = "it never came back: the core loops, and nothing can interrupt it"
LEFT_OUT = "left out: this core did not come back before"


@dataclass(frozen=True)
class Finding:
    """One kind of failure in a cell."""

    kind: str
    #: "kept" or "broken"
    contract: str
    clauses: tuple[str, ...]
    message: str
    #: replays it
    token: str
    #: the line that does
    command: str
    #: the trace, as people read it
    trace: str
    #: what makes two failures the same, in words: equal for the same failure of two files that differ elsewhere
    signature: str = ""
    #: where in the core's code: its file, the line, and the function; None, 0 and None where no place is known
    file: str | None = None
    line: int = 0
    function: str | None = None
    #: the upstream commit that chose it against its own documentation; None: nobody did
    chosen: str | None = None


@dataclass(frozen=True)
class Cell:
    """One scenario on one core."""

    scenario: str
    core: str
    #: of explore(): "pass", "bounded", "sampled", "fail", "inconclusive"
    verdict: str
    why: str | None
    classes: int | None
    executions: int
    seconds: float
    #: the gravest first
    findings: tuple[Finding, ...]
    #: nothing of the search was left: it tells also what was not found, beside the findings
    exhausted: bool = False
    #: it was found before: nothing was explored for it
    cached: bool = False

    @property
    def finding(self) -> Finding | None:
        """What the cell shows: a failure that is the core's own before one that upstream chose, and that before one that
        is the driver's."""
        return min(self.findings, key=_whose, default=None)

    @property
    def chosen(self) -> tuple[Finding, ...]:
        """What upstream chose against its own documentation."""
        return tuple(finding for finding in self.findings if finding.chosen is not None)

    def faults(self, strict: bool = False) -> tuple[Finding, ...]:
        """The failures that are the core's to answer for.

        :param strict: also those that upstream chose
        """
        return tuple(one for one in self.findings if one.contract == "kept" and (strict or one.chosen is None))

    @property
    def gone(self) -> bool:
        """Did the core take the process with it that explored it?"""
        return self.why in (ENDED, HUNG)

    def evidence(self, accept: Iterable[str] = (), strict: bool = False) -> _exit.Evidence:
        """What the cell says about its core: good, when the search was exhaustive and every failure is the driver's, or
        what upstream chose.

        :param strict: what upstream chose is bad
        """
        finding = self.finding
        if self.gone or self.faults(strict):
            return _exit.Evidence(bad=1)
        accepted = self.verdict in accept
        whole = self.verdict == "pass" or (self.verdict == "fail" and finding is not None and self.exhausted)
        if self.executions > 0 and (whole or accepted):
            return _exit.Evidence(good=1)
        return _exit.Evidence(unknown=(f"{self.scenario} on {self.core}: {self.lack}",))

    @property
    def lack(self) -> str:
        """What keeps it from being a verdict."""
        if self.finding is not None:
            how = "as upstream chose" if self.finding.chosen else "with the contract broken"
            return f"fails {how}, and the search did not come to its end"
        if not self.executions:
            return self.why or "nothing was executed"
        return f"{self.verdict}{f', {self.why}' if self.why else ''}"


def _whose(finding: Finding) -> int:
    """The core's own, upstream's choice, the driver's."""
    return 2 if finding.contract != "kept" else 0 if finding.chosen is None else 1


@dataclass(frozen=True)
class Table:
    """All cells, and what follows."""

    scenarios: tuple[str, ...]
    cores: tuple[str, ...]
    claims_correct: tuple[bool, ...]
    cells: tuple[Cell, ...]
    seconds: float
    complete: bool
    #: the file of each core, and how it was read; None: a core of the build
    sources: tuple[dict[str, object] | None, ...]
    #: the column that the others are compared with; None: there is none
    baseline: str | None = None
    #: of each core, the column that has the same content and was explored for both; (): none was looked for
    same_as: tuple[str | None, ...] = ()
    #: what upstream chose against its own documentation is judged, too
    strict: bool = False

    def cell(self, scenario: str, core: str) -> Cell | None:
        """One cell; None: it was not reached."""
        return self._by_name.get((scenario, core))

    @functools.cached_property
    def _by_name(self) -> dict[tuple[str, str], Cell]:
        return {(cell.scenario, cell.core): cell for cell in self.cells}

    @property
    def bugs(self) -> list[Cell]:
        """Cells in which a core that claims to be correct fails with its contract kept; not of the baseline, and what
        upstream chose only when the table is strict."""
        claiming = {core for core, claims in zip(self.cores, self.claims_correct) if claims and core != self.baseline}
        return [cell for cell in self.cells if cell.core in claiming and cell.faults(self.strict)]

    @property
    def deviations(self) -> list[tuple[Cell, str]]:
        """Cells that show what upstream chose against its own documentation, of every column, each with the commit."""
        return [
            (cell, commit)
            for cell in self.cells
            for commit in dict.fromkeys(finding.chosen for finding in cell.chosen)
            if commit is not None
        ]

    def evidence(self, accept: Iterable[str] = ()) -> _exit.Evidence:
        """What the table says about the cores that claim to be correct, and nothing about the others or the baseline.

        :param accept: verdicts less than "pass" that are enough: "bounded", "sampled"
        """
        accept = tuple(accept)
        good = bad = 0
        missing = []
        claiming = [core for core, claims in zip(self.cores, self.claims_correct) if claims and core != self.baseline]
        for core in claiming:
            for scenario in self.scenarios:
                cell = self.cell(scenario, core)
                if cell is None:
                    missing.append(f"{scenario} on {core}: it was not reached")
                    continue
                evidence = cell.evidence(accept, self.strict)
                good, bad = good + evidence.good, bad + evidence.bad
                missing += evidence.unknown
        if not claiming:
            missing.append("none of these cores claims to be correct: there is nothing to judge")
        elif not self.scenarios:
            missing.append("no scenario was explored")
        return _exit.Evidence(good, bad, tuple(missing), not self.complete)

    @property
    def exit_code(self) -> int:
        """What ``iopf check`` ends with, when nothing less than "pass" is accepted."""
        return _exit.decide(self.evidence())

    def to_dict(self) -> dict[str, object]:
        """JSON-able data; iopf/explore/README.md says what is what."""
        same_as = self.same_as or (None,) * len(self.cores)
        return {
            "schema": SCHEMA,
            "cores": [
                {
                    "name": core,
                    "claims_correct": claims,
                    **({"source": source} if source else {}),
                    **({"same_as": same} if same else {}),
                }
                for core, claims, source, same in zip(self.cores, self.claims_correct, self.sources, same_as)
            ],
            "scenarios": list(self.scenarios),
            "cells": [asdict(cell) for cell in self.cells],
            "seconds": self.seconds,
            "complete": self.complete,
            "bugs": [[cell.scenario, cell.core] for cell in self.bugs],
            "strict": self.strict,
            "deviations": [[cell.scenario, cell.core, commit] for cell, commit in self.deviations],
        }
