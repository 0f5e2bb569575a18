# SPDX-License-Identifier: GPL-2.0-only
"""What a file does, asked of the file: facets from behaviour.

Text decides what has to be known before a file is compiled (_facets.py). What else a form does can be said in many ways:
a ``return`` is lost in an int function as well as in a void one, a loop moves into a helper. So where the verdicts of a
file and the facets of its text don't fit together, small scenarios are explored on it, one thing each, and what it does
there wins over what its text seems to say; both are told. Facets that somebody set by hand stay as they are.

A probe is no verdict: a bug that looks like another form is a failure in either. What it decides is how a driver of that
form behaves (who answers when report fails), and what a queue of the run half must not be asked to do (hazards).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from . import scenarios as library
from ._check_table import Cell
from ._cores import Core
from ._extension import MissingExtension
from ._facets import Facets
from .explore import Failure, Result, Scenario, explore

__all__ = ["PROBES", "Probed", "as_it_behaves", "corrected", "probe", "suspects"]

#: Enough for scenarios of one task.
EXECUTIONS = 200
MEMORY = ("use-after-free", "double-free", "invalid-free")


@dataclass(frozen=True)
class Probed:
    """A facet that is not what the text says."""

    facet: str
    text: str | bool
    found: str | bool
    #: what was seen
    why: str

    def __str__(self) -> str:
        return f"{self.facet} is {_said(self.text)} by its text, and {_said(self.found)} by what it does: {self.why}"


def _said(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _explored(core: Core, scenario: Scenario) -> Result:
    return explore(
        scenario,
        core=core,
        strategy="dpor",
        max_executions=EXECUTIONS,
        estimate=False,
        shrink=False,
        notes=False,
        all_failures=True,
    )


def _one_report(handler: str | None, *, last: bool = True, queue: bool = True) -> Scenario:
    s = Scenario("probe")
    device = s.device(s.queue() if queue else None, handler=handler, pasid=1)
    s.task("irq").report(device, grpid=1, pasid=1, last=last)
    return s


def _responses(result: Result) -> set[str]:
    """What devices got, in any execution."""
    return {response for outcome in result.outcomes for response in outcome.responses}


def _lost_return(core: Core, facets: Facets) -> tuple[bool, str]:
    """A partial request of a device whose handler answers at once: nobody answers that, unless it was taken for a last."""
    result = _explored(core, _one_report("inline", last=False))
    answered = bool(_responses(result)) or any(failure.kind == "wrong-response" for failure in result.failures)
    broken = any(failure.kind in MEMORY for failure in result.failures)
    if answered or broken:
        return True, "a partial request is handled as if it were the last one of its group"
    return False, "a partial request is stored, and nothing else happens"


def _in_removal(failure: Failure) -> bool:
    """Was the object freed by removal, whatever helper of it did that?"""
    names: set[str | None] = set()
    inside = False
    for site in failure.sites:
        if not site.more:
            inside = site.what.startswith("freed")
        if inside and site.place is not None:
            names |= {site.place.function, *(caller.function for caller in site.place.callers)}
    if "iopf_queue_remove_device" in names:
        return True
    freed = next((site for site in failure.sites if site.what.startswith("freed")), None)
    step = failure.steps[freed.step] if freed is not None and freed.step is not None else None
    return step is not None and (step.operation or "").startswith(("remove(", "free_queue("))


def _removal(core: Core, facets: Facets) -> tuple[str, str]:
    """A queue is freed while the work of a group is queued: what removal freed, the work meets."""
    if facets.removal == "refuses":
        return facets.removal, ""
    result = _explored(core, library.build("free-queue-pending"))
    freed = [
        failure
        for failure in result.failures
        if failure.kind in MEMORY and (failure.object or "").startswith("group#") and _in_removal(failure)
    ]
    if freed:
        return "frees", "removal frees a group whose work is queued"
    return "answers", "removal leaves the groups that it answers to their owners"


def _fails(result: Result) -> bool:
    """Does report return an error?"""
    return any(" -E" in value for outcome in result.outcomes for value in outcome.returns)


def _answered_by_core(result: Result) -> bool:
    """Told that nobody but the driver answers, it does so where report fails: what comes beside that is the core's."""
    twice = any(failure.kind == "double-response" for failure in result.failures)
    return twice or (bool(_responses(result)) and not _fails(result))


