# SPDX-License-Identifier: GPL-2.0-only
"""Every promise is judged: cores that break one of them, and nothing else, fail with its kind.

Each is our core with an edit that no lock, no count and no memory check can see.
"""

import importlib.util
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import core_scenarios as sc
import mutants
import pytest
from mutants import FAULT, SVA, mutant
from test_random_scenarios import random_scenario

from iopf import scenarios
from iopf.explore import Scenario, explore, library, replay, search
from iopf.explore.loader import load


@dataclass(frozen=True)
class Everywhere(mutants.Mutant):
    """An edit that is made wherever its text is."""

    def apply(self, text):
        for old, new in self.edits:
            assert old in text, old
            text = text.replace(old, new)
        return text


def _device(name, handler="sva", **options):
    s = Scenario(name)
    queue = s.queue()
    return s, queue, s.device(queue, handler=handler, pasid=1, **options)


def alone(handler):
    """One report, one handler."""

    def scenario():
        s, _, dev = _device("alone", handler)
        s.task("irq").report(dev, grpid=1, pasid=1)
        return s

    scenario.__name__ = f"alone_{handler}"
    return scenario


def without_memory():
    """The group's allocation fails, or the partial's, or none."""
    s, _, dev = _device("without memory")
    s.task("irq").report(dev, grpid=1, pasid=1)
    return s.alloc_may_fail()


def without_pasid():
    """Nobody resolves what has no PASID: the work says INVALID."""
    s = Scenario("a work without a PASID")
    dev = s.device(s.queue(), handler="sva")
    s.task("irq").report(dev, grpid=1)
    return s


def without_memory_beside_removal():
    """No memory for the group, and a removal."""
    s, queue, dev = _device("no memory beside removal")
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("driver").remove(queue, dev)
    return s.alloc_may_fail()


NO_MEMORY = """	iopf_respond(dev, evt, IOMMU_PAGE_RESP_FAILURE);
	mutex_unlock(&param->lock);

	iopf_free_partials(&dropped);
"""
LINK = "	list_add_tail(&group->pending_node, &param->faults);\n"
BEFORE_LOCK = """	mutex_lock(&param->lock);
	if (iopf_is_disassociated(param)) {
		mutex_unlock(&param->lock);
		kfree(group);
		iommu_attach_handle_put(handle);
		return iopf_bad_setup(dev, param, evt);
	}
"""
TESTED_BEFORE = """	rcu_read_lock();
	if (!rcu_dereference(param->queue)) {
		rcu_read_unlock();
		kfree(group);
		iommu_attach_handle_put(handle);
		return iopf_bad_setup(dev, param, evt);
	}
	rcu_read_unlock();
	mutex_lock(&param->lock);
"""

# fmt: off
CODES = (
    mutant("removal-answers-failure", FAULT, sc.held_against_removal, "wrong-code",
           (mutants.REMOVE_ANSWERS, mutants.REMOVE_ANSWERS.replace("RESP_INVALID", "RESP_FAILURE"))),
    mutant("removal-answers-success", FAULT, sc.work_against_removal, "wrong-code",
           (mutants.REMOVE_ANSWERS, mutants.REMOVE_ANSWERS.replace("RESP_INVALID", "RESP_SUCCESS"))),
    mutant("bad-setup-answers-failure", FAULT, sc.detach_against_report, "wrong-code",
           ("	if (last && dev->iommu)\n		iopf_respond(dev, evt, IOMMU_PAGE_RESP_INVALID);\n",
            "	if (last && dev->iommu)\n		iopf_respond(dev, evt, IOMMU_PAGE_RESP_FAILURE);\n"),
           (mutants.BAD_SETUP, mutants.BAD_SETUP.replace("RESP_INVALID", "RESP_FAILURE"))),
    mutant("no-memory-answers-invalid", FAULT, without_memory, "wrong-code",
           (NO_MEMORY, NO_MEMORY.replace("RESP_FAILURE", "RESP_INVALID"))),
    mutant("refusal-answers-invalid", FAULT, sc.refusal_alone, "wrong-code",
           ("	iopf_group_response(group, IOMMU_PAGE_RESP_FAILURE);\n", "	iopf_group_response(group, IOMMU_PAGE_RESP_INVALID);\n")),
    mutant("free-answers-failure", FAULT, alone("drop"), "wrong-code",
           ("	if (WARN_ON(!list_empty(&group->pending_node)))\n		iopf_answer_pending(param, group, IOMMU_PAGE_RESP_INVALID);\n",
            "	if (WARN_ON(!list_empty(&group->pending_node)))\n		iopf_answer_pending(param, group, IOMMU_PAGE_RESP_FAILURE);\n")),
    mutant("owner-s-code-is-lost", FAULT, alone("inline"), "wrong-code",
           ("		iopf_answer_pending(param, group, code);\n", "		iopf_answer_pending(param, group, IOMMU_PAGE_RESP_INVALID);\n")),
    mutant("work-says-success", SVA, without_pasid, "wrong-code",
           ("		if (code != IOMMU_PAGE_RESP_SUCCESS)\n			break;\n", "		code = IOMMU_PAGE_RESP_SUCCESS;\n")),
    mutant("work-says-invalid", SVA, alone("sva"), "wrong-code",
           ("	iopf_group_response(group, code);\n", "	(void)code;\n	iopf_group_response(group, IOMMU_PAGE_RESP_INVALID);\n")),
    mutant("work-resolves-half", SVA, sc.partial_and_last, "wrong-code",
           ("		if (code != IOMMU_PAGE_RESP_SUCCESS)\n			break;\n", "		break;\n")),
)
# fmt: on

