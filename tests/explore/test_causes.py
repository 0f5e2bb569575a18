# SPDX-License-Identifier: GPL-2.0-only
"""The sentence that says why, and the page that it is the head of: a reader's checklist, for every kind.

Looked at are the failures of the whole library on some cores, once for each kind and message, and bugs that no core has.
"""

import importlib.util
import re

import core_scenarios as sc
import mutants
import pytest

from iopf.explore import KINDS, Scenario, explore, library
from iopf.explore.causes import CLEAN_UP, REQUIRED, cause
from iopf.explore.loader import load
from iopf.explore.sources import source_line

#: A step that a text names.
NAMED = re.compile(r"\(step (\d+)\)|\bstep (\d+)\b")
#: A line of the page that is a step.
NUMBERED = re.compile(r"^ *(\d+)[> ] ", re.M)
#: Of these the sentence says more than who was at it.
TOLD = {
    "use-after-free", "data-race", "deadlock", "late-response", "lost-response", "double-response", "unexpected-return",
    "leak", "lock-order",
}  # fmt: skip


#: That have all the kinds between them.
CORES = ("v5.14", "lkml-v8", "track-group", "v6.9", "v7.2")


@pytest.fixture(scope="module")
def failures():
    """By kind and message, the first failure that the library shows on any core."""
    found = {}
    for core in CORES:
        for name in library.scenario_names():
            result = explore(
                library.find_scenario(name),
                core=core,
                strategy="dpor",
                estimate=False,
                max_executions=40,
                all_failures=True,
            )
            for failure in (*result.failures, *result.notes):
                found.setdefault((failure.kind, failure.message), failure)
    return list(found.values())


def named(text):
    return {int(one or other) for one, other in NAMED.findall(" ".join(text.split()))}


def test_every_kind_says_what_was_required():
    """None is forgotten that comes later."""
    assert {*KINDS, "explorer"} == set(REQUIRED)
    assert all(text == text.strip() and not text.endswith(".") for text in REQUIRED.values())


def test_what_the_library_shows_is_told_in_facts_that_the_page_has(failures):
    """The checklist: a sentence of its own for the kinds that have one; each step that it names has a line; what was
    required stands below; no line is behind the failure; and who cleans up is not called by the name of a task."""
    assert {failure.kind for failure in failures} >= TOLD
    for failure in failures:
        told, page = cause(failure), failure.render(width=118)
        head = page.partition("  in '")[0]
        assert failure.cause == told.text and told.text in " ".join(head.split()), page
        assert f"required: {failure.required}" in " ".join(head.split()), page
        if failure.kind in TOLD:
            assert "was at it" not in told.text and "it shows when" not in told.text, page
        steps = {int(number) for number in NUMBERED.findall(page.partition("To run exactly")[0])}
        assert named(told.text) == {index + 1 for index in told.steps} <= steps, page
        ends = [index + 1 for index, step in enumerate(failure.steps) if step.op == failure.kind]
        marked = {site.step + 1 for site in failure.sites if site.step is not None}
        pair = {index + 1 for index in failure.culprit or ()}
        assert not ends or max(steps) <= max({ends[-1]} | marked | named(told.text) | pair), page
        cleaned = [index for index, step in enumerate(failure.steps) if step.operation == CLEAN_UP]
        assert (
            not cleaned or min(cleaned) >= max(steps) or f"> {CLEAN_UP}" in page or not steps & {i + 1 for i in cleaned}
        )


def test_the_source_stands_under_what_the_failure_rests_on(failures):
    """The line of the place, found for built-in cores wherever the package is."""
    failure = next(failure for failure in failures if failure.kind == "late-response")
    answer = next(step for step in failure.steps if step.op == "response")
    text = source_line(answer.place)
    assert text and text[:20] in failure.render(width=118) and f"{answer.place.function}: " in failure.render(width=118)


def test_an_answer_is_not_left_to_the_clean_up():
    """Without its owner's answer the failure would show as well, when all is over and nobody sees who. So the trace keeps
    the owner."""
    failure = explore(library.find_scenario("remove-held-group"), core="v7.2").failure
    answer = next(step for step in failure.steps if step.op == "response")
    assert "owner" == answer.task and failure.cause.startswith("remove(queue0, dev0) by driver had returned (step ")
    assert "owner, in respond(dev0, grpid=1, pasid=1), answered" in failure.cause
    assert "remove returns" in failure.render(width=118)


#: Removal keeps the param's lock when it is done.
LOST_UNLOCK = mutants.mutant(
    "removal-keeps-the-lock",
    mutants.FAULT,
    sc.work_against_removal,
    "deadlock",
    (mutants.REMOVE_TAIL, mutants.REMOVE_TAIL.replace("\tmutex_unlock(&queue->lock);\n", "")),
)


def test_who_ended_with_a_lock_is_named_and_where_it_was_taken(tmp_path):
    """An unlock is lost. The one that waits is not to blame: the sentence names the one that is, and the step in which it
    took the lock."""
    core = load(
        mutants.compile_mutant(LOST_UNLOCK, tmp_path, importlib.util.find_spec("iopf._explore").origin),
        "iopf_core_iopf",
    )
    result = explore(sc.work_against_removal(), core=core, all_failures=True)
    failure = next(failure for failure in result.failures if failure.kind == "deadlock")
    assert re.search(
        r"waits for queue#1\.lock \(step \d+\); .*took it \(step \d+\) and came to its end", failure.cause
    ), failure.render(width=118)
    # Nobody has to wait for it: the lock alone is a failure, and its place is where it was taken.
    kept = next(failure for failure in result.failures if failure.kind == "warn")
    assert re.fullmatch(
        r"teardown, in remove\(queue0, dev0\), took queue#1\.lock \(step \d+\) and came to its end without letting it go",
        kept.cause,
    ), kept.render(width=118)
    assert "iopf_queue_remove_device" == kept.place.function and "mutex_lock(&queue->lock)" in source_line(kept.place)
    assert "whoever takes a lock lets go of it" == kept.required


def test_a_late_answer_is_late_for_its_own_device():
    """As it was found, before anything is left out, another device is removed in between: the sentence names the removal of
    the device that was answered for."""
    s = Scenario("two removals")
    queue = s.queue()
    first, second = s.device(queue, handler="held", pasid=1), s.device(queue, handler="held", pasid=1)
    s.setup.report(first, grpid=1, pasid=1)
    s.task("driver").remove(queue, first).remove(queue, second).respond(first, grpid=1, pasid=1)
    result = explore(s, core="v7.2", all_failures=True, strategy="dpor", shrink=False)
    failure = next(failure for failure in result.failures if failure.kind == "late-response")
    assert failure.cause.startswith("remove(queue0, dev0) by driver had returned (step "), failure.cause
