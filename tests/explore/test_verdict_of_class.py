# SPDX-License-Identifier: GPL-2.0-only
"""A verdict is a function of the class: whatever order of calls and answers was executed, it is the same.

The search executes one order of each class. What the monitors compare by dates ("the answer came when removal was over")
they compare in every order that the class leaves open (csrc/explore/orders.c). So a search by classes misses nothing that
a search with every point finds, of which each order is an execution of its own.
"""

import importlib.util
import shutil

import core_scenarios as sc
import mutants
import pytest
from test_random_scenarios import random_scenario

from iopf.explore import Scenario, explore, library, search
from iopf.explore.loader import load

#: Every place at which a task can be preempted.
EVERY_POINT = ("unlock", "free", "plain")

# fmt: off
#: Bugs that show in the order of an answer and the end of a removal alone, which no lock and no access tells apart.
LATE = (
    mutants.mutant(
        "answer-behind-the-unlock", mutants.FAULT, sc.work_against_removal, "late-response",
        (mutants.RESPONSE, """	mutex_lock(&param->lock);
	if (likely(!list_empty(&group->pending_node))) {
		list_del_init(&group->pending_node);
		mutex_unlock(&param->lock);
		iopf_respond(param->dev, &group->last_fault, code);
	} else {
		mutex_unlock(&param->lock);
		iopf_count_idle_response(group);
	}
"""),
    ),
    mutants.mutant(
        "queue-cleared-behind-the-unlock", mutants.FAULT, sc.work_against_removal, "late-response",
        (mutants.REMOVE_ANSWERS, """	list_for_each_entry_safe(group, next, &param->faults, pending_node)
		iopf_answer_pending(param, group, IOMMU_PAGE_RESP_INVALID);
	mutex_unlock(&param->lock);
	rcu_assign_pointer(param->queue, NULL);
"""),
    ),
)
# fmt: on

#: Where the scenario library shows them.
SHOWN = {
    "answer-behind-the-unlock": {
        "free-queue-held", "group-remove", "move-held-answer", "move-late-answer", "nine-keys-remove", "no-workers", "oom-remove",
        "readd-late-response", "refusal-remove", "remove-device-gone", "remove-held-group", "remove-late-partials",
        "remove-late-report", "remove-linked-group", "remove-queued-late-report", "remove-queued-work", "remove-running-work",
        "remove-two-groups",
    },
    "queue-cleared-behind-the-unlock": {
        "free-queue-report", "nine-keys-remove", "no-workers", "oom-flush", "oom-free-queue", "oom-remove",
        "readd-late-response", "refusal-remove", "remove-late-partials", "remove-late-report", "remove-linked-group",
        "remove-oom-group", "remove-group-late-report", "remove-queued-late-report",
    },
}  # fmt: skip
#: Scenarios in every execution of which the driver does what none may do.
BROKEN = {"drop-remove", "remove-wrong-queue", "remove-from-other", "flush-unqueued"}


