# SPDX-License-Identifier: GPL-2.0-only
"""Copies failures out of C, each with its execution and its token: what copier.py does for the result that they are of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import _engine
from .causes import CLEAN_UP
from .deviations import chosen
from .failure import Failure, Run, Site, Step
from .token import command, encode

if TYPE_CHECKING:
    from .copier import Copier

__all__ = ["FailureCopier"]

#: What a site is called that is a call, where C does not say it: one that was compiled into its caller.
CALLED = "called from"
#: Parts of a scenario in which task 0 is alone.
ALONE = ("setup", "teardown")


class FailureCopier:
    """Copies failures; ``copier`` knows what things are called."""

    def __init__(self, copier: Copier):
        self.copier = copier
        self.lib = copier.lib
        self.place = copier.engine.place
        self.kinds = {number: name for name, number in _engine.names("kind").items()}
        #: of the failure that is being copied
        self.tasks: list[str] = []
        self._operations: dict[int, str] = {}

    def names_of(self, raw: Any) -> list[str]:
        """The names of the tasks of a failure's execution, by number."""
        tasks = [raw.tasks[index] for index in range(raw.nr_tasks)]
        return ["main", *(self.copier.section_or(task.section, self.copier.text(task.name) or "") for task in tasks)]

    def failure(self, raw: Any, is_note: bool = False) -> Failure:
        """One struct xp_failure."""
        copier = self.copier
        self.tasks = self.names_of(raw)
        before: defaultdict[int, list[int]] = defaultdict(list)
        for order in (raw.orders[index] for index in range(raw.nr_orders)):
            before[order.then].append(order.first)
        steps = tuple(self.step(raw.steps[index], tuple(sorted(before[index]))) for index in range(raw.nr_steps))
        sites = [raw.sites[index] for index in range(raw.nr_sites)]
        runs = tuple(
            Run(run.task, run.steps, copier.text(run.op) or "", copier.text(run.object))
            for run in (raw.runs[index] for index in range(raw.nr_runs))
        )
        points = tuple(
            Run(point.task, 1, copier.text(point.op) or "", copier.text(point.object))
            for point in (raw.points[index] for index in range(raw.nr_points))
        )
        points = points or copier.steps
        dropped = tuple(raw.dropped[index] for index in range(raw.nr_dropped))
        tasks = tuple((raw.tasks[index].parent, raw.tasks[index].nth) for index in range(raw.nr_tasks))
        kind = self.kinds[raw.kind]
        signature = copier.fields(copier.text(raw.signature) or kind)
        told = tuple(self.sites(sites))
        message = copier.named(copier.text(raw.message) or kind)
        contract = "kept" if raw.contract_kept else "broken"
        deviation = chosen(kind, message, contract)
        token = encode(
            scenario=copier.scenario,
            core=copier.core,
            file=copier.file,
            runs=runs,
            steps=points,
            tasks=tasks,
            dropped=dropped,
            kind=kind,
            signature=signature,
            hash=raw.hash,
            max_steps=copier.max_steps,
            # Replayed, what is no failure of this core is one.
            flags=copier.flags | (self.lib.XP_O_UNDER_LOCK if is_note and kind == "under-lock" else 0),
        )
        return Failure(
            kind=kind,
            message=message,
            contract=contract,
            clauses=tuple(
                copier.text(self.lib.xp_clause_text(bit)) or f"clause {bit}"
                for bit in range(self.lib.XP_CLAUSES)
                if raw.clauses >> bit & 1
            ),
            signature=signature,
            object=copier.object(raw.object),
            execution=raw.execution,
            count=raw.count,
            preemptions=raw.preemptions,
            minimal=bool(raw.minimal),
            confirmed=bool(raw.confirmed),
            rank=raw.rank,
            sites=told,
            steps=steps,
            runs=runs,
            points=points,
            culprit=(raw.culprit_first, raw.culprit_second) if raw.culprit_first >= 0 <= raw.culprit_second else None,
            dropped=tuple(str(copier.compiled.records[index]) for index in dropped),
            scenario=copier.scenario.name,
            core=copier.core,
            token=token,
            tasks=tuple(self.tasks),
            place=next((site.place for site in told if site.place is not None), None),
            command=command(token, copier.file),
            chosen=deviation.commit if deviation is not None else None,
        )

    def sites(self, raw: Sequence[Any]) -> Iterator[Site]:
        """Those of C, and the calls that were compiled into their callers where C names calls."""
        copier = self.copier
        for site in raw:
            what, place = copier.named(copier.text(site.what) or ""), self.place(site.place)
            task = self.tasks[site.task] if 0 <= site.task < len(self.tasks) else None
            if not (site.flags & self.lib.XP_SITE_CALL and place is not None and place.calls_cores):
                yield Site(
                    what,
                    task,
                    site.step if site.step >= 0 else None,
                    place,
                    copier.object(site.object),
                    more=bool(site.flags & self.lib.XP_SITE_MORE),
                    memory=bool(site.flags & self.lib.XP_SITE_MEMORY),
                )
            for caller in place.callers if site.flags & self.lib.XP_SITE_CALLERS and place is not None else ():
                if not caller.calls_cores:
                    yield Site(CALLED, task, None, caller, None, more=True)

    def step(self, raw: Any, follows: tuple[int, ...]) -> Step:
        """One struct xp_step, and the steps right before it."""
        copier = self.copier
        record = copier.compiled.records[raw.record] if 0 <= raw.record < len(copier.compiled.records) else None
        task = self.tasks[raw.task]
        # A work runs on behalf of a report, but is not one.
        mine = record is not None and (record.section == task or (not raw.task and record.section in ALONE))
        operation = record.operation if record is not None and mine else None
        if operation is not None and raw.record not in self._operations:
            self._operations[raw.record] = copier.fields(str(operation))
        return Step(
            task=task,
            column=raw.task,
            ordinal=raw.task_ordinal,
            op=copier.text(raw.op) or "?",
            object=copier.object(raw.object),
            before=raw.before if raw.has_values else None,
            after=raw.after if raw.has_values else None,
            point=bool(raw.point),
            preempted=raw.preempted,
            held=raw.nr_held,
            depth=raw.depth,
            place=self.place(raw.place),
            operation=self._operations[raw.record]
            if operation is not None
            else None
            if raw.task or raw.record != -1
            else CLEAN_UP,
            note=copier.object(raw.text),
            others=tuple(name for number, name in enumerate(self.tasks) if name and raw.others >> number & 1),
            follows=follows,
        )
