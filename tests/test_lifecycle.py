# SPDX-License-Identifier: GPL-2.0-only
"""Close in any order, from any thread, in __del__, at exit, after fork: never a crash, a hang or a leak."""

import concurrent.futures
import errno
import gc
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import pytest

import iopf
from iopf import ResponseCode

SUCCESS, INVALID = ResponseCode.SUCCESS, ResponseCode.INVALID
PATIENCE = 60


def answers(dev):
    return [(response.grpid, response.code) for response in dev.responses]


def run(program, *, runtime="native", timeout=120, status=0):
    """Runs a program in an interpreter of its own and gives what it printed; stderr has to stay empty."""
    env = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD" or "asan" in value}
    source = f"import iopf\nRUNTIME = {runtime!r}\n" + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "error", "-c", source],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=env,
    )
    assert (status, "") == (done.returncode, done.stderr)
    return done.stdout


class TestClose:
    """close() of queues, devices and what is in flight, in every order."""

    @pytest.mark.parametrize("order", list(itertools.permutations(["queue", "device", "group", "space"])))
    @pytest.mark.parametrize("drop", [False, True], ids=["closed", "dropped"])
    def test_in_any_order(self, runtime, order, drop):
        """A group in flight, a stored partial, a queue, a device, an address space: each order leaves nothing."""
        groups = []
        things = {"queue": iopf.Queue("q", runtime=runtime), "device": iopf.Device("d"), "space": iopf.AddressSpace()}
        things["queue"].add(things["device"])
        things["device"].attach(groups.append)
        things["device"].attach(iopf.SVA(things["space"]), pasid=1)
        things["device"].report(addr=0, grpid=1)
        things["device"].report(addr=0, grpid=2, last=False)
        things["device"].report(addr=0, grpid=3, pasid=1)
        things["device"].flush()
        for name in order:
            if name == "group":
                # A queue that is only dropped is kept by its device.
                first = order.index("device") if drop else min(order.index("device"), order.index("queue"))
                assert (order.index("group") < first) == groups.pop().respond()
                continue
            thing = things.pop(name)
            if not drop:
                {"queue": lambda t: t.close(), "device": lambda t: t.close(), "space": lambda t: t.exit()}[name](thing)
            del thing
            gc.collect()

    def test_twice_is_fine(self, runtime):
        queue, dev = iopf.Queue("q", runtime=runtime), iopf.Device("d")
        queue.add(dev)
        for _ in range(2):
            dev.close()
            queue.close()
        assert (True, True) == (dev.closed, queue.closed)

    def test_from_many_threads_at_once(self, runtime, start):
        for _ in range(20):
            queue, dev = iopf.Queue("q", runtime=runtime), iopf.Device("d")
            queue.add(dev)
            dev.attach(iopf.Inline())
            barrier = threading.Barrier(4)
            futures = [
                start(lambda close, b=barrier: (b.wait(PATIENCE), close()), close)
                for close in (queue.close, queue.close, dev.close, dev.close)
            ]
            for future in futures:
                future.result(PATIENCE)
            assert (True, True) == (dev.closed, queue.closed)

    def test_a_closed_queue_says_so(self, runtime):
        queue, dev = iopf.Queue("q", runtime=runtime), iopf.Device("d")
        queue.close()
        for call in (
            lambda: queue.add(dev),
            lambda: queue.remove(dev),
            queue.discard_partial,
            queue.statistics,
            queue.__enter__,
        ):
            with pytest.raises(iopf.Closed) as caught:
                call()
            assert errno.EBADF == caught.value.errno
        assert ("<Queue q, closed>", []) == (repr(queue), queue.devices)

    def test_a_closed_device_says_so_and_keeps_its_records(self, runtime):
        with iopf.Queue("q", runtime=runtime) as queue:
            dev = iopf.Device("d")
            queue.add(dev)
            dev.attach(iopf.Inline())
            dev.report(addr=0, grpid=4)
            dev.close()
            for call in (
                lambda: queue.add(dev),
                lambda: queue.remove(dev),
                dev.flush,
                dev.detach,
                dev.clear_responses,
                lambda: dev.report(addr=0),
                lambda: dev.report_many(b""),
                lambda: dev.attach(iopf.Inline()),
                lambda: dev.replace(iopf.Inline()),
                lambda: iopf.Device("e", group=dev),
                dev.__enter__,
            ):
                with pytest.raises(iopf.Closed):
                    call()
            assert ([(4, SUCCESS)], 1, "<Device d, closed>") == (answers(dev), dev.statistics().success, repr(dev))

    def test_close_waits_for_works_and_their_answers_are_late(self, runtime, start):
        queue, dev = iopf.Queue("q", runtime=runtime), iopf.Device("d")
        queue.add(dev)
        gate, entered = threading.Event(), threading.Event()
        dev.attach(iopf.Work(lambda group: (entered.set(), gate.wait(PATIENCE), group.respond())))
        dev.report(addr=0)
        assert entered.wait(PATIENCE)
        future = start(queue.close)
        with pytest.raises(concurrent.futures.TimeoutError):  # TimeoutError itself from 3.11 on
            future.result(0.12)
        assert (False, [(0, INVALID)]) == (queue.closed, answers(dev))
        with pytest.raises(iopf.Closed):
            queue.add(dev)
        gate.set()
        future.result(PATIENCE)
        assert (True, 1) == (queue.closed, dev.statistics().dropped)

    def test_close_beside_reports(self, runtime, start, expect_warnings):
        """Each report is accepted and answered, or refused and answered; the queue is gone in between."""
        expect_warnings.allow("iommu_report_device_fault")
        space = iopf.AddressSpace()
        for workers in (0, 1, 2):
            queue, dev = iopf.Queue("q", runtime=runtime, workers=workers), iopf.Device("d")
            queue.add(dev)
            dev.attach(iopf.SVA(space), pasid=1)
            going = threading.Event()

            def reporter(dev=dev, going=going):
                for grpid in range(1, 100000):
                    try:
                        dev.report(addr=0, grpid=grpid, pasid=1)
                    except iopf.BadSetup:
                        return grpid
                    going.set()
                return None

            future = start(reporter)
            assert going.wait(PATIENCE)
            queue.close()
            assert future.result(PATIENCE) == len(dev.responses) == dev.statistics().invalid


