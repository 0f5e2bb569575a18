# SPDX-License-Identifier: GPL-2.0-only
"""Replay: one execution again, by its token, strictly.

A replay follows the recorded schedule and compares, at every switch, the operation and the object that come next with
those that were recorded. At the first difference it stops and says what was expected and what was found: a schedule
that is followed half and guessed half shows nothing. At the end the failure's signature has to be the recorded one.
Nothing that is compared is an address, so it may be another process, another Python, another build of this version.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from ..exceptions import Travels
from . import _engine
from ._call import find_core, new_options
from .bytecode import compile_scenario
from .copier import Copier
from .corefile import core_file
from .kept import resolve
from .result import Result
from .scenario import BaseScenario
from .token import Token, decode

if TYPE_CHECKING:
    from .._cores import Core
    from .failure import Run

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
    """Runs the execution that a token describes, or the id of a failure that is kept; its result, whose ``failure`` is the recorded one, with its trace.
    ``failures`` has what else that execution shows after it.

    The core is the token's. One of a user's file is compiled again from that file, if it is what it was; otherwise
    ``core=`` has to name it. Threads take turns.

    :param core: run it on another core than the token's: a name, or an ``iopf.Core``
    :param scenario: run it with this scenario in place of the token's: a changed one shows where it differs
    :raises DidNotReproduce: it did not follow the schedule, or did not fail as the token says
    :raises VersionMismatch: another version of iopf wrote the token
    :raises ValueError: the token is damaged, its core is not there, or no failure is kept under that id
    :raises CoreSourceError: the core's file does not compile here
    """
    recorded = decode(resolve(token) if isinstance(token, str) else token)
    if scenario is not None and not isinstance(scenario, BaseScenario):
        raise TypeError(f"scenario is a Scenario, not {type(scenario).__name__}")
    subject = recorded.scenario if scenario is None else scenario
    if core is None:
        core = recorded.file.core(recorded.core) if recorded.file is not None else recorded.core
        as_recorded = scenario is None
    else:
        file = core_file(core)
        as_recorded = scenario is None and file is not None and file == recorded.file
    result, hashes = _run(recorded, subject, core)
    for failure, hash in zip(result.failures, hashes):
        if failure.kind == recorded.kind and failure.signature == recorded.signature:
            if hash != recorded.hash and as_recorded:
                raise DidNotReproduce(
                    f"it fails as recorded ({failure.kind}), on another way: the steps between the switches are not"
                    " those that were recorded",
                    step=None,
                    expected=f"steps {recorded.hash:x}",
                    found=f"steps {hash:x}",
                    result=result,
                )
            others = tuple(other for other in result.failures if other is not failure)
            return dataclasses.replace(result, failure=failure, failures=(failure, *others))
    found = ", ".join(failure.signature for failure in result.failures) or "no failure"
    raise DidNotReproduce(
        f"the execution followed the schedule to its end; expected {recorded.signature}, found {found}",
        step=None,
        expected=recorded.kind,
        found=found,
        result=result,
    )


def _run(recorded: Token, subject: BaseScenario, core: Any) -> tuple[Result, list[int]]:
    """The execution's result, and for each failure the hash of the steps. DidNotReproduce: it left the schedule."""
    table, file = find_core(core), core_file(core)
    with _engine.turn() as engine:
        ffi, lib = engine.ffi, engine.lib
        compiled = compile_scenario(subject, lib)
        dropped = recorded.dropped if subject == recorded.scenario else ()
        options = new_options(engine, table, subject, compiled)
        options.flags = recorded.flags
        options.max_steps = recorded.max_steps or 0
        strings = [
            (ffi.new("char[]", run.op.encode()), ffi.new("char[]", run.object.encode()) if run.object else ffi.NULL)
            for run in recorded.runs
        ]
        runs = ffi.new("struct xp_run[]", max(len(strings), 1))
        for raw_run, run, (op, of) in zip(runs, recorded.runs, strings):
            raw_run.task, raw_run.steps, raw_run.op, raw_run.object = run.task, run.steps, op, of
        tasks = ffi.new("struct xp_task[]", [list(task) for task in recorded.tasks])
        records = ffi.new("int32_t[]", list(dropped))
        schedule = ffi.new(
            "struct xp_schedule *",
            {
                "runs": runs,
                "nr_runs": len(recorded.runs),
                "tasks": tasks,
                "nr_tasks": len(recorded.tasks),
                "dropped": records,
                "nr_dropped": len(dropped),
            },
        )
        raw = ffi.new("struct xp_result *")
        divergence = ffi.new("struct xp_divergence *")
        status = lib.xp_replay(
            ffi.from_buffer("int32_t[]", compiled.words), len(compiled.words), options, schedule, raw, divergence
        )
        engine.check(status, f"replaying {subject.name!r}")
        if engine.error is not None:
            raise engine.error
        steps = recorded.steps if dropped else ()
        copier = Copier(engine, subject, compiled, table, file, recorded.flags, recorded.max_steps, steps)
        result = dataclasses.replace(copier.result(raw, 0), strategy="replay")
        if divergence.happened:
            _raise_divergence(copier, divergence, recorded.runs, result)
        hashes = [lib.xp_failure(index).hash for index in range(raw.nr_failures)]
    return result, hashes


def _raise_divergence(copier: Copier, raw: Any, runs: tuple[Run, ...], result: Result) -> None:
    expected = _what(copier.text(raw.expected_op), copier.object(raw.expected_object))
    found = _what(copier.text(raw.found_op), copier.object(raw.found_object))
    who = copier.task_name(runs[raw.run].task) if 0 <= raw.run < len(runs) else "the end"
    raise DidNotReproduce(
        f"at step {raw.step}, in part {raw.run + 1} of {len(runs)} of the schedule, {who} was expected to come to"
        f" {expected}, and came to {found}",
        step=raw.step,
        expected=expected,
        found=found,
        result=result,
    )
