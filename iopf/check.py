# SPDX-License-Identifier: GPL-2.0-only
"""The verdict table: scenarios × cores, each cell an exploration, and what it found.

A cell passes when its search was exhaustive and nothing failed. A failure says whether the driver kept the core's
contract in the execution that failed: with the contract kept it is the core's bug, with a clause broken it is the
driver's, and nobody should take one for the other. What decides is the columns of cores that claim to be correct (ours,
the user's file): each of their cells has to be evidence of a pass, of a bug, or it has no verdict. History decides
nothing. The exit codes are in _exit.py.

Cells are independent, so they go to a pool of processes; each has an explorer of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from . import _exit
from ._check_render import SHORT, large, render, render_bugs
from ._cores import Core, cores
from ._hints import unknown
from ._options import MAX_SECONDS
from ._processes import be_a_worker, deaf_to_the_terminal, held

if TYPE_CHECKING:
    from .explore.scenario import BaseScenario

__all__ = ["Cell", "Finding", "Table", "check", "render", "render_bugs"]

#: Seconds for one cell.
BUDGET = 20.0

#: Seconds beyond twice its budget after which a cell does not come back: it has ends of its own long before.
PATIENCE = 30.0

ENDED = "the process that explored it ended: the core called something that it must not"
HUNG = "it never came back: the core loops, and nothing can interrupt it"
LEFT_OUT = "left out: this core did not come back before"

#: How long a signal waits while nothing comes, in seconds.
SLICE = 0.05


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

    @property
    def finding(self) -> Finding | None:
        """What the cell shows: a failure that is the core's own before one that is the driver's."""
        kept = [finding for finding in self.findings if finding.contract == "kept"]
        return next(iter(kept or self.findings), None)

    @property
    def gone(self) -> bool:
        """Did the core take the process with it that explored it?"""
        return self.why in (ENDED, HUNG)

    def evidence(self, accept: Iterable[str] = ()) -> _exit.Evidence:
        """What the cell says about its core: good, when the search was exhaustive and every failure is the driver's."""
        finding = self.finding
        if self.gone or (finding is not None and finding.contract == "kept"):
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
            return "fails with the contract broken, and the search did not come to its end"
        if not self.executions:
            return self.why or "nothing was executed"
        return f"{self.verdict}{f', {self.why}' if self.why else ''}"

    def text(self, short: bool) -> str:
        """``✓ 22``, ``UAF``, ``(UAF)`` with the contract broken (and a ``?`` when the search did not end), ``? bounded``,
        ``gone`` with the process."""
        finding = self.finding
        if finding is not None:
            kind = SHORT.get(finding.kind, finding.kind) if short else finding.kind
            return kind if finding.contract == "kept" else f"({kind})" if self.exhausted else f"({kind})?"
        if self.gone:
            return "gone"
        if self.verdict == "pass" and self.executions:
            return f"✓ {large(self.classes or 0) if short else format(self.classes or 0, ',')}"
        return "?" if short else f"? {self.verdict if self.executions else 'nothing ran'}"


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

    def cell(self, scenario: str, core: str) -> Cell | None:
        """One cell; None: it was not reached."""
        for cell in self.cells:
            if (cell.scenario, cell.core) == (scenario, core):
                return cell
        return None

    @property
    def bugs(self) -> list[Cell]:
        """Cells in which a core that claims to be correct fails with its contract kept."""
        claiming = {core for core, claims in zip(self.cores, self.claims_correct) if claims}
        return [
            cell for cell in self.cells
            if cell.core in claiming and cell.finding is not None and cell.finding.contract == "kept"
        ]

    def evidence(self, accept: Iterable[str] = ()) -> _exit.Evidence:
        """What the table says about the cores that claim to be correct, and nothing about the others.

        :param accept: verdicts less than "pass" that are enough: "bounded", "sampled"
        """
        accept = tuple(accept)
        good = bad = 0
        missing = []
        claiming = [core for core, claims in zip(self.cores, self.claims_correct) if claims]
        for core in claiming:
            for scenario in self.scenarios:
                cell = self.cell(scenario, core)
                if cell is None:
                    missing.append(f"{scenario} on {core}: it was not reached")
                    continue
                evidence = cell.evidence(accept)
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
        """JSON-able data."""
        return {
            "cores": [
                {"name": core, "claims_correct": claims, **({"source": source} if source else {})}
                for core, claims, source in zip(self.cores, self.claims_correct, self.sources)
            ],
            "scenarios": list(self.scenarios),
            "cells": [asdict(cell) for cell in self.cells],
            "seconds": self.seconds,
            "complete": self.complete,
            "bugs": [[cell.scenario, cell.core] for cell in self.bugs],
        }