class TestCollection:
    """Objects that nobody refers to go, whoever is in whose closure."""

    def test_a_queue_that_is_collected_is_closed(self, runtime):
        queue, dev = iopf.Queue("q", runtime=runtime), iopf.Device("d")
        queue.add(dev)
        groups = []
        dev.attach(groups.append)
        dev.report(addr=0)
        del queue, dev
        gc.collect()
        assert False is groups.pop().respond()

    def test_a_device_keeps_its_queue(self, runtime):
        queue, dev = iopf.Queue("q", runtime=runtime), iopf.Device("d")
        queue.add(dev)
        gone = weakref.ref(queue)
        del queue
        gc.collect()
        dev.attach(iopf.Inline())
        dev.report(addr=0)
        assert ([(0, SUCCESS)], True) == (answers(dev), gone() is not None)
        del dev
        gc.collect()
        assert None is gone()

    def test_a_queue_does_not_keep_its_devices(self, runtime):
        with iopf.Queue("q", runtime=runtime) as queue:
            queue.add(iopf.Device("d"))
            gc.collect()
            assert ([], 0) == (queue.devices, queue.statistics().devices)

    @pytest.mark.parametrize("work", [False, True])
    def test_a_handler_may_refer_to_its_device_and_its_queue(self, runtime, work):
        queue, dev = iopf.Queue("q", runtime=runtime), iopf.Device("d")

        def handler(group):
            assert queue is dev.queue  # noqa: F821  # deleted below
            group.respond()

        queue.add(dev)
        dev.attach(iopf.Work(handler) if work else handler)
        dev.report(addr=0)
        dev.flush()
        gone = [weakref.ref(queue), weakref.ref(dev), weakref.ref(handler)]
        del queue, dev, handler
        gc.collect()
        assert [None] * 3 == [ref() for ref in gone]

    def test_an_attachment_keeps_its_space(self, runtime):
        space = iopf.AddressSpace()
        space.map(0, 0x1000, "r")
        with iopf.Queue("q", runtime=runtime) as queue:
            dev = iopf.Device("d")
            queue.add(dev)
            dev.attach(iopf.SVA(space), pasid=1)
            del space
            gc.collect()
            dev.report(addr=0, pasid=1)
            dev.flush()
            assert [(0, SUCCESS)] == answers(dev)

    def test_a_queue_that_its_own_work_drops_is_closed_by_another_thread(self, runtime, eventually):
        """The last reference goes in the worker: it cannot wait for itself."""
        held = [iopf.Queue("q", runtime=runtime), iopf.Device("d")]
        held[0].add(held[1])
        done = threading.Event()

        def work(group):
            held.clear()
            gc.collect()
            group.respond()
            done.set()

        held[1].attach(iopf.Work(work))
        held[1].report(addr=0)
        assert done.wait(PATIENCE)
        del work
        eventually(lambda: not [t for t in threading.enumerate() if t.name == "close q"])
        eventually(lambda: gc.collect() >= 0 and iopf.live_objects() == 0)

    def test_a_queue_that_is_dropped_with_a_work_that_blocks_is_closed_when_it_is_back(
        self, runtime, eventually, monkeypatch
    ):
        """Collection waits a moment; then a thread does."""
        assert 0 < iopf.queue.COLLECT_SECONDS <= 1
        monkeypatch.setattr(iopf.queue, "COLLECT_SECONDS", 0.2)
        queue, dev = iopf.Queue("q", runtime=runtime), iopf.Device("d")
        queue.add(dev)
        gate, entered = threading.Event(), threading.Event()
        dev.attach(iopf.Work(lambda group: (entered.set(), gate.wait(PATIENCE), group.respond())))
        dev.report(addr=0)
        assert entered.wait(PATIENCE)
        begun = time.monotonic()
        del queue, dev
        gc.collect()
        assert (True, True, False) == (0.2 <= time.monotonic() - begun, iopf.live_objects() > 0, gate.is_set())
        gate.set()
        eventually(lambda: not [t for t in threading.enumerate() if t.name == "close q"])

    def test_a_queue_that_is_collected_in_another_thread_closes_there(self, runtime, start):
        queue = iopf.Queue("q", runtime=runtime)
        box = [queue]
        del queue
        start(box.clear).result(PATIENCE)

    def test_a_device_goes_while_its_group_waits(self, runtime):
        with iopf.Queue("q", runtime=runtime) as queue:
            groups = []
            for i in range(10):
                dev = iopf.Device(f"d{i}")
                queue.add(dev)
                dev.attach(groups.append)
                dev.report(addr=0, grpid=i)
            del dev
            gc.collect()
            assert ([], [False] * 10) == (queue.devices, [group.respond() for group in groups])
            groups.clear()

    def test_moving_to_another_runtime_leaves_nothing_in_the_first(self, runtime):
        """Attachments come before the queue, and so before the runtime is known."""
        space = iopf.AddressSpace()
        with iopf.Queue("q", runtime=runtime) as queue:
            dev, second = iopf.Device("d"), None
            dev.attach(lambda group: group.respond(INVALID))
            dev.attach(iopf.SVA(space), pasid=1)
            second = iopf.Device("second", group=dev)
            with pytest.raises(iopf.BadSetup):
                dev.report(addr=0, grpid=9, pasid=5)
            queue.add(second)
            queue.add(dev)
            dev.report(addr=0, grpid=1)
            second.report(addr=0, grpid=2)
            assert ([(9, INVALID), (1, INVALID)], [(2, INVALID)]) == (answers(dev), answers(second))
            assert (2, 3) == (dev.statistics().reported, queue.statistics().reported)
            dev.detach()
            dev.detach(pasid=1)
            live = iopf.live_objects(detail=True)
            assert {} == {site: n for site, n in live.items() if site.function == "attach_or_replace"}


