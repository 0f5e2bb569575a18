# SPDX-License-Identifier: GPL-2.0-only
"""Mutexes: exclusion, owners, and what happens to those who break the rules."""

import pytest

RECURSIVE = "recursive mutex_lock"
NOT_OWNER = "mutex_unlock by somebody who does not own it"
DESTROYED = "mutex_destroy of a held mutex"
SLEEPS = "sleeping function called from an RCU reader"


@pytest.fixture
def mutex(runtime):
    """A mutex, given back by the test."""
    mutex = runtime.mutex_new()
    yield mutex
    runtime.mutex_free(mutex)


def test_a_mutex_is_locked_from_lock_to_unlock(runtime, mutex):
    """mutex_is_locked() before, between and after."""
    seen = [runtime.mutex_is_locked(mutex)]
    runtime.mutex_lock(mutex)
    seen.append(runtime.mutex_is_locked(mutex))
    runtime.mutex_unlock(mutex)
    seen.append(runtime.mutex_is_locked(mutex))
    assert [False, True, False] == seen


def test_a_static_mutex_is_free_from_the_start(runtime):
    """DEFINE_MUTEX() needs no mutex_init()."""
    mutex = runtime.mutex_static()
    assert (True, True) == (runtime.mutex_trylock(mutex), runtime.lockdep_is_held(mutex))
    runtime.mutex_unlock(mutex)
    assert not runtime.mutex_is_locked(mutex)


def test_trylock_takes_a_free_mutex_and_no_other(runtime, mutex, other):
    """True for a free one. False for one that is held, by whomever, and no warning: trying is allowed."""
    assert [True, False] == [runtime.mutex_trylock(mutex), runtime.mutex_trylock(mutex)]
    assert not other.call(runtime.mutex_trylock, mutex)
    runtime.mutex_unlock(mutex)
    assert other.call(runtime.mutex_trylock, mutex)
    assert not runtime.mutex_trylock(mutex)
    other.call(runtime.mutex_unlock, mutex)


def test_only_the_owner_holds_it(runtime, mutex, other):
    """lockdep_is_held() asks for this thread's lock, not for anybody's."""
    other.call(runtime.mutex_lock, mutex)
    assert (False, True) == (runtime.lockdep_is_held(mutex), other.call(runtime.lockdep_is_held, mutex))
    other.call(runtime.mutex_unlock, mutex)
    assert (False, False) == (runtime.lockdep_is_held(mutex), other.call(runtime.lockdep_is_held, mutex))


def test_assert_held_is_silent_for_the_owner_alone(runtime, mutex, other):
    """lockdep_assert_held() warns for a free mutex and for one that another thread holds."""
    runtime.mutex_lock(mutex)
    runtime.lockdep_assert_held(mutex)
    assert {} == runtime.warned()
    other.call(runtime.lockdep_assert_held, mutex)
    assert [1] == list(runtime.warned().values())
    runtime.mutex_unlock(mutex)
    runtime.lockdep_assert_held(mutex)
    assert {"!lockdep_is_held(&mutex->lock)": 1} == runtime.warned()


def test_assert_not_held_warns_for_the_owner_alone(runtime, mutex, other):
    """lockdep_assert_not_held() is silent for a free mutex and for one that another thread holds."""
    runtime.lockdep_assert_not_held(mutex)
    runtime.mutex_lock(mutex)
    other.call(runtime.lockdep_assert_not_held, mutex)
    assert {} == runtime.warned()
    runtime.lockdep_assert_not_held(mutex)
    assert {"lockdep_is_held(&mutex->lock)": 1} == runtime.warned()
    runtime.mutex_unlock(mutex)


@pytest.mark.threads
def test_lock_waits_for_the_owner(runtime, mutex, other):
    """A second thread gets the mutex when the first has given it back, and not before."""
    runtime.mutex_lock(mutex)
    locking = other.start(runtime.mutex_lock, mutex)
    assert runtime.blocked(locking)
    runtime.mutex_unlock(mutex)
    locking.result(20)
    assert (False, True) == (runtime.lockdep_is_held(mutex), other.call(runtime.lockdep_is_held, mutex))
    other.call(runtime.mutex_unlock, mutex)