def _source_of(core: Core | str) -> dict[str, object] | None:
    if not isinstance(core, Core) or core.source is None or core.facets is None:
        return None
    return {"path": str(core.source), "form": core.facets.form, "facets": asdict(core.facets)}


# --- one cell, in a process of the pool ---


@dataclass(frozen=True)
class _Job:
    """What becomes a cell: the scenario and the name of its row, the core and the name of its column."""

    scenario: str
    what: BaseScenario
    core: Core | str
    name: str
    #: does it claim to be correct?
    claims: bool
    budget: float


def _cell(job: _Job) -> Cell:
    from .explore import explore

    result = explore(job.what, core=job.core, budget=job.budget, notes=False)
    failures = result.failures
    exhausted = result.exhausted
    if job.claims and failures and all(failure.contract == "broken" for failure in failures):
        # The driver's failures hide nothing of the core's: an execution ends where it fails, so search on behind them.
        more = explore(job.what, core=job.core, budget=job.budget, all_failures=True, notes=False)
        exhausted = more.exhausted
        failures += tuple(failure for failure in more.failures if failure.contract == "kept")
    findings = tuple(
        Finding(
            failure.kind, failure.contract, failure.clauses, failure.message, failure.token, failure.command, str(failure),
            failure.signature,
        )
        for failure in failures
    )
    return Cell(
        job.scenario, job.name, result.verdict, result.why, result.classes, result.executions, result.seconds, findings,
        exhausted,
    )


def _scenario(name: str) -> BaseScenario:
    """The scenario of a name: one of the library, ``file.py:name``, ``file.json``. ValueError: there is none."""
    from . import scenarios
    from .explore.library import find_scenario
    from .explore.scenario import BaseScenario

    if name in scenarios.names():
        return scenarios.build(name)
    if ":" not in name and not name.endswith((".py", ".json")) and not name.startswith("rcget-"):
        raise ValueError(f"{unknown('scenario', name, scenarios.names())}; also file.py:name, and file.json")
    try:
        found = find_scenario(name)
    except LookupError as error:
        raise ValueError(str(error)) from error
    # What a worker gets is of our classes, whatever the file made of them.
    return BaseScenario.from_dict(found.to_dict())


