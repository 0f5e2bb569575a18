# SPDX-License-Identifier: GPL-2.0-only
"""What of an execution is worth a line: which steps are told, what is folded, and who held how many locks meanwhile.

Every picture of a failure, as text or as a page, is made of the same rows. Steps that the failure is about, points, ends
of calls and preemptions get a row; a stretch of steps that touch nothing the failure is about becomes one; and what comes
behind the failure is left out, unless every event is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .causes import LOCKS, cause

if TYPE_CHECKING:
    from .failure import Failure, Step

__all__ = ["Reading", "Row", "note_of", "phrase"]

#: So many lines in a row that the failure is not about become one.
FOLD = 3
#: Operations on an object as a whole, whatever lies at its start.
WHOLE = ("allocate", "free", "kfree", "kfree_rcu", "call_rcu")
#: A pointer to an object is called by the member at its start.
FIRST_MEMBER = r"(\w+#\d+)\.[\w.]+"


def value(number: int) -> str:
    """A value as text; addresses, which say nothing, as what they are."""
    return "pointer" if number > 1 << 32 else str(number)


def phrase(step: Step) -> str:
    """A step's operation, object and values."""
    about = step.object
    if about and step.op in WHOLE:
        about = about.partition(".")[0]
    text = f"{step.op}({about})" if about else step.op
    if step.before is not None and step.after is not None:
        before, after = value(step.before), value(step.after)
        text += f" {before}" if step.before == step.after else f" {before} -> {after}"
    return text


def note_of(step: Step) -> str | None:
    """What there is to say more."""
    if step.note and step.op.startswith("atomic"):
        return re.sub(FIRST_MEMBER, r"\1", step.note)
    return step.note


@dataclass(frozen=True)
class Row:
    """A line about a step, or about the step that follows it."""

    #: "preempted": another task could have gone on here; "call": an operation of the scenario begins; "fold": steps from
    #: index to last; "step"
    kind: str
    index: int
    last: int
    text: str
    #: locks held by each task while the line is read, by column
    held: dict[int, int]
    marked: bool = False


class Reading:
    """A failure as it is told: what of it matters, and its rows."""

    def __init__(self, failure: Failure, every_event: bool = False):
        self.failure = failure
        self.every_event = every_event
        #: Tasks in the order of the scenario.
        self.tasks = sorted({step.column for step in failure.steps})
        #: Why it fails, in a sentence.
        self.cause = cause(failure)
        self.marked = set(failure.culprit or ())
        self.marked |= {site.step for site in failure.sites if site.step is not None}
        self.marked |= self.cause.steps
        ends = [index for index, step in enumerate(failure.steps) if step.op == failure.kind]
        #: What stands with its line of the source.
        self.rests_on: set[int] = {*self.cause.steps, *(failure.culprit or ()), *ends[-1:]}
        #: The last step that gets a line.
        self.end = max([*ends[-1:], *self.marked]) if ends else len(failure.steps) - 1
        self.about = self._about()

    def _about(self) -> set[str]:
        """The objects that the failure is about: what its object and its marked steps name, without the field."""
        names = [self.failure.object, *(site.object for site in self.failure.sites)]
        names += [self.failure.steps[index].object for index in self.marked if index < len(self.failure.steps)]
        return {name.partition(".")[0] for name in names if name}

    def shown(self) -> list[int]:
        """Indices of the steps that get a line."""
        steps = self.failure.steps
        if self.every_event:
            return list(range(len(steps)))
        return [
            index
            for index, step in enumerate(steps[: self.end + 1])
            if step.point
            or index in self.marked
            or index == self.end
            or (step.op.endswith(" returns") and step.operation is not None)
            or step.preempted
            or ((step.object or "").partition(".")[0] in self.about and step.op not in ("read", "write"))
        ]

    def before(self, index: int) -> str:
        """Who ran right before that step."""
        return self.failure.steps[index - 1].task if index else "nobody"

    def _plain(self, shown: Sequence[int]) -> dict[int, bool]:
        """Which lines may be folded: those on other objects, away from switches and ends."""
        steps = self.failure.steps
        if self.every_event:
            return dict.fromkeys(shown, False)
        plain = {}
        for position, index in enumerate(shown):
            step = steps[index]
            neighbours = [shown[position + offset] for offset in (-1, 1) if 0 <= position + offset < len(shown)]
            edge = any(steps[other].column != step.column for other in neighbours) or position == len(shown) - 1
            about = (step.object or "").partition(".")[0] in self.about
            plain[index] = not (edge or about or index in self.marked or step.preempted or step.note)
        return plain

    def _taken(self, folded: Sequence[int], more: int) -> list[str]:
        """The locks that are held behind a folded stretch and were not before it."""
        steps = self.failure.steps
        return (
            [steps[index].object or "a lock" for index in folded if steps[index].op in LOCKS][-more:]
            if more > 0
            else []
        )

    def rows(self) -> Iterator[Row]:
        """The rows, from the first to the failure."""
        steps = self.failure.steps
        shown = self.shown()
        plain = self._plain(shown)
        held = dict.fromkeys(self.tasks, 0)
        operation: dict[int, str | None] = dict.fromkeys(self.tasks)
        position = 0
        previous = -1
        while position < len(shown):
            index = shown[position]
            for skipped in range(previous + 1, index):
                held[steps[skipped].column] = steps[skipped].held
            step = steps[index]
            if step.preempted:
                text = f"preempted {step.preempted}: {self.before(index)} could have gone on"
                yield Row("preempted", index, index, text, dict(held))
            if step.operation is not None and step.operation != operation[step.column]:
                yield Row("call", index, index, step.operation, dict(held), True)
            operation[step.column] = step.operation
            fold = position
            while (
                fold < len(shown)
                and plain[shown[fold]]
                and steps[shown[fold]].column == step.column
                and steps[shown[fold]].operation == step.operation
            ):
                fold += 1
            if fold - position >= FOLD:
                last = shown[fold - 1]
                text = f"{fold - position} steps on other objects"
                taken = self._taken(shown[position:fold], steps[last].held - held[step.column])
                if taken:
                    text += f", takes {', '.join(taken)}"
                held[step.column] = steps[last].held
                yield Row("fold", index, last, text, dict(held))
                position, previous = fold, last
                continue
            text = phrase(step)
            note = note_of(step)
            if note:
                text += f"  {note}"
            # The bar of a lock begins after the line that takes it and ends before the line that drops it.
            held[step.column] = min(held[step.column], step.held)
            yield Row("step", index, index, text, dict(held), index in self.marked)
            held[step.column] = step.held
            position, previous = position + 1, index
