# SPDX-License-Identifier: GPL-2.0-only
"""Every detector fires on a program that has its bug, with exactly its kind, and is silent on the twin that has not."""

import errno

import core_scenarios as sc
import micro
import pytest
import test_promises

from iopf import scenarios
from iopf.explore import KINDS, Scenario, explore

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


def test_a_lock_order_is_predicted_and_refuted_by_a_complete_search():
    """Two locks in both orders that never meet: a failure of a search that is not complete, unconfirmed; a note of one
    that is."""
    sampled = explore(micro.predicted_cycle(), strategy="random", max_executions=50)
    assert ("fail", "lock-order", False) == (sampled.verdict, sampled.failure.kind, sampled.failure.confirmed)
    complete = explore(micro.predicted_cycle(), strategy="dpor")
    assert ("pass", ("lock-order",)) == (complete.verdict, tuple(note.kind for note in complete.notes))


def test_a_gate_lock_is_no_lock_order():
    """A third lock around both: they can't meet, and nothing is predicted."""
    result = explore(micro.predicted_cycle(gate=True), strategy="dpor")
    assert ("pass", ()) == (result.verdict, result.notes)


def test_a_deadlock_confirms_the_lock_order():
    """The graver failure comes first; the prediction, if it is listed, is confirmed."""
    result = explore(micro.crossed_locks(wrong=True), strategy="sleep", all_failures=True)
    assert "deadlock" == result.failure.kind
    assert all(failure.confirmed for failure in result.failures)


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
