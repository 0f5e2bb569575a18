# SPDX-License-Identifier: GPL-2.0-only
"""WARN: the condition is the value, and every hit is counted by place and reason. Kernel messages."""

import pytest

KINDS = {
    "warn_on": "evaluate(condition)",
    "warn_on_once": "evaluate(condition)",
    "warn": "the reason of %s",
    "warn_once": "the reason of a once",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_warning_has_the_value_of_its_condition(runtime, kind):
    """True and counted, or false and silent; the condition is evaluated once."""
    warn = getattr(runtime, kind)
    runtime.warn_evaluations()
    assert (False, {}) == (warn(False), runtime.warned())
    assert (True, {KINDS[kind]: 1}) == (warn(True), runtime.warned())
    assert 2 == runtime.warn_evaluations()


@pytest.mark.parametrize(("kind", "hits"), [("warn_on", 3), ("warn", 3), ("warn_on_once", 1), ("warn_once", 1)])
def test_once_counts_one_hit_until_the_counts_are_cleared(runtime, kind, hits):
    """Execution goes on after each; the once-forms count and say the first, and again after a clear."""
    for _ in range(2):
        assert [True] * 3 == [getattr(runtime, kind)(True) for _ in range(3)]
        assert hits == runtime.warn_total()
        messages = runtime.read_messages()
        assert hits == len(messages)
        assert {KINDS[kind]: hits} == runtime.warned()


def test_each_place_is_counted_apart(runtime):
    """File and function tell where, the reason why: for WARN_ON the condition, for WARN the format."""
    runtime.warn_on(True)
    runtime.warn(True)
    runtime.warn(True)
    places = {
        (file.rpartition("/")[2], function, reason, hits) for file, function, reason, hits in runtime.warning_places()
    }
    assert {
        ("primitives.c", "iopf_prim_warn_on", "evaluate(condition)", 1),
        ("primitives.c", "iopf_prim_warn", "the reason of %s", 2),
    } == places
    runtime.warned()


def test_a_warning_is_said_in_a_kernel_message(runtime):
    """With its place and its reason."""
    runtime.warn(True)
    [message] = runtime.read_messages()
    assert message.startswith("WARNING: primitives.c:")
    assert message.endswith(" iopf_prim_warn: the reason of %s")
    runtime.warned()


@pytest.mark.threads
def test_no_hit_is_lost_among_threads(runtime):
    """Four threads warn at one place."""
    runtime.warn_race(4, 500)
    assert {"a warning from many threads": 2000} == runtime.warned()


def test_messages_come_in_their_order(runtime):
    """First in, first out, with their level; the flag says whether there are any."""
    assert not runtime.message_waiting()
    runtime.emit(4, b"the first")
    runtime.emit(6, b"the second\n")
    assert runtime.message_waiting()
    text = runtime.ffi.new("char[]", runtime.TEXT)
    seen = [(runtime.message(text), runtime.text(text)) for _ in range(2)]
    assert [(4, "the first"), (6, "the second")] == seen
    assert (-1, False) == (runtime.message(text), runtime.message_waiting())


def test_dev_warn_names_the_device(runtime):
    """As the kernel's prefix does."""
    runtime.dev_warn(b"0000:00:1f.2", b"something is odd")
    assert ["0000:00:1f.2: something is odd"] == runtime.read_messages()


def test_a_long_message_is_cut(runtime):
    """It ends where the room for it ends."""
    runtime.emit(4, b"x" * 1000)
    assert ["x" * (runtime.TEXT - 1)] == runtime.read_messages()


def test_messages_that_nobody_reads_are_counted(runtime):
    """The newest are kept, the number of the others is told once."""
    for number in range(300):
        runtime.emit(4, b"number %d" % number)
    dropped = runtime.messages_dropped()
    kept = runtime.read_messages()
    assert dropped > 0
    assert [f"number {number}" for number in range(dropped, 300)] == kept
    assert 0 == runtime.messages_dropped()
