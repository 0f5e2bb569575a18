# SPDX-License-Identifier: GPL-2.0-only
"""What the bench says of its own figures: in which state they were taken, which rounds count, and whether to trust them.

How long anything takes is not asked here.
"""

import argparse
import ctypes
import json
import math
import subprocess
import sys
from types import SimpleNamespace

import pytest

from iopf import _bench, _instructions, bench_table

OWNED, SHARED, APART = "owned", "shared", "apart"
EXPERIMENTS = tuple(_bench.experiments())


def rig(*args, **kwargs):
    """A small one."""
    return _bench.Rig(*args, devices=2, **kwargs)


# --- states ---


def regimes(lock, users, handle, group_lock):
    """What a rig says."""
    return {"lock": lock, "users": users, "handle": handle, "group_lock": group_lock}


@pytest.mark.threads
@pytest.mark.parametrize(
    ("state", "reached", "measured"),
    [
        ("owned", regimes(OWNED, OWNED, OWNED, OWNED), regimes(OWNED, OWNED, OWNED, OWNED)),
        ("worked", regimes(SHARED, SHARED, SHARED, OWNED), regimes(OWNED, APART, APART, OWNED)),
        ("shared", regimes(SHARED, APART, APART, SHARED), regimes(OWNED, APART, APART, OWNED)),
        ("worn", regimes(SHARED, SHARED, SHARED, SHARED), regimes(SHARED, SHARED, SHARED, SHARED)),
    ],
)
def test_a_rig_is_in_the_state_that_its_row_names(state, reached, measured):
    """
    On native the locks and counts of the device have lost their bias, or not; while one thread measures it gets them
    back, but for those that went to and fro too often.
    """
    with rig(state=state) as one:
        seen = [one.regimes()]
        one.groups(1000)
        one.groups(100, 8)
        one.flush(10)
        seen.append(one.regimes())
    assert [reached, measured] == seen


@pytest.mark.threads
def test_a_rig_is_in_its_state_whatever_rigs_there_were_before():
    """A thread that has used a hundred devices uses the next one as it did the first: what it has on record of those that are
    gone takes nothing from those that are there."""
    seen = []
    for _ in range(100):
        with rig(state="worked") as one:
            reached = one.regimes()
            one.groups(1000)
            seen.append((reached, one.regimes()))
    expected = regimes(SHARED, SHARED, SHARED, OWNED), regimes(OWNED, APART, APART, OWNED)
    assert [expected] * 100 == seen


@pytest.mark.threads
def test_a_second_thread_costs_the_bias():
    """The control: a rig that one thread has used is no longer so when two have."""
    with rig(state="owned") as one:
        before = one.regimes()["lock"]
        one.threads(64, 2, False)
        assert (OWNED, SHARED) == (before, one.regimes()["lock"])


def test_plain_knows_one_way_only():
    """Its locks and counts are the same for one thread and for many, in every state."""
    for state in _bench.STATES:
        with rig(runtime="plain", state=state) as one:
            assert {SHARED} == set(one.regimes().values())


def test_a_state_that_does_not_exist_is_refused():
    """And no rig is left."""
    with pytest.raises(ValueError):
        rig(state="used")


def test_every_item_has_a_row_for_each_state_that_users_meet():
    """A, B and flush in all of them, flush of a queue that has had works among them; what works answer in no other."""
    states = {}
    for experiment in _bench.experiments():
        states.setdefault((experiment.item, experiment.case), []).append(experiment.state)
    for key in (("A", "one-page group, inline"), ("B", "8-page group, per fault"), ("F", "idle flush")):
        assert list(_bench.STATES) == states[key]
    assert {("worked",)} == {tuple(found) for (item, _), found in states.items() if item == "C"}
    assert ["shared"] == states["D", "two threads, one device"]


THREADED = """
import ctypes
from iopf import _bench
single = ctypes.c_char.in_dll(ctypes.CDLL(None), "__libc_single_threaded")
before = single.value
with _bench.Rig(runtime={runtime!r}):
    print(before[0], single.value[0])
"""


@pytest.mark.parametrize("runtime", ["native", "plain"])
def test_nothing_is_measured_before_the_process_has_had_a_second_thread(runtime):
    """glibc leaves atomics out of its locks and its allocator until then; it says so in __libc_single_threaded."""
    if not hasattr(ctypes.CDLL(None), "__libc_single_threaded"):
        pytest.skip("this C library does not say")
    code = THREADED.format(runtime=runtime)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "1 0\n" == done.stdout


