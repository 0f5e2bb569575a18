# SPDX-License-Identifier: GPL-2.0-only
"""F: what does it cost to remove a device, with groups outstanding and idle, and to flush its queue?"""

import pytest

from iopf import _bench


def test_c_remove(experiment):
    """Removal answers 1024 groups; with their freeing native is faster than plain."""
    experiment("F", "remove, per outstanding group", at_least=0.7)


def test_c_remove_and_free(experiment):
    """The same and the owner's freeing, which in other forms is part of removal."""
    experiment("F", "the same with freeing them", at_least=1.1)


def test_c_empty_add_and_remove(experiment):
    """Nobody waits for a grace period: native is not slower than plain."""
    experiment("F", "empty add and remove", at_least=0.9)


@pytest.mark.parametrize(("state", "at_least"), [(state, 1.5) for state in _bench.STATES])
def test_c_idle_flush(experiment, state, at_least):
    """There is nothing to wait for: native sees it without a lock, on a queue that never had a work and on one that had."""
    experiment("F", "idle flush", at_least, state)


def test_c_removal_of_many(take_turns, quick):
    """Per group it does not depend on how many they are."""
    sides = [
        _bench.Side("1024", measure=lambda rig: rig.remove(1024)),
        _bench.Side("65536", measure=lambda rig: rig.remove(65536)),
    ]
    assert take_turns(_bench.Turns(sides), rounds=3 if quick else 10).ratio("65536") < 12
