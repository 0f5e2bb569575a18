# SPDX-License-Identifier: GPL-2.0-only
"""dev_warn_ratelimited(): ten messages in five seconds for each place, then a count of those left out."""

import itertools

import pytest

BURST = 10
INTERVAL_NS = 5_000_000_000

_starts = itertools.count(10**15, 10**12)


@pytest.fixture
def clock(runtime):
    """Sets the time, in ns after a moment at which both places have a new interval before them, and nothing to tell."""
    start = next(_starts)
    runtime.clock_set(start - 10**11)
    runtime.dev_warn_ratelimited(b"dev", 0, 0)
    runtime.dev_warn_ratelimited(b"dev", 1, 0)
    runtime.read_messages()

    def set_to(ns):
        runtime.clock_set(start + ns)

    set_to(0)
    yield set_to
    runtime.clock_set(0)


def say(runtime, numbers, site=0, dev=b"dev"):
    """Warns with each number and returns what was printed."""
    for number in numbers:
        runtime.dev_warn_ratelimited(dev, site, number)
    return runtime.read_messages()


def lines(numbers, site=0, dev="dev"):
    """What these look like when they are printed."""
    return [f"{dev}: site {site}, number {number}" for number in numbers]


def test_up_to_ten_messages_are_printed(runtime, clock):
    """A place that stays below its burst loses nothing and is told nothing."""
    assert lines(range(BURST)) == say(runtime, range(BURST))
    clock(INTERVAL_NS)
    assert lines([10]) == say(runtime, [10])


def test_more_than_ten_are_left_out_until_the_interval_is_over(runtime, clock):
    """The eleventh is not printed, nor is any later one of the interval, up to its last nanosecond."""
    assert lines(range(BURST)) == say(runtime, range(BURST + 5))
    clock(INTERVAL_NS - 1)
    assert [] == say(runtime, range(3))


def test_the_next_interval_tells_how_many_were_left_out(runtime, clock):
    """Once, before its own first message; then it has a burst of its own."""
    say(runtime, range(BURST + 7))
    clock(INTERVAL_NS)
    assert ["dev: 7 messages suppressed", *lines(range(BURST))] == say(runtime, range(BURST + 1))
    clock(2 * INTERVAL_NS)
    assert ["dev: 1 messages suppressed", *lines([0])] == say(runtime, [0])
    clock(3 * INTERVAL_NS)
    assert lines([0]) == say(runtime, [0])


def test_an_interval_begins_with_its_first_message(runtime, clock):
    """A place that is quiet for a while has five seconds from when it speaks again."""
    clock(3 * INTERVAL_NS // 2)
    assert lines(range(BURST)) == say(runtime, range(BURST))
    clock(2 * INTERVAL_NS)
    assert [] == say(runtime, [10])
    clock(5 * INTERVAL_NS // 2)
    assert ["dev: 1 messages suppressed", *lines([11])] == say(runtime, [11])


def test_each_place_has_its_own_burst(runtime, clock):
    """One place that is silenced silences no other."""
    assert BURST == len(say(runtime, range(BURST + 1), site=0))
    assert lines(range(BURST), site=1) == say(runtime, range(BURST + 1), site=1)


def test_devices_share_the_burst_of_a_place(runtime, clock):
    """As in the kernel: the state belongs to the call site."""
    assert BURST == len(say(runtime, range(BURST), dev=b"one"))
    assert [] == say(runtime, [0], dev=b"two")
    clock(INTERVAL_NS)
    assert ["two: 1 messages suppressed", *lines([1], dev="two")] == say(runtime, [1], dev=b"two")


def test_dev_warn_has_no_limit(runtime, clock):
    """The form without the name prints every time."""
    for _ in range(3 * BURST):
        runtime.dev_warn(b"dev", b"again")
    assert ["dev: again"] * (3 * BURST) == runtime.read_messages()


def test_the_clock_runs_unless_a_test_stops_it(runtime, clock):
    """A set time stands still; without one it is the monotonic clock."""
    clock(17)
    assert 17 == runtime.clock_now() % 10**6
    assert runtime.clock_now() == runtime.clock_now()
    runtime.clock_set(0)
    first = runtime.clock_now()
    while runtime.clock_now() == first:
        pass
    assert runtime.clock_now() > first
