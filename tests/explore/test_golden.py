# SPDX-License-Identifier: GPL-2.0-only
"""Counts that are known from elsewhere, and that strategies agree with each other.

rcget-N was counted by brute force and by other model checkers (GenMC, Nidhugg). The classes that DPOR executes have to
be those of sleep sets and of plain DFS, one by one: a wrong dependency shows as a missing class long before it hides a
bug.
"""

import math
import random

import micro
import pytest

from iopf.explore import explore
from iopf.explore.programs import rcget

CLASSES = {2: 22, 3: 354, 4: 10_632}
INTERLEAVINGS = {2: 110, 3: 3_666, 4: 221_352}
UNLOCK_FOLDED = {2: 58, 3: 1_422, 4: 63_672}


def quiet(**options):
    return {"commute": False, "budget": 60, "estimate": False, **options}


@pytest.mark.parametrize("n", [2, 3, 4])
def test_dpor_executes_each_class_of_rcget_once(n):
    """22, 354, 10,632 executions, and none is cut short in vain by more than a few percent."""
    result = explore(rcget(n), strategy="dpor", **quiet())
    assert ("pass", CLASSES[n], CLASSES[n]) == (result.verdict, result.executions, result.classes)
    assert result.blocked <= result.executions * 0.2


@pytest.mark.parametrize("n", [2, 3, 4])
def test_naive_executes_every_interleaving_of_rcget(n):
    """58, 1,422, 63,672 with unlock folded, 110, 3,666, 221,352 with it as a point; the classes are the same."""
    folded = explore(rcget(n), strategy="naive", **quiet())
    assert (UNLOCK_FOLDED[n], CLASSES[n]) == (folded.executions, folded.classes)
    whole = explore(rcget(n), strategy="naive", points=["unlock"], **quiet())
    assert (INTERLEAVINGS[n], CLASSES[n]) == (whole.executions, whole.classes)


def test_a_free_that_is_a_point_changes_interleavings_and_no_class():
    """158 interleavings of rcget-2, 22 classes."""
    result = explore(rcget(2), strategy="naive", points=["unlock", "free"], **quiet())
    assert (158, 22) == (result.executions, result.classes)


@pytest.mark.parametrize("points", [["unlock"], ["free"], ["plain"], ["unlock", "free", "plain"]])
def test_more_points_are_no_more_classes(points):
    """Unlocks, frees and plain accesses are events: as points they cost steps and find nothing new."""
    result = explore(rcget(3), strategy="dpor", points=points, **quiet())
    assert ("pass", 354) == (result.verdict, result.executions)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_identical_tasks_are_explored_in_one_order(n):
    """Symmetry divides by n!."""
    result = explore(rcget(n, symmetric=True), strategy="dpor", **quiet())
    assert CLASSES[n] // math.factorial(n) == result.executions
    off = explore(rcget(n, symmetric=True), strategy="dpor", symmetry=False, **quiet())
    assert CLASSES[n] == off.executions


def test_the_lookup_bug_is_found_at_once():
    """A reader that drops the mutex before it takes the reference: within the first few executions."""
    for n in (2, 3, 4):
        result = explore(rcget(n, bug=True), strategy="dpor", **quiet())
        assert "use-after-free" == result.kind
        assert result.first_failure <= 5
        assert 1 == result.failure.preemptions and result.failure.minimal


def agree(program, class_hashes, **options):
    """The classes and outcomes of DPOR, sleep sets and plain DFS, compared. Returns how many classes there are."""
    classes, outcomes, verdicts = {}, {}, {}
    for strategy in ("naive", "sleep", "dpor"):
        result = explore(program, strategy=strategy, classes=True, all_failures=True, shrink=False, **quiet(**options))
        assert result.exhausted, result
        verdicts[strategy] = (result.verdict, frozenset(failure.kind for failure in result.failures))
        outcomes[strategy] = set(result.outcomes)
        classes[strategy] = class_hashes()
        if strategy == "dpor" and result.verdict == "pass":
            assert result.executions == len(classes[strategy]), "a class was executed twice"
    assert verdicts["naive"] == verdicts["sleep"] == verdicts["dpor"]
    assert classes["naive"] == classes["sleep"] == classes["dpor"]
    assert outcomes["naive"] == outcomes["sleep"] == outcomes["dpor"]
    return len(classes["naive"])


PROGRAMS = list(micro.named_programs())


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.name.replace(" ", "-") for program in PROGRAMS])
def test_strategies_agree_on_named_programs(program, class_hashes):
    """Litmus tests, locks and counts: the same classes, the same outcomes."""
    assert agree(program, class_hashes) >= 1


@pytest.mark.parametrize("number", range(40))
def test_strategies_agree_on_random_programs(number, class_hashes):
    """Forty small programs of everything: a fixed list, so that a failure stays."""
    assert agree(micro.random_program(number), class_hashes) >= 1


@pytest.mark.parametrize("number", range(25))
def test_strategies_agree_on_random_programs_of_callbacks(number, class_hashes):
    """call_rcu() and rcu_barrier() of several tasks, beside readers and grace periods."""
    assert agree(micro.random_rcu_program(number), class_hashes) >= 1


