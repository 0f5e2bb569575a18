# SPDX-License-Identifier: GPL-2.0-only
"""Threads that do everything at once: no answer is missing or double, nothing leaks, nothing warns but the callers.

Run under ThreadSanitizer and AddressSanitizer too: ``-m threads``. ``--long`` makes each of them take longer.
"""

import concurrent.futures
import random
import struct
import threading
import time

import pytest

import iopf
from iopf import ResponseCode

pytestmark = pytest.mark.threads

SUCCESS, INVALID, FAILURE = ResponseCode.SUCCESS, ResponseCode.INVALID, ResponseCode.FAILURE
PATIENCE = 120


@pytest.fixture
def seconds(long_mode):
    """How long a stress without an end of its own goes on."""
    return 20.0 if long_mode else 0.7


def records(count, *, pasid=0, partial_every=0, first=0):
    """``count`` last requests of one index each, every n-th with a partial one before it."""
    made = []
    for i in range(first, first + count):
        if partial_every and i % partial_every == 0:
            made.append(struct.pack(iopf.PAGE_REQUEST_FORMAT, 1, 0, 1 if pasid else 0, pasid, i, 1, 0, 0, 0))
        made.append(struct.pack(iopf.PAGE_REQUEST_FORMAT, 1, 0, 2 | (1 if pasid else 0), pasid, i, 1, 0, 0, 0))
    return b"".join(made)


class Crew:
    """Threads that run until told to stop; the first exception of one is the test's."""

    def __init__(self, start):
        self._start = start
        self._futures = []
        self.stop = threading.Event()

    def until_stopped(self, function, *args):
        def main():
            try:
                while not self.stop.is_set():
                    function(*args)
            except BaseException:
                self.stop.set()
                raise

        self._futures.append(self._start(main))

    def end(self):
        self.stop.set()
        for future in self._futures:
            future.result(PATIENCE)


@pytest.fixture
def crew(start):
    return Crew(start)


@pytest.mark.parametrize("kind", ["inline", "sva", "python"])
def test_four_threads_report_2000_last_pages_each_while_others_add_and_remove(
    runtime, start, crew, expect_warnings, kind
):
    """Exactly 2,000 answers per device, whatever removal came between.

    four reporters, a device each · two threads remove and add those devices without pause
    """
    expect_warnings.allow("iommu_report_device_fault")  # between remove and add
    space = iopf.AddressSpace()
    space.map(0, 0x1000, "r")
    with iopf.Queue("q", runtime=runtime, workers=2) as queue:
        devices = [iopf.Device(f"d{i}") for i in range(4)]
        for dev in devices:
            queue.add(dev)
            if kind == "python":
                dev.attach(lambda group: group.respond(), pasid=1)
            else:
                dev.attach(iopf.Inline() if kind == "inline" else iopf.SVA(space), pasid=1)

        def churn(pair):
            for dev in pair:
                queue.remove(dev)
                queue.add(dev)

        def report(dev):
            if kind == "python":
                accepted = 0
                for grpid in range(2000):
                    try:
                        dev.report(addr=0, grpid=grpid, pasid=1)
                        accepted += 1
                    except iopf.BadSetup:
                        pass
                return accepted
            batch = records(20, pasid=1)
            return sum(dev.report_many(batch) for _ in range(100))

        crew.until_stopped(churn, devices[:2])
        crew.until_stopped(churn, devices[2:])
        accepted = [future.result(PATIENCE) for future in [start(report, dev) for dev in devices]]
        crew.end()
        for dev in devices:
            dev.flush()
        statistics = [dev.statistics() for dev in devices]
        assert [2000] * 4 == [s.reported for s in statistics]
        assert [2000] * 4 == [len(dev.responses) for dev in devices]
        assert [2000] * 4 == [s.success + s.invalid for s in statistics]
        assert all(s.success <= n for s, n in zip(statistics, accepted))
        if kind == "python":
            for dev in devices:
                assert list(range(2000)) == sorted(response.grpid for response in dev.responses)


