# SPDX-License-Identifier: GPL-2.0-only
"""What a monitor compares, the judging of orders knows as compared (csrc/explore/commute.c).

Each core here does wrong only beside something that no lock, no access and no other step orders with it: a flag tells it,
which is read and written by marked accesses. So whether a failure can be seen depends on the order in which the monitors
look at the calls. With every order judged (``orders``) it is; by classes it has to be, too.
"""

import importlib.util

import core_scenarios as sc
import mutants
import pytest

from iopf.explore import Scenario, explore, search
from iopf.explore.loader import load

# fmt: off
FLAGS = ("static u64 iopf_partial_key(struct hlist_node *node)\n",
         "static int beside, noted;\nstatic u64 iopf_partial_key(struct hlist_node *node)\n")
#: A last report leaves behind what is stored.
LEAVES_PARTIALS = ("	if (param->partial_index.nr_nodes)\n		group->fault_count +=",
                   "	if (!READ_ONCE(beside) && param->partial_index.nr_nodes)\n		group->fault_count +=")
REPORTS_PARTIAL = "		return iopf_report_partial(dev, param, evt);"
REMOVAL = ("	mutex_lock(&queue->lock);\n	mutex_lock(&dev->iommu->lock);\n	param = rcu_dereference_check(dev->iommu->fault_param, "
           "lockdep_is_held(&dev->iommu->lock));\n	if (WARN_ON(!param || rcu")
REMOVED = "	iopf_put_dev_fault_param(param);\n}\nEXPORT_SYMBOL_GPL(iopf_queue_remove_device);"
DURING_REMOVAL = ((REMOVAL, "	WRITE_ONCE(beside, 1);\n" + REMOVAL), (REMOVED, "	WRITE_ONCE(beside, 0);\n" + REMOVED))

CORES = {core.id: core for core in (
    mutants.mutant("leaves-partials-beside-removal", mutants.FAULT, sc.partial_and_last, "wrong-group",
                   FLAGS, LEAVES_PARTIALS, *DURING_REMOVAL),
    mutants.mutant("leaves-partials-beside-a-partial-report", mutants.FAULT, sc.partial_and_last, "wrong-group", FLAGS,
                   LEAVES_PARTIALS,
                   (REPORTS_PARTIAL, "		{ int ret; WRITE_ONCE(beside, 1); ret = iopf_report_partial(dev, param, evt);"
                                     " WRITE_ONCE(beside, 0); return ret; }")),
    mutants.mutant("discards-nothing-that-came-beside-removal", mutants.FAULT, sc.partial_and_last, "wrong-group", FLAGS,
                   (REPORTS_PARTIAL, "		{ int ret = iopf_report_partial(dev, param, evt);"
                                     " WRITE_ONCE(noted, READ_ONCE(beside)); return ret; }"), *DURING_REMOVAL,
                   ("	LIST_HEAD(dropped);\n\n	if (!queue)\n		return -EINVAL;\n",
                    "	LIST_HEAD(dropped);\n\n	if (!queue)\n		return -EINVAL;\n	if (READ_ONCE(noted))\n		return 0;\n")),
    mutants.mutant("flush-that-waits-for-nothing-once-an-answer-is-dropped", mutants.FAULT, sc.partial_and_last, "lost-response",
                   FLAGS,
                   ("	if (likely(!list_empty(&group->pending_node))) {\n		iopf_answer_pending(param, group, code);\n",
                    "	if (likely(!list_empty(&group->pending_node))) {\n		if (READ_ONCE(beside)) {\n"
                    "			list_del_init(&group->pending_node);\n			WRITE_ONCE(noted, 1);\n		} else\n"
                    "			iopf_answer_pending(param, group, code);\n"),
                   ("	flush_workqueue(queue->wq);\n	return 0;\n",
                    "	int dropped;\n\n	WRITE_ONCE(noted, 0);\n	WRITE_ONCE(beside, 1);\n	dropped = READ_ONCE(noted);\n"
                    "	WRITE_ONCE(beside, 0);\n	if (!dropped)\n		flush_workqueue(queue->wq);\n	return 0;\n")),
)}
# fmt: on


def beside_removal_of_another(s, queue, handler):
    dev, other = s.device(queue, handler=handler, pasid=1), s.device(queue, handler="inline", pasid=1)
    s.setup.report_partial(dev, grpid=1, pasid=1)
    return {
        "report": lambda: s.task("irq").report(dev, grpid=1, pasid=1),
        "remove": lambda: s.task("driver").remove(queue, other),
    }


def beside_a_partial(s, queue, handler):
    dev = s.device(queue, handler=handler, pasid=1)
    s.setup.report_partial(dev, grpid=1, pasid=1)
    return {
        "report": lambda: s.task("irq").report(dev, grpid=1, pasid=1),
        "partial": lambda: s.task("other irq").report_partial(dev, grpid=1, pasid=1),
    }


def discarded_beside_removal(s, queue, handler):
    dev = s.device(queue, handler=handler, pasid=1)
    return {
        "report": lambda: (
            s.task("irq").report_partial(dev, grpid=1, pasid=1).discard_partial(queue).report(dev, grpid=1, pasid=1)
        ),
        "remove": lambda: s.task("driver").remove(queue, dev),
    }


def flushed(s, queue, handler):
    dev = s.device(queue, handler=handler, pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    return {"flush": lambda: s.task("driver").flush(dev)}


@pytest.fixture(scope="module")
def cores(tmp_path_factory):
    extension = importlib.util.find_spec("iopf._explore").origin
    folder = tmp_path_factory.mktemp("orders")
    return {
        name: load(mutants.compile_mutant(core, folder, extension), "iopf_core_iopf") for name, core in CORES.items()
    }


@pytest.mark.parametrize("backwards", [False, True], ids=["", "backwards"])
@pytest.mark.parametrize(
    ("core", "scene", "handler", "kind"),
    [
        ("leaves-partials-beside-removal", beside_removal_of_another, "inline", "wrong-group"),
        ("leaves-partials-beside-removal", beside_removal_of_another, "sva", "wrong-group"),
        ("leaves-partials-beside-a-partial-report", beside_a_partial, "drop", "wrong-group"),
        ("leaves-partials-beside-a-partial-report", beside_a_partial, "inline", "wrong-group"),
        ("discards-nothing-that-came-beside-removal", discarded_beside_removal, "inline", "wrong-group"),
        ("flush-that-waits-for-nothing-once-an-answer-is-dropped", flushed, "sva", "unexpected-return"),
    ],
)
def test_what_only_the_order_of_calls_shows_is_found(cores, core, scene, handler, kind, backwards, monkeypatch):
    """By classes as where every order is judged, whichever task is declared first."""
    monkeypatch.setitem(search.POINTS, "orders", "XP_O_ALL_ORDERS")
    s = Scenario(f"{scene.__name__}, {handler}")
    tasks = list(scene(s, s.queue(), handler).values())
    for task in reversed(tasks) if backwards else tasks:
        task()
    classes, every = (
        {
            (failure.kind, failure.contract)
            for failure in explore(
                s, core=cores[core], strategy="dpor", points=points, estimate=False, shrink=False, all_failures=True
            ).failures
        }
        for points in ((), ("orders",))
    )
    assert classes == every and kind in {kind for kind, _ in every}