class TestInterrupt:
    """Ctrl-C ends a wait within 100 ms, and leaves the queue usable.

    What is waited for does not come before the interrupt has: that is the proof, on any machine. That it comes soon is
    seen in some round; a wait that looked too seldom would take its time in each.
    """

    @pytest.fixture
    def ctrl_c(self, moment):
        """Sends SIGINT to this process in a moment; gives the times at which it did."""
        if threading.current_thread() is not threading.main_thread():
            pytest.skip("signals go to the main thread")
        sent = []
        threads = []

        def later():
            moment(0.15)
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        def begin():
            threads.append(threading.Thread(target=later))
            threads[-1].start()
            return sent

        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield begin
        for thread in threads:
            thread.join()
        signal.signal(signal.SIGINT, before)

    @pytest.fixture
    def until(self, ctrl_c, in_some_round):
        """``until(call, seconds)``: Ctrl-C ends a call that would go on for ever, within so many seconds."""

        def stop(call):
            sent = ctrl_c()
            with pytest.raises(KeyboardInterrupt):
                call()
            return time.monotonic() - sent[-1]

        return lambda call, seconds: in_some_round(lambda: stop(call), seconds)

    def block(self, queue):
        """A device whose work waits until the gate opens."""
        gate, entered = threading.Event(), threading.Event()
        dev = iopf.Device("d")
        queue.add(dev)
        dev.attach(iopf.Work(lambda group: (entered.set(), gate.wait(PATIENCE), group.respond())))
        dev.report(addr=0)
        assert entered.wait(PATIENCE)
        return dev, gate

    def test_of_a_flush(self, runtime, until):
        with iopf.Queue("q", runtime=runtime) as queue:
            dev, gate = self.block(queue)
            until(dev.flush, 0.1)
            assert not gate.is_set()
            gate.set()
            dev.flush()
            dev.report(addr=0, grpid=1)
            dev.flush()
            assert [(0, SUCCESS), (1, SUCCESS)] == answers(dev)

    def test_of_a_close(self, runtime, until):
        queue = iopf.Queue("q", runtime=runtime)
        dev, gate = self.block(queue)
        until(queue.close, 0.1)
        assert not gate.is_set()
        assert (False, []) == (queue.closed, queue.devices)
        queue.add(dev)
        gate.set()
        dev.report(addr=0, grpid=1)
        queue.close()
        assert (True, INVALID) == (queue.closed, dev.responses[0].code)

    def test_of_report_many(self, runtime, until):
        with iopf.Queue("q", runtime=runtime) as queue:
            import struct

            dev = iopf.Device("d", record=False)
            queue.add(dev)
            dev.attach(iopf.Inline())
            million = struct.pack(iopf.PAGE_REQUEST_FORMAT, 1, 0, 2, 0, 0, 1, 0, 0, 0) * 1_000_000

            def report():
                while True:
                    dev.report_many(million)

            until(report, 0.15)
            dev.report(addr=0)
            assert dev.statistics().reported == dev.statistics().success