# --- rounds that count ---


def thread(wall=1_000_000, cpu=1_000_000, slept=0, preempted=0, waited=0):
    """What a thread used in a round."""
    return SimpleNamespace(wall_ns=wall, cpu_ns=cpu, slept=slept, preempted=preempted, waited_ns=waited)


@pytest.mark.parametrize(
    ("counts", "ns", "overlap", "threads"),
    [
        (True, 1_000_000, 1_000_000, [thread(), thread()]),
        (True, 1_000_000, 950_000, [thread(), thread(950_000, 940_000)]),
        (True, 1_000_000, 1_000_000, [thread(cpu=300_000, slept=10, waited=90_000), thread()]),  # it slept for a lock
        (True, 1_000_000, 1_000_000, [thread(cpu=100_000, slept=1), thread()]),  # for long: that is the lock's way
        (True, 1_000_000, 1_000_000, [thread(cpu=980_000, slept=3, waited=_bench.UNKNOWN), thread()]),
        (True, 1_000_000, 1_000_000, [thread()]),
        (False, 1_000_000, 800_000, [thread(), thread(800_000, 800_000)]),  # one came late
        (False, 2_000_000, 0, [thread(), thread()]),  # one after the other
        (False, 1_000_000, 1_000_000, [thread(preempted=1), thread()]),
        (False, 1_000_000, 1_000_000, [thread(), thread(preempted=1)]),
        (False, 1_000_000, 1_000_000, [thread(cpu=900_000), thread()]),  # the hypervisor took it away
        (False, 1_000_000, 1_000_000, [thread(cpu=500_000, slept=1, waited=400_000), thread()]),  # woken, and no CPU
        (False, 1_000_000, 1_000_000, [thread(cpu=500_000, slept=90), thread(cpu=500_000, slept=90)]),  # one CPU's time
        (False, 1_000_000, 1_000_000, [thread(cpu=100_000, slept=1, waited=_bench.UNKNOWN), thread()]),
        (False, 1_000_000, 1_000_000, [thread(cpu=900_000)]),
        (False, 0, 0, [thread(0, 0), thread(0, 0)]),
    ],
)
def test_a_round_counts_when_its_threads_ran_at_the_same_time(counts, ns, overlap, threads):
    """By when they began and ended, by their CPU time, by whether they lacked a CPU; not by how long a lock took."""
    assert counts == _bench.ran_together(ns, overlap, threads)


PINNED = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from iopf import _bench
for core, runtime in (("iopf", "native"), ("iopf", "plain"), ("v7.2", "plain")):
    with _bench.Rig(core, runtime, state="worked") as rig:
        rounds = [measure() for _ in range(20) for measure in (
            lambda: rig.threads(2000, 2, False), lambda: rig.threads(2000, 2, True), lambda: rig.sustained(2000))]
        print(sum(not isinstance(ns, _bench.Apart) for ns in rounds), all(ns > 0 for ns in rounds))
"""


def test_on_one_cpu_no_round_counts():
    """The filter's control: two threads that have one CPU between them get everything done, and never at the same time."""
    done = subprocess.run([sys.executable, "-c", PINNED], capture_output=True, text=True, check=True)
    assert "0 True\n" * 3 == done.stdout


def test_a_round_that_does_not_count_has_no_figure():
    """Neither for a fastest round nor for a median; the others have."""
    comparison = _bench.Comparison({"one": [], "two": []})
    for ns in (5.0, _bench.Apart(1.0), 7.0):
        comparison.add("one", ns)
    comparison.add("two", _bench.Apart(1.0))
    assert (5.0, 6.0) == (comparison.fastest("one"), comparison.median("one"))
    assert math.isnan(comparison.fastest("two")) and math.isnan(comparison.ratio("two"))
    assert (0, {"one": 3, "two": 1}) == (comparison.fewest(), comparison.tried)
    assert 2 == comparison.as_info()["one rounds that count"]


# --- noise ---

QUIET = [1.0, 1.01, 1.02] * 10


