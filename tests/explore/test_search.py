# SPDX-License-Identifier: GPL-2.0-only
"""The search as a caller sees it: budgets, progress, Ctrl-C, determinism, what it refuses."""

import os
import signal
import subprocess
import sys
import threading
import time

import core_scenarios as sc
import micro
import pytest

from iopf.explore import Interrupted, Progress, Scenario, _engine, explore
from iopf.explore.programs import rcget


def large():
    """More than any budget here: five readers and a remover, every interleaving."""
    return rcget(5)


@pytest.mark.parametrize("strategy", ["dpor", "sleep", "naive", "bound", "random"])
def test_a_search_is_deterministic(strategy):
    """Equal arguments, equal results, but for time."""

    def once():
        result = explore(rcget(3), strategy=strategy, max_executions=300, seed=7, classes=True)
        return (result.verdict, result.executions, result.classes, result.blocked, result.outcomes, result.preemptions,
                result.hottest)  # fmt: skip

    assert once() == once()


def test_a_random_search_depends_on_its_seed_only():
    """Another seed is another walk."""

    def walk(seed):
        return explore(rcget(4), strategy="random", max_executions=200, seed=seed).preemptions

    assert walk(1) == walk(1)
    assert len({walk(seed) for seed in range(5)}) > 1


def test_executions_are_run_twice_now_and_then():
    """Every 1,024th is, and comes to the same."""
    result = explore(rcget(4), strategy="dpor", commute=False)
    assert result.self_checks >= result.executions // 1024 - 1 > 0
    assert 0 == explore(rcget(4), strategy="dpor", self_check=False).self_checks


@pytest.mark.parametrize("strategy", ["dpor", "naive", "sleep"])
def test_progress_never_falls_and_ends_at_the_end(strategy):
    """The part of the search that is done: monotone, and 1 at the end."""
    seen = []
    result = explore(rcget(4), strategy=strategy, commute=False, progress=seen.append, progress_interval=0.002)
    assert "pass" == result.verdict
    assert all(isinstance(progress, Progress) for progress in seen) and len(seen) > 3
    done = [progress.done for progress in seen]
    assert done == sorted(done) and 0 <= done[0] and 1 == done[-1]
    assert [p.executions for p in seen] == sorted(p.executions for p in seen)
    assert seen[-1].executions_per_second > 0 and 0 == seen[-1].eta


def test_a_progress_callback_stops_the_search_with_false():
    """What was found stays; the verdict is no pass."""
    calls = []
    result = explore(large(), strategy="naive", progress=lambda p: calls.append(p) or len(calls) < 3, budget=30)
    assert 3 == len(calls)
    assert result.interrupted and result.executions > 0 and "pass" != result.verdict


def test_what_a_progress_callback_raises_is_raised():
    """The exception itself, and the search is over: the next one runs."""

    class Mine(Exception):
        pass

    def fail(_progress):
        raise Mine

    with pytest.raises(Mine):
        explore(large(), strategy="naive", progress=fail, budget=30)
    assert "pass" == explore(rcget(2)).verdict


def test_a_search_inside_a_search_is_refused():
    """From the progress callback: a clear error instead of a deadlock."""
    with pytest.raises(RuntimeError, match="progress callback"):
        explore(large(), strategy="naive", progress=lambda p: explore(rcget(2)), budget=30)


def test_ctrl_c_keeps_what_was_found_and_comes_at_once(eventually, moment, in_some_round):
    """Within a tenth of a second of the signal, and a little, with the result so far."""

    def interrupt():
        eventually(lambda: _engine._owner is not None)  # it searches, or is about to
        moment(0.3)
        times.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    def stop():
        times.clear()
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(Interrupted) as caught:
            explore(rcget(7), strategy="naive", budget=1000)
        took = time.monotonic() - times[0]
        thread.join()
        assert isinstance(caught.value, KeyboardInterrupt)
        assert caught.value.result.executions > 0 and caught.value.result.interrupted
        return took

    times = []
    in_some_round(stop, 0.2)
    assert "pass" == explore(rcget(2)).verdict


