# SPDX-License-Identifier: GPL-2.0-only
"""The scenario library: the races of this framework, by name.

Each entry tells its race step by step and says what of a driver's contract it keeps, and which clause it breaks. The
names are what ``iopf explore NAME``, ``iopf check`` and the catalogue in ``csrc/history/README.md`` use. Users have it
as ``iopf.scenarios``.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass

from .._hints import unknown
from .scenario import Device, Queue, Scenario, Space

__all__ = ["LibraryScenario", "all_scenarios", "build", "get", "names"]

#: What drivers owe the kernel's forms, in the words of the catalogue.
KEPT = "kept"
NO_FLUSH = "broken for the kernel's forms: no flush before remove"
RECEPTION = "broken for the kernel's forms: reception goes on while remove runs"
NO_FLUSH_RECEPTION = "broken for the kernel's forms: no flush before remove, and reception goes on while it runs"
NOT_DRAINED = "broken for the kernel's forms: detached with faults in flight"
DEVICE_GONE = "broken for the kernel's forms: the device goes while its works run"
TWICE_REMOVED = "broken: the device is removed by two at once"
WRONG_QUEUE = "broken: the device is removed from a queue that it is not on"
FLUSHED_UNQUEUED = "broken: a device is flushed that is on no queue"
NOTHING_LEFT = "broken: the device is flushed and detached when there is nothing left of it"
DROPPED = "broken: the handler does not answer"
CALLS_BACK = "broken: page_response calls back into the framework, which holds its locks"
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
        _library[name] = LibraryScenario(name, title, story, contract, make)
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
    "answer-inside-response",
    "the driver answers a group inside page_response, which is called for another one",
    "a handler keeps two groups",
    "their owner answers one: page_response is called with the fault param's lock held",
    "inside it the driver answers the other: the call waits for a lock that its own task has, and the device gets no more",
    contract=CALLS_BACK,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="held", pasid=1, answers_inside=2)
    s.setup.report(dev, grpid=1, pasid=1).report(dev, grpid=2, pasid=1)
    s.task("owner").respond(dev, grpid=1, pasid=1)
    s.expect("deadlock")


@_entry(
    "answer-inside-itself",
    "the driver answers a group inside the page_response that is called for it",
    "a handler keeps a group, and its owner answers it",
    "inside page_response the driver answers it once more: refused, as the task waits for itself; the device has one answer",
    contract=CALLS_BACK,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="held", pasid=1, answers_inside=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("owner").respond(dev, grpid=1, pasid=1)
    s.expect("deadlock")


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


# --- one call beside each other ---


@_entry(
    "flush-then-detach",
    "the order that unbinding a PASID asks for",
    "report has queued the group's work and returned",
    "flush waits for the work, which answers and lets go of the handler",
    "the PASID is detached: nobody has it any more",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("driver").flush(dev).detach(dev, pasid=1)


@_entry(
    "remove-add",
    "a device leaves its queue while another one comes, and is added again itself",
    "one device is on the queue, with a partial request stored",
    "unplug removes it: what is stored goes, and the device from the queue's list",
    "another device is added to the same list, and the first one, too: -EBUSY while it is there, 0 afterwards",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    other = s.device(None, handler="sva", pasid=1)
    s.setup.report_partial(dev, grpid=1, pasid=1)
    s.task("unplug").remove(queue, dev)
    s.task("plug").add(queue, other).add(queue, dev)


@_entry(
    "remove-two-devices",
    "two devices leave one queue at the same time, beside an overflow",
    "both have a partial request stored",
    "each is removed by its own driver: what is stored for it goes with it",
    "the overflow path walks the queue's devices",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    one = s.device(queue, handler="sva", pasid=1)
    two = s.device(queue, handler="sva", pasid=1)
    s.setup.report_partial(one, grpid=1, pasid=1).report_partial(two, grpid=1, pasid=1)
    s.task("driver 1").remove(queue, one)
    s.task("driver 2").remove(queue, two)
    s.task("overflow").discard_partial(queue)


@_entry(
    "nine-keys-remove",
    "the ninth index of partial requests beside removal",
    "eight groups have begun, each with a partial request: the index of what is stored is full",
    "a ninth begins: the index grows, with memory that was allocated outside of the lock",
    "removal takes all that is stored",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    for grpid in range(8):
        s.setup.report_partial(dev, grpid=grpid, pasid=1)
    s.task("irq").report_partial(dev, grpid=8, pasid=1).report(dev, grpid=3, pasid=1, addr=0x2000)
    s.task("driver").remove(queue, dev)


@_entry(
    "nine-keys-two-reporters",
    "two reporters find the index of partial requests full",
    "eight groups have begun, and the index of what is stored is full",
    "two more begin at the same time: each allocates a larger index, outside of the lock",
    "one of them comes too late with its own, and frees it; what was stored is found by its last requests",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    for grpid in range(8):
        s.setup.report_partial(dev, grpid=grpid, pasid=1)
    s.task("irq 1").report_partial(dev, grpid=8, pasid=1)
    s.task("irq 2").report_partial(dev, grpid=9, pasid=1)
    for grpid in range(10, 18):
        s.teardown.report_partial(dev, grpid=grpid, pasid=1)
    for grpid in (3, 9, 17):
        s.teardown.report(dev, grpid=grpid, pasid=1, addr=0x2000)


@_entry(
    "nine-keys-oom",
    "the index of partial requests finds no memory to grow",
    "eight groups have begun, and the index of what is stored is full",
    "a ninth begins, and there is no memory for a larger index: the old one has to do",
    "an overflow drops what is stored, or the ninth group is completed: with its two pages",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    for grpid in range(8):
        s.setup.report_partial(dev, grpid=grpid, pasid=1)
    irq = s.task("irq").fail_next_alloc(2).report_partial(dev, grpid=8, pasid=1)
    irq.report(dev, grpid=8, pasid=1, addr=0x2000)
    s.task("overflow").discard_partial(queue)


@_entry(
    "free-queue-two-devices",
    "the queue is freed with two devices on it",
    "each device has a group whose work is queued",
    "the driver frees the queue: both are removed and answered, and the works drained",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    for grpid in (1, 2):
        dev = s.device(queue, handler="sva", pasid=1)
        s.setup.report(dev, grpid=grpid, pasid=1)
    s.task("driver").free_queue(queue)


@_entry(
    "add-two-queues",
    "two queues add one device",
    "two drivers find the device on no queue",
    "one adds it to its queue, the other is told -EBUSY",
    "the one that has it removes it again",
)
def _(s: Scenario) -> None:
    one, two = s.queue(), s.queue()
    dev = s.device(None, handler="sva", pasid=1)
    s.task("one").add(one, dev)
    s.task("two").add(two, dev)
    s.teardown.report(dev, grpid=1, pasid=1)


@_entry(
    "remove-wrong-queue",
    "the device is removed from its queue, and from another one",
    "the driver removes the device from the queue that it is on",
    "somebody else removes it from a queue that it is not on: a WARN, and nothing is touched",
    contract=WRONG_QUEUE,
)
def _(s: Scenario) -> None:
    queue, other = s.queue(), s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev)
    s.task("other").remove(other, dev)


@_entry(
    "replace-detach",
    "a PASID's handler is replaced while it is detached",
    "one driver exchanges the handler of a PASID, another one detaches it",
    "there is nothing to replace any more (-EINVAL), or it is the new one that goes: each is let go of once",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("vfio").replace(dev, handler="refuse", pasid=1)
    s.task("unbind").detach(dev, pasid=1)


@_entry(
    "replace-report",
    "a PASID's handler is replaced while a report runs",
    "report has found the handler that the fault belongs to",
    "the handler is replaced: what report found is let go of",
    "report calls the handler: what it found is still there",
    contract=NOT_DRAINED,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("vfio").replace(dev, handler="inline", pasid=1)


@_entry(
    "detach-partial",
    "a handler is detached while a partial request asks for it",
    "report looks whether somebody would resolve the request",
    "the PASID is detached, and nobody else has what it was attached to",
    "the request is stored, or refused",
    contract=NOT_DRAINED,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report_partial(dev, grpid=1, pasid=1)
    s.task("vfio").detach(dev, pasid=1)


@_entry(
    "nine-pasids",
    "nine PASIDs of one device",
    "eight PASIDs are attached, and the table of attachments is full",
    "there is no memory for a larger one: the ninth is attached all the same; with the tenth the table grows",
    "a PASID that is taken is refused, one is replaced, and each is found by a request",
    "all are detached, the table goes, and one is attached again",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    driver = s.task("driver")
    for pasid in range(2, 11):
        driver = driver.fail_next_alloc() if pasid == 9 else driver
        driver.attach(dev, handler="inline", pasid=pasid)
    driver.attach(dev, handler="refuse", pasid=4).replace(dev, handler="inline", pasid=7)
    for pasid in range(1, 11):
        driver.report(dev, grpid=1, pasid=pasid)
    for pasid in range(1, 11):
        driver.detach(dev, pasid=pasid)
    driver.attach(dev, handler="inline", pasid=1).report(dev, grpid=1, pasid=1)


@_entry(
    "nothing-left",
    "a device is flushed and detached when there is nothing left of it",
    "the driver removes the device, and detaches its PASID",
    "its error path does it all once more: flush finds no queue, detach nothing attached",
    "a WARN each, and nothing is touched",
    contract=NOTHING_LEFT,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("driver").flush(dev).remove(queue, dev).detach(dev, pasid=1).flush(dev).detach(dev, pasid=1)


@_entry(
    "group-detach",
    "two devices of one iommu group share what a PASID is attached to",
    "the PASID was attached by way of one device",
    "the other device reports a fault of that PASID: it has the same handler",
    "the PASID is detached by way of the first device while the report runs",
    contract=NOT_DRAINED,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    other = s.device(queue, handler=None, group=dev)
    s.task("irq").report(other, grpid=1, pasid=1)
    s.task("vfio").detach(dev, pasid=1)


@_entry(
    "group-remove",
    "two devices of one iommu group, and one leaves",
    "both devices have a group out under the same index and PASID",
    "one is flushed and removed: the other one's request has nothing to do with it",
    "the owner answers both: one of them comes too late",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="held", pasid=1)
    other = s.device(queue, handler=None, group=dev)
    s.setup.report(dev, grpid=1, pasid=1).report(other, grpid=1, pasid=1)
    s.task("owner").respond(dev, grpid=1, pasid=1).respond(other, grpid=1, pasid=1)
    s.task("driver").flush(dev).remove(queue, dev)


@_entry(
    "move-late-answer",
    "a device moves to another queue while an answer is on its way",
    "report has queued the group's work on the first queue",
    "the driver removes the device, which answers, and adds it to another queue",
    "the device uses the same index for a new request, whose work is on the other queue",
    "the work of the first group answers: the new request has an answer of its own",
    contract=NO_FLUSH,
)
def _(s: Scenario) -> None:
    queue, other = s.queue(), s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev).add(other, dev).report(dev, grpid=1, pasid=1)


@_entry(
    "move-held-answer",
    "a device moves to another queue, and its first queue is freed, with a group still out",
    "the handler keeps a group",
    "the driver flushes, removes the device, frees the queue, and adds the device to another one",
    "the owner answers: what it holds has no queue any more, and the device must not hear of it",
)
def _(s: Scenario) -> None:
    queue, other = s.queue(), s.queue()
    dev = s.device(queue, handler="held", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("owner").respond(dev, grpid=1, pasid=1)
    s.task("driver").flush(dev).remove(queue, dev).free_queue(queue).add(other, dev)


@_entry(
    "unknown-pasid-remove",
    "a fault of a PASID that nobody attached, beside removal",
    "the device has a handler for one PASID, and a partial request of another one comes",
    "the last request of that PASID comes: nobody resolves it, and it is answered INVALID, once",
    "the driver removes the device meanwhile",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    irq = s.task("irq")
    irq.report_partial(dev, grpid=1, pasid=2).report(dev, grpid=1, pasid=2, addr=0x2000)
    s.task("driver").remove(queue, dev)


@_entry(
    "drop-remove",
    "a handler frees its group unanswered, beside removal",
    "report makes the group pending and calls the handler",
    "the handler frees the group and has not answered: a WARN and INVALID, unless removal has answered it",
    contract=DROPPED,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="drop", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev)


@_entry(
    "partial-order",
    "the pages of a group, in the order of arrival",
    "three partial requests of one group are stored, and one of another group between them",
    "the last one completes the group of four: in the order in which they came",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    irq = s.task("irq")
    irq.report_partial(dev, grpid=1, pasid=1, addr=0x1000).report_partial(dev, grpid=2, pasid=1, addr=0x8000)
    irq.report_partial(dev, grpid=1, pasid=1, addr=0x2000).report_partial(dev, grpid=1, pasid=1, addr=0x3000)
    irq.report(dev, grpid=1, pasid=1, addr=0x4000).report(dev, grpid=2, pasid=1, addr=0x9000)


@_entry(
    "discard-completed",
    "an overflow drops what is stored, and the last request comes after it",
    "a partial request is stored, and dropped by the overflow path",
    "the last one comes: its group has one page; the index is used again for a group of two",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    irq = s.task("irq")
    irq.report_partial(dev, grpid=1, pasid=1).discard_partial(queue).report(dev, grpid=1, pasid=1, addr=0x2000)
    irq.report_partial(dev, grpid=1, pasid=1, addr=0x3000).report(dev, grpid=1, pasid=1, addr=0x4000)


# --- out of memory, at each allocation ---


@_entry(
    "oom-remove",
    "every allocation of report may fail, beside removal",
    "a partial request finds no memory: -ENOMEM, and nobody answers it",
    "its last one finds none: what is stored goes, and the device gets FAILURE",
    "removal answers, if it comes before",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    s.alloc_may_fail()
    s.task("irq").report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1, addr=0x2000)
    s.task("driver").remove(queue, dev)


@_entry(
    "oom-discard",
    "every allocation of report may fail, beside an overflow",
    "a partial request is stored, or finds no memory; so does the last one",
    "the overflow path drops what is stored",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.alloc_may_fail()
    s.task("irq").report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1, addr=0x2000)
    s.task("overflow").discard_partial(queue)


@_entry(
    "oom-detach",
    "a last request without memory, beside a detach",
    "report has found the handler, and finds no memory for a group: it lets go of the handler",
    "the PASID is detached",
    contract=NOT_DRAINED,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report_partial(dev, grpid=1, pasid=1)
    s.task("irq").fail_next_alloc().report(dev, grpid=1, pasid=1, addr=0x2000)
    s.task("vfio").detach(dev, pasid=1)


@_entry(
    "oom-free-queue",
    "a last request without memory, beside the end of its queue",
    "report finds no memory for a group, and answers FAILURE",
    "the driver frees the queue: the request is answered INVALID when it came too late",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").fail_next_alloc().report(dev, grpid=1, pasid=1)
    s.task("driver").free_queue(queue)


@_entry(
    "oom-flush",
    "a request without memory beside flush, and then removal",
    "a work is queued",
    "the next request finds no memory: FAILURE, and the pages of its group go",
    "the driver flushes; reception is over, and it removes the device",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report_partial(dev, grpid=1, pasid=1)
    s.task("irq").fail_next_alloc().report(dev, grpid=1, pasid=1, addr=0x2000)
    s.task("driver").flush(dev).remove(queue, dev)


@_entry(
    "oom-add",
    "adding a device finds no memory",
    "the driver adds the device, and there is no memory: -ENOMEM, and nothing has changed",
    "it tries again, beside another device that is added to the same queue",
    "the device reports",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(None, handler="sva", pasid=1)
    other = s.device(None, handler="sva", pasid=1)
    s.task("driver").fail_next_alloc().add(queue, dev).add(queue, dev).report(dev, grpid=1, pasid=1)
    s.task("other").add(queue, other)


# --- address spaces: the process exits, unmaps, and its PASID is used again ---


def _bound(s: Scenario) -> tuple[Queue, Device, Space]:
    """A device that a process is bound to, which has mapped one page."""
    queue, space = s.queue(), s.space()
    s.setup.map(space, 0x1000, 0x1000, "r")
    return queue, s.device(queue, handler="sva", pasid=1, space=space), space


@_entry(
    "exit-work",
    "the process exits while a work faults its pages in",
    "report has queued the work of a group of two pages",
    "the process exits: what it has mapped goes with the last who uses it",
    "the work finds the space gone, between its pages, or not yet: INVALID or SUCCESS, and one answer",
)
def _(s: Scenario) -> None:
    _, dev, space = _bound(s)
    s.setup.report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1, addr=0x1800)
    s.task("process").exit(space)


@_entry(
    "unmap-work",
    "the process unmaps a page while a work faults it in",
    "report has queued the work",
    "the process unmaps the page, and maps another one",
    "the work finds the page, or does not: SUCCESS or INVALID",
)
def _(s: Scenario) -> None:
    _, dev, space = _bound(s)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("process").unmap(space, 0x1000, 0x1000).map(space, 0x2000, 0x1000, "rw")


@_entry(
    "protect-work",
    "a page may be read and not written",
    "the device wants to write to a page that may be read: INVALID",
    "the process maps it anew, for writing",
    "the device wants to write to it again: SUCCESS if it comes after that",
)
def _(s: Scenario) -> None:
    _, dev, space = _bound(s)
    s.setup.report(dev, grpid=1, pasid=1).report(dev, grpid=2, pasid=1, perm="w")
    s.task("process").map(space, 0x1000, 0x1000, "rw")


@_entry(
    "exit-report",
    "the process exits beside a report",
    "the interrupt thread reports a page of the process",
    "the process exits",
    "the work, if it runs after that, finds nothing to fault in: INVALID",
)
def _(s: Scenario) -> None:
    _, dev, space = _bound(s)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("process").exit(space)


@_entry(
    "unbind-work",
    "the process is unbound and exits while a work resolves against its space",
    "report has queued the work",
    "the PASID is unbound without a flush, and the process exits: nobody but the work's group knows the space any more",
    "the work looks the page up: what it looks into is still there",
    contract=NOT_DRAINED,
)
def _(s: Scenario) -> None:
    _, dev, space = _bound(s)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("driver").unbind(dev, 1).exit(space)


@_entry(
    "unbind-report",
    "the process is unbound and exits while a report runs",
    "report has found whom the PASID is bound to",
    "the PASID is unbound, and the process exits",
    "report hands the group over: its work finds the space that it was for, and that it is no more",
    contract=NOT_DRAINED,
)
def _(s: Scenario) -> None:
    _, dev, space = _bound(s)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").unbind(dev, 1).exit(space)


@_entry(
    "flush-unbind-exit",
    "the order that unbinding a process asks for",
    "report has queued the work",
    "flush waits for the work; then the PASID is unbound, and the process exits",
    "nobody knows the space any more, and nobody used it too late",
)
def _(s: Scenario) -> None:
    _, dev, space = _bound(s)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("driver").flush(dev).unbind(dev, 1).exit(space)


@_entry(
    "pasid-reused",
    "a PASID goes to another process between report and work",
    "report has queued the work for a page of the first process",
    "the PASID is unbound, and bound to another process, which has mapped the page",
    "the work looks the page up in the space of the first process: not in the other one's",
    contract=NOT_DRAINED,
)
def _(s: Scenario) -> None:
    _, dev, _ = _bound(s)
    other = s.space()
    s.setup.map(other, 0x1000, 0x1000, "rw").report(dev, grpid=1, pasid=1, perm="w")
    s.task("driver").unbind(dev, 1).bind(dev, other, 1)


@_entry(
    "bind-exited",
    "a process is bound while it exits",
    "one task binds the process to another PASID: -ESRCH when it has exited",
    "the process exits",
    "a request of the new PASID is answered, whatever came first",
)
def _(s: Scenario) -> None:
    _, dev, space = _bound(s)
    s.task("binder").bind(dev, space, 2).report(dev, grpid=1, pasid=2)
    s.task("process").exit(space)


@_entry(
    "permissions",
    "what a page allows, and what is wanted of it",
    "pages may be read, written, executed, or all of it, and the device wants one of them, or two",
    "what the page does not allow is INVALID, and so is a group of two pages with one of them such a page",
    "what is faulted in is faulted in for the access that was wanted",
    "a request without a PASID is of no process: INVALID",
)
def _(s: Scenario) -> None:
    queue, space = s.queue(workers=0), s.space()
    for number, perm in enumerate(("r", "w", "x", "rwx"), 1):
        s.setup.map(space, number << 12, 0x1000, perm)
    dev = s.device(queue, handler="sva", pasid=1, space=space)
    irq = s.task("irq").attach(dev, handler="sva", space=space)
    wanted = (("r", "w", "x"), ("r", "w", "x", "rw"), ("r", "w", "x", "rx", "wx"), ("rwp", "xp", "rwx", "p", ""))
    for number, perms in enumerate(wanted, 1):
        for perm in perms:
            irq.report(dev, grpid=1, pasid=1, addr=number << 12, perm=perm)
    irq.report_partial(dev, grpid=1, pasid=1, addr=0x2000).report(dev, grpid=1, pasid=1)
    irq.report(dev, grpid=1)


@_entry(
    "oom-fault",
    "there is no memory for a page that a work faults in",
    "report has queued the work of a group of two pages",
    "the first page can be had, or there is no memory for it; so with the second",
    "the process exits meanwhile; INVALID unless both could be had, and one answer",
)
def _(s: Scenario) -> None:
    _, dev, space = _bound(s)
    s.alloc_may_fail()
    s.setup.report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1, addr=0x1800)
    s.task("process").exit(space)


# --- what reaches report that it must not hand over ---


@_entry(
    "no-handler",
    "the domain of a PASID has no handler",
    "a domain is attached that resolves no faults, and a partial request of its PASID comes",
    "the last one comes: answered INVALID",
    "a domain with a handler replaces it: the index is used again, for a group of one page",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler=None, pasid=1)
    irq = s.task("irq")
    irq.report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1, addr=0x2000)
    irq.replace(dev, handler="sva", pasid=1).report(dev, grpid=1, pasid=1, addr=0x3000)


@_entry(
    "nested-table",
    "the guest owns the PASID table",
    "a nested domain is attached without a PASID, for all that are in the guest's table",
    "a fault of a PASID that the host does not know is its",
    "a PASID that the host attached has a handler of its own",
    "the domain is replaced while the report runs",
    contract=NOT_DRAINED,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", nested=True, user_pasid_table=True)
    s.setup.attach(dev, handler="inline", pasid=3).report(dev, grpid=1, pasid=3)
    s.task("irq").report(dev, grpid=1, pasid=7)
    s.task("vfio").replace(dev, handler="inline", nested=True)


@_entry(
    "table-not-nested",
    "the guest owns the PASID table, and the domain is not nested",
    "what is attached without a PASID is for requests without one",
    "a fault of a PASID that nobody attached is answered INVALID",
    "one without a PASID has a handler",
    "so is it where nothing is attached, or where the host owns the table and the domain is nested",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="inline", user_pasid_table=True)
    bare = s.device(queue, handler=None, user_pasid_table=True)
    host = s.device(queue, handler="inline", nested=True)
    irq = s.task("irq").report(dev, grpid=1, pasid=7).report(dev, grpid=2)
    irq.report(bare, grpid=1, pasid=7).report(host, grpid=1, pasid=7).report(host, grpid=2)


@_entry(
    "no-page-request",
    "a fault that is no page request",
    "the driver reports a fault of another type: -EOPNOTSUPP, nothing is stored, and nobody answers",
    "a page request of the same index comes: its group has one page",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    irq = s.task("irq")
    irq.report(dev, grpid=1, pasid=1, type="other").report(dev, grpid=1, pasid=1, addr=0x2000)


@_entry(
    "raw-flags",
    "a PASID that is not valid is only a number",
    "a partial request has a PASID whose flag says that there is none; its last one has another number there",
    "they are one group, of requests without a PASID",
    "the answer repeats the last one's number as it came",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="inline")
    s.setup.attach(dev, handler="refuse", pasid=2)
    irq = s.task("irq")
    irq.report(dev, grpid=1, pasid=1, flags=0).report(dev, grpid=1, pasid=2, flags=2, addr=0x2000)


@_entry(
    "pasid-not-valid",
    "one index, and one number for a PASID: valid and not",
    "a partial request has a PASID whose flag says that there is none",
    "a group of one page comes under the same index, and its PASID is that number, and valid: it is another group",
    "the last one of those without a PASID completes a group of two, and is answered with the number that it has there",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="inline")
    s.setup.attach(
        dev, handler="inline", pasid=64
    )  # a multiple of 64: in our core's index beside those without a PASID
    irq = s.task("irq")
    irq.report(dev, grpid=1, pasid=64, flags=0).report(dev, grpid=1, pasid=64, addr=0x2000)
    irq.report(dev, grpid=1, pasid=7, flags=2, addr=0x3000)


# --- queues ---


@_entry(
    "no-queue",
    "a queue that never was",
    "a probe finds no memory for a queue: there is none, and its error path discards and frees NULL",
    "another probe has a queue, and frees it when it fails later",
    "a third queue, with a work pending, is not touched",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    probe = s.task("probe").discard_partial(None).free_queue(None)
    probe.fail_next_alloc().try_queue(returns=-errno.ENOMEM).fail_next_alloc(2).try_queue(returns=-errno.ENOMEM)
    probe.try_queue()


@_entry(
    "no-response",
    "a driver that cannot answer",
    "a device whose driver has no page_response is to come onto a queue: -ENODEV",
    "another device, whose driver has, comes onto it, and reports",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    mute = s.device(None, handler="inline", pasid=1, no_response=True)
    dev = s.device(None, handler="inline", pasid=1)
    s.task("probe").add(queue, mute)
    s.task("other probe").add(queue, dev).report(dev, grpid=1, pasid=1)


@_entry(
    "no-workers",
    "a queue without workers",
    "report queues the work; whoever comes first runs it: the task that reported, or the driver's flush",
    "the driver removes the device",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue(workers=0)
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").flush(dev).remove(queue, dev)


# --- one request, and whose it is ---


@_entry(
    "no-pasid",
    "a request without a PASID, where only a PASID is attached",
    "a request without a PASID comes: nobody resolves it, and it is answered INVALID",
    "one of the PASID that is attached has a handler",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1).report(dev, grpid=2, pasid=1)


@_entry(
    "guest-fault",
    "a fault of the guest's table, and nothing changes meanwhile",
    "the guest owns the PASID table: a nested domain is attached without a PASID",
    "a fault of a PASID that the host does not know is its, and so is one without a PASID",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="inline", nested=True, user_pasid_table=True)
    s.task("irq").report(dev, grpid=1, pasid=7).report(dev, grpid=2)


@_entry(
    "nested-host-table",
    "a nested domain, and the host owns the PASID table",
    "a nested domain is attached without a PASID",
    "a fault of a PASID that nobody attached is not its: answered INVALID",
    "one without a PASID is",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="inline", nested=True)
    s.task("irq").report(dev, grpid=1, pasid=7).report(dev, grpid=2)


@_entry(
    "other-fault-unhandled",
    "a fault that is no page request, where nobody resolves any",
    "the device has no handler, and the driver reports a fault of another type: an error, and nobody answers",
    "a page request of the same index comes: answered INVALID",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler=None)
    s.task("irq").report(dev, grpid=1, pasid=1, type="other").report(dev, grpid=1, pasid=1, addr=0x2000)


@_entry(
    "remove-forgotten-groups",
    "removal meets groups that nobody will answer",
    "the handler keeps two groups, and the file that they are kept in is never read",
    "the driver flushes and removes: the device gets its answers, INVALID",
    "the file is closed: it frees its groups, unless removal has done that",
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="held", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1).report(dev, grpid=2, pasid=1)
    s.task("driver").flush(dev).remove(queue, dev)


@_entry(
    "flush-unqueued",
    "a device that is on no queue is flushed",
    "the driver flushes the device before it was added: a WARN and -ENODEV, and nothing is waited for",
    "it is added, reports, and is flushed again: the work is through",
    contract=FLUSHED_UNQUEUED,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(None, handler="sva", pasid=1)
    s.task("driver").flush(dev, returns=-errno.ENODEV).add(queue, dev).report(dev, grpid=1, pasid=1).flush(dev)


@_entry(
    "remove-two-groups",
    "removal meets two groups whose works are queued",
    "report has queued the works of two groups of one device",
    "the driver calls remove without a flush: both are answered INVALID, in any order",
    "the works come too late, or one of them in time",
    contract=NO_FLUSH,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1).report(dev, grpid=2, pasid=1)
    s.task("driver").remove(queue, dev)


@_entry(
    "remove-group-late-report",
    "removal takes what is pending, and a late report adds to it",
    "a group is pending, and nobody will answer it",
    "report has taken its reference; remove answers what is pending, and takes it off the list",
    "report links its group into the same list: nothing of the first one is touched any more",
    contract=RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="held", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("irq").report(dev, grpid=2, pasid=1)
    s.task("driver").remove(queue, dev)


@_entry(
    "remove-queued-late-report",
    "removal takes a group whose work is queued, and a late report adds to it",
    "a group is pending, and its work is queued",
    "report has taken its reference; remove answers what is pending, and takes it off the list, or frees it there",
    "report links its group into the same list: nothing of the first one is touched any more",
    "the works come too late, and free their groups",
    contract=NO_FLUSH_RECEPTION,
)
def _(s: Scenario) -> None:
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("irq").report(dev, grpid=2, pasid=1)
    s.task("driver").remove(queue, dev)


@_entry(
    "remove-from-other",
    "an idle device is removed from a queue that it is not on",
    "the driver removes the device from a queue that it is not on: a WARN, and nothing is touched",
    "the device reports: it is on its own queue, and has its handler",
    contract=WRONG_QUEUE,
)
def _(s: Scenario) -> None:
    queue, other = s.queue(), s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("driver").remove(other, dev).report(dev, grpid=1, pasid=1).flush(dev)
