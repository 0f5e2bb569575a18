# SPDX-License-Identifier: GPL-2.0-only
"""The trace as text: what a reader needs is there, in its place, and nothing depends on a terminal."""

import dataclasses
import io
import json

import pytest

from iopf.explore import ExplorationFailed, Failure, Site, Step
from iopf.explore.lines import Place
from iopf.explore.result import verdict_of
from iopf.explore.trace import wants_color

IRQ, TEARDOWN = 1, 2


def step(task, op, obj=None, *, held=0, values=None, point=True, preempted=0, line=100, operation=None, note=None):
    before, after = values or (None, None)
    return Step(
        task={IRQ: "irq", TEARDOWN: "teardown"}[task], column=task, ordinal=0, op=op, object=obj, before=before,
        after=after, point=point, preempted=preempted, held=held, depth=1,
        place=Place("drivers/iommu/io-pgfault.c", line, "a_function"), operation=operation, note=note,
    )  # fmt: skip


REPORT, REMOVE = "report(dev0, grpid=1)", "remove(queue0, dev0)"
STEPS = (
    step(IRQ, "mutex_lock", "handles", held=1, operation=REPORT),
    step(IRQ, "mutex_unlock", "handles", point=False, operation=REPORT),
    *(step(IRQ, "refcount_inc", f"other#{i}.users", values=(i, i + 1), operation=REPORT) for i in range(1, 6)),
    step(IRQ, "kzalloc", "group#1", point=False, line=301, operation=REPORT),
    step(IRQ, "mutex_lock", "param#1.lock", held=1, operation=REPORT),
    step(TEARDOWN, "rcu_read_lock", None, preempted=1, operation=REMOVE),
    step(TEARDOWN, "kfree", "group#1", point=False, line=512, operation=REMOVE),
    step(IRQ, "read", "group#1.pending_node", held=1, point=False, line=231, operation=REPORT),
)
FAILURE = Failure(
    kind="use-after-free", message="read of group#1.pending_node, which was freed", contract="kept", clauses=(),
    signature="use-after-free group", object="group#1", execution=3, count=2, preemptions=1, minimal=True,
    confirmed=True, rank=20,
    sites=(
        Site("accessed", "irq", 11, STEPS[11].place, "group#1"), Site("freed", "teardown", 10, STEPS[10].place, "group#1"),
        Site("allocated", "irq", 7, STEPS[7].place, "group#1"),
    ),
    steps=STEPS, runs=(), culprit=(10, 11), dropped=("irq: flush(dev0)",), scenario="remove races report", core="v6.14",
    token="iopf1.abc", tasks=("the explorer", "irq", "teardown"),
)  # fmt: skip


def test_the_headline_says_what_failed_where_and_whose_fault_it_is():
    """Kind and message first; why, and what was required; scenario, core, preemptions and contract below."""
    lines = FAILURE.render(width=118).splitlines()
    assert "use-after-free: read of group#1.pending_node, which was freed" == lines[0]
    assert lines[1].startswith("  teardown, in remove(queue0, dev0), freed group#1 (step 11), and after that irq, in")
    assert lines[3].startswith("  required: an object stays until the last task")
    assert "remove races report" in lines[4] and "core v6.14" in lines[4]
    assert "1 preemption, no schedule with fewer shows it" in lines[4]
    assert "the driver kept its contract" in lines[5]
    broken = dataclasses.replace(FAILURE, contract="broken", clauses=("reports were still coming in",))
    assert "the driver broke its contract: reports were still coming in" in str(broken)
    assert "not needed: irq: flush(dev0)" in str(FAILURE)


def test_the_culprit_pair_stands_before_the_steps():
    """Two sites and what they mean."""
    text = str(FAILURE)
    first = next(line for line in text.splitlines() if line.startswith("  first"))
    then = next(line for line in text.splitlines() if line.startswith("  then"))
    assert "teardown" in first and "kfree(group#1)" in first and "io-pgfault.c:512" in first
    assert "irq" in then and "read(group#1.pending_node)" in then and "io-pgfault.c:231" in then
    assert text.index("In the other order it does not fail.") < text.index("> report(dev0, grpid=1)")


def test_steps_stand_in_their_tasks_column_with_locks_and_values():
    """Columns, the bar of a held lock also beside other tasks' lines, 1 -> 2, and where."""
    lines = FAILURE.render(every_event=True).splitlines()
    header = next(line for line in lines if line.split() == ["irq", "teardown"])
    kfree = next(line for line in lines if "kfree(group#1)" in line and "11>" in line)
    assert header.index("teardown") == kfree.index("kfree")
    assert "|" == kfree[header.index("irq")]
    counter = next(line for line in lines if "refcount_inc(other#1.users) 1 -> 2" in line)
    assert counter.endswith("io-pgfault.c:100")
    assert any("-- preempted 1: irq could have gone on --" in line for line in lines)


