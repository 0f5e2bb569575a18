# SPDX-License-Identifier: GPL-2.0-only
"""The scenario library: each entry passes on our core, exhaustively and at once; and each can fail."""

import importlib.util
import shutil

import mutants
import pytest

import iopf
from iopf import scenarios
from iopf.explore import explore
from iopf.explore.loader import load

MM = "iommu-sva-mm.c"
NAMES = scenarios.names()

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
)
SHOWN = [(bug, name) for bug, names in BUGS for name in sorted(names)]


@pytest.fixture(scope="module")
def buggy(tmp_path_factory):
    """The cores of BUGS, by name."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    extension = importlib.util.find_spec("iopf._explore").origin
    folder = tmp_path_factory.mktemp("buggy")
    return {bug.id: load(mutants.compile_mutant(bug, folder, extension), "iopf_core_iopf") for bug, _ in BUGS}


@pytest.mark.parametrize("name", NAMES)
def test_our_core_passes_every_scenario_in_few_classes(name):
    """Exhaustively, and so few that the library stays a matter of seconds."""
    result = explore(scenarios.build(name))
    assert ("pass", ()) == (result.verdict, result.failures), result.failure or result
    assert result.exhausted
    assert result.classes <= 300


@pytest.mark.parametrize(("bug", "name"), SHOWN, ids=[f"{bug.id} in {name}" for bug, name in SHOWN])
def test_a_bug_is_found_by_the_scenario_that_is_about_it(bug, name, buggy):
    """With the driver's contract kept, as our core knows no other."""
    result = explore(scenarios.build(name), core=buggy[bug.id], all_failures=True)
    assert {(kind, "kept") for kind in bug.kinds} & {(one.kind, one.contract) for one in result.failures}, result


def test_every_scenario_can_fail():
    """Some revision fails it, or one of the bugs above does."""
    history = [name for name in iopf.cores() if name != "iopf"]
    shown = {name for _, name in SHOWN}
    for name in NAMES:
        if name not in shown:
            scenario = scenarios.build(name)
            verdicts = {explore(scenario, core=core, shrink=False, estimate=False).verdict for core in history}
            assert "fail" in verdicts, name
