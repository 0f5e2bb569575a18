# SPDX-License-Identifier: GPL-2.0-only
"""One search in parts comes to what it comes to as one: as jobs in any order, by processes, with workers that die, over
checkpoints, after kill -9."""

import contextlib
import errno
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from iopf.explore import Interrupted, Scenario, _engine, _parallel as parallel, _pool as pool, explore
from iopf.explore._jobs import Job, Part, Totals, choices_of, choices_to_text
from iopf.explore._setting import Setting
from iopf.explore._wire import pack, unpack
from iopf.explore._work import Explorer, answer, request, work
from iopf.explore.library import find_scenario, scenario_names
from iopf.explore.programs import Program, rcget

DASK = os.environ.get("IOPF_DASK")


def reporters(n=3, *, name="reporters and a removal"):
    """Identical reporters whose handler answers inline, and a removal: three have 14,746 classes."""
    s = Scenario(name)
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    s.tasks("irq", n).report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s


def lock_orders():
    """Whoever of two tasks comes first takes two locks, each in an order of its own, and the other one none: no execution
    shows both orders."""
    program = Program("one order or the other", won="u32", a="mutex", b="mutex")
    won, a, b = program.at["won"], program.at["a"], program.at["b"]
    program.setup.mutex_init(a).mutex_init(b)
    for name, first, second in (("ab", a, b), ("ba", b, a)):
        task = program.task(name)
        task.exchange(won, 1, register=0)
        with task.when(0, nonzero=False):
            task.mutex_lock(first).mutex_lock(second).mutex_unlock(second).mutex_unlock(first)
    return program


def setting_of(scenario, core="iopf", strategy="dpor", **named):
    lib = _engine.get().lib
    flags = lib.XP_O_COMMUTE | lib.XP_O_NO_UNDER_LOCK | lib.XP_O_NO_ESTIMATE
    named = {"all_failures": True, "classes": False, **named}
    flags |= lib.XP_O_ALL_FAILURES if named["all_failures"] else 0
    flags |= lib.XP_O_CLASSES if named["classes"] else 0
    return Setting(scenario, core, strategy, flags, 1000, None, named)


def in_parts(setting, *, runs, wanted, rng, lose=lambda job: False, through_bytes=False):
    """The search, done in parts of ``runs`` executions, which leave ``wanted`` jobs or more; and how many parts."""
    explorer, totals, text = Explorer(setting), Totals(), json.dumps(setting.data)
    left, parts = [Job()], 0
    while left:
        job = left.pop(rng.randrange(len(left)))
        if lose(job):
            continue
        how = {"strategy": setting.strategy, "max_runs": runs, "wanted": wanted}
        if through_bytes:
            part, more, mass = answer(work(request(text, Job.from_data(json.loads(json.dumps(job.to_data()))), **how)))
        else:
            part, more, mass = explorer.do(job, **how)
        totals.add(part)
        parts += 1
        if part.why is not None:  # as a search ends that is not divided
            break
        assert job.mass == pytest.approx(mass + sum(one.mass for one in more), abs=1e-9)
        left += more
    whole = Part.from_data(json.loads(json.dumps(totals.whole().to_data())))
    number = _engine.names("strategy")[setting.strategy]
    classes = len(whole.classes) if whole.classes is not None else whole.executions
    result = explorer.conclude(
        whole,
        seed=0,
        race_walks=False,
        interrupted=False,
        strategy=number,
        bound=-1,
        exhausted=whole.why is None,
        classes=classes,
    )
    return result, parts


def facts(result, counts=True):
    """What has to be the same."""
    return (
        result.verdict,
        # without the clauses that its driver broke: of several executions, they are those of the first
        {failure.signature.partition(";")[0] for failure in result.failures},
        {note.signature.partition(";")[0] for note in result.notes},
        {(outcome.text, outcome.count if counts else 0) for outcome in result.outcomes},
        (result.executions, result.classes, result.preemptions if counts else ()) if counts else (),
    )


def as_one(scenario, core="iopf", strategy="dpor", **named):
    return explore(
        scenario, core=core, strategy=strategy, all_failures=True, notes=False, budget=None, estimate=False, **named
    )


# --- jobs ---


