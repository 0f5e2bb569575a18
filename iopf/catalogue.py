# SPDX-License-Identifier: GPL-2.0-only
"""The catalogue of defects: what each revision in ``csrc/history`` gets wrong, and the scenario that shows it.

The data here is what the tests look for and what ``csrc/history/README.md`` is made of::

    python -m iopf.catalogue > csrc/history/README.md

"Derived" means: read out of the code, and shown by the explorer; nobody has reported it as far as we know.
"""

from __future__ import annotations

import sys
from concurrent.futures import Executor
from dataclasses import dataclass

from ._cores import cores
from .explore import Failure, Result, explore
from .scenarios import build

__all__ = ["CATALOGUE", "CONTRADICTIONS", "NOT_EXPRESSED", "Defect", "explain"]

KEPT, BROKEN = "kept", "broken"


@dataclass(frozen=True)
class Defect:
    """One defect of one core."""

    id: str
    core: str
    #: of :mod:`iopf.scenarios`
    scenario: str
    #: of failure, and a part of its message: together they tell it from others in the same cell
    kind: str
    message: str
    #: what the driver does about its contract in the execution that shows it
    contract: str
    reported: str
    mechanism: str
    #: the first core that does not show it in the same scenario, None: no form of the kernel
    fixed_by: str | None = None

    def shown(self, result: Result) -> Failure | None:
        """The failure that is this defect; None: the result does not have it."""
        for failure in result.failures:
            if failure.kind == self.kind and self.message in failure.message:
                return failure
        return None


UAF, WRONG = "use-after-free", "wrong-response"
DERIVED = "derived"


def _each(
    ids: str,
    cores_with_it: tuple[str, ...],
    scenario: str,
    kind: str,
    message: str,
    contract: str,
    reported: str,
    mechanism: str,
    fixed_by: str | None = None,
) -> tuple[Defect, ...]:
    return tuple(
        Defect(f"{core}: {ids}", core, scenario, kind, message, contract, reported, mechanism, fixed_by)
        for core in cores_with_it
    )


