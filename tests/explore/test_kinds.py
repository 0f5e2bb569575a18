# SPDX-License-Identifier: GPL-2.0-only
"""Every detector fires on a program that has its bug, with exactly its kind, and is silent on the twin that has not."""

import errno

import core_scenarios as sc
import micro
import pytest
import test_promises

from iopf import scenarios
from iopf.explore import KINDS, Scenario, explore, replay

CASES = [pytest.param(kind, program, id=f"{kind}-{program.__name__}") for kind, program in micro.KINDS]


@pytest.mark.parametrize(("kind", "program"), CASES)
def test_the_bug_is_found_as_what_it_is(kind, program):
    """The gravest failure has the kind, and so has every other one that was found."""
    result = explore(program(wrong=True), budget=300)
    assert "fail" == result.verdict, result
    assert kind == result.failure.kind, result.failure
    allowed = {kind, "lock-order"} if kind == "deadlock" else {kind}
    assert {failure.kind for failure in result.failures} <= allowed


@pytest.mark.parametrize(("kind", "program"), CASES)
def test_the_twin_without_the_bug_passes(kind, program):
    """Exhaustively: no execution of the twin fails."""
    result = explore(program(wrong=False), budget=300)
    assert ("pass", None) == (result.verdict, result.failure), result.failure


@pytest.mark.parametrize(("kind", "program"), CASES)
def test_every_complete_strategy_finds_it(kind, program):
    """The kind does not depend on how it was searched."""
    kinds = {
        strategy: explore(program(wrong=True), strategy=strategy, budget=300, shrink=False).kind
        for strategy in ("dpor", "sleep", "naive", "bound")
    }
    assert dict.fromkeys(("dpor", "sleep", "naive", "bound"), kind) == kinds


def test_an_expected_kind_is_no_failure():
    """``expect("warn")``: the same program passes."""
    assert "pass" == explore(micro.warning(wrong=True).expect("warn")).verdict


@pytest.mark.parametrize("strategy", ["dpor", "sleep", "naive", "bound", "random", "auto"])
def test_a_lock_order_is_a_failure_also_where_no_execution_deadlocks(strategy):
    """Two locks in both orders that this program never takes at the same time: a prediction, unconfirmed, however much of
    the program was searched. The trace has both places, and its token shows the same again."""
    result = explore(micro.predicted_cycle(), strategy=strategy, max_executions=50)
    failure = result.failure
    assert ("fail", "lock-order", "kept", False, ()) == (
        result.verdict,
        failure.kind,
        failure.contract,
        failure.confirmed,
        result.notes,
    )
    assert {"one", "other"} == {site.task for site in failure.sites if site.step is not None}
    assert failure.signature == replay(failure.token).failure.signature


def test_a_gate_lock_is_no_lock_order():
    """A third lock around both: they can't meet, and nothing is predicted."""
    result = explore(micro.predicted_cycle(gate=True), strategy="dpor")
    assert ("pass", ()) == (result.verdict, result.notes)


def test_who_only_tries_a_lock_is_in_no_lock_order():
    """A trylock waits for nobody."""
    result = explore(micro.predicted_cycle(tries=True), strategy="dpor")
    assert ("pass", ()) == (result.verdict, result.notes)


def test_one_task_that_takes_locks_in_both_orders_is_in_no_lock_order():
    """It cannot meet itself."""
    p = micro.Program("locks in both orders, by one", a="mutex", b="mutex")
    p.setup.mutex_init(p.at["a"]).mutex_init(p.at["b"])
    one = p.task("one")
    for first, second in ("ab", "ba"):
        one.mutex_lock(p.at[first]).mutex_lock(p.at[second]).mutex_unlock(p.at[second]).mutex_unlock(p.at[first])
    p.task("other").mutex_lock(p.at["a"]).mutex_unlock(p.at["a"])
    result = explore(p)
    assert ("pass", ()) == (result.verdict, result.notes)


@pytest.mark.parametrize("gate", [False, True])
def test_locks_of_one_class_inside_each_other_are_a_lock_order(gate):
    """Nothing says which of them comes first. With a lock around the two it does not matter."""
    result = explore(micro.one_class(gate=gate))
    expected = ("pass", []) if gate else ("fail", [("lock-order", "locks of one class, one inside the other")])
    assert expected == (result.verdict, [(failure.kind, failure.message) for failure in result.failures])
    assert () == result.notes


def test_works_are_no_gate_for_each_other():
    """Two works take two locks in both orders, in turn: that each is a work keeps nobody from running beside it."""
    result = explore(micro.works_in_both_orders())
    assert ["lock-order"] == [failure.kind for failure in result.failures]


def test_a_deadlock_confirms_the_lock_order():
    """The graver failure comes first; the prediction, if it is listed, is confirmed. It says nothing new: a note."""
    result = explore(micro.crossed_locks(wrong=True), strategy="sleep", all_failures=True)
    assert "deadlock" == result.failure.kind
    assert all(failure.confirmed for failure in result.failures)
    assert ["lock-order"] == [note.kind for note in result.notes]


def test_a_deadlock_of_other_locks_excuses_no_lock_order():
    """Beside it the prediction is a failure of its own."""
    result = explore(micro.predicted_cycle(deadlock=True), all_failures=True)
    assert ["deadlock", "lock-order"] == [failure.kind for failure in result.failures]


def test_a_deadlock_names_who_waits_for_what():
    """A site for each task in the cycle."""
    failure = explore(micro.crossed_locks(wrong=True)).failure
    assert {"one", "other"} == {site.task for site in failure.sites if site.task}
    assert "wait" in str(failure)


def test_a_result_that_was_not_demanded_is_unexpected():
    """``returns=`` demands; without it the contract decides."""

    def scenario(returns):
        s = Scenario("add twice")
        queue = s.queue()
        dev = s.device(queue, handler="sva", pasid=1)
        s.task("driver").add(queue, dev, returns=returns)
        return s

    assert "pass" == explore(scenario(-errno.EBUSY)).verdict
    assert "pass" == explore(scenario(None)).verdict
    assert "unexpected-return" == explore(scenario(0)).kind


RESPONSES = [
    ("late-response", "v7.2", sc.held_against_removal),
    ("double-response", "track-group", sc.refusal_against_removal),
    ("wrong-response", "lkml-v8", lambda: scenarios.build("one-index-two-pasids")),
    ("lost-response", "v6.9", sc.work_against_removal),
]


@pytest.mark.parametrize(("kind", "core", "scenario"), RESPONSES, ids=[row[0] for row in RESPONSES])
def test_wrong_answers_are_told_apart(kind, core, scenario):
    """Kernel revisions that answer late, twice, the wrong group, or not at all; our core on the same scenario is clean."""
    result = explore(scenario(), core=core, strategy="sleep", all_failures=True, budget=300)
    assert kind in {failure.kind for failure in result.failures}
    assert "pass" == explore(scenario(), budget=300).verdict


def test_every_kind_has_a_case():
    """No kind is without a test that fires it."""
    covered = {kind for kind, _ in micro.KINDS} | {kind for kind, _, _ in RESPONSES}
    covered |= {kind for one in test_promises.ALL for kind in one.kinds}
    assert set(KINDS) == covered | {"lock-order", "unexpected-return"}
