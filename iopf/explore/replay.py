# SPDX-License-Identifier: GPL-2.0-only
"""Replay: one execution again, by its token, strictly.

A replay follows the recorded schedule and compares, at every switch, the operation and the object that come next with
those that were recorded. At the first difference it stops and says what was expected and what was found: a schedule
that is followed half and guessed half shows nothing.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from ..exceptions import Travels
from . import _engine
from ._engine import text
from .bytecode import compile_scenario
from .result import Result, Run
from .scenario import BaseScenario
from .search import Copier, core_name, find_core
from .token import decode

if TYPE_CHECKING:
    from .._cores import Core

__all__ = ["DidNotReproduce", "replay"]


class DidNotReproduce(Travels, AssertionError):
    """The execution did not come to what the token says.

    ``step`` is the scheduling point at which it differed, None when it ran to its end and ended otherwise; ``expected``
    and ``found`` say what was to come there and what came. ``result`` is the execution's own, with its trace if it
    failed otherwise.
    """

    def __init__(self, message: str, *, step: int | None, expected: str, found: str, result: Result | None):
        super().__init__(message)
        self.step = step
        self.expected = expected
        self.found = found
        self.result = result


def _what(op: str | None, of: str | None) -> str:
    return "nothing to run" if op is None else f"{op}({of})" if of else op


def replay(token: str, *, core: Core | str | None = None, scenario: BaseScenario | None = None) -> Result:
    """Runs the execution that a token describes; its result, with the failure and its trace.

    :param core: run it on another core than the token's
    :param scenario: run it with this scenario in place of the token's: a changed one shows where it differs
    :raises DidNotReproduce: it did not follow the schedule, or did not fail as the token says
    :raises VersionMismatch: another version of iopf wrote the token
    :raises ValueError: the token is damaged, or its core is not there
    """
    recorded = decode(token)
    if scenario is not None and not isinstance(scenario, BaseScenario):
        raise TypeError(f"scenario is a Scenario, not {type(scenario).__name__}")
    subject = recorded.scenario if scenario is None else scenario
    name = core_name(recorded.core if core is None else core)
    with _engine.turn() as engine:
        ffi, lib = engine.ffi, engine.lib
        table = find_core(name)
        compiled = compile_scenario(subject, lib)
        whole = compiled
        if subject == recorded.scenario:
            if any(not 0 <= index < len(compiled.records) for index in recorded.dropped):
                raise ValueError("the token is damaged: it drops operations that its scenario does not have")
            compiled = compiled.without(recorded.dropped)
        options = ffi.new("struct xp_options *")
        options.core = table
        options.flags = recorded.flags
        options.max_steps = recorded.max_steps or 0
        strings = [
            (ffi.new("char[]", run.op.encode()), ffi.new("char[]", run.object.encode()) if run.object else ffi.NULL)
            for run in recorded.runs
        ]
        runs = ffi.new("struct xp_run[]", max(len(strings), 1))
        for raw_run, run, (op, of) in zip(runs, recorded.runs, strings):
            raw_run.task, raw_run.steps, raw_run.op, raw_run.object = run.task, run.steps, op, of
        raw = ffi.new("struct xp_result *")
        divergence = ffi.new("struct xp_divergence *")
        status = lib.xp_replay(
            ffi.from_buffer("int32_t[]", compiled.words), len(compiled.words), options, runs, len(recorded.runs), raw,
            divergence,
        )
        engine.check(status, f"replaying {subject.name!r}")
        copier = Copier(engine, subject, whole, text(ffi, lib.xp_core_name(table)) or "?", recorded.flags,
                        recorded.max_steps)
        result = dataclasses.replace(copier.result(raw, 0), strategy="replay")
        hashes = [lib.xp_failure(index).hash for index in range(raw.nr_failures)]
        if divergence.happened:
            _raise_divergence(copier, divergence, recorded.runs, result)
    for failure, hash in zip(result.failures, hashes):
        if failure.kind == recorded.kind and failure.signature == recorded.signature:
            if hash != recorded.hash and core is None and scenario is None:
                raise DidNotReproduce(
                    f"it fails as recorded ({failure.kind}), on another way: the steps between the switches are not"
                    " those that were recorded",
                    step=None, expected=f"steps {recorded.hash:x}", found=f"steps {hash:x}", result=result,
                )
            return result
    found = ", ".join(f"{failure.kind} ({failure.signature})" for failure in result.failures) or "no failure"
    raise DidNotReproduce(
        f"the execution followed the schedule to its end; expected {recorded.kind} ({recorded.signature}), found"
        f" {found}",
        step=None, expected=recorded.kind, found=found, result=result,
    )


def _raise_divergence(copier: Copier, raw: Any, runs: tuple[Run, ...], result: Result) -> None:
    expected = _what(copier.text(raw.expected_op), copier.object(raw.expected_object))
    found = _what(copier.text(raw.found_op), copier.object(raw.found_object))
    who = copier.task_name(runs[raw.run].task) if 0 <= raw.run < len(runs) else "the end"
    raise DidNotReproduce(
        f"at step {raw.step}, in part {raw.run + 1} of {len(runs)} of the schedule, {who} was expected to come to"
        f" {expected}, and came to {found}",
        step=raw.step, expected=expected, found=found, result=result,
    )
