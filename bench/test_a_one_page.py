# SPDX-License-Identifier: GPL-2.0-only
"""A: what does a fault cost? One page, answered and freed in the handler: report, response, free."""

import pytest

from iopf import _bench


def test_c_one_page_group(experiment):
    """Native is at least 1.5 times as fast as the same core over the textbook runtime."""
    experiment("A", "one-page group, inline", at_least=1.5)


def test_c_no_framework(take_turns):
    """The empty case: a driver and a handler with nothing between them is what a fault costs at least."""
    sides = [_bench.Side("native"), _bench.Side("plain", runtime="plain")]
    comparison = take_turns(_bench.Turns(sides, lambda stand: stand.driver(20000)))
    assert 0.5 < comparison.ratio("plain") < 2


@pytest.mark.parametrize("item", ["A", "B"])
def test_instructions(instructions, quick, item):
    """Counted, not timed: at most 2 % more than what was recorded for this compiler, and fewer than plain's."""
    if quick:
        pytest.skip("takes a minute: without --quick")
    if not instructions.available():
        pytest.skip("valgrind is not installed")
    native, plain = (instructions.per_fault(item, "iopf", runtime) for runtime in ("native", "plain"))
    assert native < plain / 1.5
    recorded = instructions.recorded()
    if item in recorded:
        assert native <= recorded[item] * 1.02
