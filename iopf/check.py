# SPDX-License-Identifier: GPL-2.0-only
"""The verdict table: scenarios × cores, each cell an exploration, and what it found.

:func:`check` explores, in a pool of processes (_check_pool.py); the :class:`Table` says what follows (_check_table.py),
:func:`render` shows it (_check_render.py), and ``iopf check`` is the command over them (_check_command.py).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from . import _check_results, scenarios as library
from ._check_baseline import Comparison, Difference, compare
from ._check_render import render, render_bugs, render_comparison
from ._check_table import ENDED as ENDED, HUNG as HUNG, LEFT_OUT as LEFT_OUT, Cell, Finding, Table
from ._cores import Core, cores
from ._hints import unknown
from ._limits import MAX_JOBS, MAX_SECONDS
from ._processes import held
from .exceptions import CoreSourceError
from .explore.kept_where import any_kept
from .explore.scenario import BaseScenario, integer

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ._check_pool import Job
    from ._probe import Probed
    from ._source import Prepared

__all__ = [
    "Cell",
    "Column",
    "Comparison",
    "Difference",
    "Finding",
    "Table",
    "check",
    "compare",
    "render",
    "render_bugs",
    "render_comparison",
]

#: Seconds for one cell.
BUDGET = 20.0


def _source_of(
    core: Core | str | None, file: Prepared | None, probed: tuple[Probed, ...] = ()
) -> dict[str, object] | None:
    if not isinstance(core, Core) or core.source is None or core.facets is None:
        return None
    members = file.added.described if file else []
    return {
        "path": str(core.source),
        "form": core.facets.form,
        "facets": asdict(core.facets),
        "members": members,
        "probed": [str(one) for one in probed],
    }


def scenario_of(name: str) -> BaseScenario:
    """The scenario of a name: one of the library, ``file.py:name``, ``file.json``. ValueError: there is none."""
    if name in library.names():
        return library.build(name)
    if ":" not in name and not name.endswith((".py", ".json")) and not name.startswith("rcget-"):
        raise ValueError(f"{unknown('scenario', name, library.names())}; also file.py:name, and file.json")
    from .explore.library import find_scenario

    try:
        found = find_scenario(name)
    except LookupError as error:
        raise ValueError(str(error)) from error
    # What a worker gets is of our classes, whatever the file made of them.
    return BaseScenario.from_dict(found.to_dict())


@dataclass(frozen=True)
class Column:
    """A core under the name that its column has, where that is not the core's own."""

    label: str
    #: None: there is none, and ``why`` says why: each of its cells is without a verdict then
    core: Core | str | None
    why: str | None = None
    #: a file that does not compile is a column without verdicts, and no error
    lenient: bool = False

    @property
    def claims_correct(self) -> bool:
        """Does the core claim to be correct? A file does, also one that can't be compiled."""
        if isinstance(self.core, str):
            return cores()[self.core].claims_correct
        return self.core is None or self.core.claims_correct


def _labels(baseline: Core | str | Column | None, wanted: Iterable[Core | str | Column]) -> list[Column]:
    """The columns, the baseline first, each under a name that no other has: of files of one name, as much of their paths
    as tells them apart. What is wanted twice is one column; the baseline is always one of its own."""
    known = cores()
    unique = list(dict.fromkeys(wanted))
    unique[:0] = [] if baseline is None else [baseline]
    for core in unique:
        if isinstance(core, str) and core not in known:
            raise ValueError(unknown("core", core, known))
    labels = [core.label if isinstance(core, Column) else str(core) for core in unique]
    for name in {label for label in labels if labels.count(label) > 1}:
        paths = {
            index: core.source.parts
            for index, core in enumerate(unique)
            if labels[index] == name and isinstance(core, Core) and core.source is not None
        }
        for index, parts in paths.items() if len(set(paths.values())) > 1 else ():
            labels[index] = "/".join(part.strip("/") for part in parts[-_depth(parts, set(paths.values())) :])
    taken: set[str] = set()
    for index, label in sorted(enumerate(labels), reverse=baseline is not None):  # the baseline's is the odd one
        number, labels[index] = 2, label
        while labels[index] in taken:  # one path under other facets, say
            is_baseline = baseline is not None and index == 0 and number == 2
            labels[index], number = f"{label} (baseline)" if is_baseline else f"{label} ({number})", number + 1
        taken.add(labels[index])
    return [
        replace(core, label=label) if isinstance(core, Column) else Column(label, core)
        for core, label in zip(unique, labels)
    ]


