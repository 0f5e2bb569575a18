# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin: fixtures, options, and the trace of a test that fails, in its own section."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from iopf.explore import explore

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
    for part in ("on core v6.14", "irq", "teardown", "pytest test_a_failing"):
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
    token = next(line for line in text.splitlines() if " --iopf-replay " in line).split()[-1]
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
    line = next(line for line in text.splitlines() if " --iopf-replay " in line)
    assert f" --iopf-core {file} --iopf-replay " in line
    token = line.split()[-1]
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
        "    assert not result.exhausted\n"
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


# --- a trace once, and the line that runs just this again ---

#: The same failure found twice in one test, in other ways by others; what is at hand: the failure of `scenario()` on v6.14.
MORE = (
    TESTS
    + """
import pytest
from iopf.explore import explore as search

def test_twice(explore):
    explore(scenario())
    explore(scenario()).check()

def test_two(explore):
    explore(scenario("first"))
    explore(scenario("second"))
    assert False, "by itself"

def test_printed(explore):
    result = explore(scenario())
    print(result.failure)
    assert result.verdict == "pass"

def test_message(explore):
    result = explore(scenario())
    assert result.failure is None, str(result.failure)

def test_without_the_fixture(iopf_core):
    search(scenario(), core=iopf_core).check()

def test_chained(explore):
    try:
        explore(scenario()).check()
    except AssertionError as error:
        raise RuntimeError("something else") from error

@pytest.mark.parametrize("name", ["remove races the work", "a name"])
def test_by_name(explore, name):
    explore(scenario(name)).check()

@pytest.fixture
def found(explore):
    explore(scenario()).check()

def test_in_a_fixture(found):
    pass
"""
)
#: A line that only a trace has.
ONLY_A_TRACE = "  required: "


@pytest.fixture
def more(run, pytester, monkeypatch):
    """Runs one of MORE on v6.14; failures are kept below the directory that it runs in."""
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("CI", "BUILD_NUMBER"):  # there pytest's own summary repeats each message whole
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("IOPF_FAILURES_DIR")
    (file,) = pytester.path.glob("test_*.py")
    file.write_text(MORE)

    def more(test, *arguments):
        result = run("--iopf-core", "v6.14", "-k", test, *arguments)
        assert 1 == result.ret
        return f"{result.stdout.str()}\n", f"{file.name}::"

    return more


def the_failure(name="remove races the work"):
    """What the tests of MORE find."""
    names = {}
    exec(TESTS, names)
    return explore(names["scenario"](name), core="v6.14").failure


@pytest.mark.parametrize(
    "arguments", [[], ["-x"], ["--tb=short"], ["--tb=long", "--show-capture=no"], ["-v", "--tb=native"]]
)
@pytest.mark.parametrize("test", ["test_check", "test_twice", "test_without_the_fixture"])
def test_a_trace_is_shown_once_with_the_line_that_runs_it_again(test, arguments, more):
    """As it is, to the letter: it ends with the test and --iopf-replay, or, where no fixture could replay it, with the
    command. What check() raised is one line of the report."""
    text, file = more(test, *arguments)
    failure = the_failure()
    command = f"pytest {file}{test} --iopf-core v6.14 --iopf-replay {failure.id}"
    if test == "test_without_the_fixture":
        command = f"iopf replay {failure.id}"
    trace = failure.render(width=100, command=command)
    assert 1 == text.count(f"{trace}\n") == text.count(ONLY_A_TRACE) == text.count(command)
    section = f" iopf: the execution that fails {'-' * 34}\n{trace}\n"
    assert section in text and failure.token not in text
    assert f"ExplorationFailed: {failure.about} (the trace is below)\n" in text


def test_the_line_runs_just_this_again(more, pytester, monkeypatch):
    """As it stands there, brackets and blanks of a parametrised test included: that test alone, which replays."""
    text, _ = more("test_by_name")
    lines = [line.strip() for line in text.splitlines() if " --iopf-replay " in line]
    assert 2 == len(lines)
    for line in lines:
        words = shlex.split(line)
        assert "pytest" == words[0] and "[" in words[1]
        result = pytester.runpytest_subprocess("-p", "iopf.pytest_plugin", *words[1:])
        result.assert_outcomes(failed=1)
        again = result.stdout.str()
        assert line in again and 1 == f"{again}\n".count(ONLY_A_TRACE)


