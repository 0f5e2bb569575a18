# SPDX-License-Identifier: GPL-2.0-only
"""The scenario library: each entry passes on our core, exhaustively and at once; and each can fail."""

import importlib.util
import shutil

import mutants
import pytest

import iopf
from iopf import scenarios
from iopf.explore import Scenario, explore
from iopf.explore.loader import load

MM = "iommu-sva-mm.c"
NAMES = scenarios.names()

# fmt: off
#: Bugs that no revision has, for the scenarios that no revision fails, or only by a bug that shows everywhere.
BUGS = (
    (mutants.mutant("replaced-handle-stays", mutants.ATTACH, None, mutants.MEMORY,
                    ("		keyed_del(&group->handles, &old->node);\n", "")), {"replace-detach", "replace-report"}),
    (mutants.mutant("no-memory-keeps-locks", mutants.FAULT, None, {"deadlock", "warn"}, (
        "		ret = -ENOMEM;\n		goto unlock;\n	}\n	mutex_init",
        "		return -ENOMEM;\n	}\n	mutex_init",
    )), {"oom-add"}),
    (mutants.mutant("unlinked-behind-the-lock", mutants.FAULT, None, mutants.MEMORY | {"data-race"}, (
        mutants.REMOVE_TAIL,
        "	rcu_assign_pointer(dev->iommu->fault_param, NULL);\n	mutex_unlock(&dev->iommu->lock);\n"
        "	mutex_unlock(&queue->lock);\n	list_del(&param->queue_list);\n\n"
        "	iopf_free_partials(&dropped);\n	iopf_put_dev_fault_param(param);\n}",
    )), {"remove-add", "remove-two-devices"}),
    (mutants.mutant("null-queue-freed", mutants.FAULT, None, "bad-access", (
        "	if (!queue)\n		return;\n\n	while", "	while",
    )), {"no-queue"}),
    (mutants.mutant("every-page-resolves", MM, None, "wrong-code", (
        "code = IOMMU_PAGE_RESP_INVALID;", "code = IOMMU_PAGE_RESP_SUCCESS;",
    )), {"exit-work", "unmap-work", "protect-work", "exit-report", "bind-exited"}),
    (mutants.mutant("space-not-looked-at", MM, None, "wrong-code", (
        "	if (!mmget_not_zero(mm))", "	return IOMMU_PAGE_RESP_SUCCESS;\n	if (!mmget_not_zero(mm))",
    )), {"unmap-work", "protect-work"}),
    (mutants.mutant("exiting-space-used", MM, None, {"refcount", "use-after-free", "wrong-code"}, (
        "	if (!mmget_not_zero(mm))\n		return code;\n", "	mmget_not_zero(mm);\n",
    )), {"exit-work", "exit-report"}),
    (mutants.mutant("space-kept", MM, None, "leak", ("	mmput(mm);\n", "")), {"exit-work", "unmap-work", "unbind-work"}),
    (mutants.mutant("looked-up-without-the-lock", MM, None, "warn", ("	mmap_read_lock(mm);\n", "")), {"unmap-work"}),
    (mutants.mutant("mmap-lock-kept", MM, None, "warn", ("	mmap_read_unlock(mm);\n", "")), {"unmap-work"}),
    (mutants.mutant("first-page-is-enough", mutants.SVA, None, "wrong-code", (
        "		if (code != IOMMU_PAGE_RESP_SUCCESS)\n			break;\n", "		break;\n",
    )), {"exit-work"}),
    (mutants.mutant("space-used-behind-its-group", mutants.SVA, None, "use-after-free", (
        "	iopf_free_group(group);\n", "	iopf_free_group(group);\n	if (mmget_not_zero(mm))\n		mmput(mm);\n",
    )), {"unbind-work", "unbind-report"}),
    (mutants.mutant("nested-domain-not-asked-for", mutants.ATTACH, None, "unexpected-return", (
        "domain->type != IOMMU_DOMAIN_NESTED)", "domain->type == IOMMU_DOMAIN_NESTED)",
    )), {"nested-table", "table-not-nested"}),
    (mutants.mutant("guest-has-every-pasid", mutants.ATTACH, None, "wrong-group", (
        "	if (!handle && has_pasid", "	if (has_pasid",
    )), {"nested-table"}),
    (mutants.mutant("host-owns-no-table", mutants.ATTACH, None, "unexpected-return", (
        " && dev_iommu_ops(dev)->user_pasid_table)", ")",
    )), {"table-not-nested"}),
    (mutants.mutant("every-fault-is-a-request", mutants.FAULT, None, "wrong-response", (
        "	if (evt->fault.type != IOMMU_FAULT_PAGE_REQ)\n		return -EOPNOTSUPP;\n", "",
    )), {"no-page-request", "other-fault-unhandled"}),
    (mutants.mutant("no-pasid-is-one", mutants.ATTACH, None, {"wrong-code", "wrong-response", "unexpected-return"}, (
        "has_pasid ? prm->pasid : IOMMU_NO_PASID);", "has_pasid ? prm->pasid : 1);",
    )), {"no-pasid"}),
    (mutants.mutant("nested-domain-of-the-host", mutants.ATTACH, None, "unexpected-return", (
        " && dev->iommu && dev_iommu_ops(dev)->user_pasid_table)", ")",
    )), {"nested-host-table"}),
    (mutants.mutant("guest-table-not-looked-at", mutants.ATTACH, None, "unexpected-return", (
        "dev_iommu_ops(dev)->user_pasid_table)", "!dev_iommu_ops(dev)->user_pasid_table)",
    )), {"guest-fault"}),
    (mutants.mutant("lock-never-initialised", mutants.FAULT, None, "warn", (
        "	mutex_init(&param->lock);\n", "",
    )), {"partial"}),
    (mutants.mutant("given-up-for-nothing", mutants.FAULT, None, "wrong-code", (
        "	if (handle->domain->iopf_handler(group))\n		iopf_abort_group(group);", "	iopf_abort_group(group);",
    )), {"partial"}),
    (mutants.mutant("refused-and-kept", mutants.FAULT, None, "lost-response", (
        "	if (handle->domain->iopf_handler(group))\n		iopf_abort_group(group);", "	handle->domain->iopf_handler(group);",
    )), {"refusal"}),
    (mutants.mutant("unlocked-to-answer", mutants.FAULT, None, "double-response", (
        mutants.ANSWER, "	mutex_unlock(&param->lock);\n	iopf_respond(param->dev, &group->last_fault, code);\n"
                        "	mutex_lock(&param->lock);\n	list_del_init(&group->pending_node);\n",
    )), {"answer-inside-itself"}),
    (mutants.mutant("response-spins", mutants.FAULT, None, "livelock", (
        mutants.RESPONSE, mutants.RESPONSE.replace(
            "	mutex_lock(&param->lock);\n", "	while (!mutex_trylock(&param->lock))\n		;\n"),
    )), {"answer-inside-response", "answer-inside-itself"}),
    (mutants.mutant("pasid-compared-and-not-its-flag", mutants.FAULT, None, "wrong-response", (
        "	if (a->grpid != b->grpid || pasid_valid != !!(b->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID))\n",
        "	if (a->grpid != b->grpid)\n",
    )), {"pasid-not-valid"}),
    (mutants.mutant("loser-keeps-its-index", mutants.FAULT, None, "leak", (
        "	mutex_unlock(&param->lock);\n	kfree(buckets);\n", "	mutex_unlock(&param->lock);\n",
    )), {"nine-keys-two-reporters"}),
    (mutants.mutant("asked-behind-the-lock", mutants.ATTACH, None, "use-after-free", (
        "	resolves = handle && handle->domain->iopf_handler;\n	mutex_unlock(&group->lock);\n",
        "	mutex_unlock(&group->lock);\n	resolves = handle && handle->domain->iopf_handler;\n",
    )), {"detach-partial"}),
    (mutants.mutant("freed-table-stays", mutants.ATTACH, None, mutants.MEMORY, ("		keyed_init(table);\n", "")), {"nine-pasids"}),
    (mutants.mutant("first-of-its-chain", mutants.ATTACH, None, {"unexpected-return", "wrong-response"}, (
        "		if (likely(handle->pasid == pasid))\n", "		if (likely(handle))\n",
    )), {"nine-pasids"}),
    (mutants.mutant("group-given-up", mutants.SVA, None, "wrong-code", ("	if (!queue) {\n", "	if (queue) {\n")), {"permissions"}),
    (mutants.mutant("faulted-in-as-the-kernel", MM, None, "warn", (
        "	if (!(perm & IOMMU_FAULT_PERM_PRIV))\n		flags |= FAULT_FLAG_USER;\n", "",
    )), {"permissions"}),
    (mutants.mutant("pasid-not-asked-for", MM, None, "wrong-code", (
        "	if (!(prm->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID))\n		return code;\n", "",
    )), {"permissions"}),
    (mutants.mutant("faulted-in-behind-the-lock", MM, None, "warn", (
        "	vma = vma_lookup(mm, prm->addr);\n", "	vma = vma_lookup(mm, prm->addr);\n	mmap_read_unlock(mm);\n",
    )), {"permissions"}),
    (mutants.mutant("other-page-faulted-in", MM, None, "warn", ("handle_mm_fault(vma, prm->addr,", "handle_mm_fault(vma, 0,")),
     {"permissions"}),
    (mutants.mutant("not-faulted-in", MM, None, "wrong-code", (
        " &&\n	    !(handle_mm_fault(vma, prm->addr, iommu_sva_fault_flags(prm->perm), NULL) & VM_FAULT_ERROR))", ")",
    )), {"permissions"}),
    (mutants.mutant("looks-nowhere", MM, None, "wrong-code", (
        "	if (!(prm->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID))\n", "	if (prm)\n",
    )), {"permissions"}),
    (mutants.mutant("put-under-the-mmap-lock", MM, None, "warn", (
        "	mmap_read_unlock(mm);\n	mmput(mm);\n", "	mmput(mm);\n	mmap_read_unlock(mm);\n",
    )), {"permissions"}),
    (mutants.mutant("left-to-the-fault", MM, None, "warn", ("		wanted |= VM_WRITE;\n", "		;\n")), {"permissions"}),
    (mutants.mutant("fault-in-not-looked-at", MM, None, "wrong-code", (" & VM_FAULT_ERROR)", " & 0)")), {"oom-fault"}),
    (mutants.mutant("half-a-queue-stays", mutants.FAULT, None, "leak", (
        "	if (!queue->wq) {\n		kfree(queue);\n", "	if (!queue->wq) {\n",
    )), {"no-queue"}),
    (mutants.mutant("null-queue-discarded", mutants.FAULT, None, "bad-access", (
        "	if (!queue)\n		return -EINVAL;\n", "",
    )), {"no-queue"}),
    (mutants.mutant("mute-driver-added", mutants.FAULT, None, "unexpected-return", (
        " || !dev_iommu_ops(dev)->page_response)", ")",
    )), {"no-response"}),
    (mutants.mutant("queue-lock-never-initialised", mutants.FAULT, None, "warn", ("	mutex_init(&queue->lock);\n", "")), {"no-queue"}),
)
#: And those that take a driver that broke its contract.
TOLD = (
    mutants.mutant("flushes-no-queue", mutants.FAULT, None, "bad-access", ("	if (WARN_ON(!queue))\n		return -ENODEV;\n", "")),
    mutants.mutant("flush-tells-nobody", mutants.FAULT, None, "missing-warn", ("	if (WARN_ON(!queue))\n", "	if (!queue)\n")),
    mutants.mutant("puts-no-handle", mutants.ATTACH, None, "bad-access", ("	if (WARN_ON(!handle))\n		return;\n", "")),
)
# fmt: on
#: In these the driver does what it must not do, on every core.
BROKEN = {"answer-inside-response", "answer-inside-itself"}
SHOWN = [(bug, name) for bug, names in BUGS for name in sorted(names)]