ALL_SUCCESS = Everywhere(
    "all-codes-success",
    FAULT,
    (("IOMMU_PAGE_RESP_INVALID", "IOMMU_PAGE_RESP_SUCCESS"), ("IOMMU_PAGE_RESP_FAILURE", "IOMMU_PAGE_RESP_SUCCESS")),
    frozenset({"wrong-code"}),
    sc.held_against_removal,
)

# fmt: off
LATE = (
    mutant("no-memory-answers-behind-the-unlock", FAULT, without_memory_beside_removal, "late-response",
           (NO_MEMORY, "	mutex_unlock(&param->lock);\n	iopf_respond(dev, evt, IOMMU_PAGE_RESP_FAILURE);\n\n"
                       "	iopf_free_partials(&dropped);\n")),
    mutant("disassociated-before-the-lock", FAULT, sc.inline_against_removal, "late-response", (BEFORE_LOCK, TESTED_BEFORE)),
)
# fmt: on


def partial_discarded():
    """A partial request is dropped, and then the last one comes."""
    s, queue, dev = _device("discarded before the last one", "held")
    irq = s.task("irq")
    irq.report_partial(dev, grpid=1, pasid=1).discard_partial(queue).report(dev, grpid=1, pasid=1)
    return s


def partial_of_bad_setup():
    """A request of the key that nobody resolves drops what is stored; then one comes that somebody resolves."""
    s, _, dev = _device("bad setup between a partial and its last one", "held")
    irq = s.task("irq")
    irq.report_partial(dev, grpid=1, pasid=1).detach(dev, pasid=1).report(dev, grpid=1, pasid=1)
    irq.attach(dev, handler="held", pasid=1).report(dev, grpid=1, pasid=1)
    return s


def three_partials():
    """Stored in an order that is certain."""
    s, _, dev = _device("three partials", "held")
    irq = s.task("irq")
    for addr in (0x1000, 0x2000, 0x3000):
        irq.report_partial(dev, grpid=1, pasid=1, addr=addr)
    irq.report(dev, grpid=1, pasid=1, addr=0x4000)
    return s


def flush_behind_a_report():
    """The work was queued before the flush."""
    s, _, dev = _device("a report, then a flush")
    s.task("irq").report(dev, grpid=1, pasid=1).flush(dev)
    return s


def caller(name, handler, *operations):
    """One task that does something wrong."""

    def scenario():
        s, queue, dev = _device(name, handler)
        task = s.task("driver")
        for operation in operations:
            operation(task, queue, dev)
        return s

    scenario.__name__ = name
    return scenario


def remove(task, queue, dev):
    task.remove(queue, dev)


def report(task, queue, dev):
    task.report(dev, grpid=1, pasid=1)


def answered_twice():
    """An owner that answers, and answers again."""
    s, _, dev = _device("answered twice", "held")
    s.task("owner").report(dev, grpid=1, pasid=1).respond(dev, grpid=1, pasid=1, free=False).respond(
        dev, grpid=1, pasid=1
    )
    return s


