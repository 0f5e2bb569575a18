# SPDX-License-Identifier: GPL-2.0-only
"""What sequential consistency hides, shown: programs that fail on real machines, and pass here.

The manual says so. Each has a counterpart in which a plain access is involved, and which the explorer does find: so that
"it passes" is not for want of looking.
"""

import pytest

from iopf.explore import explore
from iopf.explore.programs import Program

ONE, TWO = 0, 1  # registers


def values(result):
    """What the ``out`` operations gave, over all outcomes."""
    return {outcome.text for outcome in result.outcomes}


def dekker(order):
    """Store buffering: each stores its own flag, and then loads the other's. No barrier in between."""
    program = Program("store buffering", x="u32", y="u32")
    for name, own, other in (("left", "x", "y"), ("right", "y", "x")):
        task = program.task(name)
        task.store(program.at[own], 1, order=order).load(ONE, program.at[other], order=order).out(ONE)
    return program


@pytest.mark.parametrize("order", ["once", "relaxed", "seq_cst"])
def test_store_buffering_of_marked_accesses_is_not_run(order):
    """``WRITE_ONCE(x, 1); READ_ONCE(y)`` beside ``WRITE_ONCE(y, 1); READ_ONCE(x)``: both may read 0 on x86 without
    smp_mb(). Here it passes, marked once or relaxed as with seq_cst, where it can't happen: the three others come."""
    result = explore(dekker(order), classes=True).check()
    assert {f"left: out {left}; right: out {right}" for left, right in ("01", "10", "11")} == values(result)


@pytest.mark.parametrize("order", ["once", "relaxed"])
def test_a_missing_barrier_between_marked_accesses_lets_both_in(order):
    """The consequence: mutual exclusion by Dekker's flags without a barrier protects a plain counter here, and not on a
    real machine. There is no data race to see, as no execution has both inside."""
    program = Program("dekker", x="u32", y="u32", inside="u32")
    for name, own, other in (("left", "x", "y"), ("right", "y", "x")):
        task = program.task(name)
        task.store(program.at[own], 1, order=order).load(ONE, program.at[other], order=order)
        with task.when(ONE, nonzero=False):
            task.load(TWO, program.at["inside"]).sum(TWO, 1).store(program.at["inside"], register=TWO)
    explore(program).check()


def message(data, store, load):
    """Message passing: data, then a flag; the reader looks at the data when it has seen the flag."""
    program = Program("message passing", data="u32", flag="u32")
    program.task("writer").store(program.at["data"], 1, order=data).store(program.at["flag"], 1, order=store)
    reader = program.task("reader")
    reader.load(ONE, program.at["flag"], order=load)
    with reader.when(ONE):
        reader.load(TWO, program.at["data"], order=data).out(TWO)
    return program


def test_a_missing_release_shows_where_the_data_is_plain():
    """The negative control: the same hand-over with plain data is a data race without release and acquire, whichever
    of the two is missing, and none with both."""
    for store, load in (("once", "once"), ("relaxed", "acquire"), ("release", "relaxed")):
        assert "data-race" == explore(message("plain", store, load)).kind, (store, load)
    assert "pass" == explore(message("plain", "release", "acquire")).verdict


def test_a_missing_release_is_hidden_where_the_data_is_marked():
    """With marked data, weaker machines let the reader see the flag and not the data. Here it never does."""
    result = explore(message("once", "once", "once"), classes=True).check()
    assert {"", "reader: out 1"} == values(result)


def test_readers_agree_about_the_order_of_two_writes():
    """Independent reads of independent writes: two readers that see two marked writes in opposite orders, on machines
    without multi-copy atomicity. Here it never comes."""
    program = Program("independent reads", x="u32", y="u32")
    for field in ("x", "y"):
        program.task(f"write {field}").store(program.at[field], 1, order="once")
    for name, first, second in (("reader 1", "x", "y"), ("reader 2", "y", "x")):
        task = program.task(name).load(ONE, program.at[first], order="once").load(TWO, program.at[second], order="once")
        with task.when(ONE):
            with task.when(TWO, nonzero=False):
                task.out(ONE)
    result = explore(program, classes=True).check()
    assert {"", "reader 1: out 1", "reader 2: out 1"} == values(result)
