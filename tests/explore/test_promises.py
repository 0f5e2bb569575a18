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
from mutants import FAULT, SVA, mutant, without

from iopf import scenarios
from iopf.explore import Scenario, explore, library
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

ALL_SUCCESS = Everywhere(
    "all-codes-success", FAULT,
    (("IOMMU_PAGE_RESP_INVALID", "IOMMU_PAGE_RESP_SUCCESS"), ("IOMMU_PAGE_RESP_FAILURE", "IOMMU_PAGE_RESP_SUCCESS")),
    frozenset({"wrong-code"}), sc.held_against_removal,
)

LATE = (
    mutant("no-memory-answers-behind-the-unlock", FAULT, without_memory_beside_removal, "late-response",
           (NO_MEMORY, "	mutex_unlock(&param->lock);\n	iopf_respond(dev, evt, IOMMU_PAGE_RESP_FAILURE);\n\n"
                       "	iopf_free_partials(&dropped);\n")),
    mutant("disassociated-before-the-lock", FAULT, sc.inline_against_removal, "late-response", (BEFORE_LOCK, TESTED_BEFORE)),
)

ALL = (*CODES, ALL_SUCCESS, *LATE)


@pytest.fixture(scope="module")
def cores(tmp_path_factory):
    """The cores of ALL, by name."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    extension = importlib.util.find_spec("iopf._explore").origin
    folder = tmp_path_factory.mktemp("promises")
    mutants.build_module()
    with ThreadPoolExecutor(2) as pool:
        files = pool.map(lambda one: mutants.compile_mutant(one, folder, extension), ALL)
        return {one.id: load(file, "iopf_core_iopf") for one, file in zip(ALL, files)}


@pytest.mark.parametrize("one", ALL, ids=[one.id for one in ALL])
def test_a_broken_promise_is_found_as_what_it_is(cores, one):
    """The core that breaks it fails with its kind, contract kept; ours passes the same scenario exhaustively."""
    failure = explore(one.scenario(), core=cores[one.id], budget=300).failure
    assert failure is not None and failure.kind in one.kinds, failure
    assert ("broken" if "free-answers" in one.id else "kept") == failure.contract  # freed unanswered: the owner's fault
    ours = explore(one.scenario(), budget=300)
    assert "pass" == ours.verdict, ours


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
