# SPDX-License-Identifier: GPL-2.0-only
"""Handlers that raise, block, answer late, twice, never, from another thread; and what on_response may do."""

import concurrent.futures
import errno
import gc
import sys
import threading
import warnings

import pytest

import iopf
from iopf import ResponseCode

SUCCESS, INVALID, FAILURE = ResponseCode.SUCCESS, ResponseCode.INVALID, ResponseCode.FAILURE
PATIENCE = 30


class Oops(Exception):
    """What these handlers raise."""


@pytest.fixture
def queue(runtime):
    """A queue with one worker."""
    with iopf.Queue("handlers", runtime=runtime) as queue:
        yield queue


@pytest.fixture
def dev(queue):
    dev = iopf.Device("d")
    queue.add(dev)
    return dev


@pytest.fixture
def unraisable(monkeypatch):
    """What sys.unraisablehook was told."""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: told.append((type(args.exc_value), str(args.exc_value))))
    return told


def answers(dev):
    return [(response.grpid, response.code) for response in dev.responses]


def oops(group):
    raise Oops(f"group {group.last.grpid}")


class TestRaisingInTheReporter:
    """The device gets FAILURE, and the exception leaves report() unchanged."""

    def test_it_leaves_report_unchanged(self, dev):
        error = Oops("this very one")

        def handler(group):
            raise error

        dev.attach(handler)
        with pytest.raises(Oops) as caught:
            dev.report(addr=0, grpid=1)
        assert (True, [(1, FAILURE)]) == (caught.value is error, answers(dev))

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
    def test_so_does_what_is_no_exception(self, dev, kind):
        def handler(group):
            raise kind

        dev.attach(handler)
        with pytest.raises(kind):
            dev.report(addr=0, grpid=1)
        assert [(1, FAILURE)] == answers(dev)

    def test_a_group_that_was_answered_before_keeps_its_answer(self, dev):
        def handler(group):
            group.respond(SUCCESS)
            raise Oops

        dev.attach(handler)
        with pytest.raises(Oops):
            dev.report(addr=0, grpid=1)
        assert [(1, SUCCESS)] == answers(dev)

    def test_a_group_that_was_kept_is_taken_back(self, dev):
        """Raising says: I do not have it. What was kept of it is a group that has been answered."""
        kept = []

        def handler(group):
            kept.append(group)
            raise Oops

        dev.attach(handler)
        with pytest.raises(Oops):
            dev.report(addr=0x1000, grpid=1)
        (group,) = kept
        assert ([(1, FAILURE)], True, 0x1000) == (answers(dev), group.answered, group.last.addr)
        with pytest.raises(iopf.AlreadyAnswered):
            group.respond()

    def test_the_next_report_knows_nothing_of_it(self, dev):
        dev.attach(oops)
        with pytest.raises(Oops):
            dev.report(addr=0)
        dev.replace(iopf.Inline())
        dev.report(addr=0)
        dev.flush()

    def test_report_many_goes_through_and_raises_the_first(self, dev, unraisable):
        import struct

        dev.attach(oops)
        records = b"".join(struct.pack(iopf.PAGE_REQUEST_FORMAT, 1, 0, 2, 0, i, 1, 0, 0, 0) for i in range(3))
        results = bytearray(12)
        with pytest.raises(Oops, match="group 0"):
            dev.report_many(records, results)
        assert [(i, FAILURE) for i in range(3)] == answers(dev)
        assert [(Oops, "group 1"), (Oops, "group 2")] == unraisable
        assert (0, 0, 0) == struct.unpack("3i", results)