@pytest.mark.parametrize("core", ["iopf", "v7.2", "v5.14"])
def test_a_search_in_small_parts_is_the_search_on_the_whole_library(core):
    """Undivided, every figure is the same, what was cut short too; also of cores that fail. Each job goes over bytes."""
    for name in scenario_names():
        scenario = find_scenario(name)
        one = as_one(scenario, core)
        result, _ = in_parts(setting_of(scenario, core), runs=3, wanted=1, rng=random.Random(0), through_bytes=True)
        assert facts(one) == facts(result), name
        assert (one.blocked, one.deepest, one.first_failure) == (result.blocked, result.deepest, result.first_failure)


def drawn(config, rng):
    """A quarter of the library, by the seed of the run; with --long all of it."""
    names = list(scenario_names())
    return names if config.getoption("--long") else rng.sample(names, len(names) // 4)


@pytest.mark.parametrize("strategy", ["dpor", "sleep"])
def test_divided_jobs_in_any_order_find_every_class_once_on_the_library(strategy, request):
    """On our core, which passes: classes, outcomes and how many executions had each. Jobs are taken at random."""
    rng = random.Random(request.config.getoption("--seed"))
    for name in drawn(request.config, rng):
        scenario = find_scenario(name)
        one = as_one(scenario, strategy=strategy, classes=False)
        result, _ = in_parts(
            setting_of(scenario, strategy=strategy), runs=rng.randint(1, 4), wanted=rng.randint(2, 8), rng=rng
        )
        a, b = facts(one), facts(result)
        assert (a[:4], a[4][:2]) == (b[:4], b[4][:2]), name


@pytest.mark.parametrize("strategy", ["dpor", "sleep"])
def test_divided_jobs_find_the_same_failures(strategy, request):
    """Of cores that fail. Sleep sets list every failure, so each signature is there, and each outcome as often. DPOR does
    not, once executions end early (a race may be seen from its one side or the other, whichever comes first): of the
    kinds that a core fails by, it finds the same, contract kept or broken."""
    rng = random.Random(request.config.getoption("--seed"))
    failing = 0
    for core in ("v7.2", "v5.14"):
        for name in drawn(request.config, rng):
            scenario = find_scenario(name)
            one = as_one(scenario, core, strategy, classes=False)
            setting = setting_of(scenario, core, strategy)
            result, _ = in_parts(setting, runs=2, wanted=rng.randint(2, 8), rng=rng)
            if strategy == "sleep":
                assert facts(one)[:4] == facts(result)[:4] and one.executions == result.executions, (core, name)
            else:
                kinds = [{(failure.kind, failure.contract) for failure in each.failures} for each in (one, result)]
                assert (one.verdict, kinds[0]) == (result.verdict, kinds[1]), (core, name)
            failing += bool(one.failures)
    assert failing > (60 if request.config.getoption("--long") else 6)


def test_what_comes_before_the_parts_is_part_of_the_budget(monkeypatch):
    """A plan that takes all of it leaves none for the parts."""
    clock = iter((0.0, 100.0))
    monkeypatch.setattr("iopf.explore.search.time", SimpleNamespace(monotonic=lambda: next(clock)))
    with ThreadPoolExecutor(2) as executor:
        result = explore(rcget(4), strategy="dpor", budget=50, executor=executor)
    assert ("inconclusive", 0) == (result.verdict, result.executions)


def test_the_classes_of_parts_have_the_same_names():
    """Hashes of classes are the same whatever numbers tasks have: their union over divided parts has as many."""
    one = as_one(rcget(4), strategy="naive", classes=True)
    setting = setting_of(rcget(4), strategy="naive", classes=True)
    result, parts = in_parts(setting, runs=9000, wanted=6, rng=random.Random(1))
    assert (one.classes, one.executions) == (result.classes, result.executions) and parts > 20
    s = find_scenario("remove-queued-late-report")
    one = as_one(s, classes=True)
    result, _ = in_parts(setting_of(s, classes=True), runs=5, wanted=9, rng=random.Random(2))
    assert one.classes == result.classes > 100


def test_a_lost_job_shows():
    """The control of all of these: without one of its jobs the search has fewer classes."""
    lost = []

    def lose(job):
        if not lost and len(job.nodes) == 1:
            lost.append(job)
        return bool(lost) and job is lost[0]

    result, _ = in_parts(setting_of(rcget(4)), runs=50, wanted=6, rng=random.Random(3), lose=lose)
    assert lost and result.executions < as_one(rcget(4)).executions


def test_a_lock_order_that_two_parts_close_is_found():
    """Each of the parts sees one order alone: the cycle is a matter of both."""
    one = as_one(lock_orders())
    result, parts = in_parts(setting_of(lock_orders()), runs=1, wanted=8, rng=random.Random(4))
    assert parts > 1 and "lock-order" == result.failure.kind
    assert facts(one, counts=False)[:3] == facts(result, counts=False)[:3]


def test_equal_outcomes_have_equal_words_whichever_execution_shows_them():
    """Two WARNs, in whichever order the execution that is told came to them: parts begin elsewhere than the whole."""
    s = Scenario("two reporters, a flush and a removal")
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    for index in range(2):
        s.task(f"irq{index}").report(dev, grpid=index + 1, pasid=1)
    s.task("flush").flush(dev)
    s.task("teardown").remove(queue, dev)
    one = as_one(s)
    assert any(len(outcome.warnings) == 2 for outcome in one.outcomes)
    for seed in range(3):
        result, _ = in_parts(setting_of(s), runs=300, wanted=6, rng=random.Random(seed))
        assert facts(one)[:4] == facts(result)[:4] and one.executions == result.executions


def test_a_job_is_small_and_says_nothing_of_this_process():
    """A few hundred bytes, and the same in another run: no address is in it."""
    explorer = Explorer(setting_of(reporters()))
    _, first, _ = explorer.do(Job(), strategy="dpor", max_runs=500, wanted=8)
    _, again, _ = explorer.do(Job(), strategy="dpor", max_runs=500, wanted=8)
    assert first == again and len(first) >= 8
    assert max(len(pack("job", job.to_data())) for job in first) < 600
    assert all(job == Job.from_data(json.loads(json.dumps(job.to_data()))) for job in first)


def test_a_job_of_another_scenario_is_told():
    """Whether its tasks are none of this one's, or its steps: no verdict, and not another search's."""
    _, left, _ = Explorer(setting_of(reporters())).do(Job(), strategy="dpor", max_runs=500)
    part, more, _ = Explorer(setting_of(rcget(3))).do(left[0], strategy="dpor")
    assert "does not fit" in part.why and not more and not part.executions
    wrong = replace(left[0], nodes=((9, 0, 0, 0, 0),))
    part, _, _ = Explorer(setting_of(reporters())).do(wrong, strategy="dpor")
    assert "does not fit" in part.why


@pytest.mark.parametrize("damage", ["cut", "bit", "kind", "format", "nothing"])
def test_a_document_that_is_not_whole_is_refused_in_a_sentence(damage):
    """Wherever it is cut off, and whichever bit of it is another."""
    whole = pack("part", {"a": list(range(100))})
    damaged = {
        "cut": [whole[:n] for n in range(len(whole))],
        "bit": [whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :] for n in range(len(whole))],
        "kind": [pack("job", {})],
        "format": [whole.replace(b"part 1", b"part 2")],
        "nothing": [b"", b"\n", b"import os", os.urandom(300)],
    }[damage]
    for content in damaged:
        with pytest.raises(ValueError, match="it is") as caught:
            unpack("part", content)
        assert "\n" not in str(caught.value)
    assert {"a": list(range(100))} == unpack("part", whole)