COUNTING = """	if (group->responded) {
		atomic_long_inc(&dev->iommu->repeated_responses);
		return;
	}
	atomic_long_inc(&dev->iommu->dropped_responses);
"""
# fmt: off
GROUPS = (
    mutant("partials-in-reverse", FAULT, three_partials, "wrong-group",
           ("		list_add_tail(&partial->iopf.list, &first->iopf.list);\n", "		list_add(&partial->iopf.list, &first->iopf.list);\n")),
    mutant("last-at-the-head", FAULT, sc.partial_and_last, "wrong-group",
           ("	list_splice_init(&ring, faults);\n", "	list_splice_tail_init(&ring, faults);\n")),
    mutant("address-lost", FAULT, three_partials, "wrong-group",
           ("	partial->iopf.fault = evt->fault;\n", "	partial->iopf.fault = evt->fault;\n	partial->iopf.fault.prm.addr = 0;\n")),
    mutant("permission-of-the-last-lost", FAULT, sc.partial_and_last, "wrong-group",
           ("	group->last_fault.fault = evt->fault;\n",
            "	group->last_fault.fault = evt->fault;\n	group->last_fault.fault.prm.perm = 0;\n")),
    mutant("partials-left-behind", FAULT, sc.partial_and_last, "wrong-group",
           ("	if (param->partial_index.nr_nodes)\n		group->fault_count +=", "	if (!param)\n		group->fault_count +=")),
    mutant("count-forgets-one", FAULT, three_partials, "wrong-group", ("		first->count++;\n", "")),
    mutant("discard-discards-nothing", FAULT, partial_discarded, "wrong-group",
           (mutants.DISCARD, mutants.DISCARD.replace("		iopf_take_all_partials(param, &dropped);\n", ""))),
    mutant("bad-setup-keeps-partials", FAULT, partial_of_bad_setup, {"wrong-group", "wrong-response"},
           (mutants.BAD_SETUP, mutants.BAD_SETUP.replace("			iopf_take_partials(param, &evt->fault.prm, &dropped);\n", ""))),
)
DUTIES = (
    mutant("flush-waits-for-nothing", FAULT, flush_behind_a_report, "unexpected-return", ("	flush_workqueue(queue->wq);\n", "")),
    mutant("flush-does-not-warn", FAULT, caller("flush_after_removal", "sva", remove, lambda task, queue, dev: task.flush(dev)),
           "missing-warn", ("	if (WARN_ON(!queue))\n		return -ENODEV;\n", "	if (!queue)\n		return -ENODEV;\n")),
    mutant("removal-does-not-warn", FAULT, caller("removed_twice", "sva", remove, remove), "missing-warn",
           ("	if (WARN_ON(!param || rcu_access_pointer(param->queue) != queue)) {\n",
            "	if (!param || rcu_access_pointer(param->queue) != queue) {\n")),
    mutant("detach-does-not-warn", mutants.ATTACH,
           caller("detached_twice", "sva", *[lambda task, queue, dev: task.detach(dev, pasid=1)] * 2), "missing-warn",
           ("	if (WARN_ON(!handle))\n", "	if (!handle)\n")),
    mutant("report-does-not-warn", FAULT, caller("reported_after_removal", "sva", remove, report), "missing-warn",
           ("	if (!handle->domain->iopf_handler || WARN_ON(!param)) {\n", "	if (!handle->domain->iopf_handler || !param) {\n")),
    mutant("free-does-not-warn", FAULT, alone("drop"), "missing-warn",
           ("	if (WARN_ON(!list_empty(&group->pending_node)))\n", "	if (!list_empty(&group->pending_node))\n")),
    mutant("flush-warns-always", FAULT, flush_behind_a_report, "warn",
           ("	if (WARN_ON(!queue))\n		return -ENODEV;\n", "	if (WARN_ON(true) && !queue)\n		return -ENODEV;\n")),
    mutant("partials-freed-under-the-lock", FAULT, partial_discarded, "under-lock",
           (mutants.DISCARD, mutants.DISCARD.replace(
               "(param, &dropped);\n		mutex_unlock", "(param, &dropped);\n		iopf_free_partials(&dropped);\n"
               "		INIT_LIST_HEAD(&dropped);\n		mutex_unlock"))),
    mutant("index-allocated-under-the-lock", FAULT, alone("sva"), "under-lock",
           (LINK, LINK + "	kfree(kzalloc(8, GFP_KERNEL));\n")),
    mutant("param-put-under-the-queue-s-lock", FAULT, sc.work_against_removal, "under-lock",
           (mutants.REMOVE_TAIL, mutants.REMOVE_TAIL.replace("	iopf_put_dev_fault_param(param);\n", "").replace(
               "	mutex_unlock(&queue->lock);\n", "	iopf_put_dev_fault_param(param);\n	mutex_unlock(&queue->lock);\n"))),
    mutant("dropped-is-not-counted", FAULT, sc.held_against_removal, "wrong-count",
           (COUNTING, COUNTING.replace("	atomic_long_inc(&dev->iommu->dropped_responses);\n", ""))),
    mutant("repeated-is-not-counted", FAULT, answered_twice, "wrong-count",
           (COUNTING, COUNTING.replace("		atomic_long_inc(&dev->iommu->repeated_responses);\n", ""))),
)
# fmt: on


