# SPDX-License-Identifier: GPL-2.0-only
"""Timing the hot path: rigs, experiments, and two sides taken in turn.

Only ratios that were measured together mean anything on a machine that does other things too. So the sides of a
comparison take turns, A B B A, in one process, and the clock is read in C outside the loop: one call here is one
experiment there (csrc/api/bench/bench.h).

A lock that one thread alone has used may be cheaper than one that two have, so every rig is in a *state* before it is
measured, and a row names it. Threads that are meant to meet may take turns on one CPU instead: rounds in which they did
do not count (``ran_together``). And ``Noise`` says whether the machine let the run alone.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from . import _runtime
from ._cores import Core, resolve

#: What an engineer would do today: the newest kernel form over what glibc has to offer.
STOCK_CORE = "v7.2"
STOCK_RUNTIME = "plain"

#: What has been done on the devices of a rig before it is measured, in the order of csrc/api/bench/bench.h.
STATES = ("owned", "worked", "shared", "worn")

#: How locks and counts work: csrc/runtime/runtime.h, enum runtime_regime.
REGIMES = ("unused", "owned", "shared", "apart")


class Apart(float):
    """The time of a round that does not count: the threads that were to run at the same time did not."""


#: What a thread that slept for a lock may wait for a CPU once it is woken: an idle one is there after some 20 us.
WAKE_NS = 40_000

#: csrc/api/bench/bench.h, IOPF_BENCH_UNKNOWN.
UNKNOWN = 2**64 - 1


def _lacked_cpu(thread: Any) -> bool:
    """Was there no CPU for a thread at a time when it wanted one?"""
    off = thread.wall_ns - thread.cpu_ns
    if thread.preempted:
        return True
    if thread.waited_ns == UNKNOWN:  # then what it was off its CPU for has to be short sleeps
        return bool(off > max(0.05 * thread.wall_ns, WAKE_NS * thread.slept))
    if thread.waited_ns > max(0.05 * thread.wall_ns, WAKE_NS * thread.slept):
        return True
    return bool(not thread.slept and off > 0.05 * thread.wall_ns)  # the hypervisor had it


def ran_together(ns: float, overlap_ns: float, threads: Sequence[Any]) -> bool:
    """Did all threads of a round really run at the same time, each with a CPU whenever it wanted one?

    ``threads`` have ``wall_ns``, ``cpu_ns``, ``waited_ns``, ``slept`` and ``preempted`` (csrc/api/bench/bench.h, struct
    iopf_bench_thread). Nine tenths of the round have to be in all of them; none may have been taken off its CPU, or have
    waited for one, a twentieth and ``WAKE_NS`` for each sleep aside; and together several have to have used more CPU time
    than one CPU has. Sleeping for a lock is not held against a thread, however long: that is what is measured.
    """
    if overlap_ns < 0.9 * ns or ns <= 0 or any(map(_lacked_cpu, threads)):
        return False
    return len(threads) == 1 or sum(thread.cpu_ns for thread in threads) > 1.02 * ns


class Rig:
    """One core on one runtime, in a state: a queue with bare devices, and what waits there while something is measured.

    The process has had a second thread when a rig is there: glibc's locks are without atomics before that.
    """

    def __init__(
        self,
        core: Core | str = "iopf",
        runtime: str = "native",
        *,
        devices: int = 2,
        workers: int = 1,
        pending: int = 0,
        partials: int = 0,
        state: str = "owned",
    ):
        if state not in STATES:
            raise ValueError(f"no state {state!r} of a rig: there are {', '.join(STATES)}")
        self.runtime = _runtime.get(runtime)
        self.core = core
        self._bench: Any = None
        self._bench = self.runtime.lib.iopf_bench_new(self.runtime.cores[resolve(core, self.runtime)], devices, workers)
        if not self._bench:
            raise MemoryError("no memory for a rig")
        if self.runtime.lib.iopf_bench_reach(self._bench, STATES.index(state)):
            self.close()
            raise OSError("the system refused a thread")
        if self.runtime.lib.iopf_bench_hold(self._bench, pending, partials):
            self.close()
            raise MemoryError(f"no memory for {pending} groups and {partials} partial faults")

    def close(self) -> None:
        """Answers what waits, and frees the rig; a second call does nothing."""
        bench, self._bench = self._bench, None
        if bench:
            self.runtime.lib.iopf_bench_delete(bench)

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Rig {self.core} on {self.runtime.name}{'' if self._bench else ', closed'}>"

    def _run(self, name: str, *args: Any) -> int:
        if not self._bench:
            raise ValueError(f"{self!r} can't run anything")
        ns: int = getattr(self.runtime.lib, f"iopf_bench_{name}")(self._bench, *args)
        return ns

    def answers_inline(self) -> bool:
        """Has the core handlers that answer in the thread that reports? Without, a work answers every group."""
        return bool(self._run("answers_inline"))

    def regimes(self) -> dict[str, str]:
        """How what the first device's faults touch works by now: ``lock``, ``users``, ``handle``, ``group_lock``."""
        result = self.runtime.ffi.new("struct iopf_bench_regimes *")
        self._run("regimes", result)
        return {name: REGIMES[getattr(result, name)] for name in ("lock", "users", "handle", "group_lock")}

    # Each returns nanoseconds per piece of work; an Apart where threads were to meet and did not.

    def driver(self, n: int) -> float:
        """The empty case: driver and handler, and nothing between them."""
        return self._run("driver", n) / n

    def groups(self, n: int, pages: int = 1) -> float:
        """One page of a group that the handler answers and frees, from report to free."""
        return self._run("groups", n, pages) / (n * pages)

    def _parallel(self, name: str, *args: Any) -> float:
        result = self.runtime.ffi.new("struct iopf_bench_parallel *")
        self._run(name, *args, result)
        ns = result.ns / result.groups
        return ns if ran_together(result.ns, result.overlap_ns, result.threads[0 : result.nr_threads]) else Apart(ns)

    def threads(self, n: int, threads: int, own_devices: bool) -> float:
        """One one-page group, with so many threads at it until one has been through n: the time over all groups."""
        return self._parallel("threads", threads, own_devices, n)

    def contended(self, n: int, threads: int = 2) -> float:
        """What 999 of 1000 reports take at most, ns, with so many threads at one device."""
        result = self.runtime.ffi.new("struct iopf_bench_parallel *")
        latency = self.runtime.ffi.new("struct iopf_bench_latency *")
        self._run("contended", threads, n, latency, result)
        ns = float(latency.p999)
        return ns if ran_together(result.ns, result.overlap_ns, result.threads[0 : result.nr_threads]) else Apart(ns)

    def sustained(self, n: int, window: int = 1024) -> float:
        """One group that a work answers, with ``window`` of them in flight."""
        return self._parallel("sustained", n, window)

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


