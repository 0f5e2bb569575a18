# SPDX-License-Identifier: GPL-2.0-only
"""The eight laws of the core, each as sentences. Where a law is about a race the test tells it step by step.

A Python handler is called by report with no lock held, after the group was made pending: what it does is what another
thread does at the worst moment.
"""

import errno
import threading

import pytest

import iopf
from iopf import ResponseCode

SUCCESS, INVALID, FAILURE = ResponseCode.SUCCESS, ResponseCode.INVALID, ResponseCode.FAILURE


@pytest.fixture(params=[0, 1], ids=["in-the-reporter", "on-a-worker"])
def queue(request, runtime):
    with iopf.Queue("laws", runtime=runtime, workers=request.param) as queue:
        yield queue


def answers(dev):
    """What the device got: index and code, oldest first."""
    return [(response.grpid, response.code) for response in dev.responses]


def keeping(dev, queue, **attach):
    """Puts the device on the queue with a handler that keeps its groups, and gives the list of them."""
    groups = []
    queue.add(dev)
    dev.attach(groups.append, **attach)
    return groups


def live(function):
    """How many objects are alive that this C function allocated."""
    return sum(n for site, n in iopf.live_objects(detail=True).items() if site.function == function)


FAULT_PARAM, GROUP, PARTIAL, HANDLE = (
    "iopf_queue_add_device",
    "iopf_report_last",
    "iopf_report_partial",
    "attach_or_replace",
)


class TestOneLookup:
    """1: the fault param is found once per fault, in report; nobody downstream looks it up again."""

    def test_a_handler_that_moves_its_device_to_another_queue_answers_on_the_old_one(self, queue, runtime):
        """The response is the old fault param's, though a lookup would find the new one.

        report finds F1 · handler: remove (answers INVALID, F1 is disassociated), add to another queue (F2) · respond
        """
        other = iopf.Queue("other", runtime=runtime)
        dev = iopf.Device("d")
        got = []

        def handler(group):
            queue.remove(dev)
            other.add(dev)
            got.append(group.respond(SUCCESS))

        queue.add(dev)
        dev.attach(handler)
        dev.report(addr=0, grpid=7)
        assert ([False], [(7, INVALID)]) == (got, answers(dev))
        assert (1, 0) == (dev.statistics().dropped, dev.statistics().pending)
        other.close()

    def test_a_work_resolves_against_the_space_that_its_fault_was_launched_with(self, runtime):
        """Rebinding a PASID between report and work does not redirect the fault into another address space.

        report for PASID 1, attached to a space without the page · detach, attach a space that has it · the work runs
        """
        empty, full = iopf.AddressSpace(), iopf.AddressSpace()
        full.map(0x1000, 0x1000, "rw")
        with iopf.Queue("q", runtime=runtime, workers=0) as queue:
            dev = iopf.Device("d")
            queue.add(dev)
            dev.attach(iopf.Work(lambda group: rebind(group)), pasid=2)

            def rebind(group):
                # In the work of PASID 2: works that this report queues wait for this one.
                dev.attach(iopf.SVA(empty), pasid=1)
                dev.report(addr=0x1000, grpid=1, pasid=1)
                dev.replace(iopf.SVA(full), pasid=1)
                dev.report(addr=0x1000, grpid=2, pasid=1)
                group.respond()

            dev.report(addr=0, grpid=0, pasid=2)
            dev.flush()
            assert {1: INVALID, 2: SUCCESS, 0: SUCCESS} == dict(answers(dev))


