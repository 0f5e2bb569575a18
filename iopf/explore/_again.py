# SPDX-License-Identifier: GPL-2.0-only
"""Failures that were kept, on the code of today.

A replay (_replay.py) is strict: one step that is another one, and it stops. Here a schedule is *followed* as far as it fits:
step by step, by operation and object, with what does not come left out, and what is new let pass
(csrc/explore/strategy/follow.c). What fails in the execution that comes of it fails, whatever was left out.

That it does not fail says little: one schedule passes. So there are three answers. *Still fails*: an execution shows the
failure, by its signature, one that follows the schedule or one that a search met. *Passes now*: every class of the scenario
was executed on the core as it is, and none fails. *Cannot be told*: everything else, with the reason; also where another
failure shows, since an execution ends with the first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..exceptions import CoreSourceError
from . import _engine
from .answer import CANNOT_BE_TOLD, PASSES_NOW, STILL_FAILS, Again
from .given import answer_of, follow, is_it
from .kept import failure_id, resolve
from .result import Result
from .search import POINTS, explore
from .token import Token, decode

if TYPE_CHECKING:
    from .._cores import Core
    from .failure import Failure

__all__ = ["BUDGET", "again", "shown_in"]

#: Seconds of the search that "passes now" takes.
BUDGET = 60.0


def _core_of(recorded: Token) -> Core | str:
    """The core as it is today. ValueError and CoreSourceError: it can't be had."""
    if recorded.file is None:
        return recorded.core
    from .._cores import Core

    return Core._from_source(recorded.file.path, "explore", facets=recorded.file.facets)


def again(
    token: str,
    *others: str,
    core: Core | str | None = None,
    budget: float | None = BUDGET,
    searches: dict[object, Result] | None = None,
) -> tuple[Again, Result | None]:
    """What became of a failure: its schedule is followed on the core as it is now, and where that does not show it, its
    scenario explored, with the options that it was found with. Threads take turns.

    :param token: of the failure, or the id of one that is kept
    :param others: further schedules of the same failure, which are tried as well
    :param core: in place of the one that it was found on: a name, or an ``iopf.Core``
    :param budget: seconds for the search, None: no limit
    :param searches: where the searches are put, for the next call with the same cores and the same budget: failures of
        one scenario share one
    :returns: the answer, and what showed it; None where nothing could be run
    :raises ValueError: nothing is kept under that id
    """
    tokens = [resolve(one) for one in (token, *others)]

    def unknown(why: object, signature: str = "") -> tuple[Again, None]:
        return Again(failure_id(tokens[0]), signature, CANNOT_BE_TOLD, str(why), (), (), 0), None

    try:
        recorded = decode(tokens[0])
    except ValueError as error:
        return unknown(error)
    fits = []
    try:
        core = _core_of(recorded) if core is None else core
        for one in tokens:
            followed = follow(one, core=core)
            fits.append(followed.kept[0])
            if fits[-1].answer == STILL_FAILS:
                return replace(fits[-1], id=failure_id(tokens[0])), followed
    except (CoreSourceError, ValueError) as error:
        return unknown(error, recorded.signature)
    result = _search(recorded, core, budget, {} if searches is None else searches)
    answer, why = answer_of(recorded, result, shown=False)
    if answer == PASSES_NOW and recorded.flags & _engine.get().lib.XP_O_UNDER_LOCK:
        answer, why = CANNOT_BE_TOLD, "what is done under locks is no failure of this core, and no search looks for it"
    return replace(fits[0], answer=answer, why=why), result


def shown_in(answer: Again, result: Result | None) -> Failure | None:
    """The failure that shows it, of what :func:`again` gave; None: it does not."""
    if result is None or answer.answer != STILL_FAILS:
        return None
    return next((one for one in result.failures if is_it(answer.signature, one.signature)), None)


def _search(recorded: Token, core: Core | str, budget: float | None, known: dict[object, Result]) -> Result:
    """All that fails in a scenario, looked for as it was when the failure was found."""
    lib = _engine.get().lib
    options: dict[str, Any] = {
        "points": tuple(name for name, flag in POINTS.items() if recorded.flags & getattr(lib, flag)),
        "symmetry": not recorded.flags & lib.XP_O_NO_SYMMETRY,
        "commute": bool(recorded.flags & lib.XP_O_COMMUTE),
        "deviations": not recorded.flags & lib.XP_O_AS_UPSTREAM,
        "max_steps": recorded.max_steps,
    }
    facets = recorded.file.facet_arguments if recorded.file is not None else ""
    key = (
        recorded.scenario.to_json(),
        core if isinstance(core, str) else str(core.source or core.name),
        facets,
        *options.values(),
    )
    if key not in known:
        known[key] = explore(
            recorded.scenario, core=core, budget=budget, all_failures=True, shrink=False, notes=False, **options
        )
    return known[key]