class TestRaisingOnAWorker:
    """FAILURE, and the next flush or close raises HandlerError with the cause."""

    @pytest.mark.parametrize("workers", [0, 1, 3])
    def test_flush_raises_it_once(self, runtime, workers):
        with iopf.Queue("q", runtime=runtime, workers=workers) as queue:
            dev = iopf.Device("d")
            queue.add(dev)
            dev.attach(iopf.Work(oops))
            dev.report(addr=0, grpid=1)
            with pytest.raises(iopf.HandlerError) as caught:
                dev.flush()
            cause = caught.value.__cause__
            assert (errno.EIO, Oops, "group 1") == (caught.value.errno, type(cause), str(cause))
            assert [(1, FAILURE)] == answers(dev)
            dev.flush()

    def test_close_raises_it(self, runtime):
        queue = iopf.Queue("q", runtime=runtime)
        dev = iopf.Device("d")
        queue.add(dev)
        dev.attach(iopf.Work(oops))
        dev.report(addr=0)
        with pytest.raises(iopf.HandlerError) as caught:
            queue.close()
        assert (Oops, True) == (type(caught.value.__cause__), queue.closed)
        queue.close()

    def test_the_end_of_with_raises_it(self, runtime):
        with pytest.raises(iopf.HandlerError):
            with iopf.Queue("q", runtime=runtime) as queue:
                dev = iopf.Device("d")
                queue.add(dev)
                dev.attach(iopf.Work(oops))
                dev.report(addr=0)

    def test_what_nobody_collects_goes_to_the_unraisable_hook_at_close(self, runtime, unraisable):
        queue = iopf.Queue("q", runtime=runtime)
        dev = iopf.Device("d")
        queue.add(dev)
        dev.attach(iopf.Work(oops))
        for grpid in range(3):
            dev.report(addr=0, grpid=grpid)
        with pytest.raises(iopf.HandlerError, match="group 0"):
            queue.close()
        assert [(Oops, "group 1"), (Oops, "group 2")] == unraisable

    def test_a_queue_that_is_collected_tells_the_unraisable_hook(self, runtime, unraisable):
        queue = iopf.Queue("q", runtime=runtime)
        dev = iopf.Device("d")
        queue.add(dev)
        dev.attach(iopf.Work(oops))
        dev.report(addr=0)
        del queue, dev
        gc.collect()
        assert [(Oops, "group 0")] == unraisable

    def test_a_group_that_was_answered_before_keeps_its_answer(self, queue, dev):
        def handler(group):
            group.respond(INVALID)
            raise Oops

        dev.attach(iopf.Work(handler))
        dev.report(addr=0)
        with pytest.raises(iopf.HandlerError):
            dev.flush()
        assert [(0, INVALID)] == answers(dev)