# fmt: off
CATALOGUE: tuple[Defect, ...] = (
    # v5.14
    Defect("v5.14: unregistered under a response", "v5.14", "remove-held-group", UAF, "param#1", KEPT, DERIVED,
           "Unregistering looks at the pending list without its lock: it frees the param under a response that has"
           " emptied the list and still has to unlock.", "locking"),
    Defect("v5.14: two locks for one list", "v5.14", "discard-report", UAF, "fault#", KEPT,
           "cc7338e9d807 (the rework of the locks; not described as a fix)",
           "Discarding holds the queue's lock, storing and collecting the device's: freed under each other.", "locking"),
    *_each("report, response and flush in a circle", ("v5.14", "locking"), "driver-lock-flush", "deadlock", "", KEPT,
           "6ef0505158f7 (in the driver: VT-d's drain)",
           "Report takes the param's lock under the device's, a response the driver's under the param's, and flush the"
           " device's: a driver that flushes under its own closes the circle.", fixed_by="lkml-v8"),
    Defect("v5.14: another address space", "v5.14", "pasid-rebound", WRONG, "address space", BROKEN,
           "the driver's duty by its documentation",
           "The work looks its PASID up when it runs: rebound by then, it faults pages into a space that the request"
           " was not for.", "locking"),
    # locking
    Defect("locking: flush under the lock", "locking", "flush-pending-work", "deadlock", "", KEPT,
           "a74c077b9021 (cured, not described)",
           "Flush waits for the work with the device's lock held, and the work's response needs it.", "lkml-v8"),
    Defect("locking: flush and work in both orders", "locking", "bad-setup-reused-index", "lock-order", "", KEPT,
           "a74c077b9021 (cured, not described)",
           "The same, where no work is queued while somebody flushes: flush waits for works with the device's lock held, and"
           " a response takes that lock inside a work. Nobody is stuck here; that they did not meet is the scenario's doing.",
           "lkml-v8"),
    Defect("locking: answered inside report", "locking", "answer-in-handler", "deadlock", "", KEPT, DERIVED,
           "Report calls the handler with the device's lock held: a handler that answers at once waits for itself.",
           "lkml-v8"),
    # removal before there was a count
    *_each("param read before the lock", ("locking", "lkml-v8"), "remove-twice", UAF, "param#1.queue", BROKEN,
           "derived; corrected at the reviewer's request",
           "Removal reads the pointer and then takes the lock: by then another has freed the param.",
           fixed_by="refcount"),
    *_each("device gone under a work", ("locking", "lkml-v8", "refcount"), "remove-device-gone", UAF, "device#1", BROKEN,
           DERIVED, "Removal says -EBUSY and nobody listens; the work finds its way by a device that nothing pins."),
    # what removal refuses
    *_each("freed although it refused", ("locking", "lkml-v8", "refcount"), "free-queue-held", "unexpected-return", "-16",
           KEPT, "review of v8 12/12 (such functions should never fail)",
           "Removal says -EBUSY, freeing the queue does not listen: the device stays attached to a queue that is gone.",
           fixed_by="remove-void"),
    *_each("param leaked by free", ("locking", "lkml-v8", "refcount"), "free-queue-pending", "leak", "param#", KEPT, DERIVED,
           "The same refusal with a work pending: nobody frees the param any more.", fixed_by="remove-void"),
    # lkml-v8
    Defect("lkml-v8: wrong target", "lkml-v8", "readd-late-response", WRONG, "from before removal", BROKEN,
           "review of v8 12/12",
           "The response finds the param from the device again: after remove and add it is the new one, whose request"
           " has the same index.", "refcount"),
    Defect("lkml-v8: lost response", "lkml-v8", "remove-linked-group", "lost-response", "", BROKEN, DERIVED,
           "Removal sees an empty list before report fills it; then the work finds no param to answer by.", "remove-void"),
    Defect("lkml-v8: leaked copy", "lkml-v8", "remove-late-report", "leak", "fault#", BROKEN, DERIVED,
           "The copy of the fault that is never answered.", "remove-void"),
    Defect("lkml-v8: still attached", "lkml-v8", "readd-late-response", "unexpected-return", "-16", BROKEN,
           "review of v8 12/12",
           "Removal only puts; while a reporter holds a reference the pointer stays, and add says -EBUSY.", "refcount"),
    Defect("lkml-v8: unmarked pointer", "lkml-v8", "remove-late-report", "data-race", "iommu.fault_param", BROKEN,
           "review of v8 12/12 (rcu_dereference, __rcu)", "The pointer is read and cleared by plain accesses.", "refcount"),
    *_each("partials freed without the lock", ("lkml-v8", "refcount"), "remove-late-partials", UAF, "fault#", BROKEN, DERIVED,
           "Removal frees what is stored without the param's lock, beside a reporter that stores."),
    # refcount, remove-void
    *_each("put twice", ("refcount", "remove-void"), "refusal", UAF, "param#1.users", KEPT, DERIVED,
           "The handler refuses: the freed group puts its reference, and report's error path puts it again. The base"
           " reference is gone, and the param freed while it is published.", fixed_by="track-group"),
    *_each("locked after it was let go", ("refcount", "remove-void"), "remove-linked-group", UAF, "param#1", BROKEN, DERIVED,
           "After the handler report locks the param again, and its reference went with the group.",
           fixed_by="track-group"),
    Defect("refcount: asks without the lock", "refcount", "remove-held-group", "data-race", "param#1.faults", KEPT, DERIVED,
           "Removal tests for pending copies without the lock that responses unlink them under.", "remove-void"),
    Defect("remove-void: copy freed twice", "remove-void", "refusal-remove", UAF, "fault#1", BROKEN, DERIVED,
           "Removal frees the copy; the handler refuses, and report unlinks and frees it again.", "track-group"),
    # a response by index, partials by index
    *_each("the oldest of an index", ("v5.14", "locking", "lkml-v8", "refcount", "remove-void"), "one-index-two-pasids", WRONG,
           "another index or PASID", KEPT, DERIVED,
           "A response is matched by its index: with the same on two PASIDs the older request gets it.",
           fixed_by="track-group"),
    *_each("a page of another PASID", ("v5.14", "locking", "lkml-v8", "refcount", "remove-void", "track-group",
           "void-response", "6.10.y", "v6.11", "v6.12", "v6.14", "v7.2"), "partial-two-pasids", WRONG, "a group of another index or PASID", KEPT,
           DERIVED, "Partial requests are collected by index alone."),
    # stale partials
    *_each("stale partials", ("remove-void", "track-group", "void-response", "v6.9", "6.10.y", "v6.11", "v6.12", "v6.14", "v7.2"),
           "remove-late-partials", UAF, "fault#", BROKEN, DERIVED,
           "Removal frees the stored requests and leaves them on the param's list; a reporter that has its reference"
           " already meets them."),
    # track-group, v6.9 to v6.11
    Defect("track-group: answered twice", "track-group", "refusal-remove", "double-response", "", BROKEN, DERIVED,
           "Removal has answered when the handler refuses; the driver, who answers when report fails, can't know.",
           "void-response"),
    Defect("v6.9: the lost return", "v6.9", "partial", UAF, "group#", KEPT, "fca5b78511e9",
           "A stored partial goes on as if it were the last: its group is freed twice, its param put once too often.",
           "6.10.y"),
    Defect("v6.9: a partial answered", "v6.9", "partial", WRONG, "not the last", KEPT, "fca5b78511e9",
           "For the same reason the device gets an answer that it did not ask for.", "6.10.y"),
    *_each("answered by nobody", ("v6.9", "6.10.y", "v6.11"), "remove-late-report", "lost-response", "", BROKEN, DERIVED,
           "Report is void and answers only what got as far as a group: without a param nobody does.", fixed_by="v6.12"),
    *_each("FAILURE for bad setup", ("void-response", "v6.9", "6.10.y", "v6.11"), "no-pasid", "wrong-code",
           "report answered FAILURE where nobody handles the request", KEPT,
           "b554e396e51c chose it; a patch for INVALID was turned down",
           "Whatever report can't hand over it aborts with FAILURE, also what nobody handles, for which INVALID is"
           " documented. (Since report gives an error again, that is answered INVALID.)", fixed_by="v6.12"),
    # attach handles
    *_each("handle freed under report", ("v6.11", "v6.12", "v6.14", "v7.2"), "detach-report", UAF, "handle#", BROKEN,
           "derived; 8c07df7cdfcf is the same theme in the mock driver",
           "A handle that was found is not counted: only a driver that blocks and drains before it detaches is safe."),
    *_each("domain freed under report", ("v5.14", "locking", "lkml-v8", "refcount", "remove-void", "track-group",
           "void-response", "v6.9", "6.10.y"), "detach-report", UAF, "domain#", BROKEN, DERIVED,
           "Before there were handles: the domain that was found is not counted."),
    *_each("domain freed under a work", ("locking", "lkml-v8", "refcount", "remove-void", "track-group", "void-response",
           "v6.9", "6.10.y"), "pasid-rebound", UAF, "domain#", BROKEN, DERIVED, "Nor is the one that the group was launched for."),
    *_each("handle freed under a work", ("v6.11", "v6.12", "v6.14", "v7.2"), "pasid-rebound", UAF, "handle#", BROKEN, DERIVED,
           "The group's handle is not counted either, and the work resolves by it."),
    *_each("partials answered", ("v6.12", "v6.14", "v7.2"), "bad-setup-partial", WRONG, "not the last", KEPT, DERIVED,
           "Without a handler every request is answered, not only the last of its group."),
    *_each("pages of a group that is over", ("v6.12", "v6.14", "v7.2"), "bad-setup-reused-index", WRONG, "uses its index again",
           KEPT, DERIVED,
           "A last request without a handler is answered, and the partials of its group stay: the next group of that"
           " index swallows them."),
    # two freers
    *_each("queued work freed", ("v6.14", "v7.2"), "remove-queued-work", UAF, "group#1.work", BROKEN,
           "CVE-2025-38594 (f0b9d31c6edd, in the driver)",
           "Removal frees the group whose work is queued; the worker takes it."),
    *_each("running work freed", ("v6.14", "v7.2"), "remove-running-work", UAF, "fault#1", BROKEN,
           "CVE-2025-38594 (f0b9d31c6edd, in the driver)", "Removal frees the pages that the work is walking."),
    *_each("freed before the handler", ("v6.14", "v7.2"), "remove-linked-group", UAF, "group#1", BROKEN, DERIVED,
           "The group is pending before its handler is called: removal frees it in between."),
    *_each("stack freed", ("v6.14", "v7.2"), "remove-oom-group", "invalid-free", "stack", BROKEN, DERIVED,
           "Out of memory the group is a variable of report, pending for a moment; removal frees it."),
    Defect("v6.14: held group freed", "v6.14", "remove-held-group", UAF, "group#1", KEPT, "CVE-2026-74520 (738e6f32e61d)",
           "An owner that keeps groups, as a fault file does, answers what removal has freed.", "v7.2"),
    *_each("queue freed with works", ("v6.14", "v7.2"), "free-queue-pending", UAF, "group#1.work", KEPT, DERIVED,
           "Freeing a queue removes its devices, which frees their groups, and then lets the works of those run."),
    # v7.2
    Defect("v7.2: answered after removal", "v7.2", "remove-held-group", "late-response", "", KEPT,
           "738e6f32e61d chose it; the documentation of removal says otherwise",
           "A group that its handler took is nothing that removal answers, and a response does not ask any more."),
    Defect("v7.2: answered twice", "v7.2", "answered-twice", "double-response", "", BROKEN, DERIVED,
           "A response does not look whether the group is pending: what two owners say goes to the device twice. Up to"
           " v6.14 the second one did nothing."),
    # what belongs to nobody
    *_each("no page request", ("void-response", "v6.9", "6.10.y", "v6.11", "v6.12", "v6.14", "v7.2"), "no-page-request", WRONG,
           "no page request", KEPT, DERIVED,
           "The type of a fault is not looked at: one that is no page request is made a group, and answered. (No driver of"
           " these releases sends another.)"),
    *_each("answered without a queue", ("locking", "lkml-v8", "refcount"), "move-held-answer", "late-response", "", KEPT,
           DERIVED,
           "Removal refuses while a group is out, and freeing the queue does not listen: the owner's answer goes to the"
           " device when its queue is gone.", fixed_by="remove-void"),
    Defect("v5.14: the process that has the PASID now", "v5.14", "pasid-reused", WRONG, "address space", BROKEN,
           "the driver's duty by its documentation",
           "Unbound and bound to another process, the PASID leads the work to that one's pages.", "locking"),
    # the queue
    *_each("queue gone under report", ("lkml-v8", "refcount", "remove-void", "track-group", "void-response", "v6.9", "6.10.y", "v6.11",
           "v6.12", "v6.14", "v7.2"), "free-queue-report", UAF, "queue#1", BROKEN, DERIVED,
           "The param outlives its queue, and its way to the workqueue dangles."),
)
# fmt: on