def prices(runtime: str = STOCK_RUNTIME, *, rounds: int = 20, n: int = 5000) -> dict[str, float]:
    """Nanoseconds of the pieces of which forms are made on a runtime, and of what they stand on: fastest rounds.

    ``allocation``, ``mutex``, ``refcount``, ``rcu``: a pair each. ``calloc``, ``pthread_mutex``, ``atomic``: without a
    runtime.
    """
    loaded = _runtime.get(runtime)
    with Rig(runtime=runtime):  # and with it, threads
        result = loaded.ffi.new("struct iopf_bench_prices *")
        best: dict[str, float] = {}
        for _ in range(rounds):
            loaded.lib.iopf_bench_prices(n, result)
            for name in ("allocation", "mutex", "refcount", "rcu", "calloc", "pthread_mutex", "atomic"):
                best[name] = min(best.get(name, float("inf")), getattr(result, name) / n)
    return {name: round(ns, 2) for name, ns in best.items()}


#: A round takes no longer than about that.
ROUND_NS = 20e6

Measure = Callable[[Rig], float]


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a core on a runtime, in some state."""

    label: str
    #: a core, or the name of one
    core: Core | str = "iopf"
    runtime: str = "native"
    pending: int = 0
    partials: int = 0
    state: str = "owned"
    #: its own, where the sides differ in what they do
    measure: Measure | None = None


@dataclass
class Comparison:
    """Samples in nanoseconds by side, in the order of the sides; the first is the one that is being judged.

    Rounds that do not count have no sample, and a side without a sample has no figure: NaN. The fastest round counts, the
    one that nothing else disturbed. Or the median, for threads that get in each other's way: in their fastest round they may never have run at the same time.
    """

    samples: dict[str, list[float]] = field(default_factory=dict)
    medians: bool = False
    #: how many rounds there were of each side, whether they count or not
    tried: dict[str, int] = field(default_factory=dict)

    def add(self, label: str, ns: float) -> None:
        """One more round of a side."""
        self.tried[label] = self.tried.get(label, 0) + 1
        counted = self.samples.setdefault(label, [])
        if not isinstance(ns, Apart):
            counted.append(ns)

    def fewest(self) -> int:
        """How many rounds count of the side that has the fewest."""
        return min(map(len, self.samples.values()))

    def ns(self, label: str) -> float:
        """The round that counts."""
        return self.median(label) if self.medians else self.fastest(label)

    def fastest(self, label: str) -> float:
        """The fastest round."""
        return min(self.samples[label], default=math.nan)

    def median(self, label: str) -> float:
        """The median round."""
        return statistics.median(self.samples[label]) if self.samples[label] else math.nan

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
            if len(self.samples[label]) < self.tried.get(label, 0):
                info[f"{label} rounds that count"] = len(self.samples[label])
                info[f"{label} rounds"] = self.tried[label]
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
        self._rigs: list[Rig] = []

    def __enter__(self) -> Turns:
        with self._stack:
            for side in self.sides:
                rig = Rig(side.core, side.runtime, pending=side.pending, partials=side.partials, state=side.state)
                self._rigs.append(self._stack.enter_context(rig))
                self._measure(side, rig)  # the first objects, pages and threads
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _measure(self, side: Side, rig: Rig) -> float:
        measure = side.measure or self.measure
        if measure is None:
            raise ValueError(f"nothing to measure for {side.label!r}")
        return measure(rig)

    def round(self) -> float:
        """One turn there and back; the mean of the first side, ns, whether its rounds count or not."""
        sides = list(zip(self.sides, self._rigs, strict=True))
        own = []
        for side, rig in [*sides, *reversed(sides)]:
            ns = self._measure(side, rig)
            self.comparison.add(side.label, ns)
            if side is self.sides[0]:
                own.append(ns)
        return statistics.fmean(own)


def against(core: Core | str = "iopf", *, pending: int = 0, partials: int = 0, state: str = "owned") -> list[Side]:
    """A core on the native runtime, the same on plain, and stock, all in one state and beside the same."""
    cores: list[tuple[str, Core | str, str]] = [("native", core, "native"), ("plain", core, "plain")]
    if core != STOCK_CORE:
        cores.append(("stock", STOCK_CORE, STOCK_RUNTIME))
    return [Side(label, which, runtime, pending, partials, state) for label, which, runtime in cores]


@dataclass(frozen=True)
class Experiment:
    """One line of the table. ``sizes`` are pieces per round: full, and quick."""

    item: str
    case: str
    measure: Callable[[Rig, int], float]
    sizes: tuple[int, int]
    rounds: tuple[int, int] = (40, 6)
    state: str = "owned"
    #: what waits there meanwhile: pending, partials
    beside: dict[str, int] = field(default_factory=dict)
    #: threads that have to run at once
    threads: int = 1
    #: whether it reports partial faults
    partials: bool = False
    #: whether handlers have to answer in the thread that reports
    inline: bool = False
    #: whether their medians count, see Comparison
    medians: bool = False

    def turns(self, core: Core | str = "iopf", *, quick: bool = False) -> Turns:
        """The core on native against what there is to compare it with, still to be run."""
        sizes: dict[Rig, int] = {}

        def measure(rig: Rig) -> float:
            if rig not in sizes:  # the warm-up: some cores are a thousand times slower in some states
                few = max(10, self.sizes[quick] // 100)
                ns = self.measure(rig, few)
                sizes[rig] = max(few, min(self.sizes[quick], int(ROUND_NS / ns) if ns > 0 else few))
            return self.measure(rig, sizes[rig])

        return Turns(against(core, **self.beside, state=self.state), measure, medians=self.medians)

    def run(
        self, core: Core | str = "iopf", *, quick: bool = False, between: Callable[[], None] | None = None
    ) -> Comparison:
        """All rounds. Where rounds do not count, more of them: up to MORE_ROUNDS times as many.

        ``between`` is called every tenth turn.
        """
        rounds = self.rounds[quick]
        with self.turns(core, quick=quick) as turns:
            for number in range(MORE_ROUNDS * rounds):
                if number >= rounds and turns.comparison.fewest() >= 2 * rounds:
                    break
                turns.round()
                if between is not None and number % 10 == 0:
                    between()
                if self.threads == 1 and number + 1 == rounds:
                    break
            return turns.comparison


#: How many times as many rounds are tried where threads have to meet.
MORE_ROUNDS = 5


def experiments() -> Iterator[Experiment]:
    """Items A to F, each in the states in which users meet it."""
    for state in STATES:
        yield Experiment(
            "A", "one-page group, inline", lambda s, n: s.groups(n), (20000, 5000), state=state, inline=True
        )
    for state in STATES:
        yield Experiment(
            "B",
            "8-page group, per fault",
            lambda s, n: s.groups(n, 8),
            (2500, 600),
            state=state,
            partials=True,
            inline=True,
        )
    yield Experiment(
        "C",
        "workqueue, window 1024",
        lambda s, n: s.sustained(n),
        (10000, 3000),
        (20, 4),
        "worked",
        threads=2,
        medians=True,
    )
    yield Experiment(
        "C", "latency p50, worker awake", lambda s, n: s.latency(n)["p50"], (2000, 500), (10, 3), "worked", threads=2
    )
    yield Experiment(
        "C",
        "latency p50, worker parked",
        lambda s, n: s.latency(n, pause_us=100)["p50"],
        (200, 30),
        (5, 2),
        "worked",
        threads=2,
    )
    yield Experiment(
        "D",
        "two threads, one device",
        lambda s, n: s.threads(n, 2, False),
        (10000, 4000),
        (20, 4),
        "shared",
        threads=2,
        medians=True,
        inline=True,
    )
    yield Experiment(
        "D",
        "p99.9 of a report, one device",
        lambda s, n: s.contended(n),
        (10000, 4000),
        (20, 4),
        "shared",
        threads=2,
        medians=True,
        inline=True,
    )
    for state in STATES:
        yield Experiment(
            "D",
            "two threads, two devices",
            lambda s, n: s.threads(n, 2, True),
            (15000, 4000),
            (20, 4),
            state,
            threads=2,
            inline=True,
        )
    for pending in (0, 256, 65536):
        yield Experiment(
            "E",
            f"beside {pending} pending",
            lambda s, n: s.groups(n),
            (10000, 3000),
            (20, 4),
            "worked",
            {"pending": pending},
            inline=True,
        )
    for partials in (256, 4096):
        yield Experiment(
            "E",
            f"beside {partials} partials",
            lambda s, n: s.groups(n),
            (500, 200),
            (20, 4),
            "worked",
            {"partials": partials},
            partials=True,
            inline=True,
        )
    yield Experiment("F", "remove, per outstanding group", lambda s, n: s.remove(n), (1024, 1024), state="worked")
    yield Experiment(
        "F", "the same with freeing them", lambda s, n: s.remove(n, and_free=True), (1024, 1024), state="worked"
    )
    yield Experiment("F", "empty add and remove", lambda s, n: s.add_remove(n), (2000, 1000), state="worked")
    for state in STATES:
        yield Experiment(
            "F", "idle flush", lambda s, n: s.flush(n), (20000, 5000), state=state, inline=state != "worked"
        )


class Noise:
    """Whether the machine let a run alone: a fixed piece of work timed in between, steal time, load.

    ``spin()`` now and then while the run goes on; ``report()`` at its end.
    """

    SPIN, HANDOFFS = 200_000, 200

    def __init__(self) -> None:
        self._lib = _runtime.get("native").lib
        self.load = os.getloadavg()[0]
        self._ticks = read_ticks()
        self.spins: list[float] = []
        self.handoffs: list[float] = []

    def spin(self) -> None:
        """One reference spin, and how far apart two CPUs are; some 0.4 ms."""
        self.spins.append(self._lib.iopf_bench_spin(self.SPIN) / self.SPIN)
        handoffs = self._lib.iopf_bench_handoff(self.HANDOFFS) if cpus() > 1 else 0
        if handoffs:  # else the system refused a thread
            self.handoffs.append(handoffs / (2 * self.HANDOFFS))

    def report(self) -> dict[str, Any]:
        """Figures and ``reasons``, why they are not to be trusted; none is good."""
        steal, total = (now - then for now, then in zip(read_ticks(), self._ticks, strict=True))
        return judge(self.spins, steal / total if total > 0 else 0.0, self.load, cpus(), self.handoffs)


def read_ticks() -> tuple[int, int]:
    """Steal time and all time of all CPUs so far, in ticks; zeros where /proc/stat does not tell."""
    try:
        with open("/proc/stat") as stat:
            fields = [int(field) for field in stat.readline().split()[1:9]]
    except (OSError, ValueError):
        return 0, 0
    return (fields[7], sum(fields)) if len(fields) == 8 else (0, 0)


#: What a trusted run may have: spins this much slower than the fastest, so many of them, steal, load for each CPU.
SLOW_SPIN, SLOW_SPINS, STEAL, LOAD = 1.1, 0.1, 0.01, 0.5
#: And these shares of the way of a cache line from one CPU to the other may not differ by more than that: then a hypervisor
#: has moved the CPUs meanwhile, and threads that meet paid one price in some rounds and another one in others.
NEAR, FAR, MOVED = 0.1, 0.9, 2.0


def judge(
    spins: Sequence[float], steal: float, load: float, cpus: int, handoffs: Sequence[float] = ()
) -> dict[str, Any]:
    """What noise there was, and the reasons not to trust a run that had it.

    ``spins``: what the same work took again and again; ``steal``: what the hypervisor gave to others, of all time;
    ``load``: the load average when the run began, before it made load itself; ``handoffs``: nanoseconds that a cache line
    took from one CPU to the other, again and again.
    """
    near, median, far = (share(handoffs, part) for part in (NEAR, 0.5, FAR))
    fastest = min(spins, default=math.nan)
    slow = sum(spin > SLOW_SPIN * fastest for spin in spins)
    reasons = []
    if len(spins) < 10:
        reasons.append(f"{len(spins)} reference spins, too few to tell")
    elif slow > SLOW_SPINS * len(spins):
        reasons.append(
            f"{slow} of {len(spins)} reference spins took more than {SLOW_SPIN} times as long as the fastest"
        )
    if steal > STEAL:
        reasons.append(f"{steal:.1%} of the CPUs' time went to other machines")
    if load > LOAD * cpus:
        reasons.append(f"the load average was {load:.2f} on {cpus} CPUs when it began")
    if far > MOVED * near:
        reasons.append(f"a cache line took {near:.0f} ns from CPU to CPU at one time and {far:.0f} at another")
    return {
        "spins": len(spins),
        "slow_spins": slow,
        "spin_ns": None if math.isnan(fastest) else round(fastest, 3),
        "steal": round(steal, 4),
        "load": round(load, 2),
        "cpus": cpus,
        "handoff_ns": None if math.isnan(median) else [round(near, 1), round(median, 1), round(far, 1)],
        "reasons": reasons,
    }


def share(values: Sequence[float], part: float) -> float:
    """That much of the values are not above it; NaN of none."""
    return sorted(values)[min(int(part * len(values)), len(values) - 1)] if values else math.nan


def cpus() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0))