def test_choices_are_read_as_they_were_written(request):
    """Pairs of a task and an alternative, each of them from 0 to 63."""
    rng = random.Random(request.config.getoption("--seed"))
    for _ in range(200):
        choices = bytes(
            part
            for _ in range(rng.randrange(40))
            for part in (rng.randrange(64), rng.choice((0, 0, 0, rng.randrange(64))))
        )
        assert choices == choices_of(choices_to_text(choices))


@pytest.mark.parametrize(
    "text", ['"', "a!", "c", "~", "~#", "#~$", "~~##", "~!#", "##\x80", "#\u0123", 5, None, "#" * 100_000]
)
def test_choices_that_nobody_wrote_are_refused(text):
    """A task or an alternative that is none, half a pair, no text, or too much of it."""
    with pytest.raises(ValueError):
        choices_of(text)


def test_what_a_worker_cannot_do_is_told_in_its_answer():
    """Another build, a request that is none: the answer is an error and not an exception, which might get lost."""
    data = {**setting_of(rcget(2)).data, "build": "0.0 (abc)"}
    with pytest.raises(ValueError, match=r"the search is one of iopf 0\.0"):
        answer(work(request(json.dumps(data), Job(), strategy="dpor")))
    with pytest.raises(ValueError, match="no job of iopf"):
        answer(work(b"rubbish"))


