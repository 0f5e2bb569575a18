# SPDX-License-Identifier: GPL-2.0-only
"""A failure as a test to paste: what it says builds the scenario, fails on the core, and passes on one that is right."""

import subprocess
import sys

import pytest

from iopf.explore import Scenario, as_test, explore, library, programs
from iopf.explore._as_test import as_python


def built(scenario):
    """The scenario that the text builds."""
    names = {"Scenario": Scenario}
    exec("\n".join(as_python(scenario)), names)
    return names["s"]


@pytest.mark.parametrize("name", library.scenario_names())
def test_the_text_of_every_scenario_builds_it(name):
    """Whatever operations come later: equal, and not only alike."""
    scenario = library.find_scenario(name)
    again = built(scenario)
    assert again == scenario and again.to_dict() == scenario.to_dict()


def test_a_program_is_written_as_its_data():
    """Low-level programs have no names for what they do."""
    program = programs.rcget(2)
    assert built(program).to_dict() == program.to_dict()


def run(tmp_path, text):
    (tmp_path / "test_it.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )


def test_pasted_it_fails_on_the_core_and_passes_on_one_that_is_right(tmp_path):
    """Both tests, the exploring one and the replaying one, in another process; with another core they pass."""
    failure = explore(library.find_scenario("remove-held-group"), core="v7.2").failure
    text = as_test(failure)
    assert failure.cause.split(" (step")[0] in " ".join(text.split()) and len(max(text.splitlines(), key=len)) < 2000
    red = run(tmp_path, text)
    assert 1 == red.returncode and "2 failed" in red.stdout, red.stdout
    green = run(tmp_path, text.replace("CORE = 'v7.2'", "CORE = 'iopf'"))
    assert 0 == green.returncode and "2 passed" in green.stdout, green.stdout


@pytest.mark.parametrize("name", ["3 reporters", "class", "explore", 'a """ quote \\', "Größe → ∞", "___", "# comment"])
def test_whatever_a_scenario_is_called_the_file_compiles_and_fails(name):
    """Names are for people: they come into comments, and as far as they can into those of functions."""
    data = library.find_scenario("remove-held-group").to_dict()
    failure = explore(Scenario.from_dict({**data, "name": name}), core="v7.2").failure
    names = {}
    exec(compile(as_test(failure), "test_it.py", "exec"), names)
    tests = [test for known, test in names.items() if known.startswith("test_")]
    assert 2 == len(tests)
    for test in tests:
        with pytest.raises(AssertionError):
            test()


def test_the_command_prints_it_and_runs_nothing(tmp_path):
    """From the token alone; a damaged one is refused."""
    token = explore(library.find_scenario("remove-held-group"), core="v7.2").failure.token
    command = [sys.executable, "-m", "iopf", "replay"]
    done = subprocess.run([*command, token, "--as-test"], capture_output=True, text=True, cwd=tmp_path)
    assert 0 == done.returncode and "def test_remove_held_group_has_no_late_response" in done.stdout
    compile(done.stdout, "test_it.py", "exec")
    refused = subprocess.run([*command, token[:-9], "--as-test"], capture_output=True, text=True, cwd=tmp_path)
    assert 2 == refused.returncode and not refused.stdout and "damaged" in refused.stderr
