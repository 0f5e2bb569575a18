# SPDX-License-Identifier: GPL-2.0-only
"""What does a call from Python add? One request a call, many a call, and handlers in Python."""

import struct
import time

import pytest

import iopf
from iopf import _bench

MANY = 4096
REQUESTS = b"".join(
    struct.pack(iopf.PAGE_REQUEST_FORMAT, 1, 0, 3, 1, i % 512, 1, 0x1000 * i, 0, 0) for i in range(MANY)
)


@pytest.fixture(params=["native", "plain"])
def device(request):
    """A device on a queue of either runtime: PASID 1 is answered in C, 2 in Python."""
    with iopf.Queue("bench", runtime=request.param) as queue, iopf.Device("bench", record=False) as device:
        queue.add(device)
        device.attach(iopf.Inline(iopf.ResponseCode.SUCCESS), pasid=1)
        device.attach(lambda group: group.respond(iopf.ResponseCode.SUCCESS), pasid=2)
        yield device
        for pasid in (1, 2):
            device.detach(pasid=pasid)


def test_py_report(benchmark, device):
    """One request, answered in C."""
    benchmark(device.report, addr=0x1000, pasid=1)
    assert not device.statistics().pending


def test_py_report_to_a_callable(benchmark, device):
    """One request, answered by a Python function."""
    benchmark(device.report, addr=0x1000, pasid=2)
    assert not device.statistics().pending


def test_py_report_many(benchmark, device):
    """4096 requests in one call, answered in C. The time is the call's."""
    assert MANY == benchmark(device.report_many, REQUESTS)


def test_py_native_against_plain(benchmark, quick):
    """The same call on both runtimes, in turns: report_many, per request. Ratios are in extra_info."""
    comparison = _bench.Comparison({"native": [], "plain": []})
    devices = {}
    with iopf.Queue("n", runtime="native") as native, iopf.Queue("p", runtime="plain") as plain:
        for queue in (native, plain):
            device = devices["native" if queue is native else "plain"] = iopf.Device("bench", record=False)
            queue.add(device)
            device.attach(iopf.Inline(iopf.ResponseCode.SUCCESS), pasid=1)

        def turn():
            for label in ("native", "plain", "plain", "native"):
                began = time.perf_counter_ns()
                devices[label].report_many(REQUESTS)
                comparison.samples[label].append((time.perf_counter_ns() - began) / MANY)

        benchmark.pedantic(turn, rounds=5 if quick else 50, warmup_rounds=1)
        for device in devices.values():
            device.close()
    benchmark.extra_info.update(comparison.as_info())
    assert 0.9 < comparison.ratio("plain")