@pytest.mark.filterwarnings("ignore::iopf.NoPasidWarning")  # handlers are attached with and without one
@pytest.mark.parametrize("workers", [0, 1, 4])
def test_everything_at_once(runtime, crew, seconds, expect_warnings, seed, workers):
    """report, respond, remove, add, flush, discard, attach, replace, detach, statistics on shared devices.

    The account at the end: as many answers as last requests, per device and index.
    """
    for function in (
        "iommu_report_device_fault",
        "iopf_queue_remove_device",
        "iopf_queue_flush_dev",
        "iommu_detach_device_pasid",
    ):
        expect_warnings.allow(function)
    space = iopf.AddressSpace()
    space.map(0, 0x10000, "rw")
    queues = [iopf.Queue(f"q{i}", runtime=runtime, workers=workers) for i in range(2)]
    devices = [iopf.Device("d0"), iopf.Device("d1")]
    devices.append(iopf.Device("d2", group=devices[0]))
    kept, kept_lock, reported = [], threading.Lock(), [{} for _ in devices]

    def keep(group):
        with kept_lock:
            kept.append(group)

    handlers = [iopf.SVA(space), iopf.Inline(), iopf.Refuse(), keep, iopf.Work(keep),
                iopf.Work(lambda group: group.respond(FAILURE)), lambda group: group.respond(INVALID)]  # fmt: skip

    def respond():
        with kept_lock:
            group = kept.pop(random.randrange(len(kept))) if kept else None
        if group is not None:
            group.respond(random.choice(list(ResponseCode)))
        else:
            time.sleep(0.0005)

    def report(which, rng):
        grpid, pasid = rng.randrange(50), rng.choice([None, 1, 2])
        last = rng.random() < 0.6
        if last:
            key = threading.get_ident(), grpid, pasid
            reported[which][key] = reported[which].get(key, 0) + 1
        try:
            devices[which].report(
                addr=rng.randrange(0x14000), perm=rng.choice(["r", "w", "x"]), grpid=grpid, pasid=pasid, last=last
            )
        except iopf.BadSetup:
            pass

    def change(rng):
        dev, queue = rng.choice(devices), rng.choice(queues)
        pasid = rng.choice([None, 1, 2])
        try:
            rng.choice(
                [
                    lambda: queue.add(dev),
                    lambda: queue.add(dev),
                    lambda: queue.add(dev),
                    lambda: queue.remove(dev),
                    queue.discard_partial,
                    dev.statistics,
                    queue.statistics,
                    dev.flush,
                    lambda: dev.attach(rng.choice(handlers), pasid=pasid),
                    lambda: dev.attach(rng.choice(handlers), pasid=pasid),
                    lambda: dev.replace(rng.choice(handlers), pasid=pasid),
                    lambda: dev.detach(pasid=pasid),
                    lambda: (repr(dev), repr(queue)),
                    iopf.live_objects,
                ]
            )()
        except (iopf.AlreadyOnQueue, iopf.NotOnQueue, iopf.BadSetup):
            pass

    for i in range(3):
        crew.until_stopped(report, i, random.Random(seed + i))
    for i in range(2):
        crew.until_stopped(change, random.Random(seed + 10 + i))
    crew.until_stopped(respond)
    crew.stop.wait(seconds)
    crew.end()
    for queue in queues:
        queue.close()
    while kept:
        kept.pop().respond()
    for dev, counts in zip(devices, reported):
        lasts, answers = {}, {}
        for (_, grpid, pasid), n in counts.items():
            lasts[grpid, pasid] = lasts.get((grpid, pasid), 0) + n
        for response in dev.responses:
            key = response.grpid, response.pasid
            answers[key] = answers.get(key, 0) + 1
        assert lasts == answers
        statistics = dev.statistics()
        assert (sum(lasts.values()), 0, 0) == (statistics.answered, statistics.partials, statistics.pending)


def test_owners_answer_while_removal_does(runtime, seconds):
    """The group that removal answers and its owner answers at the same moment gets one of the two."""
    barrier = threading.Barrier(2)

    def answer(batch):
        barrier.wait(PATIENCE)
        return sum(group.respond() for group in batch)

    with iopf.Queue("q", runtime=runtime) as queue, concurrent.futures.ThreadPoolExecutor(1) as owner:
        dev = iopf.Device("d")
        groups = []
        dev.attach(groups.append)
        got, rounds = 0, 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            queue.add(dev)
            for grpid in range(20):
                dev.report(addr=0, grpid=grpid)
            future = owner.submit(answer, list(groups))
            groups.clear()
            barrier.wait(PATIENCE)
            queue.remove(dev)
            got += future.result(PATIENCE)
            rounds += 1
        statistics = dev.statistics()
        assert (20 * rounds, got, 20 * rounds - got) == (statistics.answered, statistics.success, statistics.dropped)


def test_partial_requests_of_many_keys_from_many_threads(runtime, start):
    """Each thread's groups are whole and in order, while the index of the partials grows."""
    groups, lock = [], threading.Lock()

    def handler(group):
        with lock:
            groups.append(group)

    with iopf.Queue("q", runtime=runtime) as queue:
        dev = iopf.Device("d")
        queue.add(dev)
        for pasid in range(1, 5):
            dev.attach(handler, pasid=pasid)

        def report(pasid):
            for page in range(4):
                for grpid in range(150):
                    dev.report(addr=page << 12, grpid=grpid, pasid=pasid, last=page == 3)

        for future in [start(report, pasid) for pasid in range(1, 5)]:
            future.result(PATIENCE)
        assert 600 == len(groups)
        assert [[0, 1, 2, 3]] * 600 == [[fault.addr >> 12 for fault in group.faults] for group in groups]
        assert {(p, g) for p in range(1, 5) for g in range(150)} == {(g.last.pasid, g.last.grpid) for g in groups}
        for group in groups:
            group.respond()
        groups.clear()