# --- executors ---


class Once(Executor):
    """Does everything in this thread; the first ``deaths`` jobs are lost as a pool loses them whose worker died."""

    def __init__(self, deaths=0):
        self.deaths, self.done = deaths, 0

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        if self.deaths:
            self.deaths -= 1
            future.set_exception(BrokenExecutor("a worker died"))
        else:
            self.done += 1
            future.set_result(fn(*args, **kwargs))
        return future


@pytest.fixture
def small_slices(monkeypatch):
    """Parts that are over sooner than they were begun: many of them."""
    monkeypatch.setattr(parallel, "SLICE", 0.02)
    monkeypatch.setattr(parallel, "FIRST_SLICE", 0.005)


@pytest.mark.parametrize("strategy", ["dpor", "naive", "sleep", "bound"])
def test_any_executor_gives_what_one_search_gives(strategy, small_slices):
    """A thread pool, and one that works when it is asked: every strategy that has a tree."""
    scenario = {"dpor": reporters(), "sleep": rcget(4)}.get(strategy, rcget(3))
    options = {"strategy": strategy, "budget": None, "notes": False}
    if strategy in ("naive", "bound"):
        options.update(max_executions=None, bound=2 if strategy == "bound" else None)
    one = explore(scenario, **options)
    with ThreadPoolExecutor(2) as threads:
        for executor in (Once(), threads):
            result = explore(scenario, executor=executor, **options)
            assert facts(one)[:4] == facts(result)[:4] and one.bound == result.bound
            assert (one.executions, one.classes, one.exhausted) == (result.executions, result.classes, result.exhausted)
            assert {hot.object for hot in one.hottest} == {hot.object for hot in result.hottest}


def test_a_job_whose_worker_died_is_given_out_again_and_counted_once(small_slices):
    """The result is the same, and says what happened."""
    one = explore(reporters(), strategy="dpor", budget=None)
    result = explore(reporters(), strategy="dpor", budget=None, executor=Once(deaths=1), jobs=2)
    assert facts(one)[:4] == facts(result)[:4] and one.executions == result.executions
    assert ("one worker ended, and its job was run again",) == result.remarks
    assert () == one.remarks


def test_a_job_whose_worker_always_dies_ends_the_search_without_a_verdict(small_slices):
    """Three times, and then that is why."""
    result = explore(reporters(), strategy="dpor", budget=None, executor=Once(deaths=1000), jobs=2)
    assert (
        "inconclusive" == result.verdict and "its worker ended each time (BrokenExecutor: a worker died)" in result.why
    )
    assert result.executions > 0


@pytest.mark.parametrize("when", ["work", "prepare"])
def test_two_processes_give_what_one_gives_also_when_one_is_killed(monkeypatch, when):
    """By SIGKILL, in the middle of the search, while it has a job; and before it has one, which nobody has to be told."""
    submit, died = pool.Processes.submit, []

    def kill_one(self, fn, /, *args):
        if not died and fn.__name__ == when:
            died.append(True)
            return submit(self, signal.raise_signal, signal.SIGKILL)
        return submit(self, fn, *args)

    one = explore(rcget(5), strategy="dpor", budget=None)
    result = explore(rcget(5), strategy="dpor", budget=None, jobs=2)
    assert facts(one)[:4] == facts(result)[:4] and one.classes == result.classes and () == result.remarks
    assert result.blocked < 1.1 * one.blocked + 100
    monkeypatch.setattr(pool.Processes, "submit", kill_one)
    monkeypatch.setattr(parallel, "FIRST_SLICE", 0.01)
    if when == "work":  # or this process may be through before one of them is ready
        monkeypatch.setattr(pool.Processes, "start", lambda self, fn, *args: None)
    result = explore(rcget(5), strategy="dpor", budget=None, jobs=2)
    assert facts(one)[:4] == facts(result)[:4] and one.classes == result.classes
    assert died and result.remarks == (("one worker ended, and its job was run again",) if when == "work" else ())


def test_an_executor_that_is_broken_or_shut_down_leaves_the_rest_to_this_process(small_slices):
    """A pool of processes gives up all of itself when one is killed; what was given out is done here, and counted once."""
    one = explore(reporters(), strategy="dpor", budget=None)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
        with pytest.raises(BrokenExecutor):
            processes.submit(signal.raise_signal, signal.SIGKILL).result(60)
        threads = ThreadPoolExecutor(1)
        threads.shutdown()
        for executor in (processes, threads):
            result = explore(reporters(), strategy="dpor", budget=None, executor=executor)
            assert facts(one)[:4] == facts(result)[:4] and one.executions == result.executions
            assert "this process did the rest" in result.remarks[-1]