class TestExit:
    """The interpreter ends with everything open: quietly, soon, with status 0."""

    def test_with_everything_open(self, runtime):
        out = run(
            """
            space = iopf.AddressSpace()
            queues = [iopf.Queue(f"q{i}", runtime=RUNTIME, workers=i) for i in range(3)]
            devices = [iopf.Device(f"d{i}") for i in range(3)]
            kept = []
            for queue, dev in zip(queues, devices):
                queue.add(dev)
                dev.attach(kept.append)
                dev.attach(iopf.SVA(space), pasid=1)
                dev.attach(iopf.Work(lambda group: (queue, group.respond())), pasid=2)
                for pasid in (None, 1, 2):
                    dev.report(addr=0, pasid=pasid)
                dev.report(addr=0, grpid=1, last=False)
            for group in kept: group.respond()
            print("end")
            """,
            runtime=runtime,
        )
        assert "end\n" == out

    def test_when_the_names_of_modules_are_gone_already(self, runtime):
        """As the interpreter ends: it clears its modules, whose names are None then, and some object outlives them."""
        out = run(
            """
            import os, iopf.group, iopf.device, iopf.queue, iopf.run, iopf.space, iopf._held, iopf._registry
            space = iopf.AddressSpace()
            queue, kept, dev = iopf.Queue("q", runtime=RUNTIME), [], iopf.Device("d")
            queue.add(dev)
            dev.attach(kept.append, pasid=1)
            dev.attach(iopf.SVA(space), pasid=2)
            dev.report(addr=0, pasid=1)
            trace = iopf.run.TraceRun(iopf.AddressSpace(), runtime=RUNTIME)
            for module in (iopf.group, iopf.device, iopf.queue, iopf.run, iopf.space, iopf._held):
                for name in list(vars(module)):
                    if not name.startswith("__"):
                        vars(module)[name] = None
            del queue, dev, space, trace
            kept.clear()
            print("end", flush=True)
            os._exit(0)
            """,
            runtime=runtime,
        )
        assert "end\n" == out

    def test_with_works_in_flight(self, runtime):
        assert "end\n" == run(
            """
            import time
            queue, dev = iopf.Queue("q", runtime=RUNTIME, workers=2), iopf.Device("d")
            queue.add(dev)
            dev.attach(iopf.Work(lambda group: (time.sleep(0.02), group.respond())))
            for grpid in range(10):
                dev.report(addr=0, grpid=grpid)
            print("end")
            """,
            runtime=runtime,
        )

    def test_the_end_waits_a_few_seconds(self):
        """For works that need a moment. The tests below, whose works never end, make it half a second."""
        assert 2 <= iopf.queue.EXIT_SECONDS <= 10

    def test_with_a_work_that_never_ends_does_not_hang(self, runtime):
        """After that time the queue is left as it is."""
        begun = time.monotonic()
        assert "end\n" == run(
            """
            import iopf.queue
            iopf.queue.EXIT_SECONDS = 0.5
            import threading
            queue, dev = iopf.Queue("q", runtime=RUNTIME), iopf.Device("d")
            queue.add(dev)
            entered = threading.Event()
            dev.attach(iopf.Work(lambda group: (entered.set(), threading.Event().wait())))
            dev.report(addr=0)
            entered.wait()
            print("end")
            """,
            runtime=runtime,
        )
        assert 0.5 < time.monotonic() - begun

    def test_with_a_queue_dropped_that_has_such_a_work_does_not_hang(self, runtime):
        """Collected before the end: a thread waits for it, and the end does not wait for that thread."""
        assert "end\n" == run(
            """
            import iopf.queue
            iopf.queue.EXIT_SECONDS = iopf.queue.COLLECT_SECONDS = 0.5
            import threading
            def main():
                queue, dev = iopf.Queue("q", runtime=RUNTIME), iopf.Device("d")
                queue.add(dev)
                entered, never = threading.Event(), threading.Event()
                dev.attach(iopf.Work(lambda group: (entered.set(), never.wait())))
                dev.report(addr=0)
                entered.wait()
            main()
            print("end")
            """,
            runtime=runtime,
        )

    def test_with_a_daemon_thread_that_closes_does_not_hang(self, runtime):
        assert "end\n" == run(
            """
            import iopf.queue
            iopf.queue.EXIT_SECONDS = 0.5
            import threading, time
            queue, dev = iopf.Queue("q", runtime=RUNTIME), iopf.Device("d")
            queue.add(dev)
            entered = threading.Event()
            dev.attach(iopf.Work(lambda group: (entered.set(), threading.Event().wait())))
            dev.report(addr=0)
            entered.wait()
            threading.Thread(target=queue.close, daemon=True).start()
            time.sleep(0.1)
            print("end")
            """,
            runtime=runtime,
        )

    def test_with_a_daemon_thread_that_reports(self, runtime):
        assert "end\n" == run(
            """
            import threading, time
            queue, dev = iopf.Queue("q", runtime=RUNTIME), iopf.Device("d", record=False)
            queue.add(dev)
            space = iopf.AddressSpace()
            dev.attach(iopf.SVA(space), pasid=1)
            def main():
                while True:
                    try:
                        dev.report(addr=0, pasid=1)
                    except iopf.IopfError:
                        return
            threading.Thread(target=main, daemon=True).start()
            time.sleep(0.1)
            print("end")
            """,
            runtime=runtime,
        )

    def test_in_an_atexit_handler_of_the_user(self, runtime):
        assert "end\nclosed\n" == run(
            """
            import atexit
            queue, dev = iopf.Queue("q", runtime=RUNTIME), iopf.Device("d")
            queue.add(dev)
            atexit.register(lambda: (queue.close(), print("closed")))
            print("end")
            """,
            runtime=runtime,
        )

    def test_by_an_exception(self, runtime):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                f"import iopf\nq = iopf.Queue('q', runtime={runtime!r})\nd = iopf.Device('d')\n"
                "q.add(d)\nd.attach(iopf.SVA(iopf.AddressSpace()), pasid=1)\nd.report(addr=0, pasid=1)\nraise SystemExit(7)",
            ],
            capture_output=True,
            text=True,
            timeout=120,
            env={key: value for key, value in os.environ.items() if key != "LD_PRELOAD" or "asan" in value},
        )
        assert (7, "") == (done.returncode, done.stderr)


