# SPDX-License-Identifier: GPL-2.0-only
"""Every row of the call table and every step of report: what is returned, and what was done by then."""

import errno
import struct

import pytest

import iopf
from iopf import RequestFlags, ResponseCode

SUCCESS, INVALID, FAILURE = ResponseCode.SUCCESS, ResponseCode.INVALID, ResponseCode.FAILURE
LAST, PASID, NEEDS = RequestFlags.LAST_PAGE, RequestFlags.PASID_VALID, RequestFlags.NEEDS_PASID


@pytest.fixture
def queue(runtime):
    with iopf.Queue("returns", runtime=runtime, workers=0) as queue:
        yield queue


@pytest.fixture
def dev(queue):
    """A device on the queue."""
    dev = iopf.Device("d")
    queue.add(dev)
    return dev


def answers(dev):
    return [(response.grpid, response.code) for response in dev.responses]


def record(grpid=0, pasid=0, flags=LAST, addr=0, perm=1, kind=1):
    """One 48-byte request."""
    return struct.pack(iopf.PAGE_REQUEST_FORMAT, kind, 0, flags, pasid, grpid, perm, addr, 0, 0)


def raises(number, call, *args, **kwargs):
    """The exception's class of a call that fails with this errno."""
    with pytest.raises(iopf.IopfError) as caught:
        call(*args, **kwargs)
    assert number == caught.value.errno
    return type(caught.value)


class TestQueueAlloc:
    """iopf_queue_alloc: a queue, or NULL when an allocation fails."""

    def test_it_gives_a_queue_with_a_workqueue(self, queue):
        assert (False, 0, []) == (queue.closed, queue.workers, queue.devices)

    @pytest.mark.parametrize("nth", [1, 2])
    def test_no_memory_for_one_of_its_two_objects_is_enomem(self, runtime, lib, nth):
        lib.iopf_fail_nth(nth)
        assert iopf.IopfError is raises(errno.ENOMEM, iopf.Queue, "q", runtime=runtime)
        assert 0 == iopf.live_objects()


class TestQueueFree:
    """iopf_queue_free: removes every device, drains, frees."""

    def test_it_removes_every_device_and_answers_what_is_pending(self, queue):
        devices = [iopf.Device(f"d{i}") for i in range(5)]
        groups = []
        for dev in devices:
            queue.add(dev)
            dev.attach(groups.append)
            dev.report(addr=0, grpid=3)
        queue.close()
        assert [[(3, INVALID)]] * 5 == [answers(dev) for dev in devices]
        assert [None] * 5 == [dev.queue for dev in devices]
        assert {False} == {group.respond() for group in groups}
        groups.clear()

    def test_works_that_are_pending_run(self, queue, dev):
        """They are queued inside a work, so that close finds them pending; their answers come too late."""
        ran = []

        def outer(group):
            dev.attach(iopf.Work(lambda inner: (ran.append(inner.last.grpid), inner.respond())), pasid=2)
            for grpid in range(3):
                dev.report(addr=0, grpid=grpid, pasid=2)
            assert [] == ran
            group.respond()

        dev.attach(iopf.Work(outer), pasid=1)
        dev.report(addr=0, grpid=9, pasid=1)
        queue.close()
        assert [0, 1, 2] == ran


class TestAdd:
    """iopf_queue_add_device: 0; -EBUSY already on a queue; -ENOMEM. (-ENODEV needs a driver without page_response.)"""

    def test_a_device_on_this_queue_is_ebusy(self, queue, dev):
        assert iopf.AlreadyOnQueue is raises(errno.EBUSY, queue.add, dev)

    def test_a_device_on_another_queue_is_ebusy(self, dev, runtime):
        with iopf.Queue("other", runtime=runtime) as other:
            assert iopf.AlreadyOnQueue is raises(errno.EBUSY, other.add, dev)
            assert other is not dev.queue

    def test_no_memory_is_enomem_and_the_device_is_not_on_it(self, queue, lib):
        dev = iopf.Device("d")
        lib.iopf_fail_nth(1)
        assert iopf.IopfError is raises(errno.ENOMEM, queue.add, dev)
        assert (None, []) == (dev.queue, queue.devices)
        queue.add(dev)
        assert [dev] == queue.devices

    def test_it_may_come_back_after_remove(self, queue, dev):
        for _ in range(3):
            queue.remove(dev)
            queue.add(dev)
        assert queue is dev.queue