class TestTheReferencesTravel:
    """2: the references move into the group, travel with it, and are put when it is freed."""

    def test_a_group_holds_fault_param_and_attach_handle_until_it_is_freed(self, queue):
        """remove and detach put the base references; the group's own keep both objects until the answer."""
        dev = iopf.Device("d")
        groups = keeping(dev, queue, pasid=1)
        dev.report(addr=0, pasid=1)
        queue.remove(dev)
        dev.detach(pasid=1)
        assert (1, 1, 1) == (live(FAULT_PARAM), live(GROUP), live(HANDLE))
        assert False is groups.pop().respond()
        assert (0, 0, 0) == (live(FAULT_PARAM), live(GROUP), live(HANDLE))

    def test_a_partial_request_holds_nothing_but_its_own_memory(self, queue):
        """report puts both references itself when it stores: remove and detach free everything at once."""
        dev = iopf.Device("d")
        keeping(dev, queue, pasid=1)
        dev.report(addr=0, pasid=1, last=False)
        assert 1 == live(PARTIAL)
        queue.remove(dev)
        dev.detach(pasid=1)
        assert (0, 0, 0) == (live(FAULT_PARAM), live(PARTIAL), live(HANDLE))

    def test_a_group_outlives_its_queue_its_device_and_its_attachment(self, runtime):
        """The last put may free the device that the fault param pins, and with it every lock: nothing is held then."""
        queue = iopf.Queue("q", runtime=runtime)
        dev = iopf.Device("d", on_response=lambda response: None)
        groups = keeping(dev, queue)
        dev.report(addr=0x5000, grpid=9)
        queue.close()
        dev.close()
        del dev, queue
        (group,) = groups
        assert [0x5000] == [fault.addr for fault in group.faults]
        assert (1, 1, 1) == (live(FAULT_PARAM), live(GROUP), live(HANDLE))
        assert False is group.respond()

    def test_an_attach_handle_that_was_replaced_lives_as_long_as_its_groups(self, queue):
        """replace waits for nothing: groups in flight keep the old handle, new ones have the new one."""
        dev = iopf.Device("d")
        old, new = keeping(dev, queue), []
        dev.report(addr=0, grpid=1)
        dev.replace(new.append)
        dev.report(addr=0, grpid=2)
        assert (1, 1, 2) == (len(old), len(new), live(HANDLE))
        old.pop().respond()
        assert 1 == live(HANDLE)
        new.pop().respond()
        assert [(1, SUCCESS), (2, SUCCESS)] == answers(dev)

    def test_every_way_out_of_report_puts_both_references(self, queue):
        """Refused, bad setup without a handler, bad setup without a fault param: afterwards nothing is held."""
        dev = iopf.Device("d")
        queue.add(dev)
        dev.attach(iopf.Refuse(), pasid=1)
        dev.report(addr=0, pasid=1)
        for last in (False, True):
            with pytest.raises(iopf.BadSetup):
                dev.report(addr=0, pasid=2, last=last)
        queue.remove(dev)
        dev.detach(pasid=1)
        with pytest.raises(iopf.BadSetup):
            dev.report(addr=0, pasid=1)
        assert (0, 0, 0) == (live(FAULT_PARAM), live(GROUP), live(HANDLE))


class TestTheGroupIsLockedToItsFaultParam:
    """3: after remove and add the device has another fault param; nothing late on the old one touches it."""

    def test_a_late_response_does_not_answer_the_request_that_reuses_the_index(self, queue):
        """The wrong-target race of the patch under review (v8 12/12).

        report 5 (F1, kept) · remove (5: INVALID) · add (F2) · report 5 again (F2, kept) · late respond to the first:
        were the fault param looked up again, it would answer the second request with the first one's result
        """
        dev = iopf.Device("d")
        groups = keeping(dev, queue)
        dev.report(addr=0x1000, grpid=5)
        queue.remove(dev)
        queue.add(dev)
        dev.report(addr=0x2000, grpid=5)
        first, second = groups
        assert False is first.respond(FAILURE)
        assert ([(5, INVALID)], 1) == (answers(dev), dev.statistics().pending)
        assert True is second.respond(SUCCESS)
        assert [(5, INVALID), (5, SUCCESS)] == answers(dev)

    def test_partial_requests_do_not_survive_into_the_next_fault_param(self, queue):
        """report partial 1 (F1) · remove · add (F2) · report last 1: the group has one fault."""
        dev = iopf.Device("d")
        groups = keeping(dev, queue)
        dev.report(addr=0x1000, grpid=1, last=False)
        queue.remove(dev)
        queue.add(dev)
        dev.report(addr=0x2000, grpid=1)
        assert [0x2000] == [fault.addr for fault in groups[0].faults]
        groups.pop().respond()

    def test_add_after_remove_does_not_wait_for_groups_that_float(self, queue):
        """The old fault param is alive, and yet the device is on no queue: add is not EBUSY. Ten times over."""
        dev = iopf.Device("d")
        groups = keeping(dev, queue)
        for i in range(10):
            dev.report(addr=0, grpid=i)
            queue.remove(dev)
            queue.add(dev)
        assert (11, 10) == (live(FAULT_PARAM), live(GROUP))
        assert [False] * 10 == [group.respond() for group in groups]
        assert 1 == live(FAULT_PARAM)
        groups.clear()