@pytest.fixture(scope="module")
def late_cores(tmp_path_factory):
    """The cores of LATE, by name."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    extension = importlib.util.find_spec("iopf._explore").origin
    folder = tmp_path_factory.mktemp("late")
    return {one.id: load(mutants.compile_mutant(one, folder, extension), "iopf_core_iopf") for one in LATE}


def found(core, scenario, **options):
    """What an exploration finds: its verdict, and kind and contract of each failure."""
    result = explore(scenario, core=core, estimate=False, shrink=False, all_failures=True, budget=60, **options)
    return result, {(failure.kind, failure.contract) for failure in result.failures}


@pytest.mark.parametrize("name", [one.id for one in LATE])
def test_an_answer_that_may_come_when_removal_is_over_is_found_by_classes(late_cores, name):
    """Step by step: the owner takes its group off the list and drops the lock; removal finds nothing to answer, and
    returns; now the owner answers. The search executes the answer before the end of removal, and no step of the two
    depends on one of the other: it is the monitors that see the other order.
    """
    late = set()
    for scenario in library.scenario_names():
        result, kinds = found(late_cores[name], library.find_scenario(scenario), strategy="dpor")
        assert ("late-response", "broken") not in kinds or scenario in BROKEN
        assert ("pass" == result.verdict) == (not kinds)
        if ("late-response", "kept") in kinds:
            late.add(scenario)
    assert SHOWN[name] == late


@pytest.mark.parametrize("strategy", ["sleep", "naive"])
def test_every_strategy_sees_every_order(late_cores, strategy):
    """The same failures by classes, by sleep sets and by every interleaving."""
    for name, scenarios in SHOWN.items():
        for scenario in sorted(scenarios & {"remove-held-group", "remove-queued-work"}):
            subject = library.find_scenario(scenario)
            expected = found(late_cores[name], subject, strategy="dpor")
            other = found(late_cores[name], subject, strategy=strategy)
            assert (expected[0].verdict, expected[1]) == (other[0].verdict, other[1]), (name, scenario)


def test_the_trace_of_a_late_answer_shows_the_bad_order(late_cores):
    """Removal returns, and then comes the answer: both lines are there, in this order."""
    failure = explore(library.find_scenario("remove-held-group"), core=late_cores["answer-behind-the-unlock"]).failure
    steps = [step.op for step in failure.steps]
    assert steps.index("remove returns") < steps.index("late-response")
    text = str(failure)
    assert text.index("remove returns") < text.index("late-response", text.index("remove returns"))


@pytest.mark.parametrize("late", [False, True], ids=["", "late"])
@pytest.mark.parametrize("changes_overlap", [False, True])
def test_searches_with_and_without_every_point_agree_on_random_scenarios(late_cores, changes_overlap, late):
    """What passes by classes has no random execution that fails; and where it fails, both say the same of it."""
    core = late_cores["answer-behind-the-unlock"] if late else "iopf"
    assert compare(core, (random_scenario(n, changes_overlap=changes_overlap) for n in range(25)), 100) > 18


#: With these an execution ends, and the memory or the lock is gone. Which of them comes first, and what would have come
#: behind it, is no matter of the class.
ENDS = {"use-after-free", "double-free", "bad-access", "deadlock"}


def compare(core, scenarios, executions, but_for=frozenset()):
    """How many scenarios were searched to the end by classes, of which no random execution shows anything else. Where the
    search found one of ``but_for``, what is compared is that it fails, and whether with the contract kept."""
    compared = 0
    for scenario in scenarios:
        result, kinds = found(core, scenario, strategy="dpor", max_executions=20_000)
        if not result.exhausted:
            continue
        compared += 1
        if ("data-race", "kept") in kinds or ("data-race", "broken") in kinds:
            continue  # steps that nothing orders matter to each other: the race is the finding
        sampled, some = found(core, scenario, strategy="random", points=EVERY_POINT, max_executions=executions)
        if but_for & {kind for kind, _ in kinds}:
            whose = {contract for _, contract in kinds}
            assert "fail" == result.verdict
            assert scenario.name in BROKEN or "kept" in whose or "kept" not in {contract for _, contract in some}, (
                scenario
            )
            continue
        assert some <= kinds, (scenario, some - kinds, str(sampled.failure))
    return compared


def agreeing(core, scenarios, most, but_for=frozenset(), each=20_000):
    """How many scenarios sleep sets, and how many every interleaving of every point, searched to the end within so many
    executions: with the verdict, and the signatures of all failures with whether the contract was kept, that the search
    by classes has. Not compared: where plain accesses race, also with a free, since what comes of that is no matter of the
    class; and which clauses a driver broke that broke some. Where the search found one of ``but_for``, what is compared is
    that it fails, and whether with the contract kept."""

    def look(subject, **options):
        result = explore(
            subject, core=core, estimate=False, shrink=False, notes=False, all_failures=True, budget=300, **options
        )
        found = {(failure.signature.partition("; contract")[0], failure.contract) for failure in result.failures}
        if but_for & {failure.kind for failure in result.failures}:
            found = "kept" in {failure.contract for failure in result.failures} or subject.name in BROKEN
        return result, (result.verdict, found)

    sleep = naive = 0
    for subject in scenarios:
        result, classes = look(subject, strategy="dpor", max_executions=each)
        if not result.exhausted or any("nothing orders" in failure.signature for failure in result.failures):
            continue
        result, by_sleep = look(subject, strategy="sleep", max_executions=each)
        assert not result.exhausted or classes == by_sleep, (subject, classes, by_sleep)
        sleep += result.exhausted
        result, by_all = look(subject, strategy="naive", points=EVERY_POINT, max_executions=most)
        assert not result.exhausted or classes == by_all, (subject, classes, by_all)
        naive += result.exhausted
    return sleep, naive


@pytest.mark.parametrize("core", ["iopf", "v6.14", "late"])
def test_classes_sleep_sets_and_every_interleaving_say_the_same(late_cores, core):
    """Of random scenarios: one verdict, one set of failures by signature, whatever was executed for it."""
    scenarios = [random_scenario(n, changes_overlap=overlap) for n in range(12) for overlap in (False, True)]
    sleep, naive = agreeing(late_cores["answer-behind-the-unlock"] if core == "late" else core, scenarios, 2_000)
    assert sleep > 12 and naive > 1, (sleep, naive)


def test_a_beginning_that_is_given_up_has_the_contract_of_its_end():
    """Step by step: an execution fails in a request that is refused, while the driver has kept its contract. It is given
    up there, since what follows was seen in others. Of those, one detaches what is attached, which keeps the contract,
    and one what is not. Sleep sets and classes give up different beginnings, and say the same of the failure.
    """
    subject = random_scenario(1331, changes_overlap=True)
    assert agreeing("v6.14", [subject], 100) == (1, 0)
    assert found("v6.14", subject, strategy="sleep")[1] == {("wrong-response", "kept")}


def reporters_and_a_removal(n):
    s = Scenario(f"{n} reporters and a removal")
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    for index in range(n):
        s.task(f"irq{index}").report(dev, grpid=index + 1, pasid=1)
    s.task("teardown").remove(queue, dev)
    return s


def test_the_orders_of_requests_that_nobody_compares_add_up_and_do_not_multiply(late_cores, monkeypatch):
    """Of twenty requests beside a removal each is judged with the removal: all of them together have more orders than can
    be judged, which is what happens where every order is asked for. And what is late is found."""
    subject = reporters_and_a_removal(20)
    result = explore(subject, strategy="dpor", max_executions=20, estimate=False)
    assert ("inconclusive", 20) == (result.verdict, result.executions) and "budget" in result.why
    late = explore(
        subject,
        core=late_cores["answer-behind-the-unlock"],
        strategy="dpor",
        max_executions=20,
        estimate=False,
        shrink=False,
    )
    assert ("late-response", "kept") in {(failure.kind, failure.contract) for failure in late.failures}
    monkeypatch.setitem(search.POINTS, "orders", "XP_O_ALL_ORDERS")
    every = explore(reporters_and_a_removal(5), strategy="dpor", max_executions=1, estimate=False, points=["orders"])
    assert "more orders than can be judged" in every.why


@pytest.mark.long
@pytest.mark.parametrize("core", ["iopf", "v6.14", "late"])
def test_classes_sleep_sets_and_every_interleaving_say_the_same_of_hundreds(late_cores, core, seed):
    """By the seed of the run."""
    scenarios = (random_scenario(n, changes_overlap=n % 2) for n in range(seed * 10_000, seed * 10_000 + 300))
    sleep, naive = agreeing(late_cores["answer-behind-the-unlock"] if core == "late" else core, scenarios, 30_000)
    print(f"{core}: {sleep} by sleep sets, {naive} by every interleaving of every point")
    assert sleep > 240 and naive > 15


@pytest.mark.long
def test_no_mutant_passes_by_classes_and_fails_with_every_point(tmp_path):
    """Every mutant on every library scenario, and the unchanged core on some thousand random ones."""
    extension = importlib.util.find_spec("iopf._explore").origin
    scenarios = [library.find_scenario(name) for name in library.scenario_names()]
    compared = 0
    for one in (*mutants.MUTANTS, *LATE):
        core = load(mutants.compile_mutant(one, tmp_path, extension), "iopf_core_iopf")
        compared += compare(core, scenarios, 1000, ENDS)
    print(f"{compared} pairs of a mutant and a scenario")
    assert compared > 40 * len(scenarios)


@pytest.mark.long
def test_classes_sleep_sets_and_every_interleaving_say_the_same_of_mutants(tmp_path):
    """Every mutant on every library scenario, as far as each search comes to its end."""
    extension = importlib.util.find_spec("iopf._explore").origin
    scenarios = [library.find_scenario(name) for name in library.scenario_names()]
    sleep = naive = 0
    for one in (*mutants.MUTANTS, *LATE):
        core = load(mutants.compile_mutant(one, tmp_path, extension), "iopf_core_iopf")
        some, all_of_them = agreeing(core, scenarios, 1_500, ENDS, 4_000)
        sleep += some
        naive += all_of_them
    print(f"{sleep} pairs of a mutant and a scenario by sleep sets, {naive} by every interleaving of every point")
    assert sleep > 5_000 and naive > 1_000


@pytest.mark.long
@pytest.mark.parametrize("changes_overlap", [False, True])
def test_no_random_scenario_passes_by_classes_and_fails_with_every_point(seed, changes_overlap):
    """Thousands, by the seed of the run."""
    numbers = range(seed * 10_000, seed * 10_000 + 2000)
    assert compare("iopf", (random_scenario(n, changes_overlap=changes_overlap) for n in numbers), 200) > 1800
