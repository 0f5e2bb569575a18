# SPDX-License-Identifier: GPL-2.0-only
"""What a table says of the failures that the project keeps of its cells."""

from __future__ import annotations

import contextlib

from ._check_table import Table
from .check import scenario_of
from .explore import _engine
from .explore.answer import PASSES_NOW, STILL_FAILS
from .explore.given import is_it, looked_for_less
from .explore.kept import of_project
from .explore.token import decode

__all__ = ["kept_in"]


def kept_in(table: Table) -> list[str]:
    """What the cells of a table say of what is kept of them, a line for each failure; nothing where a cell cannot tell."""
    lines = []
    rows = {scenario_of(row).name: row for row in table.scenarios} if (known := of_project()[0]) else {}
    paths = {str(source["path"]): label for label, source in zip(table.cores, table.sources) if source}
    cells = {(cell.scenario, cell.core): cell for cell in table.cells}
    seen = set()
    for one in known:
        with contextlib.suppress(ValueError):
            recorded = decode(one.token)
            row = rows.get(recorded.scenario.name)
            column = recorded.core if recorded.file is None else paths.get(recorded.file.path)
            cell = cells.get((row or "", column or ""))
            key = row, column, recorded.signature
            if cell is None or key in seen or scenario_of(cell.scenario) != recorded.scenario:
                continue
            seen.add(key)
            if any(is_it(recorded.signature, finding.signature) for finding in cell.findings):
                lines.append(f"{STILL_FAILS}: {one.id} ({cell.scenario}, {cell.core})")
            elif cell.verdict == "pass" and not looked_for_less(_engine.get(), 0, recorded.flags):
                lines.append(f"{PASSES_NOW}: {one.id} ({cell.scenario}, {cell.core}: every interleaving was explored)")
    return lines
