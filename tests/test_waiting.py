# SPDX-License-Identifier: GPL-2.0-only
"""Tests wait for states and never for time: what a test says about time is found in its text, and refused.

Refused are: to sleep, to assert on a clock or on a figure that one made, and to wait for what must happen with less
patience than PATIENCE seconds. The fixtures ``eventually``, ``moment``, ``in_some_round`` and ``session`` are for what a
test may want instead. What is allowed is listed here, with the reason why no machine, however slow or fast, makes it
fail.
"""

import ast
import importlib.util
import re
import textwrap
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PATIENCE = 20

CLOCKS = {"time", "monotonic", "perf_counter", "process_time", "monotonic_ns", "perf_counter_ns", "time_ns", "times"}
WAITS = {"timeout", "join", "wait", "result", "get", "acquire"}

#: Attributes of results that a clock made.
MEASURED = {"seconds", "reset_ns"}

SHORT = "only for what must not happen, or to come first mostly: it fails on no machine"
LEAST = "at least so long, which no machine falls short of"

#: "file::function": why. A program in a string counts with the function that it is in.
ALLOWED = {
    "sessions.py::eventually": "how states are waited for",
    "sessions.py::in_some_round": "round after round until one is good, with PATIENCE",
    "primitives/conftest.py::eventually": "how states are waited for",
    "primitives/conftest.py::moment": SHORT,
    "primitives/test_workqueue.py::test_waiting_for_idle_takes_no_longer_than_it_may": LEAST,
    "explore/test_search.py::test_budgets_end_a_search_without_a_pass": LEAST,
    "test_check.py::test_the_whole_table_takes_less_than_a_minute_and_ours_passes_everywhere": "processor time, forty times what it takes",
    "test_lifecycle.py::test_a_queue_that_is_dropped_with_a_work_that_blocks_is_closed_when_it_is_back": LEAST,
    "test_lifecycle.py::test_with_a_work_that_never_ends_does_not_hang": LEAST,
    "test_lifecycle.py::test_with_works_in_flight": SHORT,
    "test_lifecycle.py::test_with_a_daemon_thread_that_closes_does_not_hang": SHORT,
    "test_lifecycle.py::test_with_a_daemon_thread_that_reports": SHORT,
    "test_import.py::test_a_fork_waits_for_another_threads_first_use": SHORT,
    "test_cli.py::test_record_counts_accesses_over_the_boundaries_of_pieces": SHORT,
    "test_plots.py::test_the_latencies_of_a_run_are_those_of_its_groups": "one figure in two places, whatever it is",
    "test_ending.py::<module>": "a program that never ends of itself",
    "test_lifecycle.py::test_close_waits_for_works_and_their_answers_are_late": SHORT,
    "test_stress.py::respond": "noise",
    "test_handlers.py::test_a_work_that_blocks_holds_up_flush_until_it_answers": SHORT,
    "test_stress.py::come_and_go": "noise",
    "explore/test_jobs.py::test_killed_at_any_time_it_comes_to_the_same": "a random time is what it is about, and any will do",
    "mutation/native_mutants.py::_test": "no test: a mutant whose tests say nothing for minutes hangs",
}


