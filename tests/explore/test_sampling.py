# SPDX-License-Identifier: GPL-2.0-only
"""What is too large to be executed: PCT with its bound, and what auto does with the time that is left."""

import shutil

import core_scenarios as sc
import kernel_code
import pytest
from elsewhere import assert_replays

from iopf.explore import Scenario, explore
from iopf.explore.programs import rcget

RUNS = 4000


def big(n):
    """n reporters of two groups each and a removal: more than any budget here, and long executions."""
    s = Scenario("big")
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    for i in range(n):
        task = s.task(f"irq{i}").report_partial(dev, grpid=i, pasid=1)
        task.report(dev, grpid=i, pasid=1).report(dev, grpid=i + 10, pasid=1)
    s.task("rm").remove(queue, dev)
    return s


def behind(steps):
    """The lookup bug, with a remover that has many steps on its way from the slot to the last reference: the reader has to be
    preempted at one of its two points, for all that time."""
    program = rcget(1, bug=True)
    lock = program.field("other", "mutex")
    program.setup.mutex_init(lock)
    (remover,) = (task for task in program._tasks if task.name == "remover")
    at = next(i for i, each in enumerate(remover.operations) if each.op == "ref")
    rest, remover.operations = remover.operations[at:], remover.operations[:at]
    for _ in range(steps):
        remover.mutex_lock(lock).mutex_unlock(lock)
    remover.operations += rest
    return program


def hits(program, **options):
    """How many of RUNS executions have the use-after-free, and the search's result."""
    result = explore(program, max_executions=RUNS, all_failures=True, shrink=False, budget=None, **options)
    assert RUNS == result.executions
    return sum(failure.count for failure in result.failures if failure.kind == "use-after-free"), result


# --- PCT ---


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("readers", [2, 3, 5])
def test_pct_meets_a_bug_of_depth_two_at_least_as_often_as_it_promises(readers, depth):
    """The lookup bug takes two orderings: the slot is read before it is cleared, the last reference dropped before one is
    taken. Of 4,000 executions with each of three seeds, 1 / (n k^(d-1)) or more have it; the same ones in every run."""
    for seed in range(3):
        found, result = hits(rcget(readers, bug=True), strategy="pct", depth=depth, seed=seed)
        n, k = len(result.tasks) - 1, result.deepest
        assert pytest.approx(1 / (n * k ** (depth - 1))) == result.chance
        assert found / RUNS >= result.chance


def test_the_promise_of_pct_is_no_less_than_what_it_does():
    """One reader and a remover, depth 2: the reader has to come first (1 in 2) and be put behind before its second step (1 in
    k), and nothing else does it. So 1 / (n k) is what is met, within four standard deviations."""
    found = 0
    for seed in range(5):
        more, result = hits(rcget(1, bug=True), strategy="pct", depth=2, seed=seed)
        found += more
    expected = 5 * RUNS * result.chance
    assert abs(found - expected) < 4 * (expected * (1 - result.chance)) ** 0.5


def test_without_a_change_of_priority_the_bug_is_not_met():
    """Depth 1: each task runs to its end, or until it has to wait. The bug needs a preemption, and never shows."""
    found, result = hits(rcget(3, bug=True), strategy="pct", depth=1)
    assert (0, "sampled", 1) == (found, result.verdict, result.depth)
    assert 1 / (len(result.tasks) - 1) == result.chance


def test_pct_meets_what_a_walk_seldom_does():
    """Where one task has to wait for thirty steps of another, a walk has to toss the right coin thirty times."""
    by_pct, result = hits(behind(30), strategy="pct", depth=2)
    by_walk, _ = hits(behind(30), strategy="random")
    assert by_pct / RUNS >= result.chance and by_pct > 5 * by_walk


def test_what_pct_finds_replays_in_another_process():
    """By its token, as every failure does."""
    failures = [
        explore(rcget(3, bug=True), strategy="pct", seed=seed, depth=depth).failure
        for seed in (1, 2)
        for depth in (2, 5)
    ]
    failures.append(explore(sc.two_reporters_against_removal(), core="v6.14", strategy="pct").failure)
    assert_replays(failures)


