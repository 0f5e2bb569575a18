# SPDX-License-Identifier: GPL-2.0-only
"""The kernel revisions in csrc/history, one call after the other: who answers, with what, and what report returns.

What they do wrong when calls race, or with memory, is for the explorer: on real threads it would only crash. So a test
leaves out the cores that its story would take to freed memory, and says which.
"""

import errno

import pytest

import iopf
from iopf import ResponseCode

SUCCESS, INVALID, FAILURE = ResponseCode.SUCCESS, ResponseCode.INVALID, ResponseCode.FAILURE

COPIES = ["locking", "lkml-v8", "refcount", "remove-void"]
GROUPS_BY_DOMAIN = ["track-group", "void-response", "v6.9", "6.10.y"]
#: Report answers bad setup itself, per request.
BAD_SETUP_ANSWERED = ["v6.12", "v6.14", "v7.2"]
BY_HANDLE = ["v6.11", *BAD_SETUP_ANSWERED]
#: Report returns nothing.
VOID_REPORT = ["v6.9", "6.10.y", "v6.11"]
HISTORY = ["v5.14", *COPIES, *GROUPS_BY_DOMAIN, *BY_HANDLE]

#: flush, and a response inside report, take the device's lock: with one thread the latter can't be shown here
FLUSH_HOLDS_THE_LOCK = ["v5.14", "locking"]
#: a partial fault goes on as a whole group there, and corrupts memory
NO_PARTIALS = ["v6.9"]
#: a refusing handler makes them put the fault param twice
DOUBLE_PUT = ["refcount", "remove-void"]


@pytest.fixture
def bench(runtime):
    """A function that gives a queue of a core, and a device on it."""
    queues = []

    def bench(core, workers=1):
        queue = iopf.Queue("history", core=core, runtime=runtime, workers=workers)
        queues.append(queue)
        device = iopf.Device("d")
        queue.add(device)
        return queue, device

    yield bench
    for queue in queues:
        queue.close()


def answers(device):
    return [(response.grpid, response.code) for response in device.responses]


def outcome(call, **request):
    """None, or the errno that report gave."""
    try:
        call(addr=0x1000, **request)
    except iopf.IopfError as error:
        return error.errno
    return None


def test_every_revision_is_listed_oldest_first_and_none_claims_to_be_correct():
    cores = iopf.cores()
    assert list(cores) == ["iopf", *HISTORY]
    assert [name for name, core in cores.items() if core.claims_correct] == ["iopf"]
    assert {name: core.commit for name, core in cores.items() if core.commit} == {
        "locking": "cc7338e9d807",
        "refcount": "a74c077b9021",
        "remove-void": "0095bf83554f",
        "track-group": "199112327135",
        "void-response": "b554e396e51c",
        "v6.9": "3dfa64aecbaf",
        "6.10.y": "fca5b78511e9",
        "v6.12": "14678219cf40",
        "v6.14": "9759ae2cee7c",
        "v7.2": "738e6f32e61d",
    }


@pytest.mark.parametrize("core", HISTORY)
def test_works_resolve_groups_against_the_address_space(core, bench, eventually):
    space = iopf.AddressSpace()
    space.map(0x1000, 0x2000, "r")
    _, device = bench(core)
    device.attach(iopf.SVA(space), pasid=7)
    if core not in NO_PARTIALS:
        device.report(addr=0x1000, grpid=1, pasid=7, last=False)
    device.report(addr=0x2000, grpid=1, pasid=7)
    eventually(lambda: len(device.responses) == 1)
    device.report(addr=0x2000, perm="w", grpid=2, pasid=7)
    eventually(lambda: len(device.responses) == 2)
    device.flush()
    assert [(r.grpid, r.pasid, r.code) for r in device.responses] == [(1, 7, SUCCESS), (2, 7, INVALID)]


@pytest.mark.parametrize("core", [core for core in HISTORY if core != "v5.14" and core not in NO_PARTIALS])
def test_partials_join_their_group_in_the_order_of_arrival(core, bench):
    _, device = bench(core)
    kept = []
    device.attach(kept.append, pasid=7)
    for page in (1, 2, 3):
        device.report(addr=page << 12, grpid=1, pasid=7, last=page == 3)
    assert [fault.addr >> 12 for fault in kept[0].faults] == [1, 2, 3]
    kept[0].respond(SUCCESS)


