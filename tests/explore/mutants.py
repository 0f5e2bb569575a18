# SPDX-License-Identifier: GPL-2.0-only
"""The core with a bug put in: what the explorer has to find.

Each mutant is an edit of one file of csrc/core: texts that occur exactly once there, and what stands in their place. An
edit whose text is gone has to be brought up to date: the test says so. ``kinds`` are what the gravest failure may be;
more than one where a bug shows in several ways and the search decides which it meets.

Mutants are compiled as a user's core is: csrc/forms/unit.c for the explorer's runtime, linked against the extension.
"""

import functools
import importlib.util
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import core_scenarios as sc

ROOT = Path(__file__).resolve().parents[2]
FAULT, SVA, ATTACH = "io-pgfault.c", "iommu-sva.c", "attach.c"
MEMORY = {"use-after-free", "double-free", "invalid-free", "bad-access"}


@dataclass(frozen=True)
class Mutant:
    """A bug: where, which edits, what it is found as, in which scenario."""

    id: str
    file: str
    edits: tuple
    kinds: frozenset
    scenario: object

    def apply(self, text):
        """The mutated text of its file."""
        for old, new in self.edits:
            count = text.count(old)
            if count != 1:
                raise LookupError(f"mutant {self.id}: its text is there {count} times in {self.file}, not once:\n{old}")
            text = text.replace(old, new)
        return text


def mutant(name, file, scenario, kinds, *edits):
    kinds = kinds if isinstance(kinds, set) else {kinds}
    return Mutant(name, file, tuple(edits), frozenset(kinds), scenario)


FREE_TAIL = """	iommu_attach_handle_put(group->attach_handle);
	iopf_put_dev_fault_param(group->fault_param);
	kfree(group);
}
EXPORT_SYMBOL_GPL(iopf_free_group);"""
PUT_HANDLE = "	iommu_attach_handle_put(group->attach_handle);\n"
PUT_PARAM = "	iopf_put_dev_fault_param(group->fault_param);\n"
REMOVE_TAIL = """	list_del(&param->queue_list);
	rcu_assign_pointer(dev->iommu->fault_param, NULL);
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);

	iopf_free_partials(&dropped);
	iopf_put_dev_fault_param(param);
}"""
REMOVE_ANSWERS = """	rcu_assign_pointer(param->queue, NULL);
	list_for_each_entry_safe(group, next, &param->faults, pending_node)
		iopf_answer_pending(param, group, IOMMU_PAGE_RESP_INVALID);
	mutex_unlock(&param->lock);
"""
RESPONSE = """	mutex_lock(&param->lock);
	if (likely(!list_empty(&group->pending_node))) {
		iopf_answer_pending(param, group, code);
		mutex_unlock(&param->lock);
	} else {
		mutex_unlock(&param->lock);
		iopf_count_idle_response(group);
	}
"""
ANSWER = """	list_del_init(&group->pending_node);
	iopf_respond(param->dev, &group->last_fault, code);
"""
LOOKUP = "!refcount_inc_not_zero(&param->users)"
LAST_GONE = """	if (iopf_is_disassociated(param)) {
		mutex_unlock(&param->lock);
		kfree(group);
		iommu_attach_handle_put(handle);
		return iopf_bad_setup(dev, param, evt);
	}
"""
BAD_SETUP = """		mutex_lock(&param->lock);
		if (!iopf_is_disassociated(param)) {
			iopf_take_partials(param, &evt->fault.prm, &dropped);
			if (last)
				iopf_respond(dev, evt, IOMMU_PAGE_RESP_INVALID);
			last = false;
		}
		mutex_unlock(&param->lock);
		iopf_free_partials(&dropped);
		iopf_put_dev_fault_param(param);
"""
HAND_OVER = """	if (handle->domain->iopf_handler(group))
		iopf_abort_group(group);
"""
DISCARD = """		mutex_lock(&param->lock);
		iopf_take_all_partials(param, &dropped);
		mutex_unlock(&param->lock);
	}
	mutex_unlock(&queue->lock);

	iopf_free_partials(&dropped);
	return 0;
"""
QUEUE_FREE = """	synchronize_rcu();
	destroy_workqueue(queue->wq);
	kfree(queue);
}
EXPORT_SYMBOL_GPL(iopf_queue_free);"""
SVA_TAIL = """	iopf_group_response(group, code);
	iopf_free_group(group);
}"""
SVA_QUEUE = """	rcu_read_lock();
	queue = iopf_group_queue(group);
"""