# fmt: off
#: What the facts say and exploration does not, or otherwise: the trace decides.
CONTRADICTIONS: tuple[tuple[str, str], ...] = (
    ("lkml-v8: the NULL or freed param in the SVA handler",
     "Not reachable. The handler runs inside report, whose own reference keeps the pointer set: it is the last put that"
     " clears it. What is wrong with that read is the missing mark (data-race). What the handler does reach is a queue"
     " that is gone (free-queue-report)."),
    ("remove-void: double free of the copy",
     "The second owner unlinks before it frees, so the first thing that is wrong is a write to the freed copy:"
     " use-after-free, and no execution comes to the double free."),
    ("refcount: refcount underflow",
     "The same: the next one who touches the count finds it in freed memory (use-after-free), before it could underflow."),
    ("v6.9: double free of the group",
     "Freeing the embedded last fault frees the group; the walk over its list reads it before it is freed again:"
     " use-after-free."),
    ("v7.2: the second response of a work, or after a late handler",
     "Removal frees the group in the same section in which it answers: the worker meets freed memory before it could"
     " answer a second time, and a group that its handler has dequeued is not answered by removal. What answers twice is"
     " an owner that does (answered-twice)."),
    ("v5.14: the device gone under a work",
     "Not reachable by removing and letting go of it: until a group is answered its copy keeps the handler registered,"
     " which pins the device; and after the answer the work touches the param alone (unregistered under a response)."
     " What the facts describe is what the next three forms do."),
    ("A param leaked on the path of the abort group (a note of a static analysis)",
     "Not so: freeing what the group holds puts the reference, and remove-oom-group leaks nothing on any form."),
    ("CVE-2025-21770: the leak",
     "Nothing leaks on v6.12 in any scenario in which owners free their groups, removal or not."),
    ("Groups linked after removal (track-group to v6.12)",
     "Found, and not counted as late: where report is allowed beside removal by nobody's contract, the answer after it"
     " is the driver's. It is only demanded of a form that calls such reports bad setup."),
)
# fmt: on

