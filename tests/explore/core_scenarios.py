# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios over the framework that several tests use: those that a correct core passes, each a known race.

Every function makes a new one.
"""

import errno

from iopf.explore import Scenario


def _device(name, handler="sva", **options):
    s = Scenario(name)
    queue = s.queue()
    return s, queue, s.device(queue, handler=handler, pasid=1, **options)


def work_against_removal():
    """A report queues a work; removal answers; the work's response has to do nothing."""
    s, queue, dev = _device("remove races the work")
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s


def two_reporters_against_removal():
    """Two reports, their works, and a removal."""
    s, queue, dev = _device("two reporters, their works, a removal")
    s.task("irq1").report(dev, grpid=1, pasid=1)
    s.task("irq2").report(dev, grpid=2, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s


def three_reporters_against_removal():
    """Three reports, their works, and a removal."""
    s, queue, dev = _device("three reporters, their works, a removal")
    for number in (1, 2, 3):
        s.task(f"irq{number}").report(dev, grpid=number, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s


def flush_then_removal():
    """As a driver should: flush, then remove, beside reports."""
    s, queue, dev = _device("two reporters, then a flush and a removal")
    s.task("irq1").report(dev, grpid=1, pasid=1)
    s.task("irq2").report(dev, grpid=2, pasid=1)
    s.task("teardown").flush(dev).remove(queue, dev)
    return s


def flush_beside_removal():
    """A flush as a task of its own: it may come after the removal, which is a WARN and -ENODEV."""
    s, queue, dev = _device("a flush beside the removal")
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("flusher").flush(dev)
    s.task("teardown").remove(queue, dev)
    return s


def late_response_after_readding():
    """Removed and added again while the group is out: the response must not meet the new fault param."""
    s, queue, dev = _device("remove and add against a late response", handler="held")
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("handler").respond(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev).add(queue, dev).report(dev, grpid=1, pasid=1)
    return s


def discard_against_partials():
    """Partials are dropped while the last page comes."""
    s, queue, dev = _device("discard against partials and a last page")
    s.task("irq").report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1)
    s.task("overflow").discard_partial(queue)
    return s


def partials_against_removal():
    """A stored partial, and one that comes late."""
    s, queue, dev = _device("partials against removal")
    s.setup.report_partial(dev, grpid=7, pasid=1)
    s.task("irq").report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s


def free_with_work_pending():
    """The queue is freed beside a report and its work."""
    s, queue, dev = _device("queue free with work pending")
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").free_queue(queue)
    return s


def no_memory_against_removal():
    """Each allocation may fail, beside a removal."""
    s, queue, dev = _device("out of memory with a removal alongside")
    s.task("irq").report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s.alloc_may_fail()


def refusal_against_removal():
    """The handler refuses; both report and removal want to answer."""
    s, queue, dev = _device("handler refusal against removal", handler="refuse")
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s


def detach_against_report():
    """The attachment goes while a fault is on its way to its handler."""
    s, _queue, dev = _device("detach against report")
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").detach(dev, pasid=1)
    return s


def add_against_report():
    """The device comes onto the queue while it reports."""
    s = Scenario("add against report")
    queue = s.queue()
    dev = s.device(None, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").add(queue, dev)
    return s


def add_against_removal():
    """One task takes the device off, another puts it on."""
    s, queue, dev = _device("add against removal")
    s.task("one").remove(queue, dev)
    s.task("other").add(queue, dev)
    return s


def inline_against_removal():
    """Answered inside the handler, without a work."""
    s, queue, dev = _device("inline handler against removal", handler="inline")
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s


def held_against_removal():
    """A handler keeps the group; its owner answers beside the removal."""
    s, queue, dev = _device("held group against removal", handler="held")
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("handler").respond(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s


def removal_then_report():
    """The device reports after it was removed: bad setup, answered INVALID."""
    s, queue, dev = _device("report after removal")
    s.task("driver").remove(queue, dev).report(dev, grpid=1, pasid=1, returns=-errno.EINVAL).add(queue, dev)
    return s


def partial_and_last():
    """One group of two pages, alone."""
    s, _queue, dev = _device("a group of two pages")
    s.task("irq").report_partial(dev, grpid=1, pasid=1).report(dev, grpid=1, pasid=1).flush(dev)
    return s


def partial_without_memory():
    """The last page of a group meets an empty allocator; its partials have to go."""
    s, _queue, dev = _device("no memory for the group")
    s.task("irq").report_partial(dev, grpid=1, pasid=1).fail_next_alloc().report(dev, grpid=1, pasid=1)
    return s


def index_used_again_without_memory():
    """A group finds no memory, and its partials go with it: the next one of the index has one page."""
    s, _queue, dev = _device("an index that is used again after there was no memory", handler="inline")
    irq = s.task("irq").report_partial(dev, grpid=1, pasid=1).fail_next_alloc().report(dev, grpid=1, pasid=1)
    irq.report(dev, grpid=1, pasid=1, addr=0x2000)
    return s


def refusal_alone():
    """The handler refuses, nobody else is there."""
    s, _queue, dev = _device("handler refusal", handler="refuse")
    s.task("irq").report(dev, grpid=1, pasid=1)
    return s


def last_device_reference():
    """The driver drops the device while a work still has a group of it."""
    s, queue, dev = _device("the device goes before the work")
    s.task("irq").report(dev, grpid=1, pasid=1).remove(queue, dev).close(dev)
    return s


def second_removal():
    """A driver removes twice: WARN, no change, and the queue's list is whole."""
    s, queue, dev = _device("removal, then another device's")
    other = s.device(queue, handler="sva", pasid=1)
    s.task("one").remove(queue, dev)
    s.task("two").discard_partial(queue).remove(queue, other)
    return s


def add_beside_removal_then_flush():
    """The flush sees what removal left, or what an add made of it that overlapped: either may have come last."""
    s, queue, dev = _device("an add beside a removal, then a flush")
    s.task("driver").remove(queue, dev).flush(dev)
    s.task("probe").add(queue, dev)
    return s


def add_beside_removal_then_report():
    """Nobody knows whether the device is on its queue when both are over; a partial request tells."""
    s, queue, dev = _device("an add beside a removal, then a partial request")
    s.task("probe").add(queue, dev)
    s.task("driver").remove(queue, dev).report_partial(dev, grpid=1, pasid=1)
    return s


def add_and_removal_beside_report():
    """The report belongs to the device's old life, or to its new one, where its answer is not late."""
    s, queue, dev = _device("an add and a removal beside a report")
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("probe").add(queue, dev)
    s.task("driver").remove(queue, dev)
    return s


def readding_and_report_beside_removal():
    """The add comes while the removal runs, and the report right after it: its answer is the new life's, not late."""
    s, queue, dev = _device("add and report beside a removal", handler="held")
    s.task("probe").add(queue, dev).report(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev)
    return s


def two_adds_beside_a_removal():
    """Whichever order they come in, the device is on the queue when one of the adds came last."""
    s, queue, dev = _device("two adds beside a removal, then a report")
    s.task("probe 1").add(queue, dev)
    s.task("probe 2").add(queue, dev)
    s.task("driver").remove(queue, dev)
    s.teardown.report(dev, grpid=1, pasid=1)
    return s


def without_an_iommu():
    """No IOMMU stands before the device: no queue takes it, nobody answers it, and who removes or flushes it is told."""
    s = Scenario("a device without an IOMMU")
    queue = s.queue()
    dev = s.device(None, handler="inline", pasid=1, no_iommu=True)
    irq = (
        s.task("irq")
        .add(queue, dev, returns=-errno.ENODEV)
        .report_partial(dev, grpid=1, pasid=1, returns=-errno.EINVAL)
    )
    irq.report(dev, grpid=1, pasid=1, returns=-errno.EINVAL).report(dev, grpid=1, pasid=2, returns=-errno.EINVAL)
    irq.remove(queue, dev).flush(dev, returns=-errno.ENODEV)
    return s


def without_a_response():
    """The driver has no page_response: no queue takes the device, and nobody answers what it reports all the same."""
    s = Scenario("a driver without page_response")
    queue = s.queue()
    dev = s.device(None, handler="inline", pasid=1, no_response=True)
    irq = (
        s.task("irq")
        .add(queue, dev, returns=-errno.ENODEV)
        .report_partial(dev, grpid=1, pasid=1, returns=-errno.EINVAL)
    )
    irq.report(dev, grpid=1, pasid=1, returns=-errno.EINVAL).report(dev, grpid=1, pasid=2, returns=-errno.EINVAL)
    return s


def attach_beside_detach():
    """What the report in the end finds attached depends on which of the two came last."""
    s, _queue, dev = _device("attach beside detach, then a report")
    s.task("old").detach(dev, pasid=1)
    s.task("new").attach(dev, handler="sva", pasid=1)
    s.teardown.report(dev, grpid=1, pasid=1)
    return s