def without(text, part):
    """An edit that takes ``part`` out of ``text``."""
    assert text.count(part) == 1, part
    return text, text.replace(part, "")


def instead(text, part, other):
    """An edit that puts ``other`` in place of ``part`` in ``text``."""
    assert text.count(part) == 1, part
    return text, text.replace(part, other)


# fmt: off
MUTANTS = (
    # --- references ---
    mutant("free-keeps-param", FAULT, sc.work_against_removal, "leak",
           without(FREE_TAIL, PUT_PARAM)),
    mutant("free-puts-param-twice", FAULT, sc.work_against_removal, MEMORY | {"refcount"},
           instead(FREE_TAIL, PUT_PARAM, PUT_PARAM * 2)),
    mutant("free-keeps-handle", FAULT, sc.work_against_removal, "leak",
           without(FREE_TAIL, PUT_HANDLE)),
    mutant("free-puts-handle-twice", FAULT, sc.two_reporters_against_removal, MEMORY | {"refcount"},
           instead(FREE_TAIL, PUT_HANDLE, PUT_HANDLE * 2)),
    mutant("free-puts-param-first", FAULT, sc.work_against_removal, "use-after-free",
           without(FREE_TAIL, PUT_PARAM),
           ("	if (unlikely(!group->responded))\n", PUT_PARAM)),
    mutant("free-puts-before-use", FAULT, sc.work_against_removal, "use-after-free",
           without(FREE_TAIL, "	kfree(group);\n"),
           ("	if (group->fault_count > 1)\n", "	kfree(group);\n	if (group->fault_count > 1)\n")),
    mutant("free-frees-twice", FAULT, sc.work_against_removal, "double-free",
           instead(FREE_TAIL, "	kfree(group);\n", "	kfree(group);\n	kfree(group);\n")),
    mutant("free-forgets-partials", FAULT, sc.partial_and_last, "leak",
           ("	list_del(&group->last_fault.list);\n	iopf_free_partials(&group->faults);\n", "")),
    mutant("free-forgets-group", FAULT, sc.work_against_removal, "leak", without(FREE_TAIL, "	kfree(group);\n")),
    mutant("kfree-for-kfree-rcu", FAULT, sc.work_against_removal, "use-after-free",
           ("	kfree_rcu(param, rcu);\n", "	kfree(param);\n")),
    mutant("lookup-outside-rcu", FAULT, sc.work_against_removal, MEMORY | {"rcu"},
           ("	param = rcu_dereference(dev->iommu->fault_param);\n",
            "	param = rcu_dereference(dev->iommu->fault_param);\n	rcu_read_unlock();\n"),
           ("		param = NULL;\n	rcu_read_unlock();\n", "		param = NULL;\n")),
    mutant("inc-for-inc-not-zero", FAULT, sc.work_against_removal, {"refcount", "use-after-free"},
           (LOOKUP, "(refcount_inc(&param->users), false)")),
    mutant("lookup-without-reference", FAULT, sc.work_against_removal, MEMORY | {"refcount"}, (LOOKUP, "false")),
    mutant("late-report-keeps-handle", FAULT, sc.work_against_removal, "leak",
           without(LAST_GONE, "		iommu_attach_handle_put(handle);\n")),
    mutant("late-report-keeps-group", FAULT, sc.work_against_removal, "leak",
           without(LAST_GONE, "		kfree(group);\n")),
    mutant("late-report-puts-twice", FAULT, sc.work_against_removal, MEMORY | {"refcount"},
           instead(LAST_GONE, "		kfree(group);\n", "		kfree(group);\n		iopf_put_dev_fault_param(param);\n")),
    mutant("bad-setup-keeps-param", FAULT, sc.work_against_removal, "leak",
           without(BAD_SETUP, "		iopf_put_dev_fault_param(param);\n")),
    mutant("device-not-pinned", FAULT, sc.last_device_reference, MEMORY | {"refcount"},
           ("	param->dev = get_device(dev);\n", "	param->dev = dev;\n")),
    mutant("removal-keeps-reference", FAULT, sc.work_against_removal, "leak",
           without(REMOVE_TAIL, "	iopf_put_dev_fault_param(param);\n")),
    mutant("removal-puts-under-lock", FAULT, sc.work_against_removal, "use-after-free",
           (REMOVE_ANSWERS, REMOVE_ANSWERS.replace("	mutex_unlock(&param->lock);\n",
                                                   "	iopf_put_dev_fault_param(param);\n	mutex_unlock(&param->lock);\n")),
           without(REMOVE_TAIL, "	iopf_put_dev_fault_param(param);\n")),
    mutant("handle-not-counted", ATTACH, sc.detach_against_report, MEMORY | {"refcount"},
           ("	if (handle)\n		refcount_inc(&handle->users);\n", "")),

    # --- locks ---
    mutant("response-without-lock", FAULT, sc.work_against_removal, MEMORY | {"double-response", "data-race"},
           (RESPONSE, RESPONSE.replace("	mutex_lock(&param->lock);\n", "").replace("		mutex_unlock(&param->lock);\n", ""))),
    mutant("removal-without-lock", FAULT, sc.work_against_removal, MEMORY | {"double-response", "data-race", "leak", "late-response"},
           without(REMOVE_ANSWERS, "	mutex_unlock(&param->lock);\n"),
           ("	mutex_lock(&param->lock);\n	iopf_take_all_partials(param, &dropped);\n	rcu_assign_pointer",
            "	iopf_take_all_partials(param, &dropped);\n	rcu_assign_pointer")),
    mutant("discard-without-lock", FAULT, sc.discard_against_partials, MEMORY | {"data-race", "leak"},
           (DISCARD, DISCARD.replace("		mutex_lock(&param->lock);\n", "").replace("		mutex_unlock(&param->lock);\n", ""))),
    mutant("late-report-keeps-lock", FAULT, sc.work_against_removal, "deadlock",
           without(LAST_GONE, "		mutex_unlock(&param->lock);\n")),
    mutant("pending-linked-without-lock", FAULT, sc.two_reporters_against_removal, MEMORY | {"data-race", "leak", "late-response"},
           ("	list_add_tail(&group->pending_node, &param->faults);\n	mutex_unlock(&param->lock);\n",
            "	mutex_unlock(&param->lock);\n	list_add_tail(&group->pending_node, &param->faults);\n")),
    mutant("flush-under-lock", FAULT, sc.flush_then_removal, "deadlock",
           ("	flush_workqueue(queue->wq);\n	return 0;\n",
            "	mutex_lock(&param->lock);\n	flush_workqueue(queue->wq);\n	mutex_unlock(&param->lock);\n	return 0;\n")),
    mutant("removal-locks-in-reverse", FAULT, sc.add_against_removal, "deadlock",
           ("	mutex_lock(&queue->lock);\n	mutex_lock(&dev->iommu->lock);\n	param = rcu_dereference_check(",
            "	mutex_lock(&dev->iommu->lock);\n	mutex_lock(&queue->lock);\n	param = rcu_dereference_check(")),
    mutant("detach-without-lock", ATTACH, sc.detach_against_report, MEMORY | {"data-race", "refcount"},
           ("""	mutex_lock(&group->lock);
	handle = attach_handle_find(group, pasid);
	if (handle)
		attach_handle_erase(group, handle);
	mutex_unlock(&group->lock);
""", """	handle = attach_handle_find(group, pasid);
	if (handle)
		attach_handle_erase(group, handle);
""")),
    mutant("queue-read-without-rcu", SVA, sc.work_against_removal, MEMORY | {"rcu"},
           instead(SVA_QUEUE, "	rcu_read_lock();\n", "	rcu_read_lock();\n	rcu_read_unlock();\n"),
           ("	queue_work(queue->wq, &group->work);\n	rcu_read_unlock();\n", "	queue_work(queue->wq, &group->work);\n"),
           ("	if (!queue) {\n		rcu_read_unlock();\n", "	if (!queue) {\n")),

    # --- publication and removal ---
    mutant("plain-publish", FAULT, sc.add_against_report, "data-race",
           ("	rcu_assign_pointer(dev->iommu->fault_param, param);\nunlock:", "	dev->iommu->fault_param = param;\nunlock:")),
    mutant("relaxed-publish", FAULT, sc.add_against_report, "data-race",
           ("	rcu_assign_pointer(dev->iommu->fault_param, param);\nunlock:",
            "	WRITE_ONCE(dev->iommu->fault_param, param);\nunlock:")),
    mutant("published-too-early", FAULT, sc.add_against_report, MEMORY | {"data-race"},
           ("	refcount_set(&param->users, 1);\n",
            "	refcount_set(&param->users, 1);\n	rcu_assign_pointer(dev->iommu->fault_param, param);\n")),
    mutant("removal-stays-published", FAULT, sc.removal_then_report, MEMORY | {"unexpected-return", "refcount"},
           without(REMOVE_TAIL, "	rcu_assign_pointer(dev->iommu->fault_param, NULL);\n")),
    mutant("removal-stays-on-list", FAULT, sc.second_removal, MEMORY,
           without(REMOVE_TAIL, "	list_del(&param->queue_list);\n")),
    mutant("removal-stays-associated", FAULT, sc.work_against_removal, MEMORY | {"late-response", "rcu", "leak"},
           without(REMOVE_ANSWERS, "	rcu_assign_pointer(param->queue, NULL);\n")),
    mutant("removal-forgets-partials", FAULT, sc.partials_against_removal, "leak",
           without(REMOVE_TAIL, "	iopf_free_partials(&dropped);\n")),
    mutant("queue-freed-without-grace-period", FAULT, sc.free_with_work_pending, MEMORY,
           without(QUEUE_FREE, "	synchronize_rcu();\n")),
    mutant("queue-freed-before-its-works", FAULT, sc.free_with_work_pending, "use-after-free",
           instead(QUEUE_FREE, "	destroy_workqueue(queue->wq);\n	kfree(queue);\n",
                   "	kfree(queue);\n	destroy_workqueue(queue->wq);\n")),

    # --- answers ---
    mutant("list-del-for-list-del-init", FAULT, sc.work_against_removal, MEMORY | {"double-response"},
           instead(ANSWER, "list_del_init", "list_del")),
    mutant("answers-twice", FAULT, sc.work_against_removal, "double-response",
           instead(ANSWER, "	iopf_respond(param->dev, &group->last_fault, code);\n",
                   "	iopf_respond(param->dev, &group->last_fault, code);\n" * 2)),
    mutant("answers-nothing", FAULT, sc.work_against_removal, "lost-response",
           without(ANSWER, "	iopf_respond(param->dev, &group->last_fault, code);\n")),
    mutant("response-unconditional", FAULT, sc.work_against_removal, MEMORY | {"double-response", "late-response"},
           instead(RESPONSE, "likely(!list_empty(&group->pending_node))", "true")),
    mutant("removal-answers-nobody", FAULT, sc.held_against_removal, {"late-response", "lost-response"},
           (REMOVE_ANSWERS, "	rcu_assign_pointer(param->queue, NULL);\n	(void)group, (void)next;\n	mutex_unlock(&param->lock);\n")),
    mutant("late-report-unanswered", FAULT, sc.work_against_removal, "lost-response",
           ("	if (last && dev->iommu)\n		iopf_respond(dev, evt, IOMMU_PAGE_RESP_INVALID);\n	return -EINVAL;\n",
            "	return -EINVAL;\n")),
    mutant("bad-setup-answers-twice", FAULT, sc.detach_against_report, "double-response",
           without(BAD_SETUP, "			last = false;\n")),
    mutant("no-memory-unanswered", FAULT, sc.partial_without_memory, "lost-response",
           ("	iopf_respond(dev, evt, IOMMU_PAGE_RESP_FAILURE);\n", "")),
    mutant("no-memory-keeps-partials", FAULT, sc.partial_without_memory, "leak",
           ("	iopf_respond(dev, evt, IOMMU_PAGE_RESP_FAILURE);\n	mutex_unlock(&param->lock);\n\n	iopf_free_partials(&dropped);\n",
            "	iopf_respond(dev, evt, IOMMU_PAGE_RESP_FAILURE);\n	mutex_unlock(&param->lock);\n\n")),
    mutant("answers-wrong-group", FAULT, sc.work_against_removal, "wrong-response",
           ("		.grpid = last->fault.prm.grpid,\n		.code = code,\n", "		.grpid = last->fault.prm.grpid + 1,\n		.code = code,\n")),

    # --- calls whose result no order of the changes that overlap gives ---
    mutant("flush-of-no-queue-succeeds", FAULT, sc.add_beside_removal_then_flush, "unexpected-return",
           ("	if (WARN_ON(!queue))\n		return -ENODEV;\n", "	if (WARN_ON(!queue))\n		return 0;\n")),
    mutant("partial-before-any-queue-succeeds", FAULT, sc.add_beside_removal_then_report, "unexpected-return",
           ("		if (!iommu_attach_handle_resolves_fault(dev, prm) || WARN_ON(!param))\n",
            "		if (!param)\n			return 0;\n		if (!iommu_attach_handle_resolves_fault(dev, prm))\n")),
    mutant("removal-answers-nobody-of-three", FAULT, sc.add_and_removal_beside_report, {"late-response", "lost-response"},
           (REMOVE_ANSWERS, "	rcu_assign_pointer(param->queue, NULL);\n	(void)group, (void)next;\n	mutex_unlock(&param->lock);\n")),
    mutant("removal-answers-nobody-of-the-readded", FAULT, sc.readding_and_report_beside_removal, {"late-response", "lost-response"},
           (REMOVE_ANSWERS, "	rcu_assign_pointer(param->queue, NULL);\n	(void)group, (void)next;\n	mutex_unlock(&param->lock);\n")),
    mutant("second-add-succeeds", FAULT, sc.two_adds_beside_a_removal, "unexpected-return",
           ("		ret = -EBUSY;\n", "		ret = 0;\n")),
    mutant("second-attach-succeeds", ATTACH, sc.attach_beside_detach, MEMORY | {"unexpected-return", "leak"},
           ("	int ret = -EBUSY;\n", "	int ret = 0;\n")),
    mutant("attach-beside-detach-refused", ATTACH, sc.attach_beside_detach, MEMORY | {"unexpected-return", "leak"},
           ("		attach_handle_store(group, handle);\n		ret = 0;\n", "		attach_handle_store(group, handle);\n")),

    # --- ownership ---
    mutant("group-touched-after-hand-over", FAULT, sc.work_against_removal, "use-after-free",
           (HAND_OVER, "	if (handle->domain->iopf_handler(group))\n		iopf_abort_group(group);\n	else\n"
                       "		group->fault_count = 1;\n")),
    mutant("handle-put-after-hand-over", FAULT, sc.two_reporters_against_removal, MEMORY | {"refcount"},
           (HAND_OVER, HAND_OVER + "	iommu_attach_handle_put(handle);\n")),
    mutant("refusal-ignored", FAULT, sc.refusal_alone, {"leak", "lost-response"},
           (HAND_OVER, "	handle->domain->iopf_handler(group);\n	(void)iopf_abort_group;\n")),
    mutant("refusal-only-frees", FAULT, sc.refusal_against_removal, {"use-after-free", "bad-access"},
           (HAND_OVER, "	if (handle->domain->iopf_handler(group)) {\n		(void)iopf_abort_group;\n		kfree(group);\n"
                       "		iommu_attach_handle_put(handle);\n		iopf_put_dev_fault_param(param);\n	}\n")),
    mutant("removal-frees-groups", FAULT, sc.work_against_removal, MEMORY,
           (REMOVE_ANSWERS, REMOVE_ANSWERS.replace(
               "next, &param->faults, pending_node)\n		iopf_answer_pending(param, group, IOMMU_PAGE_RESP_INVALID);\n",
               "next, &param->faults, pending_node) {\n		iopf_answer_pending(param, group, IOMMU_PAGE_RESP_INVALID);\n"
               "		kfree(group);\n	}\n"))),
    mutant("work-frees-first", SVA, sc.work_against_removal, "use-after-free",
           (SVA_TAIL, "	iopf_free_group(group);\n	iopf_group_response(group, code);\n}")),
    mutant("work-frees-twice", SVA, sc.work_against_removal, MEMORY,
           (SVA_TAIL, "	iopf_group_response(group, code);\n	iopf_free_group(group);\n	iopf_free_group(group);\n}")),
    mutant("work-does-not-free", SVA, sc.work_against_removal, "leak",
           (SVA_TAIL, "	iopf_group_response(group, code);\n}")),
    mutant("work-does-not-answer", SVA, sc.partial_and_last, MEMORY | {"lost-response", "leak"},
           (SVA_TAIL, "	(void)code;\n	kfree(group);\n}")),
)
# fmt: on


