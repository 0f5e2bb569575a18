# SPDX-License-Identifier: GPL-2.0-only
"""The verdict table: scenarios × cores, each cell an exploration, and what it found.

A cell passes when its search was exhaustive and nothing failed. A failure says whether the driver kept the core's
contract in the execution that failed: with the contract kept it is the core's bug, with a clause broken it is the
driver's, and nobody should take one for the other. The exit code is 1 only when a core that claims to be correct (ours,
or the user's file) fails with its contract kept.

Cells are independent, so they go to a pool of processes; each has an explorer of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from typing import Any, TextIO

from ._cores import Core, CoreSourceError, cores, resolve_for_explorer
from ._processes import be_a_worker, deaf_to_the_terminal, held

__all__ = ["Cell", "Table", "check"]

FINE, FOUND, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
#: Seconds for one cell.
BUDGET = 20.0

#: Seconds beyond twice its budget after which a cell does not come back: it has ends of its own long before.
PATIENCE = 30.0

ENDED = "the process that explored it ended: the core called something that it must not"
HUNG = "it never came back: the core loops without touching memory"
LEFT_OUT = "left out: this core did not come back before"

#: How long a signal waits while nothing comes, in seconds.
SLICE = 0.05

#: What fits into a column.
SHORT = {
    "use-after-free": "UAF", "double-free": "2xfree", "invalid-free": "badfree", "bad-access": "badacc",
    "leak": "leak", "data-race": "race", "refcount": "refcnt", "rcu": "rcu", "deadlock": "deadlk",
    "livelock": "livelk", "lock-order": "lockord", "stack-overflow": "stack", "lost-response": "lost",
    "double-response": "double", "wrong-response": "wrong", "late-response": "late",
    "unexpected-return": "return", "warn": "warn",
}


@dataclass(frozen=True)
class Finding:
    """One kind of failure in a cell."""

    kind: str
    #: "kept" or "broken"
    contract: str
    clauses: tuple[str, ...]
    message: str
    #: replays it
    token: str
    #: the trace, as people read it
    trace: str


@dataclass(frozen=True)
class Cell:
    """One scenario on one core."""

    scenario: str
    core: str
    #: of explore(): "pass", "bounded", "sampled", "fail", "inconclusive"
    verdict: str
    why: str | None
    classes: int | None
    executions: int
    seconds: float
    #: the gravest first
    findings: tuple[Finding, ...]

    @property
    def finding(self) -> Finding | None:
        """What the cell shows: a failure that is the core's own before one that is the driver's."""
        kept = [finding for finding in self.findings if finding.contract == "kept"]
        return (kept or list(self.findings) or [None])[0]

    @property
    def gone(self) -> bool:
        """Did the core take the process with it that explored it?"""
        return self.why in (ENDED, HUNG)

    def text(self, short: bool) -> str:
        """``✓ 22``, ``UAF``, ``(UAF)`` with the contract broken, ``? bounded``, ``gone`` with the process."""
        finding = self.finding
        if finding is not None:
            kind = SHORT.get(finding.kind, finding.kind) if short else finding.kind
            return kind if finding.contract == "kept" else f"({kind})"
        if self.gone:
            return "gone"
        if self.verdict == "pass":
            return f"✓ {_large(self.classes or 0) if short else format(self.classes or 0, ',')}"
        return "?" if short else f"? {self.verdict}"


@dataclass(frozen=True)
class Table:
    """All cells, and what follows."""

    scenarios: tuple[str, ...]
    cores: tuple[str, ...]
    claims_correct: tuple[bool, ...]
    cells: tuple[Cell, ...]
    seconds: float
    complete: bool
    #: the file of each core, and how it was read; None: a core of the build
    sources: tuple[dict[str, Any] | None, ...]

    def cell(self, scenario: str, core: str) -> Cell | None:
        """One cell; None: it was not reached."""
        for cell in self.cells:
            if (cell.scenario, cell.core) == (scenario, core):
                return cell
        return None

    @property
    def bugs(self) -> list[Cell]:
        """Cells in which a core that claims to be correct fails with its contract kept."""
        claiming = {core for core, claims in zip(self.cores, self.claims_correct) if claims}
        return [
            cell for cell in self.cells
            if cell.core in claiming and cell.finding is not None and cell.finding.contract == "kept"
        ]

    @property
    def exit_code(self) -> int:
        """1: there are bugs, or a core that claims to be correct ended its process or never came back; 0: neither."""
        claiming = {core for core, claims in zip(self.cores, self.claims_correct) if claims}
        return FOUND if self.bugs or any(cell.gone and cell.core in claiming for cell in self.cells) else FINE

    def to_dict(self) -> dict[str, Any]:
        """JSON-able data."""
        return {
            "cores": [
                {"name": core, "claims_correct": claims, **({"source": source} if source else {})}
                for core, claims, source in zip(self.cores, self.claims_correct, self.sources)
            ],
            "scenarios": list(self.scenarios),
            "cells": [asdict(cell) for cell in self.cells],
            "seconds": self.seconds,
            "complete": self.complete,
            "bugs": [[cell.scenario, cell.core] for cell in self.bugs],
        }


def _source_of(core: Core | str) -> dict[str, Any] | None:
    if not isinstance(core, Core) or core.source is None or core.facets is None:
        return None
    return {"path": str(core.source), "form": core.facets.form, "facets": asdict(core.facets)}


def _large(number: int) -> str:
    for limit, unit in ((1_000_000, "M"), (10_000, "k")):
        if number >= limit:
            return f"{number / (1000 if unit == 'k' else 1_000_000):.0f}{unit}"
    return str(number)


# --- one cell, in a process of the pool ---


@dataclass(frozen=True)
class _Job:
    """What becomes a cell: the core, and the name of its column."""

    scenario: str
    core: Core | str
    name: str
    budget: float


def _cell(job: _Job) -> Cell:
    from .explore import explore
    from .scenarios import build

    result = explore(build(job.scenario), core=resolve_for_explorer(job.core), budget=job.budget)
    findings = tuple(
        Finding(failure.kind, failure.contract, failure.clauses, failure.message, failure.token, str(failure))
        for failure in result.failures
    )
    return Cell(
        job.scenario, job.name, result.verdict, result.why, result.classes, result.executions, result.seconds, findings
    )


def check(
    cores_to_check: Iterable[Core | str],
    scenarios: Iterable[str],
    *,
    budget: float = BUDGET,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Table:
    """Explores every scenario on every core.

    :param cores_to_check: names, or cores from :meth:`iopf.Core.from_source`
    :param scenarios: names of :mod:`iopf.scenarios`
    :param budget: seconds for one cell
    :param executor: any :class:`concurrent.futures.Executor` whose workers are processes; None: one of as many
        processes as there are CPUs
    :param progress: called with the number of finished cells and of all
    :raises KeyboardInterrupt: with ``args[0]`` the Table of the cells that were finished
    """
    known = cores()
    columns = [(core, core.name if isinstance(core, Core) else core) for core in cores_to_check]
    rows = tuple(scenarios)
    claims = tuple(
        core.claims_correct if isinstance(core, Core) else known[core].claims_correct for core, _ in columns
    )
    for core, _ in columns:
        if isinstance(core, Core) and core.source is not None:
            core.compile_for("explore")  # once, here: an error is an error of the file, and not of a cell
    names = tuple(name for _, name in columns)
    begin = time.monotonic()
    done: dict[tuple[str, str], Cell] = {}
    jobs = [_Job(scenario, core, name, budget) for core, name in columns for scenario in rows]

    def take(cell: Cell) -> None:
        done[cell.scenario, cell.core] = cell
        if progress is not None:
            progress(len(done), len(jobs))

    def table(complete: bool) -> Table:
        order = [(scenario, name) for scenario in rows for name in names]
        return Table(rows, names, claims, tuple(done[key] for key in order if key in done),
                     time.monotonic() - begin, complete, tuple(_source_of(core) for core, _ in columns))

    try:
        if executor is not None:
            for future in as_completed([executor.submit(_cell, job) for job in jobs]):
                take(future.result())
        else:
            _explore_all(jobs, take)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(table(False)) from None
    return table(True)


# --- the pool ---


class _Pool:
    """Processes that explore. One that dies, or that does not come back, takes the others with it."""

    def __init__(self, workers: int):
        with deaf_to_the_terminal():
            self._pool = ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), initializer=be_a_worker, initargs=(os.getpid(),)
            )

    def run(self, jobs: list[_Job], take: Callable[[Cell], object]) -> str | None:
        """Takes the cells as they come; why it ended before the last one, if it did.

        The thread that calls it is the one that starts the processes, and is here until they have ended.
        """
        with held() as signals:
            through = False
            try:
                with deaf_to_the_terminal():
                    waiting = {self._pool.submit(_cell, job) for job in jobs}
                came = time.monotonic()
                while waiting:
                    finished, waiting = wait(waiting, SLICE, FIRST_COMPLETED)
                    signals.act()
                    if finished:
                        came = time.monotonic()
                    elif time.monotonic() - came > 2 * jobs[0].budget + PATIENCE:
                        return HUNG
                    for future in finished:
                        take(future.result())
                through = True
            except BrokenProcessPool:
                signals.act()
                return ENDED
            finally:
                if not through:
                    for process in list((self._pool._processes or {}).values()):
                        process.kill()
                self._pool.shutdown(wait=True, cancel_futures=True)
            return None


def _explore_all(jobs: list[_Job], take: Callable[[Cell], object]) -> None:
    """Every job, whatever some core does to its process: the others are done all the same."""
    workers = os.cpu_count() or 1
    left = {(job.scenario, job.name): job for job in jobs}
    hung: set[str] = set()

    def took(cell: Cell) -> None:
        left.pop((cell.scenario, cell.core), None)
        take(cell)

    def took_nothing(job: _Job, why: str) -> None:
        took(Cell(job.scenario, job.name, "inconclusive", why, None, 0, 0.0, ()))

    while left:
        if _Pool(workers).run(list(left.values()), took) is None:
            continue
        # One of those that ran did it, and they are the first that are left. Each gets a process of its own.
        for job in list(left.values())[:workers]:
            why = LEFT_OUT if job.name in hung else _Pool(1).run([job], took)
            if why is not None:
                took_nothing(job, why)
            if why == HUNG:
                hung.add(job.name)
                for other in [other for other in left.values() if other.name == job.name]:
                    took_nothing(other, LEFT_OUT)


# --- how it is printed ---

GREEN, RED, YELLOW, DIM, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[33m", "\033[2m", "\033[1m", "\033[0m"


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
            (scenario, core): cell.text(short) if (cell := table.cell(scenario, core)) else "-"
            for scenario in table.scenarios for core in table.cores
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
    if any(cell.verdict not in ("pass", "fail") and not cell.gone for cell in table.cells):
        legend.append("?: not exhaustive, nothing found")
    if any(cell.gone for cell in table.cells):
        legend.append("gone: the core took the process with it that explored it")
    lines += ["", *legend]
    if short and used:
        lines.append(", ".join(f"{SHORT[kind]} {kind}" for kind in sorted(used) if SHORT.get(kind, kind) != kind))
    unfinished = [cell for cell in table.cells if cell.verdict not in ("pass", "fail")]
    for cell in unfinished:
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
            lines.append(f"  iopf replay {finding.token}")
        else:
            shown.add((cell.core, finding.kind))
            lines.append(finding.trace)
    return "\n".join(lines)


# --- the command ---


def register(subparsers: Any) -> None:
    """Adds ``iopf check``."""
    parser = subparsers.add_parser(
        "check", help="the verdict table: scenarios × cores",
        description="Explores every scenario of the library on every core and prints what was found. With SOURCE, an"
        " unmodified drivers/iommu/io-pgfault.c (v6.9 or newer), that file is a core, too: it is compiled and run.",
        epilog="Exit code 1: a core that claims to be correct (ours, or SOURCE) fails with its contract kept.",
    )
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="your io-pgfault.c")
    parser.add_argument("--core", action="append", metavar="NAME", help="only this core (may be repeated)")
    parser.add_argument("--scenario", action="append", metavar="NAME", help="only this scenario (may be repeated)")
    parser.add_argument("--budget", type=float, default=BUDGET, metavar="SECONDS", help=f"for one cell ({BUDGET:g})")
    parser.add_argument(
        "--facet", action="append", default=[], metavar="NAME=VALUE", help="override a facet of SOURCE (may be repeated)"
    )
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    parser.set_defaults(run=run)


def _usage(message: object) -> int:
    print(f"iopf: {message}", file=sys.stderr)
    return UNUSABLE


def _facets(pairs: list[str]) -> dict[str, str | bool]:
    found: dict[str, str | bool] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"--facet {pair}: takes NAME=VALUE")
        found[name] = {"true": True, "false": False}.get(value, value)
    return found


def _progress(stream: TextIO) -> Callable[[int, int], None] | None:
    if not stream.isatty():
        return None

    def show(done: int, total: int) -> None:
        stream.write(f"\r\033[K{done} of {total} cells" if done < total else "\r\033[K")
        stream.flush()

    return show


def run(arguments: argparse.Namespace) -> int:
    """``iopf check``."""
    from . import scenarios

    known = cores()
    wanted: list[Core | str] = []
    try:
        if not arguments.budget > 0:
            raise ValueError(f"--budget {arguments.budget}: takes a number above 0")
        named = list(dict.fromkeys(arguments.core or ()))
        for name in named:
            if name not in known:
                hint = f"; a file is SOURCE: iopf check {name}" if os.path.exists(name) else ""
                raise ValueError(f"no core {name!r}: there are {', '.join(known)}{hint}")
        if arguments.source is not None:
            facets = _facets(arguments.facet)
            file = os.path.basename(arguments.source)
            source = Core._from_source(
                arguments.source, "explore", facets=facets, name=f"./{file}" if file in known else None
            )
            if not arguments.json:
                print(f"{source.source}: {source.title}\n  facets: {source.facets}")
                if facets:
                    print(f"  by --facet, whatever the text shows: {', '.join(facets)}")
                print()
            wanted.append(source)
            wanted += named or ["iopf"]
        elif arguments.facet:
            raise ValueError("--facet is about a SOURCE, and there is none")
        else:
            wanted += named or list(known)
        rows = list(dict.fromkeys(arguments.scenario or scenarios.names()))
        for name in rows:
            scenarios.get(name)
        table = check(wanted, rows, budget=arguments.budget, progress=_progress(sys.stderr))
    except CoreSourceError as error:
        return _usage(error)
    except (KeyError, ValueError) as error:
        return _usage(error.args[0] if error.args else error)
    except KeyboardInterrupt as interrupted:
        if not interrupted.args or not isinstance(interrupted.args[0], Table):
            raise
        table = interrupted.args[0]
    if arguments.json:
        print(json.dumps(table.to_dict(), indent=1))
    else:
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        text = render(table, width=shutil.get_terminal_size((160, 24)).columns, color=color)
        try:
            text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            text = text.replace("✓", "+")  # the columns stay where they are
        print(text)
        bugs = render_bugs(table)
        if bugs:
            print(bugs)
    return table.exit_code if table.complete else INTERRUPTED