class TestRemove:
    """iopf_queue_remove_device: nothing is returned; WARN if the device is not on the queue."""

    def test_it_leaves_the_device_on_no_queue(self, queue, dev):
        queue.remove(dev)
        assert (None, []) == (dev.queue, queue.devices)

    def test_a_device_of_another_runtime_warns_and_is_not_touched(self, queue, runtime, expect_warnings):
        """Its objects are laid out by another runtime: no core of this one may look at them."""
        with iopf.Queue("other", runtime={"native": "plain", "plain": "native"}[runtime]) as other:
            stranger = iopf.Device("stranger")
            other.add(stranger)
            expect_warnings("iopf_queue_remove_device")
            queue.remove(stranger)
            assert other is stranger.queue

    def test_a_device_that_was_never_on_any_queue_warns(self, queue, expect_warnings):
        expect_warnings("iopf_queue_remove_device")
        queue.remove(iopf.Device("new"))


class TestFlush:
    """iopf_queue_flush_dev: 0, or WARN and -ENODEV."""

    def test_every_work_queued_before_has_answered(self, runtime):
        space = iopf.AddressSpace()
        space.map(0, 0x1000, "r")
        with iopf.Queue("q", runtime=runtime, workers=2) as queue:
            first, second = iopf.Device("first"), iopf.Device("second")
            for dev in (first, second):
                queue.add(dev)
                dev.attach(iopf.SVA(space), pasid=1)
                for grpid in range(100):
                    dev.report(addr=0, grpid=grpid, pasid=1)
            first.flush()
            assert (100, 100) == (first.statistics().success, second.statistics().success)

    def test_groups_without_a_work_and_partial_requests_are_not_waited_for(self, dev):
        groups = []
        dev.attach(groups.append)
        dev.report(addr=0, grpid=1)
        dev.report(addr=0, grpid=2, last=False)
        dev.flush()
        assert (1, 1) == (dev.statistics().pending, dev.statistics().partials)
        groups.pop().respond()

    def test_on_no_queue_it_warns_and_is_enodev(self, expect_warnings):
        expect_warnings("iopf_queue_flush_dev")
        assert iopf.NotOnQueue is raises(errno.ENODEV, iopf.Device("d").flush)


class TestDiscardPartial:
    """iopf_queue_discard_partial: drops the stored partial requests of every device; -EINVAL for NULL."""

    def test_it_drops_all_of_every_device_and_no_group(self, queue):
        devices = [iopf.Device(f"d{i}") for i in range(3)]
        groups = []
        for dev in devices:
            queue.add(dev)
            dev.attach(groups.append)
            dev.report(addr=0, grpid=99)
            for grpid in range(20):
                dev.report(addr=0, grpid=grpid, last=False)
                dev.report(addr=0x1000, grpid=grpid, last=False)
        assert (120, 3) == (queue.statistics().partials, queue.statistics().pending)
        queue.discard_partial()
        assert (0, 3) == (queue.statistics().partials, queue.statistics().pending)
        devices[0].report(addr=0x5000, grpid=0)
        assert [0x5000] == [fault.addr for fault in groups[-1].faults]
        for group in groups:
            group.respond()
        groups.clear()

    def test_null_is_einval(self, lib, runtime):
        import iopf._runtime as edge

        loaded = edge.get(runtime)
        assert -errno.EINVAL == lib.iopf_queue_discard(loaded.cores["iopf"], loaded.ffi.NULL)


class TestGroupResponse:
    """iopf_group_response: only while the group is pending."""

    def test_while_pending_the_device_gets_it(self, dev):
        groups = []
        dev.attach(groups.append)
        dev.report(addr=0, grpid=1)
        assert True is groups.pop().respond(FAILURE)
        assert [(1, FAILURE)] == answers(dev)

    def test_after_removal_it_does_nothing(self, queue, dev):
        groups = []
        dev.attach(groups.append)
        dev.report(addr=0, grpid=1)
        queue.remove(dev)
        assert False is groups.pop().respond(FAILURE)
        assert ([(1, INVALID)], 1) == (answers(dev), dev.statistics().dropped)


