# SPDX-License-Identifier: GPL-2.0-only
"""The search: one call into C that releases the GIL, and its result copied out.

C calls back a few times a second. That is where Ctrl-C is seen: Python runs its signal handlers inside the callback,
the exception is kept, C is told to stop, and the exception goes on when C is back, with what was found.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

from .._extension import loading
from .._limits import MAX_JOBS, MAX_SECONDS
from ..exceptions import Travels
from . import _engine
from ._call import file_of, find_core, new_options
from ._engine import Engine, let_signals_run
from .bytecode import compile_scenario
from .copier import Copier
from .kept_where import any_kept
from .result import Result
from .scenario import BaseScenario, integer, one_of

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from .._cores import Core
    from ._setting import Setting
    from .progress import Progress

__all__ = ["STRATEGIES", "Interrupted", "explore"]

STRATEGIES = ("auto", "dpor", "naive", "sleep", "bound", "random", "estimate", "pct")
POINTS = {"unlock": "XP_O_POINTS_UNLOCK", "free": "XP_O_POINTS_FREE", "plain": "XP_O_POINTS_PLAIN"}
DEFAULT_BUDGET = 60.0
#: What "estimate" takes when nothing is said.
ESTIMATE_SECONDS = 0.5
#: A failure is looked for that is graver than the first one, for so many executions more.
AFTER_FAILURE = 1000
PROGRESS_SECONDS = 0.05
#: Of strategy "pct".
DEPTH, MAX_DEPTH = 3, 16
#: What has a tree of choices, of which parts can be done apart.
IN_PARTS = ("auto", "dpor", "naive", "sleep", "bound")


class Interrupted(Travels, KeyboardInterrupt):
    """Ctrl-C during a search; ``result`` is what was found until then."""

    def __init__(self, result: Result):
        super().__init__(f"interrupted: {result}")
        self.result = result


class Options(TypedDict, total=False):
    """What :func:`explore` takes by name, for those that pass it on."""

    core: Core | str
    strategy: str
    budget: float | None
    max_executions: int | None
    seed: int
    all_failures: bool
    progress: Callable[[Progress], object] | None
    bound: int | None
    depth: int | None
    symmetry: bool
    points: tuple[str, ...] | list[str]
    classes: bool | None
    commute: bool
    shrink: bool
    notes: bool
    deviations: bool
    self_check: bool
    estimate: bool
    after_failure: int
    max_steps: int | None
    progress_interval: float
    kept: bool | Collection[str]
    executor: Executor | None
    jobs: int | None
    checkpoint: str | os.PathLike[str] | None
    resume: str | os.PathLike[str] | None


def explore(
    scenario: BaseScenario,
    *,
    core: Core | str = "iopf",
    strategy: str = "auto",
    budget: float | None = DEFAULT_BUDGET,
    max_executions: int | None = None,
    seed: int = 0,
    all_failures: bool = False,
    progress: Callable[[Progress], object] | None = None,
    bound: int | None = None,
    depth: int | None = None,
    symmetry: bool = True,
    points: tuple[str, ...] | list[str] = (),
    classes: bool | None = None,
    commute: bool = True,
    shrink: bool = True,
    self_check: bool = True,
    estimate: bool = True,
    after_failure: int = AFTER_FAILURE,
    max_steps: int | None = None,
    progress_interval: float = PROGRESS_SECONDS,
    notes: bool = True,
    deviations: bool = True,
    kept: bool | Collection[str] = False,
    executor: Executor | None = None,
    jobs: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
) -> Result:
    """Executes the interleavings of a scenario on a core and checks every one.

    Without ``executor``, ``jobs`` and ``checkpoint`` it runs in this process and writes nothing to disk. Other threads of
    Python go on meanwhile; one search runs at a time.

    :param core: name of a core, or an ``iopf.Core``
    :param strategy: ``"dpor"`` one execution for each class of equivalent interleavings, complete; ``"naive"`` every
        interleaving; ``"sleep"`` sleep sets alone, complete, lists every failure; ``"bound"`` every schedule with at
        most 0, 1, 2 ... preemptions; ``"random"`` a uniform random walk; ``"pct"`` random priorities, which finds
        bugs that take few orderings; ``"estimate"`` only says how large the search
        would be; ``"auto"`` is "dpor", but where 2,000 executions are not all it estimates, tries a few at random, and
        when "dpor" does not come to its end spends what is left of the budget on "pct", "random" and "bound" in turn
    :param budget: seconds, None: no limit. "estimate" takes half a second of the default
    :param max_executions: None: no limit
    :param seed: of what is random: equal seeds give equal searches
    :param all_failures: search on after the first failure and keep one of each signature
    :param notes: with a core that does not promise otherwise, say in ``notes`` what it does under its locks (not where
        ``shrink`` is False)
    :param deviations: what upstream chose against its own documentation is a failure like any other, with its commit in
        ``chosen``; False: it is none, and an execution goes on behind it
    :param progress: called about every ``progress_interval`` seconds with a :class:`Progress`, and once more when the
        search came to its end; stops the search by returning False. What it raises stops the search and is raised here
    :param bound: of strategy "bound": the last number of preemptions, None: until nothing is left
    :param depth: of strategy "pct": how many orderings the bugs take that it looks for, 1 to 16; None: 3, and in "auto" 2,
        3 and 4 in turn. One execution meets such a bug with a chance of at least 1 / (tasks * steps ** (depth - 1))
    :param symmetry: explore identical tasks in one order only
    :param points: further scheduling points: ``"unlock"``, ``"free"``, ``"plain"`` (every plain access)
    :param classes: count the happens-before classes; None: where it costs little ("dpor" needs no counting)
    :param commute: increments of a reference count commute, and so do decrements that do not end it
    :param shrink: make the trace of a failure minimal
    :param self_check: run every 1,024th execution twice and compare
    :param estimate: estimate the size of the search first
    :param after_failure: how many executions after the first failure look for a graver one; one that ends in a loop
        without a scheduling point counts for 50
    :param max_steps: more steps in one execution are a livelock, and so is half a second of processor time without one
    :param kept: failures to try before the search, on the core as it is: tokens, or ids; True: what the project keeps in
        ``.iopf/failures`` of this scenario and core (or an earlier state of its file). ``result.kept`` says what became of
        each; one that still fails is among the failures, and the search is that after a first failure. The commands and
        the pytest fixture do so
    :param executor: who does the search, in parts: any ``concurrent.futures.Executor`` whose workers can import the same
        build of iopf. It is not shut down. Not for the strategies "random" and "estimate", which this process does alone
    :param jobs: how many parts are given out at a time, 1 to 4096. Without an executor: that many processes, made for this
        search; with one, as many as it has workers, if it is one of the standard library, else as there are CPUs
    :param checkpoint: a file that is written every 30 seconds, on Ctrl-C, and at the end, so that the search can go on
        after whatever ends it. It must not be there yet. "auto" is "dpor" then
    :param resume: the checkpoint to go on with, of the same scenario, core, options and build, from any machine and any
        number of jobs; it is written as ``checkpoint`` is, unless that names another file
    :raises Interrupted: on Ctrl-C, within 100 ms; its ``result`` is what was found
    :raises ValueError: the scenario is wrong, there is no such core or strategy, or the checkpoint is none of this search
    :raises OSError: the checkpoint can't be written
    """
    if not isinstance(scenario, BaseScenario):
        raise TypeError(f"explore takes a Scenario, not {type(scenario).__name__}")
    if not scenario._tasks:
        raise ValueError(f"the scenario {scenario.name!r} has no tasks: begin one with task()")
    one_of("strategy", strategy, STRATEGIES)
    if progress is not None and not callable(progress):
        raise TypeError(f"progress is a callable, not {type(progress).__name__}")
    for what, value, least, most in (
        ("max_executions", max_executions, 1, 2**64 - 1),
        ("max_steps", max_steps, 1, 2**31 - 1),
        ("bound", bound, 0, 2**31 - 1),
        ("depth", depth, 1, MAX_DEPTH),
        ("after_failure", after_failure, 0, 2**64 - 1),
        ("seed", seed, 0, 2**64 - 1),
    ):
        if value is not None:
            integer(what, value, least, most)
    for what, seconds in (("budget", budget), ("progress_interval", progress_interval)):
        if seconds is not None and not 0 < seconds <= MAX_SECONDS:
            raise ValueError(
                f"{what} {seconds}: takes a number above 0, up to {MAX_SECONDS:g}, of seconds"
                + (", or None" if what == "budget" else "")
            )
    if isinstance(points, str) or not set(points) <= set(POINTS):
        raise ValueError(f"points {points!r}: takes a list of {', '.join(map(repr, POINTS))}")
    if classes is None:
        classes = strategy in ("naive", "sleep")
    workers = _workers(executor, jobs)
    parts = strategy in IN_PARTS and (executor is not None or workers > 1)
    if checkpoint is not None or resume is not None:
        parts = True
        if strategy not in IN_PARTS:
            raise ValueError(f"strategy {strategy!r} has no checkpoints: there is no order in which it gets on")

    lib = _engine.get().lib
    flags = sum({getattr(lib, POINTS[point]) for point in points})
    for wanted, flag in (
        (all_failures, lib.XP_O_ALL_FAILURES),
        (classes, lib.XP_O_CLASSES),
        (not symmetry, lib.XP_O_NO_SYMMETRY),
        (not shrink, lib.XP_O_NO_SHRINK),
        (not self_check, lib.XP_O_NO_SELF_CHECK),
        (commute, lib.XP_O_COMMUTE),
        (not estimate, lib.XP_O_NO_ESTIMATE),
        (not notes or not shrink, lib.XP_O_NO_UNDER_LOCK),
        (not deviations, lib.XP_O_AS_UPSTREAM),
    ):
        flags |= flag if wanted else 0

    tokens = _tokens(kept, scenario, core)
    fits = []
    if parts and tokens and checkpoint is None and resume is None:
        from .answer import STILL_FAILS
        from .given import follow

        fits = [follow(token, core=core).kept[0] for token in tokens]
        # What is searched behind a failure is little, and this process does it.
        parts = all_failures or all(fit.answer != STILL_FAILS for fit in fits)
    if parts:
        named = {
            "strategy": strategy,
            "points": sorted(points),
            "symmetry": symmetry,
            "commute": commute,
            "classes": classes,
            "deviations": deviations,
            "all_failures": all_failures,
            "max_steps": max_steps,
        }
        from ._setting import Setting

        result = _in_parts(
            Setting(scenario, core, strategy, flags, after_failure, max_steps, named),
            executor=executor,
            jobs=workers,
            budget=budget,
            max_executions=max_executions,
            seed=seed,
            bound=bound,
            checkpoint=None if checkpoint is None else os.fspath(checkpoint),
            resume=None if resume is None else os.fspath(resume),
            progress=progress,
            progress_interval=progress_interval,
        )
        if fits:
            from .given import answered

            result = replace(result, kept=answered(_engine.get(), tokens, fits, result, flags))
        return result
    table, file = find_core(core), file_of(core)
    with _engine.turn() as engine:
        compiled = compile_scenario(scenario, engine.lib)
        options = new_options(engine, table, scenario, compiled)
        options.strategy = STRATEGIES.index(strategy)
        options.bound = -1 if bound is None else bound
        options.depth = depth or 0
        options.flags = flags
        options.budget = ESTIMATE_SECONDS if (strategy, budget) == ("estimate", DEFAULT_BUDGET) else budget or 0.0
        options.max_executions = max_executions or 0
        options.seed = seed
        options.after_failure = after_failure
        options.max_steps = max_steps or 0
        options.progress = engine.lib.xp_on_progress
        options.progress_interval = progress_interval
        raw = engine.ffi.new("struct xp_result *")
        last: list[Progress] = []
        engine.on_progress = _progress_caller(engine, progress, last)
        code = engine.ffi.from_buffer("int32_t[]", compiled.words)
        with _trying_first(engine, options, tokens):
            status = engine.lib.xp_explore(code, len(compiled.words), options, raw)
        if status and engine.error is None:
            engine.check(status, f"exploring {scenario.name!r}")
        copier = Copier(engine, scenario, compiled, table, file, flags, max_steps)
        result = copier.result(raw, seed)
        if result.strategy == "pct":
            result = replace(result, depth=depth or DEPTH)
        if tokens:
            from .given import answers

            result = replace(result, kept=answers(engine, copier, tokens, result, flags))
        error = engine.error
    if isinstance(error, KeyboardInterrupt):
        raise Interrupted(result) from error
    if error is not None:
        raise error
    if progress is not None and result.exhausted:
        progress(_whole(result, last[0] if last else None))
    return result


def _tokens(kept: bool | Collection[str], scenario: BaseScenario, core: Core | str) -> list[str]:
    """What is tried before the search; what takes that is loaded when there is something."""
    if not (any_kept() if kept is True else kept):
        return []
    with loading:
        from .given import known_by, tokens_for

    return tokens_for(scenario, core) if kept is True else known_by(kept or (), scenario)


def _trying_first(engine: Engine, options: Any, tokens: list[str]) -> contextlib.AbstractContextManager[None]:
    """Around a call into C: it tries these first."""
    if not tokens:
        return contextlib.nullcontext()
    from .given import given

    return given(engine, options, tokens)


def _workers(executor: object, jobs: int | None) -> int:
    """How many parts are given out at a time."""
    if executor is not None:
        from concurrent.futures import Executor

        if not isinstance(executor, Executor):
            raise TypeError(f"executor is a concurrent.futures.Executor, not {type(executor).__name__}")
    if jobs is not None:
        return integer("jobs", jobs, 1, MAX_JOBS)
    if executor is None:
        return 1
    workers = getattr(executor, "_max_workers", None)
    return workers if isinstance(workers, int) and 0 < workers <= MAX_JOBS else os.cpu_count() or 1


def _in_parts(
    setting: Setting,
    *,
    executor: Executor | None,
    jobs: int,
    budget: float | None,
    max_executions: int | None,
    seed: int,
    bound: int | None,
    checkpoint: str | None,
    resume: str | None,
    progress: Callable[[Progress], object] | None,
    progress_interval: float,
) -> Result:
    """The search by whoever the executor has, or with a file that it can go on with."""
    from . import _checkpoint as disk  # what is written takes longer to load than most searches take
    from ._jobs import ROOT, Job
    from ._parallel import Search
    from ._work import Explorer

    path = checkpoint if checkpoint is not None else resume
    if checkpoint is not None and checkpoint != resume:
        disk.check_new(checkpoint)
    explorer = Explorer(setting)
    last: list[Progress] = []
    if resume is not None:
        begun = disk.Checkpoint.read(resume, setting)
    else:
        strategy = "dpor" if path is not None and setting.strategy == "auto" else setting.strategy
        engine = _engine.get()
        began = time.monotonic()
        result, part, strategy, estimate = explorer.plan(
            strategy=strategy,
            budget=budget,
            max_executions=max_executions,
            seed=seed,
            bound=bound,
            workers=jobs,
            on_progress=_progress_caller(engine, progress, last),
            progress_interval=progress_interval,
        )
        if result is not None:
            if explorer.error is not None:
                raise Interrupted(result) from explorer.error
            if progress is not None and result.exhausted:
                progress(_whole(result, last[0] if last else None))
            return result
        first = Job(bound=0) if strategy == "bound" else ROOT
        took = time.monotonic() - began
        begun = disk.Checkpoint(setting, strategy, part, (first,), took, estimate, -1)
        budget = None if budget is None else max(budget - took, 0.0)

    def told(now: Progress) -> object:
        last[:] = [now]
        return progress(now) if progress is not None else None

    search = Search(
        explorer,
        begun,
        executor=executor,
        jobs=jobs,
        budget=budget,
        max_executions=max_executions,
        bound=bound,
        path=path,
        progress=told if progress is not None else None,
        progress_interval=progress_interval,
    )
    search.run()
    result = search.result(seed)
    error = search.error or explorer.error
    if error is not None:
        raise Interrupted(result) from error
    if progress is not None and result.exhausted:
        progress(_whole(result, last[0] if last else None))
    return result


def _whole(result: Result, last: Progress | None) -> Progress:
    """The end of a search that came to its end."""
    from .progress import Progress

    seconds = max(result.seconds, last.seconds if last else 0.0)
    return Progress(
        seconds=seconds,
        done=1.0,
        estimate=float(result.classes) if result.estimate and result.classes else result.estimate,
        eta=0.0,
        blocked=result.blocked,
        executions=max(result.executions, last.executions if last else 0),
        strategy=result.strategy,
        failures=len(result.failures),
        bound=result.bound,
    )


def _progress_caller(
    engine: Engine, progress: Callable[[Progress], object] | None, last: list[Progress]
) -> Callable[[Any], int]:
    """What C calls; ``last`` keeps the last that the user was told."""
    if progress is None:
        return let_signals_run
    from .progress import Progress

    strategies = {number: name for name, number in _engine.names("strategy").items()}

    def call(raw: Any) -> int:
        strategy = strategies[raw.strategy]
        last[:] = [
            Progress(
                seconds=raw.seconds,
                done=raw.mass if strategy in ("dpor", "naive", "sleep") else None,
                estimate=raw.estimate or None,
                eta=_time_to_go(raw),
                executions=raw.executions,
                blocked=raw.blocked,
                strategy=strategy,
                failures=raw.failures,
                bound=raw.bound if raw.bound >= 0 else None,
            )
        ]
        return int(progress(last[0]) is False)

    return call


def _time_to_go(raw: Any) -> float | None:
    """Seconds: by the estimate of the size at first, and the more by the part that is done the larger that is."""
    by_mass: float | None = raw.eta if raw.eta >= 0 else None
    if not raw.estimate or not raw.executions or not raw.seconds:
        return by_mass
    by_estimate: float = max(raw.estimate - raw.executions, 0) * raw.seconds / raw.executions
    mass: float = raw.mass
    return by_estimate if by_mass is None else mass * by_mass + (1 - mass) * by_estimate
