# SPDX-License-Identifier: GPL-2.0-only
"""The cells of a check, each an exploration in a process of a pool; each process has an explorer of its own.

A core may end the process that explores it, or never come back: then the others are explored all the same.

With a number of jobs that the user gave, no process is left alone with a cell that takes long: such a cell is put aside, and
when the others are done it is explored by that many processes together.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ._check_table import ENDED, HUNG, LEFT_OUT, Cell, Finding
from ._cores import Core
from ._processes import be_a_worker, deaf_to_the_terminal, held
from .exceptions import CoreSourceError
from .explore.result import Result
from .explore.scenario import BaseScenario
from .explore.search import explore

if TYPE_CHECKING:
    from ._source import CompiledCore, Prepared
    from .explore.failure import Failure
    from .explore.progress import Progress

__all__ = ["AsRead", "Job", "TooLarge", "explore_all", "explore_cell", "in_a_process"]

_J = TypeVar("_J")
_R = TypeVar("_R")

#: How many searches a cell may need, each within the budget; and the seconds beyond these after which it does not come
#: back: it has ends of its own long before.
SEARCHES, PATIENCE = 3, 30.0

#: A search of more seconds is one for several processes, where there are some.
LARGE = 1.0

#: How long a signal waits while nothing comes, in seconds.
SLICE = 0.05


@dataclass(frozen=True)
class AsRead(Core):
    """A core of a file as it was when the table was begun. What is explored is that, or nothing: a file that somebody saves
    meanwhile would put its results under the name of what it was."""

    digest: str = ""

    @classmethod
    def of(cls, core: Core, read: Prepared) -> AsRead:
        return cls(**{field.name: getattr(core, field.name) for field in fields(Core)}, digest=read.digest)

    def compile_for(self, runtime: str) -> CompiledCore:
        compiled = super().compile_for(runtime)
        if compiled.library.parent.name != self.digest:
            raise CoreSourceError(
                f"{self.source}, or what it includes, was changed while it was being checked: try again.",
                number=errno.EAGAIN,
            )
        return compiled


@dataclass(frozen=True)
class Job:
    """What becomes a cell: the scenario and the name of its row, the core and the name of its column."""

    scenario: str
    what: BaseScenario
    core: Core | str
    name: str
    #: does it claim to be correct?
    claims: bool
    budget: float
    #: everything that fails is wanted, and not only whether a core's own bug is among it
    everything: bool = False
    #: failures that are kept of the scenario, by token: tried first, whatever core they are of, so that no column is
    #: looked at more closely than another
    kept: tuple[str, ...] = ()
    #: processes that share it
    jobs: int = 1
    #: it is put aside when one of its searches takes longer; None: it never is
    alone: float | None = None


class TooLarge(NamedTuple):
    """In place of a cell: it was put aside, and is a job for several processes."""

    scenario: str
    core: str


class _Large(Exception):
    """A search takes longer than one process is to have for it."""


def _place(failure: Failure, core: Core | str) -> tuple[str | None, int, str | None]:
    """Where in the core's code a failure is: in a user's file, wherever that is one of its places."""
    places = [site.place for site in failure.sites if site.place is not None and site.place.line]
    if isinstance(core, Core) and core.source is not None:
        places = [place for place in places if place.file == str(core.source)] or places
    elif failure.place is not None:
        places.insert(0, failure.place)
    if not places:
        return None, 0, None
    return places[0].file, places[0].line, places[0].function


def _unknown(known: tuple[Failure, ...], more: Iterable[Failure]) -> tuple[Failure, ...]:
    """Those of which none that is known is the same."""
    signatures = {failure.signature for failure in known}
    return tuple(failure for failure in more if failure.signature not in signatures)


def _explore(job: Job, *, all_failures: bool, deviations: bool = True) -> Result:
    """A search of a cell."""
    alone = job.alone

    def progress(now: Progress) -> None:
        if alone is not None and now.seconds > alone and now.done != 1:
            raise _Large

    return explore(
        job.what,
        core=job.core,
        budget=job.budget,
        all_failures=all_failures,
        deviations=deviations,
        notes=False,
        progress=progress if alone is not None else None,
        jobs=job.jobs,
        kept=job.kept,
    )


def explore_cell(job: Job) -> Cell | TooLarge:
    """What becomes of it."""
    try:
        return _cell(job)
    except _Large:
        return TooLarge(job.scenario, job.name)


def _cell(job: Job) -> Cell:
    result = _explore(job, all_failures=job.everything)
    failures = result.failures
    exhausted = result.exhausted
    own = any(failure.contract == "kept" and failure.chosen is None for failure in failures)
    choices = any(failure.chosen is not None for failure in failures)
    if not job.everything and failures and not own and (job.claims or choices):
        # The driver's failures and upstream's choices hide nothing of the core's: an execution ends where it fails, so search on after them.
        more = _explore(job, all_failures=True)
        exhausted = more.exhausted
        failures += _unknown(failures, (failure for failure in more.failures if failure.contract == "kept"))
        own = any(failure.contract == "kept" and failure.chosen is None for failure in failures)
    if any(failure.chosen is not None for failure in failures) and (job.everything or not own):
        # And a choice ends each execution that comes to it: see also what is behind it.
        behind = _explore(job, all_failures=True, deviations=False)
        exhausted = exhausted and behind.exhausted
        failures += _unknown(failures, behind.failures)
    findings = tuple(
        Finding(
            failure.kind,
            failure.contract,
            failure.clauses,
            failure.message,
            failure.token,
            failure.command,
            str(failure),
            failure.signature,
            *_place(failure, job.core),
            chosen=failure.chosen,
        )
        for failure in failures
    )
    return Cell(
        job.scenario,
        job.name,
        result.verdict,
        result.why,
        result.classes,
        result.executions,
        result.seconds,
        findings,
        exhausted,
    )


class _Pool:
    """Processes that explore. One that dies, or that does not come back, takes the others with it."""

    def __init__(self, workers: int):
        with deaf_to_the_terminal():
            self._pool = ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), initializer=be_a_worker, initargs=(os.getpid(),)
            )

    def run(self, jobs: list[_J], take: Callable[[_R], object], work: Callable[[_J], _R], budget: float) -> str | None:
        """Takes what comes of the jobs as it comes; why it ended before the last one, if it did.

        :param budget: seconds that each of them keeps to

        The thread that calls it is the one that starts the processes, and is here until they have ended.
        """
        with held() as signals:
            through = False
            try:
                # In the order in which they come: to look through all that wait for each that is done is quadratic.
                finished: SimpleQueue[Future[_R]] = SimpleQueue()
                with deaf_to_the_terminal():
                    for job in jobs:
                        self._pool.submit(work, job).add_done_callback(finished.put)
                came = time.monotonic()
                left = len(jobs)
                while left:
                    try:
                        future = finished.get(timeout=SLICE)
                    except Empty:
                        signals.act()
                        if time.monotonic() - came > SEARCHES * budget + PATIENCE:
                            return HUNG
                        continue
                    signals.act()
                    came = time.monotonic()
                    left -= 1
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


def in_a_process(work: Callable[[_J], _R], job: _J, budget: float) -> _R | None:
    """What work(job) gives, in a process of its own; None: the core ended that, or did not come back."""
    found: list[_R] = []
    _Pool(1).run([job], found.append, work, budget)
    return found[0] if found else None


def explore_all(jobs: list[Job], take: Callable[[Cell], object], shared: int | None = None) -> None:
    """Every job, whatever some core does to its process: the others are done all the same.

    :param shared: how many processes, which share what is large; None: as many as there are CPUs, and each cell is one's
    """
    workers = shared or os.cpu_count() or 1
    if shared is not None and shared > 1:
        jobs = [replace(job, alone=LARGE) for job in jobs]
    large: list[Job] = []
    left = {(job.scenario, job.name): job for job in jobs}
    hung: set[str] = set()

    def took(cell: Cell | TooLarge) -> None:
        job = left.pop((cell.scenario, cell.core), None)
        if isinstance(cell, Cell):
            take(cell)
        elif job is not None:
            large.append(replace(job, jobs=workers, alone=None))

    def took_nothing(job: Job, why: str) -> None:
        took(Cell(job.scenario, job.name, "inconclusive", why, None, 0, 0.0, ()))

    while left:
        if _Pool(workers).run(list(left.values()), took, explore_cell, jobs[0].budget) is None:
            continue
        # One of those that ran did it, and they are the first that are left. Each gets a process of its own.
        for job in list(left.values())[:workers]:
            why = LEFT_OUT if job.name in hung else _Pool(1).run([job], took, explore_cell, job.budget)
            if why is not None:
                took_nothing(job, why)
            if why == HUNG:
                hung.add(job.name)
                for other in [other for other in left.values() if other.name == job.name]:
                    took_nothing(other, LEFT_OUT)
    # In a process of its own all the same: it may end that, which gives out the parts.
    for job in large:
        why = LEFT_OUT if job.name in hung else _Pool(1).run([job], took, explore_cell, job.budget)
        if why is not None:
            took_nothing(job, why)