class TestOneResponse:
    """4: every last request handed to report gets exactly one response, a partial one none."""

    @pytest.mark.parametrize("code", list(ResponseCode))
    def test_the_owner_answers_with_any_code(self, queue, code):
        dev = iopf.Device("d")
        queue.add(dev)
        dev.attach(lambda group: group.respond(code))
        dev.report(addr=0, grpid=1)
        assert [(1, code)] == answers(dev)

    def test_removal_answers_what_its_owner_has_not(self, queue):
        dev = iopf.Device("d")
        groups = keeping(dev, queue)
        dev.report(addr=0, grpid=1)
        queue.remove(dev)
        assert [(1, INVALID)] == answers(dev)
        groups.pop().respond()
        assert [(1, INVALID)] == answers(dev)

    def test_removal_does_not_answer_what_its_owner_has(self, queue):
        dev = iopf.Device("d")
        groups = keeping(dev, queue)
        dev.report(addr=0, grpid=1)
        groups.pop().respond(FAILURE)
        queue.remove(dev)
        assert [(1, FAILURE)] == answers(dev)

    def test_report_answers_failure_for_a_handler_that_refused(self, queue):
        dev = iopf.Device("d")
        queue.add(dev)
        dev.attach(iopf.Refuse())
        dev.report(addr=0, grpid=1)
        assert [(1, FAILURE)] == answers(dev)

    def test_report_answers_invalid_for_bad_setup(self, queue):
        dev = iopf.Device("d")
        queue.add(dev)
        with pytest.raises(iopf.BadSetup):
            dev.report(addr=0, grpid=1)
        assert [(1, INVALID)] == answers(dev)

    def test_report_answers_failure_when_there_is_no_memory_for_a_group(self, queue, lib):
        dev = iopf.Device("d")
        keeping(dev, queue)
        lib.iopf_fail_nth(1)
        dev.report(addr=0, grpid=1)
        assert ([(1, FAILURE)], 0) == (answers(dev), lib.iopf_fail_nth_left())

    def test_partial_requests_get_no_response_whatever_becomes_of_them(self, queue):
        """Completed, dropped by discard, by removal, by a bad last one: never an answer of their own."""
        dev = iopf.Device("d")
        groups = keeping(dev, queue, pasid=1)
        dev.report(addr=0x1000, grpid=1, pasid=1, last=False)
        dev.report(addr=0x2000, grpid=1, pasid=1)
        groups.pop().respond()
        dev.report(addr=0x1000, grpid=2, pasid=1, last=False)
        queue.discard_partial()
        dev.report(addr=0x1000, grpid=3, pasid=1, last=False)
        queue.remove(dev)
        with pytest.raises(iopf.BadSetup):
            dev.report(addr=0x1000, grpid=4, pasid=2, last=False)
        assert [(1, SUCCESS)] == answers(dev)

    @pytest.mark.parametrize("pasid", [None, 5])
    def test_the_response_carries_index_and_pasid_as_they_came(self, queue, pasid):
        dev = iopf.Device("d")
        queue.add(dev)
        dev.attach(iopf.Inline(), pasid=pasid)
        dev.report(addr=0, grpid=0xFFFFFFFF, pasid=pasid)
        assert [iopf.PageResponse(pasid, 0xFFFFFFFF, SUCCESS)] == dev.responses

    def test_the_same_index_may_be_outstanding_with_and_without_a_pasid(self, queue):
        """Groups match by key: index, PASID_VALID, and the PASID where that is set.

        One index in flight four times, twice of it with partial requests: each last one collects its own.
        """
        dev = iopf.Device("d")
        groups = keeping(dev, queue)
        for pasid in (1, 2):
            dev.attach(groups.append, pasid=pasid)
        for pasid in (None, 1, 2):
            for page in range(3):
                dev.report(addr=0x1000 * page + (pasid or 0) * 0x10000, grpid=4, pasid=pasid, last=False)
        for pasid in (2, None, 1):
            dev.report(addr=0xF000, grpid=4, pasid=pasid)
        assert {2: 4, None: 4, 1: 4} == {group.last.pasid: len(group.faults) for group in groups}
        assert [
            [0x20000, 0x21000, 0x22000, 0xF000],
            [0, 0x1000, 0x2000, 0xF000],
            [0x10000, 0x11000, 0x12000, 0xF000],
        ] == [[f.addr for f in g.faults] for g in groups]
        for group, code in zip(groups, (SUCCESS, INVALID, FAILURE)):
            group.respond(code)
        assert [
            iopf.PageResponse(2, 4, SUCCESS),
            iopf.PageResponse(None, 4, INVALID),
            iopf.PageResponse(1, 4, FAILURE),
        ] == dev.responses
        groups.clear()


