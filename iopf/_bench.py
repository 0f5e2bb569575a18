# SPDX-License-Identifier: GPL-2.0-only
"""Timing the hot path: stands, experiments, and two sides taken in turn.

Only ratios that were measured together mean anything on a machine that does other things too. So the sides of a
comparison take turns, A B B A, in one process, and the clock is read in C outside the loop: one call here is one
experiment there (csrc/api/bench.h).
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from . import _runtime
from ._cores import Core, resolve

#: What an engineer would do today: the newest kernel form over the textbook runtime.
STOCK_CORE = "v7.2"
STOCK_RUNTIME = "plain"


class Stand:
    """One core on one runtime: a queue with bare devices, and what waits there while something else is measured."""

    def __init__(self, core: Core | str = "iopf", runtime: str = "native", *, devices: int = 2, workers: int = 1,
                 pending: int = 0, partials: int = 0):
        self.runtime = _runtime.get(runtime)
        self.core = core
        self._bench: Any = None
        self._bench = self.runtime.lib.iopf_bench_new(self.runtime.cores[resolve(core, self.runtime)], devices, workers)
        if not self._bench:
            raise MemoryError("no memory for a stand")
        if self.runtime.lib.iopf_bench_hold(self._bench, pending, partials):
            self.close()
            raise MemoryError(f"no memory for {pending} groups and {partials} partial faults")

    def close(self) -> None:
        """Answers what waits, and frees the stand; a second call does nothing."""
        bench, self._bench = self._bench, None
        if bench:
            self.runtime.lib.iopf_bench_delete(bench)

    def __enter__(self) -> Stand:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Stand {self.core} on {self.runtime.name}{'' if self._bench else ', closed'}>"

    def _run(self, name: str, *args: int) -> int:
        if not self._bench:
            raise ValueError(f"{self!r} can't run anything")
        ns: int = getattr(self.runtime.lib, f"iopf_bench_{name}")(self._bench, *args)
        return ns

    # Each returns nanoseconds per piece of work.

    def driver(self, n: int) -> float:
        """The empty case: driver and handler, and nothing between them."""
        return self._run("driver", n) / n

    def groups(self, n: int, pages: int = 1) -> float:
        """One page of a group that the handler answers and frees, from report to free."""
        return self._run("groups", n, pages) / (n * pages)

    def threads(self, n: int, threads: int, own_devices: bool) -> float:
        """One one-page group, with so many threads at it: the whole time over all groups."""
        return self._run("threads", threads, own_devices, n) / (n * threads)

    def sustained(self, n: int, window: int = 1024) -> float:
        """One group that a work answers, with ``window`` of them in flight."""
        return self._run("sustained", n, window) / n

    def latency(self, n: int, pause_us: float = 0) -> dict[str, int]:
        """From report to the response of a work, one group at a time: p50, p99, p99.9, max."""
        result = self.runtime.ffi.new("struct iopf_bench_latency *")
        self._run("latency", n, int(pause_us * 1000), result)
        return {"p50": result.p50, "p99": result.p99, "p99.9": result.p999, "max": result.max}

    def remove(self, n: int, *, and_free: bool = False) -> float:
        """Removal of a device with n groups outstanding, per group; NaN where removal refuses."""
        freeing = self.runtime.ffi.new("uint64_t *")
        ns = self._run("remove", n, freeing)
        return (ns + (freeing[0] if and_free else 0)) / n if ns else float("nan")

    def add_remove(self, n: int) -> float:
        """One add and remove of an idle device."""
        return self._run("add_remove", n) / n

    def flush(self, n: int) -> float:
        """One flush of an idle queue."""
        return self._run("flush", n) / n


#: A round takes no longer than about that.
ROUND_NS = 20e6

Measure = Callable[[Stand], float]


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a core on a runtime, in some state."""

    label: str
    #: a core, or the name of one
    core: Core | str = "iopf"
    runtime: str = "native"
    pending: int = 0
    partials: int = 0
    #: its own, where the sides differ in what they do
    measure: Measure | None = None


@dataclass
class Comparison:
    """Samples in nanoseconds by side, in the order of the sides; the first is the one that is being judged.

    The fastest round counts, the one that nothing else disturbed. Or the median, for threads that get in each other's
    way: in their fastest round they may never have run at the same time.
    """

    samples: dict[str, list[float]] = field(default_factory=dict)
    medians: bool = False

    def ns(self, label: str) -> float:
        """The round that counts."""
        return self.median(label) if self.medians else self.fastest(label)

    def fastest(self, label: str) -> float:
        """The fastest round."""
        return min(self.samples[label])

    def median(self, label: str) -> float:
        """The median round."""
        return statistics.median(self.samples[label])

    def ratio(self, baseline: str, label: str | None = None) -> float:
        """How many times as long the baseline takes as the first side, or as another one."""
        return self.ns(baseline) / self.ns(label or next(iter(self.samples)))

    def as_info(self) -> dict[str, float]:
        """Figures for a benchmark's ``extra_info``."""
        first, *others = self.samples
        info = {}
        for label in self.samples:
            info[f"{label} min ns"] = round(self.fastest(label), 2)
            info[f"{label} median ns"] = round(self.median(label), 2)
        for label in others:
            info[f"{label} : {first}"] = round(self.ratio(label), 3)
            info[f"{label} : {first}, medians"] = round(self.median(label) / self.median(first), 3)
        return info


