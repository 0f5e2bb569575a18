# SPDX-License-Identifier: GPL-2.0-only
"""D: what do two threads get done, on one device and on two? They start together, at a barrier in C.

Rounds count in which both really ran at the same time: in turns on one CPU they would never meet at a lock.
"""

import pytest

from iopf import _bench

pytestmark = pytest.mark.skipif(_bench.cpus() < 2, reason="needs 2 CPUs")


def test_c_two_threads_one_device(experiment):
    """They meet at the device's lock, and wait there less than for a mutex that sleeps."""
    experiment("D", "two threads, one device", 1.0, "shared")


def test_c_slowest_report_of_two_threads(experiment):
    """Nor is one of a thousand reports kept waiting for the sake of the others: not three times as long as on plain."""
    experiment("D", "p99.9 of a report, one device", 0.33, "shared")


@pytest.mark.parametrize(("state", "at_least"), [("owned", 1.3), ("worked", 1.3), ("shared", 1.3), ("worn", 0.7)])
def test_c_two_threads_two_devices(experiment, state, at_least):
    """They share nothing, whoever was there before; native is faster, but where that helps no more."""
    experiment("D", "two threads, two devices", at_least, state)


@pytest.mark.parametrize("own_devices", [False, True], ids=["one_device", "two_devices"])
def test_c_scaling(take_turns, benchmark, quick, own_devices):
    """Groups per second of two threads over those of one, in extra_info; of devices that two threads have used."""
    n = 4000 if quick else 15000
    sides = [
        _bench.Side("two threads", state="shared", measure=lambda rig: rig.threads(n, 2, own_devices)),
        _bench.Side("one thread", state="shared", measure=lambda rig: rig.threads(n, 1, own_devices)),
    ]
    comparison = take_turns(_bench.Turns(sides, medians=not own_devices), rounds=10)
    if not comparison.fewest():
        pytest.skip("no round in which both threads ran: the machine does other things")
    scaling = comparison.ratio("one thread")
    benchmark.extra_info["scaling"] = round(scaling, 2)
    if own_devices and not quick:
        assert 1.2 < scaling