class TestLateTwiceNever:
    """A group is answered once, at any time, from any thread; one that is collected unanswered is INVALID."""

    def test_a_second_answer_raises_and_reaches_nobody(self, dev):
        groups = []
        dev.attach(groups.append)
        dev.report(addr=0, grpid=1)
        group = groups.pop()
        group.respond(FAILURE)
        for _ in range(2):
            with pytest.raises(iopf.AlreadyAnswered):
                group.respond(SUCCESS)
        assert [(1, FAILURE)] == answers(dev)

    def test_each_further_answer_is_counted_on_the_device_and_on_its_queue(self, dev, queue):
        """``already_answered``: not the first answer, not a late one; also of a device that was closed."""
        groups = []
        dev.attach(groups.append)
        for grpid in (1, 2):
            dev.report(addr=0, grpid=grpid)
        groups[0].respond()
        assert 0 == dev.statistics().already_answered
        for expected in (1, 2):
            with pytest.raises(iopf.AlreadyAnswered):
                groups[0].respond()
            assert (expected, expected) == (dev.statistics().already_answered, queue.statistics().already_answered)
        dev.close()
        assert False is groups[1].respond()
        assert (1, 2) == (dev.statistics().dropped, dev.statistics().already_answered)
        with pytest.raises(iopf.AlreadyAnswered):
            groups[1].respond()
        assert (1, 3) == (dev.statistics().dropped, dev.statistics().already_answered)

    def test_of_many_threads_that_answer_one_wins(self, dev, start):
        groups = []
        dev.attach(groups.append)
        for grpid in range(20):
            dev.report(addr=0, grpid=grpid)
            group = groups.pop()
            barrier = threading.Barrier(4)

            def answer(group=group, barrier=barrier):
                barrier.wait(PATIENCE)
                try:
                    return group.respond()
                except iopf.AlreadyAnswered:
                    return None

            results = [future.result(PATIENCE) for future in [start(answer) for _ in range(4)]]
            assert [True] == [result for result in results if result is not None]
        assert [(grpid, SUCCESS) for grpid in range(20)] == answers(dev)

    @pytest.mark.parametrize("code", [3, -1, 0xF, 1 << 40])
    def test_a_code_that_there_is_not_raises_and_the_group_can_still_be_answered(self, dev, code):
        groups = []
        dev.attach(groups.append)
        dev.report(addr=0)
        group = groups.pop()
        with pytest.raises(ValueError):
            group.respond(code)
        assert True is group.respond(1)
        assert [(0, INVALID)] == answers(dev)

    @pytest.mark.parametrize("work", [False, True])
    def test_a_group_that_is_collected_unanswered_is_invalid_with_a_resource_warning(self, dev, work):
        def forget(group):
            pass

        dev.attach(iopf.Work(forget) if work else forget)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            dev.report(addr=0, grpid=1)
            dev.flush()
        assert ([(1, INVALID)], [ResourceWarning]) == (answers(dev), [w.category for w in caught])
        assert "group 1 was collected without an answer" in str(caught[0].message)

    def test_faults_stay_readable_after_the_answer(self, dev):
        groups = []
        dev.attach(groups.append, pasid=3)
        dev.report(addr=0x1000, perm="rwx", grpid=5, pasid=3)
        (group,) = groups
        fault = iopf.PageRequest(0x1000, iopf.Perm(7), 5, 3, iopf.RequestFlags(3))
        copied = group.faults
        copied.clear()
        assert [fault] == group.faults
        group.respond()
        assert ([fault], fault, True) == (group.faults, group.last, group.answered)

    def test_a_handler_that_blocks_holds_up_its_own_report_alone(self, queue, dev, start, eventually):
        """No lock of the core is held while a handler runs: others report, add, remove, discard, read statistics."""
        gate, entered = threading.Event(), threading.Event()

        def handler(group):
            entered.set()
            assert gate.wait(PATIENCE)
            group.respond()

        dev.attach(handler, pasid=1)
        dev.attach(iopf.Inline(), pasid=2)
        future = start(dev.report, addr=0, grpid=1, pasid=1)
        try:
            assert entered.wait(PATIENCE)
            dev.report(addr=0, grpid=2, pasid=2)
            other = iopf.Device("other")
            queue.add(other)
            queue.remove(other)
            queue.discard_partial()
            assert (1, 2) == (dev.statistics().pending, dev.statistics().reported)
            queue.remove(dev)
            assert [(2, SUCCESS), (1, INVALID)] == answers(dev)
        finally:
            gate.set()
        future.result(PATIENCE)
        assert [(2, SUCCESS), (1, INVALID)] == answers(dev)

    def test_a_work_that_blocks_holds_up_flush_until_it_answers(self, dev, start):
        gate, entered = threading.Event(), threading.Event()
        dev.attach(iopf.Work(lambda group: (entered.set(), gate.wait(PATIENCE), group.respond())))
        dev.report(addr=0)
        assert entered.wait(PATIENCE)
        future = start(dev.flush)
        with pytest.raises(concurrent.futures.TimeoutError):  # TimeoutError itself from 3.11 on
            future.result(0.12)
        gate.set()
        future.result(PATIENCE)
        assert [(0, SUCCESS)] == answers(dev)


