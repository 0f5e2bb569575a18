# SPDX-License-Identifier: GPL-2.0-only
"""Two runs of the benchmarks: ratios beside each other, and what counts as a change."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

import iopf
from iopf._bench_compare import changes, comparison_text, read_run

MACHINE = {"cpu": "c", "cpus": 2, "system": "s", "python": "3", "compiler": "gcc"}


def row(item, ratio, *, state="owned", baseline="stock", ns=10.0, scatter=0.0):
    """One row; ``scatter``: how far the medians of both sides lie above their fastest."""
    return {"item": item, "case": "case", "state": state, "core": "iopf", "runtime": "native", "baseline": baseline, "ns": ns,
            "baseline_ns": ns * (ratio or 1), "ratio": ratio, "median_ns": ns * (1 + scatter),
            "baseline_median_ns": ns * (ratio or 1) * (1 + scatter)}  # fmt: skip


def run(*rows, trusted=True, machine=MACHINE):
    return {"machine": machine, "trusted": trusted, "rows": list(rows)}


def test_a_ratio_that_moved_counts_where_it_moved_more_than_rounds_scatter():
    """A tenth counts beside still rounds, and not beside rounds that differ by as much; a few percent never do."""
    then = [row("A", 2.0), row("B", 2.0, scatter=0.08), row("C", 2.0), row("D", 2.0)]
    now = [row("A", 2.2), row("B", 2.2, scatter=0.08), row("C", 2.06), row("D", 1.5)]
    found = {change.name[0]: change for change in changes(then, now)}
    assert {"A": True, "B": False, "C": False, "D": True} == {name: change.counts for name, change in found.items()}
    assert 0.1 == pytest.approx(found["A"].part) and -0.25 == pytest.approx(found["D"].part)
    text = comparison_text(run(*then), run(*now))
    assert "2 of 4 changed" in text and "Not comparable" not in text
    marked = {line[0]: line for line in text.split("\n")[1:] if line[:1] in "+-"}
    assert "A case" in marked["+"] and "D case" in marked["-"] and 2 == len(marked)


def test_nanoseconds_say_nothing():
    """A machine of half the speed, and the same ratios: no change."""
    assert not [one for one in changes([row("A", 2.0, ns=10)], [row("A", 2.0, ns=20)]) if one.counts]


def test_rows_are_told_apart_by_what_was_measured():
    """State and baseline, and not the core, which may be what changed; what has no ratio is left out, and said."""
    then = [
        row("A", 2.0, state="owned"),
        row("A", 3.0, state="shared"),
        row("A", 4.0, baseline="plain"),
        row("B", None),
    ]
    now = [dict(row("A", 3.0, state="shared"), core="mine.c"), row("B", 1.0)]
    assert [(3.0, 3.0)] == [(change.then, change.now) for change in changes(then, now)]
    assert "2 rows are in one of the runs only" in comparison_text(run(*then), run(*now))


def test_what_keeps_a_comparison_from_being_a_result_is_said():
    """Runs that were not to be trusted, another machine."""
    other = run(row("A", 2.0), trusted=False, machine={**MACHINE, "cpu": "d", "compiler": "clang"})
    text = comparison_text(other, run(row("A", 2.0)))
    assert "Not comparable as it stands: the earlier run was not to be trusted; another cpu, compiler." in text
    assert "the later run" in comparison_text(run(row("A", 2.0)), run(row("A", 2.0), trusted=False))


@pytest.mark.parametrize("spoil", [
    lambda found: found.pop("rows"),
    lambda found: found.pop("machine"),
    lambda found: found["rows"][0].pop("state"),
    lambda found: found["rows"][0].update(ratio="fast"),
    lambda found: found["rows"][0].update(ratio=0),
    lambda found: found.update(rows=[1]),
], ids=range(6))  # fmt: skip
def test_another_file_is_told_in_a_line(spoil, tmp_path):
    """One that is no JSON, not there, a folder, or of another shape. The control: a run."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run(row("A", 2.0))))
    assert 1 == len(read_run(str(path))["rows"])
    spoilt = copy.deepcopy(run(row("A", 2.0)))
    spoil(spoilt)
    for text in (json.dumps(spoilt), "", "[" * 100_000, "{}", "null"):
        path.write_text(text)
        with pytest.raises(ValueError, match="it is not what iopf bench --json prints"):
            read_run(str(path))
    for name in (tmp_path, tmp_path / "none"):
        with pytest.raises(ValueError, match="--compare"):
            read_run(str(name))


def test_the_command_tells_it_before_anything_is_timed(tmp_path):
    """Exit code 2, one line."""
    path = tmp_path / "x.json"
    path.write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "iopf", "bench", "--compare", str(path)], capture_output=True, text=True,
        cwd=Path(iopf.__file__).parent.parent,
    )  # fmt: skip
    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    assert "iopf bench: --compare" in done.stderr and "iopf bench --json" in done.stderr
