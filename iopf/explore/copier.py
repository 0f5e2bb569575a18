# SPDX-License-Identifier: GPL-2.0-only
"""Copies what a search found out of C, and calls things by the scenario's names.

C knows tasks by number and the shared memory of a program by offset: both are what every process, and every token, calls
them. People get the names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from . import _engine
from ._engine import Engine, text
from .bytecode import Compiled
from .causes import CLEAN_UP
from .corefile import CoreFile
from .deviations import chosen
from .result import Failure, Hot, Outcome, Result, Run, Site, Step, verdict_of
from .scenario import BaseScenario, returned
from .token import command, encode

__all__ = ["Copier", "named_fields"]

#: What a site is called that is a call, where C does not say it: one that was compiled into its caller.
CALLED = "called from"
#: Parts of a scenario in which task 0 is alone.
ALONE = ("setup", "teardown")

_TASK = re.compile(r"\btask (\d+)\b")
#: "memory#1+8" in C, "memory[8]" in an operation.
_MEMORY = re.compile(r"\bmemory(?:#1\b(?:\+(\d+))?|\[(\d+)\])")


def named_fields(scenario: BaseScenario, raw: str) -> str:
    """The shared memory of a program by the names of its fields."""
    fields = getattr(scenario, "at", None)
    if not fields or "memory" not in raw:
        return raw
    by_offset = {address.offset: name for name, address in fields.items()}
    return _MEMORY.sub(lambda match: by_offset.get(int(match[1] or match[2] or 0), match[0]), raw)


class Copier:
    """Copies what a search found out of C."""

    def __init__(
        self,
        engine: Engine,
        scenario: BaseScenario,
        compiled: Compiled,
        table: Any,
        file: CoreFile | None,
        flags: int,
        max_steps: int | None,
        steps: tuple[Run, ...] = (),
    ):
        self.ffi = engine.ffi
        self.lib = engine.lib
        self.place = engine.place
        self.scenario = scenario
        self.compiled = compiled
        self.core = text(engine.ffi, engine.lib.xp_core_name(table)) or "?"
        self.file = file
        self.flags = flags
        self.max_steps = max_steps
        #: of a replay: those of the token, which an execution of a part of the scenario does not have
        self.steps = steps
        #: of the failure that is being copied
        self.tasks: list[str] = []
        #: what is asked for again with every step
        self._task_names = scenario.task_names
        self._operations: dict[int, str] = {}
        self.kinds = {number: name for name, number in _engine.names("kind").items()}

    def text(self, pointer: Any) -> str | None:
        return text(self.ffi, pointer)

    def object(self, pointer: Any) -> str | None:
        """The name of an object."""
        raw = self.text(pointer)
        return None if raw is None else self.named(raw)

    def result(self, raw: Any, seed: int) -> Result:
        """A struct xp_result with all that belongs to it."""
        failures = self.failures(self.lib.xp_failure, raw.nr_failures)
        notes = self.failures(self.lib.xp_note, raw.nr_notes, is_note=True)
        strategy = self.text(self.lib.xp_strategy_name(raw.strategy)) or "?"
        own = [failure for failure in failures if failure.kind == "explorer"]
        failures = tuple(failure for failure in failures if failure.kind != "explorer")
        bound = raw.bound if raw.verdict == self.lib.XP_V_BOUNDED and raw.bound >= 0 else None
        verdict, why = verdict_of(
            self.text(self.lib.xp_verdict_name(raw.verdict)) or "inconclusive",
            self.text(raw.why),
            strategy=strategy,
            exhausted=bool(raw.exhausted),
            interrupted=bool(raw.interrupted),
            executions=raw.executions,
            failures=len(failures),
            bound=bound,
            degraded=own[0].message if own else None,
        )
        hot = [self.lib.xp_contention(index) for index in range(raw.nr_contended)]
        outcomes = [self.lib.xp_outcome(index) for index in range(raw.nr_outcomes)]
        return Result(
            scenario=self.scenario.name,
            core=self.core,
            verdict=verdict,
            why=why,
            strategy=strategy,
            bound=bound,
            executions=raw.executions,
            classes=raw.classes or None,
            blocked=raw.blocked,
            seconds=raw.seconds,
            failure=failures[0] if failures else None,
            failures=failures,
            notes=notes,
            outcomes=tuple(map(self.outcome, outcomes)),
            estimate=raw.estimate or None,
            estimate_low=raw.estimate_low or None,
            estimate_high=raw.estimate_high or None,
            estimate_why=self.text(raw.estimate_why),
            exhausted=bool(raw.exhausted),
            interrupted=bool(raw.interrupted),
            first_failure=raw.first_failure or None,
            sampled=tuple(
                (self.text(self.lib.xp_strategy_name(number)) or "?", raw.sampled[number])
                for number in (self.lib.XP_S_DPOR, self.lib.XP_S_BOUND, self.lib.XP_S_PCT, self.lib.XP_S_RANDOM)
                if raw.sampled[number]
            ),
            self_checks=raw.self_checks,
            deepest=raw.deepest,
            preemptions=tuple(raw.preemptions),
            hottest=tuple(
                Hot(
                    self.object(item.object) or "?",
                    self.text(item.op) or "?",
                    self.text(item.other_op) or "?",
                    item.races,
                )
                for item in hot
            ),
            tasks=tuple(self.task_name(number) for number in range(raw.nr_tasks)),
            reset_ns=raw.reset_ns,
            seed=seed,
        )

    def task_name(self, number: int) -> str:
        """A task's name in the scenario; works and callbacks are named by who queued them."""
        section = self.ffi.new("int *", -1)
        raw = self.text(self.lib.xp_task_name(number, section)) or f"task {number}"
        return self.section_or(section[0], raw)

    def section_or(self, section: int, raw: str) -> str:
        """The task of the scenario whose record that is, else what C says."""
        if 0 <= section < len(self.compiled.records) and self.compiled.records[section].section:
            return str(self.compiled.records[section].section)
        return self.named(raw)

    def tasks_of(self, raw: Any) -> list[str]:
        """The names of the tasks of a failure's execution, by number."""
        tasks = [raw.tasks[index] for index in range(raw.nr_tasks)]
        return ["main", *(self.section_or(task.section, self.text(task.name) or "") for task in tasks)]

    def named(self, raw: str) -> str:
        """Text of C with names of the scenario: its tasks for "task 2", "work 1 of task 0"."""
        names = self._task_names
        raw = self.fields(raw)
        if "task " not in raw:
            return raw
        return _TASK.sub(lambda match: names[int(match[1])] if int(match[1]) < len(names) else match[0], raw)

    def fields(self, raw: str) -> str:
        """The shared memory of a program by the names of its fields."""
        return named_fields(self.scenario, raw)

    def outcome(self, raw: Any) -> Outcome:
        """A struct xp_outcome."""
        responses, warnings = (
            tuple(filter(None, self.named(self.text(words) or "").split("; ")))
            for words in (raw.responses, raw.warnings)
        )
        returns = tuple(
            f"{self.named(self.text(item.task) or '?')}: {self.call(item.record)} {returned(item.value)}"
            for item in (raw.returns[index] for index in range(raw.nr_returns))
        )
        return Outcome("; ".join((*responses, *returns, *warnings)), raw.count, responses, returns, warnings)

    def call(self, index: int) -> str:
        """What the operation of a record is called."""
        record = self.compiled.records[index] if 0 <= index < len(self.compiled.records) else None
        return record.operation.op if record is not None and record.operation is not None else f"record {index}"

    def failures(self, function: Any, count: int, is_note: bool = False) -> tuple[Failure, ...]:
        """``count`` failures, or notes."""
        return tuple(self.failure(function(index), is_note) for index in range(count))

    def failure(self, raw: Any, is_note: bool = False) -> Failure:
        """One struct xp_failure."""
        self.tasks = self.tasks_of(raw)
        before: defaultdict[int, list[int]] = defaultdict(list)
        for order in (raw.orders[index] for index in range(raw.nr_orders)):
            before[order.then].append(order.first)
        steps = tuple(self.step(raw.steps[index], tuple(sorted(before[index]))) for index in range(raw.nr_steps))
        sites = [raw.sites[index] for index in range(raw.nr_sites)]
        runs = tuple(
            Run(run.task, run.steps, self.text(run.op) or "", self.text(run.object))
            for run in (raw.runs[index] for index in range(raw.nr_runs))
        )
        points = tuple(
            Run(point.task, 1, self.text(point.op) or "", self.text(point.object))
            for point in (raw.points[index] for index in range(raw.nr_points))
        )
        points = points or self.steps
        dropped = tuple(raw.dropped[index] for index in range(raw.nr_dropped))
        tasks = tuple((raw.tasks[index].parent, raw.tasks[index].nth) for index in range(raw.nr_tasks))
        kind = self.kinds[raw.kind]
        signature = self.fields(self.text(raw.signature) or kind)
        told = tuple(self.sites(sites))
        message = self.named(self.text(raw.message) or kind)
        contract = "kept" if raw.contract_kept else "broken"
        deviation = chosen(kind, message, contract)
        token = encode(
            scenario=self.scenario,
            core=self.core,
            file=self.file,
            runs=runs,
            steps=points,
            tasks=tasks,
            dropped=dropped,
            kind=kind,
            signature=signature,
            hash=raw.hash,
            max_steps=self.max_steps,
            # Replayed, what is no failure of this core is one.
            flags=self.flags | (self.lib.XP_O_UNDER_LOCK if is_note and kind == "under-lock" else 0),
        )
        return Failure(
            kind=kind,
            message=message,
            contract=contract,
            clauses=tuple(
                self.text(self.lib.xp_clause_text(bit)) or f"clause {bit}"
                for bit in range(self.lib.XP_CLAUSES)
                if raw.clauses >> bit & 1
            ),
            signature=signature,
            object=self.object(raw.object),
            execution=raw.execution,
            count=raw.count,
            preemptions=raw.preemptions,
            minimal=bool(raw.minimal),
            confirmed=bool(raw.confirmed),
            rank=raw.rank,
            sites=told,
            steps=steps,
            runs=runs,
            points=points,
            culprit=(raw.culprit_first, raw.culprit_second) if raw.culprit_first >= 0 <= raw.culprit_second else None,
            dropped=tuple(str(self.compiled.records[index]) for index in dropped),
            scenario=self.scenario.name,
            core=self.core,
            token=token,
            tasks=tuple(self.tasks),
            place=next((site.place for site in told if site.place is not None), None),
            command=command(token, self.file),
            chosen=deviation.commit if deviation is not None else None,
        )

    def sites(self, raw: Sequence[Any]) -> Iterator[Site]:
        """Those of C, and the calls that were compiled into their callers where C names calls."""
        for site in raw:
            what, place = self.named(self.text(site.what) or ""), self.place(site.place)
            task = self.tasks[site.task] if 0 <= site.task < len(self.tasks) else None
            if not (site.flags & self.lib.XP_SITE_CALL and place is not None and place.calls_cores):
                yield Site(
                    what,
                    task,
                    site.step if site.step >= 0 else None,
                    place,
                    self.object(site.object),
                    more=bool(site.flags & self.lib.XP_SITE_MORE),
                    memory=bool(site.flags & self.lib.XP_SITE_MEMORY),
                )
            for caller in place.callers if site.flags & self.lib.XP_SITE_CALLERS and place is not None else ():
                if not caller.calls_cores:
                    yield Site(CALLED, task, None, caller, None, more=True)

    def step(self, raw: Any, follows: tuple[int, ...]) -> Step:
        """One struct xp_step, and the steps right before it."""
        record = self.compiled.records[raw.record] if 0 <= raw.record < len(self.compiled.records) else None
        task = self.tasks[raw.task]
        # A work runs on behalf of a report, but is not one.
        mine = record is not None and (record.section == task or (not raw.task and record.section in ALONE))
        operation = record.operation if record is not None and mine else None
        if operation is not None and raw.record not in self._operations:
            self._operations[raw.record] = self.fields(str(operation))
        return Step(
            task=task,
            column=raw.task,
            ordinal=raw.task_ordinal,
            op=self.text(raw.op) or "?",
            object=self.object(raw.object),
            before=raw.before if raw.has_values else None,
            after=raw.after if raw.has_values else None,
            point=bool(raw.point),
            preempted=raw.preempted,
            held=raw.nr_held,
            depth=raw.depth,
            place=self.place(raw.place),
            operation=self._operations[raw.record]
            if operation is not None
            else None
            if raw.task or raw.record != -1
            else CLEAN_UP,
            note=self.object(raw.text),
            others=tuple(name for number, name in enumerate(self.tasks) if name and raw.others >> number & 1),
            follows=follows,
        )
