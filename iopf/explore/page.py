# SPDX-License-Identifier: GPL-2.0-only
"""Failures as one HTML page: it needs nothing but itself, so it can be mailed, attached to a report and opened offline.

The rows are those of the trace as text (rows.py). Beside them the page has what text has no room for: the order that the
steps have to each other (arrows), who could have run instead, every event, and the source around the chosen step. Read
without its script, or by a screen reader, it is a table of the same rows.

Whatever comes from a core, a scenario or a file is text here and nowhere markup; and should that ever be wrong, a policy
in the page forbids every script and style but its own two, which it names by their hashes, and every connection.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from .causes import required
from .deviations import chosen
from .rows import Reading, Row, note_of, phrase
from .sources import source_line, source_lines

if TYPE_CHECKING:
    from .failure import Failure, Site, Step

__all__ = ["Section", "document", "element", "in_a_notebook", "page", "sources_of"]

#: Lines of the source before and after a step's own.
AROUND = 6
#: Colours there are, for the columns; then they begin again.
COLORS = 6

_STEP = re.compile(r"\bstep (\d+)\b")


@cache
def _part(name: str) -> str:
    return (resources.files("iopf.explore") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def attributes(values: dict[str, object]) -> str:
    """`` name="value"`` for each that has one; True stands for the name alone."""
    return "".join(
        f" {name}" if value is True else f' {name}="{escape(str(value))}"'
        for name, value in values.items()
        if value not in (None, False, "")
    )


def element(name: str, inner: str, **values: object) -> str:
    """An element around markup. ``class_`` and ``data_x`` are the attributes class and data-x."""
    named = {key.rstrip("_").replace("_", "-"): value for key, value in values.items()}
    return f"<{name}{attributes(named)}>{inner}</{name}>"


def document(title: str, body: str, sources: dict[str, dict[int, str]], *, many: bool) -> str:
    """A whole page. ``many``: of its failures one is shown at a time, the one that the address names."""
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    data = json.dumps(sources, separators=(",", ":")).replace("<", "\\u003c")
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n"
        f'<body data-many="{str(many).lower()}">\n{body}\n'
        f'<script type="application/json" id="iopf-sources">{data}</script>\n<script>{script}</script>\n</body>\n</html>\n'
    )


class Section:
    """A failure's part of a page."""

    def __init__(self, failure: Failure, name: str, above: str = ""):
        self.failure = failure
        self.name = name
        #: markup above its head
        self.above = above
        self.reading = Reading(failure)
        self.tasks = self.reading.tasks
        self.leads: defaultdict[int, list[int]] = defaultdict(list)
        for index, step in enumerate(failure.steps):
            for before in step.follows:
                self.leads[before].append(index)

    # --- parts of a line ---

    def link(self, index: int, text: str) -> str:
        return element("a", escape(text), href=f"#{self.name}-s{index + 1}", data_step=index + 1)

    def linked(self, text: str) -> str:
        """Text whose "step 7" leads there."""
        return _STEP.sub(lambda match: self.link(int(match[1]) - 1, match[0]), escape(text))

    def color(self, column: int) -> str:
        return f"c{self.tasks.index(column) % COLORS}"

    def cells(self, step: Step, inner: str, held: dict[int, int]) -> str:
        """One for each task: the bars of its locks, and in the step's own what is told."""
        made = []
        for task in self.tasks:
            bars = '<span class="bar"></span>' * held.get(task, 0)
            if task == step.column:
                made.append(
                    element(
                        "td", bars + inner, class_=f"task mine {self.color(task)}", data_task=self.failure.tasks[task]
                    )
                )
            else:
                made.append(element("td", bars, class_=f"task {self.color(task)}"))
        return "".join(made)

    def row(self, step: Step, inner: str, held: dict[int, int], **values: object) -> str:
        """A line that is no step's own."""
        return element("tr", f"<th></th>{self.cells(step, inner, held)}<td></td>", **values)

    def step_row(self, index: int, held: dict[int, int], **values: object) -> str:
        """A step's own line, with all that the chosen step is told by."""
        step = self.failure.steps[index]
        text = f"<code>{escape(phrase(step)).replace(' -&gt; ', ' → ')}</code>"
        note = note_of(step)
        if note:
            text += f" <span>{escape(note)}</span>"
        place = step.place
        where = escape(place.short) if place else ""
        classes = ["step"]
        if values.pop("more", False):
            classes.append("more")
        elif index in self.reading.marked:
            classes.append("marked")
        if index == self.reading.end:
            classes.append("end")
        data = {
            "data_step": index + 1,
            "data_column": step.column,
            "data_task": step.task,
            "data_text": phrase(step) + (f"  {note}" if note else ""),
            "data_operation": step.operation,
            "data_held": f"{step.held} lock{'s' if step.held != 1 else ''}" if step.held else "",
            "data_follows": " ".join(str(before + 1) for before in step.follows),
            "data_leads": " ".join(str(then + 1) for then in self.leads[index]),
            "data_others": ", ".join(step.others),
            "data_preempted": f"{self.reading.before(index)} could have gone on" if step.preempted else "",
            "data_file": place.file if place and place.line else None,
            "data_line": place.line if place and place.line else None,
            "data_function": place.function if place else None,
        }
        return element(
            "tr",
            f'<th scope="row">{index + 1}</th>{self.cells(step, text, held)}<td class="where">{where}</td>',
            class_=" ".join(classes),
            id=f"{self.name}-s{index + 1}",
            tabindex="-1",
            **data,
            **values,
        )

    # --- the table ---

    def held_before(self, index: int) -> dict[int, int]:
        """Locks of each task at that step, and of its own those that it had in it."""
        held = dict.fromkeys(self.tasks, 0)
        for step in self.failure.steps[: index + 1]:
            held[step.column] = step.held
        return held

    def rows(self) -> Iterator[str]:
        steps = self.failure.steps
        told = -1
        last_place = None
        for row in self.reading.rows():
            for index in range(told + 1, row.index):
                yield self.step_row(index, self.held_before(index), more=True, hidden=True)
            told = max(told, row.index - 1)
            step = steps[row.index]
            if row.kind == "preempted":
                width = len(self.tasks) + 1
                yield element(
                    "tr",
                    f"<th></th>{element('td', escape(row.text), colspan=width, class_='wide')}",
                    class_="preempted",
                )
            elif row.kind == "call":
                yield self.row(step, f"<span>{escape(row.text)}</span>", row.held, class_="call")
            elif row.kind == "fold":
                yield from self.fold(row)
                told = row.last
            else:
                yield self.step_row(row.index, row.held)
                told = row.index
                if row.index in self.reading.rests_on and step.place is not None and step.place != last_place:
                    last_place = step.place
                    line = source_line(step.place)
                    if line is not None:
                        text = f"<code>{escape(line)}</code>"
                        yield self.row(step, text, {**row.held, step.column: step.held}, class_="source")
        for index in range(told + 1, len(steps)):
            yield self.step_row(index, self.held_before(index), more=True, hidden=True)

    def fold(self, row: Row) -> Iterator[str]:
        """A line to open, and what is in it."""
        name = f"{self.name}-fold{row.index + 1}"
        step = self.failure.steps[row.index]
        button = element("button", escape(row.text), type="button", data_fold=name, aria_expanded="false")
        yield self.row(step, button, row.held, class_="fold", data_fold=name)
        shown = set(self.reading.shown())
        for index in range(row.index, row.last + 1):
            yield self.step_row(
                index, self.held_before(index), hidden=True, **({"data_in": name} if index in shown else {"more": True})
            )

    def table(self) -> str:
        heads = "".join(
            element("th", escape(self.failure.tasks[task]), scope="col", class_=f"task {self.color(task)}")
            for task in self.tasks
        )
        caption = f"The execution, a row for each step: {len(self.failure.steps)} steps of {len(self.tasks)} tasks"
        return (
            f'<div class="trace"><svg aria-hidden="true"><defs><marker id="{self.name}-tip" viewBox="0 0 8 8" refX="7" refY="4"'
            ' markerWidth="6" markerHeight="6" orient="auto-start-reverse"><path d="M0,0 L8,4 L0,8 z"/></marker></defs></svg>'
            f'<table><caption class="sr">{escape(caption)}</caption><thead><tr><th scope="col">step</th>{heads}'
            '<th scope="col">where</th></tr></thead><tbody>\n' + "\n".join(self.rows()) + "\n</tbody></table></div>"
        )

    # --- what stands around it ---

    def head(self) -> str:
        failure = self.failure
        facts = [("required", escape(required(failure)))]
        facts.append(("scenario", escape(failure.scenario)))
        facts.append(("core", escape(failure.core)))
        minimal = ", no schedule with fewer shows it" if failure.minimal and failure.preemptions else ""
        facts.append(("preemptions", f"{failure.preemptions}{minimal}"))
        if failure.contract == "kept":
            facts.append(("contract", "the driver kept it"))
        else:
            clauses = "<br>".join(map(escape, failure.clauses or ("which clause is not known",)))
            facts.append(("contract", f'<span class="broken">the driver broke it: {clauses}</span>'))
        deviation = chosen(failure.kind, failure.message, failure.contract)
        if deviation is not None:
            facts.append(("deviation", escape(deviation.label)))
        if not failure.confirmed:
            facts.append(("a prediction", "no execution of this search came to it"))
        if failure.dropped:
            facts.append(("not needed", "<br>".join(map(escape, failure.dropped))))
        rows = "".join(f"<dt>{name}</dt><dd>{what}</dd>" for name, what in facts)
        return (
            f'<p class="kind">{escape(failure.kind)}</p><h2 id="{self.name}-title">{escape(failure.message)}</h2>'
            f'<p class="cause">{self.linked(self.reading.cause.text)}</p><dl class="facts">{rows}</dl>'
        )

    def culprits(self) -> str:
        if self.failure.culprit is None:
            return ""
        rows = []
        for word, index in zip(("first", "then"), self.failure.culprit):
            step = self.failure.steps[index]
            rows.append(
                f"<span>{word} {escape(step.task)}</span><code>{escape(phrase(step))}</code>"
                f"<span>{self.link(index, f'step {index + 1}')}</span>"
            )
        return (
            f'<div class="pair" role="group" aria-label="the culprit pair">{"".join(rows)}'
            '<p class="quiet">In the other order it does not fail.</p></div>'
        )

    def tools(self) -> str:
        keys = "<kbd>↑</kbd> <kbd>↓</kbd> step, <kbd>n</kbd> <kbd>p</kbd> of the same task, <kbd>a</kbd> arrows, <kbd>e</kbd> events"
        return (
            '<div class="tools" hidden>'
            '<button type="button" data-does="arrows" aria-pressed="false">all arrows</button>'
            '<button type="button" data-does="every" aria-pressed="false">every event</button>'
            f'<span class="quiet">{keys}</span></div>'
        )

    def sites(self) -> str:
        sites = [site for site in self.failure.sites if self.failure.kind != "data-race" or not site.memory]
        if not sites:
            return ""
        return (
            '<table class="sites"><caption class="sr">Where it is</caption><tbody>'
            + "".join(map(self.site, sites))
            + "</tbody></table>"
        )

    def site(self, site: Site) -> str:
        cells = (
            escape(site.what),
            escape(site.object or ""),
            escape(f"by {site.task}") if site.task is not None else "",
            self.link(site.step, f"step {site.step + 1}") if site.step is not None else "",
            f"<code>{escape(str(site.place))}</code>" if site.place is not None else "",
        )
        return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"

    def again(self) -> str:
        if not self.failure.token:
            return ""
        command = self.failure.command or f"iopf replay {self.failure.token}"
        return f'<div class="again"><p>To run exactly this again:</p><pre tabindex="0">{escape(command)}</pre></div>'

    def html(self) -> str:
        """The section."""
        failure = self.failure
        pair = " ".join(str(index + 1) for index in failure.culprit or ())
        trace = (
            f'{self.tools()}<div class="view">{self.table()}<aside aria-live="polite" aria-label="the chosen step" hidden></aside></div>'
            if failure.steps
            else ""
        )
        return element(
            "section",
            f"{self.above}{self.head()}{self.culprits()}{trace}{self.sites()}{self.again()}",
            class_="failure" if failure.confirmed else "failure prediction",
            id=self.name,
            aria_labelledby=f"{self.name}-title",
            data_pair=pair,
        )

    def places(self) -> Iterator[tuple[str, int]]:
        """Files and lines that the page may be asked for."""
        for step in self.failure.steps:
            if step.place is not None and step.place.line:
                yield step.place.file, step.place.line