class TestAttachments:
    """attach: 0, -EBUSY, -ENOMEM; replace: 0, -EINVAL, -ENOMEM; detach of nothing: WARN."""

    @pytest.mark.parametrize("pasid", [None, 1, (1 << 20) - 1])
    def test_attach_of_a_taken_pasid_is_ebusy_and_changes_nothing(self, dev, pasid):
        dev.attach(iopf.Inline(SUCCESS), pasid=pasid)
        assert iopf.AlreadyOnQueue.__mro__[1] is iopf.IopfError
        raises(errno.EBUSY, dev.attach, iopf.Inline(FAILURE), pasid=pasid)
        dev.report(addr=0, pasid=pasid)
        assert [(0, SUCCESS)] == answers(dev)

    def test_replace_of_nothing_is_einval(self, dev):
        raises(errno.EINVAL, dev.replace, iopf.Inline(), pasid=1)

    def test_replace_exchanges(self, dev):
        dev.attach(iopf.Inline(SUCCESS))
        dev.replace(iopf.Inline(FAILURE))
        dev.report(addr=0)
        assert [(0, FAILURE)] == answers(dev)

    def test_detach_of_nothing_warns(self, dev, expect_warnings):
        expect_warnings("iommu_detach_device_pasid", 2)
        dev.detach()
        dev.detach(pasid=7)

    @pytest.mark.parametrize("call", ["attach", "replace"])
    def test_no_memory_is_enomem_and_changes_nothing(self, dev, lib, call):
        if call == "replace":
            dev.attach(iopf.Inline(INVALID), pasid=1)
        lib.iopf_fail_nth(1)
        assert iopf.IopfError is raises(errno.ENOMEM, getattr(dev, call), iopf.Inline(), pasid=1)
        getattr(dev, call)(iopf.Inline(), pasid=1)
        dev.report(addr=0, pasid=1)
        assert [(0, SUCCESS)] == answers(dev)

    def test_devices_of_one_group_share_them(self, queue):
        """Attachments are per iommu group, fault params per device."""
        first = iopf.Device("first")
        second = iopf.Device("second", group=first)
        first.attach(iopf.Inline(), pasid=1)
        queue.add(second)
        second.report(addr=0, pasid=1)
        assert ([(0, SUCCESS)], None) == (answers(second), first.queue)
        raises(errno.EBUSY, second.attach, iopf.Inline(), pasid=1)
        second.detach(pasid=1)
        queue.add(first)
        raises(errno.EINVAL, first.report, addr=0, pasid=1)


