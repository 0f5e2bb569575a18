# SPDX-License-Identifier: GPL-2.0-only
"""A failure as a page that a person reads in half a minute.

From top to bottom: what failed; why, in a sentence of facts (causes.py), and what was required; the scenario, the core,
and whether the driver kept its contract; the *culprit pair*, two steps whose order is the bug; the execution, one column
for each task and one line for each visible step; the places where the object was allocated, freed and accessed; and the
line to paste that runs exactly this again.

A bar in a column stands for a lock that the task holds. ``2 -> 1`` is a value before and after. Under a step that the
failure rests on stands its line of the source. Stretches that touch nothing the failure is about are folded into one
line, which says what locks it took, and what comes behind the failure is left out, unless every event is asked for.
Colour is the caller's decision: the command line asks for it on terminals.
"""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING

from .causes import required
from .deviations import chosen
from .rows import Reading, phrase

if TYPE_CHECKING:
    from .failure import Failure, Site, Step
    from .lines import Place

__all__ = ["render", "wants_color"]

#: A terminal that does not say how wide it is, and what is no terminal.
WIDTH = 118
#: Columns of a step's number, and of the bars and text of a task.
NUMBER = 5
COLUMN = 24
RESET, BOLD, DIM, RED = "\033[0m", "\033[1m", "\033[2m", "\033[31;1m"
COLUMN_COLORS = ("\033[36m", "\033[33m", "\033[35m", "\033[32m", "\033[34m")


def wants_color(stream: object) -> bool:
    """Does that stream take colours? Terminals do, unless NO_COLOR says no."""
    return bool(getattr(stream, "isatty", lambda: False)()) and not os.environ.get("NO_COLOR")