def _depth(parts: tuple[str, ...], of: set[tuple[str, ...]]) -> int:
    """How many parts of a path tell it from the others."""
    for depth in range(1, len(parts)):
        if all(other[-depth:] != parts[-depth:] for other in of - {parts}):
            return depth
    return len(parts)


def _prepared(columns: list[Column]) -> dict[str, Prepared]:
    """The files among the columns, read, by label."""
    return {
        column.label: column.core.prepared_for("explore")
        for column in columns
        if isinstance(column.core, Core) and column.core.source is not None
    }


def _compile_all(wanted: Mapping[str, Prepared]) -> dict[str, CoreSourceError]:
    """Compiles files, as many at a time as there are CPUs; the errors by label. An interrupt ends all of it at once."""
    errors: dict[str, CoreSourceError] = {}
    if len(wanted) <= 1:
        for label, one in wanted.items():
            try:
                one.compile()
            except CoreSourceError as error:
                errors[label] = error
        return errors
    import threading
    from concurrent.futures import ThreadPoolExecutor, wait

    given_up = threading.Event()
    with held() as signals, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        try:
            waiting = {label: pool.submit(one.compile, given_up) for label, one in wanted.items()}
            while wait(waiting.values(), 0.05).not_done:
                signals.act()
        except BaseException:
            given_up.set()
            pool.shutdown(cancel_futures=True)
            raise
    for label, future in waiting.items():
        try:
            future.result()
        except CoreSourceError as error:
            errors[label] = error
    return errors


def check(
    cores_to_check: Iterable[Core | str | Column],
    scenarios: Iterable[str | BaseScenario],
    *,
    budget: float = BUDGET,
    executor: Executor | None = None,
    progress: Callable[[int, int], object] | None = None,
    baseline: Core | str | Column | None = None,
    all_failures: bool = False,
    cache: bool = False,
    said: Collection[str] = (),
    strict: bool = False,
    kept: bool = False,
    jobs: int | None = None,
) -> Table:
    """Explores every scenario on every core.

    Of files with the same content, facets and headers one is explored, and the others are told to be the same. A file
    whose cells and facets contradict each other is asked what it does (_probe.py), and explored again as that.

    :param cores_to_check: names, or cores from :meth:`iopf.Core.from_source`; a :class:`Column` has a name of its own
    :param scenarios: names, as :func:`iopf.explore.find_scenario` takes them, or scenarios; no name twice
    :param budget: seconds for one cell, up to 1e9
    :param executor: any :class:`concurrent.futures.Executor` whose workers are processes; None: one of as many
        processes as there are CPUs
    :param progress: called with the number of finished cells and of all
    :param baseline: what the others are compared with, a column too, the first one: :func:`compare` says what differs
    :param all_failures: look for every failure of each cell; else a search may be over when it has found a core's own.
        With a baseline, and of a file, that is always done
    :param cache: take what was found before, and keep what is found, in the user's cache directory
    :param said: facets that were set by hand: of these no file is asked what it does
    :param kept: try first what the project keeps of a scenario (``iopf failures``), in every column
    :param jobs: how many processes, 1 to 4096, which share a cell that takes long (not with an executor); None: as many as
        there are CPUs, and each cell is one's
    :param strict: judge also what upstream chose against its own documentation; see :attr:`Table.deviations`
    :raises ValueError: no such core or scenario, or a budget out of range
    :raises CoreSourceError: a file does not compile, or was changed meanwhile
    :raises KeyboardInterrupt: with ``args[0]`` the Table of the cells that were finished
    """
    if not 0 < budget <= MAX_SECONDS:
        raise ValueError(f"budget {budget}: takes a number above 0, of seconds, up to {MAX_SECONDS:g}")
    if jobs is not None:
        integer("jobs", jobs, 1, MAX_JOBS)
    columns = _labels(baseline, cores_to_check)
    named = [
        (scenario, scenario_of(scenario)) if isinstance(scenario, str) else (scenario.name, scenario)
        for scenario in scenarios
    ]
    begin = time.monotonic()
    search = _Search(
        columns, named, budget, baseline is not None, all_failures or baseline is not None, cache, progress
    )
    if kept and any_kept():
        from .explore.given import tokens_for
        from .explore.kept import of_project

        known = of_project()[0]
        search.tokens = {row: tuple(tokens_for(what, kept=known)) for row, what in named} if known else {}

    def table(complete: bool) -> Table:
        return replace(search.table(time.monotonic() - begin, complete), strict=strict)

    try:
        search.run(search.jobs(), executor, jobs)
        found = search.contradicted(said, executor)
        if found:
            search.save()
            search = search.again(found)
            search.run(search.jobs(), executor, jobs)
    except KeyboardInterrupt:
        if search.is_compiling and not search.found:  # there is nothing to show yet
            raise
        raise KeyboardInterrupt(table(False)) from None
    finally:
        search.save()
    return table(True)


