# SPDX-License-Identifier: GPL-2.0-only
"""What a file does, asked of the file: facets from behaviour.

Text decides what has to be known before a file is compiled (_facets.py). What else a form does can be said in many ways:
a ``return`` is lost in an int function as well as in a void one, a loop moves into a helper. So where the verdicts of a
file and the facets of its text don't fit together, small scenarios are explored on it, one thing each, and what it does
there wins over what its text seems to say; both are told. Facets that somebody set by hand stay as they are.

A probe is no verdict, and must not make one: a bug that looks like another form stays a failure. So a facet is changed only
by what was seen, in a search that came to its end, and never by what did not happen. That removal frees nothing in one
scenario does not say that it frees nothing; a form whose driver answers is one that leaves *every* error to it, while one
path that does not answer is a bug of that path. What a probe decides is how a driver of that form behaves (who answers when
report fails), and what a queue of the run half must not be asked to do (hazards). With which code report answers is told, and
excuses nothing. A hazard is one when nothing else is wrong: what breaks in the same way where nobody refuses, or where the
owner answers later, is a bug of another path, and stays that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from . import scenarios as library
from ._check_table import Cell
from ._cores import Core
from ._extension import MissingExtension
from ._facets import Facets
from .explore import Result, Scenario, explore

__all__ = ["PROBES", "Probed", "Question", "answer", "as_it_behaves", "corrected", "probe", "suspects"]

#: Enough for scenarios of one task.
EXECUTIONS = 200
#: A failure that is about the code of an answer, in any scenario.
_CODE = "wrong-code"
MEMORY = ("use-after-free", "double-free", "invalid-free")
#: What a facet is, and what was seen of it; None: nothing that tells.
Seen = tuple[str | bool, str] | None


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


def _one_report(handler: str | None, *, last: bool = True, memory: bool = True) -> Scenario:
    s = Scenario("probe")
    device = s.device(s.queue(), handler=handler, pasid=1)
    s.task("irq").report(device, grpid=1, pasid=1, last=last)
    if not memory:
        s.alloc_may_fail()
    return s


def _responses(result: Result) -> set[str]:
    """What devices got, in any execution."""
    return {response for outcome in result.outcomes for response in outcome.responses}


def _kinds(result: Result) -> set[str]:
    return {failure.kind for failure in result.failures}


def _clean(result: Result) -> bool:
    """Everything was executed, and nothing is wrong."""
    return result.exhausted and result.executions > 0 and not result.failures


def _lost_return(core: Core, facets: Facets) -> Seen:
    """A partial request of a device whose handler answers at once: nobody answers that, unless it was taken for a last."""
    result = _explored(core, _one_report("inline", last=False))
    if _responses(result) or _kinds(result) & {*MEMORY, "wrong-response"}:
        return True, "a partial request is handled as if it were the last one of its group"
    return (False, "a partial request is stored, and nothing else happens") if _clean(result) else None


def _removal(core: Core, facets: Facets) -> Seen:
    """A queue is freed while the work of a group is queued: what the driver's call freed, the work meets."""
    for failure in _explored(core, library.build("free-queue-pending")).failures:
        freed = next((site for site in failure.sites if site.what.startswith("freed") and site.step is not None), None)
        group = failure.kind in MEMORY and (failure.object or "").startswith("group#")
        if group and freed is not None and (failure.steps[freed.step or 0].operation or "").startswith("free_queue("):
            return "frees", "removal frees a group whose work is queued"
    return None


def _left_to_the_driver(result: Result) -> bool:
    """Report returned an error, and nobody answered."""
    return "lost-response" in _kinds(result) and any(" -E" in value for o in result.outcomes for value in o.returns)


def _answers(core: Core, facets: Facets) -> Seen:
    """A handler refuses, and nobody handles: in both cases report fails, and either the driver has to answer or nobody."""
    if facets.lookup != "domain":
        return None  # since there are handles, report answers in every form
    both = [_explored(core, _one_report(handler)) for handler in ("refuse", None)]
    if facets.answers != "nothing" and all(map(_left_to_the_driver, both)):
        return "nothing", "report fails without an answer, whatever is wrong: the driver has to answer"
    if facets.answers == "nothing" and all("double-response" in _kinds(result) for result in both):
        return "aborts", "report answers what it aborts, and still fails: the driver must not answer, too"
    return None


def _answers_partials(core: Core, facets: Facets) -> Seen:
    """A partial request whose PASID has no handler."""
    if facets.answers != "all":
        return None
    result = _explored(core, _one_report(None, last=False))
    if _responses(result):
        return True, "a partial request without a handler is answered, though its group is not complete"
    return (False, "a partial request without a handler is not answered") if _clean(result) else None


def _refusal_breaks(core: Core, facets: Facets) -> Seen:
    """A handler refuses: is the param freed that others still use? Where an owner keeps the group, nothing is."""
    result = _explored(core, _one_report("refuse"))
    twice = any(one.kind in MEMORY and (one.object or "").startswith("param#") for one in result.failures)
    if twice and result.exhausted and not _kinds(_explored(core, _one_report("held"))) & {*MEMORY}:
        return True, "report of what a handler refuses frees the fault param, which is in use"
    return (False, "what a handler refuses is over, and nothing is wrong") if _clean(result) else None