class TestOneFreer:
    """5: a handler that returns 0 owns the group from its call; anything else gave it to nobody. remove frees none."""

    def test_a_group_may_be_answered_and_freed_before_its_handler_returns(self, queue):
        """report then touches neither group, handle nor fault param: all three are gone when the handler returns.

        handler: remove, detach, respond (frees the group, puts the last references) · return 0 to report
        """
        dev = iopf.Device("d")

        def handler(group):
            queue.remove(dev)
            dev.detach()
            group.respond()
            seen.append((live(FAULT_PARAM), live(GROUP), live(HANDLE)))

        seen = []
        queue.add(dev)
        dev.attach(handler)
        dev.report(addr=0)
        assert [(0, 0, 0)] == seen

    def test_removal_does_not_free_what_the_owner_will(self, queue):
        """remove answers and unlinks; the group is still there for its owner, with its faults (CVE-2025-38594)."""
        dev = iopf.Device("d")
        groups = keeping(dev, queue)
        dev.report(addr=0x3000, grpid=1, last=False)
        dev.report(addr=0x4000, grpid=1)
        queue.remove(dev)
        assert (1, 1) == (live(GROUP), live(PARTIAL))
        groups.pop().respond()
        assert (0, 0) == (live(GROUP), live(PARTIAL))

    def test_a_handler_that_refuses_after_removal_leaves_one_answer(self, queue):
        """handler: remove (INVALID) · raise, so report aborts the group: its FAILURE finds it not pending."""
        dev = iopf.Device("d")

        def handler(group):
            queue.remove(dev)
            raise LookupError("refused")

        queue.add(dev)
        dev.attach(handler)
        with pytest.raises(LookupError):
            dev.report(addr=0, grpid=1)
        assert [(1, INVALID)] == answers(dev)

    def test_works_of_a_removed_device_run_and_free_their_groups(self, runtime):
        """remove between queue_work and the work (the use-after-free of v6.14): the work's response is a no-op.

        a work blocks the only worker · report queues three more · remove answers all · the worker goes on
        """
        space, gate, entered = iopf.AddressSpace(), threading.Event(), threading.Event()
        space.map(0, 0x1000, "r")
        with iopf.Queue("q", runtime=runtime) as queue:
            blocker, dev = iopf.Device("blocker"), iopf.Device("d")
            queue.add(blocker)
            blocker.attach(iopf.Work(lambda group: (entered.set(), gate.wait(30), group.respond())))
            blocker.report(addr=0)
            assert entered.wait(30)
            queue.add(dev)
            dev.attach(iopf.SVA(space), pasid=1)
            for grpid in range(3):
                dev.report(addr=0, grpid=grpid, pasid=1)
            queue.remove(dev)
            dev.detach(pasid=1)
            assert ([(0, INVALID), (1, INVALID), (2, INVALID)], 3) == (answers(dev), live(GROUP) - 1)
            gate.set()
            blocker.flush()
            assert (3, 3, 0) == (len(dev.responses), dev.statistics().dropped, live(GROUP))

    def test_a_group_may_be_freed_by_any_thread(self, queue, start):
        dev = iopf.Device("d")
        groups = keeping(dev, queue)
        for grpid in range(8):
            dev.report(addr=0, grpid=grpid)
        futures = [start(group.respond) for group in groups]
        assert [True] * 8 == [future.result(30) for future in futures]
        assert (0, 8) == (live(GROUP), dev.statistics().success)
        groups.clear()