def test_budgets_end_a_search_without_a_pass():
    """Seconds and executions; what is left undone is said."""
    started = time.monotonic()
    result = explore(large(), strategy="naive", budget=0.3)
    assert 0.2 < time.monotonic() - started
    assert result.verdict in ("sampled", "inconclusive", "bounded") and not result.exhausted
    result = explore(large(), strategy="naive", max_executions=100)
    assert (100, False) == (result.executions, result.exhausted) and "pass" != result.verdict


def strategies_at_work(scenario, **options):
    """Those that progress was told of, with a callback for everything that is looked at."""
    seen = []
    result = explore(scenario, progress=lambda p: seen.append(p.strategy), progress_interval=1e-9, **options)
    return result, set(seen)


def test_auto_walks_at_random_only_where_the_whole_search_takes_longer():
    """A small scenario goes from the estimate to DPOR, and its verdict is as complete as DPOR's own."""
    result, seen = strategies_at_work(rcget(3))
    assert ("pass", "dpor", True) == (result.verdict, result.strategy, result.exhausted)
    assert result.executions == explore(rcget(3), strategy="dpor").executions and "random" not in seen
    result, seen = strategies_at_work(large(), budget=8, max_executions=400_000)
    assert "random" in seen


def three_inline():
    """Three identical reporters, answered by their handler, and a removal."""
    s = Scenario("three identical reporters and a removal")
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    s.tasks("irq", 3).report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s


def test_auto_says_what_it_did():
    """A small scenario passes; a huge one is bounded or sampled, and never a pass."""
    assert ("pass", "dpor") == ((small := explore(rcget(3))).verdict, small.strategy)
    huge = explore(rcget(8), budget=1.0)
    assert huge.verdict in ("bounded", "sampled"), huge
    if huge.verdict == "bounded":
        assert huge.bound >= 0


@pytest.mark.parametrize(
    "scenario",
    [lambda: rcget(3), lambda: rcget(4), sc.two_reporters_against_removal, sc.flush_then_removal],
    ids=["rcget-3", "rcget-4", "two-reporters", "flush"],
)
def test_the_estimate_is_within_a_factor_of_three(scenario):
    """Before the search: about how many classes there are."""
    result = explore(scenario(), strategy="dpor", seed=1, commute=False)
    estimate = explore(scenario(), strategy="estimate", seed=1, commute=False).estimate
    assert result.executions / 3 <= estimate <= result.executions * 3, (estimate, result.executions)


def test_blocked_executions_are_counted():
    """They are shown beside the others, and are few."""
    result = explore(sc.two_reporters_against_removal(), strategy="dpor", commute=False)
    assert 0 < result.blocked <= 0.2 * result.executions
    assert f"{result.blocked} cut short" in str(result)
    assert str(result.executions).replace(",", "") in str(result).replace(",", "")


@pytest.mark.parametrize(
    "scenario, classes",
    [(sc.two_reporters_against_removal, 626), (sc.flush_then_removal, 776), (three_inline, 14_746)],
    ids=["two-reporters", "flush", "three-alike"],
)
def test_few_executions_are_cut_short_where_counts_commute(scenario, classes):
    """What would come to nothing is not begun: 18 % of two reporters' executions, and 31 % of three's, were cut short."""
    result = explore(scenario(), strategy="dpor", estimate=False)
    assert ("pass", classes) == (result.verdict, result.executions)
    assert result.blocked <= 0.05 * result.executions


def test_the_hottest_objects_are_named():
    """Which objects make the branches."""
    result = explore(sc.two_reporters_against_removal(), strategy="dpor")
    assert result.hottest and result.hottest[0].races >= result.hottest[-1].races > 0
    assert any("lock" in hot.object for hot in result.hottest)