@pytest.mark.parametrize(
    ("spins", "steal", "load", "reason"),
    [
        (QUIET, 0.0, 0.1, None),
        ([*QUIET, 2.0], 0.001, 0.9, None),
        (QUIET + [1.5] * 5, 0.0, 0.1, "5 of 35 reference spins"),
        (QUIET[:9], 0.0, 0.1, "9 reference spins, too few"),
        ([], 0.0, 0.1, "0 reference spins, too few"),
        (QUIET, 0.02, 0.1, "2.0% of the CPUs' time went to other machines"),
        (QUIET, 0.0, 3.0, "the load average was 3.00 on 2 CPUs"),
    ],
)
def test_a_run_on_a_machine_that_does_other_things_is_not_trusted(spins, steal, load, reason):
    """Each sign of it is a reason by itself; a quiet machine gives none."""
    reasons = _bench.judge(spins, steal, load, 2)["reasons"]
    assert (0 if reason is None else 1) == len(reasons)
    assert reason is None or reasons[0].startswith(reason)


@pytest.mark.parametrize(
    ("handoffs", "shares", "reason"),
    [
        ([45.0] * 20, [45.0, 45.0, 45.0], None),
        ([45.0] * 19 + [215.0], [45.0, 45.0, 45.0], None),
        ([45.0] * 12 + [215.0] * 8, [45.0, 45.0, 215.0], "a cache line took 45 ns from CPU to CPU at one time and 215"),
        ([], None, None),
    ],
    ids=["near", "one far", "moved", "one CPU"],
)
def test_a_run_whose_cpus_were_moved_is_not_trusted(handoffs, shares, reason):
    """What a cache line takes from one CPU to the other is shown; near at one time and far at another, it is a reason."""
    report = _bench.judge(QUIET, 0.0, 0.1, 2, handoffs)
    assert shares == report["handoff_ns"]
    assert ([reason] if reason else []) == [text[: len(reason)] for text in report["reasons"]]


def test_an_experiment_during_which_the_cpus_were_far_apart_is_named():
    """Once, and only one whose threads meet: the others have nothing in common."""
    row = {"item": "C", "case": "window", "threads": 2, "handoff_ns": 212.0}
    others = [{**row, "handoff_ns": 31.0}, {**row, "threads": 1}, {**row, "handoff_ns": None}]
    found = bench_table._moved([row, row, *others], [26.0, 30.0, 45.0])
    assert ["a cache line took 212 ns from CPU to CPU, and not 30, during C window"] == found
    assert [] == bench_table._moved([row], None)


@pytest.mark.skipif(_bench.cpus() < 2, reason="needs two CPUs")
def test_a_cache_line_takes_longer_than_what_touches_none():
    """The way to the other CPU and back, against a multiplication and an addition."""
    noise = _bench.Noise()
    for _ in range(10):
        noise.spin()
    assert min(noise.handoffs) > 3 * min(noise.spins) > 0


def test_noise_is_measured():
    """Spins take time, ticks go on, and the report counts what it got."""
    noise = _bench.Noise()
    for _ in range(12):
        noise.spin()
    report = noise.report()
    assert (12, True, _bench.cpus()) == (report["spins"], report["spin_ns"] > 0, report["cpus"])
    steal, ticks = _bench.read_ticks()
    assert 0 <= steal <= ticks


def test_the_prices_of_the_baseline_are_measured():
    """A pair of each piece, and the same without a runtime."""
    prices = _bench.prices(rounds=1, n=100)
    assert {"allocation", "mutex", "refcount", "rcu", "calloc", "pthread_mutex", "atomic"} == set(prices)
    assert all(ns > 0 for ns in prices.values())


# --- the table ---


def few_experiments():
    """A in every state, and threads that never meet."""
    for state in _bench.STATES:
        yield _bench.Experiment("A", "one-page group, inline", lambda s, n: s.groups(n), (50, 50), (2, 2), state)
    yield _bench.Experiment(
        "D", "two threads, one device", lambda s, n: _bench.Apart(s.groups(n)), (50, 50), (2, 2), "shared", threads=2
    )


@pytest.fixture
def bench(monkeypatch, capsys):
    """The command over a few small experiments: its exit code and what it printed."""
    monkeypatch.setattr(_bench, "experiments", few_experiments)
    monkeypatch.setattr(_bench, "cpus", lambda: 2)

    def run(*options):
        parser = argparse.ArgumentParser()
        bench_table.add_arguments(parser)
        status = bench_table.main(parser.parse_args(options))
        return status, capsys.readouterr().out

    return run


