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

import linecache
import os
import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._csrc_tools import csrc
from .causes import LOCKS, REQUIRED, cause

if TYPE_CHECKING:
    from .lines import Place
    from .result import Failure, Site, Step

__all__ = ["phrase", "render", "source_line", "wants_color"]

#: A terminal that does not say how wide it is, and what is no terminal.
WIDTH = 118
#: Columns of a step's number, and of the bars and text of a task.
NUMBER = 5
COLUMN = 24
#: So many lines in a row that the failure is not about become one.
FOLD = 3

#: Operations on an object as a whole, whatever lies at its start.
WHOLE = ("allocate", "free", "kfree", "kfree_rcu", "call_rcu")

RESET, BOLD, DIM, RED = "\033[0m", "\033[1m", "\033[2m", "\033[31;1m"
COLUMN_COLORS = ("\033[36m", "\033[33m", "\033[35m", "\033[32m", "\033[34m")


#: A pointer to an object is called by the member at its start.
FIRST_MEMBER = re.compile(r"(\w+#\d+)\.[\w.]+")


def value(number: int) -> str:
    """A value as text; addresses, which say nothing, as what they are."""
    return "pointer" if number > 1 << 32 else str(number)


def source_line(place: Place) -> str | None:
    """The text of that line, without what stands around it; None where the file is not here, or says nothing there."""
    if not place.line:
        return None
    path = place.file
    if not os.path.isabs(path):
        folder = csrc()
        if folder is None or not path.startswith("csrc/"):
            return None
        path = str(folder / path.removeprefix("csrc/"))
    linecache.checkcache(path)
    line = linecache.getline(path, place.line).strip()
    # On a terminal nothing of a file acts: tabs within the line are blanks, what else can't be printed is a question mark.
    line = "".join(character if character.isprintable() else " " if character == "\t" else "?" for character in line)
    return line if any(character.isalnum() for character in line) else None


def phrase(step: Step) -> str:
    """A step's operation, object and values."""
    about = step.object
    if about and step.op in WHOLE:
        about = about.partition(".")[0]
    text = f"{step.op}({about})" if about else step.op
    if step.before is not None and step.after is not None:
        before, after = value(step.before), value(step.after)
        text += f" {before}" if step.before == step.after else f" {before} -> {after}"
    return text


def wants_color(stream: object) -> bool:
    """Does that stream take colours? Terminals do, unless NO_COLOR says no."""
    return bool(getattr(stream, "isatty", lambda: False)()) and not os.environ.get("NO_COLOR")