class Turns:
    """Sides that take turns, A B C C B A; use as a context manager."""

    def __init__(self, sides: Sequence[Side], measure: Measure | None = None, *, medians: bool = False):
        self.sides = sides
        self.measure = measure
        self.comparison = Comparison({side.label: [] for side in sides}, medians)
        self._stack = ExitStack()
        self._stands: list[Stand] = []

    def __enter__(self) -> Turns:
        with self._stack:
            for side in self.sides:
                stand = Stand(side.core, side.runtime, pending=side.pending, partials=side.partials)
                self._stands.append(self._stack.enter_context(stand))
                self._measure(side, stand)  # the first objects, pages and threads
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _measure(self, side: Side, stand: Stand) -> float:
        measure = side.measure or self.measure
        if measure is None:
            raise ValueError(f"nothing to measure for {side.label!r}")
        return measure(stand)

    def round(self) -> float:
        """One turn there and back; the mean of the first side, ns."""
        sides = list(zip(self.sides, self._stands, strict=True))
        for side, stand in [*sides, *reversed(sides)]:
            self.comparison.samples[side.label].append(self._measure(side, stand))
        return statistics.fmean(self.comparison.samples[self.sides[0].label][-2:])


def against(core: Core | str = "iopf", *, pending: int = 0, partials: int = 0) -> list[Side]:
    """A core on the native runtime, the same on plain, and stock, all in one state."""
    sides = [Side("native", core, "native", pending, partials), Side("plain", core, "plain", pending, partials)]
    if core != STOCK_CORE:
        sides.append(Side("stock", STOCK_CORE, STOCK_RUNTIME, pending, partials))
    return sides


@dataclass(frozen=True)
class Experiment:
    """One line of the table. ``sizes`` are pieces per round: full, and quick."""

    item: str
    case: str
    measure: Callable[[Stand, int], float]
    sizes: tuple[int, int]
    rounds: tuple[int, int] = (40, 6)
    state: dict[str, int] = field(default_factory=dict)
    #: threads that have to run at once
    threads: int = 1
    #: whether it reports partial faults
    partials: bool = False
    #: whether their medians count, see Comparison
    medians: bool = False

    def turns(self, core: Core | str = "iopf", *, quick: bool = False) -> Turns:
        """The core on native against what there is to compare it with, still to be run."""
        sizes: dict[Stand, int] = {}

        def measure(stand: Stand) -> float:
            if stand not in sizes:  # the warm-up: some cores are a thousand times slower in some states
                few = max(10, self.sizes[quick] // 100)
                ns = self.measure(stand, few)
                sizes[stand] = max(few, min(self.sizes[quick], int(ROUND_NS / ns) if ns > 0 else few))
            return self.measure(stand, sizes[stand])

        return Turns(against(core, **self.state), measure, medians=self.medians)

    def run(self, core: Core | str = "iopf", *, quick: bool = False) -> Comparison:
        """All rounds."""
        with self.turns(core, quick=quick) as turns:
            for _ in range(self.rounds[quick]):
                turns.round()
            return turns.comparison


def experiments() -> Iterator[Experiment]:
    """Items A to F."""
    yield Experiment("A", "one-page group, inline", lambda s, n: s.groups(n), (20000, 5000))
    yield Experiment("B", "8-page group, per fault", lambda s, n: s.groups(n, 8), (2500, 600), partials=True)
    yield Experiment(
        "C", "workqueue, window 1024", lambda s, n: s.sustained(n), (50000, 10000), (20, 4), threads=2, medians=True
    )
    yield Experiment(
        "C", "latency p50, worker awake", lambda s, n: s.latency(n)["p50"], (2000, 500), (10, 3), threads=2
    )
    yield Experiment(
        "C", "latency p50, worker parked", lambda s, n: s.latency(n, pause_us=100)["p50"], (200, 30), (5, 2), threads=2
    )
    yield Experiment(
        "D", "two threads, one device", lambda s, n: s.threads(n, 2, False), (50000, 10000), (10, 3), threads=2,
        medians=True,
    )
    yield Experiment(
        "D", "two threads, two devices", lambda s, n: s.threads(n, 2, True), (50000, 10000), (10, 3), threads=2
    )
    for pending in (0, 256, 65536):
        yield Experiment(
            "E", f"beside {pending} pending", lambda s, n: s.groups(n), (10000, 3000), (20, 4), {"pending": pending}
        )
    for partials in (256, 4096):
        yield Experiment(
            "E", f"beside {partials} partials", lambda s, n: s.groups(n), (500, 200), (20, 4), {"partials": partials},
            partials=True,
        )
    yield Experiment("F", "remove, per outstanding group", lambda s, n: s.remove(n), (1024, 1024))
    yield Experiment(
        "F", "the same with freeing them", lambda s, n: s.remove(n, and_free=True), (1024, 1024)
    )
    yield Experiment("F", "empty add and remove", lambda s, n: s.add_remove(n), (2000, 1000))
    yield Experiment("F", "idle flush", lambda s, n: s.flush(n), (20000, 5000))


def cpus() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0))
