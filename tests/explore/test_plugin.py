# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin: fixtures, options, and the trace of a test that fails, in its own section."""

import os
import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

TESTS = """
from iopf.explore import Scenario

def scenario(name="remove races the work"):
    s = Scenario(name)
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s

def test_check(explore):
    explore(scenario()).check()

def test_other(explore):
    assert explore(scenario("another")).verdict == "pass"

def test_core(iopf_core):
    print("core is", iopf_core)
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs TESTS in a pytest of its own, with the plugin, and with no other that happens to be installed."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    pytester.makepyfile(TESTS)

    def run(*arguments):
        return pytester.runpytest_subprocess("-p", "iopf.pytest_plugin", *arguments)

    return run


def test_the_fixture_explores_the_default_core(run):
    """Without options: our core, and everything passes."""
    result = run("-rP")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*core is iopf*"])
    assert "the execution that fails" not in result.stdout.str()


def test_a_failing_test_shows_the_trace_in_a_section_of_its_own(run):
    """Below the report of the test, with the line to paste."""
    result = run("--iopf-core", "v6.14", "-k", "check")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    section = text[text.index("iopf: the execution that fails"):]
    for part in ("on core v6.14", "irq", "teardown", "iopf replay iopf1."):
        assert part in section


def test_several_cores_run_every_test_that_depends_on_one(run):
    """--iopf-core twice: each core is a parameter."""
    result = run("--iopf-core", "iopf", "--iopf-core", "v6.14", "-v")
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(["*test_check?iopf? PASSED*", "*test_check?v6.14? FAILED*"])


def test_a_token_replaces_the_search_of_its_scenario(run):
    """--iopf-replay: the one execution; searches of other scenarios are skipped."""
    text = run("--iopf-core", "v6.14", "-k", "check").stdout.str()
    token = next(line for line in text.splitlines() if "iopf replay iopf1." in line).split()[-1]
    result = run("--iopf-core", "v6.14", "--iopf-replay", token)
    result.assert_outcomes(failed=1, skipped=1, passed=1)
    result.stdout.fnmatch_lines(["*iopf: the execution that fails*"])


def test_the_budget_is_heard(run, pytester):
    """A search that cannot end is cut off, and is no pass."""
    pytester.makepyfile(
        "from iopf.explore.programs import rcget\n"
        "def test_large(explore):\n"
        "    result = explore(rcget(7), strategy='naive')\n"
        "    assert result.seconds < 5 and not result.exhausted\n"
        "    assert explore.results == [result] and 'iopf' in repr(explore)\n"
    )
    run("--iopf-budget", "0.2").assert_outcomes(passed=1)


def test_the_plugin_loads_no_extension():
    """Whoever has iopf installed and runs other tests is not affected: neither speed nor coverage nor a broken build."""
    code = (
        "import sys\nimport iopf.pytest_plugin\n"
        "print(sorted(m for m in sys.modules if m in ('iopf._native', 'iopf._plain', 'iopf._explore')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()
