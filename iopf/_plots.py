# SPDX-License-Identifier: GPL-2.0-only
"""Curves, as a picture or as text: panels of named lines, on axes that may be logarithmic.

A picture is matplotlib's (the extra ``plot``). Text needs nothing: it is what a terminal shows, and what stands in a mail.
"""

from __future__ import annotations

import bisect
import importlib
import importlib.util
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._files import check_writable, write_whole

if TYPE_CHECKING:
    from .run import TraceResult

__all__ = ["Line", "Panel", "check_plot", "plot_of_run", "text_plot", "write_plot"]

#: Formats of a picture, by the end of the name.
PICTURES = (".svg", ".png")
#: Columns and rows of a panel's field, as text.
WIDTH, HEIGHT = 62, 14
#: How lines are drawn as text, in their order; what several of them cover is the last one's.
MARKS = "*o+x#@"


@dataclass(frozen=True)
class Line:
    """Points in the order of x."""

    name: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    #: a value holds until the next one, as of counts
    steps: bool = False


@dataclass(frozen=True)
class Panel:
    """Axes with lines. On a logarithmic axis what is not above 0 is left out."""

    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    log_x: bool = False
    log_y: bool = False


def check_plot(option: str, path: str) -> None:
    """ValueError, in a line: nothing can be drawn there, or what draws it is missing."""
    if path == "-":
        return
    check_writable(option, path)
    end = os.path.splitext(path)[1].lower()
    if end not in (*PICTURES, ".txt"):
        raise ValueError(f"{option} {path}: a name that ends in .svg or .png is drawn, .txt is text; - is the terminal")
    if end in PICTURES and importlib.util.find_spec("matplotlib") is None:
        raise ValueError(
            f"{option} {path}: matplotlib is not installed (pip install 'iopf[plot]'); a .txt needs nothing"
        )


def write_plot(path: str, panels: Sequence[Panel]) -> None:
    """Draws there, as :func:`check_plot` found that it can be. OSError: it could not."""
    if path == "-":
        print(text_plot(panels))
    elif os.path.splitext(path)[1].lower() in PICTURES:
        _picture(path, panels)
    else:
        write_whole(path, text_plot(panels) + "\n")


# --- pictures ---


def _picture(path: str, panels: Sequence[Panel]) -> None:
    matplotlib: Any = importlib.import_module("matplotlib")
    figures: Any = importlib.import_module("matplotlib.figure")
    ticks: Any = importlib.import_module("matplotlib.ticker")
    with matplotlib.rc_context({"svg.hashsalt": "iopf", "svg.fonttype": "none"}):
        figure = figures.Figure(figsize=(7.5, 3.6 * len(panels)), layout="constrained")
        for panel, axes in zip(panels, figure.subplots(len(panels), squeeze=False)[:, 0]):
            axes.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
            for line in panel.lines:
                axes.plot(line.xs, line.ys, label=line.name, drawstyle="steps-post" if line.steps else "default")
            if panel.log_x:
                axes.set_xscale("log")
            if panel.log_y:
                axes.set_yscale("log")
            else:
                # From 0, or what is flat looks steep.
                axes.set_ylim(0, 1.1 * max((y for line in panel.lines for y in line.ys), default=0) or 1)
            for axis, log in ((axes.xaxis, panel.log_x), (axes.yaxis, panel.log_y)):
                axis.set_major_formatter(lambda value, _: _short(value))
                if log:
                    low, high = axis.get_view_interval()
                    axis.set_major_locator(ticks.LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,)))
                    axis.set_minor_formatter(ticks.NullFormatter())
            axes.grid(alpha=0.3)
            if len(panel.lines) > 1:
                axes.legend()
        # No date: the same figures make the same file.
        figure.savefig(path, metadata={"Date": None} if path.lower().endswith(".svg") else None)


# --- text ---