def test_threads_take_turns():
    """Two threads may both explore; each gets its own result."""
    results = {}

    def run(n):
        results[n] = explore(rcget(n), commute=False, strategy="dpor").classes

    threads = [threading.Thread(target=run, args=(n,)) for n in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {2: 22, 3: 354} == results


def test_python_goes_on_while_c_searches(moment):
    """The GIL is released: another thread runs far more often than the search calls back."""
    counted, called = [0], [0]
    done = threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1
            moment(0.001)

    thread = threading.Thread(target=count)
    thread.start()

    def progress(_progress):
        called[0] += 1
        return counted[0] < 100

    explore(rcget(7), strategy="naive", budget=1000, progress=progress)
    done.set()
    thread.join()
    assert counted[0] > 3 * called[0]


def test_a_forked_child_explores_for_itself():
    """The child's searches are its own."""
    assert "pass" == explore(rcget(2)).verdict
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if explore(rcget(3)).verdict == "pass" else 1)
        except BaseException:
            os._exit(2)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"core": "v9.9"}, "no core 'v9.9': did you mean 'v6.9'? There are iopf"),
        ({"strategy": "best"}, "'auto', 'dpor'"),
        ({"budget": 0}, "budget 0"),
        ({"max_executions": -1}, "max_executions -1"),
        ({"points": "unlock"}, "points"),
        ({"points": ["locks"]}, "'unlock'"),
        ({"bound": -1}, "bound -1"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_wrong_argument_is_named(options, says):
    """A ValueError that says what is right."""
    with pytest.raises(ValueError) as caught:
        explore(rcget(2), **options)
    assert says in str(caught.value)


def test_what_cannot_be_explored_is_refused():
    """No scenario, no tasks."""
    with pytest.raises(TypeError):
        explore("rcget-2")
    with pytest.raises(TypeError):
        explore(rcget(2), core=3)
    with pytest.raises(TypeError):
        explore(rcget(2), progress=3)
    with pytest.raises(ValueError, match="no tasks"):
        explore(Scenario("empty"))


def test_memory_that_a_search_takes_is_given_back():
    """Hundreds of searches, and no growth to speak of."""
    code = (
        "import resource\nfrom iopf.explore import explore\nfrom iopf.explore.programs import rcget\n"
        "def rss():\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * resource.getpagesize()\n"
        "def search(): explore(rcget(3), strategy='dpor', estimate=False)\n"
        "for _ in range(20): search()\nbefore = rss()\nfor _ in range(300): search()\nprint(rss() - before)\n"
    )
    grown = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert grown < 8 << 20, grown


def test_speed_has_not_collapsed(in_some_round, counting):
    """A fifth of what it does, in the time that Python counts in: only that something broke shows."""

    def search():
        million = counting()
        begin = time.process_time()
        result = explore(rcget(4), strategy="naive", estimate=False)
        took = time.process_time() - begin
        return max(took / million * 4_000 / result.executions, result.reset_ns / 1e9 / million * 2_000)

    in_some_round(search, 1)


def test_alloc_may_fail_reaches_every_allocation():
    """More outcomes than without, and among them the answer for want of memory."""
    s = sc.no_memory_against_removal()
    result = explore(s, strategy="dpor")
    assert "pass" == result.verdict, result.failure
    texts = " ".join(outcome.text for outcome in result.outcomes)
    assert "failure" in texts
    never = explore(s.copy().alloc_may_fail(False), strategy="dpor")
    assert never.executions < result.executions
    assert {o.text for o in never.outcomes} < {o.text for o in result.outcomes}


def test_fail_next_alloc_fails_the_nth():
    """The n-th allocation of the task, and no other."""
    for n, survives in ((1, False), (2, True)):
        s = Scenario(f"allocation {n} fails")
        queue = s.queue()
        dev = s.device(queue, handler="inline", pasid=1)
        s.task("irq").fail_next_alloc(n).report(dev, grpid=1, pasid=1)
        (outcome,) = explore(s).outcomes
        assert survives == ("success" in outcome.text), outcome


def test_leaks_and_the_like_do_not_depend_on_shrinking():
    """The kind and signature of the failure are the same with and without."""
    program = micro.leak(wrong=True)
    assert explore(program).failure.signature == explore(program, shrink=False).failure.signature