@pytest.mark.threads
def test_everybody_who_waits_gets_it(runtime, mutex):
    """Four threads sleep for the same mutex: one after the other they have it, none is forgotten."""
    threads = [runtime.thread() for _ in range(4)]
    runtime.mutex_lock(mutex)
    locking = [thread.start(runtime.mutex_lock, mutex) for thread in threads]
    unlocking = [thread.start(runtime.mutex_unlock, mutex) for thread in threads]
    assert [True] * 4 == [runtime.blocked(future) for future in locking]
    runtime.mutex_unlock(mutex)
    for future in unlocking:
        future.result(20)
    assert not runtime.mutex_is_locked(mutex)


def test_locking_twice_warns_and_counts_once(runtime, mutex):
    """Whoever locks what it holds goes on as the owner of one lock: the first unlock frees it, the second warns."""
    runtime.mutex_lock(mutex)
    runtime.mutex_lock(mutex)
    assert {RECURSIVE: 1} == runtime.warned()
    assert runtime.lockdep_is_held(mutex)
    runtime.mutex_unlock(mutex)
    assert (False, {}) == (runtime.mutex_is_locked(mutex), runtime.warned())
    runtime.mutex_unlock(mutex)
    assert {NOT_OWNER: 1} == runtime.warned()


def test_unlocking_a_free_mutex_warns(runtime, mutex, other):
    """And nothing else happens: the next one locks it as ever."""
    runtime.mutex_unlock(mutex)
    assert {NOT_OWNER: 1} == runtime.warned()
    assert other.call(runtime.mutex_trylock, mutex)
    other.call(runtime.mutex_unlock, mutex)


def test_unlocking_somebody_elses_mutex_warns(runtime, mutex, other):
    """And nothing else happens: the owner still has it."""
    other.call(runtime.mutex_lock, mutex)
    runtime.mutex_unlock(mutex)
    assert {NOT_OWNER: 1} == runtime.warned()
    assert other.call(runtime.lockdep_is_held, mutex)
    other.call(runtime.mutex_unlock, mutex)


@pytest.mark.threads
def test_unlocking_somebody_elses_mutex_warns_while_a_third_waits(runtime, mutex, other):
    """A sleeper on the mutex hides the mistake from nobody, and does not get the mutex by it."""
    third = runtime.thread()
    other.call(runtime.mutex_lock, mutex)
    locking = third.start(runtime.mutex_lock, mutex)
    assert runtime.blocked(locking)
    runtime.mutex_unlock(mutex)
    assert {NOT_OWNER: 1} == runtime.warned()
    assert runtime.blocked(locking)
    other.call(runtime.mutex_unlock, mutex)
    locking.result(20)
    third.call(runtime.mutex_unlock, mutex)


@pytest.mark.parametrize("readers", [1, 2])
@pytest.mark.parametrize("users", ["nobody", "this thread", "another", "both"])
def test_locking_in_a_reader_warns_and_locks(runtime, mutex, other, users, readers):
    """mutex_lock() may sleep, a reader must not, nor one inside another; whoever took it before. Trying never sleeps."""
    if users in ("this thread", "both"):
        runtime.mutex_lock(mutex)
        runtime.mutex_unlock(mutex)
    if users in ("another", "both"):
        other.call(runtime.mutex_lock, mutex)
        other.call(runtime.mutex_unlock, mutex)
    for _ in range(readers):
        runtime.rcu_read_lock()
    assert runtime.mutex_trylock(mutex)
    runtime.mutex_unlock(mutex)
    assert {} == runtime.warned()
    runtime.mutex_lock(mutex)
    for _ in range(readers):
        runtime.rcu_read_unlock()
    assert ({SLEEPS: 1}, True) == (runtime.warned(), runtime.lockdep_is_held(mutex))
    runtime.mutex_unlock(mutex)


def test_destroying_a_held_mutex_warns(runtime, mutex, other):
    """Whoever holds it. A free one goes silently."""
    runtime.mutex_free(runtime.mutex_new())  # destroys it; the static one has to stay for other tests
    assert {} == runtime.warned()
    other.call(runtime.mutex_lock, mutex)
    runtime.mutex_destroy(mutex)
    assert {DESTROYED: 1} == runtime.warned()
    other.call(runtime.mutex_unlock, mutex)


@pytest.mark.threads
@pytest.mark.parametrize(("threads", "rounds", "sleep_every"), [(2, 50000, 0), (4, 10000, 0), (4, 400, 8)])
def test_no_two_threads_are_inside_at_once(runtime, threads, rounds, sleep_every):
    """A sum that no atomic protects is right: with short sections, and with sections that sleep."""
    assert threads * rounds == runtime.mutex_race(threads, rounds, sleep_every)


