# SPDX-License-Identifier: GPL-2.0-only
"""E: does a group cost more when much is outstanding beside it? It must not."""

import pytest

from iopf import _bench

PENDING = [256, 4096, 65536]
PARTIALS = [256, 4096]


def flatness(take_turns, quick, **state):
    """How many times as long a group takes beside all that as alone, in turns with the empty case."""
    n = 2000 if quick else 10000
    sides = [_bench.Side("alone"), _bench.Side("beside", **state)]
    return take_turns(_bench.Turns(sides, lambda rig: rig.groups(n)), rounds=30).ratio("beside")


@pytest.mark.parametrize("pending", PENDING)
def test_c_flat_beside_pending(take_turns, quick, pending):
    """At most 1.4 times, for groups that nobody has answered."""
    assert flatness(take_turns, quick, pending=pending) < 1.4


@pytest.mark.parametrize("partials", PARTIALS)
def test_c_flat_beside_partials(take_turns, quick, partials):
    """At most 1.4 times, for stored faults of groups that do not come."""
    assert flatness(take_turns, quick, partials=partials) < 1.4


def test_c_a_list_is_not_flat(take_turns):
    """The control: a form that keeps partial faults on one list walks all of it for each group."""
    sides = [_bench.Side("alone", "v7.2"), _bench.Side("beside", "v7.2", partials=1024)]
    assert 3 < take_turns(_bench.Turns(sides, lambda rig: rig.groups(500)), rounds=5).ratio("beside")