@pytest.fixture(scope="module")
def buggy(tmp_path_factory):
    """The cores of BUGS, by name."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    extension = importlib.util.find_spec("iopf._explore").origin
    folder = tmp_path_factory.mktemp("buggy")
    bugs = [*(bug for bug, _ in BUGS), *TOLD]
    return {bug.id: load(mutants.compile_mutant(bug, folder, extension), "iopf_core_iopf") for bug in bugs}


@pytest.mark.parametrize("name", NAMES)
def test_our_core_passes_every_scenario_in_few_classes(name):
    """Exhaustively, and so few that the library stays a matter of seconds."""
    result = explore(scenarios.build(name))
    assert ("pass", ()) == (result.verdict, result.failures), result.failure or result
    assert result.exhausted
    assert result.classes <= 300


@pytest.mark.parametrize(("bug", "name"), SHOWN, ids=[f"{bug.id} in {name}" for bug, name in SHOWN])
def test_a_bug_is_found_by_the_scenario_that_is_about_it(bug, name, buggy):
    """With the driver's contract kept, as our core knows no other, but where breaking it is what the scenario is about."""
    result = explore(scenarios.build(name), core=buggy[bug.id], all_failures=True)
    contract = "broken" if name in BROKEN else "kept"
    assert {(kind, contract) for kind in bug.kinds} & {(one.kind, one.contract) for one in result.failures}, result