class _Search:
    """The cells of a table: those that are known, those that have to be explored, and those that are another's."""

    def __init__(
        self,
        columns: list[Column],
        rows: list[tuple[str, BaseScenario]],
        budget: float,
        baseline: bool,
        everything: bool,
        cache: bool,
        progress: Callable[[int, int], object] | None,
    ):
        self._columns, self._rows, self._budget = columns, rows, budget
        self._cache = cache
        #: what files do otherwise than their text says, by label
        self._probed: dict[str, tuple[Probed, ...]] = {}
        #: the first column is one
        self._baseline = baseline
        self._everything, self._progress = everything, progress
        #: failures that are tried first, by row
        self.tokens: Mapping[str, tuple[str, ...]] = {}
        self._done: dict[tuple[str, str], Cell] = {}
        #: files are being compiled, and nothing is explored yet
        self.is_compiling = False
        files = _prepared(columns)
        #: the columns of each thing that is explored once, the first of them the one that it is explored as
        alike: dict[str, list[Column]] = {}
        for column in [*columns[1:], *columns[:1]] if baseline else columns:
            file = files.get(column.label)
            key = f"file {file.behaviour}" if file else f"core {column.core} {column.why and column.label}"
            alike.setdefault(key, []).append(column)
        self._alike = list(alike.values())
        self._files = files
        # A trace is as wide as the terminal is.
        width = shutil.get_terminal_size((0, 0)).columns
        options = {"budget": budget, "width": width}
        self._kept: dict[str, _check_results.Column] = {}
        if cache:
            for column in columns:
                if column.core is not None:
                    file = files.get(column.label)
                    core = file.digest if file else _check_results.of_built_in(str(column.core))
                    told = {**options, "everything": self._all_of(column), "claims": column.claims_correct}
                    self._kept[column.label] = _check_results.Column(core, told)
        self._keys = {row: _check_results.scenario_key(what) for row, what in rows} if cache else {}

    def _all_of(self, column: Column) -> bool:
        """Is every failure of its cells looked for? Of a file in any case: what is known of it serves beside a baseline,
        too, and costs no more than what would follow a search for the first one."""
        return self._everything or column.label in self._files

    def jobs(self) -> list[Job]:
        """What has to be explored, compiled. CoreSourceError: a file does not compile, and its column is not lenient."""
        jobs = []
        for columns in self._alike:
            missing = self._known(columns)
            first = columns[0]
            for row, what in missing:
                from ._check_pool import AsRead, Job  # where all is known from before, nothing is explored

                if first.core is None:
                    self._take(Cell(row, first.label, "inconclusive", first.why, None, 0, 0.0, ()))
                else:
                    file = self._files.get(first.label)
                    core = AsRead.of(first.core, file) if file and isinstance(first.core, Core) else first.core
                    everything = self._all_of(first)
                    claims = first.claims_correct
                    jobs.append(
                        Job(row, what, core, first.label, claims, self._budget, everything, self.tokens.get(row, ()))
                    )
        lenient = {column.label: column.lenient for column in self._columns}
        self.is_compiling = True
        errors = _compile_all({job.name: self._files[job.name] for job in jobs if job.name in self._files})
        self.is_compiling = False
        for label, error in errors.items():
            if not lenient[label]:
                raise error
            for job in jobs:
                if job.name == label:
                    self._take(Cell(job.scenario, label, "inconclusive", str(error), None, 0, 0.0, ()))
        return [job for job in jobs if job.name not in errors]

    def run(self, jobs: list[Job], executor: Executor | None, shared: int | None) -> None:
        """Finds every cell that is not known."""
        if executor is None and not jobs:
            return
        from ._check_pool import explore_all, explore_cell

        if executor is not None:
            from concurrent.futures import as_completed

            for future in as_completed([executor.submit(explore_cell, job) for job in jobs]):
                cell = future.result()
                if isinstance(cell, Cell):  # none is too large: it was not said that one may be
                    self._take(cell)
        else:
            explore_all(jobs, self._take, shared)

    def _known(self, columns: list[Column]) -> list[tuple[str, BaseScenario]]:
        """Takes what is kept of any of the columns that are alike; the rows of which nothing is."""
        missing = []
        for row, what in self._rows:
            if all((row, column.label) in self._done for column in columns):
                continue
            for column in columns:
                kept = self._kept.get(column.label)
                cell = kept.get(self._keys[row], row, columns[0].label) if kept else None
                if cell is not None:
                    self._take(cell)
                    break
            else:
                missing.append((row, what))
        return missing

    def _take(self, cell: Cell) -> None:
        """One that was found, for its column and those that are like it."""
        kept = self._kept.get(cell.core)
        if kept and not cell.cached:
            kept.put(self._keys[cell.scenario], cell)
        alike = next(columns for columns in self._alike if columns[0].label == cell.core)
        for column in alike:
            self._done[cell.scenario, column.label] = replace(cell, core=column.label)
        if self._progress is not None:
            self._progress(len(self._done), len(self._rows) * len(self._columns))

    def contradicted(
        self, said: Collection[str], executor: Executor | None
    ) -> dict[str, tuple[Core, tuple[Probed, ...]]]:
        """The files whose cells their facets don't explain, as what they do, by label; with what that is. They are asked
        where their cells were explored, in a process that they may end."""
        found = {}
        for column in self._columns:
            if not isinstance(column.core, Core) or column.core.facets is None:
                continue
            from ._check_pool import in_a_process
            from ._probe import Question, answer, corrected, suspects

            cells = [self._done[row, column.label] for row, _ in self._rows if (row, column.label) in self._done]
            if suspects(cells, column.core.facets):
                question = Question(column.core, tuple(said))
                if executor is not None:
                    told = executor.submit(answer, question).result()
                else:
                    told = in_a_process(answer, question, self._budget) or ()
                if told:
                    found[column.label] = corrected(column.core, told), told
        return found

    def again(self, found: Mapping[str, tuple[Core, tuple[Probed, ...]]]) -> _Search:
        """The same search, with files as what they do. What is known of the other columns stays."""
        columns = [
            replace(column, core=found[column.label][0]) if column.label in found else column
            for column in self._columns
        ]
        search = _Search(
            columns, self._rows, self._budget, self._baseline, self._everything, self._cache, self._progress
        )
        search.tokens = self.tokens
        search._done = {key: cell for key, cell in self._done.items() if key[1] not in found}
        search._probed = {label: told for label, (_, told) in found.items()}
        return search

    @property
    def found(self) -> int:
        """How many cells there are."""
        return len(self._done)

    def save(self) -> None:
        """Keeps what is new for the next time."""
        for kept in self._kept.values():
            kept.save()

    def table(self, seconds: float, complete: bool) -> Table:
        """The cells that there are."""
        order = [(row, column.label) for row, _ in self._rows for column in self._columns]
        firsts = {column.label: columns[0].label for columns in self._alike for column in columns}
        return Table(
            tuple(row for row, _ in self._rows),
            tuple(column.label for column in self._columns),
            tuple(column.claims_correct for column in self._columns),
            tuple(self._done[key] for key in order if key in self._done),
            seconds,
            complete,
            tuple(
                _source_of(column.core, self._files.get(column.label), self._probed.get(column.label, ()))
                for column in self._columns
            ),
            self._columns[0].label if self._baseline else None,
            tuple(None if (first := firsts[column.label]) == column.label else first for column in self._columns),
        )
