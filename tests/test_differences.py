# SPDX-License-Identifier: GPL-2.0-only
"""Where our core differs on purpose from the newest kernel's (738e6f32e61d, core v7.2): each difference, on both.

Each test runs once per core and says what that core does. Where v7.2 would touch freed memory it runs on ours alone:
the other half of those stories is the explorer's, as are the races (works and reports beside remove and free, flush
beside remove).
"""

import errno
import struct

import pytest

import iopf
from iopf import ResponseCode

SUCCESS, INVALID, FAILURE = ResponseCode.SUCCESS, ResponseCode.INVALID, ResponseCode.FAILURE

OURS, NEWEST = "iopf", "v7.2"


@pytest.fixture(params=[OURS, NEWEST])
def core(request):
    if request.param not in iopf.cores():
        pytest.skip(f"this build has no core {request.param}")
    return request.param


@pytest.fixture
def queue(core, runtime):
    with iopf.Queue("differences", core=core, runtime=runtime, workers=0) as queue:
        yield queue


@pytest.fixture
def dev(queue):
    dev = iopf.Device("d")
    queue.add(dev)
    return dev


def answers(dev):
    return [(response.grpid, response.pasid, response.code) for response in dev.responses]


def outcome(call, *args, **kwargs):
    """None, or the errno of the call."""
    try:
        call(*args, **kwargs)
    except iopf.IopfError as error:
        return error.errno
    return None


def test_groups_match_by_key_there_by_index_alone(core, dev):
    """Partials of one index for two PASIDs: ours keeps them apart, v7.2 puts the other PASID's page into the group."""
    groups = []
    dev.attach(groups.append, pasid=1)
    dev.attach(groups.append, pasid=2)
    dev.report(addr=0x1000, grpid=5, pasid=1, last=False)
    dev.report(addr=0x2000, grpid=5, pasid=2, last=False)
    dev.report(addr=0x3000, grpid=5, pasid=1)
    expected = {OURS: [(0x1000, 1), (0x3000, 1)], NEWEST: [(0x1000, 1), (0x2000, 2), (0x3000, 1)]}
    assert expected[core] == [(fault.addr, fault.pasid) for fault in groups[0].faults]
    assert {OURS: 1, NEWEST: 0}[core] == dev.statistics().partials
    groups.pop().respond()


def test_groups_match_by_key_also_without_a_pasid(core, dev):
    """A PASID field without PASID_VALID is no part of the key; PASID_VALID is."""
    groups = []
    dev.attach(groups.append)
    dev.attach(groups.append, pasid=1)
    dev.report(addr=0x1000, grpid=5, last=False)
    dev.report(addr=0x2000, grpid=5, pasid=1)
    assert {OURS: 1, NEWEST: 2}[core] == len(groups[0].faults)
    groups.pop().respond()


def test_the_fault_param_is_found_before_the_handle(core, runtime, expect_warnings):
    """Both missing is bad setup without a WARN, on both; a handler without a fault param WARNs, on both.

    What the order buys shows in the next test: with the fault param at hand, bad setup can drop its partials.
    """
    with iopf.Queue("q", core=core, runtime=runtime, workers=0) as queue:
        dev = iopf.Device("d")
        queue.add(dev)
        queue.remove(dev)
        assert errno.EINVAL == outcome(dev.report, addr=0, grpid=1)
        dev.attach(iopf.Inline())
        expect_warnings("iommu_report_device_fault")
        assert errno.EINVAL == outcome(dev.report, addr=0, grpid=2)
        assert [(1, None, INVALID), (2, None, INVALID)] == answers(dev)


def test_bad_setup_drops_the_partials_of_its_key(core, dev):
    """A group whose PASID was detached will never be whole: there its pages wait for the next one of the index.

    partial 5 · detach · last 5 (bad setup) · attach again · last 5: v7.2 hands over a page of the group before
    """
    groups = []
    dev.attach(groups.append, pasid=1)
    dev.report(addr=0x1000, grpid=5, pasid=1, last=False)
    dev.detach(pasid=1)
    assert errno.EINVAL == outcome(dev.report, addr=0x2000, grpid=5, pasid=1)
    assert {OURS: 0, NEWEST: 1}[core] == dev.statistics().partials
    dev.attach(groups.append, pasid=1)
    dev.report(addr=0x3000, grpid=5, pasid=1)
    assert {OURS: [0x3000], NEWEST: [0x1000, 0x3000]}[core] == [fault.addr for fault in groups[0].faults]
    groups.pop().respond()


def test_bad_setup_answers_last_requests_only(core, dev):
    """A group of three pages without a handler: one answer; there each of the three gets one."""
    for page in range(3):
        assert errno.EINVAL == outcome(dev.report, addr=page << 12, grpid=5, pasid=1, last=page == 2)
    assert [(5, 1, INVALID)] * {OURS: 1, NEWEST: 3}[core] == answers(dev)


