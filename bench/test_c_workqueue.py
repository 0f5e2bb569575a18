# SPDX-License-Identifier: GPL-2.0-only
"""C: what does it cost to leave a group to a worker? Throughput with a full window, and the latency of one group."""

import pytest

from iopf import _bench


def test_c_sustained(experiment):
    """1024 groups in flight, in rounds in which reporter and worker both ran; native is not slower."""
    experiment("C", "workqueue, window 1024", at_least=0.8)


def test_c_latency_awake(experiment):
    """One group after the other: native's worker is still looking for work, plain's has to be woken or is not."""
    experiment("C", "latency p50, worker awake", at_least=0.9)


def test_c_latency_parked(experiment):
    """100 us apart: both workers sleep, and waking one is the system's business, so there is little to choose."""
    experiment("C", "latency p50, worker parked", at_least=0.3)


@pytest.mark.skipif(_bench.cpus() < 2, reason="needs 2 CPUs")
@pytest.mark.parametrize("pause_us", [0, 100])
def test_c_latency_distribution(take_turns, benchmark, quick, pause_us):
    """p50, p99, p99.9 and max of native's latency, in extra_info."""
    n = (200 if pause_us else 2000) // (4 if quick else 1)
    last = {}

    def p50(rig):
        last.update(rig.latency(n, pause_us))
        return last["p50"]

    take_turns(_bench.Turns([_bench.Side("native")], p50), rounds=10)
    benchmark.extra_info.update({f"{name} ns": ns for name, ns in last.items()})
    assert last["p50"] <= last["p99"] <= last["p99.9"] <= last["max"]
