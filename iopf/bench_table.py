# SPDX-License-Identifier: GPL-2.0-only
"""``python -m iopf bench``: the table of the hot path."""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
from typing import Any

from . import _bench, _runtime
from ._cores import Core, CoreSourceError, named, resolve
from ._progress import Progress

HEADER = ("item", "case", "native ns", "plain ns", "plain : native", "stock ns", "stock : native")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``bench``."""
    parser.add_argument("--core", default="iopf", metavar="NAME", help="the core to time, or your io-pgfault.c, which is"
                        " compiled and run (default: iopf)")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: a look, not a measurement")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


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


def _rows(experiment: _bench.Experiment, core: Core | str, comparison: _bench.Comparison) -> list[dict[str, Any]]:
    first, *baselines = comparison.samples
    return [
        {
            "item": experiment.item,
            "case": experiment.case,
            "core": str(core),
            "runtime": first,
            "baseline": baseline,
            "ns": round(comparison.ns(first), 2),
            "baseline_ns": round(comparison.ns(baseline), 2),
            "ratio": round(comparison.ratio(baseline), 3),
            "median_ns": round(comparison.median(first), 2),
            "baseline_median_ns": round(comparison.median(baseline), 2),
        }
        for baseline in baselines
        if not math.isnan(comparison.ns(first)) and not math.isnan(comparison.ns(baseline))
    ]


def _why_not(experiment: _bench.Experiment, hazards: tuple[str, ...], rows: list[dict[str, Any]]) -> str:
    """Why an experiment is left out, or nothing."""
    if experiment.threads > _bench.cpus():
        return f"needs {experiment.threads} CPUs"
    if experiment.partials and "partials" in hazards:  # what comes after that is no measurement
        return "in this form a partial fault frees memory twice"
    if experiment.state.get("pending", 0) > 256:
        few = {row["case"]: row["ns"] for row in rows if row["item"] == "E"}
        slower = few["beside 256 pending"] / few["beside 0 pending"]
        if slower > 3:  # it grows with what is pending, and so does making them so many: minutes
            return f"beside 256 a group takes {slower:.0f} times as long already"
    return ""


def _line(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    by_baseline = {row["baseline"]: row for row in rows}
    cells = [rows[0]["item"], rows[0]["case"], f"{rows[0]['ns']:.1f}"]
    for baseline in ("plain", "stock"):
        row = by_baseline.get(baseline)
        cells += [f"{row['baseline_ns']:.1f}", f"{row['ratio']:.2f}"] if row else ["", ""]
    return tuple(cells)


def _print_table(lines: list[tuple[str, ...]]) -> None:
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    for line in lines:
        text = [cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))]
        print("  ".join(text).rstrip())


def main(args: argparse.Namespace) -> int:
    """Runs the experiments and prints them; 0, 2 for a core that does not exist or compile, 130 when interrupted."""
    try:
        core = named(args.core)
        native = _runtime.get("native")
        hazards = native.hazards_of(resolve(core, native))
    except (CoreSourceError, ValueError) as error:
        print(f"iopf bench: {error}", file=sys.stderr)
        return 2
    experiments = list(_bench.experiments())
    rows: list[dict[str, Any]] = []
    lines: list[tuple[str, ...]] = [HEADER]
    skipped, status = [], 0
    try:
        with Progress("bench") as progress:
            for number, experiment in enumerate(experiments):
                progress.show(f"{experiment.item} {experiment.case}", number / len(experiments))
                reason = _why_not(experiment, hazards, rows)
                if reason:
                    skipped.append(f"{experiment.item} {experiment.case}: {reason}")
                    continue
                new = _rows(experiment, core, experiment.run(core, quick=args.quick))
                if new:
                    lines.append(_line(new))
                else:
                    skipped.append(f"{experiment.item} {experiment.case}: this core refuses to do it")
                rows += new
        with _bench.Stand(core) as stand:
            floor = min(stand.driver(20000) for _ in range(10))
    except KeyboardInterrupt:
        status, floor = 130, math.nan

    about = machine()
    if args.json:
        floor_ns = None if math.isnan(floor) else round(floor, 2)
        print(json.dumps({"machine": about, "rows": rows, "floor_ns": floor_ns, "skipped": skipped}, indent=2))
        return status
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print(f"{core} on native; plain: {core} on the textbook runtime; stock: {_bench.STOCK_CORE} on the same."
          " Sides in turn; fastest rounds, but medians where threads meet.\n")
    _print_table(lines)
    if not math.isnan(floor):
        print(f"\nA driver and a handler with no framework between them: {floor:.1f} ns.")
    for line in skipped:
        print(f"left out: {line}")
    return status