def test_pct_depends_on_its_seed_and_its_depth_only():
    """Equal arguments, equal executions; another seed, or another depth, is another sample."""

    def walk(**options):
        result = explore(rcget(4), strategy="pct", max_executions=200, **options)
        return result.preemptions, result.outcomes, result.deepest

    assert walk(seed=1) == walk(seed=1)
    assert len({walk(seed=seed)[0] for seed in range(5)}) > 1
    assert walk(seed=1, depth=2)[0] != walk(seed=1, depth=8)[0]


def test_with_few_changes_there_are_few_preemptions():
    """At most depth - 1 in an execution, and those that waking a task of a higher priority makes."""
    result = explore(rcget(4), strategy="pct", max_executions=1000, depth=2)
    assert (
        sum(result.preemptions[3:])
        < 100
        < sum(explore(rcget(4), strategy="random", max_executions=1000).preemptions[3:])
    )


@pytest.mark.parametrize("depth", [0, -1, 17, 2.5, True, "2"])
def test_a_depth_is_a_number_from_1_to_16(depth):
    """What is none is refused before anything runs."""
    with pytest.raises((TypeError, ValueError), match="depth"):
        explore(rcget(2), strategy="pct", depth=depth)


def test_the_command_says_what_a_sample_is_worth(run):
    """The bound with its numbers; and 3 for an exit code, since a sample is no verdict."""
    code, out, _ = run("explore", "rcget-3", "--strategy", "pct", "--depth", "2", "--max-executions", "500")
    assert 3 == code and "sampled: 500 executions" in out
    assert "a bug of depth 2 is met by one execution with a chance of at least 1 in 44 (4 tasks, 11 steps)" in out


ATTEMPTS = kernel_code.Menu(
    """
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/refcount.h>

struct state { struct mutex one, two; };
""",
    {
        "begin": """
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	mutex_init(&s->one);
	mutex_init(&s->two);
	*shared(dev) = s;""",
        "hold": """
	mutex_lock(&s->one);
	mutex_lock(&s->two);
	mutex_unlock(&s->two);
	mutex_unlock(&s->one);""",
        "attempt": """
	while (!mutex_trylock(&s->one))
		;
	mutex_unlock(&s->one);""",
        "end": "\tkfree(s);",
    },
)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_a_task_that_attempts_for_ever_does_not_starve_the_others(tmp_path):
    """Priorities are not fair: whoever tries for a lock, and goes before its holder, would try for ever. After so many steps it
    is put behind the others, and the execution ends. A search that gives it all steps it wants tells of a livelock."""
    scenario = ATTEMPTS.scenario("attempts", {"a": ["hold"], "b": ["attempt"]}, setup=["begin"], teardown=["end"])
    core = ATTEMPTS.core(tmp_path)
    result = explore(scenario, core=core, strategy="pct", max_executions=300, all_failures=True)
    assert ("sampled", 300) == (result.verdict, result.executions), result.failure
    assert result.deepest > 256, "no execution had one that tries while the other holds the lock"
    assert "livelock" == explore(scenario, core=core, strategy="bound", shrink=False).kind


# --- auto ---


@pytest.mark.parametrize("reporters", [3, 6])
def test_auto_samples_what_it_does_not_come_to_the_end_of(reporters):
    """A scenario of more classes than anybody counts: it says what was sampled, by what, and never that the budget was used
    up, though it began with an exhaustive search. The numbers add up."""
    result = explore(big(reporters), budget=1)
    assert result.verdict in ("sampled", "bounded") and "auto" == result.strategy and result.why is None, result
    by = dict(result.sampled)
    assert by["pct"] and by["random"] and by["dpor"] and sum(by.values()) == result.executions
    assert all(f"{number:,} by {name}" in str(result) for name, number in result.sampled)
    assert not result.exhausted and not result.failures


def test_auto_finds_in_its_samples_what_the_search_does_not_come_to():
    """And what it finds has a token as anything has."""
    result = explore(big(4), core="v6.14", budget=1, shrink=False)
    assert "fail" == result.verdict and result.failure.token and () == result.sampled