def _short(number: float) -> str:
    """A number in at most six characters or so: 950, 12.5k, 3M, 0.02."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.3g}"


class _Axis:
    """Where a value lies between the least and the greatest, from 0 to 1."""

    def __init__(self, values: Sequence[float], log: bool):
        self.log = log
        usable = [value for value in values if value > 0 or not log]
        self.low, self.high = (min(usable), max(usable)) if usable else (1.0, 10.0)
        if not log and self.low > 0:
            self.low = 0.0
        if self.low == self.high:
            self.high = self.low * 10 if log and self.low else self.low + 1

    def __call__(self, value: float) -> float | None:
        if self.log:
            return None if value <= 0 else math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def _value_at(line: Line, x: float, log_x: bool) -> float | None:
    """The line's y at an x between its ends."""
    if not line.xs or not line.xs[0] <= x <= line.xs[-1]:
        return None
    after = bisect.bisect_right(line.xs, x)
    if after == len(line.xs) or line.steps:
        return line.ys[after - 1]
    x0, x1 = line.xs[after - 1], line.xs[after]
    part = math.log(x / x0) / math.log(x1 / x0) if log_x and x0 > 0 else (x - x0) / (x1 - x0)
    return line.ys[after - 1] + part * (line.ys[after] - line.ys[after - 1])


def _text_panel(panel: Panel) -> list[str]:
    x_axis = _Axis([x for line in panel.lines for x in line.xs], panel.log_x)
    y_axis = _Axis([y for line in panel.lines for y in line.ys], panel.log_y)
    field = [[" "] * WIDTH for _ in range(HEIGHT)]
    for line, mark in zip(panel.lines, MARKS * (len(panel.lines) // len(MARKS) + 1)):
        for column in range(WIDTH):
            part = column / (WIDTH - 1)
            x = (
                x_axis.low * (x_axis.high / x_axis.low) ** part
                if panel.log_x
                else x_axis.low + part * (x_axis.high - x_axis.low)
            )
            y = _value_at(line, min(x, x_axis.high), panel.log_x)
            height = None if y is None else y_axis(y)
            if height is not None:
                field[HEIGHT - 1 - round(height * (HEIGHT - 1))][column] = mark
    labels = {0: _short(y_axis.high), HEIGHT - 1: _short(y_axis.low)}
    lines = [panel.title, f"{panel.y}{' (log)' if panel.log_y else ''}"]
    lines += [f"{labels.get(number, ''):>8} |{''.join(row)}".rstrip() for number, row in enumerate(field)]
    low, high = _short(x_axis.low), _short(x_axis.high)
    lines.append(f"{'':8} +{'-' * WIDTH}")
    lines.append(f"{'':9} {low}{high:>{WIDTH - len(low)}}")
    lines.append(f"{'':9} {panel.x + (' (log)' if panel.log_x else ''):^{WIDTH}}".rstrip())
    if len(panel.lines) > 1:
        lines += [f"{'':9} {mark} {line.name}" for line, mark in zip(panel.lines, MARKS * len(panel.lines))]
    return lines


def text_plot(panels: Sequence[Panel]) -> str:
    """The panels one below the other, 72 columns wide."""
    return "\n\n".join("\n".join(_text_panel(panel)) for panel in panels)


# --- what is drawn of a run ---


def plot_of_run(result: TraceResult, course: Sequence[tuple[int, int, float]]) -> list[Panel]:
    """Of ``iopf run``: how many groups were answered within which time, and the requests over time and accesses.

    :param course: accesses, requests and seconds, as often as somebody looked
    """
    seen, xs, ys = 0, [], []
    for value, groups in result.latencies:
        seen += groups
        xs.append(value / 1000)
        ys.append(100 * seen / result.groups if result.groups else 0.0)
    points = [(0, 0, 0.0), *course]
    return [
        Panel(
            f"latency of {result.groups:,} groups, from the last request to the response",
            "microseconds", "% answered", (Line("groups", tuple(xs), tuple(ys), steps=True),), log_x=True,
        ),
        Panel(
            f"{result.requests:,} page requests of {result.accesses:,} accesses",
            "accesses", "requests", (Line("requests", tuple(float(a) for a, _, _ in points), tuple(float(r) for _, r, _ in points)),),
        ),
        Panel(
            f"the same over {result.seconds:.3g} s",
            "seconds", "requests", (Line("requests", tuple(s for _, _, s in points), tuple(float(r) for _, r, _ in points)),),
        ),
    ]  # fmt: skip