def test_the_json_has_a_row_for_each_state_and_baseline(bench):
    """ratio = baseline_ns / ns; a parallel row none of whose rounds counts has no figure, and says so."""
    status, out = bench("--json")
    result = json.loads(out)
    assert (0, bool) == (status, type(result["trusted"]))
    assert {"machine", "trusted", "noise", "rows", "prices", "floor_ns", "skipped"} == set(result)
    timed = [row for row in result["rows"] if row["item"] == "A"]
    assert [(s, b) for s in _bench.STATES for b in ("plain", "stock")] == [(r["state"], r["baseline"]) for r in timed]
    for row in timed:
        assert ("iopf", "native", 4, 4) == (row["core"], row["runtime"], row["rounds"], row["baseline_rounds"])
        assert row["baseline_ns"] / row["ns"] == pytest.approx(row["ratio"], rel=0.01)
    for row in result["rows"][len(timed) :]:
        assert ("D", None, None, None, 0) == tuple(row[k] for k in ("item", "ns", "baseline_ns", "ratio", "rounds"))
        assert row["rounds_tried"] == 4 * _bench.MORE_ROUNDS
    assert {None} == {row["instructions"] for row in result["rows"]}


def test_the_text_says_in_which_state_and_what_does_not_count(bench):
    """One line for each experiment, the baseline's prices, and whether to trust it."""
    status, out = bench("--quick")
    lines = out.splitlines()
    assert status == 0
    assert [["A", state] for state in _bench.STATES] == [
        [line.split()[0], next(s for s in _bench.STATES if f" {s} " in line)]
        for line in lines
        if line.startswith("A  ")
    ]
    assert next(line for line in lines if line.startswith("D  ")).endswith(f"no round in which both ran, of {4 * 5}")
    assert any(line.startswith("A pair each on the baseline's runtime: ") for line in lines)
    assert any(line.startswith("NOT TO BE TRUSTED (") and "--quick is a look" in line for line in lines)


def test_a_run_is_marked_by_what_its_noise_says(bench, monkeypatch):
    """trusted is true where there is no reason against it, and false where there is one."""
    for spins, trusted in ((QUIET, True), (QUIET + [1.5] * 20, False)):
        monkeypatch.setattr(_bench.Noise, "report", lambda self, spins=spins: _bench.judge(spins, 0.0, 0.0, 2))
        assert trusted == json.loads(bench("--json")[1])["trusted"]
        assert ("Trusted: " if trusted else "NOT TO BE TRUSTED (") in bench()[1]


def test_instructions_come_with_the_option_alone(bench, monkeypatch):
    """Counted for each state of A and B; without valgrind one line says what to install."""
    monkeypatch.setattr(_instructions, "available", lambda: True)
    monkeypatch.setattr(
        _instructions, "per_fault", lambda item, core, runtime, state: 100.0 + _bench.STATES.index(state)
    )
    rows = json.loads(bench("--json", "--instructions")[1])["rows"]
    assert [100, 100, 101, 101, 102, 102, 103, 103, None, None] == [row["instructions"] for row in rows]
    monkeypatch.setattr(_instructions, "available", lambda: False)
    assert (2, "") == bench("--instructions")


def test_callgrind_is_read_by_function():
    """Names are abbreviated after the first time, and what a callee cost is not its caller's."""
    text = "fn=(1) loop\n10 5\n+1 7\ncfn=(2) callee\ncalls=1 20\n+1 100\nfn=(2)\n20 100\nfn=(1)\n* 3\n"
    assert {"loop": 15, "callee": 100} == _instructions.by_function(text)


def test_a_form_whose_works_answer_has_no_rows_of_handlers_that_do(monkeypatch, capsys):
    """v5.14 has no handler in the reporter: A would time the queueing alone, and is left out with that reason."""
    monkeypatch.setattr(_bench, "experiments", lambda: (e for e in EXPERIMENTS if e.item in "AF"))
    monkeypatch.setattr(_bench, "prices", lambda: None)
    parser = argparse.ArgumentParser()
    bench_table.add_arguments(parser)
    assert 0 == bench_table.main(parser.parse_args(["--json", "--quick", "--core", "v5.14"]))
    result = json.loads(capsys.readouterr().out)
    assert {"F"} == {row["item"] for row in result["rows"]}
    assert "A one-page group, inline: in this form a work answers every group" in result["skipped"]
