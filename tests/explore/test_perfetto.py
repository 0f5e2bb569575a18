# SPDX-License-Identifier: GPL-2.0-only
"""An execution in the Trace Event Format: what the format asks of each kind of event, and what the trace has to say in it."""

import json
import math
from collections import defaultdict

import pytest

from iopf import scenarios
from iopf.explore import explore
from iopf.explore.perfetto import trace_events
from iopf.explore.rows import phrase

#: What each phase must have, and may have, beside ph, name, pid, tid and ts ("Trace Event Format", 2016).
PHASES = {
    "M": ({"args"}, set()),
    "X": ({"dur", "cat"}, {"args"}),
    "i": ({"s", "cat"}, set()),
    "s": ({"id", "cat"}, set()),
    "f": ({"id", "cat", "bp"}, set()),
}


def wrong_with(text):
    """What does not fit the format; empty: nothing."""
    found = []
    trace = json.loads(text)
    flows, slices = defaultdict(list), defaultdict(list)
    for event in trace["traceEvents"]:
        needs, may = PHASES.get(event.get("ph"), (None, None))
        keys = event.keys() - {"ph", "name", "pid", "tid", "ts"}
        if needs is None or not needs <= keys <= needs | may or not isinstance(event.get("name"), str):
            found.append(("fields", event))
            continue
        if not all(isinstance(event[key], int) for key in ("pid", "tid")) or not isinstance(event["ts"], (int, float)):
            found.append(("types", event))
            continue
        if event["ph"] == "X":
            slices[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
            if not event["dur"] > 0:
                found.append(("length", event))
        if event["ph"] == "i" and event["s"] not in "gpt":
            found.append(("scope", event))
        if event["ph"] in "sf":
            flows[event["id"]].append(event)
    for row in slices.values():  # slices of a thread lie in each other or beside each other
        for begin, end in row:
            found += [("crossing", one) for one in row if begin < one[0] < end < one[1]]
    for pair in flows.values():
        if (
            ["s", "f"] != [event["ph"] for event in pair]
            or pair[0]["ts"] > pair[1]["ts"]
            or pair[0]["name"] != pair[1]["name"]
        ):
            found.append(("flow", pair))
        for event in pair:  # each end is bound to the slice around it
            if not any(begin <= event["ts"] <= end for begin, end in slices[event["pid"], event["tid"]]):
                found.append(("nowhere", event))
    return found


@pytest.fixture(scope="module")
def result():
    """Several failures, one of them with a preemption."""
    return explore(scenarios.build("remove-group-late-report"), core="v6.9", all_failures=True)


def test_every_failure_of_the_form_with_most_of_them_fits_the_format():
    """All scenarios of the library on v7.2."""
    written = 0
    for scenario in scenarios.all_scenarios():
        result = explore(scenario.build(), core="v7.2", all_failures=True, budget=1)
        if result.failures:
            written += 1
            assert [] == wrong_with(trace_events(result.failures, title="t")), scenario.name
    assert written > 5


@pytest.mark.parametrize("spoil", [
    lambda event: event.pop("ph"),
    lambda event: event.pop("dur", None) or event.pop("args", None),
    lambda event: event.update(ts="0"),
    lambda event: event.update(name=None),
    lambda event: event.update(more=1),
], ids=range(5))  # fmt: skip
def test_what_does_not_fit_is_seen(spoil, result):
    """The control: each event in turn is spoilt."""
    good = json.loads(trace_events(result.failures, title="t"))
    for number, event in enumerate(good["traceEvents"]):
        if event["ph"] == "i" and spoil.__code__.co_consts[1:2] == ("dur",):
            continue
        spoilt = json.loads(json.dumps(good))
        spoil(spoilt["traceEvents"][number])
        if spoilt != good:
            assert wrong_with(json.dumps(spoilt)), event


def test_arrows_that_miss_their_step_are_seen(result):
    """The control: an end outside every slice, an arrow without its end, one that goes back, slices that cross."""
    good = json.loads(trace_events(result.failures, title="t"))
    ends = [number for number, event in enumerate(good["traceEvents"]) if event["ph"] in "sf"]
    for number in ends:
        for change in ({"ts": 1e9}, {"id": 10**6}, {"name": "another"}):
            spoilt = json.loads(json.dumps(good))
            spoilt["traceEvents"][number].update(change)
            assert wrong_with(json.dumps(spoilt))
    crossing = [{"ph": "X", "cat": "c", "name": "n", "pid": 1, "tid": 1, "ts": ts, "dur": 2} for ts in (0, 1)]
    assert "crossing" == wrong_with(json.dumps({"traceEvents": crossing}))[0][0]


def test_steps_operations_arrows_and_the_failure_are_there(result):
    """Each step as long as any other, in the thread of its task; an arrow for each order; one instant for each preemption
    and one for the failure."""
    failure = result.failures[0]
    events = json.loads(trace_events([failure], title="t"))["traceEvents"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    steps = [event for event in events if event.get("cat") == "step"]
    assert [(step.task, phrase(step), index) for index, step in enumerate(failure.steps)] == [
        (names[event["tid"]], event["name"], event["ts"]) for event in steps
    ]
    assert {1} == {event["dur"] for event in steps}
    orders = sum(len(step.follows) for step in failure.steps)
    assert orders > 0 and orders == sum(event["name"] == "order" for event in events if event["ph"] == "s")
    assert bool(failure.culprit) == any(event["name"] == "culprit pair" for event in events)
    assert failure.preemptions == sum(event.get("cat") == "preemption" for event in events)
    assert {step.operation for step in failure.steps if step.operation} == {
        event["name"] for event in events if event.get("cat") == "operation"
    }
    (at,) = [event for event in events if event.get("cat") == "failure"]
    assert failure.kind in at["name"] and math.isclose(
        at["ts"], max(i for i, s in enumerate(failure.steps) if s.op == failure.kind)
    )


def test_nothing_that_failed_is_a_trace_without_events():
    """It opens, and is empty."""
    assert [] == json.loads(trace_events((), title="t"))["traceEvents"] and [] == wrong_with(
        trace_events((), title="t")
    )