def check(
    cores_to_check: Iterable[Core | str],
    scenarios: Iterable[str | BaseScenario],
    *,
    budget: float = BUDGET,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Table:
    """Explores every scenario on every core.

    :param cores_to_check: names, or cores from :meth:`iopf.Core.from_source`
    :param scenarios: names, as :func:`iopf.explore.find_scenario` takes them, or scenarios; no name twice
    :param budget: seconds for one cell, up to 1e9
    :param executor: any :class:`concurrent.futures.Executor` whose workers are processes; None: one of as many
        processes as there are CPUs
    :param progress: called with the number of finished cells and of all
    :raises ValueError: no such core or scenario, or a budget that is none
    :raises KeyboardInterrupt: with ``args[0]`` the Table of the cells that were finished
    """
    known = cores()
    if not 0 < budget <= MAX_SECONDS:
        raise ValueError(f"budget {budget}: takes a number above 0, of seconds, up to {MAX_SECONDS:g}")
    columns = [(core, core.name if isinstance(core, Core) else core) for core in cores_to_check]
    for core, name in columns:
        if not isinstance(core, Core) and name not in known:
            raise ValueError(unknown("core", name, known))
    named = [(scenario, _scenario(scenario)) if isinstance(scenario, str) else (scenario.name, scenario)
             for scenario in scenarios]
    rows = tuple(name for name, _ in named)
    claims = tuple(
        core.claims_correct if isinstance(core, Core) else known[core].claims_correct for core, _ in columns
    )
    for core, _ in columns:
        if isinstance(core, Core) and core.source is not None:
            core.compile_for("explore")  # once, here: an error is an error of the file, and not of a cell
    names = tuple(name for _, name in columns)
    begin = time.monotonic()
    done: dict[tuple[str, str], Cell] = {}
    jobs = [
        _Job(row, what, core, name, claim, budget)
        for (core, name), claim in zip(columns, claims) for row, what in named
    ]

    def take(cell: Cell) -> None:
        done[cell.scenario, cell.core] = cell
        if progress is not None:
            progress(len(done), len(jobs))

    def table(complete: bool) -> Table:
        order = [(scenario, name) for scenario in rows for name in names]
        return Table(rows, names, claims, tuple(done[key] for key in order if key in done),
                     time.monotonic() - begin, complete, tuple(_source_of(core) for core, _ in columns))

    try:
        if executor is not None:
            for future in as_completed([executor.submit(_cell, job) for job in jobs]):
                take(future.result())
        else:
            _explore_all(jobs, take)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(table(False)) from None
    return table(True)


# --- the pool ---


class _Pool:
    """Processes that explore. One that dies, or that does not come back, takes the others with it."""

    def __init__(self, workers: int):
        with deaf_to_the_terminal():
            self._pool = ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), initializer=be_a_worker, initargs=(os.getpid(),)
            )

    def run(self, jobs: list[_Job], take: Callable[[Cell], object]) -> str | None:
        """Takes the cells as they come; why it ended before the last one, if it did.

        The thread that calls it is the one that starts the processes, and is here until they have ended.
        """
        with held() as signals:
            through = False
            try:
                with deaf_to_the_terminal():
                    waiting = {self._pool.submit(_cell, job) for job in jobs}
                came = time.monotonic()
                while waiting:
                    finished, waiting = wait(waiting, SLICE, FIRST_COMPLETED)
                    signals.act()
                    if finished:
                        came = time.monotonic()
                    elif time.monotonic() - came > 2 * jobs[0].budget + PATIENCE:
                        return HUNG
                    for future in finished:
                        take(future.result())
                through = True
            except BrokenProcessPool:
                signals.act()
                return ENDED
            finally:
                if not through:
                    for process in list((self._pool._processes or {}).values()):
                        process.kill()
                self._pool.shutdown(wait=True, cancel_futures=True)
            return None


def _explore_all(jobs: list[_Job], take: Callable[[Cell], object]) -> None:
    """Every job, whatever some core does to its process: the others are done all the same."""
    workers = os.cpu_count() or 1
    left = {(job.scenario, job.name): job for job in jobs}
    hung: set[str] = set()

    def took(cell: Cell) -> None:
        left.pop((cell.scenario, cell.core), None)
        take(cell)

    def took_nothing(job: _Job, why: str) -> None:
        took(Cell(job.scenario, job.name, "inconclusive", why, None, 0, 0.0, ()))

    while left:
        if _Pool(workers).run(list(left.values()), took) is None:
            continue
        # One of those that ran did it, and they are the first that are left. Each gets a process of its own.
        for job in list(left.values())[:workers]:
            why = LEFT_OUT if job.name in hung else _Pool(1).run([job], took)
            if why is not None:
                took_nothing(job, why)
            if why == HUNG:
                hung.add(job.name)
                for other in [other for other in left.values() if other.name == job.name]:
                    took_nothing(other, LEFT_OUT)