class _Page:
    def __init__(self, failure: Failure, width: int, color: bool, every_event: bool):
        self.failure = failure
        self.width = width
        self.color = color
        self.every_event = every_event
        self.lines: list[str] = []
        seen: list[int] = []
        for step in failure.steps:
            if step.column not in seen:
                seen.append(step.column)
        #: Tasks in the order of the scenario; where it begins in a line, by task.
        self.tasks = sorted(seen)
        each = (width - NUMBER - 26) // max(len(self.tasks), 1)
        self.column_width = min(max(each, 14), 44) if len(self.tasks) > 1 else 60
        self.marked = set(failure.culprit or ())
        self.marked |= {site.step for site in failure.sites if site.step is not None}
        self.cause = cause(failure)
        self.marked |= self.cause.steps
        #: What stands with its line of the source.
        self.rests_on = {*self.cause.steps, *(failure.culprit or ())}
        ends = [index for index, step in enumerate(failure.steps) if step.op == failure.kind]
        self.rests_on |= {*ends[-1:]}
        #: The last step that gets a line.
        self.end = max([*ends[-1:], *self.marked]) if ends else len(failure.steps) - 1
        self.about = self._about()
        self.last_place: Place | None = None

    def _about(self) -> set[str]:
        """The objects that the failure is about: what its object and its marked steps name, without the field."""
        names = [self.failure.object, *(site.object for site in self.failure.sites)]
        names += [self.failure.steps[index].object for index in self.marked if index < len(self.failure.steps)]
        return {name.partition(".")[0] for name in names if name}

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
        self.paragraph(self.cause.text)
        self.paragraph(f"required: {REQUIRED[failure.kind]}")
        preemptions = f"{failure.preemptions} preemption{'' if failure.preemptions == 1 else 's'}"
        minimal = ", no schedule with fewer shows it" if failure.minimal and failure.preemptions else ""
        self.add(f"  in {failure.scenario!r} on core {failure.core}, {preemptions}{minimal}")
        if failure.contract == "kept":
            self.add("  the driver kept its contract")
        else:
            for clause in failure.clauses or ("which clause is not known",):
                self.add(f"  the driver broke its contract: {clause}")
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

    def shown(self) -> list[int]:
        """Indices of the steps that get a line."""
        steps = self.failure.steps
        if self.every_event:
            return list(range(len(steps)))
        return [
            index
            for index, step in enumerate(steps[: self.end + 1])
            if step.point
            or index in self.marked
            or index == self.end
            or (step.op.endswith(" returns") and step.operation is not None)
            or step.preempted
            or ((step.object or "").partition(".")[0] in self.about and step.op not in ("read", "write"))
        ]

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

        shown = self.shown()
        plain = self.foldable(shown)
        held = dict.fromkeys(self.tasks, 0)
        operation: dict[int, str | None] = dict.fromkeys(self.tasks)
        position = 0
        previous = -1
        while position < len(shown):
            index = shown[position]
            for skipped in range(previous + 1, index):
                held[steps[skipped].column] = steps[skipped].held
            step = steps[index]
            if step.preempted:
                self.add(
                    self.paint(
                        f"{'':{NUMBER}}-- preempted {step.preempted}: {self.before(index)} could have gone on --", BOLD
                    )
                )
            if step.operation is not None and step.operation != operation[step.column]:
                self.line("", step, f"> {step.operation}", "", held, offsets, bold=True)
            operation[step.column] = step.operation
            fold = position
            while (
                fold < len(shown)
                and plain[shown[fold]]
                and steps[shown[fold]].column == step.column
                and steps[shown[fold]].operation == step.operation
            ):
                fold += 1
            if fold - position >= FOLD:
                last = shown[fold - 1]
                text = f"... {fold - position} steps on other objects"
                taken = self.taken(shown[position:fold], steps[last].held - held[step.column])
                if taken:
                    text += f", takes {', '.join(taken)}"
                held[step.column] = steps[last].held
                self.line("", step, text, "", held, offsets, dim=True)
                position, previous = fold, last
                continue
            text = phrase(step)
            if step.note:
                text += "  " + (FIRST_MEMBER.sub(r"\1", step.note) if step.op.startswith("atomic") else step.note)
            before = held[step.column]
            # The bar of a lock begins after the line that takes it and ends before the line that drops it.
            held[step.column] = min(before, step.held)
            self.line(
                str(index + 1),
                step,
                text,
                step.place.short if step.place else "",
                held,
                offsets,
                bold=index in self.marked,
            )
            held[step.column] = step.held
            self.source(index, held, offsets)
            position, previous = position + 1, index

    def taken(self, folded: Sequence[int], more: int) -> list[str]:
        """The locks that are held behind a folded stretch and were not before it."""
        steps = self.failure.steps
        return (
            [steps[index].object or "a lock" for index in folded if steps[index].op in LOCKS][-more:]
            if more > 0
            else []
        )

    def source(self, index: int, held: dict[int, int], offsets: list[int]) -> None:
        """The line of the source under a step that the failure rests on, once for each place."""
        step = self.failure.steps[index]
        if index not in self.rests_on or step.place is None or step.place == self.last_place:
            return
        self.last_place = step.place
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

    def before(self, index: int) -> str:
        """Who ran right before that step."""
        return self.failure.steps[index - 1].task if index else "nobody"

    def foldable(self, shown: Sequence[int]) -> dict[int, bool]:
        """Which lines may be folded: those on other objects, away from switches and ends."""
        steps = self.failure.steps
        if self.every_event:
            return dict.fromkeys(shown, False)
        plain = {}
        for position, index in enumerate(shown):
            step = steps[index]
            neighbours = [shown[position + offset] for offset in (-1, 1) if 0 <= position + offset < len(shown)]
            edge = any(steps[other].column != step.column for other in neighbours) or position == len(shown) - 1
            about = (step.object or "").partition(".")[0] in self.about
            plain[index] = not (edge or about or index in self.marked or step.preempted or step.note)
        return plain

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

    def foot(self) -> None:
        if self.failure.token:
            self.add()
            self.add("To run exactly this again:")
            self.add(f"  {self.failure.command or f'iopf replay {self.failure.token}'}")


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size((WIDTH, 24)).columns


def render(failure: Failure, *, width: int | None = None, color: bool = False, every_event: bool = False) -> str:
    """The trace of a failure as text.

    :param width: columns; None: the terminal's, 118 where there is none
    :param color: with ANSI colours
    :param every_event: also plain accesses and releases, and nothing folded
    """
    if width is None:
        width = max(_terminal_width(), 80)
    page = _Page(failure, width, color, every_event)
    page.head()
    page.culprits()
    page.steps()
    page.sites()
    page.foot()
    return "\n".join(page.lines)
