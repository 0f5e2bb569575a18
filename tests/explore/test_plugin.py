# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin: fixtures, options, and the trace of a test that fails, in its own section."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

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
    section = text[text.index("iopf: the execution that fails") :]
    for part in ("on core v6.14", "irq", "teardown", "iopf replay iopf2."):
        assert part in section


def test_several_cores_run_every_test_that_depends_on_one(run):
    """--iopf-core twice: each core is a parameter."""
    result = run("--iopf-core", "iopf", "--iopf-core", "v6.14", "-v")
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(["*test_check?iopf? PASSED*", "*test_check?v6.14? FAILED*"])


def test_a_token_replaces_the_search_of_its_scenario(run):
    """--iopf-replay: the one execution; searches of other scenarios are skipped. A run in which none was the token's is no
    pass, on workers of pytest-xdist neither."""
    text = run("--iopf-core", "v6.14", "-k", "check").stdout.str()
    token = next(line for line in text.splitlines() if "iopf replay iopf2." in line).split()[-1]
    for core in (["--iopf-core", "v7.2"], []):
        # The token's core, whatever else is said: a skip would look like a pass.
        result = run(*core, "--iopf-replay", token)
        result.assert_outcomes(failed=1, skipped=1, passed=1)
        result.stdout.fnmatch_lines(["*iopf: the execution that fails*", "*on core v6.14*"])
    result = run("--iopf-replay", token, "-k", "other or core")
    result.assert_outcomes(skipped=1, passed=1)
    assert 1 == result.ret
    result.stdout.fnmatch_lines(["*iopf: nothing was replayed*", "No test that ran explores the scenario*"])
    if importlib.util.find_spec("xdist") is not None:
        run("-p", "xdist", "-n", "1", "--iopf-replay", token, "-k", "check").assert_outcomes(failed=1)
        assert 1 == run("-p", "xdist", "-n", "1", "--iopf-replay", token, "-k", "core").ret


def test_a_token_of_a_file_finds_it_or_asks_for_it(run, pytester, monkeypatch):
    """--iopf-core FILE explores a kernel file. Its token replays without the option while the file is what it was; when
    it has changed, the test fails with a sentence, and with the option it runs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(pytester.path / "cache"))
    file = pytester.path / "mine.c"
    shutil.copy(Path(__file__).resolve().parents[1] / "kernel_files" / "form-h.c", file)
    text = run("--iopf-core", str(file), "-k", "check").stdout.str()
    token = next(word for word in text.split() if word.startswith("iopf2."))
    for core in (["--iopf-core", str(file)], []):
        result = run(*core, "--iopf-replay", token, "-k", "check")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*iopf: the execution that fails*", "*on core mine.c*"])
    file.write_text(file.read_text() + "\n")
    result = run("--iopf-replay", token, "-k", "check")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*mine.c, which has changed since: name the file with --iopf-core FILE*"])
    result = run("--iopf-core", str(file), "--iopf-replay", token, "-k", "check")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*iopf: the execution that fails*"])


def test_the_budget_is_heard(run, pytester):
    """A search that cannot end is cut off, and is no pass."""
    pytester.makepyfile(
        "from iopf.explore.programs import rcget\n"
        "def test_large(explore):\n"
        "    result = explore(rcget(7), strategy='naive')\n"
        "    assert result.seconds < 5 and not result.exhausted\n"
        "    assert explore.results == [result] and 'iopf' in repr(explore)\n"
        "    result.check(result.verdict)\n"
    )
    run("--iopf-budget", "0.2").assert_outcomes(passed=1)


def test_a_search_without_a_verdict_fails_the_test(run, pytester):
    """ "No failure was found" passes on a search that was cut off, and on one that never began: the plugin fails such a
    test. What was accepted, by check() or on the command line, is no failure; nor is a test that fails by itself."""
    pytester.makepyfile(
        "from iopf.explore.programs import rcget\n"
        "def test_sampled(explore):\n"
        "    assert explore(rcget(7), strategy='random', max_executions=50).failure is None\n"
        "def test_nothing(explore):\n"
        "    assert explore(rcget(2), budget=1e-9).failure is None\n"
        "def test_accepted(explore):\n"
        "    explore(rcget(7), strategy='random', max_executions=50).check('sampled')\n"
        "def test_found(explore):\n"
        "    assert explore(rcget(2, bug=True)).verdict == 'fail'\n"
    )
    result = run()
    result.assert_outcomes(failed=2, passed=2)
    result.stdout.fnmatch_lines(["*these searches say nothing*sampled*", "*these searches say nothing*inconclusive*"])
    run("--iopf-accept", "sampled").assert_outcomes(failed=1, passed=3)


def test_the_plugin_loads_no_extension():
    """Whoever has iopf installed and runs other tests is not affected: neither speed nor coverage nor a broken build."""
    code = (
        "import sys\nimport iopf.pytest_plugin\n"
        "print(sorted(m for m in sys.modules if m in ('iopf._native', 'iopf._plain', 'iopf._explore')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()
