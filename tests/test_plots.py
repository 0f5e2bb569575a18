# SPDX-License-Identifier: GPL-2.0-only
"""Curves as text and as pictures, and what is drawn of a run."""

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

import iopf
from iopf import _plots
from iopf._plots import Line, Panel, check_plot, text_plot, write_plot
from iopf.run import TraceRun

RAMP = Line("ramp", tuple(map(float, range(11))), tuple(float(10 * x) for x in range(11)))
TRACE = b"".join(b" L %x,8\n" % (0x10000 + 0x1000 * page) for page in range(40)) * 3


def field(text):
    """The rows of the field, from the top, without the axis."""
    return [row.partition("|")[2].ljust(_plots.WIDTH) for row in text.split("\n") if "|" in row]


def test_a_line_is_drawn_from_corner_to_corner():
    """A ramp over linear axes: one mark in each column, never going down, between its labels."""
    text = text_plot([Panel("a ramp", "seconds", "requests", (RAMP,))])
    rows = field(text)
    assert _plots.HEIGHT == len(rows) and {1} == {
        sum(row[column] == "*" for row in rows) for column in range(_plots.WIDTH)
    }
    heights = [next(number for number, row in enumerate(rows) if row[column] == "*") for column in range(_plots.WIDTH)]
    assert heights == sorted(heights, reverse=True) and (_plots.HEIGHT - 1, 0) == (heights[0], heights[-1])
    assert "a ramp" == text.split("\n")[0] and "     100 |" in text and "       0 |" in text and "seconds" in text
    assert max(map(len, text.split("\n"))) <= 80


def test_a_power_is_straight_on_logarithmic_axes():
    """y = x²: the marks of a line through both corners. On linear axes they are not."""
    line = Line("square", tuple(float(2**k) for k in range(11)), tuple(float(4**k) for k in range(11)))
    straight = field(text_plot([Panel("t", "x", "y", (line,), log_x=True, log_y=True)]))
    for column in range(_plots.WIDTH):
        wanted = _plots.HEIGHT - 1 - column / (_plots.WIDTH - 1) * (_plots.HEIGHT - 1)
        (found,) = [number for number, row in enumerate(straight) if row[column] == "*"]
        assert abs(found - wanted) <= 1
    assert straight != field(text_plot([Panel("t", "x", "y", (line,))]))


def test_steps_hold_their_value_until_the_next():
    """Counts are not drawn as if they grew between two looks."""
    steps = Line("steps", (0.0, 1.0, 2.0), (0.0, 0.0, 1.0), steps=True)
    rows = field(text_plot([Panel("t", "x", "y", (steps,))]))
    assert (
        {" "} == set("".join(rows[1:-1]))
        and rows[-1].rstrip().count("*") == _plots.WIDTH - 1
        and "*" == rows[0].strip()
    )


def test_several_lines_have_marks_and_names():
    """In their order; one alone has no legend."""
    lines = tuple(Line(f"line {n}", (0.0, 1.0), (float(n), float(n))) for n in range(1, 4))
    text = text_plot([Panel("t", "x", "y", lines)])
    assert all(f"{mark} line {n}" in text for n, mark in zip((1, 2, 3), _plots.MARKS))
    assert "ramp" not in text_plot([Panel("t", "x", "y", (RAMP,))]).split("\n", 1)[1]


@pytest.mark.parametrize("line", [Line("none", (), ()), Line("one", (3.0,), (4.0,)), Line("flat", (1.0, 2.0), (0.0, 0.0)),
                                  Line("below", (-1.0, 0.0), (-5.0, 0.0))], ids=lambda line: line.name)  # fmt: skip
@pytest.mark.parametrize("log", [False, True])
def test_what_has_no_extent_is_drawn_all_the_same(line, log):
    """Nothing, one point, a constant, and what a logarithm has no place for."""
    assert _plots.HEIGHT == len(field(text_plot([Panel("t", "x", "y", (line,), log_x=log, log_y=log)])))


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (950, "950"), (12_500, "12.5k"), (3e6, "3M"), (2.5e9, "2.5G"), (0.02, "0.02")]
)
def test_numbers_at_the_axes_are_short(number, text):
    assert text == _plots._short(number)


