# SPDX-License-Identifier: GPL-2.0-only
"""Reader-writer semaphores: many readers or one writer, in the order in which they came."""

import pytest


@pytest.fixture
def sem(runtime):
    """A semaphore that nobody has."""
    sem = runtime.rwsem_new()
    yield sem
    runtime.rwsem_free(sem)


def test_readers_share_and_a_writer_does_not(runtime, sem, other):
    """Two read at once; a writer waits for both; a reader waits for the writer."""
    runtime.down_read(sem)
    other.call(runtime.down_read, sem)
    writer = runtime.thread()
    writing = writer.start(runtime.down_write, sem)
    assert runtime.blocked(writing)
    runtime.up_read(sem)
    assert runtime.blocked(writing)
    other.call(runtime.up_read, sem)
    writing.result(60)
    reading = other.start(runtime.down_read, sem)
    assert runtime.blocked(reading)
    writer.call(runtime.up_write, sem)
    reading.result(60)
    other.call(runtime.up_read, sem)
    assert not runtime.rwsem_is_locked(sem)


def test_a_writer_that_waits_stops_later_readers(runtime, sem, other):
    """Fair: the reader that comes behind it gets in behind it, and so does who only tries."""
    runtime.down_read(sem)
    writer = runtime.thread()
    writing = writer.start(runtime.down_write, sem)
    assert runtime.blocked(writing)
    assert not runtime.down_read_trylock(sem)
    reading = other.start(runtime.down_read, sem)
    assert runtime.blocked(reading)
    runtime.up_read(sem)
    writing.result(60)
    assert runtime.blocked(reading)
    writer.call(runtime.up_write, sem)
    reading.result(60)
    other.call(runtime.up_read, sem)


def test_all_readers_in_front_are_let_in_together(runtime, sem):
    """Three wait for the writer: they read at the same time."""
    runtime.down_write(sem)
    threads = [runtime.thread() for _ in range(3)]
    reading = [thread.start(runtime.down_read, sem) for thread in threads]
    assert all(runtime.blocked(one) for one in reading)
    runtime.up_write(sem)
    for one in reading:
        one.result(60)
    assert not runtime.down_write_trylock(sem)
    for thread in threads:
        thread.call(runtime.up_read, sem)
    assert runtime.down_write_trylock(sem)
    runtime.up_write(sem)


@pytest.mark.parametrize("from_behind", [False, True])
def test_readers_leave_in_any_order_however_many_there_are(runtime, sem, from_behind):
    """More than the semaphore knows by name: those leave first, or last; no warning, and a writer gets it then."""
    threads = [runtime.thread() for _ in range(12)]
    for thread in threads:
        thread.call(runtime.down_read, sem)
    for thread in reversed(threads) if from_behind else threads:
        assert not runtime.down_write_trylock(sem)
        thread.call(runtime.up_read, sem)
    assert runtime.down_write_trylock(sem)
    runtime.up_write(sem)


def test_a_writer_becomes_a_reader_with_nobody_in_between(runtime, sem, other):
    """downgrade_write() lets the reader in that waits, and keeps the writer out behind it."""
    runtime.down_write(sem)
    reading = other.start(runtime.down_read, sem)
    writer = runtime.thread()
    assert runtime.blocked(reading)
    writing = writer.start(runtime.down_write, sem)
    assert runtime.blocked(writing)
    runtime.downgrade_write(sem)
    reading.result(60)
    assert runtime.blocked(writing)
    other.call(runtime.up_read, sem)
    runtime.up_read(sem)
    writing.result(60)
    writer.call(runtime.up_write, sem)


def test_a_reader_that_reads_again_behind_a_writer_is_told(runtime, sem, other):
    """It would wait for the writer, and the writer for it: a warning, and it goes on."""
    runtime.down_read(sem)
    runtime.down_read(sem)  # nobody waits: fine
    writing = other.start(runtime.down_write, sem)
    assert runtime.blocked(writing)
    runtime.down_read(sem)
    for _ in range(3):
        runtime.up_read(sem)
    writing.result(60)
    other.call(runtime.up_write, sem)
    assert {"down_read by a reader while a writer waits: each would wait for the other": 1} == runtime.warned()


def test_who_does_not_have_it_does_not_give_it_back(runtime, sem, other):
    """Nothing happens, with a warning; likewise for who has it as the other of the two."""
    runtime.up_read(sem)
    runtime.up_write(sem)
    runtime.down_write(sem)
    other.call(runtime.up_write, sem)
    runtime.up_read(sem)
    assert runtime.rwsem_is_locked(sem)
    runtime.down_read(sem)  # a deadlock: told, and goes on
    runtime.up_write(sem)
    other.call(runtime.downgrade_write, sem)
    assert not runtime.rwsem_is_locked(sem)
    assert {
        "up_read by somebody who does not read": 2,
        "up_write by somebody who does not write": 2,
        "down_read of a semaphore that the thread has as its writer": 1,
        "downgrade_write by somebody who does not write": 1,
    } == runtime.warned()


def test_taking_it_sleeps(runtime, sem):
    """In an RCU reader it is a warning; trying is none."""
    runtime.rcu_read_lock()
    runtime.down_read(sem)
    runtime.up_read(sem)
    assert runtime.down_write_trylock(sem)
    runtime.up_write(sem)
    runtime.rcu_read_unlock()
    assert {"sleeping function called from an RCU reader": 1} == runtime.warned()


@pytest.mark.threads
@pytest.mark.parametrize("threads", [2, 6])
def test_no_reader_meets_a_writer(runtime, threads):
    """Every fourth round writes two words: nobody sees them differ, and no round is lost."""
    assert threads * 2000 // 4 == runtime.rwsem_race(threads, 2000)
