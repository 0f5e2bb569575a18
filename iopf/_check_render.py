# SPDX-License-Identifier: GPL-2.0-only
"""The verdict table as text, in full where it fits and in short where it does not. A cell without a verdict shows a
question mark."""

from __future__ import annotations

from ._check_table import Cell, Table

__all__ = ["SHORT", "cell_text", "large", "render", "render_bugs"]

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
    """``✓ 22``, ``UAF``, ``(UAF)`` with the contract broken (and a ``?`` when the search did not end), ``? bounded``,
    ``gone`` with the process."""
    finding = cell.finding
    if finding is not None:
        kind = SHORT.get(finding.kind, finding.kind) if short else finding.kind
        return kind if finding.contract == "kept" else f"({kind})" if cell.exhausted else f"({kind})?"
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
    if finding.contract == "kept":
        return BOLD + RED if claims else RED
    return YELLOW if claims else DIM


def render(table: Table, *, width: int, color: bool) -> str:
    """The table as text: in full where it fits, in short where it does not."""
    for short in (False, True):
        texts = {
            (scenario, core): cell_text(cell, short) if (cell := table.cell(scenario, core)) else "-"
            for scenario in table.scenarios
            for core in table.cores
        }
        first = max(map(len, (*table.scenarios, "scenario")))
        widths = {
            core: max(len(core), *(len(texts[scenario, core]) for scenario in table.scenarios)) for core in table.cores
        }
        if first + sum(2 + w for w in widths.values()) <= width:
            break

    def paint(text: str, code: str) -> str:
        return f"{code}{text}{PLAIN}" if color else text

    lines = [paint("  ".join([f"{'scenario':<{first}}", *(f"{core:<{widths[core]}}" for core in table.cores)]), BOLD)]
    for scenario in table.scenarios:
        parts = [f"{scenario:<{first}}"]
        for core, claims in zip(table.cores, table.claims_correct):
            padded = f"{texts[scenario, core]:<{widths[core]}}"
            parts.append(paint(padded, _color(table.cell(scenario, core), claims)))
        lines.append("  ".join(parts).rstrip())

    used = {cell.finding.kind for cell in table.cells if cell.finding}
    legend = ["✓ n: every interleaving was executed, n classes, and none fails"]
    legend.append("(kind): the driver broke the core's contract in that execution")
    if any("?" in text for text in texts.values()):
        legend.append("?: no verdict: the search is not exhaustive")
    if any(cell.gone for cell in table.cells):
        legend.append("gone: the core took the process with it that explored it")
    lines += ["", *legend]
    if short and used:
        lines.append(", ".join(f"{SHORT[kind]} {kind}" for kind in sorted(used) if SHORT.get(kind, kind) != kind))
    for cell in table.cells:
        if cell.verdict not in ("pass", "fail"):
            lines.append(f"  {cell.scenario} on {cell.core}: {cell.verdict}{f', {cell.why}' if cell.why else ''}")
    total = sum(cell.executions for cell in table.cells)
    lines.append(f"{len(table.cells)} cells, {total:,} executions, {table.seconds:.1f} s")
    return "\n".join(lines)


def render_bugs(table: Table) -> str:
    """What a core that claims to be correct did wrong: one trace for each kind, the others by name."""
    lines: list[str] = []
    shown: set[tuple[str, str]] = set()
    for cell in table.bugs:
        finding = cell.finding
        assert finding is not None
        lines.append("")
        if (cell.core, finding.kind) in shown:
            lines.append(f"{cell.core} fails {cell.scenario} with the contract kept: {finding.kind}: {finding.message}")
            lines.append(f"  {finding.command}")
        else:
            shown.add((cell.core, finding.kind))
            lines.append(finding.trace)
    return "\n".join(lines)