def test_processes_that_can_not_be_started_leave_the_rest_to_this_process(small_slices, monkeypatch):
    """No more threads, say: it is told, and the search comes to its end."""

    def start(self, fn, *args):
        raise RuntimeError("can't start new thread")

    one = explore(reporters(), strategy="dpor", budget=None)
    monkeypatch.setattr(pool.Processes, "start", start)
    result = explore(reporters(), strategy="dpor", budget=None, jobs=2)
    assert facts(one)[:4] == facts(result)[:4] and one.executions == result.executions
    (remark,) = result.remarks
    assert "can't start new thread" in remark and "this process did the rest" in remark


def test_a_worker_of_another_build_ends_the_search_with_what_is_wrong(small_slices, tmp_path):
    """And what it was given is not lost: the checkpoint has it."""

    class Other(Executor):
        def submit(self, fn, /, content):
            future = Future()
            future.set_result(pack("part", {"error": "the search is one of iopf 1, and this process has iopf 2"}))
            return future

    path = tmp_path / "point"
    with pytest.raises(ValueError, match="this process has iopf 2"):
        explore(reporters(), strategy="dpor", budget=None, executor=Other(), jobs=2, checkpoint=path)
    result = explore(reporters(), strategy="dpor", budget=None, resume=path)
    assert explore(reporters(), strategy="dpor", budget=None).executions == result.executions


def test_what_is_small_is_over_before_anybody_else_is_asked():
    """auto explores 2,000 executions first, in this process: no executor sees a job."""
    executor = Once()
    result = explore(rcget(3), executor=executor)
    assert ("pass", 0) == (result.verdict, executor.done)
    assert facts(explore(rcget(3))) == facts(result)


def test_budgets_are_of_all_parts_together(small_slices):
    """max_executions is exact; a budget of seconds ends it without a pass; a failure ends it as it ends any search."""
    result = explore(reporters(), strategy="dpor", executor=Once(), max_executions=5000)
    assert (5000, False, "inconclusive") == (result.executions, result.exhausted, result.verdict)
    result = explore(reporters(4), strategy="dpor", executor=Once(), budget=0.2)
    assert 0 < result.executions and "inconclusive" == result.verdict
    failing = explore(reporters(), core="lkml-v8", strategy="dpor", executor=Once(), estimate=False)
    one = explore(reporters(), core="lkml-v8", strategy="dpor", estimate=False)
    assert "fail" == failing.verdict == one.verdict and one.failure.kind == failing.failure.kind
    assert failing.executions <= one.executions + 1000


def test_progress_is_of_all_parts_and_never_falls(small_slices):
    """As of one search: the part that is done ends at 1, and False stops it."""
    seen = []
    result = explore(
        reporters(), strategy="dpor", executor=Once(), progress=seen.append, progress_interval=0.001, budget=None
    )
    done = [progress.done for progress in seen if progress.strategy == "dpor"]
    assert "pass" == result.verdict and len(done) > 3 and done == sorted(done) and 1 == done[-1]
    counts = [progress.executions for progress in seen if progress.strategy == "dpor"]
    assert counts == sorted(counts) and counts[-1] == result.executions
    stopped = explore(reporters(4), executor=Once(), strategy="dpor", progress=lambda p: p.executions < 100)
    assert stopped.interrupted and 0 < stopped.executions and "interrupted" == stopped.why

    class Mine(Exception):
        pass

    def fail(progress):
        if progress.executions > 100:
            raise Mine

    with pytest.raises(Mine):
        explore(reporters(4), executor=Once(), strategy="dpor", progress=fail)
    assert "pass" == explore(rcget(2)).verdict


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"jobs": 0}, ValueError, "jobs 0: out of range"),
        ({"jobs": "2"}, TypeError, "jobs is an integer"),
        ({"executor": 3}, TypeError, "executor is a concurrent.futures.Executor, not int"),
        ({"checkpoint": "/nowhere/at/all"}, ValueError, "no file can be written there"),
        ({"resume": "/nowhere/at/all"}, ValueError, "can't be read"),
        ({"checkpoint": "x", "strategy": "random"}, ValueError, "strategy 'random' has no checkpoints"),
    ],
)
def test_what_cannot_be_is_refused(options, error, match):
    """Each with what is wrong about it."""
    with pytest.raises(error, match=match):
        explore(rcget(2), **options)


