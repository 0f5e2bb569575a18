# SPDX-License-Identifier: GPL-2.0-only
"""The reviewed design passes: every interleaving of these races, executed, and none fails."""

import core_scenarios as sc
import pytest

from iopf.explore import Scenario, explore

CLEAN = (
    sc.work_against_removal, sc.two_reporters_against_removal, sc.flush_then_removal, sc.flush_beside_removal,
    sc.late_response_after_readding, sc.discard_against_partials, sc.partials_against_removal, sc.free_with_work_pending,
    sc.no_memory_against_removal, sc.refusal_against_removal, sc.detach_against_report, sc.add_against_report,
    sc.add_against_removal, sc.inline_against_removal, sc.held_against_removal, sc.removal_then_report,
    sc.partial_and_last, sc.partial_without_memory, sc.refusal_alone, sc.last_device_reference, sc.second_removal,
    sc.add_beside_removal_then_flush, sc.add_beside_removal_then_report, sc.add_and_removal_beside_report,
    sc.readding_and_report_beside_removal, sc.two_adds_beside_a_removal, sc.attach_beside_detach,
)  # fmt: skip


@pytest.mark.parametrize("scenario", CLEAN, ids=[scenario.__name__ for scenario in CLEAN])
def test_the_default_core_passes_exhaustively(scenario):
    """Complete, and nothing fails, whether the driver keeps its contract or not."""
    result = explore(scenario(), strategy="dpor", budget=300)
    assert ("pass", None) == (result.verdict, result.failure), result.failure or result
    assert result.executions == result.classes >= 1


def test_three_reporters_and_a_removal_pass():
    """The large one, by the strategy that is the default: exhaustively, in no more executions than half a minute has on
    any machine of today."""
    result = explore(sc.three_reporters_against_removal(), budget=1000)
    assert ("pass", True) == (result.verdict, result.exhausted), result
    assert result.executions < 250_000


def test_the_answers_of_a_race_are_those_that_the_design_allows():
    """A group that a removal races is answered exactly once: SUCCESS or INVALID, never both, never none."""
    result = explore(sc.work_against_removal(), strategy="dpor")
    answers = {outcome.responses for outcome in result.outcomes}
    assert all(1 == len(responses) for responses in answers), answers
    text = " ".join(response for responses in answers for response in responses)
    assert "success" in text and "invalid" in text and "failure" not in text


def test_bounded_search_agrees_with_the_exhaustive_one():
    """Every preemption bound up to 2 finds as little."""
    result = explore(sc.refusal_against_removal(), strategy="bound", bound=2, budget=300)
    assert "pass" == result.verdict or ("bounded", 2) == (result.verdict, result.bound), result


def test_reporters_that_are_identical_are_explored_once():
    """Symmetry does not change the verdict."""
    s = Scenario("identical reporters")
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    s.tasks("irq", 2).report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    whole, reduced = explore(s, strategy="dpor", symmetry=False), explore(s, strategy="dpor")
    assert "pass" == whole.verdict == reduced.verdict
    assert reduced.executions < whole.executions
