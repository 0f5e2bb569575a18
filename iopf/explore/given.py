# SPDX-License-Identifier: GPL-2.0-only
"""Failures of another time that a search tries first: which they are, how C gets them, and what is said of them (_again.py has
what the answers mean)."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import _engine
from ._call import find_core, new_options
from ._engine import Engine
from .answer import CANNOT_BE_TOLD, PASSES_NOW, STILL_FAILS, Again
from .bytecode import compile_scenario
from .copier import Copier
from .corefile import CoreFile, core_file
from .kept import Kept, failure_id, of_project, resolve
from .result import Result
from .scenario import BaseScenario
from .token import Token, decode

if TYPE_CHECKING:
    from .._cores import Core

__all__ = ["answer_of", "answered", "answers", "follow", "is_it", "known_by", "looked_for_less", "tokens_for"]

#: So many failures of a scenario are tried before a search, those that were kept last.
MOST = 64


# --- which ---


def _is_of(recorded: Token, core: str, file: CoreFile | None) -> bool:
    if file is None or recorded.file is None:
        return file is None and recorded.file is None and recorded.core == core
    return recorded.file.path == file.path


def tokens_for(
    scenario: BaseScenario,
    core: Core | str | None = None,
    *,
    kept: Collection[Kept] | None = None,
    among: Collection[str] | None = None,
) -> list[str]:
    """The tokens of what is kept of a scenario, the last ones first; each signature of a core once.

    :param core: found on this core, or an earlier state of its file; None: on whichever
    :param kept: among these; None: those of the project
    :param among: among these tokens, in place of what is kept
    """
    if among is None:
        kept = of_project()[0] if kept is None else kept
        among = [one.token for one in kept if one.scenario in (None, scenario.name)]
    file = core_file(core) if core is not None else None
    name = core if isinstance(core, str) or core is None else core.name
    found: dict[tuple[str, str], str] = {}
    for token in among:
        try:
            recorded = decode(token)
        except ValueError:
            continue
        if recorded.scenario == scenario and (name is None or _is_of(recorded, name, file)):
            found.setdefault((recorded.core, recorded.signature), token)
    return list(found.values())[:MOST]


def known_by(names: Collection[str], scenario: BaseScenario) -> list[str]:
    """Tokens and ids that a search of that scenario is to try. ValueError: one is none, or is of another scenario."""
    if isinstance(names, (str, bytes)) or not isinstance(names, Collection):
        raise TypeError("kept is a list of tokens or ids, or True")
    tokens = [resolve(name) for name in names]
    for token in tokens:
        recorded = decode(token)
        if recorded.scenario != scenario:
            same = recorded.scenario.name == scenario.name
            raise ValueError(
                f"the failure {failure_id(token)} is of "
                + (
                    "another state of this scenario"
                    if same
                    else f"the scenario {recorded.scenario.name!r}, not {scenario.name!r}"
                )
            )
    return tokens


# --- trying ---


@contextlib.contextmanager
def given(engine: Engine, options: Any, tokens: Collection[str]) -> Iterator[None]:
    """Schedules that a search tries first; the memory that C looks at stays as long as this does."""
    ffi, kinds = engine.ffi, _engine.names("kind")
    stays: list[Any] = []

    def text(value: str | None) -> Any:
        stays.append(ffi.new("char[]", value.encode()) if value else ffi.NULL)
        return stays[-1]

    def array(kind: str, values: Collection[Any]) -> Any:
        stays.append(ffi.new(f"{kind}[]", list(values)))
        return stays[-1]

    schedules = ffi.new("struct xp_schedule[]", max(len(tokens), 1))
    for raw, token in zip(schedules, tokens):
        recorded = decode(token)
        points = recorded.points
        raw.points = array("struct xp_run", [(one.task, 1, text(one.op), text(one.object)) for one in points])
        raw.nr_points = len(points)
        raw.tasks = array("struct xp_task", [(parent, nth) for parent, nth in recorded.tasks])
        raw.nr_tasks = len(recorded.tasks)
        if not recorded.steps:  # of what was left out of the scenario nothing is in the schedule
            raw.dropped = array("int32_t", recorded.dropped)
            raw.nr_dropped = len(recorded.dropped)
        raw.kind = kinds.get(recorded.kind, 0)
        raw.signature = text(recorded.signature)
    options.given, options.nr_given = schedules, len(tokens)
    try:
        yield
    finally:
        options.given, options.nr_given = ffi.NULL, 0
        stays.clear()


def answers(engine: Engine, copier: Copier, tokens: Collection[str], result: Result, flags: int) -> tuple[Again, ...]:
    """What a search, with these flags, says of the failures that were tried first. Inside of its turn."""
    found = []
    for index, token in enumerate(tokens):
        recorded = decode(token)
        raw = engine.lib.xp_fit(index)
        differences = [raw.told[number] for number in range(raw.nr_told)] if raw else []
        added, left_out = (
            tuple(_step(copier, one) for one in differences if bool(one.added) == wanted) for wanted in (True, False)
        )
        answer, why = answer_of(recorded, result, shown=bool(raw) and bool(raw.shows))
        if answer == PASSES_NOW and looked_for_less(engine, flags, recorded.flags):
            answer, why = CANNOT_BE_TOLD, "it was found with points, or judged by rules, that this search does not have"
        found.append(
            Again(failure_id(token), recorded.signature, answer, why, left_out, added, raw.nr_differences if raw else 0)
        )
    return tuple(found)


def follow(token: str, *, core: Core | str) -> Result:
    """Follows one schedule on a core, in every way of reading it, until its failure shows: ``failures`` has what showed,
    shrunk, and ``kept`` how the schedule fitted. No search."""
    recorded = decode(token)
    table, file = find_core(core), core_file(core)
    with _engine.turn() as engine:
        compiled = compile_scenario(recorded.scenario, engine.lib)
        options = new_options(engine, table, recorded.scenario, compiled)
        options.strategy = engine.lib.XP_S_GIVEN
        options.flags = recorded.flags | engine.lib.XP_O_NO_ESTIMATE
        options.max_steps = recorded.max_steps or 0
        options.progress = engine.lib.xp_on_progress
        raw = engine.ffi.new("struct xp_result *")
        code = engine.ffi.from_buffer("int32_t[]", compiled.words)
        with given(engine, options, [token]):
            status = engine.lib.xp_explore(code, len(compiled.words), options, raw)
        if engine.error is not None:
            raise engine.error
        engine.check(status, f"following a schedule of {recorded.scenario.name!r}")
        copier = Copier(engine, recorded.scenario, compiled, table, file, recorded.flags, recorded.max_steps)
        result = copier.result(raw, 0)
        return replace(result, kept=answers(engine, copier, [token], result, recorded.flags))


def answered(
    engine: Engine, tokens: Collection[str], fits: Collection[Again], result: Result, flags: int
) -> tuple[Again, ...]:
    """What a search with these flags says of failures that were followed one by one before it (:func:`follow`)."""
    found = []
    for token, fit in zip(tokens, fits):
        recorded = decode(token)
        answer, why = answer_of(recorded, result, shown=False)
        if answer == PASSES_NOW and looked_for_less(engine, flags, recorded.flags):
            answer, why = CANNOT_BE_TOLD, "it was found with points, or judged by rules, that this search does not have"
        found.append(replace(fit, answer=answer, why=why))
    return tuple(found)


def looked_for_less(engine: Engine, flags: int, recorded: int) -> bool:
    """May a search with the one flags pass where one with the others fails?"""
    lib = engine.lib
    more = lib.XP_O_POINTS_UNLOCK | lib.XP_O_POINTS_FREE | lib.XP_O_POINTS_PLAIN | lib.XP_O_UNDER_LOCK
    return bool(recorded & ~flags & more or flags & ~recorded & lib.XP_O_AS_UPSTREAM)


def _step(copier: Copier, raw: Any) -> str:
    op, of = copier.text(raw.op), copier.object(raw.object)
    what = f"{op or 'a step'}({of})" if of else op or "a step"
    return f"{copier.task_name(raw.task)}: {what}" if raw.task > 0 else what


def answer_of(recorded: Token, result: Result, *, shown: bool) -> tuple[str, str]:
    """What is known now, and why."""
    if shown or any(is_it(recorded.signature, failure.signature) for failure in result.failures):
        by = (
            "its schedule"
            if shown or result.strategy == "given"
            else f"a schedule that the search ({result.strategy}) met"
        )
        return STILL_FAILS, f"by {by}"
    if result.verdict == "pass":
        return (
            PASSES_NOW,
            f"every interleaving was explored: {result.classes:,} classes" if result.classes else "exhaustive",
        )
    if result.failures:
        others = "; ".join(failure.signature for failure in result.failures[:3])
        return CANNOT_BE_TOLD, f"it fails otherwise, which may hide it: {others}"
    return CANNOT_BE_TOLD, f"its schedule does not show it, and no search says that nothing does: {_unproved(result)}"


def is_it(recorded: str, found: str) -> bool:
    """The same failure: with the contract kept where it was; where it was broken, whatever of it."""
    what, _, contract = recorded.rpartition("; contract ")
    also, _, now = found.rpartition("; contract ")
    return what == also and (now == "kept" or contract != "kept")


def _unproved(result: Result) -> str:
    if result.verdict == "inconclusive":
        return result.why or "inconclusive"
    return f"{result.executions:,} executions, {result.verdict}"