class TestCallsFromHandlers:
    """A handler may call anything; what would wait for the work that calls it is WouldDeadlock."""

    def test_a_handler_may_report(self, dev):
        def handler(group):
            if group.last.grpid:
                dev.report(addr=0, grpid=group.last.grpid - 1)
            group.respond()

        dev.attach(handler)
        dev.report(addr=0, grpid=5)
        assert [(grpid, SUCCESS) for grpid in range(6)] == answers(dev)

    def test_an_exception_of_a_nested_report_is_the_handlers_own(self, dev):
        """It leaves the nested report(), and there the handler may catch it; the outer report() knows nothing."""
        dev.attach(oops, pasid=1)

        def handler(group):
            with pytest.raises(Oops):
                dev.report(addr=0, grpid=1, pasid=1)
            group.respond()

        dev.attach(handler)
        dev.report(addr=0, grpid=2)
        assert [(1, FAILURE), (2, SUCCESS)] == answers(dev)

    @pytest.mark.parametrize("workers", [0, 1, 2])
    def test_a_work_may_report(self, runtime, workers, eventually):
        """A long chain of them does not grow the stack, also without workers."""
        with iopf.Queue("q", runtime=runtime, workers=workers) as queue:
            dev = iopf.Device("d")
            queue.add(dev)

            def work(group):
                if group.last.grpid:
                    dev.report(addr=0, grpid=group.last.grpid - 1)
                group.respond()

            dev.attach(iopf.Work(work))
            dev.report(addr=0, grpid=3000)
            eventually(lambda: 3001 == dev.statistics().success)

    @pytest.mark.parametrize("workers", [0, 1])
    def test_flush_from_a_work_would_deadlock(self, runtime, workers):
        with iopf.Queue("q", runtime=runtime, workers=workers) as queue:
            dev = iopf.Device("d")
            queue.add(dev)
            caught = []

            def work(group):
                with pytest.raises(iopf.WouldDeadlock) as error:
                    dev.flush()
                caught.append(error.value.errno)
                group.respond()

            dev.attach(iopf.Work(work))
            dev.report(addr=0)
            dev.flush()
            assert ([errno.EDEADLK], [(0, SUCCESS)]) == (caught, answers(dev))

    @pytest.mark.parametrize("workers", [0, 1])
    def test_close_from_a_work_would_deadlock_and_changes_nothing(self, runtime, workers):
        with iopf.Queue("q", runtime=runtime, workers=workers) as queue:
            dev = iopf.Device("d")
            queue.add(dev)
            caught = []

            def work(group):
                with pytest.raises(iopf.WouldDeadlock):
                    queue.close()
                caught.append(queue.closed)
                group.respond()

            dev.attach(iopf.Work(work))
            dev.report(addr=0)
            dev.flush()
            assert ([False], [(0, SUCCESS)], queue) == (caught, answers(dev), dev.queue)

    def test_a_handler_in_the_reporter_may_flush_and_close(self, queue, dev):
        """It is in no work: nobody waits for it."""
        space = iopf.AddressSpace()
        dev.attach(iopf.SVA(space), pasid=1)

        def handler(group):
            dev.report(addr=0, grpid=1, pasid=1)
            dev.flush()
            queue.close()
            assert False is group.respond()

        dev.attach(handler)
        dev.report(addr=0, grpid=2)
        assert ([(1, INVALID), (2, INVALID)], True) == (answers(dev), queue.closed)

    def test_a_work_may_flush_and_close_another_queue(self, queue, dev, runtime):
        other = iopf.Queue("other", runtime=runtime)
        second = iopf.Device("second")
        other.add(second)
        second.attach(iopf.Work(lambda group: group.respond()))

        def work(group):
            second.report(addr=0, grpid=1)
            second.flush()
            other.close()
            group.respond()

        dev.attach(iopf.Work(work))
        dev.report(addr=0)
        dev.flush()
        assert ([(1, SUCCESS)], [(0, SUCCESS)], True) == (answers(second), answers(dev), other.closed)

    def test_a_work_may_remove_add_detach_and_attach(self, queue, dev):
        def work(group):
            queue.remove(dev)
            queue.add(dev)
            dev.detach()
            dev.attach(iopf.Inline())
            dev.report(addr=0, grpid=2)
            assert False is group.respond()

        dev.attach(iopf.Work(work))
        dev.report(addr=0, grpid=1)
        dev.flush()
        assert [(1, INVALID), (2, SUCCESS)] == answers(dev)

    def test_a_handler_that_was_detached_is_still_called_for_what_is_in_flight(self, dev):
        """Nothing but the works in flight refers to it any more: neither Python nor C has forgotten it."""
        gate, entered, called = threading.Event(), threading.Event(), []
        dev.attach(iopf.Work(lambda group: (entered.set(), gate.wait(PATIENCE), group.respond())))
        dev.report(addr=0)
        assert entered.wait(PATIENCE)
        dev.attach(iopf.Work(lambda group: (called.append(group.last.grpid), group.respond())), pasid=1)
        for grpid in range(5):
            dev.report(addr=0, grpid=grpid, pasid=1)
        dev.replace(iopf.Refuse(), pasid=1)
        dev.detach(pasid=1)
        gc.collect()
        gate.set()
        dev.flush()
        assert list(range(5)) == called

    def test_a_handler_that_was_detached_goes_with_its_last_group(self, queue):
        """It refers to its device, and nobody calls anything on that device again: the answer lets go of both."""
        import weakref

        dev = iopf.Device("d")
        queue.add(dev)
        groups = []
        dev.attach(lambda group: (groups.append(group), dev))  # noqa: F821  # deleted below
        dev.report(addr=0)
        queue.remove(dev)
        dev.detach()
        gone = weakref.ref(dev)
        del dev
        gc.collect()
        groups.pop().respond()
        gc.collect()
        assert None is gone()