@pytest.mark.parametrize("core", [*COPIES, *(core for core in GROUPS_BY_DOMAIN if core not in NO_PARTIALS), *BY_HANDLE])
def test_partials_are_told_apart_by_index_alone(core, bench):
    """A defect of all of them: the group of PASID 7 takes the partial fault of PASID 8. Ours keeps them apart."""
    _, device = bench(core)
    kept = []
    device.attach(kept.append, pasid=7)
    device.attach(kept.append, pasid=8)
    device.report(addr=0x1000, grpid=1, pasid=8, last=False)
    device.report(addr=0x2000, grpid=1, pasid=7)
    assert [fault.pasid for fault in kept[0].faults] == [8, 7]
    kept[0].respond(SUCCESS)


REFUSED = {
    # the driver answers
    **dict.fromkeys(["v5.14", "locking", "lkml-v8", "track-group"], (errno.EINVAL, [(3, INVALID)])),
    # the core answers, and still returns the error
    "void-response": (errno.EINVAL, [(3, FAILURE)]),
    # the core answers
    **dict.fromkeys([*VOID_REPORT, *BAD_SETUP_ANSWERED], (None, [(3, FAILURE)])),
}


@pytest.mark.parametrize("core", [core for core in HISTORY if core not in DOUBLE_PUT])
def test_a_handler_that_refuses(core, bench):
    _, device = bench(core)
    device.attach(iopf.Refuse(), pasid=7)
    assert (outcome(device.report, grpid=3, pasid=7), answers(device)) == REFUSED[core]


NO_HANDLER = {
    **dict.fromkeys([*COPIES, "track-group"], (errno.EINVAL, [(3, INVALID)])),
    "void-response": (errno.EINVAL, [(3, FAILURE)]),
    **dict.fromkeys(VOID_REPORT, (None, [(3, FAILURE)])),
    **dict.fromkeys(BAD_SETUP_ANSWERED, (errno.EINVAL, [(3, INVALID)])),
}


@pytest.mark.parametrize("core", [core for core in HISTORY if core != "v5.14"])
def test_no_domain_for_the_fault(core, bench):
    _, device = bench(core)
    assert (outcome(device.report, grpid=3, pasid=7), answers(device)) == NO_HANDLER[core]


def test_no_domain_for_the_fault_is_found_out_by_the_work_in_v5_14(bench, eventually):
    _, device = bench("v5.14")
    assert outcome(device.report, grpid=3, pasid=7) is None
    eventually(lambda: answers(device) == [(3, INVALID)])


@pytest.mark.parametrize("core", BAD_SETUP_ANSWERED)
def test_bad_setup_is_answered_once_per_request_since_attach_handles(core, bench):
    """A defect: three requests of one group, three responses."""
    _, device = bench(core)
    for last in (False, False, True):
        outcome(device.report, grpid=3, pasid=7, last=last)
    assert answers(device) == [(3, INVALID)] * 3


@pytest.mark.parametrize("core", HISTORY)
def test_a_report_from_a_device_that_was_removed(core, bench, expect_warnings):
    queue, device = bench(core)
    device.attach(iopf.Inline(SUCCESS), pasid=7)
    queue.remove(device)
    result = outcome(device.report, grpid=3, pasid=7)
    if core in (*VOID_REPORT, *BAD_SETUP_ANSWERED):
        expect_warnings("iommu_report_device_fault")
    if core in VOID_REPORT:  # nobody answers
        assert (result, answers(device)) == (None, [])
    else:
        number = errno.ENODEV if core in ("track-group", "void-response") else errno.EINVAL
        assert (result, answers(device)) == (number, [(3, INVALID)])


@pytest.mark.parametrize("core", ["v5.14", "locking", "lkml-v8", "refcount"])
def test_removal_refuses_while_a_group_is_pending(core, bench):
    """Nobody listened to -EBUSY: the device is still on the queue, and its group is answered late and in full."""
    queue, device = bench(core)
    kept = []
    device.attach(kept.append, pasid=7)
    device.report(addr=0x1000, grpid=3, pasid=7)
    queue.remove(device)
    assert answers(device) == []
    assert kept[0].respond(SUCCESS) is True
    assert answers(device) == [(3, SUCCESS)]
    queue.remove(device)  # this time it does
    assert outcome(device.report, grpid=4, pasid=7) == errno.EINVAL


