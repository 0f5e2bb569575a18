# SPDX-License-Identifier: GPL-2.0-only
"""``bench --scale``: what a piece of work costs beside ten times, a hundred times, a million times as much of something.

Each curve is one quantity that grows, and the cost of a unit at each point: flat is what it should be. The points of a
curve are measured in turn, several times over, and the fastest of each counts, so a machine that slows down for a while
bends no curve. What grows with the size of the caches is bent by them; that is told beside the curve, as how much memory
it takes.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from typing import Any

from ._bench import STOCK_CORE, STOCK_RUNTIME, Rig, cpus
from ._cores import Core
from ._plots import Line, Panel
from ._types import PAGE_REQUEST_FORMAT

__all__ = ["FLAT", "Curve", "as_data", "curves", "panels", "scale_text"]

#: Flat: no point costs more than so many times the first.
FLAT = 1.3
#: Groups of a measurement.
GROUPS = 4000
#: Requests of a call, where Python has a part in it.
CALL = 256


@dataclass
class Curve:
    """Nanoseconds of a unit for each size of what grows."""

    name: str
    #: what grows
    x: str
    #: what is timed
    unit: str
    sizes: tuple[int, ...]
    runtime: str = "native"
    #: bytes that each of what grows takes, by the resident memory of a hundred thousand; 0: none that count
    bytes_each: int = 0
    points: dict[int, float] = field(default_factory=dict)

    @property
    def growth(self) -> float:
        """The dearest point by the first."""
        return max(self.points.values()) / self.points[self.sizes[0]]

    @property
    def flat(self) -> bool:
        return self.growth <= FLAT


def _held(core: Core | str, runtime: str, **what: int) -> float:
    """A one-page group beside so many that wait, on a device of several threads."""
    with Rig(core, runtime, state="shared", **what) as rig:
        rig.groups(GROUPS // 4)
        return min(rig.groups(GROUPS) for _ in range(3))


def _pending(core: Core | str, runtime: str, size: int) -> float:
    return _held(core, runtime, pending=size)


def _partials(core: Core | str, runtime: str, size: int) -> float:
    return _held(core, runtime, partials=size)


def _removal(core: Core | str, runtime: str, size: int) -> float:
    with Rig(core, runtime) as rig:
        return min(rig.remove(size) for _ in range(3))


def _threads(core: Core | str, runtime: str, size: int) -> float:
    """Processor time of a group, with so many threads, each on a device of its own."""
    with Rig(core, runtime, devices=size) as rig:
        running = min(size, cpus())
        return min(float(rig.threads(2 * GROUPS, size, True)) for _ in range(3)) * running


def _devices(core: Core | str, runtime: str, size: int) -> float:
    """A request, when reports go from device to device through all of them."""
    from . import Device, Inline, Queue

    record = struct.pack(PAGE_REQUEST_FORMAT, 1, 0, 3, 1, 0, 1, 0x1000, 0, 0) * CALL
    calls = 10_000
    with ExitStack() as stack:
        queue = stack.enter_context(Queue("scale", core=core, runtime=runtime))
        devices = [stack.enter_context(Device(f"d{number}", record=False)) for number in range(size)]
        for device in devices:
            queue.add(device)
            device.attach(Inline(), pasid=1)
        rounds = [devices[number % size] for number in range(calls)]
        began = time.thread_time_ns()
        for device in rounds:
            device.report_many(record)
        return (time.thread_time_ns() - began) / (calls * CALL)


def _trace(core: Core | str, runtime: str, size: int) -> float:
    """An access of the sample, performed so many times over."""
    import lzma

    from .run import TraceRun, read_maps

    folder = resources.files("iopf") / "samples"
    with (folder / "perl.lackey.xz").open("rb") as packed, lzma.open(packed) as file:
        text = file.read(12 << 20)
    text = text[: text.rindex(b"\n") + 1]
    with resources.as_file(folder / "perl.maps") as maps:
        space = read_maps(maps)
    with TraceRun(space, core=core, runtime=runtime, workers=0) as run:
        began = time.process_time_ns()
        for _ in range(size):
            run.feed(text)
        result = run.finish()
        return (time.process_time_ns() - began) / result.accesses


def _powers(last: int) -> tuple[int, ...]:
    return tuple(10**power for power in range(last + 1))


Measure = Callable[[Core | str, str, int], float]


def _all(quick: bool) -> Iterator[tuple[Curve, Measure]]:
    """What is measured; ``quick``: to see that it works."""
    less = 3 if quick else 0
    held = (0, *_powers(6 - less)[2:])
    stock = f"{STOCK_CORE} on {STOCK_RUNTIME}"
    yield Curve("native", "groups without an answer", "a one-page group", held, bytes_each=256), _pending
    yield Curve(stock, "groups without an answer", "a one-page group", held, STOCK_RUNTIME), _pending
    some = (0, *_powers(5 - less)[1:])
    yield Curve("native", "stored partial faults of other groups", "a one-page group", some, bytes_each=141), _partials
    few = (0, *_powers(min(4, 5 - less))[1:])
    yield Curve(stock, "stored partial faults of other groups", "a one-page group", few, STOCK_RUNTIME), _partials
    yield (
        Curve("native", "groups that a removal answers", "one of them", _powers(6 - less)[2:], bytes_each=256),
        _removal,
    )
    yield Curve("native", "devices", "a request", _powers(4 - less), bytes_each=3625), _devices
    threads = tuple(sorted({1, cpus(), 2 * cpus(), 4 * cpus()}))
    yield Curve("native", "threads, each with a device", "a group, times the CPUs that work", threads), _threads
    yield Curve("native", "times the same trace", "an access", (1, 3) if quick else (1, 2, 5, 10)), _trace


def curves(core: Core | str, show: Callable[[str, float], object], quick: bool = False) -> list[Curve]:
    """All of them.

    :param show: called with what comes next and how much is done
    """
    wanted = list(_all(quick))
    rounds = 1 if quick else 3
    work: list[tuple[Curve, partial[float], int]] = []
    for _ in range(rounds):
        for curve, measure in wanted:
            subject = STOCK_CORE if curve.runtime == STOCK_RUNTIME else core
            work += [(curve, partial(measure, subject, curve.runtime, size), size) for size in curve.sizes]
    for done, (curve, measured, size) in enumerate(work):
        show(f"{size:,} {curve.x}", done / len(work))
        curve.points[size] = min(curve.points.get(size, float("inf")), measured())
    return [curve for curve, _ in wanted]


def _memory(count: float) -> str:
    for limit, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= limit:
            return f"{count / limit:.3g} {unit}"
    return f"{count:.0f} B"


def scale_text(found: Sequence[Curve]) -> str:
    """A line for each curve, and whether it is flat."""
    lines = []
    for curve in found:
        points = ", ".join(f"{size:,}: {ns:.1f}" for size, ns in curve.points.items())
        verdict = "flat" if curve.flat else f"{curve.growth:.2f} times the first"
        taken = curve.bytes_each * curve.sizes[-1]
        memory = f"; {_memory(taken)} at the last point" if taken and not curve.flat else ""
        lines.append(f"{curve.unit}, by {curve.x} ({curve.name}), ns\n  {points}\n  {verdict}{memory}")
    return "\n".join(lines)


def panels(found: Sequence[Curve]) -> list[Panel]:
    """A panel for each quantity that grows."""
    by_x: dict[str, list[Curve]] = {}
    for curve in found:
        by_x.setdefault(curve.x, []).append(curve)
    return [
        Panel(
            f"{group[0].unit}, by {x}",
            x,
            "ns",
            tuple(
                Line(c.name, tuple(float(max(size, 1)) for size in c.points), tuple(c.points.values())) for c in group
            ),
            log_x=True,
            log_y=len(group) > 1,
        )
        for x, group in by_x.items()
    ]


def as_data(found: Sequence[Curve]) -> list[dict[str, Any]]:
    """For JSON."""
    return [
        {"by": c.x, "unit": c.unit, "runtime": c.runtime, "name": c.name, "growth": round(c.growth, 3), "flat": c.flat,
         "points": [{"size": size, "ns": round(ns, 2)} for size, ns in c.points.items()]}
        for c in found
    ]  # fmt: skip
