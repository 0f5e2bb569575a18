# SPDX-License-Identifier: GPL-2.0-only
"""The scenario library: the races of this framework, by name.

Each entry tells its race step by step and says what of a driver's contract it keeps, and which clause it breaks. The
names are what ``iopf explore NAME``, ``iopf check`` and the catalogue in ``csrc/history/README.md`` use.

::

    from iopf import scenarios
    from iopf.explore import explore

    print(scenarios.get("remove-queued-work").story)
    result = explore(scenarios.build("remove-queued-work"), core="v6.14")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ._hints import unknown
from .explore import Scenario
from .explore.library import register

__all__ = ["LibraryScenario", "all_scenarios", "build", "get", "names"]

#: What drivers owe the kernel's forms, in the words of the catalogue.
KEPT = "kept"
NO_FLUSH = "broken for the kernel's forms: no flush before remove"
RECEPTION = "broken for the kernel's forms: reception goes on while remove runs"
NOT_DRAINED = "broken for the kernel's forms: detached with faults in flight"
DEVICE_GONE = "broken for the kernel's forms: the device goes while its works run"
TWICE_REMOVED = "broken: the device is removed by two at once"
TWICE_ANSWERED = "broken for forms that do not look whether a group is pending: its owner answers it twice"


@dataclass(frozen=True)
class LibraryScenario:
    """A named scenario: what the race is, and what the driver does about its contract in it."""

    name: str
    title: str
    #: the race, one step a line
    story: tuple[str, ...]
    #: what of the driver's contract it keeps or breaks; a failure's own tag is decided for each execution
    contract: str
    make: Callable[[Scenario], None]

    def build(self) -> Scenario:
        """A new scenario that can be explored, or changed first."""
        scenario = Scenario(self.name)
        self.make(scenario)
        return scenario

    def __reduce__(self) -> tuple[Callable[[str], LibraryScenario], tuple[str]]:
        return get, (self.name,)  # functions that make scenarios have no name to be found by

    def __str__(self) -> str:
        steps = "\n".join(f"  {number}. {step}" for number, step in enumerate(self.story, 1))
        return f"{self.name}: {self.title}\n{steps}\n  contract: {self.contract}"


_library: dict[str, LibraryScenario] = {}


def _entry(
    name: str, title: str, *story: str, contract: str = KEPT
) -> Callable[[Callable[[Scenario], None]], Callable[[Scenario], None]]:
    def take(make: Callable[[Scenario], None]) -> Callable[[Scenario], None]:
        entry = _library[name] = LibraryScenario(name, title, story, contract, make)
        register(name, title)(entry.build)
        return make

    return take


def names() -> tuple[str, ...]:
    """The names, in the order of the catalogue."""
    return tuple(_library)


def get(name: str) -> LibraryScenario:
    """The entry of that name; KeyError lists the names."""
    try:
        return _library[name]
    except KeyError:
        raise KeyError(unknown("scenario", name, _library)) from None


def build(name: str) -> Scenario:
    """The scenario of that name, new."""
    return get(name).build()


def all_scenarios() -> tuple[LibraryScenario, ...]:
    """Every entry."""
    return tuple(_library.values())


# --- removal ---


@_entry(
    "remove-queued-work",
    "removal meets a group whose work is queued, or has just begun",
    "report has queued the group's work and returned",
    "the driver calls remove without a flush: the group is answered INVALID",
    "a worker takes the work: its response comes too late, and it frees the group",
    contract=NO_FLUSH,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev)


@_entry(
    "remove-running-work",
    "removal meets a work that walks a group of two pages",
    "a partial and a last request are a group of two pages; its work runs, and goes from page to page",
    "the driver calls remove without a flush",
    "the work looks at the next page, answers, and frees",
    contract=NO_FLUSH,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1, addr=0x2000)
    s.task("driver").remove(queue, dev)


@_entry(
    "remove-linked-group",
    "removal meets a group that is pending, and whose handler was not called yet",
    "report has made the group pending and dropped the lock",
    "remove answers it INVALID",
    "report calls the handler with the group; its owner answers and frees",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="held", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("owner").respond(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev)


@_entry(
    "remove-oom-group",
    "removal meets a last request that found no memory",
    "report can't allocate the group",
    "where the form links an abort group, on its stack, remove finds it",
    "report answers FAILURE",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    s.task("irq").fail_next_alloc().report(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev)


@_entry(
    "remove-late-partials",
    "removal beside a reporter that is late with partial requests",
    "a partial request is stored",
    "report has taken its reference on the fault param; remove drops what is stored and lets go of the param",
    "report stores another one, or collects what was stored for its last request",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report_partial(dev, grpid=1, pasid=1)
    s.task("irq").report_partial(dev, grpid=1, pasid=1, addr=0x2000).report(dev, grpid=1, pasid=1, addr=0x3000)
    s.task("driver").remove(queue, dev)


@_entry(
    "remove-late-report",
    "removal beside a last request",
    "report has taken its reference; remove finds nothing outstanding and is through",
    "report goes on: whoever answers now, the device gets one answer",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev)


@_entry(
    "readd-late-response",
    "the device is removed and added again while an answer is on its way",
    "a group is out; remove answers it, or misses it",
    "the device is added to the queue again, and uses the same index for a new request",
    "the work of the first group answers: what it finds must not be the second one",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev).add(queue, dev).report(dev, grpid=1, pasid=1)


@_entry(
    "remove-held-group",
    "removal meets a group that its owner keeps, and answers later",
    "the handler keeps the group, as a fault file does",
    "the driver flushes and removes: nothing is queued, and the group is still out",
    "the owner answers: the device must not hear of it any more",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="held", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("owner").respond(dev, grpid=1, pasid=1)
    s.task("driver").flush(dev).remove(queue, dev)


@_entry(
    "remove-twice",
    "two remove one device at the same time",
    "unbind and unplug both decide that the device has to leave its queue",
    "one of them removes it",
    "the other finds nothing to remove: a WARN, and nothing is touched",
    contract=TWICE_REMOVED,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("unbind").remove(queue, dev)
    s.task("unplug").remove(queue, dev)


@_entry(
    "remove-device-gone",
    "the device is removed and let go of while a work of its runs",
    "report has queued the group's work and returned",
    "the driver removes the device, does not look at what comes back, and drops its reference to the device",
    "the work resolves the group, and answers it",
    contract=DEVICE_GONE,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev).close(dev)


@_entry(
    "flush-then-remove",
    "the order that the contract asks for",
    "reception is stopped: every report has returned",
    "flush waits for the works",
    "remove finds nothing outstanding",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1).report(dev, grpid=2, pasid=1)
    s.task("driver").flush(dev).remove(queue, dev)


# --- flush, discard, refusal, the end of the queue ---


@_entry(
    "flush-pending-work",
    "flush with a work pending",
    "report has queued the group's work",
    "the driver flushes: it waits for the work",
    "the work answers, and needs whatever locks its response takes",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("driver").flush(dev)


@_entry(
    "discard-report",
    "an overflow drops the partial requests while another report runs",
    "the hardware queue overflowed; the overflow path drops everything that is stored",
    "the interrupt thread stores a partial request, and completes its group",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report_partial(dev, grpid=1, pasid=1)
    s.task("irq").report_partial(dev, grpid=2, pasid=1).report(dev, grpid=2, pasid=1, addr=0x2000)
    s.task("overflow").discard_partial(queue)


@_entry(
    "refusal",
    "the handler refuses a group",
    "report makes the group pending and calls the handler",
    "the handler returns an error: the group is report's again, to answer and to free",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="refuse", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("other irq").report(dev, grpid=2, pasid=1)


@_entry(
    "refusal-remove",
    "the handler refuses a group that removal answers",
    "report makes the group pending and calls the handler",
    "remove answers INVALID",
    "the handler returns an error: report cleans up",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="refuse", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev)


@_entry(
    "partial",
    "one partial request, and then the last one",
    "the partial request is stored, and nothing else happens",
    "the last request completes a group of two",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1, addr=0x2000)


@_entry(
    "answer-in-handler",
    "the handler answers before it returns",
    "report makes the group pending and calls the handler",
    "the handler answers and frees the group at once: report must not hold what the answer needs, nor touch the group",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("other irq").report(dev, grpid=2, pasid=1)


@_entry(
    "answered-twice",
    "two of a group's owners answer it",
    "the handler keeps the group, as a fault file does",
    "under the file's lock the reader answers the group, and leaves it where it is",
    "under the same lock the detach path, which answers what is left, answers it once more, and frees it",
    contract=TWICE_ANSWERED,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="held", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("reader").lock("file").respond(dev, grpid=1, pasid=1, free=False).unlock("file")
    s.task("detach").lock("file").respond(dev, grpid=1, pasid=1, code="invalid").unlock("file")


@_entry(
    "free-queue-pending",
    "the queue is freed with a work pending",
    "report has queued the group's work and returned",
    "the driver frees the queue: its devices are removed, then its workqueue drains",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("driver").free_queue(queue)


@_entry(
    "free-queue-held",
    "the queue is freed while a group is out, and the device goes to another queue",
    "the handler keeps a group",
    "the driver frees the queue, and with it the device is on none",
    "the owner answers",
    "the device is added to another queue",
)
def _(s: Scenario) -> None:
    queue, other = s.queue(), s.queue()
    dev = s.device(queue, handler="held", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("owner").respond(dev, grpid=1, pasid=1)
    s.task("driver").free_queue(queue).add(other, dev)


@_entry(
    "free-queue-report",
    "the queue is freed beside a report",
    "report has found the fault param and calls the handler, which queues a work on the queue's workqueue",
    "the driver frees the queue: the param's way to it must not lead anywhere any more",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").free_queue(queue)


# --- locks and attachments ---


@_entry(
    "driver-lock",
    "the driver takes a lock of its own inside page_response",
    "a work answers: under the fault param's lock the driver takes its own",
    "the driver takes that lock elsewhere, with none of the framework's held, flushes and removes the device",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1, response_lock="driver")
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("driver").lock("driver").unlock("driver").flush(dev).remove(queue, dev)


@_entry(
    "driver-lock-flush",
    "the driver flushes under the lock that it takes inside page_response",
    "no work is outstanding: the handler keeps its groups",
    "an owner answers: under the fault param's lock the driver takes its own",
    "a report takes what locks it takes",
    "the driver flushes with that lock of its own held: flush must not wait for what report holds",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="held", pasid=1, response_lock="driver")
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("owner").respond(dev, grpid=1, pasid=1)
    s.task("irq").report(dev, grpid=2, pasid=1)
    s.task("driver").lock("driver").flush(dev).unlock("driver")


@_entry(
    "pasid-rebound",
    "a PASID gets another handler between report and work",
    "report has queued the work for the domain that was attached",
    "the PASID is detached, and attached to another domain",
    "the work resolves the group: with the domain that it was launched for",
    contract=NOT_DRAINED,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("vfio").detach(dev, pasid=1).attach(dev, handler="refuse", pasid=1)


@_entry(
    "bad-setup-partial",
    "a partial request without a handler, and its last one",
    "a partial request comes for a PASID that has no handler: nobody answers it, its last one will come",
    "the last one comes, and is answered INVALID",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler=None)
    s.task("irq").report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1, addr=0x2000)


@_entry(
    "bad-setup-reused-index",
    "a group loses its handler, and its index is used again",
    "a partial request is stored; then its PASID is detached",
    "the last one comes, and is answered INVALID: that group is over",
    "the PASID gets a handler again, and the device uses the index for a new group: it has one page, not two",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    irq = s.task("irq")
    irq.report_partial(dev, grpid=1, pasid=1).detach(dev, pasid=1).report(dev, grpid=1, pasid=1, addr=0x2000)
    irq.flush(dev).attach(dev, handler="sva", pasid=1).report(dev, grpid=1, pasid=1, addr=0x3000)


@_entry(
    "one-index-two-pasids",
    "two PASIDs use the same index at the same time",
    "PASID 1 completes a group",
    "PASID 2 completes one of its own under the same index: both are answered, each with its own PASID",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.attach(dev, handler="sva", pasid=2)
    s.task("irq 1").report(dev, grpid=1, pasid=1)
    s.task("irq 2").report(dev, grpid=1, pasid=2, addr=0x2000)


@_entry(
    "partial-two-pasids",
    "a partial request of one PASID, and a group of another under the same index",
    "a partial request of PASID 1 is stored",
    "PASID 2 completes a group of its own: it has one page",
    "PASID 1 completes its group: it has two",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.attach(dev, handler="sva", pasid=2)
    irq = s.task("irq")
    irq.report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=2, addr=0x2000)
    irq.report(dev, grpid=1, pasid=1, addr=0x3000)


@_entry(
    "detach-report",
    "a handler is detached while a report runs",
    "report has found the handler that the fault belongs to",
    "the PASID is detached",
    "report calls the handler: what it found is still there",
    contract=NOT_DRAINED,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("vfio").detach(dev, pasid=1)