SANITIZED = "-fsanitize=" in iopf.build_info()["flags"]


class TestFork:
    """In the child every object is dead: calls raise ForkedError, destructors do nothing, a new Queue works."""

    #: A sanitizer's allocator has locks that a fork does not look after (gcc 12): a child that was forked while another
    #: thread was in there hangs in its first allocation. In such a build none is: the one worker has run an item, and
    #: the thread that ends grace periods has nothing to do. In others a second worker may be about to begin.
    WORKERS, AT_REST = ("1", "iopf.live_objects()") if SANITIZED else ("2", "pass")

    PROGRAM = """
        import gc, os, signal, sys, threading
        signal.alarm(100)
        space = iopf.AddressSpace()
        space.map(0x1000, 0x1000, "r")
        queue, dev = iopf.Queue("q", runtime=RUNTIME, workers={WORKERS}), iopf.Device("d")
        groups = []
        queue.add(dev)
        dev.attach(groups.append)
        dev.attach(iopf.SVA(space), pasid=1)
        dev.report(addr=0x1000)
        dev.report(addr=0x1000, grpid=1, last=False)
        for _ in range(100):
            dev.report(addr=0x1000, pasid=1)
        dev.flush()
        group = groups.pop()

        def forked(call):
            try:
                call()
            except iopf.ForkedError as error:
                return error.errno
            return "no ForkedError"

        def child():
            import errno
            calls = [
                lambda: queue.add(iopf.Device("e")), lambda: queue.remove(dev), queue.discard_partial, queue.close,
                queue.statistics, queue.__enter__, lambda: dev.report(addr=0), lambda: dev.report_many(b""), dev.flush,
                dev.detach, lambda: dev.attach(iopf.Inline()), lambda: dev.replace(iopf.Inline()), dev.statistics,
                lambda: dev.responses, dev.clear_responses, dev.close, dev.__enter__,
                lambda: iopf.Device("e", group=dev), lambda: group.respond(), space.exit, lambda: space.areas,
                lambda: space.map(0, 4096, "r"), lambda: space.unmap(0, 4096), lambda: space.protect(0, 4096, "r"),
            ]
            assert [errno.EOWNERDEAD] * len(calls) == [forked(call) for call in calls], [forked(c) for c in calls]
            assert all("another process" in repr(o) for o in (queue, dev, space)), [repr(queue), repr(dev), repr(space)]
            repr(group)
            # What the parent has is the parent's.
            assert (0, {}) == (iopf.live_objects(), iopf.live_objects(detail=True))
            new_space = iopf.AddressSpace()
            new_space.map(0x1000, 0x1000, "r")
            for workers in (0, 1, 2):
                with iopf.Queue("new", runtime=RUNTIME, workers=workers) as new:
                    d = iopf.Device("new")
                    new.add(d)
                    d.attach(iopf.SVA(new_space), pasid=1)
                    d.attach(iopf.Work(lambda group: group.respond(2)))
                    d.report(addr=0x1000, pasid=1)
                    d.report(addr=0x1000)
                    d.flush()
                    assert sorted(r.code for r in d.responses) == [0, 2]
                del d, new
            gc.collect()
            assert iopf.live_objects() == 0, iopf.live_objects(True)
            print("child", flush=True)

        {AT_REST}
        pid = os.fork()
        if not pid:
            child()
            {ENDING}
        assert os.waitpid(pid, 0)[1] == 0
        dev.report(addr=0x1000, pasid=1)
        dev.flush()
        assert group.respond() is True
        assert dev.statistics().success == 102
        queue.close()
        del dev, queue, group, space
        gc.collect()
        assert iopf.live_objects() == 0
        print("parent")
        """

    @pytest.mark.parametrize("ending", ["os._exit(0)", "sys.exit()", "del queue, dev, group, space; sys.exit()"])
    def test_the_child_has_new_queues_and_the_parent_its_own(self, runtime, ending):
        program = self.PROGRAM
        for name, text in ("{ENDING}", ending), ("{WORKERS}", self.WORKERS), ("{AT_REST}", self.AT_REST):
            program = program.replace(name, text)
        assert "child\nparent\n" == run(program, runtime=runtime)

    @pytest.mark.skipif(SANITIZED, reason="the sanitizers' own locks don't survive such a fork")
    def test_in_a_handler_the_child_counts_its_own(self, runtime):
        """The child comes back through C, which frees the parent's group there: no count goes below what it has."""
        out = run(
            """
            import os
            pids = []
            def handler(group):
                group.respond()
                if not pids:
                    pids.append(os.fork())
            queue, dev = iopf.Queue("q", runtime=RUNTIME), iopf.Device("d")
            queue.add(dev)
            dev.attach(handler)
            dev.report(addr=0, last=False)
            dev.report(addr=0)
            if not pids[0]:
                assert iopf.live_objects() == 0, iopf.live_objects(True)
                new = iopf.Queue("new", runtime=RUNTIME)
                assert iopf.live_objects() == 2, iopf.live_objects(True)
                new.close()
                assert iopf.live_objects() == 0, iopf.live_objects(True)
                os._exit(0)
            assert os.waitpid(pids[0], 0)[1] == 0
            before = iopf.live_objects()
            queue.close()
            print(before)
            """,
            runtime=runtime,
        )
        assert "4\n" == out

    @pytest.mark.skipif(SANITIZED, reason="the sanitizers' own locks don't survive such a fork")
    def test_while_others_run(self, runtime):
        """The child of a fork in the middle of everything works, whatever the other threads held."""
        out = run(
            """
            import os, threading, signal
            signal.alarm(100)
            space = iopf.AddressSpace()
            stop = threading.Event()
            queue = iopf.Queue("q", runtime=RUNTIME, workers=2)
            def noise(i):
                while not stop.is_set():
                    dev = iopf.Device(f"d{i}", record=False)
                    queue.add(dev)
                    dev.attach(iopf.SVA(space), pasid=1)
                    for grpid in range(50):
                        dev.report(addr=0, grpid=grpid, pasid=1)
                        dev.report(addr=0, grpid=grpid + 50, pasid=1, last=False)
                    queue.remove(dev)
            threads = [threading.Thread(target=noise, args=(i,)) for i in range(3)]
            for thread in threads: thread.start()
            try:
                for _ in range(25):
                    pid = os.fork()
                    if not pid:
                        signal.alarm(60)
                        with iopf.Queue("new", runtime=RUNTIME) as new:
                            dev = iopf.Device("d")
                            new.add(dev)
                            dev.attach(iopf.SVA(iopf.AddressSpace()), pasid=1)
                            for grpid in range(20):
                                dev.report(addr=0, grpid=grpid, pasid=1)
                            dev.flush()
                            assert len(dev.responses) == 20
                        os._exit(0)
                    assert os.waitpid(pid, 0)[1] == 0
            finally:
                stop.set()
                for thread in threads: thread.join()
            print("end")
            """,
            runtime=runtime,
        )
        assert "end\n" == out

    def test_multiprocessing_with_fork(self, runtime):
        out = run(
            """
            import multiprocessing
            queue = iopf.Queue("q", runtime=RUNTIME)
            def work(n):
                with iopf.Queue("mine", runtime=RUNTIME) as mine:
                    dev = iopf.Device("d")
                    mine.add(dev)
                    dev.attach(iopf.Inline())
                    for grpid in range(n):
                        dev.report(addr=0, grpid=grpid)
                    return len(dev.responses)
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(work, [1, 2, 3]))
            """,
            runtime=runtime,
        )
        assert "[1, 2, 3]\n" == out
