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


# --- counts in pieces ---


@pytest.mark.threads
def test_nothing_is_lost_when_a_newcomer_comes_during_a_get_or_a_put(runtime, long_mode):
    """
    A signal stops the thread that was used to a count in the middle of a get or a put, at another instruction in each
    of 400 rounds (4,000 in the long mode); meanwhile another gets, or puts, or both, in every other round for the second
    time. The count is the sum of all; most newcomers are through while the first is stopped.
    """
    runtime.skip_under("thread", "it keeps signals back until a thread calls something")
    stops = runtime.ffi.new("struct iopf_prim_stops *")
    rounds = 4000 if long_mode else 400
    runtime.refcount_stops(rounds, stops)
    assert (rounds, 0) == (stops.met + stops.waited, stops.broken)
    assert stops.met > 0


def test_threads_that_put_what_they_take_make_nobody_pass_a_barrier(native, count, other):
    """Each for itself; nor does the reference that a count was made with, when one thread is the only one there was."""
    native.refcount_set(count, 1)
    before = native.barriers(), other.call(native.barriers)
    for _ in range(3):
        for call in (lambda function: function(count), lambda function: other.call(function, count)):
            call(native.refcount_inc)
            assert 2 == native.refcount_read(count)
            assert not call(native.refcount_dec_and_test)
    assert before == (native.barriers(), other.call(native.barriers))
    native.refcount_set(count, 1)
    native.refcount_inc(count)
    assert [False, True] == [native.refcount_dec_and_test(count) for _ in range(2)]
    assert before == (native.barriers(), other.call(native.barriers))


@pytest.mark.parametrize("put", ["refcount_dec", "refcount_dec_and_test"])
def test_who_puts_what_another_took_makes_everybody_pass_a_barrier(native, count, other, put):
    """Once: then it has what the other has counted, whose store may be on its way, and the next ones need none."""
    native.refcount_set(count, 1)
    for _ in range(4):
        other.call(native.refcount_inc, count)
    before = native.barriers()
    took = []
    for _ in range(3):
        getattr(native, put)(count)
        took.append(native.barriers() - before)
    assert ([1, 1, 1], 2) == (took, native.refcount_read(count))
    assert [False, True] == [native.refcount_dec_and_test(count) for _ in range(2)]
    assert 0 == native.refcount_read(count)


def test_the_last_reference_is_found_wherever_the_others_were_counted(native, count, other):
    """The first one is put while others have theirs: the last of those says so, in whatever thread."""
    for last in (native.refcount_dec_and_test, lambda count: other.call(native.refcount_dec_and_test, count)):
        native.refcount_set(count, 1)
        native.refcount_inc(count)
        other.call(native.refcount_inc, count)
        assert [False, False] == [native.refcount_dec_and_test(count) for _ in range(2)]
        assert (1, True) == (native.refcount_read(count), last(count))
        assert (0, False) == (native.refcount_read(count), native.refcount_inc_not_zero(count))


def test_a_count_is_in_pieces_again_when_threads_put_what_they_take(native, count, other):
    """64 times in a row, and twice that the next time: then who puts another's makes all pass a barrier. Seven times."""
    native.refcount_set(count, 1)
    barriers = []
    for time in range(9):
        for _ in range(64 << time):
            native.refcount_inc(count)
            assert not native.refcount_dec_and_test(count)
        before = other.call(native.barriers)
        native.refcount_inc(count)
        assert not other.call(native.refcount_dec_and_test, count)
        barriers.append(other.call(native.barriers) - before)
        assert 1 == native.refcount_read(count)
    assert [1, 1, 1, 1, 1, 1, 1, 0, 0] == barriers
    assert native.refcount_dec_and_test(count)


def test_a_count_stays_shared_for_one_who_only_takes(native, count, other):
    """1,001 references that one thread takes and another puts: nobody passes a barrier for any of them but the first."""
    native.refcount_set(count, 1)
    other.call(native.refcount_inc, count)
    assert not native.refcount_dec_and_test(count)  # it is collected
    before = native.barriers(), other.call(native.barriers)
    for _ in range(1001):
        native.refcount_inc(count)
    for _ in range(3):  # not in a row with what was taken
        assert not native.refcount_dec_and_test(count)
    for _ in range(998):
        assert not other.call(native.refcount_dec_and_test, count)
    assert native.refcount_dec_and_test(count)
    assert before == (native.barriers(), other.call(native.barriers))


def test_more_counts_than_a_thread_has_cells_for_are_counted_all_the_same(native, count, other):
    """
    A thread that holds references of 300 counts at once puts each of them, and each says when it was the last. Beside
    them there is no cell left for another count, and it is right all the same.
    """
    counts = [native.refcount_new(1) for _ in range(300)]
    for one in counts:
        native.refcount_set(one, 1)
        native.refcount_inc(one)
    assert {2} == {native.refcount_read(one) for one in counts}
    native.refcount_set(count, 1)
    for _ in range(200):
        native.refcount_inc(count)
        assert 2 == native.refcount_read(count)
        assert not native.refcount_dec_and_test(count)
    other.call(native.refcount_inc, count)
    assert [False, True] == [native.refcount_dec_and_test(count) for _ in range(2)]
    assert {(False, True)} == {tuple(native.refcount_dec_and_test(one) for _ in range(2)) for one in counts}
    for one in counts:
        native.refcount_free(one)


def test_counts_that_want_the_same_cell_are_in_pieces_again_all_the_same(native, other):
    """A reference that a thread keeps keeps its cell, and 64 of them all: a count that is shared looks for another one."""
    kept = [native.refcount_new(1) for _ in range(40)]
    for one in kept:
        native.refcount_inc(one)
    for _ in range(30):
        count = native.refcount_new(1)
        other.call(native.refcount_inc, count)
        assert not native.refcount_dec_and_test(count)
        for _ in range(130):
            native.refcount_inc(count)
            assert not native.refcount_dec_and_test(count)
        before = other.call(native.barriers)
        native.refcount_inc(count)
        assert not other.call(native.refcount_dec_and_test, count)
        assert 1 == other.call(native.barriers) - before
        assert native.refcount_dec_and_test(count)
        native.refcount_free(count)
    for one in kept:
        native.refcount_free(one)


def test_counts_that_are_used_in_turn_are_in_pieces_again_whatever_the_thread_has_met(native, other):
    """
    A thread has taken references of a hundred counts that others have put, and each is on record in one of its 64 cells. Two
    counts more that it takes and puts in turn do not take the same cell from each other for ever.
    """
    met = [native.refcount_new(1) for _ in range(100)]
    for one in met:
        other.call(native.refcount_inc, one)
        assert not native.refcount_dec_and_test(one)  # it is collected
        native.refcount_inc(one)
    both = [native.refcount_new(1) for _ in range(2)]
    for one in both:
        other.call(native.refcount_inc, one)
        assert not native.refcount_dec_and_test(one)
    for _ in range(130):
        for one in both:
            native.refcount_inc(one)
        for one in both:
            assert not native.refcount_dec_and_test(one)
    for one in both:
        before = other.call(native.barriers)
        native.refcount_inc(one)
        assert not other.call(native.refcount_dec_and_test, one)
        assert 1 == other.call(native.barriers) - before
    for one in met:
        assert not other.call(native.refcount_dec_and_test, one)
    for one in (*met, *both):
        assert native.refcount_dec_and_test(one)
        native.refcount_free(one)
