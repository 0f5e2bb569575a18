# SPDX-License-Identifier: GPL-2.0-only
"""The verdict table as text, in full where it fits and in short where it does not. A cell without a verdict shows a
question mark."""

from __future__ import annotations

import textwrap
from collections import Counter

from ._check_baseline import KINDS, Comparison, Difference
from ._check_table import Cell, Finding, Table

__all__ = ["SHORT", "cell_text", "large", "marks_of", "render", "render_bugs", "render_comparison"]

# fmt: off
#: What fits into a column.
SHORT = {
    "use-after-free": "UAF", "double-free": "2xfree", "invalid-free": "badfree", "bad-access": "badacc",
    "leak": "leak", "data-race": "race", "refcount": "refcnt", "rcu": "rcu", "sleep": "sleep", "deadlock": "deadlk",
    "livelock": "livelk", "lock-order": "lockord", "stack-overflow": "stack", "lost-response": "lost",
    "double-response": "double", "wrong-response": "wrong", "late-response": "late",
    "wrong-code": "code", "wrong-group": "group", "under-lock": "inlock", "unexpected-return": "return",
    "wrong-count": "count", "missing-warn": "nowarn", "warn": "warn",
}
# fmt: on

GREEN, RED, YELLOW, DIM, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[33m", "\033[2m", "\033[1m", "\033[0m"


def large(number: int) -> str:
    """``950``, ``12k``, ``3M``."""
    for limit, unit in ((1_000_000, "M"), (10_000, "k")):
        if number >= limit:
            return f"{number / (1000 if unit == 'k' else 1_000_000):.0f}{unit}"
    return str(number)


def cell_text(cell: Cell, short: bool) -> str:
    """``✓ 22``, ``UAF``, ``(UAF)`` with the contract broken and ``[late]`` as upstream chose it (and a ``?`` when the search
    did not end), ``? bounded``, ``gone`` with the process."""
    finding = cell.finding
    if finding is not None:
        kind = SHORT.get(finding.kind, finding.kind) if short else finding.kind
        if finding.contract == "kept" and finding.chosen is None:
            return kind
        return (f"[{kind}]" if finding.chosen else f"({kind})") + ("" if cell.exhausted else "?")
    if cell.gone:
        return "gone"
    if cell.verdict == "pass" and cell.executions:
        return f"✓ {large(cell.classes or 0) if short else format(cell.classes or 0, ',')}"
    return "?" if short else f"? {cell.verdict if cell.executions else 'nothing ran'}"


def _color(cell: Cell | None, claims: bool) -> str:
    if cell is None:
        return DIM
    finding = cell.finding
    if finding is None:
        if cell.gone and claims:
            return BOLD + RED
        return GREEN if cell.verdict == "pass" else YELLOW
    if finding.contract == "kept" and finding.chosen is None:
        return BOLD + RED if claims else RED
    return YELLOW if claims else DIM


#: The narrowest that a name of a column is cut to.
NARROWEST = 12


def _cut(name: str, most: int) -> str:
    """A name in so many characters; the end of a path tells more than its beginning."""
    return name if len(name) <= most else f"..{name[-(most - 2) :]}"


def _blocks(widths: list[int], first: int, width: int) -> list[list[int]]:
    """The columns, by number, of each part of a table that fits: one part when all do."""
    blocks: list[list[int]] = [[]]
    used = first
    for index, wide in enumerate(widths):
        if blocks[-1] and used + 2 + wide > width:
            blocks.append([])
            used = first
        blocks[-1].append(index)
        used += 2 + wide
    return blocks


def marks_of(table: Table, comparison: Comparison | None) -> dict[tuple[str, str], str]:
    """What is put before a cell that differs from the baseline's: ``+`` worse, ``-`` mended, ``~`` otherwise."""
    marks: dict[tuple[str, str], str] = {}
    for one in comparison.differences if comparison else ():
        mark = "+" if one in comparison.new else "-" if one.kind == "mended" else "~"  # type: ignore[union-attr]
        key = one.scenario, one.core
        marks[key] = max(mark, marks.get(key, mark), key="~-+".index)
    return marks


def _shown_rows(table: Table, comparison: Comparison | None) -> list[str]:
    """The rows of the table; beside a baseline those that differ, or have no verdict."""
    if comparison is None:
        return list(table.scenarios)
    different = {one.scenario for one in comparison.differences}
    return [scenario for scenario in table.scenarios if scenario in different or comparison.lacks(scenario)]


def render(table: Table, *, width: int, color: bool, comparison: Comparison | None = None) -> str:
    """The table as text: in full where it fits, in short where it does not, and in parts where that does not fit.

    :param width: characters of a line; what people read below the table is wrapped, what they paste is not
    :param comparison: show what differs from the baseline, and no other rows
    """
    rows, marks = _shown_rows(table, comparison), marks_of(table, comparison)
    first = max(map(len, (*rows, "scenario")))
    for short in (False, True):
        texts = {
            (scenario, core): marks.get((scenario, core), "") + cell_text(cell, short)
            if (cell := table.cell(scenario, core))
            else "-"
            for scenario in rows
            for core in table.cores
        }
        most = max(NARROWEST, width - first - 2) if short else 1 << 30
        names = [_cut(core, most) for core in table.cores]
        widths = [
            max(len(name), *(len(texts[scenario, core]) for scenario in rows), 1)
            for core, name in zip(table.cores, names)
        ]
        if first + sum(2 + w for w in widths) <= width:
            break

    def paint(text: str, code: str) -> str:
        return f"{code}{text}{PLAIN}" if color else text

    lines: list[str] = []
    for block in _blocks(widths, first, width) if rows else ():
        lines += [""] if lines else []
        head = [f"{'scenario':<{first}}", *(f"{names[index]:<{widths[index]}}" for index in block)]
        lines.append(paint("  ".join(head).rstrip(), BOLD))
        for scenario in rows:
            parts = [f"{scenario:<{first}}"]
            for index in block:
                core = table.cores[index]
                padded = f"{texts[scenario, core]:<{widths[index]}}"
                parts.append(paint(padded, _color(table.cell(scenario, core), table.claims_correct[index])))
            lines.append("  ".join(parts).rstrip())

    legend = _legend(table, set(rows), list(texts.values()), short, comparison)
    lines += ["", *(piece for line in legend for piece in _wrapped(line, width))] if lines else []
    total = sum(cell.executions for cell in table.cells if not cell.cached)
    kept = sum(cell.cached for cell in table.cells)
    known = f", {kept} of them known from before" if kept else ""
    lines.append(f"{len(table.cells)} cells{known}, {total:,} executions, {table.seconds:.1f} s")
    for line in _deviations(table):
        lines += _wrapped(line, width)
    return "\n".join(lines)


def _deviations(table: Table) -> list[str]:
    """What was found of upstream's choices, a line for each column and commit."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for cell, commit in table.deviations:
        found.setdefault((cell.core, commit), []).append(next(one for one in cell.chosen if one.chosen == commit))
    judged = "judged: --strict" if table.strict else "not judged without --strict"
    return [
        f"{core}: {len(ones)} cell{'' if len(ones) == 1 else 's'} as upstream chose against its own documentation in {commit}"
        f" ({', '.join(dict.fromkeys(one.kind for one in ones))}), {judged}"
        for (core, commit), ones in found.items()
    ]


def _wrapped(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, max(width, 40), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _legend(table: Table, rows: set[str], texts: list[str], short: bool, comparison: Comparison | None) -> list[str]:
    """What the signs mean that the table has, and what keeps cells from a verdict."""
    cells = [cell for cell in table.cells if cell.scenario in rows]
    legend = ["✓ n: every interleaving was executed, n classes, and none fails"]
    legend.append("(kind): the driver broke the core's contract in that execution; --all prints how")
    if any(cell.finding is not None and cell.finding.chosen for cell in cells):
        legend.append("[kind]: upstream chose it against its own documentation; --strict judges it")
    if comparison is not None:
        legend.append(f"beside {comparison.baseline}: + fails anew, - mended, ~ differs otherwise")
    if any("?" in text for text in texts):
        legend.append("?: no verdict: the search is not exhaustive")
    if any(cell.gone for cell in cells):
        legend.append("gone: the core took the process with it that explored it")
    used = {cell.finding.kind for cell in cells if cell.finding}
    if short and used:
        legend.append(", ".join(f"{SHORT[kind]} {kind}" for kind in sorted(used) if SHORT.get(kind, kind) != kind))
    for core, same in zip(table.cores, table.same_as):
        if same is not None:
            legend.append(f"{core} is what {same} is: explored once")
    lacking: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        if cell.verdict not in ("pass", "fail"):
            why = f"{cell.core}: {cell.verdict}{f', {cell.why}' if cell.why else ''}"
            lacking.setdefault((cell.core, why), []).append(cell.scenario)
    for (_, why), scenarios in lacking.items():
        what = scenarios[0] if len(scenarios) == 1 else f"{len(scenarios)} scenarios"
        legend += [f"  {line}" if index else f"  {what} on {line}" for index, line in enumerate(why.split("\n"))]
    return [line for line in legend if line]


def render_comparison(comparison: Comparison, *, width: int, traces: bool = True) -> str:
    """What differs from the baseline, in words: a line for each failure, and the trace of each new one.

    :param width: characters of a line
    :param traces: with the trace of what is new, one for each kind and place
    """
    lines: list[str] = []
    shown: set[tuple[str, str]] = set()
    # One failure in many scenarios is one line.
    groups: dict[tuple[str, str, str], list[Difference]] = {}
    for one in sorted(comparison.differences, key=lambda one: KINDS.index(one.kind)):
        groups.setdefault((one.kind, one.core, _what(one)), []).append(one)
    for (kind, core, what), ones in groups.items():
        lines += _wrapped(f"{kind}: {what}" if len(comparison.cores) == 1 else f"{kind} on {core}: {what}", width)
        if kind == "other classes":
            where = ", ".join(f"{one.scenario} {one.classes_before:,} -> {one.classes_after:,}" for one in ones)
        else:
            where = ", ".join(one.scenario for one in ones)
        lines += [f"  {line}" for line in textwrap.wrap(f"in {where}", max(width, 40) - 2, break_on_hyphens=False)]
    for one in comparison.new if traces else ():
        finding = one.after
        if finding is not None and finding.trace:
            if (one.core, finding.signature) in shown:
                continue
            shown.add((one.core, finding.signature))
            lines += ["", finding.trace]
    what = "failures with the contract kept" if comparison.contract == "kept" else "failures"
    numbers = Counter(one.kind for one in comparison.differences)
    counts = ", ".join(f"{numbers[kind]} {_counted(kind, numbers[kind])}" for kind in KINDS if kind in numbers)
    told = f"{len(comparison.unknown)} without a verdict" if comparison.unknown else ""
    summary = ", ".join(filter(None, (counts, told))) or "no difference"
    lines += ["", f"beside {comparison.baseline}, {what}, {comparison.compared} cells compared: {summary}"]
    return "\n".join(lines).strip("\n")


def _counted(kind: str, number: int) -> str:
    """A kind of difference behind a number."""
    if kind == "new failure":
        return kind if number == 1 else "new failures"
    return {
        "other kind": "of another kind",
        "other place": "at another place",
        "other contract": "with another contract",
        "other classes": "with other classes",
    }.get(kind, kind)


def _what(one: Difference) -> str:
    """A difference in words."""
    before, after = one.before, one.after
    if one.kind == "other classes":
        return "as many failures, from another number of interleavings"
    if before is not None and after is not None:
        return f"{_said(after)} (before: {_said(before)})"
    finding = after or before
    return _said(finding) if finding is not None else ""


def _said(finding: Finding) -> str:
    chosen = f" (upstream chose this in {finding.chosen})" if finding.chosen else ""
    return (finding.signature or f"{finding.kind}: {finding.message}") + chosen


def render_bugs(table: Table, everything: bool = False) -> str:
    """What a core that claims to be correct did wrong: one trace for each kind, the others by name. ``everything``: also
    what is in brackets, and what cores do that claim nothing."""
    lines: list[str] = []
    shown: set[tuple[str, str, str]] = set()
    others = [cell for cell in table.cells if cell.finding is not None and cell not in table.bugs] if everything else []
    for cell in (*table.bugs, *others):
        finding = cell.finding
        assert finding is not None
        lines.append("")
        if (cell.core, finding.kind, finding.contract) in shown:
            how = (
                f"as upstream chose in {finding.chosen}" if finding.chosen else f"with the contract {finding.contract}"
            )
            lines.append(f"{cell.core} fails {cell.scenario} {how}: {finding.kind}: {finding.message}")
            lines.append(f"  {finding.command}")
        else:
            shown.add((cell.core, finding.kind, finding.contract))
            lines.append(finding.trace)
    return "\n".join(lines)