def test_partial_requests_while_an_overflow_discards_them(runtime, crew, seconds):
    """discard, remove and add beside partial requests: a group has what was stored since, each page at most once."""
    with iopf.Queue("q", runtime=runtime) as queue:
        dev = iopf.Device("d", record=False)
        queue.add(dev)
        bad = []

        def handler(group):
            pages = [fault.addr for fault in group.faults]
            if pages != sorted(set(pages)):
                bad.append(pages)
            group.respond()

        dev.attach(handler)

        def report():
            for grpid in range(30):
                for page in range(6):
                    dev.report(addr=page << 12, grpid=grpid, last=page == 5)

        crew.until_stopped(report)
        crew.until_stopped(queue.discard_partial)
        crew.until_stopped(lambda: dev.statistics())
        crew.stop.wait(seconds)
        crew.end()
        assert ([], dev.statistics().reported) == (bad, 6 * dev.statistics().answered)


def test_queues_come_and_go_while_their_devices_report(runtime, crew, seconds, expect_warnings):
    """iopf_queue_free with works pending and reports running: each last request has one answer."""
    expect_warnings.allow("iommu_report_device_fault")
    space = iopf.AddressSpace()
    space.map(0, 0x1000, "r")
    devices = [iopf.Device(f"d{i}", record=False) for i in range(3)]
    for dev in devices:
        dev.attach(iopf.SVA(space), pasid=1)
    # Which runtime they are of is known from here on.
    with iopf.Queue("first", runtime=runtime) as queue:
        for dev in devices:
            queue.add(dev)
    batch = records(50, pasid=1)

    def come_and_go(rng):
        with iopf.Queue("q", runtime=runtime, workers=rng.randrange(3)) as queue:
            for dev in devices:
                queue.add(dev)
            time.sleep(rng.random() * 0.002)

    for dev in devices:
        crew.until_stopped(dev.report_many, batch)
    crew.until_stopped(come_and_go, random.Random(1))
    crew.stop.wait(seconds)
    crew.end()
    for dev in devices:
        statistics = dev.statistics()
        assert (statistics.reported, 0) == (statistics.answered, statistics.pending)


def test_devices_of_different_runtimes_share_a_space(crew, seconds):
    """An address space is of no runtime: its counts and areas are the same for a native and a plain core at once."""
    space = iopf.AddressSpace()
    space.map(0, 0x1000, "r")
    batch = records(50, pasid=1)
    with iopf.Queue("n", runtime="native") as native, iopf.Queue("p", runtime="plain") as plain:
        devices = [iopf.Device(f"d{i}", record=False) for i in range(4)]
        for dev, queue in zip(devices, (native, plain) * 2):
            dev.attach(iopf.SVA(space), pasid=1)
            queue.add(dev)
            crew.until_stopped(dev.report_many, batch)
        crew.stop.wait(seconds)
        crew.end()
        for dev in devices:
            dev.flush()
            statistics = dev.statistics()
            assert (statistics.reported, 0) == (statistics.answered, statistics.pending)
            assert statistics.reported


def test_attachments_change_while_faults_are_in_flight(runtime, crew, seconds):
    """attach, replace and detach wait for nothing, and no fault meets a handle that is gone."""
    spaces = [iopf.AddressSpace() for _ in range(3)]
    for space in spaces:
        space.map(0, 0x1000, "r")
    with iopf.Queue("q", runtime=runtime, workers=2) as queue:
        first = iopf.Device("first", record=False)
        second = iopf.Device("second", record=False, group=first)
        for dev in (first, second):
            queue.add(dev)
        batch = records(50, pasid=1, partial_every=5)
        crew.until_stopped(first.report_many, batch)
        crew.until_stopped(second.report_many, batch)

        def change():
            for handler in (
                iopf.SVA(spaces[0]),
                iopf.Inline(),
                iopf.SVA(spaces[1]),
                iopf.Refuse(),
                iopf.Work(lambda group: group.respond()),
                iopf.SVA(iopf.AddressSpace()),
            ):
                first.attach(handler, pasid=1)
                second.replace(iopf.SVA(spaces[2]), pasid=1)
                first.replace(handler, pasid=1)
                second.detach(pasid=1)

        crew.until_stopped(change)
        crew.stop.wait(seconds)
        crew.end()
        first.flush()
        for dev in (first, second):
            statistics = dev.statistics()
            assert statistics.reported == statistics.answered * 60 // 50
        queue.discard_partial()


def test_spaces_change_while_faults_resolve(runtime, crew, seconds):
    """map, unmap, protect and areas beside the works of a device: every answer is SUCCESS or INVALID."""
    space = iopf.AddressSpace()
    space.map(0, 0x100000, "rw")
    with iopf.Queue("q", runtime=runtime, workers=2) as queue:
        dev = iopf.Device("d", record=False)
        queue.add(dev)
        dev.attach(iopf.SVA(space), pasid=1)
        batch = records(100, pasid=1)

        def change():
            space.unmap(0x0000, 0x1000)
            space.map(0x0000, 0x1000, "r")
            space.protect(0x0000, 0x2000, "rwx")
            assert space.areas[-1].end == 0x100000

        crew.until_stopped(dev.report_many, batch)
        crew.until_stopped(change)
        crew.stop.wait(seconds)
        crew.end()
        space.exit()
        dev.flush()
        statistics = dev.statistics()
        assert (statistics.reported, 0) == (statistics.success + statistics.invalid, statistics.failure)
