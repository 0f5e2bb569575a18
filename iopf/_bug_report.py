# SPDX-License-Identifier: GPL-2.0-only
"""A report that a maintainer can act on: plain text, one part for each failure of a core with the driver's contract kept.

A part says what goes wrong and what was required, what happens step by step (the steps that the cause names, and where
each call begins and ends), since which commit it is so, what shows it again, and what would mend it: the pair of steps
whose order decides, and the forms that do not have it. A part has at most :data:`MOST_LINES` lines.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from . import _exit, scenarios as library
from ._cores import Core, cores
from .catalogue import CATALOGUE
from .explore import Failure, Result, Step, explore
from .explore.causes import CLEAN_UP, cause
from .explore.deviations import chosen
from .explore.rows import phrase
from .explore.sources import source_line

__all__ = ["MOST_LINES", "BugReport", "BugReports", "bug_reports", "render_bug_reports"]

MOST_LINES = 25
WIDTH = 78
#: Seconds for one exploration, and the executions that are looked at for all of its failures.
BUDGET, EXECUTIONS = 20.0, 20_000
#: Said of a form: "v7.2, 83a22a89b49a (v7.2)".
OURS = "iopf"


@dataclass(frozen=True)
class BugReport:
    """One failure, with what other forms make of it."""

    #: the shortest of those that are the same
    failure: Failure
    #: the scenarios of the library that show it, that of the failure first
    scenarios: tuple[str, ...]
    #: the first form of the kernel since which none is without it; None: the newest does not have it
    since: Core | None
    #: forms in which nothing fails in that scenario, every interleaving executed
    clean: tuple[str, ...] = field(default=())
    #: forms of which nobody can tell: something else fails there, and perhaps before it, or the search did not end
    untold: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class BugReports:
    """Of one core: what it does wrong, the gravest first, and how much is known of it."""

    reports: tuple[BugReport, ...]
    #: without what upstream chose against its own documentation
    evidence: _exit.Evidence

    def judged(self, strict: bool = False) -> _exit.Evidence:
        """The evidence; ``strict``: with what upstream chose."""
        chosen = sum(report.failure.chosen is not None for report in self.reports)
        return self.evidence._replace(bad=self.evidence.bad + chosen) if strict else self.evidence


def _same(failure: Failure) -> tuple[str, str, str]:
    """What is compared between forms, whose functions differ: the kind, the object's type, and what was wrong."""
    thing = (failure.object or "").partition("#")[0]
    return failure.kind, thing, failure.message.rpartition(": ")[2] if thing else failure.message


def _explored(core: Core | str, scenario: str, budget: float, deviations: bool = True) -> Result:
    return explore(
        library.build(scenario),
        core=core,
        budget=budget,
        max_executions=EXECUTIONS,
        estimate=False,
        notes=False,
        all_failures=True,
        deviations=deviations,
    )


def _kept(result: Result) -> list[Failure]:
    return [failure for failure in result.failures if failure.contract == "kept" and failure.confirmed]


def bug_reports(
    core: Core | str,
    scenarios: Iterable[str] | None = None,
    progress: Callable[[int, int], object] | None = None,
    budget: float = BUDGET,
) -> BugReports:
    """What a core does wrong though its driver keeps the contract: one report for each kind, object and
    message, the gravest first.

    :param core: a name, or a core from :meth:`iopf.Core.from_source`
    :param scenarios: of the library; None: all of it
    :param progress: called with the number of scenarios that are over and of all
    :param budget: seconds for one exploration
    :raises ValueError: no such core or scenario
    """
    names = list(library.names() if scenarios is None else scenarios)
    history = [form for form in cores().values() if form.name != OURS]
    found: dict[tuple[str, str, str], list[Failure]] = {}
    good = 0
    unknown: list[str] = []
    for number, name in enumerate(names):
        result = _explored(core, name, budget)
        kept = _kept(result)
        whole = result.exhausted and result.executions > 0
        if any(failure.chosen is not None for failure in kept):
            # An execution ends with that, and what is behind it counts, too.
            result = _explored(core, name, budget, deviations=False)
            kept += _kept(result)
            whole = whole and result.exhausted and result.executions > 0
        for failure in kept:
            found.setdefault(_same(failure), []).append(failure)
        own = any(failure.chosen is None for failure in kept)
        good += not own and whole
        if not own and not whole:
            unknown.append(f"{name}: {result.why or 'the search is not exhaustive'}")
        if progress is not None:
            progress(number + 1, len(names))
    reports = []
    for failures in found.values():
        shortest = min(failures, key=lambda failure: (failure.preemptions, len(failure.steps)))
        where = dict.fromkeys([shortest.scenario, *(failure.scenario for failure in failures)])
        reports.append(BugReport(shortest, tuple(where), *_among_forms(shortest, core, history, budget)))
    reports.sort(key=lambda report: (report.failure.chosen is not None, -report.failure.rank, report.failure.scenario))
    bad = sum(report.failure.chosen is None for report in reports)
    return BugReports(tuple(reports), _exit.Evidence(good=good, bad=bad, unknown=tuple(unknown)))


def _has(failure: Failure, form: str, budget: float) -> bool | None:
    """Does that form fail so, too? None: nobody can tell."""
    # Behind what upstream chose, an execution would not be seen any more.
    result = _explored(form, failure.scenario, budget, deviations=failure.chosen is not None)
    if any(_same(other) == _same(failure) for other in _kept(result)):
        return True
    return False if result.exhausted and result.executions > 0 and not result.failures else None