def test_each_failure_of_a_test_has_its_trace(more):
    """Two searches that find different things: two traces, each with its own line."""
    text, _ = more("test_two")
    ids = [the_failure(name).id for name in ("first", "second")]
    assert 2 == text.count(ONLY_A_TRACE) and [1, 1] == [text.count(f"--iopf-replay {one}\n") for one in ids]


@pytest.mark.parametrize("test", ["test_printed", "test_message"])
def test_a_trace_that_the_test_shows_itself_is_not_shown_again(test, more):
    """In what it printed, or in the message of its assertion: the section has the line alone."""
    text, file = more(test)
    assert 1 == text.count(ONLY_A_TRACE)
    command = f"pytest {file}{test} --iopf-core v6.14 --iopf-replay {the_failure().id}\n"
    assert 1 == text.count(command) and "Its trace is in this report already." in text


def test_what_was_printed_and_is_not_shown_counts_for_nothing(more):
    """--show-capture=no hides it: then the section has the trace."""
    text, _ = more("test_printed", "--show-capture=no")
    assert 1 == text.count(ONLY_A_TRACE) and "already" not in text


@pytest.mark.parametrize("test", ["test_chained", "test_in_a_fixture"])
def test_a_trace_is_shown_once_wherever_check_raised(test, more):
    """As the cause of another exception, and in the set-up of a test."""
    text, file = more(test)
    assert 1 == text.count(ONLY_A_TRACE) == text.count(f"{file}{test} --iopf-core v6.14 --iopf-replay")
    assert "(the trace is below)" in text and the_failure().token not in text


def test_without_reports_the_lines_stand_at_the_end(more):
    """--tb=no shows no trace, and how to run each again, once; --tb=line is a report like any other."""
    text, file = more("test_check or test_twice", "--tb=no")
    assert ONLY_A_TRACE not in text and 1 == text.count("iopf: to run again what failed, each by itself")
    for test in ("test_check", "test_twice"):
        assert 1 == text.count(f"\npytest {file}{test} --iopf-core v6.14 --iopf-replay {the_failure().id}\n")
    text, _ = more("test_check", "--tb=line")
    assert 1 == text.count(f"--iopf-replay {the_failure().id}\n")


def test_workers_show_the_same(more):
    """With pytest-xdist, on two: each trace once, and the lines of --tb=no."""
    pytest.importorskip("xdist")
    text, file = more("test_check or test_twice", "-p", "xdist", "-n", "2")
    assert 2 == text.count(ONLY_A_TRACE)
    for test in ("test_check", "test_twice"):
        assert 1 == text.count(f"  pytest {file}{test} --iopf-core v6.14 --iopf-replay {the_failure().id}\n")
    text, file = more("test_check", "-p", "xdist", "-n", "2", "--tb=no")
    assert 1 == text.count(f"\npytest {file}test_check --iopf-core v6.14 --iopf-replay {the_failure().id}\n")


def test_the_token_is_shown_on_demand(more, pytester):
    """--iopf-long-token: in the line, and nothing is kept."""
    text, _ = more("test_check", "--iopf-long-token")
    assert f"--iopf-replay {the_failure().token}\n" in text and not (pytester.path / ".iopf").exists()
    more("test_check")
    assert (pytester.path / ".iopf" / "failures").is_dir()


def test_an_unknown_id_ends_the_run_at_once(run):
    """One line that says what to do; nothing is run."""
    result = run("--iopf-replay", "0123456789")
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*--iopf-replay: no failure 0123456789 is kept in*"])


def test_what_check_raises_is_left_as_it_was(run, pytester):
    """The report shortens what it shows: whoever looks at the exception afterwards has the whole trace."""
    pytester.makeconftest(
        "def pytest_exception_interact(call):\n    print('WHOLE', 'required: ' in str(call.excinfo.value))\n"
    )
    run("--iopf-core", "v6.14", "-k", "check", "-s").stdout.fnmatch_lines(["*WHOLE True*"])