# fmt: off
#: Defects of the history that these scenarios can't show.
NOT_EXPRESSED: tuple[tuple[str, str], ...] = (
    ("6ef0505158f7 with a work outstanding",
     "a driver that flushes with the lock held that the work's page_response takes waits for itself on every form, ours"
     " too; what the forms differ in is the circle without one, driver-lock-flush"),
    ("lkml-v8: flush after removal gives -ENODEV and no WARN", "a WARN that does not come is no failure"),
    ("v7 12/12, iopf_queue_discard_dev_pasid()", "a patch that was dropped, and is no core here"),
    ("remove-void: VT-d's teardown against the documented order, PRI off before removal", "VT-d's own code"),
    ("void-response: a driver of the revision before answers again", "the driver of a scenario is its core's"),
    ("fb21b1568ada to ba5c0f28a26e, the new hwpt instead of the old one", "needs the fault file"),
    ("738e6f32e61d, a read from the fault file beside removal", "needs the fault file; the held group above is its core"),
    ("a group on neither list between dequeue and deliver", "needs the fault file"),
    ("3f4818ec1390, groups left at destroy; 3d49020a327c, e721f619e3ec", "needs the fault file"),
    ("47916a54eeb2, 172fc8b19825, 091ab6d70dc4, the read loop", "needs the fault file"),
    ("53d0584eeb2c, 4e034bf045b1, an aborted file descriptor", "needs the fault file"),
    ("17fce9d2336d, 236dd58fabd2, 534b5f98ab73, def054b01a86", "VT-d's own code"),
    ("bc1f5ec826bf, c94252cd5bbc", "AMD's own code"),
)
# fmt: on