class TestOnResponse:
    """on_response runs after the lock is dropped, in the thread that caused the answer; it raises from that call."""

    def make(self, queue, function):
        dev = iopf.Device("d", on_response=function)
        queue.add(dev)
        return dev

    def test_it_is_called_with_each_response_in_the_thread_that_caused_it(self, queue):
        seen = []
        dev = self.make(queue, lambda response: seen.append((response.grpid, response.code, threading.get_ident())))
        groups = []
        dev.attach(groups.append)
        dev.attach(iopf.Inline(FAILURE), pasid=1)
        dev.attach(iopf.Work(lambda group: (group.respond(), worker.append(threading.get_ident()))), pasid=2)
        worker, me = [], threading.get_ident()
        dev.report(addr=0, grpid=1)
        assert [] == seen
        groups.pop().respond()
        dev.report(addr=0, grpid=2, pasid=1)
        dev.report(addr=0, grpid=3, pasid=2)
        dev.flush()
        dev.report(addr=0, grpid=4)
        queue.remove(dev)
        assert [(1, SUCCESS, me), (2, FAILURE, me), (3, SUCCESS, worker[0]), (4, INVALID, me)] == seen
        assert me != worker[0]
        groups.pop().respond()

    def test_it_may_call_anything(self, queue):
        """Also what takes the locks under which the answer was given."""

        def on_response(response):
            if response.grpid < 5:
                queue.remove(dev)
                queue.add(dev)
                queue.discard_partial()
                assert 0 == dev.statistics().pending
                dev.report(addr=0, grpid=response.grpid + 1)

        dev = self.make(queue, on_response)
        dev.attach(iopf.Inline())
        dev.report(addr=0, grpid=1)
        assert [(grpid, SUCCESS) for grpid in range(1, 6)] == answers(dev)

    def test_what_it_raises_is_raised_by_report(self, queue):
        dev = self.make(queue, oops_response)
        dev.attach(iopf.Inline())
        with pytest.raises(Oops):
            dev.report(addr=0, grpid=1)
        assert [(1, SUCCESS)] == answers(dev)

    def test_by_respond(self, queue):
        dev = self.make(queue, oops_response)
        groups = []
        dev.attach(groups.append)
        dev.report(addr=0, grpid=1)
        group = groups.pop()
        with pytest.raises(Oops):
            group.respond()
        assert (True, [(1, SUCCESS)]) == (group.answered, answers(dev))

    def test_by_remove_which_has_removed_the_device(self, queue):
        dev = self.make(queue, oops_response)
        groups = []
        dev.attach(groups.append)
        dev.report(addr=0, grpid=1)
        with pytest.raises(Oops):
            queue.remove(dev)
        assert (None, [(1, INVALID)]) == (dev.queue, answers(dev))
        groups.pop().respond()

    def test_by_close_which_has_closed_the_queue(self, runtime):
        queue = iopf.Queue("q", runtime=runtime)
        dev = self.make(queue, oops_response)
        groups = []
        dev.attach(groups.append)
        dev.report(addr=0, grpid=1)
        with pytest.raises(Oops):
            queue.close()
        assert (True, [(1, INVALID)]) == (queue.closed, answers(dev))
        groups.pop().respond()

    def test_by_close_of_the_device(self, queue):
        dev = self.make(queue, oops_response)
        groups = []
        dev.attach(groups.append)
        dev.report(addr=0, grpid=1)
        with pytest.raises(Oops):
            dev.close()
        assert (True, []) == (dev.closed, queue.devices)
        dev.close()
        groups.pop().respond()

    def test_a_device_that_is_collected_tells_the_unraisable_hook_and_leaks_nothing(self, queue, unraisable):
        dev = self.make(queue, oops_response)
        groups = []
        dev.attach(groups.append)
        dev.report(addr=0, grpid=1)
        del dev
        gc.collect()
        assert [(Oops, "response 1")] == unraisable
        assert False is groups.pop().respond()

    def test_on_a_worker_the_next_flush_raises_it(self, queue):
        space = iopf.AddressSpace()
        dev = self.make(queue, oops_response)
        dev.attach(iopf.SVA(space), pasid=1)
        dev.report(addr=0, pasid=1)
        with pytest.raises(iopf.HandlerError) as caught:
            dev.flush()
        assert Oops is type(caught.value.__cause__)
        dev.flush()

    def test_an_exception_of_the_handler_comes_first(self, queue, unraisable):
        """Its FAILURE is answered after it raised; what on_response raises then is told to the hook."""
        dev = self.make(queue, oops_response)
        dev.attach(oops)
        with pytest.raises(Oops, match="group 1"):
            dev.report(addr=0, grpid=1)
        assert [(Oops, "response 1")] == unraisable


def oops_response(response):
    raise Oops(f"response {response.grpid}")