class _Page:
    def __init__(self, failure: Failure, width: int, color: bool, every_event: bool):
        self.failure = failure
        self.width = width
        self.color = color
        self.lines: list[str] = []
        self.reading = Reading(failure, every_event)
        self.tasks = self.reading.tasks
        each = (width - NUMBER - 26) // max(len(self.tasks), 1)
        self.column_width = min(max(each, 14), 44) if len(self.tasks) > 1 else 60
        self.last_place: Place | None = None

    # --- helpers ---

    def paint(self, text: str, code: str) -> str:
        return f"{code}{text}{RESET}" if self.color and text else text

    def column_of(self, step: Step) -> int:
        return self.tasks.index(step.column)

    def task_color(self, index: int) -> str:
        return COLUMN_COLORS[index % len(COLUMN_COLORS)]

    def add(self, text: str = "") -> None:
        self.lines.append(text.rstrip())

    def paragraph(self, text: str) -> None:
        for line in textwrap.wrap(text, self.width - 2, break_long_words=False, break_on_hyphens=False):
            self.add(f"  {line}")

    # --- parts ---

    def head(self) -> None:
        failure = self.failure
        self.add(self.paint(f"{failure.kind}: {failure.message}", RED))
        self.paragraph(self.reading.cause.text)
        self.paragraph(f"required: {required(failure)}")
        preemptions = f"{failure.preemptions} preemption{'' if failure.preemptions == 1 else 's'}"
        minimal = ", no schedule with fewer shows it" if failure.minimal and failure.preemptions else ""
        self.add(f"  in {failure.scenario!r} on core {failure.core}, {preemptions}{minimal}")
        if failure.contract == "kept":
            self.add("  the driver kept its contract")
        else:
            for clause in failure.clauses or ("which clause is not known",):
                self.add(f"  the driver broke its contract: {clause}")
        deviation = chosen(failure.kind, failure.message, failure.contract)
        if deviation is not None:
            self.paragraph(deviation.label)
        if not failure.confirmed:
            self.add("  a prediction: no execution of this search came to it")
        for dropped in failure.dropped:
            self.add(self.paint(f"  not needed: {dropped}", DIM))

    def culprits(self) -> None:
        if self.failure.culprit is None:
            return
        self.add()
        rows = [
            (step.task, phrase(step), str(step.place) if step.place else "")
            for step in (self.failure.steps[index] for index in self.failure.culprit)
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for first, (task, what, where) in zip(("first", "then "), rows):
            text = f"  {first}  {task:<{widths[0]}}  {what:<{widths[1]}}  {where}"
            self.add(self.paint(text, BOLD))
        self.add("  In the other order it does not fail.")

    def steps(self) -> None:
        steps = self.failure.steps
        if not steps:
            return
        self.add()
        offsets = [NUMBER + index * self.column_width for index in range(len(self.tasks))]
        header = " " * NUMBER
        for index, task in enumerate(self.tasks):
            name = self.failure.tasks[task]
            header = header.ljust(offsets[index])
            header += self.paint(name, BOLD + self.task_color(index)) if self.color else name
            if self.color:
                header += " " * max(self.column_width - len(name), 0)
        self.add(header)

        for row in self.reading.rows():
            step = steps[row.index]
            if row.kind == "preempted":
                self.add(self.paint(f"{'':{NUMBER}}-- {row.text} --", BOLD))
            elif row.kind == "call":
                self.line("", step, f"> {row.text}", "", row.held, offsets, bold=True)
            elif row.kind == "fold":
                self.line("", step, f"... {row.text}", "", row.held, offsets, dim=True)
            else:
                where = step.place.short if step.place else ""
                self.line(str(row.index + 1), step, row.text, where, row.held, offsets, bold=row.marked)
                self.source(row.index, {**row.held, step.column: step.held}, offsets)

    def source(self, index: int, held: dict[int, int], offsets: list[int]) -> None:
        """The line of the source under a step that the failure rests on, once for each place."""
        step = self.failure.steps[index]
        if index not in self.reading.rests_on or step.place is None or step.place == self.last_place:
            return
        self.last_place = step.place
        from .sources import source_line

        text = source_line(step.place)
        if text is None:
            return
        function = f"{step.place.function}: " if step.place.function else ""
        room = self.width - NUMBER - offsets[self.column_of(step)] - len(function) - 8
        self.line(
            "",
            step,
            f"    {function}{textwrap.shorten(text, max(room, 30), placeholder='...')}",
            "",
            held,
            offsets,
            dim=True,
        )

    def line(
        self,
        number: str,
        step: Step,
        text: str,
        where: str,
        held: dict[int, int],
        offsets: list[int],
        bold: bool = False,
        dim: bool = False,
    ) -> None:
        """One line: the bars of all tasks, the text in its task's column, the place at the right."""
        own = self.column_of(step)
        cells: list[tuple[int, str, str]] = []
        for index, task in enumerate(self.tasks):
            bars = "|" * held[task]
            if index == own:
                code = DIM if dim else self.task_color(index) + (BOLD if bold else "")
                cells.append((offsets[index], f"{bars}{' ' if bars else ''}{text}", code))
            elif bars:
                cells.append((offsets[index], bars, DIM))
        line, length = "", 0
        mark = ">" if bold and number else " "
        start = f"{number:>{NUMBER - 2}}{mark} " if number else " " * NUMBER
        line, length = start, NUMBER
        for offset, cell, code in cells:
            if length > offset:
                continue  # a long text to the left covers it
            line += " " * (offset - length) + self.paint(cell, code)
            length = offset + len(cell)
        if where:
            at = max(NUMBER + len(self.tasks) * self.column_width, length + 2)
            line += " " * (at - length) + self.paint(where, DIM)
        self.add(line)

    def sites(self) -> None:
        sites = [site for site in self.failure.sites if self.failure.kind != "data-race" or not site.memory]
        if not sites:
            return
        self.add()
        rows = [self.site(site) for site in sites]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            self.add("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, (*widths, 0))))

    def site(self, site: Site) -> tuple[str, str, str, str, str]:
        return (
            f"  {site.what}" if site.more else site.what,
            site.object or "",
            f"by {site.task}" if site.task is not None else "",
            f"step {site.step + 1}" if site.step is not None else "",
            str(site.place) if site.place is not None else "",
        )

    def foot(self, short: bool, command: str | None) -> None:
        if self.failure.token:
            self.add()
            self.add("To run exactly this again:")
            if command is None:
                command = self.failure.command or f"iopf replay {self.failure.token}"
                command = command.replace(self.failure.token, self.failure.id) if short else command
            self.add(f"  {command}")


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size((WIDTH, 24)).columns


def render(
    failure: Failure,
    *,
    width: int | None = None,
    color: bool = False,
    every_event: bool = False,
    short: bool = False,
    command: str | None = None,
) -> str:
    """The trace of a failure as text.

    :param width: columns; None: the terminal's, 118 where there is none
    :param color: with ANSI colours
    :param every_event: also plain accesses and releases, and nothing folded
    :param short: the id in place of the token, of a failure that is kept
    :param command: another line that runs it again
    """
    if width is None:
        width = max(_terminal_width(), 80)
    page = _Page(failure, width, color, every_event)
    page.head()
    page.culprits()
    page.steps()
    page.sites()
    page.foot(short, command)
    return "\n".join(page.lines)