@pytest.mark.threads
@pytest.mark.parametrize("newcomers", [1, 2])
def test_newcomers_share_a_mutex_that_one_thread_was_used_to(runtime, newcomers):
    """
    One thread locks a mutex over and over, then others want it, too, and may have to sleep; with thousands of mutexes,
    or as many as it takes a moment. A mutex may serve its first thread faster until then: each is alone all the same.
    """
    assert 0 == runtime.mutex_newcomers(newcomers, 20_000, 300)


@pytest.mark.long
@pytest.mark.threads
@pytest.mark.parametrize("newcomers", [1, 2])
def test_newcomers_share_many_mutexes(runtime, newcomers):
    """The same for ten seconds."""
    assert 0 == runtime.mutex_newcomers(newcomers, 1_000_000, 10_000)


# --- the end of a bias ---


@pytest.mark.threads
def test_a_newcomer_is_alone_wherever_the_first_thread_was(runtime, long_mode):
    """
    A signal stops the thread that was used to a mutex in the middle of locking or unlocking, at another instruction in
    each of 100 rounds (4,000 in the long mode); meanwhile another locks, or tries to, in every other round for the
    second time. Each is alone; most newcomers come in while the first is stopped.
    """
    runtime.skip_under("thread", "it keeps signals back until a thread calls something")
    stops = runtime.ffi.new("struct iopf_prim_stops *")
    rounds = 4000 if long_mode else 100
    runtime.mutex_stops(rounds, stops)
    assert (rounds, 0) == (stops.met + stops.waited, stops.broken)
    assert stops.met > 0


@pytest.mark.parametrize("take", ["mutex_lock", "mutex_trylock"])
def test_the_second_user_makes_everybody_pass_a_barrier(native, mutex, other, take):
    """Once in the life of a mutex: then it looks whether the first is inside, whose store may be on its way."""
    other.call(native.mutex_lock, mutex)
    other.call(native.mutex_unlock, mutex)
    before = native.barriers()
    getattr(native, take)(mutex)
    native.mutex_unlock(mutex)
    took = native.barriers() - before
    native.mutex_lock(mutex)
    native.mutex_unlock(mutex)
    assert (1, 1) == (took, native.barriers() - before)


def test_a_mutex_that_one_thread_alone_uses_is_its_own_again(native, mutex, other):
    """After 256 times in a row, and four times as many the next time: then the second thread needs a barrier. Three times."""

    def use(times=1):
        for _ in range(times):
            native.mutex_lock(mutex)
            native.mutex_unlock(mutex)

    barriers = []
    use()
    for time in range(-1, 5):
        if time >= 0:
            use((256 << 2 * time) + 1)
        before = other.call(native.barriers)
        other.call(native.mutex_lock, mutex)
        assert not native.mutex_trylock(mutex)
        other.call(native.mutex_unlock, mutex)
        assert not native.mutex_is_locked(mutex)
        barriers.append(other.call(native.barriers) - before)
    assert [1, 1, 1, 1, 0, 0] == barriers


@pytest.mark.threads
def test_who_goes_to_sleep_makes_everybody_pass_a_barrier(native, mutex, other):
    """
    Else who unlocks might not see the sleeper. A thread that gets the mutex while it still spins needs none: in one of
    ten rounds it sleeps.
    """
    for _ in range(10):
        other.call(native.mutex_lock, mutex)
        other.call(native.mutex_unlock, mutex)
        native.mutex_lock(mutex)
        before = other.call(native.barriers)
        locking = other.start(native.mutex_lock, mutex)
        native.blocked(locking)
        native.mutex_unlock(mutex)
        locking.result(20)
        other.call(native.mutex_unlock, mutex)
        if slept := other.call(native.barriers) - before:
            break
    assert 1 == slept


@pytest.mark.threads
def test_everybody_who_waits_for_the_end_of_a_bias_gets_the_mutex(runtime, other):
    """Five sleep while the first thread has its own mutex once more; in twenty rounds, with a new mutex each, all wake."""
    threads = [runtime.thread() for _ in range(5)]
    for _ in range(20):
        mutex = runtime.mutex_new()
        for call in (runtime.mutex_lock, runtime.mutex_unlock, runtime.mutex_lock):
            other.call(call, mutex)
        locking = [thread.start(runtime.mutex_lock, mutex) for thread in threads]
        unlocking = [thread.start(runtime.mutex_unlock, mutex) for thread in threads]
        runtime.moment(0.002)
        other.call(runtime.mutex_unlock, mutex)
        for future in locking + unlocking:
            future.result(20)
        runtime.mutex_free(mutex)
