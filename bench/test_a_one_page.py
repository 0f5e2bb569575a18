# SPDX-License-Identifier: GPL-2.0-only
"""A: what does a fault cost? One page, answered and freed in the handler: report, response, free."""

import pytest

from iopf import _bench


@pytest.mark.parametrize(("state", "at_least"), [("owned", 1.5), ("worked", 1.5), ("shared", 1.5), ("worn", 0.7)])
def test_c_one_page_group(experiment, state, at_least):
    """Native is at least 1.5 times as fast as plain for one thread at a time, and about as fast where that helps no more."""
    experiment("A", "one-page group, inline", at_least, state)


def test_c_no_framework(take_turns):
    """The empty case: a driver and a handler with nothing between them is what a fault costs at least."""
    sides = [_bench.Side("native"), _bench.Side("plain", runtime="plain")]
    comparison = take_turns(_bench.Turns(sides, lambda rig: rig.driver(20000)))
    assert 0.5 < comparison.ratio("plain") < 2


def test_c_the_baseline_is_made_of_what_glibc_has(benchmark, quick):
    """Its pieces cost what those without a runtime cost, give or take half; a reader pays no atomic. In extra_info."""
    prices = benchmark.pedantic(_bench.prices, kwargs={"rounds": 2 if quick else 20}, rounds=1)
    benchmark.extra_info.update({f"{name} ns": ns for name, ns in prices.items()})
    if not quick:
        assert prices["allocation"] < 1.5 * prices["calloc"]
        assert prices["mutex"] < 1.5 * prices["pthread_mutex"]
        assert prices["rcu"] < prices["atomic"]


@pytest.mark.parametrize("state", _bench.STATES)
@pytest.mark.parametrize("item", ["A", "B"])
def test_instructions(instructions, quick, item, state):
    """Counted, not timed: at most 2 % more than what was recorded for this compiler, in each state of the device."""
    if quick:
        pytest.skip("takes minutes: without --quick")
    if not instructions.available():
        pytest.skip("valgrind is not installed")
    recorded = instructions.recorded()
    if not recorded:
        pytest.skip(f"nothing is recorded for {instructions.compiler()}: python bench/instructions.py --record")
    assert instructions.per_fault(item, state=state) <= recorded[item][state] * 1.02