@pytest.mark.parametrize("how", [{"jobs": 2}, {"checkpoint": True}], ids=["two processes", "a checkpoint"])
def test_ctrl_c_keeps_what_was_found_by_all(how, eventually, tmp_path):
    """With the result so far, and where there is a checkpoint it can be gone on with; the next search runs."""
    seen = threading.Event()
    main = threading.main_thread().ident

    def interrupt():
        seen.wait(60)
        signal.pthread_kill(main, signal.SIGINT)

    def progress(now):
        if now.executions > 300:
            seen.set()

    options = {"checkpoint": tmp_path / "point"} if "checkpoint" in how else how
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Interrupted) as caught:
        explore(reporters(4), strategy="dpor", budget=1000, progress=progress, **options)
    thread.join()
    assert caught.value.result.interrupted and caught.value.result.executions > 300
    assert "inconclusive" == caught.value.result.verdict
    if "checkpoint" in how:
        more = explore(
            reporters(4), strategy="dpor", resume=tmp_path / "point", budget=None,
            max_executions=caught.value.result.executions + 100,
        )  # fmt: skip
        assert more.executions == caught.value.result.executions + 100
    assert "pass" == explore(rcget(2)).verdict


# --- the cells of a check ---


def test_a_cell_that_takes_long_is_put_aside_and_shared(monkeypatch, tmp_path):
    """With a number of jobs: by so many processes, with the verdict and the classes that one of them comes to. What is small
    is explored as ever."""
    from iopf import _check_pool
    from iopf.check import check

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    job = _check_pool.Job("large", reporters(), "iopf", "iopf", True, 60.0)
    assert _check_pool.TooLarge("large", "iopf") == _check_pool.explore_cell(replace(job, alone=1e-9))
    small = replace(job, scenario="small", what=rcget(2), alone=1e-9)
    assert "pass" == _check_pool.explore_cell(small).verdict
    shared = []
    monkeypatch.setattr(_check_pool, "LARGE", 1e-9)
    run = _check_pool._Pool.run
    monkeypatch.setattr(
        _check_pool._Pool,
        "run",
        lambda self, jobs, *args: (shared.extend(job.jobs for job in jobs), run(self, jobs, *args))[1],
    )
    alone = explore(reporters(), strategy="dpor", budget=None)
    for jobs, expected in ((2, [1, 1, 2]), (1, [1, 1]), (None, [1, 1])):
        shared.clear()
        table = check(["iopf"], [reporters(), rcget(2)], jobs=jobs, budget=300)
        cell = table.cell(reporters().name, "iopf")
        assert ("pass", alone.classes) == (cell.verdict, cell.classes) and expected == shared
        assert "pass" == table.cell(rcget(2).name, "iopf").verdict
    with pytest.raises(ValueError, match="jobs 0"):
        check(["iopf"], [rcget(2)], jobs=0)


# --- checkpoints ---


def test_a_search_goes_on_from_its_checkpoint_with_any_number_of_jobs(tmp_path, small_slices):
    """Stopped by a budget again and again, resumed by one process and by an executor: the same count, once."""
    one = explore(reporters(), strategy="dpor", budget=None)
    path = tmp_path / "point"
    result = explore(reporters(), strategy="dpor", checkpoint=path, max_executions=1000, budget=None)
    assert 1000 == result.executions
    rounds = 1
    while not result.exhausted:
        executor = Once() if rounds % 2 else None
        limit = result.executions + 3000
        result = explore(
            reporters(),
            strategy="dpor",
            resume=path,
            max_executions=limit,
            executor=executor,
            jobs=3 if executor else None,
        )
        rounds += 1
    assert rounds > 4 and facts(one)[:4] == facts(result)[:4] and one.executions == result.executions
    again = explore(reporters(), strategy="dpor", resume=path)
    assert facts(again) == facts(result)


def test_resumed_alone_a_search_is_the_undivided_one(tmp_path):
    """What was cut short, too: nothing is divided where there is nobody to take it."""
    one = explore(rcget(5), strategy="dpor", budget=None)
    path, limit = tmp_path / "point", 9000
    result = explore(rcget(5), strategy="dpor", checkpoint=path, max_executions=limit, budget=None)
    while not result.exhausted:
        limit += 9000
        result = explore(rcget(5), strategy="dpor", resume=path, max_executions=limit, budget=None)
    assert facts(one) == facts(result) and one.blocked == result.blocked


