# SPDX-License-Identifier: GPL-2.0-only
"""What failed, as values that stay, like the result that they are part of (result.py): the failure, and the execution that
shows it, step by step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .data import NOT_IN_JSON, Data, as_data, as_json
from .lines import Place

__all__ = ["Failure", "Run", "Site", "Step"]


@dataclass(frozen=True)
class Site:
    """A place that a failure is about: who did what to which object there."""

    #: "accessed", "freed", "allocated", "waits for" ...
    what: str
    #: name of the task, None when it is not known
    task: str | None
    #: index in the trace, None when it is not in it
    step: int | None
    place: Place | None
    object: str | None
    #: it says more about the one above it
    more: bool = field(default=False, compare=False, metadata=NOT_IN_JSON)
    #: it is where the object's memory comes from, or went to
    memory: bool = field(default=False, compare=False, metadata=NOT_IN_JSON)


@dataclass(frozen=True)
class Step:
    """One line of a trace."""

    #: name of the task
    task: str
    column: int
    #: which step of its task it belongs to, from 1
    ordinal: int
    #: what it does, "mutex_lock"
    op: str
    #: to what, "param#1.users"
    object: str | None
    #: the value before and after, of counters and locks
    before: int | None
    after: int | None
    #: True: a point where another task could have run, False: an event inside a step
    point: bool
    #: number of the preemption that lies right before it, or 0
    preempted: int
    #: locks that the task holds after it
    held: int
    depth: int
    place: Place | None
    #: operation of the scenario that runs, as text
    operation: str | None
    note: str | None
    #: tasks that could have run in its place, of a point
    others: tuple[str, ...] = ()
    #: steps of other tasks that come right before it, as indices: conflicting, or what made it possible. With the order
    #: of each task they say which executions are of one class with this one; what follows from others is left out
    follows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Run:
    """A part of a schedule: a task and how many steps it makes, with the operation that is expected first."""

    task: int
    steps: int
    op: str
    object: str | None


@dataclass(frozen=True, repr=False)  # it has its own
class Failure:
    """What failed, and the shortest execution that shows it. ``print(failure)`` is the trace."""

    kind: str
    message: str
    #: "kept" or "broken" by the driver in this execution
    contract: str
    #: which clauses were broken
    clauses: tuple[str, ...]
    #: what makes two failures the same, in words: kind, type and member of the object, functions, what was wrong, and
    #: what of the contract was broken. Without a line or an address: the same in every process, every build, every search
    signature: str
    object: str | None
    #: the execution that showed it first, counted from 1
    execution: int
    #: how many executions showed it
    count: int
    #: of the trace
    preemptions: int
    #: no schedule with fewer preemptions shows it
    minimal: bool
    #: False: a prediction, no execution came to it
    confirmed: bool
    rank: int
    sites: tuple[Site, ...]
    steps: tuple[Step, ...]
    runs: tuple[Run, ...]
    #: indices of the two steps: in the other order the execution passes
    culprit: tuple[int, int] | None
    #: operations of the scenario that the failure does not need, as text
    dropped: tuple[str, ...]
    scenario: str
    core: str
    #: replay(token) runs exactly this execution
    token: str
    #: names of the columns; "": a task of the search that did not start in this execution
    tasks: tuple[str, ...]
    #: where in the code: the first of the sites that has a place there; None when none has
    place: Place | None = None
    #: the line that runs exactly this execution again: ``iopf replay`` with the token, and with the core's file
    command: str = ""
    #: the upstream commit that chose it against its own documentation (deviations.py); None: nobody did
    chosen: str | None = None
    #: the schedule of the whole scenario step by step, each a run of one: ``runs`` is without what it does not need
    points: tuple[Run, ...] = field(default=(), repr=False, metadata=NOT_IN_JSON)

    @property
    def id(self) -> str:
        """The short name of the token, once it is kept (:meth:`keep`): what the command line prints, and takes for it.
        "": a prediction, which has none."""
        from .kept import failure_id

        return failure_id(self.token)

    @property
    def about(self) -> str:
        """It in a line."""
        return f"{self.kind} in {self.scenario!r} on {self.core}: {self.message}"

    def keep(self, *, source: str | None = None) -> bool:
        """Puts the token into a file, so that its id is enough for a replay, and it can be tried again when the core was
        edited: in ``.iopf/failures`` below the current directory, where ``IOPF_FAILURES_DIR`` says, or in the user's
        cache directory. False: it can't be written anywhere, or has no token. From any thread and process.

        :param source: how its scenario is named, for whoever lists it: ``/home/me/mine.py:race``
        """
        from .kept import keep

        return keep(self.token, self.about, source=source) is not None

    @property
    def trace(self) -> tuple[Step, ...]:
        """The steps."""
        return self.steps

    @property
    def cause(self) -> str:
        """What made it fail, in a sentence of facts of this execution, each with its step."""
        from .causes import cause

        return cause(self).text

    @property
    def required(self) -> str:
        """What was to hold, and did not."""
        from .causes import required

        return required(self)

    def __str__(self) -> str:
        from .trace import render

        return render(self)

    def __repr__(self) -> str:
        return (
            f"<{self.kind} in {self.scenario!r} on {self.core}: {self.message}; {len(self.steps)} steps,"
            f" {self.preemptions} preemptions, contract {self.contract}>"
        )

    def render(
        self,
        *,
        width: int | None = None,
        color: bool = False,
        every_event: bool = False,
        short: bool = False,
        command: str | None = None,
    ) -> str:
        """The trace as text: see :func:`iopf.explore.trace.render`."""
        from .trace import render

        return render(self, width=width, color=color, every_event=every_event, short=short, command=command)

    def html(self) -> str:
        """The failure as an HTML page that needs nothing else: see :func:`iopf.explore.page.page`."""
        from .page import page

        return page([self], title=f"{self.scenario} on {self.core}")

    def _repr_html_(self) -> str:
        from .page import in_a_notebook

        return in_a_notebook(self.html(), f"{self.kind}: {self.message}", self.cause)

    def to_dict(self) -> Data:
        """Everything, as JSON-able data."""
        return as_data(self)

    def to_json(self) -> str:
        """Everything, as JSON text."""
        return as_json(self)
