# SPDX-License-Identifier: GPL-2.0-only
"""The default core on scenarios that nobody thought of: every one passes, or the budget ends."""

import random

import core_scenarios as sc
import pytest

from iopf.explore import Scenario, explore


def random_scenario(number, changes_overlap=False):
    """Two or three tasks of one or two operations over a queue and a device or two.

    As in drivers, what changes a device (add, remove, attach, replace, detach) is one task's business, unless
    ``changes_overlap``.
    """
    rng = random.Random(number)
    s = Scenario(f"random {number}")
    queue = s.queue(workers=rng.choice((None, None, 1)))
    first = s.device(
        queue if rng.random() < 0.85 else None,
        handler=rng.choice(("sva", "sva", "inline", "refuse", "held")) if rng.random() < 0.9 else None,
        pasid=rng.choice((1, 1, None)),
        response_lock=rng.choice((None, None, "driver")),
    )
    devices = [first] + [s.device(queue, handler="inline", pasid=1)] * (rng.random() < 0.3)

    def dev():
        return rng.choice(devices)

    def pasid():
        return rng.choice((1, 1, None, 2))

    def grpid():
        return rng.randrange(1, 3)

    def handler():
        return rng.choice(("sva", "inline", "refuse", "held"))

    reports = (
        lambda t: t.report(dev(), grpid=grpid(), pasid=pasid()),
        lambda t: t.report(dev(), grpid=grpid(), pasid=pasid()),
        lambda t: t.report_partial(dev(), grpid=grpid(), pasid=pasid()),
    )
    others = (
        *reports,
        lambda t: t.flush(dev()),
        lambda t: t.discard_partial(queue),
        lambda t: t.respond(dev(), grpid=1, pasid=pasid()),
        lambda t: t.fail_next_alloc(rng.randrange(1, 3)).report(dev(), grpid=1, pasid=1),
    )
    changes = (
        lambda t: t.remove(queue, dev()),
        lambda t: t.add(queue, dev()),
        lambda t: t.detach(dev(), pasid=pasid()),
        lambda t: t.attach(dev(), handler=handler(), pasid=pasid()),
        lambda t: t.replace(dev(), handler=handler(), pasid=pasid()),
    )
    if rng.random() < 0.3:
        rng.choice(reports)(s.setup)
    for task in range(rng.choice((2, 2, 3))):
        t = s.task(f"t{task}")
        for _ in range(rng.randrange(1, 3)):
            rng.choice(others + changes if task == 0 or changes_overlap else others)(t)
    if rng.random() < 0.2:
        s.alloc_may_fail()
    if rng.random() < 0.3:
        rng.choice(reports)(s.teardown)
    return s


#: Of one scenario in the short mode: a handful of the 240 have more classes.
EXECUTIONS = 100_000


def failures(numbers, max_executions=None, **options):
    """Those that fail, with what was found."""
    found = []
    for number in numbers:
        scenario = random_scenario(number, **options)
        result = explore(
            scenario, strategy="dpor", budget=300, max_executions=max_executions, estimate=False, shrink=False
        )
        if result.failure is not None:
            found.append(f"{scenario}\n{result.failure!r}")
        else:
            assert "pass" == result.verdict or result.executions == max_executions or "budget" in result.why, result
    return "\n\n".join(found)


@pytest.mark.parametrize("changes_overlap", [False, True])
def test_random_scenarios_pass_on_the_default_core(changes_overlap):
    """A fixed list, so that a failure stays; also where several tasks change a device at once."""
    assert "" == failures(range(120), EXECUTIONS, changes_overlap=changes_overlap)


@pytest.mark.parametrize("section", ["setup", "teardown"])
def test_a_response_that_nobody_brings_gives_up_in_the_sequential_parts(section):
    """As in a task: no deadlock, nothing to answer."""
    s = Scenario("nobody brings it")
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.task("irq").report(dev, grpid=1, pasid=1)
    getattr(s, section).respond(dev, grpid=1, pasid=1)
    assert "pass" == explore(s).verdict


@pytest.mark.long
@pytest.mark.parametrize("changes_overlap", [False, True])
def test_many_random_scenarios_pass_on_the_default_core(seed, changes_overlap):
    """Thousands more, by the seed of the run; also with drivers that change a device in several tasks at once."""
    start = seed * 10_000
    assert "" == failures(range(start, start + 3000), changes_overlap=changes_overlap)


SMALL = (
    sc.add_against_removal, sc.add_against_report, sc.detach_against_report, sc.discard_against_partials,
    sc.held_against_removal, sc.last_device_reference, sc.partial_and_last, sc.second_removal,
)  # fmt: skip
#: Whose interleavings take ten seconds to execute one by one.
MIDDLE = (sc.inline_against_removal, sc.refusal_against_removal)
LARGE = (
    sc.flush_beside_removal,
    sc.free_with_work_pending,
    sc.late_response_after_readding,
    sc.no_memory_against_removal,
    sc.partials_against_removal,
    sc.two_reporters_against_removal,
    sc.work_against_removal,
)


def classes_and_outcomes(scenario, class_hashes, **options):
    result = explore(scenario(), classes=True, estimate=False, shrink=False, budget=300, **options)
    assert "pass" == result.verdict, result
    return class_hashes(), set(result.outcomes)


@pytest.mark.parametrize(
    "scenario",
    [
        *(pytest.param(scenario, id=scenario.__name__) for scenario in SMALL),
        *(pytest.param(scenario, id=scenario.__name__, marks=pytest.mark.long) for scenario in MIDDLE),
    ],
)
def test_strategies_agree_on_the_core(scenario, class_hashes):
    """DPOR, sleep sets and plain DFS execute the same classes of the real code, and see the same outcomes."""
    dpor, sleep, naive = (
        classes_and_outcomes(scenario, class_hashes, strategy=strategy, commute=False)
        for strategy in ("dpor", "sleep", "naive")
    )
    assert dpor == sleep == naive


@pytest.mark.parametrize("scenario", MIDDLE + LARGE, ids=[scenario.__name__ for scenario in MIDDLE + LARGE])
def test_dpor_and_sleep_sets_agree_on_what_plain_search_does_not_reach(scenario, class_hashes):
    """Where every interleaving would take minutes: the same classes, and with commuting counts the same outcomes."""
    dpor, sleep = (
        classes_and_outcomes(scenario, class_hashes, strategy=strategy, commute=False) for strategy in ("dpor", "sleep")
    )
    assert dpor == sleep
    assert dpor[1] == classes_and_outcomes(scenario, class_hashes, strategy="dpor")[1]