@pytest.mark.parametrize("core", ["remove-void", *GROUPS_BY_DOMAIN, "v6.11", "v6.12"])
def test_removal_answers_and_the_owner_frees(core, bench):
    queue, device = bench(core)
    kept = []
    device.attach(kept.append, pasid=7)
    device.report(addr=0x1000, grpid=3, pasid=7)
    queue.remove(device)
    assert answers(device) == [(3, INVALID)]
    assert kept[0].respond(SUCCESS) is False
    assert answers(device) == [(3, INVALID)]


def test_a_group_that_was_dequeued_is_answered_after_removal(bench):
    """v7.2: removal does not see it, so the device is answered after it was removed."""
    queue, device = bench("v7.2")
    kept = []
    device.attach(kept.append, pasid=7)
    device.report(addr=0x1000, grpid=3, pasid=7)
    queue.remove(device)
    assert answers(device) == []
    kept[0].respond(SUCCESS)
    assert answers(device) == [(3, SUCCESS)]


NO_MEMORY = {
    **dict.fromkeys(["v5.14", *COPIES, "track-group"], (errno.ENOMEM, [(3, INVALID)])),
    "void-response": (errno.ENOMEM, [(3, FAILURE)]),
    **dict.fromkeys([*VOID_REPORT, *BAD_SETUP_ANSWERED], (None, [(3, FAILURE)])),
}


@pytest.mark.parametrize("core", HISTORY)
def test_out_of_memory_for_a_last_request(core, bench, lib):
    """fail-nth over every allocation of report, until one run allocates all it wants."""
    _, device = bench(core)
    # On locking a handler that answers before it returns would wait for a lock that report holds.
    device.attach(iopf.Refuse() if core == "locking" else iopf.Inline(SUCCESS), pasid=7)
    for nth in range(1, 10):
        device.clear_responses()
        lib.iopf_fail_nth(nth)
        result = outcome(device.report, grpid=3, pasid=7)
        failed = not lib.iopf_fail_nth_left()
        lib.iopf_fail_nth(0)
        if not failed:
            break
        assert (nth, result, answers(device)) == (nth, *NO_MEMORY[core])
    allocated = (errno.EINVAL, [(3, INVALID)]) if core == "locking" else (None, [(3, SUCCESS)])
    assert (result, answers(device)) == allocated
    assert nth == (3 if core in ("v5.14", *COPIES) else 2)


@pytest.mark.parametrize("core", [core for core in HISTORY if core != "v5.14" and core not in NO_PARTIALS])
def test_discarded_partials_are_gone(core, bench):
    queue, device = bench(core)
    kept = []
    device.attach(kept.append, pasid=7)
    device.report(addr=0x1000, grpid=3, pasid=7, last=False)
    assert device.statistics().partials == 1
    queue.discard_partial()
    assert device.statistics().partials == 0
    device.report(addr=0x2000, grpid=3, pasid=7)
    assert [fault.addr for fault in kept[0].faults] == [0x2000]
    kept[0].respond(SUCCESS)


@pytest.mark.parametrize("core", ["v5.14", "remove-void", *GROUPS_BY_DOMAIN, "v6.11", "v6.12"])
def test_a_queue_may_be_freed_with_works_pending_where_removal_frees_nothing(core, bench):
    space = iopf.AddressSpace()
    space.map(0x1000, 0x1000, "r")
    queue, device = bench(core, workers=1)
    device.attach(iopf.SVA(space), pasid=7)
    for grpid in range(8):
        device.report(addr=0x1000, grpid=grpid, pasid=7)
    queue.close()
    assert sorted({grpid for grpid, _ in answers(device)}) == list(range(8))
    assert len(answers(device)) == 8


@pytest.mark.parametrize("core", [core for core in HISTORY if core not in FLUSH_HOLDS_THE_LOCK])
def test_flush_waits_for_works(core, bench):
    space = iopf.AddressSpace()
    space.map(0x1000, 0x1000, "r")
    _, device = bench(core)
    device.attach(iopf.SVA(space), pasid=7)
    for grpid in range(64):
        device.report(addr=0x1000, grpid=grpid, pasid=7)
    device.flush()
    assert sorted(answers(device)) == [(grpid, SUCCESS) for grpid in range(64)]