def answered_behind_removal():
    """The device is removed and added before it reports: an answer never meets that removal."""
    s, queue, dev = _device("answered behind a removal", "held")
    s.task("driver").remove(queue, dev).add(queue, dev).report(dev, grpid=1, pasid=1)
    s.task("owner").respond(dev, grpid=1, pasid=1)
    return s


# fmt: off
#: Removal takes the device's lock and then the param's, and a response the other way round.
INVERTED = (
    (mutants.RESPONSE, mutants.RESPONSE.replace("		iopf_answer_pending(param, group, code);\n",
     "		mutex_lock(&param->dev->iommu->lock);\n		iopf_answer_pending(param, group, code);\n"
     "		mutex_unlock(&param->dev->iommu->lock);\n")),
)
#: Both inside one more lock, a static one.
GATED = (
    (mutants.RESPONSE, "	mutex_lock(&iopf_gate);\n" + INVERTED[0][1] + "	mutex_unlock(&iopf_gate);\n"),
    ("static struct iopf_partial *to_partial(", "static DEFINE_MUTEX(iopf_gate);\n\nstatic struct iopf_partial *to_partial("),
    ("	if (WARN_ON(!dev->iommu))\n		return;\n\n	mutex_lock(&queue->lock);\n",
     "	if (WARN_ON(!dev->iommu))\n		return;\n\n	mutex_lock(&iopf_gate);\n	mutex_lock(&queue->lock);\n"),
    ("		mutex_unlock(&dev->iommu->lock);\n		mutex_unlock(&queue->lock);\n		return;\n",
     "		mutex_unlock(&dev->iommu->lock);\n		mutex_unlock(&queue->lock);\n		mutex_unlock(&iopf_gate);\n"
     "		return;\n"),
    (mutants.REMOVE_TAIL, mutants.REMOVE_TAIL.replace(
        "	mutex_unlock(&queue->lock);\n", "	mutex_unlock(&queue->lock);\n	mutex_unlock(&iopf_gate);\n")),
)
# fmt: on
# fmt: off
ORDERS = (
    mutant("response-takes-the-device-s-lock", FAULT, answered_behind_removal, "lock-order", *INVERTED),
    # With the static lock of the gate and another one in both orders.
    mutant("static-lock-in-both-orders", FAULT, answered_behind_removal, "lock-order", *GATED[1:], (
        mutants.RESPONSE, mutants.RESPONSE.replace(
            "		iopf_answer_pending(param, group, code);\n", "		mutex_lock(&iopf_gate);\n"
            "		iopf_answer_pending(param, group, code);\n		mutex_unlock(&iopf_gate);\n"))),
)
# fmt: on
#: That nobody can meet between the two locks makes the first of these harmless.
HARMLESS = mutant("response-takes-the-device-s-lock-in-turn", FAULT, answered_behind_removal, "lock-order", *GATED)

#: In which the caller is to blame, not the core; what is found is the core's.
CALLERS = {
    "free-answers-failure",
    "flush-does-not-warn",
    "removal-does-not-warn",
    "detach-does-not-warn",
    "free-does-not-warn",
}

ALL = (*CODES, ALL_SUCCESS, *LATE, *GROUPS, *DUTIES, *ORDERS)
COMPILED = (*ALL, HARMLESS)


