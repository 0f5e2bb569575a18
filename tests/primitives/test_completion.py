# SPDX-License-Identifier: GPL-2.0-only
"""Completions: counted, sticky, with a time, and on the stack of who waits."""

import pytest

#: As struct completion counts: everybody may go on.
HOUR = 3_600_000


@pytest.fixture
def done(runtime):
    """A completion that nobody has completed."""
    done = runtime.completion_new()
    yield done
    runtime.completion_free(done)


def test_a_wait_goes_on_after_complete_and_not_before(runtime, done, other):
    """Whoever waits already is let on by it."""
    waiting = other.start(runtime.wait_for_completion, done)
    assert runtime.blocked(waiting)
    runtime.complete(done)
    waiting.result(60)
    assert not runtime.completion_done(done)


def test_complete_is_counted(runtime, done):
    """Twice beforehand lets two waits on, and no third."""
    runtime.complete(done)
    runtime.complete(done)
    runtime.wait_for_completion(done)
    assert [True, False] == [runtime.try_wait_for_completion(done), runtime.try_wait_for_completion(done)]


def test_complete_lets_one_of_several_on(runtime, done):
    """Two wait; each complete() is for one of them, whichever."""
    waiting = [runtime.thread().start(runtime.wait_for_completion, done) for _ in range(2)]
    runtime.complete(done)
    runtime.eventually(lambda: any(one.done() for one in waiting))
    assert runtime.blocked(next(one for one in waiting if not one.done()))
    runtime.complete(done)
    for one in waiting:
        one.result(60)


def test_complete_all_is_for_good(runtime, done):
    """All who wait, and all who come later, until it is initialised again."""
    waiting = [runtime.thread().start(runtime.wait_for_completion, done) for _ in range(3)]
    runtime.complete_all(done)
    for one in waiting:
        one.result(60)
    runtime.wait_for_completion(done)
    runtime.complete(done)  # one more is no fewer
    assert [True, True] == [runtime.try_wait_for_completion(done), runtime.completion_done(done)]
    runtime.reinit_completion(done)
    assert [False, False] == [runtime.try_wait_for_completion(done), runtime.completion_done(done)]


def test_a_timeout_says_what_was_left(runtime, done, other):
    """0 when nobody completed; at least 1, and no more than was given, when somebody did, however late."""
    assert 0 == runtime.wait_for_completion_timeout(done, 2)
    assert 0 == runtime.wait_for_completion_timeout(done, 0)
    waiting = other.start(runtime.wait_for_completion_timeout, done, HOUR)
    assert runtime.blocked(waiting)
    runtime.complete(done)
    assert 1 <= waiting.result(60) <= HOUR
    runtime.complete(done)
    assert 1 == runtime.wait_for_completion_timeout(done, 0)


def test_a_wait_that_a_signal_could_end_says_that_none_did(runtime, done):
    """0: it was completed."""
    runtime.complete(done)
    assert 0 == runtime.wait_for_completion_killable(done)


def test_waiting_sleeps(runtime, done):
    """In an RCU reader it is a warning, even where nothing has to be waited for."""
    runtime.complete(done)
    runtime.rcu_read_lock()
    runtime.wait_for_completion(done)
    runtime.rcu_read_unlock()
    assert {"sleeping function called from an RCU reader": 1} == runtime.warned()


@pytest.mark.threads
def test_what_was_written_before_complete_is_seen_after_the_wait(runtime):
    """With a completion on the stack of who waits, gone as soon as it has returned: a late look at it would be found by
    a sanitizer, and meets the next round's.
    """
    assert 0 == runtime.completion_race(5_000)
