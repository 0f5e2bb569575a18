# SPDX-License-Identifier: GPL-2.0-only
"""What a search found, as values that stay: frozen, printable, JSON-able. What only a failure has is in failure.py, which
is loaded when there is one.

:func:`verdict_of` is the only place where a search is called passed, and it demands the evidence: that the strategy is
one that can be complete, that it came to its end, that something ran, and that nothing failed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import iopf.explore  # whose classes are loaded when somebody asks for the types of the fields

from .._hints import unknown
from ..exceptions import Travels
from .data import NOT_IN_JSON, Data, as_data, as_json

__all__ = ["ExplorationFailed", "Hot", "Outcome", "Result", "verdict_of"]

VERDICTS = ("pass", "bounded", "sampled", "fail", "inconclusive")
#: Strategies whose end means that every class was executed; "bound" ends when no bound leaves anything out.
COMPLETE = ("dpor", "naive", "sleep", "bound")


@dataclass(frozen=True)
class Outcome:
    """One distinct outcome of an execution: what devices got, what calls returned, what warned. Equal by its text."""

    text: str
    #: how many executions had it
    count: int = field(compare=False)
    #: what devices got, by the task that reported: ``irq: dev0 grpid 1 success``
    responses: tuple[str, ...] = field(default=(), repr=False, compare=False, metadata=NOT_IN_JSON)
    #: what calls returned: ``irq: report -EINVAL``
    returns: tuple[str, ...] = field(default=(), repr=False, compare=False, metadata=NOT_IN_JSON)
    #: kernel WARNs: ``WARN in function (times)``
    warnings: tuple[str, ...] = field(default=(), repr=False, compare=False, metadata=NOT_IN_JSON)

    @property
    def parts(self) -> tuple[str, ...]:
        """The facts it consists of."""
        return (*self.responses, *self.returns, *self.warnings)

    def __str__(self) -> str:
        return f"{self.text}  ({self.count:,} executions)"


@dataclass(frozen=True)
class Hot:
    """A pair of operations on one object that made branches, and how often."""

    object: str
    op: str
    other_op: str
    races: int

    def __str__(self) -> str:
        return f"{self.object}: {self.op} / {self.other_op}, {self.races:,}"


class ExplorationFailed(Travels, AssertionError):
    """Raised by :meth:`Result.check`: the result is not what was asked for. ``result`` has it."""

    def __init__(self, result: Result):
        super().__init__(str(result.failure) if result.failure is not None else str(result))
        self.result = result


@dataclass(frozen=True, repr=False)  # it has its own
class Result:
    """What a search found."""

    scenario: str
    core: str
    #: "pass" (exhaustive), "bounded", "sampled", "fail" or "inconclusive"
    verdict: str
    #: why it is inconclusive, else None
    why: str | None
    #: the strategy that gave the verdict
    strategy: str
    #: of "bounded": every schedule with at most so many preemptions was executed
    bound: int | None
    #: executions that ran to their end
    executions: int
    #: distinct happens-before classes; None when they were not counted
    classes: int | None
    #: executions cut short because others cover them
    blocked: int
    seconds: float
    #: the gravest failure, or None
    failure: iopf.explore.Failure | None
    #: one for each signature, the gravest first
    failures: tuple[iopf.explore.Failure, ...]
    #: what is no failure: lock orders whose deadlock is among the failures; and, of a core that does not promise otherwise,
    #: what one execution puts, allocates or frees under a lock of the framework (kind "under-lock")
    notes: tuple[iopf.explore.Failure, ...]
    outcomes: tuple[Outcome, ...]
    #: classes as estimated before the search, or what was executed if that is more; None: there is none
    estimate: float | None
    #: the strategy came to its end
    exhausted: bool
    #: stopped by the progress callback
    interrupted: bool
    #: the execution that failed first, or None
    first_failure: int | None
    #: executions that were run twice and hashed alike
    self_checks: int
    #: scheduling points of the longest execution
    deepest: int
    #: executions by number of preemptions; the last entry: that many or more
    preemptions: tuple[int, ...]
    #: which objects made the branches
    hottest: tuple[Hot, ...]
    tasks: tuple[str, ...]
    #: nanoseconds between two executions
    reset_ns: float
    seed: int
    #: what became of the failures that were tried before the search (``explore(kept=...)``)
    kept: tuple[iopf.explore.Again, ...] = ()
    #: of "auto" when it ended without a pass and without a failure: the executions, by the strategy that chose them
    sampled: tuple[tuple[str, int], ...] = ()
    #: at least so many classes, and at most: each with 99 in 100. None: nobody knows. "At most" is known only where no single
    #: random walk counts for much
    estimate_low: float | None = None
    estimate_high: float | None = None
    #: why there is no estimate, though one was tried; else None
    estimate_why: str | None = None
    #: of strategy "pct": how many orderings the bugs take that it looked for
    depth: int | None = None
    #: what happened to the search itself, in sentences: workers that ended, say
    remarks: tuple[str, ...] = ()

    @property
    def executions_per_second(self) -> float:
        """Executions by time, cut short ones included."""
        return (self.executions + self.blocked) / self.seconds if self.seconds > 0 else 0.0

    @property
    def chance(self) -> float | None:
        """Of strategy "pct": the least chance with which one execution met a bug that takes ``depth`` orderings (or
        fewer), 1 / (n k^(depth - 1)), n the tasks with their works and k the steps of the longest execution. None: another
        strategy."""
        if self.depth is None or not self.deepest:
            return None
        return 1 / (max(len(self.tasks) - 1, 1) * float(self.deepest) ** (self.depth - 1))

    @property
    def size(self) -> str:
        """How many classes there are, in words, by what is known; "" when nothing is."""
        low, high = self.estimate_low, self.estimate_high
        if self.estimate_why is not None:
            more = f"; {_number(low)} were executed" if low else ""
            return f"nobody knows how many classes there are: {self.estimate_why}{more}"
        if self.estimate is None:
            return ""
        if low is None:
            return f"about {_number(self.estimate)} classes, by too few random walks to say how well that is known"
        if high is not None:
            return f"about {_number(self.estimate)} classes, from {_number(low)} to {_number(high)} (99 in 100)"
        return (
            f"at least {_number(low)} classes (99 in 100); the random walks say {_number(self.estimate)} on the average, but a"
            " few of them make up most of that: it may be far off, and is mostly too low"
        )

    @property
    def kind(self) -> str | None:
        """The kind of the gravest failure, or None."""
        return self.failure.kind if self.failure is not None else None

    def check(self, *accepted: str) -> Result:
        """Itself when the verdict is "pass" or one of ``accepted``, else ExplorationFailed with the trace."""
        wrong = [verdict for verdict in accepted if verdict not in VERDICTS]
        if wrong:
            raise ValueError(f"{unknown('verdict', wrong[0], VERDICTS)}")
        if self.verdict != "pass" and self.verdict not in accepted:
            raise ExplorationFailed(self)
        object.__setattr__(self, "_accepted", True)  # for the pytest plugin: somebody said that this is enough
        return self

    @property
    def accepted(self) -> bool:
        """Is it a pass or a failure, or has :meth:`check` been told that this verdict is enough?"""
        return self.verdict in ("pass", "fail") or getattr(self, "_accepted", False)

    def __str__(self) -> str:
        text = {
            "pass": "pass: exhaustive" + (f", {self.classes:,} classes" if self.classes else ""),
            "bounded": f"bounded: every schedule with at most {self.bound} preemptions",
            "sampled": f"sampled: {self.executions:,} executions, not all",
            "fail": f"fail: {self.failure.kind if self.failure else ''}",
            "inconclusive": f"inconclusive: {self.why}",
        }[self.verdict]
        if self.sampled:
            text += " (" + ", ".join(f"{number:,} by {name}" for name, number in self.sampled) + ")"
        blocked = f", {self.blocked:,} cut short" if self.blocked else ""
        return (
            f"{self.scenario} on {self.core}: {text} ({self.strategy}, {self.executions:,} executions{blocked},"
            f" {self.seconds:.2f} s)"
        )

    def html(self) -> str:
        """What failed, one below the other, as an HTML page that needs nothing else."""
        from .page import page

        return page(self.failures, title=f"{self.scenario} on {self.core}", summary=str(self))

    def _repr_html_(self) -> str:
        from .page import in_a_notebook

        return in_a_notebook(self.html() if self.failures else None, str(self))

    def __repr__(self) -> str:
        return f"<Result {self}>"

    def to_dict(self) -> Data:
        """Everything, as JSON-able data."""
        return as_data(self)

    def to_json(self) -> str:
        """Everything, as JSON text."""
        return as_json(self)


def _number(value: float) -> str:
    """Of classes: ``10,600`` or ``4.1e+14``, as much of it as is known."""
    return f"{float(f'{value:.3g}'):,.0f}" if value < 1e7 else f"{value:.2g}"


def verdict_of(
    reported: str,
    why: str | None,
    *,
    strategy: str,
    exhausted: bool,
    interrupted: bool,
    executions: int,
    failures: int,
    bound: int | None,
    degraded: str | None,
) -> tuple[str, str | None]:
    """The verdict and, when it is inconclusive, why. Nothing else may say "pass".

    ``reported`` is the engine's own verdict: it can be lowered here and not raised. ``degraded``: something that makes
    the search less than it seems.
    """
    if failures:
        return "fail", None
    if reported == "inconclusive":
        return "inconclusive", why or "the explorer gave no reason"
    if reported == "fail":
        return "inconclusive", "a failure was reported, and none is there"
    if executions == 0:
        return "inconclusive", why or "nothing was executed"
    if degraded is not None:
        return "inconclusive", degraded
    if reported == "pass":
        for holds, evidence in (
            (strategy in COMPLETE, f"strategy {strategy} is not complete"),
            (exhausted, "the search did not come to its end"),
            (not interrupted, "the search was interrupted"),
        ):
            if not holds:
                return "inconclusive", f"no pass without evidence: {evidence}"
        return "pass", None
    if reported == "bounded" and bound is None:
        return "inconclusive", "no bound was completed"
    return reported, None
