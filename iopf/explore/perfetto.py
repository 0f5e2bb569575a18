# SPDX-License-Identifier: GPL-2.0-only
"""An execution in the Trace Event Format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

A step takes one microsecond, since an execution that is explored has an order and no time. Each failure is a process,
each task a thread: a slice for each operation of the scenario, in it a slice for each step with its object, values and
place, flow arrows for the order of dependence, and instants for preemptions and for the failure. The format: "Trace Event
Format", Google, 2016 (JSON object form).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING

from .rows import note_of, phrase

if TYPE_CHECKING:
    from .failure import Failure, Step

__all__ = ["trace_events"]

Event = dict[str, object]


def _operations(failure: Failure) -> Iterator[Event]:
    """From the first to the last step of each operation of a task, which may be at rest between them."""
    begun: dict[int, tuple[str, int, int]] = {}

    def slice_of(column: int) -> Event:
        name, first, last = begun.pop(column)
        return {"ph": "X", "name": name, "cat": "operation", "tid": column, "ts": first, "dur": last + 1 - first}

    for index, step in enumerate(failure.steps):
        now = begun.get(step.column)
        if now is not None and now[0] == step.operation:
            begun[step.column] = (*now[:2], index)
            continue
        if now is not None:
            yield slice_of(step.column)
        if step.operation is not None:
            begun[step.column] = step.operation, index, index
    for column in list(begun):
        yield slice_of(column)


def _arguments(step: Step) -> Event:
    facts: Event = {
        "object": step.object,
        "before": step.before,
        "after": step.after,
        "note": note_of(step),
        "place": str(step.place) if step.place is not None else None,
        "locks held": step.held or None,
        "could have run instead": ", ".join(step.others) or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _events(failure: Failure, numbers: Iterator[int]) -> Iterator[Event]:
    """Those of one failure; ``numbers`` gives each arrow an id of its own."""
    columns = sorted({step.column for step in failure.steps})
    name = f"{failure.kind}: {failure.message} ({failure.scenario} on {failure.core})"
    yield {"ph": "M", "name": "process_name", "args": {"name": name}}
    for place, column in enumerate(columns):
        yield {"ph": "M", "name": "thread_name", "tid": column, "args": {"name": failure.tasks[column]}}
        yield {"ph": "M", "name": "thread_sort_index", "tid": column, "args": {"sort_index": place}}
    yield from _operations(failure)
    for index, step in enumerate(failure.steps):
        at: Event = {"tid": step.column, "ts": index}
        yield {
            "ph": "X",
            "name": phrase(step),
            "cat": "step",
            "dur": 1,
            "args": {"step": index + 1, **_arguments(step)},
            **at,
        }
        if step.preempted:
            yield {"ph": "i", "s": "p", "name": f"preemption {step.preempted}", "cat": "preemption", **at}
        if step.op == failure.kind:
            yield {"ph": "i", "s": "g", "name": f"{failure.kind}: {failure.message}", "cat": "failure", **at}
        arrows = [(before, "order") for before in step.follows]
        if failure.culprit is not None and failure.culprit[1] == index:
            arrows.append((failure.culprit[0], "culprit pair"))
        for before, what in arrows:
            one = {"name": what, "cat": what, "id": next(numbers)}
            # A flow's end is bound to the slice around it, so both lie inside their steps.
            yield {"ph": "s", "tid": failure.steps[before].column, "ts": before + 0.5, **one}
            yield {"ph": "f", "bp": "e", "tid": step.column, "ts": index + 0.5, **one}


def trace_events(failures: Sequence[Failure], *, title: str) -> str:
    """The executions that show these failures, as JSON in the Trace Event Format."""
    numbers = count(1)
    events = [
        {"pid": pid, "tid": 0, "ts": 0, **event}
        for pid, failure in enumerate(failures, 1)
        for event in _events(failure, numbers)
    ]
    lines = ",\n".join(json.dumps(event) for event in events)
    return f'{{"displayTimeUnit": "ns", "otherData": {json.dumps({"title": title})}, "traceEvents": [\n{lines}\n]}}\n'
