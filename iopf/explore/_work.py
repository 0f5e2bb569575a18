# SPDX-License-Identifier: GPL-2.0-only
"""Doing a part of a search, in this process: here, or as a worker that gets it as bytes and answers with bytes.

:func:`work` is what executors run: a function of a module, which takes and gives bytes (_wire.py), so that it works wherever
this package is installed, and nothing of a search has to be pickled.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..exceptions import IopfError
from . import _engine
from ._call import find_core, new_options
from ._engine import let_signals_run, text
from ._jobs import Job, Part, Witness
from ._setting import Setting
from ._wire import pack, unpack
from .bytecode import compile_scenario
from .copier import Copier
from .corefile import core_file
from .result import Hot, Result

__all__ = ["Explorer", "prepare", "request", "work"]

#: Called a few times a second with a struct xp_progress: True stops the search.
OnProgress = Callable[[Any], int]

REQUEST, ANSWER = "job", "part"


class Explorer:
    """A setting, in this process. From any thread; one part is done at a time."""

    def __init__(self, setting: Setting):
        self.setting = setting
        #: what a callback of the last part raised, which stopped it
        self.error: BaseException | None = None
        self.table = find_core(setting.core)

    def _options(self, engine: _engine.Engine, compiled: Any, on_progress: OnProgress | None) -> Any:
        setting = self.setting
        options = new_options(engine, self.table, setting.scenario, compiled)
        options.flags = setting.flags
        options.after_failure = setting.after_failure
        options.max_steps = setting.max_steps or 0
        options.bound = -1
        engine.on_progress = on_progress or let_signals_run
        options.progress = engine.lib.xp_on_progress
        return options

    def plan(
        self,
        *,
        strategy: str,
        budget: float | None,
        max_executions: int | None,
        seed: int,
        bound: int | None,
        workers: int,
        on_progress: OnProgress | None,
        progress_interval: float,
    ) -> tuple[Result | None, Part, str, float | None]:
        """What comes before a search that may take long: its result, if it is over with that; else what was seen, the
        strategy that it has to go on with, and an estimate of its size."""
        self.error = None
        with _engine.turn() as engine:
            compiled = compile_scenario(self.setting.scenario, engine.lib)
            options = self._options(engine, compiled, on_progress)
            options.strategy = _engine.names("strategy")[strategy]
            options.budget = budget or 0.0
            options.max_executions = max_executions or 0
            options.seed = seed
            options.bound = -1 if bound is None else bound
            options.workers = workers
            options.progress_interval = progress_interval
            raw, part = engine.ffi.new("struct xp_result *"), engine.ffi.new("struct xp_part *")
            code = engine.ffi.from_buffer("int32_t[]", compiled.words)
            status = engine.lib.xp_plan(code, len(compiled.words), options, raw, part)
            self._check(engine, status)
            planned = text(engine.ffi, engine.lib.xp_strategy_name(part.strategy)) or "?"
            result = self._copier(engine, compiled).result(raw, seed) if part.verdict else None
            found = Part() if part.verdict else self._part(engine, part)
            self.error = engine.error
        if self.error is not None and not (result is not None and isinstance(self.error, KeyboardInterrupt)):
            raise self.error
        return result, found, planned, part.estimate or None

    def do(
        self,
        job: Job,
        *,
        strategy: str,
        seconds: float | None = None,
        max_executions: int | None = None,
        max_runs: int | None = None,
        wanted: int = 1,
        on_progress: OnProgress | None = None,
        progress_interval: float = 0.05,
    ) -> tuple[Part, list[Job], float]:
        """Does a job for so many seconds, executions, or executions with those that are cut short: what it came to, what
        is left of it, at least ``wanted`` jobs where there is enough to divide, and the mass of what is over.

        What the callback raises stops it, and is in ``error`` then."""
        self.error = None
        with _engine.turn() as engine:
            compiled = compile_scenario(self.setting.scenario, engine.lib)
            options = self._options(engine, compiled, on_progress)
            options.strategy = _engine.names("strategy")[strategy]
            options.budget = seconds or 0.0
            options.max_executions = max_executions or 0
            options.max_runs = max_runs or 0
            options.progress_interval = progress_interval
            raw = engine.ffi.new("struct xp_part *")
            code = engine.ffi.from_buffer("int32_t[]", compiled.words)
            given, keep = _job_to_c(engine, job)
            status = engine.lib.xp_do_job(code, len(compiled.words), options, given, wanted, raw)
            self._check(engine, status)
            part = self._part(engine, raw)
            left = [_job_of_c(engine.lib.xp_job(index)) for index in range(raw.nr_jobs)]
            if not raw.taken and raw.why == engine.ffi.NULL:
                left = [job]
            del keep
            self.error = engine.error
        return part, left, raw.mass

    def conclude(self, part: Part, *, seed: int, race_walks: bool, interrupted: bool, **facts: Any) -> Result:
        """The result of a search of which that is the whole. ``facts``: fields of struct xp_totals. Ctrl-C meanwhile is in
        ``error``."""
        self.error = None
        with _engine.turn() as engine:
            compiled = compile_scenario(self.setting.scenario, engine.lib)
            options = self._options(engine, compiled, None)
            options.seed = seed
            totals, keep = engine.ffi.new("struct xp_totals *"), []
            for name in ("executions", "blocked", "self_checks", "first_failure", "deepest", "unproved"):
                setattr(totals, name, getattr(part, name))
            for name, value in facts.items():
                setattr(totals, name, value)
            totals.race_walks = race_walks
            totals.interrupted = interrupted
            totals.preemptions = part.preemptions
            if part.why is not None:
                keep.append(engine.ffi.new("char[]", part.why.encode()))
                totals.why = keep[-1]
            witnesses = engine.ffi.new("struct xp_witness[]", len(part.witnesses) or 1)
            for raw, witness in zip(witnesses, part.witnesses):
                keep.append(engine.ffi.from_buffer("uint8_t[]", witness.choices))
                raw.shows, raw.key, raw.kept = witness.shows, witness.key, witness.kept
                raw.count, raw.execution = witness.count, witness.execution
                raw.choices, raw.nr_choices = keep[-1], len(witness.choices) // 2
            totals.witnesses, totals.nr_witnesses = witnesses, len(part.witnesses)
            tasks = _tasks_to_c(engine, part.tasks)
            totals.tasks, totals.nr_tasks = tasks, len(part.tasks)
            raw = engine.ffi.new("struct xp_result *")
            code = engine.ffi.from_buffer("int32_t[]", compiled.words)
            self._check(engine, engine.lib.xp_conclude(code, len(compiled.words), options, totals, raw))
            copier = self._copier(engine, compiled)
            result = copier.result(raw, seed)
            hottest = sorted(part.contended.items(), key=lambda item: (-item[1], item[0]))[:8]
            result = replace(
                result, hottest=tuple(Hot(copier.named(of), op, other, races) for (of, op, other), races in hottest)
            )
            self.error = engine.error
        if self.error is not None and not isinstance(self.error, KeyboardInterrupt):
            raise self.error
        return result

    def _check(self, engine: _engine.Engine, status: int) -> None:
        if status and engine.error is None:
            engine.check(status, f"exploring {self.setting.scenario.name!r}")

    def _copier(self, engine: _engine.Engine, compiled: Any) -> Copier:
        setting = self.setting
        core = core_file(setting.core)
        return Copier(engine, setting.scenario, compiled, self.table, core, setting.flags, setting.max_steps)

    def _part(self, engine: _engine.Engine, raw: Any) -> Part:
        """A struct xp_part with what belongs to it."""
        ffi, lib = engine.ffi, engine.lib
        tasks = []
        for index in range(raw.nr_tasks):
            task = lib.xp_part_task(index)
            tasks.append((task.parent, task.nth))
        witnesses = []
        for index in range(raw.nr_witnesses):
            one = lib.xp_witness(index)
            choices = bytes(ffi.buffer(one.choices, 2 * one.nr_choices))
            witnesses.append(Witness(one.shows, one.key, bool(one.kept), one.count, one.execution, choices))
        contended: dict[tuple[str, str, str], int] = {}
        for index in range(raw.nr_contended):
            pair = lib.xp_contention(index)
            of = text(ffi, pair.object) or "?", text(ffi, pair.op) or "?", text(ffi, pair.other_op) or "?"
            contended[of] = contended.get(of, 0) + pair.races
        classes = None
        if self.setting.flags & lib.XP_O_CLASSES:
            count = lib.xp_classes(ffi.NULL, 0)
            hashes = ffi.new("uint64_t[]", count or 1)
            lib.xp_classes(hashes, count)
            classes = set(ffi.unpack(hashes, count))
        return Part(
            executions=raw.executions,
            blocked=raw.blocked,
            self_checks=raw.self_checks,
            first_failure=raw.first_failure,
            further=raw.further,
            deepest=raw.deepest,
            was_cut=bool(raw.was_cut),
            unproved=bool(raw.unproved),
            why=text(ffi, raw.why),
            preemptions=list(raw.preemptions),
            tasks=tuple(tasks),
            witnesses=witnesses,
            contended=contended,
            classes=classes,
        )


def _tasks_to_c(engine: _engine.Engine, tasks: tuple[tuple[int, int], ...]) -> Any:
    raw = engine.ffi.new("struct xp_task[]", len(tasks) or 1)
    for one, (parent, nth) in zip(raw, tasks):
        one.parent, one.nth = parent, nth
    return raw


def _job_to_c(engine: _engine.Engine, job: Job) -> tuple[Any, Any]:
    nodes = engine.ffi.new("struct xp_job_node[]", len(job.nodes) or 1)
    for raw, node in zip(nodes, job.nodes):
        raw.task, raw.alternative, raw.done, raw.alternatives_done, raw.backtrack = node
    tasks = _tasks_to_c(engine, job.tasks)
    given = engine.ffi.new("struct xp_job *")
    given.nodes, given.nr_nodes = nodes, len(job.nodes)
    given.floor, given.alternatives = job.floor, job.alternatives
    given.mass, given.bound = job.mass, job.bound
    given.tasks, given.nr_tasks = tasks, len(job.tasks)
    return given, (nodes, tasks)


def _job_of_c(raw: Any) -> Job:
    return Job(
        tuple(
            (node.task, node.alternative, node.done, node.alternatives_done, node.backtrack)
            for node in (raw.nodes[index] for index in range(raw.nr_nodes))
        ),
        raw.floor,
        bool(raw.alternatives),
        min(raw.mass, 1.0),
        raw.bound,
        tuple((raw.tasks[index].parent, raw.tasks[index].nth) for index in range(raw.nr_tasks)),
    )


# --- as bytes ---


def request(setting: str, job: Job, **how: Any) -> bytes:
    """What work() takes. ``setting``: its data as JSON text, which is the same in every request of a search."""
    return pack(REQUEST, {"setting": setting, "job": job.to_data(), "how": how})


@functools.lru_cache(maxsize=4)
def _explorer(setting: str) -> Explorer:
    return Explorer(Setting.from_data(json.loads(setting)))


#: What can be wrong with a request, or with this process: told in an answer, and not raised.
_TOLD = (ArithmeticError, IopfError, ImportError, LookupError, MemoryError, OSError, TypeError, ValueError)


def prepare(setting: str) -> None:
    """Loads what the parts of a search need, before there is one for this worker. What is wrong the first of them tells."""
    with contextlib.suppress(*_TOLD):
        _explorer(setting)


def work(content: bytes) -> bytes:
    """Does what request() wrote, for an executor of any kind. What can't be done is told in the answer, and not raised:
    an exception might not get there."""
    try:
        data = unpack(REQUEST, content)
        part, left, mass = _explorer(data["setting"]).do(Job.from_data(data["job"]), **data["how"])
    except _TOLD as error:
        return pack(ANSWER, {"error": f"{error}" or type(error).__name__})
    return pack(ANSWER, {"part": part.to_data(), "left": [job.to_data() for job in left], "mass": mass})


def answer(content: bytes) -> tuple[Part, list[Job], float]:
    """What a worker came to. ValueError: why it could not do it."""
    data = unpack(ANSWER, content)
    if "error" in data:
        raise ValueError(str(data["error"]))
    return Part.from_data(data["part"]), [Job.from_data(job) for job in data["left"]], float(data["mass"])