def sources_of(sections: Iterable[Section]) -> dict[str, dict[int, str]]:
    """The source around every step, by file and line."""
    wanted: defaultdict[str, set[int]] = defaultdict(set)
    for section in sections:
        for file, line in section.places():
            wanted[file].update(range(line - AROUND, line + AROUND + 1))
    found = {}
    for file, numbers in sorted(wanted.items()):
        lines = source_lines(file, min(numbers), max(numbers))
        if lines:
            found[file] = {number: line for number, line in lines.items() if number in numbers}
    return found


def page(failures: Sequence[Failure], *, title: str, summary: str = "") -> str:
    """A page of these failures, one under the other, as HTML.

    :param title: of the page
    :param summary: a sentence under it
    """
    sections = [Section(failure, f"f{number}") for number, failure in enumerate(failures, 1)]
    head = (
        f"<header><h1>{escape(title)}</h1>"
        + (f'<p class="quiet">{escape(summary)}</p>' if summary else "")
        + "</header>"
    )
    body = "\n".join(section.html() for section in sections) or "<p>No failure.</p>"
    return document(title, f"{head}\n<main>\n{body}\n</main>", sources_of(sections), many=False)


def in_a_notebook(html: str | None, *lines: str) -> str:
    """For a notebook: the lines, and a page in a frame of its own, which is all that the page may touch."""
    said = "".join(
        f"<p>{'<strong>' if not number else ''}{escape(line)}{'</strong>' if not number else ''}</p>"
        for number, line in enumerate(lines)
    )
    if html is None:
        return f"<div>{said}</div>"
    frame = f'<iframe srcdoc="{escape(html)}" sandbox="allow-scripts" width="100%" height="640" title="{escape(lines[0])}"></iframe>'
    return f"<div>{said}{frame}</div>"