class TestReport:
    """The steps of iommu_report_device_fault in order."""

    def test_step_1_what_is_no_page_request_is_eopnotsupp_and_not_answered(self, dev):
        dev.attach(iopf.Inline())
        results = bytearray(4 * 3)
        assert 0 == dev.report_many(record(kind=0) + record(kind=2) + record(kind=0xFFFFFFFF), results)
        assert ((-errno.EOPNOTSUPP,) * 3, []) == (struct.unpack("3i", results), dev.responses)

    def test_step_1_comes_before_bad_setup(self):
        """A device without handler and queue: still -EOPNOTSUPP, no WARN, no answer."""
        dev = iopf.Device("d")
        results = bytearray(4)
        dev.report_many(record(kind=9), results)
        assert ((-errno.EOPNOTSUPP,), []) == (struct.unpack("i", results), dev.responses)

    def test_step_2_a_pasid_finds_its_handler(self, dev):
        dev.attach(iopf.Inline(SUCCESS))
        dev.attach(iopf.Inline(INVALID), pasid=1)
        dev.attach(iopf.Inline(FAILURE), pasid=2)
        for pasid in (2, None, 1):
            dev.report(addr=0, pasid=pasid)
        assert [
            iopf.PageResponse(2, 0, FAILURE),
            iopf.PageResponse(None, 0, SUCCESS),
            iopf.PageResponse(1, 0, INVALID),
        ] == dev.responses

    def test_step_2_without_pasid_valid_the_pasid_does_not_count(self, dev):
        dev.attach(iopf.Inline(SUCCESS))
        dev.attach(iopf.Inline(INVALID), pasid=1)
        dev.report(addr=0, pasid=1, flags=LAST)
        assert [iopf.PageResponse(None, 0, SUCCESS)] == dev.responses

    def test_step_2_an_unattached_pasid_does_not_fall_back(self, dev):
        dev.attach(iopf.Inline())
        assert iopf.BadSetup is raises(errno.EINVAL, dev.report, addr=0, pasid=1)
        assert [iopf.PageResponse(1, 0, INVALID)] == dev.responses

    def test_step_2_unless_the_guest_owns_the_pasid_table(self, queue):
        """user_pasid_table: an unattached PASID goes to the nested domain at index 0, an attached one to its own."""
        dev = iopf.Device("d", user_pasid_table=True)
        queue.add(dev)
        raises(errno.EINVAL, dev.report, addr=0, pasid=1)
        dev.attach(iopf.Inline(SUCCESS))
        dev.attach(iopf.Inline(FAILURE), pasid=2)
        for pasid in (1, 2, None):
            dev.report(addr=0, pasid=pasid)
        assert [INVALID, SUCCESS, FAILURE, SUCCESS] == [response.code for response in dev.responses]

    def test_step_2_only_a_nested_domain_serves_such_a_device(self, queue):
        """A device of the same group without user_pasid_table attached the domain: it is not nested."""
        plain = iopf.Device("plain")
        dev = iopf.Device("d", group=plain, user_pasid_table=True)
        plain.attach(iopf.Inline())
        queue.add(dev)
        raises(errno.EINVAL, dev.report, addr=0, pasid=1)
        dev.report(addr=0)
        assert [INVALID, SUCCESS] == [response.code for response in dev.responses]

    @pytest.mark.parametrize("last", [True, False])
    def test_step_3_no_handler_is_bad_setup_and_a_partial_request_gets_no_answer(self, dev, last):
        assert iopf.BadSetup is raises(errno.EINVAL, dev.report, addr=0, grpid=4, pasid=1, last=last)
        assert ([(4, INVALID)] if last else []) == answers(dev)

    @pytest.mark.parametrize("last", [True, False])
    def test_step_3_no_queue_is_bad_setup_and_warns_where_there_is_a_handler(self, last, expect_warnings):
        dev = iopf.Device("d")
        raises(errno.EINVAL, dev.report, addr=0, last=last)
        dev.attach(iopf.Inline())
        expect_warnings("iommu_report_device_fault")
        raises(errno.EINVAL, dev.report, addr=0, last=last)
        assert ([(0, INVALID)] * 2 if last else []) == answers(dev)

    @pytest.mark.parametrize("last", [True, False])
    def test_step_3_bad_setup_drops_the_stored_partials_of_its_key_and_no_others(self, dev, last):
        groups = []
        dev.attach(groups.append, pasid=1)
        dev.attach(groups.append, pasid=2)
        for pasid in (1, 2):
            dev.report(addr=0x1000, grpid=5, pasid=pasid, last=False)
        dev.report(addr=0x1000, grpid=6, pasid=1, last=False)
        dev.detach(pasid=1)
        raises(errno.EINVAL, dev.report, addr=0x2000, grpid=5, pasid=1, last=last)
        assert 2 == dev.statistics().partials
        dev.attach(groups.append, pasid=1)
        dev.report(addr=0x3000, grpid=5, pasid=1)
        dev.report(addr=0x3000, grpid=5, pasid=2)
        dev.report(addr=0x3000, grpid=6, pasid=1)
        assert [1, 2, 2] == [len(group.faults) for group in groups]
        for group in groups:
            group.respond()
        groups.clear()

    def test_step_4_a_partial_request_is_stored(self, dev):
        dev.attach(iopf.Inline())
        dev.report(addr=0, last=False)
        assert ([], 1) == (dev.responses, dev.statistics().partials)

    def test_step_4_no_memory_is_enomem_and_the_device_waits_for_the_last_one(self, dev, lib):
        groups = []
        dev.attach(groups.append)
        dev.report(addr=0x1000, last=False)
        lib.iopf_fail_nth(1)
        assert iopf.IopfError is raises(errno.ENOMEM, dev.report, addr=0x2000, last=False)
        assert ([], 1) == (dev.responses, dev.statistics().partials)
        dev.report(addr=0x3000)
        assert [0x1000, 0x3000] == [fault.addr for fault in groups[0].faults]
        groups.pop().respond()

    def test_step_5_partials_come_in_the_order_of_arrival_and_the_last_one_last(self, dev):
        groups = []
        dev.attach(groups.append)
        for page in (5, 3, 9, 1):
            dev.report(addr=page << 12, perm="rw", grpid=7, last=False)
            dev.report(addr=0xF000, grpid=8, last=False)
        dev.report(addr=2 << 12, perm="x", grpid=7)
        (group,) = groups
        assert [5, 3, 9, 1, 2] == [fault.addr >> 12 for fault in group.faults]
        assert [False] * 4 + [True] == [fault.last for fault in group.faults]
        assert (4, 1) == (dev.statistics().partials, dev.statistics().pending)
        groups.clear()
        group.respond()

    def test_step_5_no_memory_drops_the_partials_of_the_key_answers_failure_and_is_0(self, dev, lib):
        groups = []
        dev.attach(groups.append)
        for grpid in (1, 2):
            dev.report(addr=0x1000, grpid=grpid, last=False)
        lib.iopf_fail_nth(1)
        dev.report(addr=0x2000, grpid=1)
        assert ([(1, FAILURE)], 1, []) == (answers(dev), dev.statistics().partials, groups)
        dev.report(addr=0x3000, grpid=1)
        assert [0x3000] == [fault.addr for fault in groups[0].faults]
        groups.pop().respond()

    def test_step_6_a_handler_that_refuses_gets_failure_answered_and_0_returned(self, dev):
        dev.attach(iopf.Refuse())
        dev.report(addr=0x1000, grpid=1, last=False)
        dev.report(addr=0x2000, grpid=1)
        assert ([(1, FAILURE)], 0, 0) == (answers(dev), dev.statistics().partials, dev.statistics().pending)

    def test_the_response_to_needs_pasid_carries_it_verbatim(self, dev):
        dev.attach(iopf.Inline(), pasid=3)
        dev.report(addr=0, grpid=2, pasid=3, flags=LAST | PASID | NEEDS)
        assert [iopf.PageResponse(3, 2, SUCCESS)] == dev.responses

    def test_a_pasid_beyond_20_bits_is_bad_setup_and_not_cut(self, dev):
        dev.attach(iopf.Inline(), pasid=1)
        raises(errno.EINVAL, dev.report, addr=0, pasid=(1 << 20) + 1)
        assert [iopf.PageResponse((1 << 20) + 1, 0, INVALID)] == dev.responses