def test_a_checkpoint_is_small_and_no_pickle(tmp_path):
    """A line that says what it is, and JSON."""
    path = tmp_path / "point"
    explore(reporters(4), strategy="dpor", checkpoint=path, max_executions=3000, budget=None, executor=Once(), jobs=2)
    content = path.read_bytes()
    assert content.startswith(b"iopf checkpoint 1 ") and len(content) < 20_000
    assert {"setting", "part", "jobs"} <= unpack("checkpoint", content).keys()


def test_a_disk_that_is_full_does_not_end_a_search(tmp_path, monkeypatch):
    """It is told, and tried again; where nothing can be written to begin with, that is said before anything is done."""
    write, calls = parallel.Checkpoint.write, []

    def full(self, path):
        calls.append(path)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        write(self, path)

    monkeypatch.setattr(parallel.Checkpoint, "write", full)
    monkeypatch.setattr(parallel, "CHECKPOINT_SECONDS", 0.02)
    result = explore(reporters(), strategy="dpor", checkpoint=tmp_path / "point", budget=None)
    assert "pass" == result.verdict and len(calls) > 2
    assert f"the checkpoint {tmp_path / 'point'} could not be written: No space left on device" == result.remarks[-1]
    with pytest.raises(OSError, match="No space left"):
        explore(reporters(), strategy="dpor", checkpoint=tmp_path / "other", budget=None)


def test_a_checkpoint_of_another_search_is_refused_in_a_sentence(tmp_path):
    """Another scenario, another content of it, another core, options, build; a file that is none, or is cut off."""
    path = tmp_path / "point"
    explore(reporters(), strategy="dpor", checkpoint=path, max_executions=100, budget=None)

    def refused(scenario=None, **options):
        with pytest.raises(ValueError) as caught:
            explore(scenario or reporters(), **{"strategy": "dpor", "resume": path, **options})
        assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)
        return str(caught.value)

    assert "it is of the scenario 'reporters and a removal', and this is 'other'" in refused(reporters(name="other"))
    assert "the scenario 'reporters and a removal' has changed since" in refused(reporters(4))
    assert "it is of the core iopf, and this is v7.2" in refused(core="v7.2")
    assert "commute=True, and this is commute=False" in refused(commute=False)
    assert "strategy='dpor', and this is strategy='auto'" in refused(strategy="auto")
    with pytest.raises(ValueError, match="it is there already"):
        explore(reporters(), strategy="dpor", checkpoint=path)
    whole = path.read_bytes()
    data = unpack("checkpoint", whole)
    data["setting"]["build"] = "0.0"
    path.write_bytes(pack("checkpoint", data))
    assert "it was written by iopf 0.0" in refused()
    for end in range(0, len(whole), 97):
        path.write_bytes(whole[:end])
        assert "is no checkpoint that can be gone on with" in refused()
    data = unpack("checkpoint", whole)
    for key in ("part", "jobs", "strategy", "seconds"):
        path.write_bytes(pack("checkpoint", {**data, key: [[1]]}))
        assert "it is damaged" in refused()


def test_a_core_that_changed_is_refused(tmp_path, monkeypatch):
    """A file's checkpoint goes by what is in it: elsewhere it may lie elsewhere, and where an edit was made it is no longer
    that search's."""
    from iopf import Core

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = Path(__file__).resolve().parents[1] / "kernel_files" / "form-j.c"
    file = tmp_path / "io-pgfault.c"
    file.write_bytes(source.read_bytes())
    path = tmp_path / "point"
    scenario = find_scenario("remove-queued-late-report")
    one = explore(scenario, core=Core.from_source(file), strategy="dpor", all_failures=True, budget=None)
    options = {"strategy": "dpor", "all_failures": True, "budget": None}
    explore(scenario, core=Core.from_source(file), checkpoint=path, max_executions=10, **options)
    result = explore(scenario, core=Core.from_source(file), resume=path, **options)
    assert facts(one)[:3] == facts(result)[:3] and one.executions == result.executions
    file.write_bytes(source.read_bytes() + b"\n/* another one */\n")
    with pytest.raises(ValueError, match="has changed since"):
        explore(scenario, core=Core.from_source(file), resume=path, **options)