def test_a_pass_of_auto_says_nothing_of_samples():
    """Everything was executed: what was tried before does not matter, and depends on the clock."""
    result = explore(rcget(4), commute=False)
    assert ("pass", "dpor", 10_632) == (result.verdict, result.strategy, result.classes) and () == result.sampled


def test_a_bound_is_said_with_its_samples():
    """ "Every schedule with at most so many preemptions" is the stronger word, and the rest is said beside it."""
    result = explore(rcget(8), budget=1, commute=False)
    assert result.verdict in ("bounded", "sampled")
    if result.verdict == "bounded":
        assert result.bound >= 0 and dict(result.sampled)["bound"]
        assert f"at most {result.bound} preemptions" in str(result)


# --- how many there are ---


def estimates(scenario, seeds, budget=0.2, **options):
    """The estimate with each seed."""
    return [explore(scenario, strategy="estimate", budget=budget, seed=seed, **options) for seed in range(seeds)]


@pytest.mark.parametrize(("readers", "classes"), [(2, 22), (3, 354), (4, 10_632)])
def test_what_is_said_of_a_size_holds(readers, classes, long_mode):
    """The golden counts lie between both ends, but for 1 of 100 at each end. Of ten seeds more than three, and in the long mode
    of 500 more than 25, are wrong in one run of many thousands."""
    seeds, most = (500, 25) if long_mode else (10, 3)
    found = estimates(rcget(readers), seeds, 0.05, commute=False)
    wrong = [
        result.size
        for result in found
        if (result.estimate_low or 0) > classes * 1.0001 or (result.estimate_high or classes) * 1.0001 < classes
    ]
    assert len(wrong) <= most, wrong
    assert all("from" in result.size and result.estimate_why is None for result in found if result.estimate_high)


def test_where_single_walks_count_for_much_nothing_is_said_of_the_upper_end():
    """Three reporters and a removal, their works, 138,906 classes: seeds differ by ten times, and none of them pretends to know.
    The lower end holds all the same."""
    found = estimates(sc.three_reporters_against_removal(), 6)
    assert all(result.estimate_low <= 138_906 for result in found)
    assert all(result.estimate_high is None or result.estimate_high >= 138_906 for result in found)
    assert any(result.estimate_high is None for result in found)
    assert all("may be far off" in result.size for result in found if result.estimate_high is None)


def test_estimates_that_differ_by_hundreds_do_not_contradict_each_other():
    """With five seeds the means differ by orders of magnitude; what is promised of each, at least so many, all of them allow."""
    found = estimates(big(3), 5, budget=0.4)
    assert all(result.estimate_high is None for result in found)
    known = [result for result in found if result.estimate_low is not None]  # too few walks, where everything is slow
    assert all(result.estimate_low < result.estimate for result in known)
    assert all(low.estimate_low < max(result.estimate for result in found) for low in known)


def test_no_number_says_why(run):
    """The orders of one execution cannot be counted: that is said, in place of a number."""
    result = explore(big(6), strategy="estimate", budget=0.5)
    assert result.estimate is None and "more orders than can be counted" in result.estimate_why
    assert result.estimate_why in result.size
    assert "" == explore(rcget(2), strategy="naive").size
    out = run("explore", "rcget-3", "--strategy", "estimate")[1]
    assert "about " in out and " classes, from " in out and "(99 in 100)" in out


def test_an_estimate_rises_with_what_is_executed():
    """It is never less than what was done, and comes to the count in the end: where it was too low, too."""
    seen = []
    result = explore(
        sc.three_reporters_against_removal(), strategy="dpor", progress=seen.append, progress_interval=0.01, seed=4
    )
    assert "pass" == result.verdict and len(seen) > 10
    assert all(progress.estimate is None or progress.estimate >= progress.executions for progress in seen)
    cut = explore(big(3), strategy="dpor", max_executions=500, estimate=False)
    assert 500 == cut.estimate_low and "inconclusive" == cut.verdict