@functools.cache
def build_module():
    """csrc/build.py. Loaded before the threads that compile start."""
    name = "build_for_mutants"
    spec = importlib.util.spec_from_file_location(name, ROOT / "csrc" / "build.py")
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def compile_mutant(one, folder, extension):
    """The shared object of a mutant, in ``folder``."""
    build = build_module()
    home = Path(folder) / one.id
    shutil.copytree(ROOT / "csrc" / "core", home / "csrc" / "core")
    edited = home / "csrc" / "core" / one.file
    edited.write_text(one.apply(edited.read_text()))
    flavour = next(flavour for flavour in build.flavours() if flavour.name == "explore")
    unit = next(unit for unit in flavour.units if unit.name == "core-iopf")
    include = [home / "csrc" / part if part == "core" else build.CSRC / part for part in unit.include]
    library = home / "core.so"
    # Instrumented when it is compiled and linked without libtsan: the extension has the hooks.
    compiling = [
        "gcc", *build.CFLAGS, *flavour.flags, *unit.flags, "-w", "-fPIC", "-c", "-DRUNTIME_IS_ELSEWHERE",
        *(f"-D{name}={value}" for name, value in unit.macros), *identity(one), *(f"-I{path}" for path in include),
        f"-ffile-prefix-map={home}/=", str(build.CSRC / "forms" / "unit.c"), "-o", str(home / "core.o"),
    ]  # fmt: skip
    linking = ["gcc", "-shared", "-o", str(library), str(home / "core.o"), str(extension)]
    for command in (compiling, linking):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"mutant {one.id} does not compile:\n{done.stderr}")
    return library


def identity(one):
    """Macros that give a mutant its own name (csrc/forms/facets.h)."""
    texts = {"NAME": f"mutant-{one.id}", "TITLE": one.id, "COMMIT": "", "RELEASES": "", "SUMMARY": one.id}
    return [*(f'-DFACET_{key}="{text}"' for key, text in texts.items()), "-DFACET_CLAIMS_CORRECT=1"]


def compile_all(folder, extension, workers=None):
    """Every mutant's shared object, or the exception that it met, by id."""

    def attempt(one):
        try:
            return compile_mutant(one, folder, extension)
        except (LookupError, RuntimeError) as error:
            return error

    build_module()
    with ThreadPoolExecutor(workers) as pool:
        return dict(zip([one.id for one in MUTANTS], pool.map(attempt, MUTANTS)))