def _among_forms(
    failure: Failure, core: Core | str, history: list[Core], budget: float
) -> tuple[Core | None, tuple[str, ...], tuple[str, ...]]:
    """The form since which it is so, those that do not have it, and those of which nobody can tell."""
    name = core.name if isinstance(core, Core) else core
    has = {form: _has(failure, form, budget) for form in (OURS, *(form.name for form in history)) if form != name}
    end = next((number for number, form in enumerate(history) if form.name == name), len(history) - 1)
    since = None
    for form in reversed(history[: end + 1]):
        shows = has.get(form.name, True)
        if shows is False:
            break
        since = form if shows else since
    clean = tuple(form for form, shows in has.items() if shows is False)
    return since, clean, tuple(form for form, shows in has.items() if shows is None)


# --- as text ---


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _told(failure: Failure) -> Iterator[tuple[int, Step]]:
    """The steps of the story: those that the cause names, the culprit pair, and where calls return."""
    wanted = {*cause(failure).steps, *(failure.culprit or ())}
    ends = [index for index, step in enumerate(failure.steps) if step.op == failure.kind]
    end = max(ends[-1:] + sorted(wanted)) if ends or wanted else len(failure.steps) - 1
    for index, step in enumerate(failure.steps[: end + 1]):
        if index in wanted or index in ends[-1:] or (step.op.endswith(" returns") and step.operation != CLEAN_UP):
            yield index, step


def _story(failure: Failure) -> list[str]:
    lines: list[str] = []
    now: tuple[str, str | None] | None = None
    for index, step in _told(failure):
        if (step.task, step.operation) != now:
            now = step.task, step.operation
            lines.append(f"    {step.task}{': ' if step.operation else ''}{step.operation or ''}")
        what = phrase(step) + (f" {step.note}" if step.note else "")
        place = f"  {step.place.short} {step.place.function or ''}".rstrip() if step.place else ""
        lines.append(f"      {index + 1}. {what}{place}"[:WIDTH])
        text = source_line(step.place) if step.place else None
        if text is not None:
            lines.append(f"           {textwrap.shorten(text, WIDTH - 11, placeholder='...')}")
    return lines


def _mechanism(report: BugReport) -> str | None:
    """What the catalogue says of it, where it has it: of a core of the history, and none of a file's."""
    failure = report.failure
    for defect in CATALOGUE:
        if (
            (defect.core, defect.kind, defect.contract) == (failure.core, failure.kind, failure.contract)
            and defect.scenario in report.scenarios
            and defect.message in failure.message
        ):
            return defect.mechanism
    return None


def _form(form: Core) -> str:
    return ", ".join(filter(None, (form.name, form.commit, form.releases and f"released in {form.releases}")))


def _part(number: int, report: BugReport, option: str) -> list[str]:
    failure = report.failure
    lines = _wrapped(f"{failure.kind}: {failure.message}", f"{number}. ", "   ")
    lines += _wrapped(failure.cause + ".", "   ", "   ")
    lines += _wrapped(f"Required: {failure.required}.", "   ", "   ")
    deviation = chosen(failure.kind, failure.message, failure.contract)
    if deviation is not None:
        lines += _wrapped(f"{deviation.label[0].upper()}{deviation.label[1:]}.", "   ", "   ")
    mechanism = _mechanism(report)
    if mechanism is not None and deviation is None:
        lines += _wrapped(mechanism, "   ", "   ")
    lines += ["   The driver keeps its contract. Step by step:"]
    below = []
    since = "The newest form of the kernel does not have it."
    if report.since is not None:
        names = list(cores())
        before = names[names.index(report.since.name) - 1]
        since = f"Since {_form(report.since)}{', or before it' if before in report.untold else ''}."
    below += _wrapped(since, "   ", "   ")
    below += [f"   Shown by: iopf explore {failure.scenario} {option} --all-failures"]
    if len(report.scenarios) > 1:
        below += _wrapped(f"Also in {', '.join(report.scenarios[1:])}.", "   ", "   ")
    if failure.culprit is not None:
        first, then = (failure.steps[index] for index in failure.culprit)
        below += _wrapped(
            f"Mended by what keeps this order from happening: {_step(first)}, and then {_step(then)}.", "   ", "   "
        )
    if report.clean:
        below += _wrapped(f"Not in: {', '.join(report.clean)}.", "   ", "   ")
    if report.untold:
        below += _wrapped(f"Fails otherwise there, so nobody can tell: {', '.join(report.untold)}.", "   ", "   ")
    story = _story(failure)
    room = MOST_LINES - len(lines) - len(below)
    if len(story) > room:
        story = [*story[: max(room - 1, 1)], "      ..."]
    return [*lines, *story, *below]


def _step(step: Step) -> str:
    return f"{phrase(step)} by {step.task}" + (f" in {step.operation}" if step.operation else "")


def render_bug_reports(name: str, found: BugReports, option: str) -> str:
    """The reports as text to send; what was not explored to its end is named, too.

    :param name: what the core is called
    :param option: what names it on a command line: ``--core v7.2``
    """
    reports, unknown = found.reports, found.evidence.unknown
    if reports:
        head = f"{name}: {len(reports)} failure{'s' if len(reports) > 1 else ''} with the contract of the driver kept"
        choices = sum(report.failure.chosen is not None for report in reports)
        head += f", {choices} as upstream chose" if choices else ""
        lines = [head, "=" * len(head), ""]
        for number, report in enumerate(reports, 1):
            lines += [*_part(number, report, option), ""]
        lines += ["Each was executed, not predicted: the command under it shows the whole execution."]
    else:
        lines = [f"{name}: scenarios explored to their end: {found.evidence.good}; none fails with the contract kept."]
    if unknown:
        lines += [f"Not explored to the end: {len(unknown)}", *(f"  {line}" for line in unknown)]
    return "\n".join(lines) + "\n"