def test_what_is_no_page_request_is_refused(core, dev):
    """-EOPNOTSUPP for it; there it is taken for a page request once a handler is found."""
    dev.attach(iopf.Inline())
    results = bytearray(4)
    accepted = dev.report_many(struct.pack(iopf.PAGE_REQUEST_FORMAT, 7, 0, 2, 0, 5, 1, 0, 0, 0), results)
    expected = {OURS: (0, -errno.EOPNOTSUPP, []), NEWEST: (1, 0, [(5, None, SUCCESS)])}
    assert expected[core] == (accepted, *struct.unpack("i", results), answers(dev))


def test_removal_answers_groups_that_their_handlers_keep(core, queue, dev):
    """Dequeued there, such a group is not seen by removal, and answered after it, when PRI may be off already."""
    groups = []
    dev.attach(groups.append)
    dev.report(addr=0, grpid=5)
    queue.remove(dev)
    assert {OURS: [(5, None, INVALID)], NEWEST: []}[core] == answers(dev)
    got_it = groups.pop().respond(SUCCESS)
    expected = {OURS: (False, [(5, None, INVALID)]), NEWEST: (True, [(5, None, SUCCESS)])}
    assert expected[core] == (got_it, answers(dev))


def test_dequeue_takes_nothing_from_removal(core, dev):
    """A kept group is pending until it is answered; there dequeue unlinked it."""
    groups = []
    dev.attach(groups.append)
    dev.report(addr=0, grpid=5)
    assert {OURS: 1, NEWEST: 0}[core] == dev.statistics().pending
    groups.pop().respond()


def test_a_response_counts_only_while_the_group_is_pending(core, queue, dev):
    """Late on the old fault param, after remove and add: nothing; there the device gets it, like a second answer.

    report 5 (kept) · remove · add · report 5 (kept) · respond to the first: v7.2 sends a second answer for index 5
    while the new request waits, and the device cannot tell them apart
    """
    groups = []
    dev.attach(groups.append)
    dev.report(addr=0x1000, grpid=5)
    queue.remove(dev)
    queue.add(dev)
    dev.report(addr=0x2000, grpid=5)
    first, second = groups
    groups.clear()
    first.respond(FAILURE)
    assert {OURS: [(5, None, INVALID)], NEWEST: [(5, None, FAILURE)]}[core] == answers(dev)
    second.respond(SUCCESS)
    assert (5, None, SUCCESS) == answers(dev)[-1]


def test_a_late_response_is_counted(core, queue, dev):
    """``dropped`` in the statistics; there is none to drop there."""
    groups = []
    dev.attach(groups.append)
    dev.report(addr=0, grpid=5)
    queue.remove(dev)
    groups.pop().respond()
    assert {OURS: 1, NEWEST: 0}[core] == dev.statistics().dropped


def test_out_of_memory_drops_the_partials_and_answers_failure(core, dev, lib):
    """The same on both, seen from the device; there a group on the stack is pending meanwhile."""
    groups = []
    dev.attach(groups.append)
    dev.report(addr=0x1000, grpid=5, last=False)
    lib.iopf_fail_nth(1)
    assert None is outcome(dev.report, addr=0x2000, grpid=5)
    assert ([(5, None, FAILURE)], 0, []) == (answers(dev), dev.statistics().partials, groups)


@pytest.mark.parametrize("core", [OURS], indirect=True)  # there the answer reads the freed domain
@pytest.mark.parametrize("how", ["detach", "replace"])
def test_a_group_pins_its_handle_and_its_domain(core, dev, how):
    """detach and replace leave a group in flight what it was launched with; there they free it."""
    groups = []
    dev.attach(groups.append)
    dev.report(addr=0, grpid=5)
    if how == "detach":
        dev.detach()
    else:
        dev.replace(iopf.Inline())
    handles = sum(n for site, n in iopf.live_objects(detail=True).items() if site.function == "attach_or_replace")
    assert (1 if how == "detach" else 2) == handles
    assert True is groups.pop().respond()


@pytest.mark.parametrize("core", [OURS], indirect=True)  # there the answer is given to a freed device
def test_a_fault_param_pins_its_device(core, queue):
    """The device lives as long as a group refers to it; there nobody holds it."""
    dev = iopf.Device("d")
    groups = []
    queue.add(dev)
    dev.attach(groups.append)
    dev.report(addr=0, grpid=5)
    queue.remove(dev)
    dev.close()
    del dev
    assert False is groups.pop().respond()


def test_flush_after_remove_is_refused_on_both(core, queue, dev, expect_warnings):
    """WARN and -ENODEV; ours reads what it needs under RCU, there it is read unprotected: no difference in one thread."""
    queue.remove(dev)
    expect_warnings("iopf_queue_flush_dev")
    assert errno.ENODEV == outcome(dev.flush)


def test_the_newest_kernel_does_not_claim_to_be_correct():
    """So that a failure of it is history, and one of ours is a bug."""
    cores = iopf.cores()
    assert (True, False) == (cores[OURS].claims_correct, cores[NEWEST].claims_correct if NEWEST in cores else False)