def explain(defect: Defect, failure: Failure) -> str:
    """The essential lines of the trace that shows a defect."""
    important = {site.step for site in failure.sites if site.step is not None} | set(failure.culprit or ())
    important |= {
        index
        for index, step in enumerate(failure.steps)
        if step.preempted
        or step.op in ("response", "work begins", "queue_work", failure.kind)
        or step.op.endswith((" begins", " returns"))
        or (step.op.startswith("refcount") and step.after == 0)
    }
    if len(important) < 2:
        important |= set(range(max(0, len(failure.steps) - 6), len(failure.steps)))
    width = max((len(task) for task in failure.tasks), default=0)
    lines = [f"{failure.kind}: {failure.message}"]
    for index in sorted(important):
        if not 0 <= index < len(failure.steps):
            continue
        step = failure.steps[index]
        text = f"{step.op}({step.object})" if step.object else step.op
        if step.before is not None and step.after is not None:
            text += f" {step.before} -> {step.after}"
        if step.note:
            text += f"  {step.note}"
        place = f"   {step.place.file.rpartition('/')[2]}: {step.place.function}" if step.place else ""
        mark = "*" if index in {site.step for site in failure.sites} else " "
        lines.append(f"{mark} {step.task:<{width}}  {text}{place}".rstrip())
    for site in failure.sites:
        if site.step is None and site.place is not None:
            who = f" by {site.task}" if site.task else ""
            lines.append(
                f"  {site.what} {site.object or ''}{who}: {site.place.file.rpartition('/')[2]}: {site.place.function}"
            )
    return "\n".join(lines)


