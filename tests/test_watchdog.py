# SPDX-License-Identifier: GPL-2.0-only
"""A core that loops without coming to a scheduling point: the explorer comes back, says where, and goes on.

None of these asserts on time. Where something has to come soon, it comes before the limit at which the watchdog ends the
execution: then there is no finding.
"""

import faulthandler
import importlib.util
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import iopf
from iopf.explore import Interrupted, Scenario, explore, replay

SPEC = importlib.util.spec_from_file_location("iopf_test_sessions", Path(__file__).with_name("sessions.py"))
sessions = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(sessions)

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGRTMAX"), reason="needs real-time signals")

#: In a task, in setup and in teardown.
PLACES = ("task", "setup", "teardown")
LOOPS = {
    # The compiler reads the flag once: a loop without any hook.
    "hoisted flag": "int *flag = &evt->fault.type, n = 0; while (*flag) n++;",
    "forever": "unsigned long n = 0; while (evt) n++;",
    # On the task's own stack, whose marked accesses are no points.
    "list that stays empty": "struct list_head l; INIT_LIST_HEAD(&l); while (list_empty(&l)) barrier();",
    "list in a cycle": "struct list_head a, b, *p; a.next = &b; b.next = &a; for (p = &a; p; p = p->next) barrier();",
    # Read again and again, with a hook each time.
    "flag": "int *flag = &evt->fault.type; while (*flag) barrier();",
}
TEXT = "livelock in iommu_report_device_fault: a loop that never comes to a scheduling point; contract kept"


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """``core(statement)``: a kernel file with that at the head of report; compiled once."""
    made = {}

    def core(statement, name="loops.c"):
        if (statement, name) not in made:
            path = tmp_path_factory.mktemp("core") / name
            made[statement, name] = iopf.Core.from_source(sessions.changed(path, statement))
        return made[statement, name]

    return core


def scenario(place="task"):
    """A report, there."""
    s = Scenario(f"report in {place}")
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    if place == "task":
        s.task("irq").report(dev, grpid=1, pasid=1)
        s.task("teardown").remove(queue, dev)
    else:
        s.task("flusher").flush(dev)
        getattr(s, place).report(dev, grpid=1, pasid=1)
    return s


@pytest.mark.parametrize(
    ("loop", "place"),
    [
        *((loop, "task") for loop in LOOPS),
        *((loop, place) for loop in ("hoisted flag", "flag") for place in PLACES[1:]),
    ],
)
def test_a_loop_without_a_point_is_a_livelock_with_its_place(core, loop, place):
    """Which task, which function, which file and line; one of them again by its token, and by a search that shrinks."""
    result = explore(scenario(place), core=core(LOOPS[loop]), strategy="dpor", estimate=False, shrink=False)
    failure = result.failure
    assert (result.verdict, failure.kind, TEXT) == ("fail", "livelock", failure.signature)
    assert ("loops.c", "iommu_report_device_fault") == (failure.place.file.rpartition("/")[2], failure.place.function)
    assert 0 < failure.place.line
    assert next(site.task for site in failure.sites if site.what == "here") == ("irq" if place == "task" else "main")
    if place == "task" and loop == "flag":
        assert failure.signature == replay(failure.token).failure.signature
        again = explore(scenario(place), core=core(LOOPS[loop])).failure
        assert failure.signature == again.signature == replay(again.token).failure.signature


def test_the_place_is_the_loop_and_not_what_it_calls(tmp_path):
    """Nearly all of the time the task is in the function that is called."""
    path = sessions.changed(tmp_path / "calls.c", "while (evt) turn(evt);")
    text = path.read_text()
    called = (
        "static noinline void turn(struct iopf_fault *e)\n{\n\tint i;\n\n\tfor (i = 0; i < 10000; i++)\n\t\tbarrier();\n"
        "\te->fault.prm.addr++;\n}\n\n"
    )
    start = text.index("int iommu_report_device_fault(")
    path.write_text(text[:start] + called + text[start:])
    assert TEXT == explore(scenario(), core=iopf.Core.from_source(path)).failure.signature


def test_an_honest_stretch_is_as_long_as_it_likes(core):
    """The negative control: put aside a few times, and taken up again where it was."""
    long = "unsigned long n; for (n = 0; n < 60000000; n++) barrier();"
    kept = explore(scenario(), core=core(long), max_executions=2, strategy="random", shrink=False)
    assert 2 == kept.executions and not [failure for failure in kept.failures if failure.kind == "livelock"]


