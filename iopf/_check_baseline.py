# SPDX-License-Identifier: GPL-2.0-only
"""A table beside its baseline: what differs, and what follows.

Two failures are the same when their signatures are: kind, type and member of the object, functions and what was wrong.
No line is in that, so code that moved within its function is no difference. Of the contract, a failure was there before
when the driver needed to break no more for it: with the contract kept now and broken then, it is a new one.

A cell is compared when both of its searches came to their ends, with every failure listed. One that did not is no
evidence of "no difference", whatever it shows; a failure that the baseline, searched to its end, does not have is new all
the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from . import _exit
from ._check_table import Cell, Finding, Table

__all__ = ["KINDS", "Comparison", "Difference", "compare"]

#: What differences there are, the gravest first.
KINDS = ("new failure", "other kind", "other place", "other contract", "mended", "hidden", "other classes")
#: Those that a gate stops at.
WORSE = ("new failure", "other kind", "other place")


def _worse(moved: bool) -> list[str]:
    """The kinds of what is new, where a failure at another place is and where it is not."""
    return [kind for kind in WORSE if not (kind == "other place" and moved)]


@dataclass(frozen=True)
class Difference:
    """One cell differs from the baseline's in one way."""

    #: one of KINDS. "other kind" and "other place": a failure of the baseline is gone, and this one has come in its place.
    #: "hidden": one of the baseline does not show, and in the same cell something new fails, which may come before it
    kind: str
    scenario: str
    core: str
    #: the failure of the baseline; None: it has none there
    before: Finding | None
    #: the failure now; None: there is none any more
    after: Finding | None
    #: of both cells, where they were counted to the end
    classes_before: int | None
    classes_after: int | None

    @property
    def contract(self) -> str:
        """Did the driver keep its contract in the execution that fails, "kept" or "broken"; "" without a failure."""
        finding = self.after or self.before
        return finding.contract if finding else ""


@dataclass(frozen=True)
class Comparison:
    """What differs between the columns that are judged and the baseline, and what could not be told."""

    baseline: str
    cores: tuple[str, ...]
    #: "kept": failures with the contract broken were left out; None: all count
    contract: str | None
    differences: tuple[Difference, ...]
    #: cells that were compared to the end
    compared: int
    #: what has no verdict, one line each
    unknown: tuple[str, ...]
    complete: bool
    #: a failure of the same kind at another place is no new one
    moved: bool = False

    @property
    def new(self) -> tuple[Difference, ...]:
        """Failures that the baseline does not have: what a gate stops at."""
        return tuple(difference for difference in self.differences if difference.kind in _worse(self.moved))

    def lacks(self, scenario: str, core: str | None = None) -> str:
        """What has no verdict in a row, or in a cell of it, as it is in ``unknown``; "": all has."""
        head = f"{scenario} on " if core is None else f"{scenario} on {core}: "
        return next((line for line in self.unknown if line.startswith(head)), "")

    def evidence(self) -> _exit.Evidence:
        """What the comparison says: bad is what fails and did not."""
        return _exit.Evidence(self.compared, len(self.new), self.unknown, not self.complete)

    def to_dict(self) -> dict[str, object]:
        """JSON-able data."""
        return {
            "baseline": self.baseline,
            "cores": list(self.cores),
            "contract": self.contract,
            "moved": self.moved,
            "new": len(self.new),
            "compared": self.compared,
            "differences": [{**asdict(one), "contract": one.contract} for one in self.differences],
        }


def _same(finding: Finding) -> str:
    """What makes a failure the same as another, whatever of the contract was broken."""
    return finding.signature.rpartition("; contract ")[0] or finding.signature or f"{finding.kind}: {finding.message}"


def _clauses(finding: Finding) -> frozenset[str]:
    return frozenset() if finding.contract == "kept" else frozenset(finding.clauses) or frozenset({"?"})


def _was_there(finding: Finding, before: Finding) -> bool:
    """Did the baseline fail so already, with a driver that broke no more?"""
    return _same(finding) == _same(before) and _clauses(before) <= _clauses(finding)


def _is_whole(cell: Cell, accept: tuple[str, ...]) -> bool:
    """Does the cell tell also what does not fail?"""
    if cell.gone or cell.executions <= 0:
        return False
    return (cell.exhausted and cell.verdict in ("pass", "fail")) or cell.verdict in accept


def _findings(cell: Cell, contract: str | None) -> list[Finding]:
    return [finding for finding in cell.findings if contract is None or finding.contract == contract]


