# SPDX-License-Identifier: GPL-2.0-only
"""refcount_t: counts that saturate, and the five reasons to warn."""

import pytest

MAX = 2**31 - 1
SATURATED = -(2**30)

ADD_NOT_ZERO_OVF = "refcount_t: saturated; leaking memory (conditional)"
ADD_OVF = "refcount_t: saturated; leaking memory"
ADD_UAF = "refcount_t: addition on 0; use-after-free"
SUB_UAF = "refcount_t: underflow; use-after-free"
DEC_LEAK = "refcount_t: decrement hit 0; leaking memory"


@pytest.fixture
def count(runtime):
    """A counter that each test sets as it likes."""
    count = runtime.refcount_new(1)
    yield count
    runtime.refcount_free(count)


#: What a call on a count returns, what it leaves, and what it says.
RULES = [
    # inc
    ("inc", 1, None, 2, None),
    ("inc", MAX - 1, None, MAX, None),
    ("inc", MAX, None, SATURATED, ADD_OVF),
    ("inc", 0, None, SATURATED, ADD_UAF),
    ("inc", -1, None, SATURATED, ADD_OVF),
    ("inc", SATURATED, None, SATURATED, ADD_OVF),
    # inc_not_zero
    ("inc_not_zero", 1, True, 2, None),
    ("inc_not_zero", MAX - 1, True, MAX, None),
    ("inc_not_zero", 0, False, 0, None),
    ("inc_not_zero", MAX, True, SATURATED, ADD_NOT_ZERO_OVF),
    ("inc_not_zero", -1, True, SATURATED, ADD_NOT_ZERO_OVF),
    ("inc_not_zero", SATURATED, True, SATURATED, ADD_NOT_ZERO_OVF),
    # dec
    ("dec", MAX, None, MAX - 1, None),
    ("dec", 2, None, 1, None),
    ("dec", 1, None, SATURATED, DEC_LEAK),
    ("dec", 0, None, SATURATED, DEC_LEAK),
    ("dec", SATURATED, None, SATURATED, DEC_LEAK),
    # dec_and_test
    ("dec_and_test", MAX, False, MAX - 1, None),
    ("dec_and_test", 2, False, 1, None),
    ("dec_and_test", 1, True, 0, None),
    ("dec_and_test", 0, False, SATURATED, SUB_UAF),
    ("dec_and_test", -1, False, SATURATED, SUB_UAF),
    ("dec_and_test", SATURATED, False, SATURATED, SUB_UAF),
]


@pytest.mark.parametrize(("operation", "before", "result", "after", "reason"), RULES)
def test_each_operation_keeps_the_rules_at_its_edges(runtime, count, operation, before, result, after, reason):
    """Result, count and warning of every operation, on both sides of every edge."""
    runtime.refcount_set(count, before)
    said = getattr(runtime, f"refcount_{operation}")(count)
    assert (result, after) == (said, runtime.refcount_read(count))
    assert ({} if reason is None else {reason: 1}) == runtime.warned()


@pytest.mark.parametrize(
    ("before", "n", "after", "reason"),
    [
        (1, 1, 2, None),
        (1, MAX - 1, MAX, None),
        (2, MAX - 1, SATURATED, ADD_OVF),
        (MAX, MAX, SATURATED, ADD_OVF),
        (0, 5, SATURATED, ADD_UAF),
        (SATURATED, 7, SATURATED, ADD_OVF),
    ],
)
def test_add_saturates_where_the_sum_leaves_the_range(runtime, count, before, n, after, reason):
    """refcount_add() checks the count before and the sum, not the number that is added."""
    runtime.refcount_set(count, before)
    runtime.refcount_add(n, count)
    assert after == runtime.refcount_read(count)
    assert ({} if reason is None else {reason: 1}) == runtime.warned()


@pytest.mark.parametrize("n", [0, 1, MAX, -1, SATURATED])
def test_set_checks_nothing(runtime, count, n):
    """refcount_set() is a plain store: the constructor's, whatever the number."""
    runtime.refcount_set(count, n)
    assert n == runtime.refcount_read(count)


def test_saturation_is_for_good(runtime, count):
    """No number of later operations brings a saturated count back, and none says "release the object"."""
    runtime.refcount_set(count, MAX)
    runtime.refcount_inc(count)
    released = [runtime.refcount_dec_and_test(count) for _ in range(1000)]
    for _ in range(1000):
        runtime.refcount_inc(count)
    assert (SATURATED, False) == (runtime.refcount_read(count), any(released))
    assert {ADD_OVF: 1001, SUB_UAF: 1000} == runtime.warned()


@pytest.mark.threads
def test_the_last_of_many_threads_releases_once(runtime):
    """Threads take and drop references while the owner drops the first: each object is released exactly once."""
    assert 0 == runtime.refcount_race(4, 4096)


@pytest.mark.threads
@pytest.mark.parametrize("newcomers", [1, 2])
def test_newcomers_count_where_one_thread_was_used_to(runtime, newcomers):
    """
    One thread takes and drops references over and over, then others do, too; with thousands of counts, or as many as
    it takes a moment. A count may serve its first thread faster until then: no increment and no decrement is lost.
    """
    assert 0 == runtime.refcount_newcomers(newcomers, 20_000, 300)


@pytest.mark.long
@pytest.mark.threads
@pytest.mark.parametrize("newcomers", [1, 2])
def test_newcomers_count_on_many_counts(runtime, newcomers):
    """The same for ten seconds."""
    assert 0 == runtime.refcount_newcomers(newcomers, 1_000_000, 10_000)


# --- the end of a bias ---


@pytest.mark.threads
def test_nothing_is_lost_when_a_newcomer_comes_during_a_get_or_a_put(runtime, long_mode):
    """
    A signal stops the thread that was used to a count in the middle of a get or a put, at another instruction in each
    of 150 rounds (4,000 in the long mode); meanwhile another gets, or puts, or both. The count is the sum of all; most
    newcomers are through while the first is stopped.
    """
    runtime.skip_under("thread", "it keeps signals back until a thread calls something")
    stops = runtime.ffi.new("struct iopf_prim_stops *")
    rounds = 4000 if long_mode else 150
    runtime.refcount_stops(rounds, stops)
    assert (rounds, 0) == (stops.met + stops.waited, stops.broken)
    assert stops.met > 0


@pytest.mark.parametrize("change", ["refcount_inc", "refcount_inc_not_zero", "refcount_dec", "refcount_dec_and_test"])
def test_the_second_user_makes_everybody_pass_a_barrier(native, count, other, change):
    """Once in the life of a count: then it takes over what the first has counted, whose store may be on its way."""
    native.refcount_set(count, 2)
    other.call(native.refcount_inc, count)
    before = native.barriers()
    getattr(native, change)(count)
    took = native.barriers() - before
    native.refcount_inc(count)
    assert (1, 1) == (took, native.barriers() - before)
    assert (5 if "inc" in change else 3) == native.refcount_read(count)