def _response_waits(core: Core, facets: Facets) -> Seen:
    """An answer inside the handler, and a flush while a work is queued: does one wait for itself, and no other way to
    answer does?"""
    later = _explored(core, _one_report("held"))
    inside = _explored(core, _one_report("inline"))
    if "deadlock" in _kinds(inside) and inside.exhausted and _clean(later):
        return True, "an answer inside the handler never returns"
    worked = _explored(core, _one_report("sva"))
    flushed = _explored(core, library.build("flush-pending-work"))
    if "deadlock" in _kinds(flushed) and flushed.exhausted and _clean(worked):
        return True, "a flush while a work is queued never returns"
    return (False, "answers inside the handler and flushes return") if _clean(inside) and _clean(flushed) else None


def _code(core: Core, facets: Facets, scenario: Scenario, of: str) -> Seen:
    """The code that report gave in every execution in which it answered. Beside it there is only the owner's SUCCESS."""
    if facets.answers == "nothing":
        return None  # it is the driver's
    result = _explored(core, scenario)
    if _kinds(result) - {_CODE}:
        return None  # the answer may be somebody else's, who came in time
    codes = {response.rpartition(" ")[2] for response in _responses(result)}
    codes = codes if len(codes) == 1 else codes - {"success"}
    if len(codes) != 1 or not result.exhausted or not result.executions:
        return None
    (code,) = codes
    return (code, f"report answers {of} with {code.upper()}") if code in ("failure", "invalid", "success") else None


def _refusal_code(core: Core, facets: Facets) -> Seen:
    return _code(core, facets, _one_report("refuse"), "what a handler refused")


def _nomem_code(core: Core, facets: Facets) -> Seen:
    seen = _code(core, facets, _one_report("inline", memory=False), "what there is no memory for")
    return None if seen is not None and seen[0] == "success" else seen  # that may have been the owner's


#: By the facet that each is about, in the order in which they are asked.
PROBES: dict[str, Callable[[Core, Facets], Seen]] = {
    "lost_return": _lost_return,
    "removal": _removal,
    "answers": _answers,
    "answers_partials": _answers_partials,
    "refusal_breaks": _refusal_breaks,
    "response_waits": _response_waits,
    "refusal_code": _refusal_code,
    "nomem_code": _nomem_code,
}


def probe(core: Core, said: Collection[str] = ()) -> tuple[Probed, ...]:
    """What a file's core does otherwise than its text says: a few small explorations, where they take turns with others of
    this process. A core of the build is what it is.

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
        seen = ask(core, facets)
        if seen is not None and seen[0] != getattr(facets, facet):
            told.append(Probed(facet, getattr(facets, facet), *seen))
            facets = facets.override(**{facet: seen[0]})
    return tuple(told)


@dataclass(frozen=True)
class Question:
    """A file that is to be asked, and the facets of which nothing is to be asked."""

    core: Core
    said: tuple[str, ...]


def answer(question: Question) -> tuple[Probed, ...]:
    """For a process of a pool: what :func:`probe` finds."""
    return probe(question.core, question.said)


#: Where a cell of a file and its facets contradict each other: the scenario, the kinds (none: it passes), and what the text
#: must have said.
_CONTRADICTS: tuple[tuple[str, tuple[str, ...], Callable[[Facets], bool]], ...] = (
    ("partial", (*MEMORY, "wrong-response"), lambda facets: not facets.lost_return),
    ("free-queue-pending", MEMORY, lambda facets: facets.removal == "answers"),
    ("refusal", ("lost-response", "double-response"), lambda facets: facets.lookup == "domain"),
    ("refusal", MEMORY, lambda facets: not facets.refusal_breaks),
    ("refusal", (), lambda facets: facets.refusal_breaks),
    ("answer-in-handler", ("deadlock",), lambda facets: not facets.response_waits),
    ("flush-pending-work", ("deadlock",), lambda facets: not facets.response_waits),
    ("answer-in-handler", (), lambda facets: facets.response_waits),
    ("bad-setup-partial", ("wrong-response",), lambda facets: not facets.answers_partials and not facets.lost_return),
)


def suspects(cells: Iterable[Cell], facets: Facets | None) -> bool:
    """Is there anything in what was found of a file that its facets don't explain?"""
    if facets is None or facets.lookup == "counted-handle":
        return False
    for cell in cells:
        found = {finding.kind for finding in cell.findings}
        passes = cell.verdict == "pass" and cell.executions > 0
        for scenario, kinds, unexplained in _CONTRADICTS:
            if scenario == cell.scenario and (found & {*kinds} if kinds else passes) and unexplained(facets):
                return True
        if any(finding.kind == _CODE and finding.chosen is None for finding in cell.findings):
            return True
    return False


def corrected(core: Core, found: Iterable[Probed]) -> Core:
    """The file as a core of the form that it behaves as."""
    changes: Mapping[str, str | bool] = {one.facet: one.found for one in found}
    if not changes or core.facets is None:
        return core
    facets = core.facets.override(**changes)
    return replace(core, facets=facets, title=facets.form)


def as_it_behaves(core: Core | str, said: Collection[str] = ()) -> tuple[Core | str, tuple[str, ...]]:
    """A core as the form that it behaves as, before anything runs on it outside the explorer; and what to tell of that.
    Where this build has no explorer, the text is all that there is.

    :param said: facets that were set by hand
    :raises CoreSourceError: the file does not compile
    """
    if isinstance(core, str) or core.source is None:
        return core, ()
    try:
        told = probe(core, said)
    except MissingExtension:
        return core, ()
    return corrected(core, told), tuple(f"{core.source}: {one}" for one in told)