DRIVER = """
import sys
from iopf.explore import _parallel as parallel
if __name__ == "__main__":
    parallel.CHECKPOINT_SECONDS = 0.05
    from iopf.cli import main
    sys.exit(main(sys.argv[1:]))
"""

FILE = """
from iopf.explore import Scenario
three = Scenario("three reporters and a removal")
queue = three.queue()
dev = three.device(queue, handler="inline", pasid=1)
for i in range(3):
    three.task(f"irq{i}").report(dev, grpid=1 + i % 2, pasid=1)
three.task("teardown").remove(queue, dev)
"""


@pytest.fixture
def beginning(session, tmp_path):
    """``beginning(jobs)``: an exploration that is begun, or goes on, with a checkpoint every 50 ms."""
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "file.py").write_text(FILE)
    path = tmp_path / "point"
    root = Path(sys.modules["iopf"].__file__).resolve().parent.parent
    paths = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])

    def beginning(jobs):
        option = "--resume" if path.exists() else "--checkpoint"
        return session(
            sys.executable, tmp_path / "driver.py", "explore", f"{tmp_path / 'file.py'}:three", "--jobs", jobs, option, path,
            "--json", env={**os.environ, "PYTHONPATH": paths},
        )  # fmt: skip

    beginning.path = path
    return beginning


def is_worker(pid):
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def finish(beginning, jobs):
    output, errors = beginning(jobs).end()
    assert "" == errors
    return json.loads(output)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What one search of it finds that nobody ends."""
    path = tmp_path_factory.mktemp("expected") / "file.py"
    path.write_text(FILE)
    one = explore(find_scenario(f"{path}:three"), strategy="dpor", budget=None)
    assert one.executions > 10_000
    return one


def written(path, times):
    """Has the checkpoint been written so many times?"""
    seen = set()

    def look():
        with contextlib.suppress(FileNotFoundError):
            seen.add(path.stat().st_mtime_ns)
        return len(seen) >= times

    return look


def check_the_same(found, one):
    assert ("pass", one.executions, one.classes) == (found["verdict"], found["executions"], found["classes"])
    assert {o.text: o.count for o in one.outcomes} == {o["text"]: o["count"] for o in found["outcomes"]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_search_that_was_ended_goes_on_to_the_same_count(number, beginning, expected):
    """The parent, by what asks it to end and by what does not; with two workers first, then alone."""
    run = beginning(2)
    run.until(written(beginning.path, 4))
    os.kill(run.pid, number)
    run.end()
    code = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}[number]
    assert run.process.returncode in (code, 0)
    check_the_same(finish(beginning, 1), expected)


@pytest.mark.long
@pytest.mark.parametrize("round", range(10))
@pytest.mark.parametrize("who", ["parent", "worker"])
def test_killed_at_any_time_it_comes_to_the_same(who, round, beginning, expected, request):
    """kill -9 at ten random times each: of the parent, again and again and then resumed; of workers, who are replaced."""
    rng = random.Random(f"{request.config.getoption('--seed')} {who} {round}")
    while True:
        run = beginning(rng.choice([1, 2, 3]) if who == "parent" else 2)
        run.until(beginning.path.exists)
        time.sleep(rng.random() * 2)
        if who == "worker":
            workers = sorted(filter(is_worker, run.members() - {run.pid}))
            if workers:
                os.kill(rng.choice(workers), signal.SIGKILL)
            found = json.loads(run.end()[0])
            break
        killed = run.process.poll() is None and rng.random() < 0.7
        if killed:
            os.kill(run.pid, signal.SIGKILL)
        output, _ = run.end()
        if not killed and run.process.returncode == 0:
            found = json.loads(output)
            break
    check_the_same(found, expected)


# --- Dask ---


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_dask_cluster_of_two_worker_processes_gives_what_one_search_gives():
    """A scheduler and two workers, each a process, over a connection; the gate sets IOPF_DASK, so that it runs there."""
    if not DASK:
        pytest.importorskip("distributed")
        pytest.skip("a cluster is started when IOPF_DASK is set: pip install iopf[dask]")
    from distributed import Client, LocalCluster

    one = explore(reporters(), strategy="dpor", budget=None)
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client, client.get_executor() as executor:
        result = explore(reporters(), strategy="dpor", budget=None, executor=executor, jobs=2)
    assert facts(one)[:4] == facts(result)[:4] and one.executions == result.executions