def test_stretches_on_other_objects_are_folded_and_the_rest_never():
    """Three and more uneventful lines become one; every_event shows them."""
    folded, whole = str(FAILURE), FAILURE.render(every_event=True)
    assert "steps on other objects" in folded and "steps on other objects" not in whole
    assert "refcount_inc(other#3" not in folded and "refcount_inc(other#3" in whole
    for shown in ("kzalloc(group#1)", "mutex_lock(param#1.lock)", "kfree(group#1)", "read(group#1.pending_node)"):
        assert shown in folded
    assert len(folded.splitlines()) < len(whole.splitlines())


def test_the_triple_and_the_line_to_paste_end_the_page():
    """Accessed, freed, allocated with task, step and place; then the token."""
    lines = str(FAILURE).splitlines()
    triple = [line.split() for line in lines if line.startswith(("  accessed", "  freed", "  allocated"))]
    assert [
        ["accessed", "group#1", "by", "irq", "step", "12"],
        ["freed", "group#1", "by", "teardown", "step", "11"],
        ["allocated", "group#1", "by", "irq", "step", "8"],
    ] == [words[:6] for words in triple]
    assert "  iopf replay iopf1.abc" == lines[-1]


@pytest.mark.parametrize("width", [80, 118, 200])
def test_colour_changes_nothing_but_colour(width):
    """Without the escape codes the coloured page is the plain one."""
    import re

    plain = FAILURE.render(width=width)
    colored = FAILURE.render(width=width, color=True)
    assert "\033" not in plain and "\033[31" in colored
    assert [line.rstrip() for line in re.sub(r"\033\[[\d;]*m", "", colored).splitlines()] == plain.splitlines()


def test_colour_is_for_terminals_that_want_it(monkeypatch):
    """A pipe gets none, and NO_COLOR is heard."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert wants_color(Terminal()) and not wants_color(io.StringIO()) and not wants_color(object())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_color(Terminal())


def test_a_failure_is_json_too():
    """Everything that the page says, and more."""
    data = json.loads(FAILURE.to_json())
    assert ("use-after-free", "kept", [10, 11]) == (data["kind"], data["contract"], data["culprit"])
    assert 231 == data["steps"][11]["place"]["line"]
    assert "use-after-free" in repr(FAILURE)


GOOD = {"strategy": "dpor", "exhausted": True, "interrupted": False, "executions": 22, "failures": 0, "bound": None,
        "degraded": None}  # fmt: skip


def test_a_pass_is_only_said_with_its_evidence():
    """Whatever is missing, the verdict is not "pass"; a failure is one, whatever the engine says."""
    assert ("pass", None) == verdict_of("pass", None, **GOOD)
    for lacking in (
        {"strategy": "random"},
        {"exhausted": False},
        {"interrupted": True},
        {"executions": 0},
        {"degraded": "an execution ran twice and differed"},
    ):
        verdict, why = verdict_of("pass", None, **{**GOOD, **lacking})
        assert "inconclusive" == verdict and why
    assert ("fail", None) == verdict_of("pass", None, **{**GOOD, "failures": 1})
    assert "inconclusive" == verdict_of("fail", None, **GOOD)[0]
    assert ("sampled", None) == verdict_of("sampled", None, **{**GOOD, "strategy": "random", "exhausted": False})
    assert ("inconclusive", "libtsan") == verdict_of("inconclusive", "libtsan", **GOOD)
    assert "inconclusive" == verdict_of("bounded", None, **GOOD)[0]


def test_check_raises_with_the_trace(result_of):
    """An AssertionError whose text is the trace, and that has the result."""
    with pytest.raises(ExplorationFailed) as caught:
        result_of(FAILURE).check()
    assert str(FAILURE) == str(caught.value)
    assert FAILURE is caught.value.result.failure


@pytest.fixture
def result_of():
    from iopf.explore import Result

    def make(failure):
        return Result(
            scenario="s", core="iopf", verdict="fail", why=None, strategy="dpor", bound=None, executions=3, classes=3,
            blocked=0, seconds=0.1, failure=failure, failures=(failure,), notes=(), outcomes=(), estimate=None,
            exhausted=False, interrupted=False, first_failure=3, self_checks=0, deepest=9, preemptions=(3,), hottest=(),
            tasks=(), reset_ns=1.0, seed=0,
        )  # fmt: skip

    return make
