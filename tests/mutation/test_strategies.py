# SPDX-License-Identifier: GPL-2.0-only
"""The table of strategies counts what it says."""

import importlib.util
import shutil

import pytest
import strategies
import targets
from test_score import sanitized

pytestmark = [
    pytest.mark.skipif(sanitized(), reason="a mutant has limits on its address space"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc"),
    pytest.mark.skipif(importlib.util.find_spec("iopf._explore") is None, reason="this build has no explorer"),
]
SCENARIOS = ("partial", "remove-queued-work")


@pytest.fixture
def few(monkeypatch):
    """Two scenarios, and seconds that end."""
    known = targets.library_scenarios()
    monkeypatch.setattr(strategies.State, "scenarios", {name: known[name] for name in SCENARIOS})
    monkeypatch.setattr(strategies.State, "seconds", 2.0)
    monkeypatch.setattr(strategies.State, "base", {})


def mutant(name):
    """The mutant of an id."""
    return next(each for each in targets.mutants_of(name.partition(":")[0]) if each.id == name)


def test_a_mutant_is_found_by_each_strategy_and_nothing_is_found_in_its_like(few):
    """A free that is forgotten: all find it, in a scenario that is named, and the table has a line for each. What is the
    same code twice is looked at once."""
    leaks = mutant("io-pgfault.c:iopf_free_group/drop/2")
    found = strategies.run([leaks, leaks], strategies.STRATEGIES, 1, 1)
    ((name, by),) = found
    assert leaks.id == name and set(by) == set(strategies.STRATEGIES)
    for ((seconds, executions, scenario, first),) in by.values():
        assert scenario in SCENARIOS and executions >= 1 and 0 < seconds and first >= 1
    text = strategies.report(found, strategies.STRATEGIES, 2.0)
    assert "1 mutants with code of their own; 1 are found" in text
    assert all(f"| {strategy} | 1 of 1 |" in text for strategy in strategies.STRATEGIES)
    assert "0 of these do not fail in the first execution" in text


@pytest.mark.parametrize("strategy", ["dpor", "pct"])
def test_the_unchanged_core_has_no_finding(few, strategy):
    """Whoever comes to the end of all scenarios ends; the others end with their seconds."""
    seconds, executions, scenario, first = strategies.first_finding(
        "iopf", strategies.State.scenarios, {}, strategy, 0, 0.5
    )
    assert (None, 0) == (scenario, first) and executions > 0
    assert strategy != "dpor" or executions < 1000


def test_what_goes_wrong_in_a_search_is_no_row(few):
    """A search that raises is said, and not counted as one that found nothing."""
    with pytest.raises(RuntimeError, match="nonsense"):
        strategies.search(("/no/such/nonsense.so", "io-pgfault.c", "dpor", 0))


def test_a_mutant_that_fails_at_once_is_no_matter_of_strategy():
    """The second table is of those that take a preemption in each search that begins without."""
    at_once, later, not_found = (0.1, 1, "a", 1), (0.1, 40, "a", 7), (5.0, 900, None, 0)
    assert not strategies._takes_a_preemption({"dpor": [at_once], "pct": [later]})
    assert strategies._takes_a_preemption({"dpor": [later], "bound": [not_found], "random": [at_once]})