INTRO = """\
<!-- Generated by: python -m iopf.catalogue > csrc/history/README.md -->
# The history, and what is wrong with it

In December 2023 a patch that put a reference count on the fault param was reviewed on the list: find the param once,
pass it on, let removal clear the pointer and answer what is out. What was merged, five versions later, follows that; on
the way it was put twice, freed twice and lost a `return`, and the one-line leak fix that came after became two CVEs.

Each revision is a core here, written anew from what it does. `iopf check` runs all of them through all scenarios; this
file says what is found, and is generated from the data that the tests look for (`iopf/catalogue.py`).
"""


def _results(pairs: set[tuple[str, str]], executor: Executor | None) -> dict[tuple[str, str], Result]:
    ordered = sorted(pairs)
    run = map if executor is None else executor.map
    return dict(zip(ordered, run(_explore, ordered)))


def _explore(pair: tuple[str, str]) -> Result:
    scenario, core = pair
    return explore(build(scenario), core=core, notes=False)


def generate(executor: Executor | None = None) -> str:
    """The text of csrc/history/README.md."""
    results = _results({(defect.scenario, defect.core) for defect in CATALOGUE}, executor)
    lines = [INTRO, "## The cores\n", "| core | commit | releases | what it is |", "|---|---|---|---|"]
    for core in cores().values():
        if core.name != "iopf":
            lines.append(f"| `{core.name}` | {core.commit or '-'} | {core.releases or '-'} | {core.title} |")
    lines += [
        "",
        "## The defects\n",
        "*Kept* and *broken*: what the driver does about the contract of that form in the execution that shows it.\n",
        "| defect | scenario | kind | contract | reported | clean since |",
        "|---|---|---|---|---|---|",
    ]
    for defect in CATALOGUE:
        lines.append(
            f"| {defect.id} | {defect.scenario} | {defect.kind} | {defect.contract} | {defect.reported} |"
            f" {defect.fixed_by or 'ours'} |"
        )
    lines += ["", "## Where exploration and the history differ\n", "The trace decides.\n"]
    lines += [f"* **{what}.** {why}" for what, why in CONTRADICTIONS]
    lines += ["", "## What these scenarios can't show\n"]
    lines += [f"* {what}: {why}." for what, why in NOT_EXPRESSED]
    lines += [
        "",
        "## The traces\n",
        "The shortest execution of each, its essential lines; `iopf explore SCENARIO --core CORE`",
        "shows all of it. `*`: what the failure is about.",
        "",
    ]
    for defect in CATALOGUE:
        failure = defect.shown(results[defect.scenario, defect.core])
        lines += [f"### {defect.id}\n", defect.mechanism, "", "```",
                  explain(defect, failure) if failure is not None else "NOT FOUND", "```", ""]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(generate())