class TestSVA:
    """The SVA handler: sticky errors, one answer, never FAILURE."""

    @pytest.fixture
    def sva(self, dev):
        """A device bound as PASID 1 to a space of rw at 0x1000, r at 0x2000, x at 0x3000, nothing at 0x4000."""
        space = iopf.AddressSpace()
        for start, perm in ((0x1000, "rw"), (0x2000, "r"), (0x3000, "x")):
            space.map(start, 0x1000, perm)
        dev.attach(iopf.SVA(space), pasid=1)
        return dev, space

    @pytest.mark.parametrize(
        ("addr", "perm", "code"),
        [
            (0x1000, "r", SUCCESS),
            (0x1FFF, "rw", SUCCESS),
            (0x1000, "", SUCCESS),
            (0x1000, "rwp", SUCCESS),
            (0x1000, "x", INVALID),
            (0x2000, "w", INVALID),
            (0x2000, "rw", INVALID),
            (0x3000, "x", SUCCESS),
            (0x3000, "r", INVALID),
            (0x4000, "r", INVALID),
            (0x0FFF, "r", INVALID),
            (0xFFFFFFFFFFFFFFFF, "r", INVALID),
        ],
    )
    def test_a_fault_succeeds_where_the_area_allows_all_that_is_wanted(self, sva, addr, perm, code):
        dev, _ = sva
        dev.report(addr=addr, perm=perm, pasid=1)
        assert [(0, code)] == answers(dev)

    def test_a_fault_without_a_pasid_is_invalid(self, queue):
        space = iopf.AddressSpace()
        space.map(0x1000, 0x1000, "r")
        dev = iopf.Device("d")
        queue.add(dev)
        with pytest.warns(iopf.NoPasidWarning):
            dev.attach(iopf.SVA(space))
        dev.report(addr=0x1000)
        assert [(0, INVALID)] == answers(dev)

    def test_a_space_that_has_exited_is_invalid(self, sva):
        dev, space = sva
        space.exit()
        dev.report(addr=0x1000, pasid=1)
        assert [(0, INVALID)] == answers(dev)

    @pytest.mark.parametrize("bad", [0, 1, 2])
    def test_one_bad_fault_spoils_its_group_wherever_it_stands(self, sva, bad):
        dev, _ = sva
        for page in range(3):
            dev.report(addr=0x4000 if page == bad else 0x1000, pasid=1, last=page == 2)
        assert [(0, INVALID)] == answers(dev)

    def test_changes_of_the_space_count_from_the_next_fault_on(self, sva):
        dev, space = sva
        space.protect(0x1000, 0x1000, "r")
        dev.report(addr=0x1000, perm="w", grpid=1, pasid=1)
        space.unmap(0x1000, 0x1000)
        dev.report(addr=0x1000, grpid=2, pasid=1)
        space.map(0x4000, 0x1000, "w")
        dev.report(addr=0x4000, perm="w", grpid=3, pasid=1)
        assert [(1, INVALID), (2, INVALID), (3, SUCCESS)] == answers(dev)
