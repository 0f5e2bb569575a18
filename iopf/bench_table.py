# SPDX-License-Identifier: GPL-2.0-only
"""``python -m iopf bench``: the table of the hot path."""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
from typing import Any

from . import _bench, _instructions, _runtime
from ._bench_compare import comparison_text, read_run
from ._bench_scale import as_data, curves, panels, scale_text
from ._cores import Core, named, resolve
from ._hints import said
from ._plots import check_plot, write_plot
from ._probe import as_it_behaves
from ._progress import Progress
from .exceptions import CoreSourceError

HEADER = ("item", "case", "state", "native ns", "plain ns", "plain : native", "stock ns", "stock : native", "rounds")
LEFT_ALIGNED = 3

#: What the cells of a state mean.
LEGEND = (
    "owned: one thread has used the device; worked: a work has run on it, too; shared: two threads have reported on it;"
    " worn: all of that, to and fro, so often that nothing becomes cheaper by one thread having it to itself."
)
NEVER_TOGETHER = "no round in which both ran"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``bench``."""
    parser.add_argument(
        "--core",
        default="iopf",
        metavar="NAME",
        help="the core to time, or your io-pgfault.c, which is compiled and run (default: iopf)",
    )
    parser.add_argument("--quick", action="store_true", help="few and short rounds: a look, not a measurement")
    parser.add_argument(
        "--instructions",
        action="store_true",
        help="count the instructions of A and B, too: needs valgrind, and a minute",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--scale",
        action="store_true",
        help="in place of the table: what a unit costs beside more and more of what waits, of devices, threads, accesses",
    )
    parser.add_argument(
        "--plot", metavar="FILE", help="of --scale: draw the curves (.svg, .png, .txt; -: the terminal)"
    )
    parser.add_argument(
        "--compare",
        metavar="OTHER.json",
        help="what changed since a run whose --json was kept there: ratios, not times",
    )


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            model = next((line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")), model)
    except OSError:
        pass
    compiler = _runtime.get("native")
    return {
        "cpu": model,
        "cpus": _bench.cpus(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "compiler": compiler.ffi.string(compiler.lib.iopf_compiler()).decode(),
    }


def _number(ns: float, digits: int = 2) -> float | None:
    return None if math.isnan(ns) else round(ns, digits)


def _rows(
    experiment: _bench.Experiment, core: Core | str, comparison: _bench.Comparison, handoff: float
) -> list[dict[str, Any]]:
    """One for each baseline. A figure that no round counts for is None; a core that refuses an experiment has no row.

    ``handoff``: what a cache line took from one CPU to the other meanwhile."""
    first, *baselines = comparison.samples
    rows = []
    for baseline in baselines:
        ns, baseline_ns = comparison.ns(first), comparison.ns(baseline)
        if comparison.samples[first] and comparison.samples[baseline] and math.isnan(ns + baseline_ns):
            continue
        rows.append(
            {
                "item": experiment.item,
                "case": experiment.case,
                "state": experiment.state,
                "core": str(core),
                "runtime": first,
                "baseline": baseline,
                "ns": _number(ns),
                "baseline_ns": _number(baseline_ns),
                "ratio": _number(comparison.ratio(baseline), 3),
                "median_ns": _number(comparison.median(first)),
                "baseline_median_ns": _number(comparison.median(baseline)),
                "rounds": len(comparison.samples[first]),
                "baseline_rounds": len(comparison.samples[baseline]),
                "rounds_tried": comparison.tried.get(first, 0),
                "threads": experiment.threads,
                "handoff_ns": _number(handoff),
                "instructions": None,
            }
        )
    return rows


def _moved(rows: list[dict[str, Any]], shares: list[float] | None) -> list[str]:
    """Where threads met while the CPUs were farther apart than most of the time."""
    usual = shares[1] if shares else math.inf
    places = {
        f"{row['item']} {row['case']}": row["handoff_ns"]
        for row in rows
        if row["threads"] > 1 and row["handoff_ns"] is not None and row["handoff_ns"] > _bench.MOVED * usual
    }
    return [
        f"a cache line took {handoff:.0f} ns from CPU to CPU, and not {usual:.0f}, during {place}"
        for place, handoff in places.items()
    ]


def _count_instructions(rows: list[dict[str, Any]], core: str, progress: Progress) -> None:
    counts: dict[tuple[str, str], float] = {}
    for row in rows:
        place = row["item"], row["state"]
        if row["item"] not in _instructions.ITEMS:
            continue
        if place not in counts:
            progress.show(f"instructions of {row['item']}, {row['state']}")
            counts[place] = round(_instructions.per_fault(row["item"], core, row["runtime"], row["state"]), 1)
        row["instructions"] = counts[place]


def _why_not(experiment: _bench.Experiment, hazards: tuple[str, ...], inline: bool, rows: list[dict[str, Any]]) -> str:
    """Why an experiment is left out, or nothing."""
    if experiment.threads > _bench.cpus():
        return f"needs {experiment.threads} CPUs"
    if experiment.inline and not inline:
        return "in this form a work answers every group"
    if experiment.partials and "partials" in hazards:  # what comes after that is no measurement
        return "in this form a partial fault frees memory twice"
    if experiment.beside.get("pending", 0) > 256:
        few = {row["case"]: row["ns"] for row in rows if row["item"] == "E"}
        slower = few["beside 256 pending"] / few["beside 0 pending"]
        if slower > 3:  # it grows with what is pending, and so does making them so many: minutes
            return f"beside 256 a group takes {slower:.0f} times as long already"
    return ""


def _cell(number: float | None, digits: int) -> str:
    return "-" if number is None else f"{number:.{digits}f}"


def _line(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    by_baseline = {row["baseline"]: row for row in rows}
    row = rows[0]
    cells = [row["item"], row["case"], row["state"], _cell(row["ns"], 1)]
    for baseline in ("plain", "stock"):
        other = by_baseline.get(baseline)
        cells += [_cell(other["baseline_ns"], 1), _cell(other["ratio"], 2)] if other else ["", ""]
    counted = [row["rounds"], *(other["baseline_rounds"] for other in rows)]
    if row["threads"] > 1 and min(counted) < row["rounds_tried"]:
        cells.append(
            f"{'/'.join(map(str, counted))} of {row['rounds_tried']}"
            if any(counted)
            else f"{NEVER_TOGETHER}, of {row['rounds_tried']}"
        )
    else:
        cells.append(str(row["rounds"]))
    return tuple(cells)


def _print_table(lines: list[tuple[str, ...]]) -> None:
    last = len(HEADER) - 1
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    for line in lines:
        text = [
            cell.ljust(width) if column < LEFT_ALIGNED or column == last else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(text).rstrip())


def _prices_text(prices: dict[str, float]) -> str:
    return (
        f"A pair each on the baseline's runtime: kzalloc and kfree of a group {prices['allocation']:.1f} ns"
        f" (calloc and free {prices['calloc']:.1f}), mutex {prices['mutex']:.1f} (pthread's {prices['pthread_mutex']:.1f}),"
        f" refcount get and put {prices['refcount']:.1f} (one atomic addition {prices['atomic']:.1f}),"
        f" RCU section {prices['rcu']:.1f}."
    )


def _noise_text(noise: dict[str, Any], trusted: bool) -> str:
    text = (
        f"{noise['spins'] - noise['slow_spins']} of {noise['spins']} reference spins at full speed,"
        f" steal {noise['steal']:.1%}, load {noise['load']:.2f} before, {noise['cpus']} CPUs."
    )
    if noise["handoff_ns"] is not None:
        near, median, far = noise["handoff_ns"]
        text += f" A cache line goes from one CPU to the other in {median:.0f} ns ({near:.0f} to {far:.0f})."
    return f"Trusted: {text}" if trusted else f"NOT TO BE TRUSTED ({'; '.join(noise['reasons'])}): {text}"


def _scale(args: argparse.Namespace, core: Core | str) -> int:
    """``bench --scale``."""
    noise = _bench.Noise()

    def show(text: str, done: float) -> None:
        noise.spin()
        progress.show(text, done)

    with Progress("bench") as progress:
        try:
            found = curves(core, show, args.quick)
        except KeyboardInterrupt:
            return 130
    noised = noise.report()
    if args.quick:
        noised["reasons"].append("--quick is a look, not a measurement")
    trusted = not noised["reasons"]
    if args.json:
        print(
            json.dumps({"machine": machine(), "trusted": trusted, "noise": noised, "scale": as_data(found)}, indent=2)
        )
    else:
        print(", ".join(f"{key} {value}" for key, value in machine().items()))
        print(f"{scale_text(found)}\n{_noise_text(noised, trusted)}")
    if args.plot is not None:
        try:
            write_plot(args.plot, panels(found))
        except OSError as error:
            print(f"iopf bench: --plot {args.plot}: {error.strerror or error}", file=sys.stderr)
            return 2
    return 0


def main(args: argparse.Namespace) -> int:
    """Runs the experiments and prints them; 0, 2 for a core that does not exist or compile, 130 when interrupted."""
    earlier: dict[str, Any] | None = None
    try:
        if args.plot is not None:
            if not args.scale:
                raise ValueError("--plot draws the curves of --scale")
            check_plot("--plot", args.plot)
        if args.scale and (args.compare is not None or args.instructions):
            raise ValueError("--scale has no table: it takes neither --compare nor --instructions")
        if args.json and args.plot == "-":
            raise ValueError("--plot - and --json both write to standard output: name a file for the plot")
        if args.compare is not None:
            earlier = read_run(args.compare)
        core, told = as_it_behaves(named(args.core))
        native = _runtime.get("native")
        hazards = native.hazards_of(resolve(core, native))
    except (CoreSourceError, ValueError) as error:
        print(f"iopf bench: {said(error)}", file=sys.stderr)
        return 2
    for line in told:
        print(f"iopf bench: {line}", file=sys.stderr)
    if args.instructions and not _instructions.available():
        print("iopf bench: --instructions needs valgrind (Debian, Ubuntu: apt install valgrind)", file=sys.stderr)
        return 2
    if args.scale:
        return _scale(args, core)
    experiments = list(_bench.experiments())
    rows: list[dict[str, Any]] = []
    lines: list[tuple[str, ...]] = [HEADER]
    skipped: list[str] = []
    status, floor = 0, math.nan
    prices: dict[str, float] | None = None
    noise = _bench.Noise()
    try:
        with _bench.Rig(core) as rig:
            inline = rig.answers_inline()
        with Progress("bench") as progress:
            for number, experiment in enumerate(experiments):
                progress.show(f"{experiment.item} {experiment.case}, {experiment.state}", number / len(experiments))
                noise.spin()
                reason = _why_not(experiment, hazards, inline, rows)
                new, before = [], len(noise.handoffs)
                if not reason:
                    comparison = experiment.run(core, quick=args.quick, between=noise.spin)
                    new = _rows(experiment, core, comparison, _bench.share(noise.handoffs[before:], 0.5))
                if new:
                    lines.append(_line(new))
                else:
                    left_out = f"{experiment.item} {experiment.case}: {reason or 'this core refuses to do it'}"
                    skipped += [left_out] if left_out not in skipped else []
                rows += new
            if args.instructions:
                _count_instructions(rows, args.core, progress)
        with _bench.Rig(core) as rig:
            floor = min(rig.driver(20000) for _ in range(10))
        prices = _bench.prices()
    except KeyboardInterrupt:
        status = 130

    found = noise.report()
    found["reasons"] += _moved(rows, found["handoff_ns"])
    if args.quick:
        found["reasons"].append("--quick is a look, not a measurement")
    if status:
        found["reasons"].append("interrupted")
    trusted = not found["reasons"]
    about = machine()
    this = {"machine": about, "trusted": trusted, "noise": found, "rows": rows, "prices": prices,
            "floor_ns": _number(floor), "skipped": skipped}  # fmt: skip
    if args.json:
        print(json.dumps(this, indent=2))
        if earlier is not None:
            print(comparison_text(earlier, this), file=sys.stderr)
        return status
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print(
        f"{core} on native; plain: {core} on glibc's malloc and pthreads; stock: {_bench.STOCK_CORE} on the same. Sides"
        f" in turn; fastest rounds, but medians where threads meet.\n{LEGEND}\n"
    )
    _print_table(lines)
    print()
    if args.instructions:
        counts = {(row["item"], row["state"]): row["instructions"] for row in rows if row["instructions"] is not None}
        print(
            "Instructions per fault: "
            + ", ".join(f"{item} {state} {count:.0f}" for (item, state), count in counts.items())
            + "."
        )
    if not math.isnan(floor):
        print(f"A driver and a handler with no framework between them: {floor:.1f} ns.")
    if prices:
        print(_prices_text(prices))
    print(_noise_text(found, trusted))
    for line in skipped:
        print(f"left out: {line}")
    if earlier is not None:
        print(f"\nSince {args.compare}:\n{comparison_text(earlier, this)}")
    return status