class TestRemoveCannotFail:
    """6: remove answers every outstanding group with INVALID. Wrong queue or no fault param: WARN, no change."""

    def test_every_outstanding_group_is_answered_when_remove_returns(self, queue):
        dev = iopf.Device("d")
        groups = keeping(dev, queue)
        for grpid in range(50):
            dev.report(addr=0, grpid=grpid)
        groups.pop(10).respond()
        queue.remove(dev)
        assert [(10, SUCCESS)] + [(i, INVALID) for i in range(50) if i != 10] == answers(dev)
        assert [False] * 49 == [group.respond() for group in groups]
        groups.clear()

    def test_stored_partial_requests_go_with_it(self, queue):
        dev = iopf.Device("d")
        keeping(dev, queue)
        for grpid in range(40):
            dev.report(addr=0, grpid=grpid, last=False)
        assert (40, 40) == (live(PARTIAL), dev.statistics().partials)
        queue.remove(dev)
        assert (0, 0) == (live(PARTIAL), dev.statistics().partials)

    def test_another_queue_warns_and_changes_nothing(self, queue, runtime, expect_warnings):
        other = iopf.Queue("other", runtime=runtime)
        dev = iopf.Device("d")
        groups = keeping(dev, queue)
        dev.report(addr=0, grpid=1)
        expect_warnings("iopf_queue_remove_device")
        other.remove(dev)
        assert ([], 1, queue) == (dev.responses, dev.statistics().pending, dev.queue)
        assert True is groups.pop().respond()
        other.close()

    def test_a_device_that_is_on_no_queue_warns(self, queue, expect_warnings):
        dev = iopf.Device("d")
        queue.add(dev)
        queue.remove(dev)
        expect_warnings("iopf_queue_remove_device", 2)
        queue.remove(dev)
        queue.remove(dev)

    def test_a_fault_param_goes_with_its_last_reference(self, queue):
        """With nothing in flight that is at once, with groups when the last of them is freed."""
        dev = iopf.Device("d")
        groups = keeping(dev, queue)
        dev.report(addr=0, grpid=1)
        dev.report(addr=0, grpid=2)
        queue.remove(dev)
        assert 1 == live(FAULT_PARAM)
        groups.pop().respond()
        assert 1 == live(FAULT_PARAM)
        groups.pop().respond()
        assert 0 == live(FAULT_PARAM)