def _answers(core: Core, facets: Facets) -> tuple[str, str]:
    """A handler refuses, and report fails: does the driver have to answer, or was it done?"""
    result = _explored(core, _one_report("refuse"))
    if facets.answers != "nothing":
        if _fails(result) and any(failure.kind == "lost-response" for failure in result.failures):
            return "nothing", "report fails when a handler refuses, and does not answer: the driver has to"
    elif _answered_by_core(result):
        # What comes to no group: the device is on no queue.
        everything = facets.report == "void" or _answered_by_core(_explored(core, _one_report("inline", queue=False)))
        return ("all" if everything else "aborts"), "report answers by itself when a handler refuses"
    return facets.answers, ""


def _answers_partials(core: Core, facets: Facets) -> tuple[bool, str]:
    """A partial request whose PASID has no handler."""
    if facets.answers != "all":
        return facets.answers_partials, ""
    answered = bool(_responses(_explored(core, _one_report(None, last=False))))
    what = "answered, though its group is not complete" if answered else "not answered"
    return answered, f"a partial request without a handler is {what}"


#: By the facet that each is about, in the order in which they are asked.
PROBES: dict[str, Callable[[Core, Facets], tuple[str | bool, str]]] = {
    "lost_return": _lost_return,
    "removal": _removal,
    "answers": _answers,
    "answers_partials": _answers_partials,
}


def probe(core: Core, said: Collection[str] = ()) -> tuple[Probed, ...]:
    """What a file's core does otherwise than its text says. A core of the build is what it is.

    :param said: facets that were set by hand, of which nothing is asked
    """
    if core.source is None or core.facets is None or core.facets.lookup == "counted-handle":
        return ()
    told = []
    facets = core.facets
    for facet, ask in PROBES.items():
        if facet in said:
            continue
        if facet == "answers_partials" and facets.lost_return:
            continue  # every partial is answered there
        found, why = ask(core, facets)
        if found != getattr(facets, facet):
            told.append(Probed(facet, getattr(facets, facet), found, why))
            facets = facets.override(**{facet: found})
    return tuple(told)


#: Where a cell of a file and its facets contradict each other: the scenario, the kinds, and what the text must have said.
_CONTRADICTS: dict[str, tuple[tuple[str, ...], Callable[[Facets], bool]]] = {
    "partial": ((*MEMORY, "wrong-response"), lambda facets: not facets.lost_return),
    "free-queue-pending": (MEMORY, lambda facets: facets.removal == "answers"),
    "refusal": (("lost-response", "double-response"), lambda _: True),
    "bad-setup-partial": (("wrong-response",), lambda facets: not facets.answers_partials and not facets.lost_return),
}


def suspects(cells: Iterable[Cell], facets: Facets | None) -> bool:
    """Is there anything in what was found of a file that its facets don't explain?"""
    if facets is None or facets.lookup == "counted-handle":
        return False
    for cell in cells:
        kinds, unexplained = _CONTRADICTS.get(cell.scenario, ((), lambda _: False))
        if unexplained(facets) and any(finding.kind in kinds for finding in cell.findings):
            return True
    return False


def corrected(core: Core, found: Iterable[Probed]) -> Core:
    """The file as a core of the form that it behaves as."""
    changes: Mapping[str, str | bool] = {one.facet: one.found for one in found}
    if not changes or core.facets is None:
        return core
    facets = core.facets.override(**changes)
    return replace(core, facets=facets, title=facets.form)


def as_it_behaves(core: Core | str) -> tuple[Core | str, tuple[str, ...]]:
    """A core as the form that it behaves as, before anything runs on it outside the explorer; and what to tell of that.
    Where this build has no explorer, the text is all that there is.

    :raises CoreSourceError: the file does not compile
    """
    if isinstance(core, str) or core.source is None:
        return core, ()
    try:
        told = probe(core)
    except MissingExtension:
        return core, ()
    return corrected(core, told), tuple(f"{core.source}: {one}" for one in told)