def test_a_barrier_beside_a_callback_waits_for_it_or_not():
    """Both orders are executed: what comes after the barrier sees what the callback did, or does not."""
    p = micro.Program("barrier beside call_rcu", x="u64")
    body = p.work("callback").store(p.at["x"], 7, order="once").kfree(micro.A)
    p.task("caller").kzalloc(micro.A, micro.OBJECT).call_rcu(micro.OBJECT.head(micro.A), body)
    p.task("waiter").rcu_barrier().load(micro.A, p.at["x"], order="once").out(micro.A)
    for strategy in ("naive", "sleep", "dpor"):
        result = explore(p, strategy=strategy, classes=True, **quiet())
        outs = {part for outcome in result.outcomes for part in outcome.parts if part.startswith("waiter")}
        assert ("pass", 2) == (result.verdict, len(outs)), (result, outs)
        # Before the callback was deferred; after that, between and after; after both only after.
        assert 3 == result.classes, result
    behind = micro.Program("barrier behind call_rcu", x="u64")
    body = behind.work("callback").store(behind.at["x"], 7, order="once").kfree(micro.A)
    behind.task("waiter").kzalloc(micro.A, micro.OBJECT).call_rcu(micro.OBJECT.head(micro.A), body).rcu_barrier().load(
        micro.A, behind.at["x"], order="once"
    ).out(micro.A)
    (outcome,) = explore(behind, strategy="naive", **quiet()).outcomes
    assert "7" in outcome.text


def test_commuting_counts_lose_no_outcome():
    """Increments that commute make fewer classes, and no outcome and no failure less."""
    fewer = 0
    for number in range(40):
        program = micro.random_program(number)
        plain = explore(program, strategy="dpor", **quiet())
        commuting = explore(program, strategy="dpor", **quiet(commute=True))
        assert (plain.verdict, set(plain.outcomes)) == (commuting.verdict, set(commuting.outcomes)), program
        assert commuting.executions <= plain.executions
        fewer += commuting.executions < plain.executions
    assert fewer > 0


def puts(number):
    """Up to five tasks that take and put references of two objects."""
    rng = random.Random(number)
    plans = [rng.choices("xxy", k=rng.randrange(1, 3)) for _ in range(rng.randrange(2, 6))]
    p = micro.Program(f"references {number}", x="refcount", y="refcount")
    for name in "xy":
        p.setup.refcount_set(p.at[name], max(1, sum(plan.count(name) for plan in plans) + rng.choice((0, 0, 1))))
    for i, plan in enumerate(plans):
        task = p.task(f"t{i}")
        for name in plan:
            count, how = p.at[name], rng.random()
            for _ in range(2 if how < 0.15 else how < 0.25):
                task.refcount_inc_not_zero(micro.A, count).out(micro.A)
            if how > 0.9:
                task.load(micro.A, count, order="relaxed").out(micro.A)
            task.refcount_dec_and_test(micro.A, count).out(micro.A)
    return p


def agree_where_counts_commute(numbers):
    """DPOR and sleep sets, which analyse no races: the same number of classes, and the same outcomes."""
    executions = blocked = 0
    for number in numbers:
        dpor, sleep = (
            explore(puts(number), strategy=strategy, max_executions=60_000, **quiet(commute=True, shrink=False))
            for strategy in ("dpor", "sleep")
        )
        if dpor.exhausted and sleep.exhausted:
            assert (dpor.verdict, dpor.executions) == (sleep.verdict, sleep.executions), number
            assert set(dpor.outcomes) == set(sleep.outcomes), number
            executions, blocked = executions + dpor.executions, blocked + dpor.blocked
    assert executions, "nothing was compared"
    assert blocked <= executions * 0.05, (blocked, executions)


def test_no_class_of_references_is_lost_because_a_race_was_seen_before():
    """Which races DPOR need not follow is decided by what sleeps: where counts commute, it is easily decided wrongly."""
    agree_where_counts_commute(range(25))


@pytest.mark.long
def test_no_class_of_many_references_is_lost_because_a_race_was_seen_before(seed):
    """Several hundred more, by the seed of the run."""
    agree_where_counts_commute(range(seed * 1000, seed * 1000 + 300))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_puts_of_one_object_differ_in_who_is_last(n):
    """As many classes as tasks, and few executions that are cut short: without looking at what sleeps there are 26 more of 6."""
    p = micro.Program(f"{n} puts", users="refcount")
    p.setup.refcount_set(p.at["users"], n)
    for i in range(n):
        p.task(f"t{i}").refcount_dec_and_test(micro.A, p.at["users"])
    result = explore(p, strategy="dpor", **quiet(commute=True))
    assert ("pass", n) == (result.verdict, result.executions)
    assert result.blocked <= n - 2


@pytest.mark.long
def test_strategies_agree_on_many_random_programs(seed, class_hashes):
    """Several hundred more, by the seed of the run."""
    for number in range(400):
        agree(micro.random_program(seed * 1000 + number), class_hashes)


def test_store_buffering_has_the_outcomes_of_sequential_consistency():
    """Both read 0 is not among them."""
    result = explore(PROGRAMS[0], strategy="dpor", **quiet())
    assert 3 == len(result.outcomes)