def _name(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _of_clock(node, known):
    """Does an expression depend on a clock?"""
    return any(
        (
            isinstance(part, ast.Call)
            and _name(part) in CLOCKS
            and not part.args
            and not isinstance(getattr(part.func, "value", None), ast.Call)
        )
        or (isinstance(part, ast.Attribute) and part.attr in MEASURED)
        or (isinstance(part, ast.Name) and part.id in known)
        for part in ast.walk(node)
    )


def _tainted(function):
    """Names of a function that get their value from a clock."""
    known = set()
    while True:
        before = len(known)
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and _of_clock(node.value, known):
                known |= {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
            elif isinstance(node, ast.Call) and _name(node) == "append" and any(_of_clock(a, known) for a in node.args):
                known |= {part.id for part in ast.walk(node.func) if isinstance(part, ast.Name)}
        if len(known) == before:
            return known


def _faults(node, known):
    """What one node says about time."""
    if isinstance(node, ast.Assert) and _of_clock(node.test, known):
        yield "asserts on a clock"
    if isinstance(node, ast.Call):
        if _name(node) == "sleep":
            yield "sleeps"
        given = [word.value for word in node.keywords if word.arg == "timeout"]
        if _name(node) in WAITS and len(node.args) == 1:
            given += node.args
        for value in given:
            if isinstance(value, ast.Constant) and type(value.value) in (int, float) and value.value < PATIENCE:
                yield f"has only {value.value} s of patience"
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\bsleep\(", node.value):
        yield "has a program that sleeps"


def faults(source):
    """(function, what) for everything that the text of a module says about time; the innermost function counts."""
    found = set()

    def walk(node, function, known):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function, known = node.name, known | _tainted(node)
        found.update((function, what) for what in _faults(node, known))
        for child in ast.iter_child_nodes(node):
            walk(child, function, known)

    walk(ast.parse(textwrap.dedent(source)), "<module>", set())
    return found


def modules():
    return [path for path in sorted(TESTS.rglob("*.py")) if path != Path(__file__).resolve()]


def test_no_test_depends_on_time():
    """None but those that are listed; whoever adds one finds here what to use instead."""
    found = {
        (f"{path.relative_to(TESTS)}::{function}", what)
        for path in modules()
        for function, what in faults(path.read_text())
    }
    assert [] == sorted(f"{where} {what}" for where, what in found if where not in ALLOWED)


def test_what_is_allowed_is_there():
    """An entry whose reason has gone is removed."""
    found = {f"{path.relative_to(TESTS)}::{function}" for path in modules() for function, _ in faults(path.read_text())}
    assert set() == ALLOWED.keys() - found


@pytest.mark.parametrize(
    "text",
    [
        "time.sleep(0.1)",
        "sleep(1)",
        "assert time.monotonic() - begin < 5",
        "took = time.perf_counter() - begin\n    assert took < 5",
        "a = time.time()\n    b = a - 1\n    assert b < 3",
        "took = []\n    took.append(time.monotonic())\n    assert max(took) < 1",
        "result = explore(s)\n    assert result.seconds < 2",
        "ns = result.reset_ns\n    assert ns < 1000",
        "thread.join(5)",
        "event.wait(timeout=1)",
        "subprocess.run(command, timeout=10)",
        "future.result(2.5)",
        'run("import time\\ntime.sleep(1)")',
        'run(f"{x}; sleep(1)")',
        "def inner():\n        time.sleep(1)",
    ],
)
def test_what_depends_on_time_is_found(text):
    """The negative control: each kind, in a test that is none."""
    assert faults(f"def test_it():\n    {text}\n")


@pytest.mark.parametrize(
    "text",
    [
        "eventually(lambda: path.exists())",
        "moment(0.1)",
        "in_some_round(measure, 0.1)",
        "thread.join(PATIENCE)",
        "future.result(60)",
        "thread.join()",
        "subprocess.run(command, timeout=120)",
        "begin = time.monotonic()\n    assert found",
        '", ".join(names)',
    ],
)
def test_what_does_not_is_not(text):
    """What tests use instead."""
    assert set() == faults(f"def test_it():\n    {text}\n")


def test_what_touches_processes_is_told_by_what_a_test_names(tmp_path):
    """A function of the module that it calls, however far away, counts; what another test has inside of itself does not."""
    spec = importlib.util.spec_from_file_location("iopf_test_kinds", TESTS / "kinds.py")
    kinds = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kinds)
    path = tmp_path / "test_it.py"
    path.write_text(
        "def near():\n    far()\n\ndef far():\n    os.kill(1, 2)\n\ndef test_far():\n    near()\n\n"
        "def test_itself():\n    def flush():\n        os.kill(1, 2)\n    flush()\n\ndef test_other(q):\n    q.flush()\n\n"
        "class TestClass:\n    def test_class(self):\n        near()\n"
    )
    found = {name: kinds.touches_processes(str(path), f"test_{name}") for name in ("far", "itself", "other", "class")}
    assert {"far": True, "itself": True, "other": False, "class": True} == found