def test_a_place_where_nothing_can_be_drawn_is_told(tmp_path, monkeypatch):
    """Another ending, a folder, no folder; and a picture without what draws it, which says what needs nothing."""
    for name, said in (
        ("x.pdf", "ends in .svg or .png"),
        ("", "name of a file"),
        (".", "no file"),
        ("none/x.txt", "no file"),
    ):
        with pytest.raises(ValueError, match=said):
            check_plot("--plot", str(tmp_path / name) if name else "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"matplotlib is not installed \(pip install 'iopf\[plot\]'\); a .txt needs nothing"
    ):
        check_plot("--plot", str(tmp_path / "x.svg"))
    check_plot("--plot", str(tmp_path / "x.txt"))
    check_plot("--plot", "-")


@pytest.mark.parametrize("end", ["svg", "png"])
def test_a_picture_is_the_same_for_the_same_figures(end, tmp_path):
    """As a file: no date in it, no name of a machine."""
    pytest.importorskip("matplotlib")
    panels = [
        Panel("t", "x", "y", (RAMP, Line("other", (1.0, 5.0), (2.0, 8.0), steps=True)), log_x=True, log_y=True)
    ] * 2
    files = [tmp_path / f"{number}.{end}" for number in range(2)]
    for file in files:
        check_plot("--plot", str(file))
        write_plot(str(file), panels)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes().startswith(b"<?xml" if end == "svg" else b"\x89PNG")


@pytest.fixture
def run():
    """A run of 40 pages that are there, in groups of one."""
    space = iopf.AddressSpace()
    space.map(0x10000, 0x100000, "r")
    with TraceRun(space, group=1) as run:
        yield run


def test_the_latencies_of_a_run_are_those_of_its_groups(run):
    """Each of them once, in order; the percentiles are among them."""
    assert ((0, 0), 0.0) == (run.progress()[:2], run.progress()[2])
    run.feed(TRACE)
    accesses, requests, seconds = run.progress()
    assert (120, 40) == (accesses, requests) and seconds > 0
    result = run.finish()
    values = [value for value, _ in result.latencies]
    assert values == sorted(set(values)) and result.groups == sum(groups for _, groups in result.latencies) == 40
    assert {result.latency.p50, result.latency.p99, result.latency.max} <= set(values) and values[
        -1
    ] == result.latency.max
    assert (120, 40, result.seconds) == run.progress()


def test_a_run_is_drawn_to_its_end(run):
    """All groups are answered, all requests are there, nothing falls."""
    course = []
    for begin in range(0, len(TRACE), 100):
        run.feed(TRACE[begin : begin + 100])
        course.append(run.progress())
    result = run.finish()
    latency, accesses, time = _plots.plot_of_run(result, [*course, run.progress()])
    assert math.isclose(100, latency.lines[0].ys[-1]) and latency.log_x
    for panel, end in ((accesses, 120), (time, result.seconds)):
        (line,) = panel.lines
        assert (
            (end, 40) == (line.xs[-1], line.ys[-1])
            and list(line.xs) == sorted(line.xs)
            and list(line.ys) == sorted(line.ys)
        )


def test_the_command_draws(tmp_path):
    """Into a file, beside its figures; on the terminal behind them; never into JSON."""
    trace, maps, plot = tmp_path / "t", tmp_path / "m", tmp_path / "plot.txt"
    trace.write_bytes(TRACE)
    maps.write_text("00010000-00110000 r--p 00000000 00:00 0\n")
    command = [sys.executable, "-m", "iopf", "run", trace, "--maps", maps, "--plot"]

    def iopf_run(*arguments):
        done = subprocess.run(
            [*map(str, command), *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=Path(iopf.__file__).parent.parent,
        )
        return done.returncode, done.stdout, done.stderr

    code, output, errors = iopf_run(plot, "--json")
    assert (0, "") == (code, errors) and 120 == json.loads(output)["accesses"]
    assert 3 == plot.read_text().count("\n" + " " * 8 + " +-")
    code, output, errors = iopf_run("-")
    assert (0, "") == (code, errors) and 0 < output.index("latency of") and "% answered" in output
    code, output, errors = iopf_run("-", "--json")
    assert (2, "") == (code, output) and "both write to standard output" in errors
    code, output, errors = iopf_run(tmp_path / "plot.gif")
    assert (2, "") == (code, output) and "ends in .svg or .png" in errors
