# SPDX-License-Identifier: GPL-2.0-only
"""One search, done in parts: by this process, by others, by whatever an executor has.

Who is here gives out jobs and adds up what comes of them. A job is done for about :data:`SLICE` seconds; what it leaves
comes back as jobs, more than one where others have nothing to do. So no tree is too uneven, what has to be done again when
a worker dies is small, and the search stops soon whoever says so. Only an answer that came as a whole counts: a job whose
worker died is given out again, and nothing is counted twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from .._processes import held
from ._checkpoint import Checkpoint
from ._jobs import Job, Part, Totals
from ._pool import Processes
from ._setting import Setting
from ._work import Explorer, answer, prepare, request, work
from .progress import Progress
from .result import Result

__all__ = ["Search"]

#: Seconds that a worker has for a job; and this process for the first one, which is divided then.
SLICE, FIRST_SLICE = 0.5, 0.1
#: Towards the end it has less, so that all are through at about the same time; not less than this.
LAST_SLICE = 0.05
#: Seconds between two checkpoints.
CHECKPOINT_SECONDS = 30.0
#: How long a signal waits while nothing comes, in seconds.
LOOK_SECONDS = 0.02
#: A worker of our own that does not come back for so many seconds more than it has for its job is ended. It has ends of
#: its own long before.
PATIENCE = 30.0
#: A job whose worker died so many times is not given out again.
ATTEMPTS = 3

NO_GUARD = (
    "worker processes end before they do anything: a script that explores with jobs=... is imported by them, and has to do"
    " it below if __name__ == '__main__':"
)


class Search:
    """A search in parts, of one setting."""

    def __init__(
        self,
        explorer: Explorer,
        begun: Checkpoint,
        *,
        executor: Executor | None,
        jobs: int,
        budget: float | None,
        max_executions: int | None,
        bound: int | None,
        path: str | None,
        progress: Callable[[Progress], object] | None,
        progress_interval: float,
    ):
        self.explorer = explorer
        self.setting: Setting = explorer.setting
        self.executor, self.jobs = executor, jobs
        self.budget, self.max_executions, self.last_bound = budget, max_executions, bound
        self.path = path
        self.progress, self.progress_interval = progress, progress_interval
        self.strategy = begun.strategy
        self.estimate = begun.estimate
        self.bound = begun.bound
        self.remarks = list(begun.remarks)
        self.totals = Totals(begun.part)
        self.open = list(begun.jobs)
        self.before = begun.seconds
        self.began = time.monotonic()
        #: with what is asked of each, and how often it was given out before
        self.given: dict[Future[Any], tuple[Job, int, int, float]] = {}
        self.attempts: dict[Job, int] = {}
        self.stopped = self.over = False
        self.error: BaseException | None = None
        self.deaths = 0
        self.unwritten: str | None = None
        self.answers = 0
        self._told = self._written = self.began
        self._most = 0.0
        self._signals: Any = None

    # --- how far it is ---

    @property
    def seconds(self) -> float:
        """That it took, in all."""
        return self.before + time.monotonic() - self.began

    def _left(self) -> float | None:
        """Seconds of the budget."""
        return None if self.budget is None else self.budget - (time.monotonic() - self.began)

    def _mass(self, more: float = 0.0) -> float:
        open_ = sum(job.mass for job in self.open) + sum(job.mass for job, *_ in self.given.values())
        self._most = max(self._most, min(1.0, 1.0 - open_ + more))
        return self._most

    def _tell(self, raw: Any = None) -> bool:
        """The callback, if it is time for it; ``raw``: of the job that this process does. False: it is to stop."""
        now = time.monotonic()
        if self.progress is None or now - self._told < self.progress_interval:
            return True
        self._told = now
        executions = self.totals.part.executions + (raw.executions if raw is not None else 0)
        blocked = self.totals.part.blocked + (raw.blocked if raw is not None else 0)
        mass = self._mass(raw.mass if raw is not None else 0.0)
        seconds = self.seconds
        by_mass = seconds / mass - seconds if mass > 1e-6 else None
        eta = by_mass
        if self.estimate and executions:
            by_estimate = max(self.estimate - executions, 0) * seconds / executions
            eta = by_estimate if by_mass is None else mass * by_mass + (1 - mass) * by_estimate
        is_bound = self.strategy == "bound"
        told = Progress(
            seconds=seconds,
            done=None if is_bound else mass,
            estimate=self.estimate,
            eta=None if is_bound else eta,
            executions=executions,
            blocked=blocked,
            strategy=self.strategy,
            failures=self.totals.failures,
            bound=self.bound + 1 if is_bound else None,
        )
        return self.progress(told) is not False

    def _on_progress(self, raw: Any) -> int:
        """What C calls in this process."""
        self._signals.act()
        if not self._tell(raw):
            self.stopped = True
        return int(self.stopped)

    # --- when it is over ---

    def _allowed(self) -> tuple[int | None, int | None]:
        """How many executions may be given out now, and how many runs after a failure; None: as many as there are."""
        executions = runs = None
        if self.max_executions is not None:
            executions = self.max_executions - self.totals.part.executions - sum(n for _, n, *_ in self.given.values())
        if self.totals.failures and not self._all_failures:
            runs = self.setting.after_failure - self.totals.part.further
        return executions, runs

    @property
    def _all_failures(self) -> bool:
        return bool(self.setting.named.get("all_failures"))

    def _must_stop(self) -> bool:
        left = self._left()
        executions, runs = self._allowed()
        return (
            self.stopped
            or self.totals.part.why is not None
            or (left is not None and left <= 0)
            or (executions is not None and executions <= 0 and not self.given)
            or (runs is not None and runs <= 0)
        )

    def _next_bound(self) -> None:
        """Where the strategy is "bound" and one is through: the next one, if that leaves anything out."""
        if self.strategy != "bound" or self.open or self.given or self.over:
            return
        self.bound += 1
        self.over = not self.totals.part.was_cut or self.bound == self.last_bound
        if not self.over:
            self.totals.part.was_cut = False
            self.open = [Job(bound=self.bound + 1)]

    @property
    def _exhausted(self) -> bool:
        through = not self.open and not self.given
        return through and (self.strategy != "bound" or (self.over and not self.totals.part.was_cut))

    # --- parts ---

    def _took(self, job: Job, part: Part, left: list[Job]) -> None:
        self.totals.add(part)
        self.open += left
        self.answers += 1
        self.attempts.pop(job, None)
        self._next_bound()

    def _do_one(self, seconds: float | None, wanted: int) -> None:
        """One job, here."""
        executions, runs = self._allowed()
        job = self.open.pop()
        time_left = self._left()
        times = [limit for limit in (seconds, time_left) if limit is not None]
        try:
            part, left, _ = self.explorer.do(
                job,
                strategy=self.strategy,
                seconds=max(min(times), 1e-3) if times else None,
                max_executions=executions,
                max_runs=runs,
                wanted=wanted,
                on_progress=self._on_progress,
                progress_interval=min(self.progress_interval, 0.05),
            )
        except BaseException:
            self.open.append(job)
            raise
        self._took(job, part, left)
        if self.explorer.error is not None:
            raise self.explorer.error

    def _alone(self) -> None:
        """All of it, by this process, one job after the other: in the order of a search that is not divided."""
        while self.open and not self._must_stop():
            due = None if self.path is None else max(self._written + CHECKPOINT_SECONDS - time.monotonic(), 0.01)
            self._do_one(due, 1)
            self._write_if_due()

    def _give_out(self, executor: Executor, text: str, finished: SimpleQueue[Future[Any]], most: int) -> None:
        while self.open and len(self.given) < most and not self._must_stop():
            if isinstance(executor, Processes) and not executor.idle():
                return  # one is not ready yet
            executions, runs = self._allowed()
            if executions is not None:
                if executions <= 0:
                    return
                executions = max(1, executions // self.jobs)
            # The largest part first: the small ones fill the gaps at the end.
            job = self.open.pop(max(range(len(self.open)), key=lambda index: self.open[index].mass))
            wanted = self._wanted(job)
            content = request(
                text,
                job,
                strategy=self.strategy,
                seconds=self._slice(),
                max_executions=executions,
                max_runs=runs,
                wanted=wanted,
            )
            try:
                future = executor.submit(work, content)
            except BaseException:
                self.open.append(job)
                raise
            self.given[future] = job, executions or 0, self.attempts.get(job, 0), time.monotonic()
            future.add_done_callback(finished.put)

    def _time_for(self, part: float) -> float:
        """About how many seconds it takes one worker to do so much of the tree, by what was done so far."""
        mass = self._mass()
        return self.seconds * self.jobs * part / mass if mass > 0.01 else float("inf")

    def _wanted(self, job: Job) -> int:
        """How many jobs it is to leave: no more than there are workers without one, since each division makes some
        executions more that are cut short; and of what is over soon, one."""
        without = self.jobs - len(self.open)
        return without + 1 if without > 0 and self._time_for(job.mass) > 2 * LAST_SLICE else 1

    def _slice(self) -> float:
        """Seconds for the next job."""
        time_left = self._left()
        seconds = min(SLICE, max(LAST_SLICE, self._time_for(1 - self._mass()) / (4 * self.jobs)))
        return seconds if time_left is None else max(min(seconds, time_left), 1e-3)

    def _take(self, future: Future[Any]) -> None:
        """What came of a job; or nothing did, and it is given out again."""
        job, _, attempts, _ = self.given.pop(future)
        try:
            content = future.result()
        except Exception as error:
            self.deaths += 1
            self.attempts[job] = attempts + 1
            self.open.append(job)
            if attempts + 1 >= ATTEMPTS:
                if not self.answers and isinstance(self.executor, Processes):
                    raise RuntimeError(NO_GUARD) from error
                why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                self.totals.part.why = (
                    f"a part of the search was given out {ATTEMPTS} times, and its worker ended each time ({why:.200})"
                )
            return
        try:
            part, left, _ = answer(content)
            self._took(job, part, left)
        except BaseException:
            self.open.append(job)
            raise

    def _with_workers(self, executor: Executor) -> None:
        """By whoever the executor has."""
        if self.open and not self._must_stop():
            self._do_one(FIRST_SLICE, 4 * self.jobs)
        text = json.dumps(self.setting.data)
        if self.open and isinstance(executor, Processes):
            # It takes them some tenths of a second, and there is something to do meanwhile.
            try:
                executor.start(prepare, text)
            except RuntimeError as error:
                return self._without(error)
            while self.open and not executor.idle() and not self._must_stop():
                self._do_one(LAST_SLICE, max(4 * self.jobs - len(self.open), 1))
        finished: SimpleQueue[Future[Any]] = SimpleQueue()
        # One more than there are workers waits on its way to them; ours are next door.
        most = self.jobs if isinstance(executor, Processes) else self.jobs + 1
        while (self.open or self.given) and not self._must_stop():
            try:
                self._give_out(executor, text, finished, most)
            except RuntimeError as error:  # BrokenExecutor is one, and so is what one that was shut down says
                return self._without(error)
            try:
                self._take(finished.get(timeout=LOOK_SECONDS))
                while True:
                    self._take(finished.get_nowait())
            except Empty:
                pass
            self._signals.act()
            self._look_for_the_lost()
            if not self._tell():
                self.stopped = True
            self._write_if_due()
        # Of what is on its way when the time is over, as much as comes at once.
        until = time.monotonic() + (0 if self.stopped else 0.2)
        while self.given and time.monotonic() < until:
            try:
                self._take(finished.get(timeout=LOOK_SECONDS))
            except Empty:
                self._signals.act()

    def _without(self, error: RuntimeError) -> None:
        """What is left, when the executor takes nothing any more."""
        self.remarks.append(
            f"the executor takes no more jobs ({type(error).__name__}: {error}): this process did the rest"
        )
        self.open += [job for job, *_ in self.given.values()]
        self.given.clear()
        self._alone()

    def _look_for_the_lost(self) -> None:
        if isinstance(self.executor, Processes):
            for future, (*_, since) in self.given.items():
                if time.monotonic() - since > SLICE + PATIENCE:
                    self.executor.kill(future)

    # --- to disk ---

    def state(self) -> Checkpoint:
        """Everything that it takes to go on."""
        remarks = list(self.remarks)
        if self.deaths:
            remarks.append(_of_deaths(self.deaths))
        if self.unwritten is not None:
            remarks.append(self.unwritten)
        jobs = (*self.open, *(job for job, *_ in self.given.values()))
        return Checkpoint(
            self.setting,
            self.strategy,
            self.totals.whole(),
            jobs,
            self.seconds,
            self.estimate,
            self.bound,
            tuple(remarks),
        )

    def _write(self) -> None:
        """A disk that is full is no reason to lose what is in memory: it is told, and tried again."""
        if self.path is None:
            return
        self._written = time.monotonic()
        try:
            self.state().write(self.path)
            self.unwritten = None
        except OSError as error:
            self.unwritten = f"the checkpoint {self.path} could not be written: {error.strerror}"

    def _write_if_due(self) -> None:
        if self.path is not None and time.monotonic() - self._written >= CHECKPOINT_SECONDS:
            self._write()

    # --- all of it ---

    def run(self) -> None:
        """Until it is through, or somebody says stop: ``error`` is what was raised, KeyboardInterrupt too."""
        with held() as self._signals:
            try:
                if self.path is not None:
                    self.state().write(self.path)  # where it can't be, that is said at once
                if self.executor is None and self.jobs == 1:
                    self._alone()
                else:
                    if self.executor is None:
                        self.executor = Processes(self.jobs)
                    self._with_workers(self.executor)
            except KeyboardInterrupt as error:
                self.stopped, self.error = True, error
            except BaseException as error:
                self.error = error
                raise
            finally:
                try:
                    self._write()
                finally:
                    if isinstance(self.executor, Processes):
                        self.executor.end()
                    else:
                        for future in self.given:
                            future.cancel()

    def result(self, seed: int) -> Result:
        """What it came to."""
        whole = self.totals.whole()
        found = self.explorer.conclude(
            whole,
            seed=seed,
            race_walks=self.setting.strategy == "auto" and not self.stopped,
            interrupted=self.stopped,
            strategy=self._strategy_number,
            bound=self.bound,
            exhausted=self._exhausted,
            classes=len(whole.classes)
            if whole.classes is not None
            else whole.executions
            if self.strategy in ("dpor", "sleep")
            else 0,
            seconds=self.seconds,
            estimate=self.estimate or 0.0,
            mass=1.0 if self._exhausted else min(self._mass(), 1.0),
        )
        return replace(found, remarks=self.state().remarks)

    @property
    def _strategy_number(self) -> int:
        from . import _engine

        return _engine.names("strategy")[self.strategy]


def _of_deaths(deaths: int) -> str:
    if deaths == 1:
        return "one worker ended, and its job was run again"
    return f"workers ended {deaths} times, and their jobs were run again"