@pytest.mark.parametrize("name", sorted(BROKEN))
@pytest.mark.parametrize("core", ["iopf", "v6.9", "v7.2"])
def test_an_answer_inside_page_response_is_refused_and_told(name, core):
    """The scenarios expect it. Who does not gets a deadlock of the task with itself, and the clause that the driver broke;
    where page_response calls nobody there is none."""
    data = scenarios.build(name).to_dict()
    del data["expect"]
    result = explore(Scenario.from_dict(data), core=core, all_failures=True)
    (failure,) = result.failures
    assert ("deadlock", "broken", "the task already holds the lock") == (
        failure.kind,
        failure.contract,
        failure.message.rpartition(": ")[2],
    )
    (clause,) = failure.clauses
    assert clause.startswith("page_response called back into the framework")
    (site,) = failure.sites
    assert ("in mutex_lock, waits for owner", "owner") == (site.what, site.task) and site.place is not None
    del data["devices"][0]["answers_inside"]
    assert "pass" == explore(Scenario.from_dict(data)).verdict


@pytest.mark.parametrize("bug", TOLD, ids=[bug.id for bug in TOLD])
def test_a_driver_that_calls_when_nothing_is_left_is_told(bug, buggy):
    """It broke its contract, and our core promises what happens then: a WARN, and nothing is touched."""
    result = explore(scenarios.build("nothing-left"), core=buggy[bug.id], all_failures=True)
    assert bug.kinds & {one.kind for one in result.failures}, result


def test_every_scenario_can_fail():
    """Some revision fails it, or one of the bugs above does."""
    history = [name for name in iopf.cores() if name != "iopf"]
    shown = {name for _, name in SHOWN}
    for name in NAMES:
        if name not in shown:
            scenario = scenarios.build(name)
            verdicts = {explore(scenario, core=core, shrink=False, estimate=False).verdict for core in history}
            assert "fail" in verdicts, name