@pytest.fixture(scope="module")
def cores(tmp_path_factory):
    """The cores of COMPILED, by name."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    extension = importlib.util.find_spec("iopf._explore").origin
    folder = tmp_path_factory.mktemp("promises")
    mutants.build_module()
    with ThreadPoolExecutor(2) as pool:
        files = pool.map(lambda one: mutants.compile_mutant(one, folder, extension), COMPILED)
        return {one.id: load(file, "iopf_core_iopf") for one, file in zip(COMPILED, files)}


@pytest.mark.parametrize("one", ALL, ids=[one.id for one in ALL])
def test_a_broken_promise_is_found_as_what_it_is(cores, one):
    """The core that breaks it fails with its kind, contract kept; ours passes the same scenario exhaustively."""
    failure = explore(one.scenario(), core=cores[one.id], budget=300).failure
    assert failure is not None and failure.kind in one.kinds, failure
    assert ("broken" if one.id in CALLERS else "kept") == failure.contract
    ours = explore(one.scenario(), budget=300)
    assert "pass" == ours.verdict, ours


def test_a_lock_order_is_a_failure_though_nothing_deadlocks_and_none_inside_one_more_lock(cores):
    """The whole of the scenario was searched, and no deadlock was there to find. The trace has both places."""
    result = explore(answered_behind_removal(), core=cores["response-takes-the-device-s-lock"], all_failures=True)
    assert (True, ["lock-order"], ()) == (result.exhausted, [one.kind for one in result.failures], result.notes)
    assert {"iopf_group_response", "iopf_queue_remove_device"} == {
        site.place.function for site in result.failure.sites if site.step is not None
    }
    harmless = explore(answered_behind_removal(), core=cores[HARMLESS.id])
    assert ("pass", ()) == (harmless.verdict, harmless.notes)


# fmt: off
UNDER_LOCK = (
    ("v5.14", "remove-twice", set()),
    ("locking", "partial", {("iopf_store_partial", "allocated with the fault param's lock held")}),
    ("v7.2", "remove-late-partials", {("iopf_free_group_faults", "freed with the fault param's lock held")}),
    ("v6.12", "remove-late-partials",
     {("iopf_put_dev_fault_param", "a reference is put with a lock of the framework held")}),
)
# fmt: on


@pytest.mark.parametrize(
    ("core", "name", "expected"), UNDER_LOCK, ids=[f"{core} {name}" for core, name, _ in UNDER_LOCK]
)
def test_what_other_cores_do_under_a_lock_is_a_note_and_no_failure(core, name, expected):
    """They promise nothing there. The note has a trace, and its token shows it, as the failure that it is with us."""
    result = explore(library.find_scenario(name), core=core)
    assert "under-lock" not in {failure.kind for failure in result.failures}
    notes = [note for note in result.notes if note.kind == "under-lock"]
    told = {(note.place.function, note.message) for note in notes}
    assert expected <= told and bool(expected) == bool(told)
    for note in notes:
        again = replay(note.token)
        assert note.signature == again.failure.signature
        assert note.sites and note.sites[0].step is not None


def test_our_core_has_no_note_of_what_it_does_under_a_lock():
    """There it is a failure."""
    for name in ("remove-late-partials", "partial", "refusal"):
        assert () == explore(library.find_scenario(name)).notes


def test_a_core_whose_every_code_is_success_fails_wherever_another_one_is_due(cores):
    """Over the whole library: exactly where devices get other answers than with our core."""
    differing = set()
    for name in scenarios.names():
        results = [
            explore(library.find_scenario(name), core=core, budget=60, estimate=False, shrink=False, all_failures=True)
            for core in ("iopf", cores["all-codes-success"])
        ]
        ours, other = ({outcome.text for outcome in result.outcomes} for result in results)
        assert (ours != other) == ("wrong-code" in {failure.kind for failure in results[1].failures}), (name, results)
        differing |= {name} if ours != other else set()
    assert {"refusal", "remove-held-group", "remove-oom-group", "bad-setup-partial"} <= differing


#: Cores whose failures depend on the order of calls, answers, groups and discards.
ORDERED = ("iopf", "no-memory-answers-behind-the-unlock", "discard-discards-nothing", "partials-left-behind", "flush-waits-for-nothing",
           "v5.14", "v6.9", "v7.2")  # fmt: skip


@pytest.mark.parametrize("name", ORDERED)
def test_orders_that_are_left_out_would_say_nothing_else(cores, name, monkeypatch):
    """What the monitors are taken to compare is all that they compare: with every order judged the failures are the same."""
    monkeypatch.setitem(search.POINTS, "orders", "XP_O_ALL_ORDERS")
    compared = 0
    for number in range(20):
        subject = random_scenario(number, changes_overlap=number % 2)
        reduced, every = (
            explore(
                subject,
                core=cores.get(name, name),
                strategy="dpor",
                points=points,
                estimate=False,
                shrink=False,
                all_failures=True,
                max_executions=400,
            )
            for points in ((), ("orders",))
        )
        if any("orders" in (result.why or "") for result in (reduced, every)):
            continue
        assert {(failure.kind, failure.contract) for failure in reduced.failures} == {
            (failure.kind, failure.contract) for failure in every.failures
        }, (subject, reduced, every)
        compared += 1
    assert compared >= 12
