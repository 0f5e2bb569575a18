# SPDX-License-Identifier: GPL-2.0-only
"""Two runs of the benchmarks beside each other: what ``bench --json`` printed then, and what is measured now.

Nanoseconds of two runs say nothing to each other; ratios do, since both sides of each were timed in turn in one process. A
change counts where it is more than the rounds of both runs scatter, which is told by how far their medians lie from their
fastest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._files import read_small

__all__ = ["Change", "changes", "comparison_text", "read_run"]

Row = Mapping[str, Any]

#: What makes two rows the same experiment. The core is none of it: that may be what changed.
KEY = ("item", "case", "state", "runtime", "baseline")
#: A change that is less is none, however little the rounds scatter: two runs of one build differ by as much.
LEAST = 0.05


def read_run(path: str) -> dict[str, Any]:
    """What ``iopf bench --json`` printed into a file. ValueError: it is something else."""
    try:
        found = json.loads(read_small(path, "a run of the benchmarks"))
        rows = found["rows"]
        if not all(isinstance(row[name], str) for row in rows for name in KEY):
            raise TypeError
        if not all(row["ratio"] is None or float(row["ratio"]) > 0 for row in rows):
            raise TypeError
        found["machine"].items()
    except OSError as error:
        raise ValueError(f"--compare {path}: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"--compare {path}: it is not what iopf bench --json prints") from error
    return dict(found)


@dataclass(frozen=True)
class Change:
    """One experiment in both runs."""

    name: str
    then: float
    now: float
    #: how far the rounds of the two scatter, as a part of the ratio
    scatter: float

    @property
    def part(self) -> float:
        """0.1: a tenth faster beside the baseline than it was."""
        return self.now / self.then - 1

    @property
    def counts(self) -> bool:
        """Is it more than the runs scatter?"""
        return abs(self.part) > max(self.scatter, LEAST)


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in KEY)


def _scatter(row: Row) -> float:
    """Of both sides of a ratio. 0 where medians are what is compared."""
    found = 0.0
    for fastest, median in (("ns", "median_ns"), ("baseline_ns", "baseline_median_ns")):
        if row.get(fastest) and row.get(median):
            found += abs(row[median] / row[fastest] - 1)
    return found


def changes(then: Sequence[Row], now: Sequence[Row]) -> Iterator[Change]:
    """Those that both runs have a ratio for, in the order of now."""
    before = {_key(row): row for row in then if row["ratio"] is not None}
    for row in now:
        old = before.get(_key(row))
        if old is not None and row["ratio"] is not None:
            name = f"{row['item']} {row['case']}, {row['state']}, against {row['baseline']}"
            yield Change(name, float(old["ratio"]), float(row["ratio"]), math.hypot(_scatter(old), _scatter(row)))


def comparison_text(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What became faster or slower beside the baseline, and what keeps it from being a result."""
    found = list(changes(then["rows"], now["rows"]))
    lines = [f"{'':2}{'then':>7}{'now':>8}{'change':>9}  beside the baseline"]
    for change in found:
        mark = "" if not change.counts else "+ " if change.part > 0 else "- "
        lines.append(f"{mark:2}{change.then:7.2f}{change.now:8.2f}{change.part:+9.1%}  {change.name}")
    counted = sum(change.counts for change in found)
    lines.append(f"{counted} of {len(found)} changed by more than the rounds scatter (and {LEAST:.0%}).")
    only = len({_key(row) for row in then["rows"]} ^ {_key(row) for row in now["rows"]})
    if only:
        lines.append(f"{only} rows are in one of the runs only.")
    doubts = [
        f"the {when} run was not to be trusted"
        for when, run in (("earlier", then), ("later", now))
        if not run["trusted"]
    ]
    differs = [name for name, value in now["machine"].items() if then["machine"].get(name) != value]
    doubts += [f"another {', '.join(differs)}"] if differs else []
    if doubts:
        lines.append(f"Not comparable as it stands: {'; '.join(doubts)}.")
    return "\n".join(lines)