def _in_cell(before: Cell, after: Cell, contract: str | None) -> list[Difference]:
    """The differences of one cell, the gravest first."""

    def difference(kind: str, old: Finding | None, new: Finding | None) -> Difference:
        counted = [cell.classes if cell.exhausted else None for cell in (before, after)]
        return Difference(kind, after.scenario, after.core, old, new, *counted)

    # Failures are compared with all that the baseline has: one that needs the contract broken now may not have before.
    olds, news = list(before.findings), _findings(after, contract)
    found: list[Difference] = []
    fresh = []
    for new in news:
        same = [old for old in olds if _was_there(new, old)]
        if not same:
            fresh.append(new)
        elif all(_clauses(old) != _clauses(new) for old in same):
            found.append(difference("other contract", same[0], new))
    words = {_same(finding) for finding in after.findings}
    gone = [old for old in _findings(before, contract) if _same(old) not in words]
    for kind, of_one_kind in (("other place", True), ("other kind", False)):
        for new in list(fresh):
            fits = (old for old in gone if old.contract == new.contract and (old.kind == new.kind or not of_one_kind))
            match = next(fits, None)
            if match is not None:
                fresh.remove(new)
                gone.remove(match)
                found.append(difference(kind, match, new))
    found += [difference("new failure", None, new) for new in fresh]
    if before.exhausted and after.exhausted:
        # An execution ends where it fails: what comes after that is not seen.
        absent = "hidden" if any(one.kind in WORSE for one in found) else "mended"
        found += [difference(absent, old, None) for old in gone]
        found += [
            difference("mended", old, None)
            for old in _findings(before, "kept")
            if contract == "kept" and _same(old) in words and not any(_same(old) == _same(new) for new in news)
        ]
        if not found and before.classes != after.classes:
            found.append(difference("other classes", None, None))
    return sorted(found, key=lambda one: KINDS.index(one.kind))


def compare(
    table: Table, cores: Iterable[str] | None = None, *, contract: str | None = None, accept: Iterable[str] = ()
) -> Comparison:
    """Compares columns of a table with its baseline: see :func:`iopf.check.check`.

    :param cores: the columns that are judged; None: all but the baseline
    :param contract: "kept": only failures in which the driver kept its contract count
    :param accept: verdicts less than "pass" that are enough: "bounded", "sampled"; "moved": a failure of the same kind at
        another place is no new one. That is so in any case where the baseline is a core of the build and what is judged
        is not that core: it is written anew, and its functions are its own
    :raises ValueError: the table has no baseline, or no such column
    """
    if table.baseline is None:
        raise ValueError("the table has no baseline: check(..., baseline=) makes one")
    if contract not in (None, "kept"):
        raise ValueError(f"contract {contract!r}: takes 'kept' or None")
    accept = tuple(accept)
    judged = tuple(core for core in table.cores if core != table.baseline) if cores is None else tuple(cores)
    moved = "moved" in accept or table.sources[table.cores.index(table.baseline)] is None
    differences: list[Difference] = []
    unknown = []
    compared = 0
    for core in judged:
        if core not in table.cores:
            raise ValueError(f"no column {core!r} in the table")
        for scenario in table.scenarios:
            before, after = table.cell(scenario, table.baseline), table.cell(scenario, core)
            if before is None or after is None:
                unknown.append(f"{scenario} on {core if after is None else table.baseline}: it was not reached")
                continue
            known = _is_whole(before, accept)
            if known and after.gone:
                gone = Finding("gone", "kept", (), after.why or "", "", "", "", f"gone: {after.why}")
                differences.append(Difference("new failure", scenario, core, None, gone, before.classes, None))
                continue
            found = _in_cell(before, after, contract)
            if known:
                differences += found
            if known and _is_whole(after, accept):
                compared += 1
            elif not (known and any(one.kind in _worse(moved) for one in found)):
                unknown += [
                    f"{scenario} on {cell.core}: {_lack(cell)}"
                    for cell in (before, after)
                    if not _is_whole(cell, accept)
                ]
    if not judged:
        unknown.append("nothing was compared with the baseline")
    elif not table.scenarios:
        unknown.append("no scenario was explored")
    return Comparison(
        table.baseline,
        judged,
        contract,
        tuple(differences),
        compared,
        tuple(dict.fromkeys(unknown)),
        table.complete,
        moved,
    )


def _lack(cell: Cell) -> str:
    if cell.gone:
        return cell.why or "gone"
    if cell.finding is not None:
        return "it fails, and the search did not come to its end: what else fails is not known"
    return cell.lack