@pytest.mark.parametrize("place", PLACES)
def test_the_budget_ends_a_search_in_the_middle_of_a_loop(core, place):
    """Before the watchdog would have: nothing is found, nothing was executed, and it is said."""
    result = explore(scenario(place), core=core(LOOPS["forever"]), budget=0.05)
    assert ("inconclusive", 0, None) == (result.verdict, result.executions, result.failure)
    assert "budget" in result.why


@pytest.mark.parametrize("place", PLACES)
def test_progress_and_ctrl_c_come_in_the_middle_of_a_loop(core, place):
    """With what was found, which is nothing: so early did it come."""
    seen = []

    def progress(p):
        seen.append(p)
        if len(seen) == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        explore(scenario(place), core=core(LOOPS["forever"]), budget=1000, progress=progress, progress_interval=0.02)
    result = caught.value.result
    assert (True, 0, None) == (result.interrupted, result.executions, result.failure)
    stopped = explore(scenario(place), core=core(LOOPS["forever"]), budget=1000, progress=lambda p: False)
    assert (True, 0, None) == (stopped.interrupted, stopped.executions, stopped.failure)


@pytest.mark.parametrize("strategy", ["auto", "dpor", "sleep"])
def test_the_search_goes_on_behind_a_livelock(core, strategy):
    """One task's report loops, the other's writes where nothing is: both are found, though the loop conflicts with nothing."""
    s = Scenario("two reports")
    dev = s.device(s.queue(), handler="sva", pasid=1)
    s.task("loops").lock("a").unlock("a").report(dev, grpid=1, pasid=1, addr=0x2000)
    s.task("faults").lock("b").unlock("b").report(dev, grpid=2, pasid=1, addr=0x3000)
    statement = (
        "unsigned long n = 0; if (evt->fault.prm.addr == 0x3000) *(int *)(unsigned long)(evt->fault.prm.addr - 0x2ff8) = 1;"
        " if (evt->fault.prm.addr == 0x2000) while (evt) n++;"
    )
    result = explore(s, core=core(statement), strategy=strategy, shrink=False)
    assert {"livelock", "bad-access"} == {failure.kind for failure in result.failures}


def test_memory_is_bounded(tmp_path):
    """Also of the history of an execution that loops over accesses: the peak of a process that searches and replays."""
    sessions.changed(tmp_path / "loops.c", LOOPS["flag"])
    code = (
        "import iopf\nfrom pathlib import Path\nfrom iopf.explore import Scenario, explore, replay\n"
        f"core = iopf.Core.from_source({str(tmp_path / 'loops.c')!r})\n"
        "s = Scenario('report'); d = s.device(s.queue(), handler='sva', pasid=1)\n"
        "s.task('irq').report(d, grpid=1, pasid=1)\n"
        "failure = explore(s, core=core).failure\nreplay(failure.token)\n"
        # Of this program: getrusage() also counts the one that started it, which may be large.
        "peak = next(line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith('VmHWM'))\n"
        "print(failure.kind, peak.split()[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    kind, peak = done.stdout.split()
    assert "livelock" == kind and int(peak) < 300 * 1024, peak


def test_the_users_signals_and_timers_are_untouched(core):
    """An interval timer that fires all the time, its handler, one for the signal that would be ours, faulthandler."""
    alarms, others = [], []
    faulthandler.enable()
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    old = signal.signal(signal.SIGALRM, lambda *_: alarms.append(1))
    signal.signal(signal.SIGRTMAX, lambda *_: others.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    try:
        during = {number: signal.getsignal(number) for number in signal.valid_signals()}
        result = explore(scenario(), core=core(LOOPS["forever"]))
        assert during == {number: signal.getsignal(number) for number in signal.valid_signals()}
        assert 0.005 == pytest.approx(signal.getitimer(signal.ITIMER_REAL)[1])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        signal.signal(signal.SIGRTMAX, signal.SIG_DFL)
    assert "livelock" == result.failure.kind and alarms and not others and faulthandler.is_enabled()
    assert before == {number: signal.getsignal(number) for number in signal.valid_signals()}


def test_searches_of_several_threads_each_come_back(core):
    """They take turns; the timer is that of the thread whose turn it is."""
    found, loops = [], core(LOOPS["forever"])
    threads = [
        threading.Thread(target=lambda: found.append(explore(scenario(), core=loops).failure.kind)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 3 * ["livelock"] == found
