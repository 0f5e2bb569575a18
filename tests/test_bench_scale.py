# SPDX-License-Identifier: GPL-2.0-only
"""What a unit costs beside more and more of something: the curves, what is said of them, and how they are drawn."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import iopf
from iopf import _bench_scale
from iopf._bench_scale import FLAT, Curve, as_data, curves, panels, scale_text


@pytest.fixture(scope="module")
def found():
    """A quick look at all of them."""
    shown = []
    made = curves("iopf", lambda text, done: shown.append((text, done)), quick=True)
    assert [done for _, done in shown] == sorted(done for _, done in shown) and shown[0][1] == 0
    return made


def test_every_quantity_that_grows_has_a_point_for_each_size(found):
    """Positive nanoseconds, of what the issue of scale is about."""
    assert {"groups without an answer", "stored partial faults of other groups", "groups that a removal answers", "devices",
            "threads, each with a device", "times the same trace"} == {curve.x for curve in found}  # fmt: skip
    for curve in found:
        assert list(curve.sizes) == sorted(curve.sizes) == list(curve.points) and all(
            ns > 0 for ns in curve.points.values()
        )


def test_flat_is_what_grows_by_less_than_its_limit():
    """And what grows by more says so, with the memory that it takes. A cheaper point is no growth."""
    flat = Curve("n", "devices", "a request", (1, 10, 100), points={1: 10.0, 10: 8.0, 100: 10.0 * FLAT})
    steep = Curve("n", "groups", "a group", (1, 10), bytes_each=1 << 20, points={1: 10.0, 10: 10.1 * FLAT})
    assert flat.flat and not steep.flat
    told = scale_text([flat, steep])
    assert "100: 13.0\n  flat" in told and "1.31 times the first; 10 MiB at the last point" in told
    assert [True, False] == [data["flat"] for data in as_data([flat, steep])]


def test_what_scans_a_list_is_seen_to_grow():
    """The control: v7.2 looks through all stored partial faults. Instructions of a loop, not the speed of the machine."""
    grows, ours = (
        Curve(
            core, "x", "y", (0, 2000), points={size: _bench_scale._partials(core, runtime, size) for size in (0, 2000)}
        )
        for core, runtime in ((_bench_scale.STOCK_CORE, _bench_scale.STOCK_RUNTIME), ("iopf", "native"))
    )
    assert grows.growth > 3 > ours.growth, (grows, ours)


def test_curves_of_one_quantity_are_lines_of_one_panel(found):
    """0 of something is drawn at 1, for the logarithm."""
    drawn = panels(found)
    assert len({curve.x for curve in found}) == len(drawn)
    assert len(found) == sum(len(panel.lines) for panel in drawn) and all(panel.log_x for panel in drawn)
    assert all(min(line.xs) >= 1 and len(line.xs) == len(line.ys) for panel in drawn for line in panel.lines)


@pytest.mark.parametrize(("options", "said"), [
    (("--plot", "x.txt"), "--plot draws the curves of --scale"),
    (("--scale", "--plot", "x.gif"), "ends in .svg or .png"),
    (("--scale", "--instructions"), "takes neither --compare nor --instructions"),
    (("--scale", "--json", "--plot", "-"), "both write to standard output"),
], ids=lambda value: value if isinstance(value, str) else " ".join(value))  # fmt: skip
def test_what_does_not_fit_together_is_told(options, said, tmp_path):
    """Exit code 2, one line, before anything is timed."""
    done = bench(*options, cwd=tmp_path)
    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n")) and said in done.stderr


def test_the_command_prints_and_draws(tmp_path):
    """As text and as JSON; a quick look does not call itself a measurement."""
    done = bench("--scale", "--quick", "--json", "--plot", "x.txt", cwd=tmp_path)
    data = json.loads(done.stdout)
    assert (0, "", False) == (done.returncode, done.stderr, data["trusted"]) and 8 == len(data["scale"])
    assert 6 == (tmp_path / "x.txt").read_text().count("\n" + " " * 8 + " +-")
    done = bench("--scale", "--quick", cwd=tmp_path)
    assert 0 == done.returncode and "--quick is a look" in done.stdout and "a one-page group, by" in done.stdout


def bench(*options, cwd):
    root = str(Path(iopf.__file__).parent.parent)
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r}); from iopf.__main__ import main; sys.exit(main())",
         "bench", *options], capture_output=True, text=True, cwd=cwd,
    )  # fmt: skip
