# SPDX-License-Identifier: GPL-2.0-only
"""Copies what a search found out of C, and calls things by the scenario's names. Failures: _failure_copier.py.

C knows tasks by number and the shared memory of a program by offset: both are what every process, and every token, calls
them. People get the names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .._extension import loading
from ._engine import Engine, text
from .bytecode import Compiled
from .result import Hot, Outcome, Result, verdict_of
from .scenario import BaseScenario, returned

if TYPE_CHECKING:
    from .corefile import CoreFile
    from .failure import Failure, Run

__all__ = ["Copier", "named_fields"]

_TASK = r"\btask (\d+)\b"
#: "memory#1+8" in C, "memory[8]" in an operation.
_MEMORY = r"\bmemory(?:#1\b(?:\+(\d+))?|\[(\d+)\])"


def named_fields(scenario: BaseScenario, raw: str) -> str:
    """The shared memory of a program by the names of its fields."""
    fields = getattr(scenario, "at", None)
    if not fields or "memory" not in raw:
        return raw
    by_offset = {address.offset: name for name, address in fields.items()}
    return re.sub(_MEMORY, lambda match: by_offset.get(int(match[1] or match[2] or 0), match[0]), raw)


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
        self.engine = engine
        self.scenario = scenario
        self.compiled = compiled
        self.core = text(engine.ffi, engine.lib.xp_core_name(table)) or "?"
        self.file = file
        self.flags = flags
        self.max_steps = max_steps
        #: of a replay: those of the token, which an execution of a part of the scenario does not have
        self.steps = steps
        #: what is asked for again with every step
        self._task_names = scenario.task_names

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

    def named(self, raw: str) -> str:
        """Text of C with names of the scenario: its tasks for "task 2", "work 1 of task 0"."""
        names = self._task_names
        raw = self.fields(raw)
        if "task " not in raw:
            return raw
        return re.sub(_TASK, lambda match: names[int(match[1])] if int(match[1]) < len(names) else match[0], raw)

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
        if not count:
            return ()
        with loading:
            from ._failure_copier import FailureCopier  # with all that only a failure has

        one = FailureCopier(self)
        return tuple(one.failure(function(index), is_note) for index in range(count))
