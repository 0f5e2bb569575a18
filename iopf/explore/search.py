# SPDX-License-Identifier: GPL-2.0-only
"""The search: one call into C that releases the GIL, and its result copied out.

C calls back a few times a second. That is where Ctrl-C is seen: Python runs its signal handlers inside the callback,
the exception is kept, C is told to stop, and the exception goes on when C is back, with what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

from .._extension import CData
from .._hints import unknown
from .._options import MAX_SECONDS
from ..exceptions import Travels
from . import _engine
from ._engine import Engine, text
from .bytecode import Compiled, compile_scenario
from .copier import Copier, named_fields
from .corefile import core_file
from .given import answers, given, known_by, tokens_for
from .loader import load_table
from .result import Progress, Result
from .scenario import BaseScenario, integer, one_of

if TYPE_CHECKING:
    from .._cores import Core

__all__ = ["STRATEGIES", "Interrupted", "explore", "find_core"]

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


class Interrupted(Travels, KeyboardInterrupt):
    """Ctrl-C during a search; ``result`` is what was found until then."""

    def __init__(self, result: Result):
        super().__init__(f"interrupted: {result}")
        self.result = result


def find_core(core: Core | str) -> CData:
    """A core as C knows it, of its name or a Core; one of a file is compiled and loaded. ValueError lists the names.

    Not inside of a turn: loading takes one.
    """
    engine = _engine.get()
    if not isinstance(core, str):
        from .._cores import Core  # what knows files takes longer to load than most searches take

        if isinstance(core, Core) and core.source is not None:
            compiled = core.compile_for("explore")
            table: CData = load_table(compiled.library, compiled.symbol)[1]
            return table
    name = core if isinstance(core, str) else getattr(core, "name", None)
    if not isinstance(name, str):
        raise TypeError(f"core is a Core, or the name of one, not {type(core).__name__}")
    found: CData = engine.lib.xp_find_core(name.encode())
    if not found:
        known = [
            text(engine.ffi, engine.lib.xp_core_name(engine.lib.xp_core(i))) for i in range(engine.lib.xp_nr_cores())
        ]
        file = "; a file is one by its path: Core.from_source(path), --core FILE" if name.endswith(".c") else ""
        raise ValueError(f"{unknown('core', name, known)}{file}")
    return found


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
) -> Result:
    """Executes the interleavings of a scenario on a core and checks every one.

    Runs in this process and writes nothing to disk. Other threads of Python go on meanwhile; one search runs at a time.

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
    :param max_steps: more steps in one execution are a livelock, and so is a second of processor time without one
    :param kept: failures to try before the search, on the core as it is: tokens, or ids; True: what the project keeps in
        ``.iopf/failures`` of this scenario and core (or an earlier state of its file). ``result.kept`` says what became of
        each; one that still fails is among the failures, and the search is that after a first failure. The commands and
        the pytest fixture do so
    :raises Interrupted: on Ctrl-C, within 100 ms; its ``result`` is what was found
    :raises ValueError: the scenario is wrong, or there is no such core or strategy
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

    table, file = find_core(core), core_file(core)
    tokens = tokens_for(scenario, core) if kept is True else known_by(kept or (), scenario)
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
        with given(engine, options, tokens):
            status = engine.lib.xp_explore(code, len(compiled.words), options, raw)
        if status and engine.error is None:
            engine.check(status, f"exploring {scenario.name!r}")
        copier = Copier(engine, scenario, compiled, table, file, flags, max_steps)
        result = copier.result(raw, seed)
        if result.strategy == "pct":
            result = replace(result, depth=depth or DEPTH)
        if tokens:
            result = replace(result, kept=answers(engine, copier, tokens, result, flags))
        error = engine.error
    if isinstance(error, KeyboardInterrupt):
        raise Interrupted(result) from error
    if error is not None:
        raise error
    if progress is not None and result.exhausted:
        progress(_whole(result, last[0] if last else None))
    return result


def new_options(engine: Engine, table: Any, scenario: BaseScenario, compiled: Compiled) -> Any:
    """Options of a search on a core; the engine is told what signatures call the scenario's operations."""

    def name(index: int) -> str:
        record = compiled.records[index]
        return named_fields(scenario, str(record.operation or record.section or "the set-up"))

    engine.on_record = name
    options = engine.ffi.new("struct xp_options *")
    options.core = table
    options.function = engine.lib.xp_on_function
    return options


def _whole(result: Result, last: Progress | None) -> Progress:
    """The end of a search that came to its end."""
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
    strategies = {number: name for name, number in _engine.names("strategy").items()}

    def call(raw: Any) -> int:
        if progress is None:
            return _let_signals_run()
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


def _let_signals_run() -> int:
    # Python runs signal handlers between bytecodes of the main thread; a loop makes sure that there are some.
    for _ in range(2):
        pass
    return 0