# --- what is kept goes first ---

#: Two files, so that the one that fails is the last as they are collected.
FIRST = """
from test_last import scenario

def test_one(explore):
    explore(scenario("one")).check()

def test_two(explore):
    explore(scenario("two")).check()
"""
LAST = (
    TESTS
    + """
def test_failing(explore):
    result = explore(scenario(), max_executions=1, strategy="random", seed=2)
    print("said:", [str(one) for one in result.kept])
    result.check("sampled")
"""
)


@pytest.fixture
def project(run, pytester, monkeypatch):
    """Two files of tests, and no failures but its own."""
    monkeypatch.delenv("IOPF_FAILURES_DIR")
    pytester.makepyfile(test_first=FIRST, test_last=LAST)
    for path in pytester.path.glob("test_*.py"):
        if path.name not in ("test_first.py", "test_last.py"):  # run() made it
            path.unlink()
    return run


def order(result):
    """The tests in the order in which they ran."""
    return [line.split("::")[1].split()[0] for line in result.stdout.lines if "::test_" in line and "%" in line]


def test_what_failed_goes_first_and_is_tried_first(project, pytester):
    """The test of which a failure is kept runs before the others, which keep their order; its search tries the failure
    first, and so meets what it would have missed. --iopf-no-kept leaves both away. When it is mended, the test says so."""
    names = ["test_one", "test_two", "test_check", "test_other", "test_core", "test_failing"]
    assert names == order(project("-v", "--iopf-accept", "sampled"))
    project("--iopf-core", "v6.14", "-k", "test_check").assert_outcomes(failed=1)
    moved = ["test_check", "test_one", "test_two", "test_other", "test_core", "test_failing"]
    result = project("-v", "--iopf-accept", "sampled", "-rP")
    assert moved == order(result) and "said: []" in result.stdout.str()  # it is kept of another core
    assert names == order(project("-v", "--iopf-accept", "sampled", "--iopf-no-kept"))
    result = project("-v", "--iopf-core", "v6.14", "-k", "failing", "-s")
    result.assert_outcomes(failed=1)
    assert "said: ['still fails: " in result.stdout.str() and "(by its schedule)" in result.stdout.str()
    result.stdout.fnmatch_lines(["still fails: ?????????? (by its schedule)"])
    result = project("-v", "--iopf-core", "v6.14", "-k", "failing", "-s", "--iopf-no-kept")
    assert "said: []" in result.stdout.str()
    assert [moved[0], "test_failing"] == order(project("-v", "--iopf-core", "v6.14", "-k", "check or failing"))
    data = [path.read_text() for path in (pytester.path / ".iopf" / "failures").glob("*.json")]
    assert any("test_last.py::test_check" in text for text in data)


def test_workers_take_for_kept_what_the_session_began_with(project):
    """pytest-xdist wants the same tests in the same order of each worker: what is kept is looked at once."""
    if importlib.util.find_spec("xdist") is None:
        pytest.skip("needs pytest-xdist")
    project("--iopf-core", "v6.14", "-k", "test_check").assert_outcomes(failed=1)
    result = project("-p", "xdist", "-n", "2", "-v", "--iopf-accept", "sampled")
    result.assert_outcomes(passed=6)


def test_a_failure_that_is_kept_meanwhile_is_not_tried(project):
    """Two tests of one scenario and core, in one session: the second searches as it would alone."""
    result = project("-v", "--iopf-core", "v6.14", "-k", "check or failing", "-s")
    assert "said: []" in result.stdout.str()


def test_a_damaged_file_stops_no_session(project, pytester):
    """It is no failure that is kept; 'iopf failures' says what is wrong with it."""
    folder = pytester.path / ".iopf" / "failures"
    folder.mkdir(parents=True)
    (folder / f"{'0' * 32}.json").write_text("nonsense")
    project("-k", "test_check").assert_outcomes(passed=1)