class TestAfterRemoveItIsDisassociated:
    """7: a response on a removed fault param does nothing but count and warn, ratelimited; a report is bad setup."""

    def test_a_late_response_is_counted_and_said_ten_times_in_five_seconds(self, queue, lib, kernel_messages):
        dev = iopf.Device("0000:00:01.0")
        groups = keeping(dev, queue)
        second = 1_000_000_000
        for grpid in range(16):
            dev.report(addr=0, grpid=grpid)
        queue.remove(dev)
        lib.iopf_set_clock(10 * second)  # the end of the interval that other tests began
        groups[15].respond()
        before = len(kernel_messages())
        lib.iopf_set_clock(100 * second)
        for group in groups[:14]:
            assert False is group.respond()
        said = [f"0000:00:01.0: response after removal dropped, group {i}" for i in range(10)]
        assert said == kernel_messages()[before:]
        lib.iopf_set_clock(105 * second)
        groups[14].respond()
        assert ["0000:00:01.0: 4 messages suppressed", "0000:00:01.0: response after removal dropped, group 14"] == (
            kernel_messages()[before + 10 :]
        )
        assert (16, 16, 0) == (dev.statistics().dropped, dev.statistics().invalid, dev.statistics().already_answered)
        groups.clear()

    def test_every_request_falls_before_or_after_remove(self, queue, start, expect_warnings):
        """A request from before has its answer when remove returns, one from after has report's own: INVALID each.

        a thread reports without pause · the device is removed · each report accepted until then is INVALID, each one
        after raises, and the device has one answer for each
        """
        for _ in range(20):
            dev = iopf.Device("d")
            groups = keeping(dev, queue)
            going = threading.Event()

            def reporter(dev=dev, going=going):
                accepted = []
                for grpid in range(100000):
                    try:
                        dev.report(addr=0, grpid=grpid)
                    except iopf.BadSetup:
                        return accepted, grpid
                    accepted.append(grpid)
                    going.set()
                raise AssertionError("remove had no effect")

            # Whoever comes after removal meets a handler without a fault param: the caller's bug, said once.
            expect_warnings.allow("iommu_report_device_fault")
            future = start(reporter)
            assert going.wait(30)
            queue.remove(dev)
            answered = len(dev.responses)
            accepted, refused = future.result(30)
            assert (len(accepted), len(accepted)) == (len(groups), refused)
            assert answered in (len(accepted), len(accepted) + 1)
            assert [(grpid, INVALID) for grpid in range(refused + 1)] == answers(dev)
            assert {False} == {group.respond() for group in groups}
            groups.clear()

    def test_a_report_after_remove_is_bad_setup(self, queue, expect_warnings):
        dev = iopf.Device("d")
        groups = keeping(dev, queue)
        queue.remove(dev)
        expect_warnings("iommu_report_device_fault")
        with pytest.raises(iopf.BadSetup) as caught:
            dev.report(addr=0, grpid=1)
        assert (errno.EINVAL, [(1, INVALID)], []) == (caught.value.errno, answers(dev), groups)

    def test_the_work_of_a_removed_device_is_refused_and_its_last_one_answered_once(self, runtime):
        """A handler that finds F.queue NULL refuses (-ENODEV): removal answered before, report's abort is silent.

        report: the group is pending · a handler removes the device and nests a report of its own
        """
        space = iopf.AddressSpace()
        with iopf.Queue("q", runtime=runtime) as queue:
            dev = iopf.Device("d")

            def handler(group):
                queue.remove(dev)
                with pytest.raises(iopf.BadSetup):
                    dev.report(addr=0, grpid=2, pasid=3)
                group.respond()

            queue.add(dev)
            dev.attach(handler)
            dev.report(addr=0, grpid=1)
            assert [(1, INVALID), (2, INVALID)] == answers(dev)
        assert space.areas == []


class TestFlushAfterRemove:
    """8: flush after remove is a bug of the caller: WARN and -ENODEV, no lock taken."""

    def test_it_warns_and_says_enodev(self, queue, expect_warnings):
        dev = iopf.Device("d")
        queue.add(dev)
        dev.flush()
        queue.remove(dev)
        expect_warnings("iopf_queue_flush_dev", 2)
        for _ in range(2):
            with pytest.raises(iopf.NotOnQueue) as caught:
                dev.flush()
            assert errno.ENODEV == caught.value.errno

    def test_it_does_not_wait_for_a_work_that_never_ends(self, runtime, expect_warnings):
        """A device that was removed has nothing to flush, though its work still blocks the worker."""
        gate, entered = threading.Event(), threading.Event()
        with iopf.Queue("q", runtime=runtime) as queue:
            dev = iopf.Device("d")
            queue.add(dev)
            dev.attach(iopf.Work(lambda group: (entered.set(), gate.wait(30), group.respond())))
            dev.report(addr=0)
            assert entered.wait(30)
            queue.remove(dev)
            expect_warnings("iopf_queue_flush_dev")
            with pytest.raises(iopf.NotOnQueue):
                dev.flush()
            gate.set()
