# SPDX-License-Identifier: GPL-2.0-only
"""The table of a check as an HTML page whose cells open what failed, as iopf/explore/page.py shows it.

A finding is text and a token; what the page shows of it comes from the execution itself, which is run again, in a process
of its own: it is milliseconds, and nothing has to be kept for those who want no page.
"""

from __future__ import annotations

import argparse
import shlex
from html import escape

from ._check_baseline import Comparison
from ._check_pool import in_a_process
from ._check_render import cell_text, marks_of
from ._check_table import Cell, Finding, Table
from ._cores import named
from ._options import parse_facets
from .explore import DidNotReproduce, Failure, replay
from .explore.page import Section, document, element, sources_of

__all__ = ["check_page"]


def _again(commands: list[str]) -> list[Failure | None]:
    """The failures of lines to paste: ``iopf replay TOKEN``, with the file and the facets; None: it did not show."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("token")
    parser.add_argument("--core")
    parser.add_argument("--facet", action="append", default=[])
    found: list[Failure | None] = []
    for command in commands:
        words = parser.parse_args(shlex.split(command)[2:])
        try:
            found.append(replay(words.token, core=named(words.core, parse_facets(words.facet))).failure)
        # What cannot be run, or does not show again, is shown as it was told.
        except (DidNotReproduce, LookupError, ValueError, RuntimeError, OSError):
            found.append(None)
    return found


def _shown(table: Table, cell: Cell) -> tuple[Finding, ...]:
    """What a cell opens: everything in a column that is judged, and of the others what its word is about."""
    judged = {core for core, claims in zip(table.cores, table.claims_correct) if claims}
    first = cell.finding
    if first is None:
        return ()
    if cell.core not in judged:
        return (first,)
    return (first, *(finding for finding in cell.findings if finding is not first))


def _word(finding: Finding) -> str:
    """As the table has it: in brackets what is the driver's, and what upstream chose."""
    if finding.contract != "kept":
        return f"({finding.kind})"
    return f"[{finding.kind}]" if finding.chosen else finding.kind


class _Page:
    def __init__(self, table: Table, comparison: Comparison | None, budget: float):
        self.table = table
        self.comparison = comparison
        self.shown = [(cell, finding) for cell in table.cells for finding in _shown(table, cell)]
        commands = [finding.command for _, finding in self.shown]
        nothing: list[Failure | None] = [None] * len(commands)
        self.failures = (in_a_process(_again, commands, budget) or nothing) if commands else nothing
        self.names = {
            (cell.scenario, cell.core, number): f"f{place}" for place, (cell, number) in enumerate(self._numbered(), 1)
        }

    def _numbered(self) -> list[tuple[Cell, int]]:
        """Each that is shown, with its number in its cell."""
        return [(cell, number) for cell in self.table.cells for number, _ in enumerate(_shown(self.table, cell))]

    # --- the table ---

    def cell(self, scenario: str, core: str) -> str:
        cell = self.table.cell(scenario, core)
        if cell is None:
            return '<td class="quiet">not reached</td>'
        mark = marks_of(self.table, self.comparison).get((scenario, core), "")
        text = escape(mark + cell_text(cell, False))
        findings = _shown(self.table, cell)
        if not findings:
            title = cell.why or ""
            return element("td", text, class_="pass" if cell.verdict == "pass" else "quiet", title=title)
        links = []
        for number, finding in enumerate(findings):
            word = text if not number else escape(_word(finding))
            links.append(element("a", word, href=f"#{self.names[scenario, core, number]}", title=finding.message))
        bad = cell.faults(self.table.strict)
        return element("td", ", ".join(links), class_="fail" if bad else "")

    def cells(self) -> str:
        heads = "".join(element("th", escape(core), scope="col") for core in self.table.cores)
        rows = "".join(
            f'<tr><th scope="row">{escape(scenario)}</th>'
            + "".join(self.cell(scenario, core) for core in self.table.cores)
            + "</tr>\n"
            for scenario in self.table.scenarios
        )
        return (
            '<div class="cells" tabindex="0" role="region" aria-label="the table"><table><thead><tr><th scope="col">scenario</th>'
            f"{heads}</tr></thead><tbody>\n{rows}</tbody></table></div>"
        )

    # --- the whole ---

    def section(self, number: int, sections: list[Section]) -> str:
        """A failure as it is shown; as it was told, where it could not be run again."""
        (cell, finding), failure, name = self.shown[number], self.failures[number], f"f{number + 1}"
        back = f'<p><a href="#table">{escape(cell.scenario)} on {escape(cell.core)}</a>, in the table</p>'
        if failure is not None:
            sections.append(Section(failure, name, back))
            return sections[-1].html()
        title = element("h2", escape(f"{finding.kind}: {finding.message}"), id=f"{name}-title")
        trace = f'<pre tabindex="0">{escape(finding.trace)}</pre>'
        return element("section", back + title + trace, class_="failure told", id=name, aria_labelledby=f"{name}-title")

    def html(self) -> str:
        table = self.table
        judged = [core for core, claims in zip(table.cores, table.claims_correct) if claims and core != table.baseline]
        bad = len(table.bugs)
        words = [
            f"{len(table.cells):,} cells",
            f"{bad} of {', '.join(judged) or 'no judged core'} with the contract kept",
        ]
        if table.baseline is not None:
            words.append(f"beside {table.baseline}")
        if not table.complete:
            words.append("interrupted")
        sections: list[Section] = []
        shown = "\n".join(self.section(number, sections) for number in range(len(self.shown)))
        body = (
            f'<header id="table"><h1>iopf check</h1><p class="quiet">{escape("; ".join(words))}. (In brackets: the driver broke'
            f" its contract.)</p></header>\n<main>{self.cells()}\n{shown}\n</main>"
        )
        return document("iopf check", body, sources_of(sections), many=True)


def check_page(table: Table, comparison: Comparison | None, budget: float = 60.0) -> str:
    """The table as a page.

    :param budget: seconds that an exploration of the table had, after which a process counts as one that does not come back
    """
    return _Page(table, comparison, budget).html()
