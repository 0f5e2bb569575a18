# SPDX-License-Identifier: GPL-2.0-only
"""The verdict table: scenarios × cores, each cell an exploration, and what it found.

:func:`check` explores, in a pool of processes (_check_pool.py); the :class:`Table` says what follows (_check_table.py),
:func:`render` shows it (_check_render.py), and ``iopf check`` is the command over them (_check_command.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, as_completed
from dataclasses import asdict

from . import scenarios as library
from ._check_pool import Job, explore_all, explore_cell
from ._check_render import render, render_bugs
from ._check_table import ENDED as ENDED, HUNG as HUNG, LEFT_OUT as LEFT_OUT, Cell, Finding, Table
from ._cores import Core, cores
from ._hints import unknown
from ._options import MAX_SECONDS
from .explore.library import find_scenario
from .explore.scenario import BaseScenario

__all__ = ["Cell", "Finding", "Table", "check", "render", "render_bugs"]

#: Seconds for one cell.
BUDGET = 20.0


def _source_of(core: Core | str) -> dict[str, object] | None:
    if not isinstance(core, Core) or core.source is None or core.facets is None:
        return None
    return {"path": str(core.source), "form": core.facets.form, "facets": asdict(core.facets)}


def _scenario(name: str) -> BaseScenario:
    """The scenario of a name: one of the library, ``file.py:name``, ``file.json``. ValueError: there is none."""
    if name in library.names():
        return library.build(name)
    if ":" not in name and not name.endswith((".py", ".json")) and not name.startswith("rcget-"):
        raise ValueError(f"{unknown('scenario', name, library.names())}; also file.py:name, and file.json")
    try:
        found = find_scenario(name)
    except LookupError as error:
        raise ValueError(str(error)) from error
    # What a worker gets is of our classes, whatever the file made of them.
    return BaseScenario.from_dict(found.to_dict())


def check(
    cores_to_check: Iterable[Core | str],
    scenarios: Iterable[str | BaseScenario],
    *,
    budget: float = BUDGET,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Table:
    """Explores every scenario on every core.

    :param cores_to_check: names, or cores from :meth:`iopf.Core.from_source`
    :param scenarios: names, as :func:`iopf.explore.find_scenario` takes them, or scenarios; no name twice
    :param budget: seconds for one cell, up to 1e9
    :param executor: any :class:`concurrent.futures.Executor` whose workers are processes; None: one of as many
        processes as there are CPUs
    :param progress: called with the number of finished cells and of all
    :raises ValueError: no such core or scenario, or a budget out of range
    :raises KeyboardInterrupt: with ``args[0]`` the Table of the cells that were finished
    """
    known = cores()
    if not 0 < budget <= MAX_SECONDS:
        raise ValueError(f"budget {budget}: takes a number above 0, of seconds, up to {MAX_SECONDS:g}")
    columns = [(core, core.name if isinstance(core, Core) else core) for core in cores_to_check]
    for core, name in columns:
        if not isinstance(core, Core) and name not in known:
            raise ValueError(unknown("core", name, known))
    named = [
        (scenario, _scenario(scenario)) if isinstance(scenario, str) else (scenario.name, scenario)
        for scenario in scenarios
    ]
    rows = tuple(name for name, _ in named)
    claims = tuple(core.claims_correct if isinstance(core, Core) else known[core].claims_correct for core, _ in columns)
    for core, _ in columns:
        if isinstance(core, Core) and core.source is not None:
            core.compile_for("explore")  # once, here: an error is an error of the file, and not of a cell
    names = tuple(name for _, name in columns)
    begin = time.monotonic()
    done: dict[tuple[str, str], Cell] = {}
    jobs = [
        Job(row, what, core, name, claim, budget) for (core, name), claim in zip(columns, claims) for row, what in named
    ]

    def take(cell: Cell) -> None:
        done[cell.scenario, cell.core] = cell
        if progress is not None:
            progress(len(done), len(jobs))

    def table(complete: bool) -> Table:
        order = [(scenario, name) for scenario in rows for name in names]
        return Table(
            rows,
            names,
            claims,
            tuple(done[key] for key in order if key in done),
            time.monotonic() - begin,
            complete,
            tuple(_source_of(core) for core, _ in columns),
        )

    try:
        if executor is not None:
            for future in as_completed([executor.submit(explore_cell, job) for job in jobs]):
                take(future.result())
        else:
            explore_all(jobs, take)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(table(False)) from None
    return table(True)
