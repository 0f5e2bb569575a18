# SPDX-License-Identifier: GPL-2.0-only
"""The faults that one forgotten, doubled or weakened line makes, put into three forms of the file, and what has to be said.

The forms differ as much as the history does: form-a (copies of faults are pending, removal refuses, report returns), form-e
(groups are pending, report is void, the domain is looked up), form-j (attach handles, a group can be dequeued, removal frees).

Of each fault in each form: it is *found*, as a failure of such a kind that the unchanged form has not, with the contract
kept or broken, and told at one of these places; or it is *equivalent*, with the proof; or the form has no such line.

``kept`` is strict, and so is ``broken``: of a fault that takes a driver that breaks the contract, no failure is the core's.
"""

from __future__ import annotations

from dataclasses import dataclass

FORMS = ("form-a", "form-e", "form-j")


@dataclass(frozen=True)
class Found:
    """The failure that has to be among the new ones."""

    kinds: tuple[str, ...]
    #: "kept", or "broken": then none of the new failures is with the contract kept
    contract: str
    #: "function: the line, in the changed file": one of these is told
    at: tuple[str, ...]
    #: the scenario that shows it
    shows: str
    #: why the place is in another function than the fault, or why it takes a broken contract
    why: str = ""


@dataclass(frozen=True)
class Equivalent:
    """Nobody can tell the changed form from the unchanged one."""

    proof: str


@dataclass(frozen=True)
class Absent:
    """The form has no such line."""

    why: str
    #: text that it has not
    lacks: str


@dataclass(frozen=True)
class Fault:
    """A fault in one form."""

    name: str
    form: str
    #: text that stands there exactly once, and what stands there instead
    edits: tuple[tuple[str, str], ...]
    verdict: Found | Equivalent | Absent

    def apply(self, text: str) -> str:
        """The changed file; ValueError where a place is not found once."""
        for old, new in self.edits:
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: stands {text.count(old)} times in {self.form}: {old!r}")
            text = text.replace(old, new)
        return text


def kept(kinds: str, shows: str, *at: str, why: str = "") -> Found:
    return Found(tuple(kinds.split()), "kept", at, shows, why)


def broken(kinds: str, shows: str, *at: str, why: str) -> Found:
    return Found(tuple(kinds.split()), "broken", at, shows, why)


def edit(old: str, new: str = "", *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return ((old, new), *more)


FAULTS: list[Fault] = []


def fault(name: str, forms: str, edits: tuple[tuple[str, str], ...], verdict: Found | Equivalent | Absent) -> None:
    FAULTS.extend(Fault(name, f"form-{letter}", edits, verdict) for letter in forms)


def absent(name: str, forms: str, why: str, lacks: str) -> None:
    fault(name, forms, (), Absent(why, lacks))


#: Where a handler gets its group: what is wrong with a group is told there.
CALL_A = "iommu_handle_iopf: err = dom->iopf_handler(group);"
CALL_E = "iommu_report_device_fault: if (!group->domain->iopf_handler(group))"
CALL_J = "iommu_report_device_fault: if (!h->domain->iopf_handler(group))"
IN_HANDLER = "what is wrong with a group shows where its handler gets it"

# --- the allocation of a group, and its way to the handler ---

NAME = "unlock dropped in the allocation of a group"
PENDING = "\tlist_add(&group->pending_node, &fp->faults);\n"
COUNT = "\tgroup->fault_count = list_count_nodes(&group->faults);\n"
UNLOCK = "\tmutex_unlock(&fp->lock);\n"
fault(NAME, "a", edit("\tmutex_unlock(&fp->lock);\n\terr = dom->iopf_handler(group);\n", "\terr = dom->iopf_handler(group);\n"),
      kept("deadlock", "remove-queued-work", "iommu_handle_iopf: mutex_lock(&fp->lock);"))  # fmt: skip
for letter, before in (("e", PENDING), ("j", COUNT)):
    fault(NAME, letter, edit(before + UNLOCK, before),
          kept("warn deadlock", "remove-late-report", "iopf_group_alloc: mutex_lock(&fp->lock);"))  # fmt: skip

NAME = "partials not freed"
SKIP = "\t\t\tcontinue;\n\t\tkfree(f);\n"
WALK = "list_for_each_entry_safe(f, tmp, &group->faults, list) {"
fault(NAME, "a", edit(SKIP, "\t\t\tcontinue;\n"), kept("leak", "partial", f"iopf_free_group: {WALK}"))
fault(NAME, "ej", edit(SKIP, "\t\t\tcontinue;\n"), kept("leak", "partial", f"__iopf_free_group: {WALK}"))

NAME = "abort group not put"
absent(NAME, "a", "without memory report returns an error, and there is no group", "abort_group")
fault(NAME, "ej", edit("\tif (group == &abort_group)\n\t\t__iopf_free_group(group);\n\telse\n", "\tif (group != &abort_group)\n"),
      kept("leak", "remove-oom-group", "iopf_group_response: mutex_unlock(&fp->lock);",
           why="where a put is missing, the last is told who touched the param, and the report that called him"))  # fmt: skip

NAME = "handler called twice"
fault(NAME, "a", edit("\terr = dom->iopf_handler(group);\n", "\tdom->iopf_handler(group);\n\terr = dom->iopf_handler(group);\n"),
      kept("use-after-free", "answer-in-handler", CALL_A))  # fmt: skip
fault(NAME, "e", edit("\tif (!group->domain->iopf_handler(group))\n",
                      "\tgroup->domain->iopf_handler(group);\n\tif (!group->domain->iopf_handler(group))\n"),
      kept("use-after-free", "answer-in-handler", CALL_E))  # fmt: skip
fault(NAME, "j", edit("\tif (!h->domain->iopf_handler(group))\n",
                      "\th->domain->iopf_handler(group);\n\tif (!h->domain->iopf_handler(group))\n"),
      kept("use-after-free", "answer-in-handler", CALL_J))  # fmt: skip

NAME = "a group never pending"
FREED_UNANSWERED = (
    "what did not happen is told where the group was freed: a response to what is not pending does nothing"
)
fault(NAME, "a", edit("\t\tlist_add_tail(&pending->list, &fp->faults);\n", "\t\tINIT_LIST_HEAD(&pending->list);\n"),
      kept("leak", "remove-queued-work", "iommu_report_device_fault: INIT_LIST_HEAD(&pending->list);"))  # fmt: skip
fault(NAME, "e", edit(PENDING),
      kept("lost-response", "remove-queued-work", "iopf_free_group: kfree(group);", why=FREED_UNANSWERED))  # fmt: skip
fault(NAME, "j", edit(PENDING),
      broken("late-response", "remove-queued-work", "iopf_group_response: ops->page_response(fp->dev, last, &resp);",
             why="who keeps a group has dequeued it, and flush waits for the works: removal finds a pending group only where the"
                 " driver did not flush, or goes on to report; the late answer is the owner's"))  # fmt: skip

NAME = "domain without handler"
fault(NAME, "a", edit("\tif (!dom || !dom->iopf_handler) {", "\tif (!dom) {"),
      kept("bad-access", "no-handler", CALL_A, why=IN_HANDLER))  # fmt: skip
fault(NAME, "e", edit("\tif (!dom || !dom->iopf_handler) {", "\tif (!dom) {"),
      kept("bad-access", "no-handler", CALL_E, why=IN_HANDLER))  # fmt: skip
fault(NAME, "j", edit("\treturn h->domain->iopf_handler ? h : NULL;", "\treturn h;"),
      kept("bad-access", "no-handler", CALL_J, why=IN_HANDLER))  # fmt: skip

NAME = "nested-PASID fallback dropped"
absent(NAME, "ae", "a PASID that nobody attached has no domain in this form", "user_pasid_table")
fault(NAME, "j", edit("\t\t\tif (!ops->user_pasid_table)\n\t\t\t\treturn NULL;\n", "\t\t\treturn NULL;\n"),
      kept("unexpected-return", "nested-table", "iopf_error_response: ops->page_response(dev, evt, &resp);",
           why="report says what it must not, and the last that it did was to answer: the look-up before it touched nothing"))  # fmt: skip

NAME = "what is no page request answered"
fault(NAME, "a", edit("\tif (fault->type != IOMMU_FAULT_PAGE_REQ)\n\t\treturn -EOPNOTSUPP;\n\n"),
      kept("use-after-free", "no-page-request",
           "iopf_get_dev_fault_param: if (fp && !refcount_inc_not_zero(&fp->users))",
           why="it becomes a group without a copy, so report puts the reference that the group has: the next report meets that"))  # fmt: skip
absent(NAME, "e", "the type is not looked at in this form", "fault->type")
fault(NAME, "j", edit("\tif (fault->type == IOMMU_FAULT_PAGE_REQ)\n\t\tiopf_error", "\tiopf_error"),
      kept("wrong-response", "other-fault-unhandled", "iopf_error_response: ops->page_response(dev, evt, &resp);",
           why="the answer is given there, called from report"))  # fmt: skip

# --- partial requests ---

NAME = "no put after a partial"
fault(NAME, "a", edit("\tif (err || !pending)\n", "\tif (err)\n"),
      kept("leak", "partial", "iommu_report_device_fault: mutex_unlock(&fp->lock);"))  # fmt: skip
LAST_TOUCHED = "where a put is missing, the last is told who touched the param, and the report that called him"
fault(NAME, "e", edit("\t\treport_partial_fault(fp, fault);\n\t\tiopf_put_dev_fault_param(fp);\n", "\t\treport_partial_fault(fp, fault);\n"),
      kept("leak", "partial", "report_partial_fault: mutex_unlock(&fp->lock);", why=LAST_TOUCHED))  # fmt: skip
fault(NAME, "j", edit("\t\tiopf_put_dev_fault_param(fp);\n\t\treturn err;\n", "\t\treturn err;\n"),
      kept("leak", "partial", "report_partial_fault: mutex_unlock(&fp->lock);", why=LAST_TOUCHED))  # fmt: skip

NAME = "put before use in the partial path"
QUIET = "as long as a report runs the base reference is there, since a driver stops reception before it removes"
fault(NAME, "a", edit("out:\n\tmutex_unlock(&fp->lock);\n", "out:\n\tif (err || !pending)\n\t\tiopf_put_dev_fault_param(fp);\n\tmutex_unlock(&fp->lock);\n",
                      ("\t/* A complete group carries the reference on. */\n\tif (err || !pending)\n\t\tiopf_put_dev_fault_param(fp);\n", "")),
      kept("use-after-free", "refusal", "iommu_report_device_fault: mutex_unlock(&fp->lock);",
           why="this form puts the reference of a refused group twice, so the put may be the last one without a removal"))  # fmt: skip
fault(NAME, "e", edit("\t\treport_partial_fault(fp, fault);\n\t\tiopf_put_dev_fault_param(fp);\n",
                      "\t\tiopf_put_dev_fault_param(fp);\n\t\treport_partial_fault(fp, fault);\n"),
      broken("use-after-free", "remove-late-partials", "report_partial_fault: mutex_lock(&fp->lock);", why=QUIET))  # fmt: skip
fault(NAME, "j", edit("\t\tint err = report_partial_fault(fp, fault);\n\n\t\tiopf_put_dev_fault_param(fp);\n",
                      "\t\tiopf_put_dev_fault_param(fp);\n\t\tint err = report_partial_fault(fp, fault);\n\n"),
      broken("use-after-free", "remove-late-partials", "report_partial_fault: mutex_lock(&fp->lock);", why=QUIET))  # fmt: skip

NAME = "the partial list without its lock, where it grows"
absent(
    NAME, "a", "one section covers all of a report: without it every list of the param is bare", "report_partial_fault"
)
fault(NAME, "ej", edit("\tmutex_lock(&fp->lock);\n\tlist_add(&f->list, &fp->partial);\n\tmutex_unlock(&fp->lock);\n",
                       "\tlist_add(&f->list, &fp->partial);\n"),
      kept("data-race", "nine-keys-two-reporters", "report_partial_fault: list_add(&f->list, &fp->partial);"))  # fmt: skip

NAME = "the partial list without its lock, where it is discarded"
DISCARD = (
    "\t\tlist_for_each_entry_safe(f, tmp, &fp->partial, list) {\n\t\t\tlist_del(&f->list);\n\t\t\tkfree(f);\n\t\t}\n"
)
fault(NAME, "aej", edit("\t\tmutex_lock(&fp->lock);\n" + DISCARD + "\t\tmutex_unlock(&fp->lock);\n", DISCARD),
      kept("data-race", "discard-report",
           "iopf_queue_discard_partial: list_for_each_entry_safe(f, tmp, &fp->partial, list) {"))  # fmt: skip

NAME = "discard without list_del"
DISCARDED = "who walks the list next meets what discarding freed"
for letter, where in (("a", "iommu_handle_iopf"), ("e", "iopf_group_alloc"), ("j", "iopf_group_alloc")):
    fault(NAME, letter, edit("\t\t\tlist_del(&f->list);\n\t\t\tkfree(f);\n\t\t}\n\t\tmutex_unlock", "\t\t\tkfree(f);\n\t\t}\n\t\tmutex_unlock"),
          kept("use-after-free", "discard-completed",
               f"{where}: list_for_each_entry_safe(f, tmp, &fp->partial, list) {{", why=DISCARDED))  # fmt: skip

NAME = "partials of every index taken"
fault(NAME, "a", edit("\t\tif (f->fault.prm.grpid == fault->prm.grpid)\n\t\t\tlist_move", "\t\t\tlist_move"),
      kept("wrong-response", "discard-report", CALL_A, why=IN_HANDLER))  # fmt: skip
fault(NAME, "e", edit("\t\tif (f->fault.prm.grpid == evt->fault.prm.grpid)\n"),
      kept("wrong-response", "discard-report", CALL_E, why=IN_HANDLER))  # fmt: skip
fault(NAME, "j", edit("\t\tif (f->fault.prm.grpid == evt->fault.prm.grpid)\n"),
      kept("wrong-response", "discard-report", CALL_J, why=IN_HANDLER))  # fmt: skip

for NAME, old, new, shows in (
    ("order of the pages of a group, as they are stored", "list_add(&f->list, &fp->partial);",
     "list_add_tail(&f->list, &fp->partial);", "partial-order"),
    ("order of the pages of a group, as they are taken", "list_move(&f->list, &group->faults);",
     "list_move_tail(&f->list, &group->faults);", "partial"),
):  # fmt: skip
    for letter, call in (("a", CALL_A), ("e", CALL_E), ("j", CALL_J)):
        fault(NAME, letter, edit(old, new), kept("wrong-group", shows, call, why=IN_HANDLER))

NAME = "the fault not copied, of a partial"
for letter, call in (("a", CALL_A), ("e", CALL_E), ("j", CALL_J)):
    fault(NAME, letter, edit("\tf->fault = *fault;\n"), kept("wrong-group", "partial", call, why=IN_HANDLER))

NAME = "the fault not copied, of the last one"
EMPTY = "without its flags the last request looks like one that was allocated by itself"
fault(NAME, "a", edit("\tgroup->last_fault.fault = *fault;\n"),
      kept("use-after-free invalid-free", "refusal", f"iopf_free_group: {WALK}", why=EMPTY))  # fmt: skip
fault(NAME, "ej", edit("\tgroup->last_fault.fault = evt->fault;\n"),
      kept("use-after-free invalid-free", "refusal", f"__iopf_free_group: {WALK}", why=EMPTY))  # fmt: skip

NAME = "partials left in removal"
LEFT = "\tlist_for_each_entry_safe(f, tmp, &fp->partial, list)\n\t\tkfree(f);\n"
STORED = "what was not freed is told where it was stored, which is the last that anybody did with it"
fault(
    NAME,
    "a",
    edit(LEFT),
    kept("leak", "remove-add", "iommu_handle_iopf: list_add(&f->list, &fp->partial);", why=STORED),
)
fault(
    NAME,
    "ej",
    edit(LEFT),
    kept("leak", "remove-add", "report_partial_fault: list_add(&f->list, &fp->partial);", why=STORED),
)

# --- answers ---

NAME = "response without lock"
fault(NAME, "a", edit("\tmutex_lock(&fp->lock);\n\tif (list_empty(&fp->faults)) {\n", "\tif (list_empty(&fp->faults)) {\n",
                      ("unlock:\n\tmutex_unlock(&fp->lock);\n", "unlock:\n")),
      kept("data-race", "flush-then-remove", "iommu_page_response: list_del(&evt->list);"))  # fmt: skip
ANSWER_E = "\tif (!list_empty(&group->pending_node)) {\n\t\tops->page_response(fp->dev, last, &resp);\n\t\tlist_del_init(&group->pending_node);\n\t}\n"
ANSWER_J = "\tops->page_response(fp->dev, last, &resp);\n\tlist_del_init(&group->pending_node);\n"
for letter, answer in (("e", ANSWER_E), ("j", ANSWER_J)):
    fault(NAME, letter, edit("\tmutex_lock(&fp->lock);\n" + answer + UNLOCK, answer),
          kept("data-race", "flush-then-remove", "iopf_group_response: list_del_init(&group->pending_node);"))  # fmt: skip

NAME = "unlock dropped in the response"
fault(NAME, "a", edit("unlock:\n\tmutex_unlock(&fp->lock);\n", "unlock:\n"),
      kept("warn", "flush-pending-work", "iommu_page_response: mutex_lock(&fp->lock);"))  # fmt: skip
for letter, answer in (("e", ANSWER_E), ("j", ANSWER_J)):
    fault(NAME, letter, edit(answer + UNLOCK, answer),
          kept("warn", "flush-pending-work", "iopf_group_response: mutex_lock(&fp->lock);"))  # fmt: skip

NAME = "list_del for list_del_init, in the response"
absent(NAME, "a", "the copy is freed at once, and is no list's any more", "list_del_init")
fault(NAME, "e", edit(ANSWER_E, ANSWER_E.replace("list_del_init", "list_del")),
      kept("bad-access", "answered-twice", "iopf_group_response: list_del(&group->pending_node);"))  # fmt: skip
fault(NAME, "j", edit(ANSWER_J, ANSWER_J.replace("list_del_init", "list_del")),
      broken("bad-access", "answered-twice", "iopf_group_response: list_del(&group->pending_node);",
             why="who has answered a group has only to free it, and that looks at no list: a second answer is the owner's fault"
                 " in a form that does not look whether the group is pending"))  # fmt: skip

NAME = "dequeue dropped"
DEQUEUE = "void iopf_group_dequeue(struct iopf_group *group)\n{\n\tstruct iommu_fault_param *fp = group->fault_param;\n\n\tmutex_lock(&fp->lock);\n"
TAKEN_OFF = "\tlist_del_init(&group->pending_node);\n"
absent(NAME, "ae", "no group can be dequeued in this form", "void iopf_group_dequeue(")
fault(NAME, "j", edit(DEQUEUE + TAKEN_OFF, DEQUEUE),
      kept("use-after-free", "remove-held-group", "iopf_group_response: struct iommu_fault_param *fp = group->fault_param;",
           why="removal frees what its owner could not take off the list, and the owner's answer meets that"))  # fmt: skip

NAME = "list_del for list_del_init, in dequeue"
absent(NAME, "ae", "no group can be dequeued in this form", "void iopf_group_dequeue(")
fault(NAME, "j", edit(DEQUEUE + TAKEN_OFF, DEQUEUE + "\tlist_del(&group->pending_node);\n"),
      kept("bad-access", "remove-held-group", "iopf_group_response: list_del_init(&group->pending_node);",
           why="the owner's answer takes the node off once more, and follows the poison"))  # fmt: skip

# --- removal ---

NAME = "list_del for list_del_init, in removal"
UNLINK = "\t\tops->page_response(dev, last, &resp);\n\t\tlist_del_init(&group->pending_node);\n"
UNLINKED = "the owner's answer, which comes after removal, looks at the node"
absent(NAME, "a", "removal refuses while something is pending, and takes nothing off", "list_del_init")
fault(NAME, "e", edit(UNLINK, UNLINK.replace("list_del_init", "list_del")),
      kept("bad-access", "remove-held-group", "iopf_group_response: list_del_init(&group->pending_node);", why=UNLINKED))  # fmt: skip
fault(NAME, "j", edit(UNLINK, UNLINK.replace("list_del_init", "list_del")),
      Equivalent("Both take the group out from between its neighbours in the same way, and differ in what they leave in the"
                 " group's own node. The next statement frees the group, whose freeing does not look at that node, with the"
                 " param's lock held throughout: so nobody reads the node between the two, and whoever touches the group after"
                 " that touches freed memory whatever was left there."))  # fmt: skip

NAME = "list_del_init dropped in removal"
absent(NAME, "a", "removal refuses while something is pending, and takes nothing off", "list_del_init")
fault(NAME, "e", edit(UNLINK, "\t\tops->page_response(dev, last, &resp);\n"),
      kept("double-response", "remove-held-group", "iopf_group_response: ops->page_response(fp->dev, last, &resp);", why=UNLINKED))  # fmt: skip
fault(NAME, "j", edit(UNLINK, "\t\tops->page_response(dev, last, &resp);\n"),
      broken("use-after-free", "remove-queued-late-report", "iopf_group_alloc: list_add(&group->pending_node, &fp->faults);",
             why="the list is the param's, and behind removal only a report touches it that had its reference before: the driver"
                 " had not stopped reception, and had not flushed what is pending"))  # fmt: skip

NAME = "removal answers SUCCESS"
absent(NAME, "a", "removal refuses while something is pending, and answers nobody", "IOMMU_PAGE_RESP_INVALID")
fault(NAME, "ej", edit("\t\t\t.code = IOMMU_PAGE_RESP_INVALID,\n\t\t};\n\n\t\tops", "\t\t\t.code = IOMMU_PAGE_RESP_SUCCESS,\n\t\t};\n\n\t\tops"),
      kept("wrong-code", "free-queue-pending", "iopf_queue_remove_device: ops->page_response(dev, last, &resp);"))  # fmt: skip

NAME = "the pointer not cleared"
fault(NAME, "aej", edit("\trcu_assign_pointer(iommu->fault_param, NULL);\n"),
      kept("unexpected-return", "remove-add", "iopf_queue_add_device: mutex_unlock(&queue->lock);",
           why="the first that a driver sees which keeps the contract is that the device cannot be added again"))  # fmt: skip

NAME = "queue_list not unlinked"
fault(NAME, "aej", edit("\tlist_del(&fp->queue_list);\n"),
      kept("use-after-free", "partial", "iopf_queue_free: list_for_each_entry_safe(fp, tmp, &queue->devices, queue_list)",
           why="who walks the queue's devices next meets what removal has freed"))  # fmt: skip

TAKES = "\tmutex_lock(&queue->lock);\n\tmutex_lock(&iommu->lock);\n\tfp = rcu"
LETS_GO = {
    "a": "\tmutex_unlock(&iommu->lock);\n\tmutex_unlock(&queue->lock);\n\treturn err;\n}\nEXPORT_SYMBOL_GPL(iopf_queue_remove_device);",
    "e": "\tmutex_unlock(&iommu->lock);\n\tmutex_unlock(&queue->lock);\n}\nEXPORT_SYMBOL_GPL(iopf_queue_remove_device);",
}
LETS_GO["j"] = LETS_GO["e"]
for letter, lets_go in LETS_GO.items():
    fault("removal without the queue's lock", letter,
          edit(TAKES, TAKES.replace("\tmutex_lock(&queue->lock);\n", ""), (lets_go, lets_go.replace("\tmutex_unlock(&queue->lock);\n", ""))),
          kept("data-race", "remove-add", "iopf_queue_remove_device: list_del(&fp->queue_list);"))  # fmt: skip
    fault("removal without the device's lock", letter,
          edit(TAKES, TAKES.replace("\tmutex_lock(&iommu->lock);\n", ""), (lets_go, lets_go.replace("\tmutex_unlock(&iommu->lock);\n", ""))),
          kept("rcu", "partial",
               "iopf_queue_remove_device: fp = rcu_dereference_check(iommu->fault_param, lockdep_is_held(&iommu->lock));"))  # fmt: skip
    fault("lock order in removal", letter, edit(TAKES, "\tmutex_lock(&iommu->lock);\n\tmutex_lock(&queue->lock);\n\tfp = rcu"),
          kept("deadlock", "remove-add", "iopf_queue_remove_device: mutex_lock(&queue->lock);"))  # fmt: skip

NAME = "removal without the param's lock"
absent(
    NAME,
    "a",
    "removal frees the partials without that lock as it is: the catalogue has it",
    "\tmutex_lock(&fp->lock);\n" + LEFT,
)
for letter, freed in (("e", ""), ("j", "\t\tiopf_free_group(group);\n")):
    fault(NAME, letter,
          edit("\tmutex_lock(&fp->lock);\n" + LEFT, LEFT, (UNLINK + freed + "\t}\n" + UNLOCK, UNLINK + freed + "\t}\n")),
          kept("data-race", "free-queue-pending",
               "iopf_queue_remove_device: list_for_each_entry_safe(group, next, &fp->faults, pending_node) {"))  # fmt: skip

NAME = "-EBUSY returned without unlock, by removal"
fault(NAME, "a", edit("\telse if (!list_empty(&fp->faults))\n\t\terr = -EBUSY;\n", "\telse if (!list_empty(&fp->faults))\n\t\treturn -EBUSY;\n"),
      kept("warn", "free-queue-pending", "iopf_queue_remove_device: mutex_lock(&iommu->lock);"))  # fmt: skip
absent(NAME, "ej", "removal does not refuse in this form", "else if (!list_empty(&fp->faults))")

# --- adding, counting, the queue ---

NAME = "-EBUSY returned without unlock, by add"
fault(NAME, "aej", edit("\t\terr = -EBUSY;\n\t\tgoto out;\n\t}\n\n\tfp = kz", "\t\treturn -EBUSY;\n\t}\n\n\tfp = kz"),
      kept("warn", "add-two-queues", "iopf_queue_add_device: mutex_lock(&iommu->lock);"))  # fmt: skip

NAME = "published before initialised"
fault(NAME, "aej", edit("\tfp->dev = dev;\n", "\trcu_assign_pointer(iommu->fault_param, fp);\n\tfp->dev = dev;\n",
                        ("\tlist_add(&fp->queue_list, &queue->devices);\n\n\trcu_assign_pointer(iommu->fault_param, fp);\n",
                         "\tlist_add(&fp->queue_list, &queue->devices);\n")),
      broken("data-race", "readd-late-response", "iopf_queue_add_device: fp->queue = queue;",
             why="adds and removals are kept apart by the device's lock, so only a report or a flush can meet a param that is not"
                 " finished, and a driver has the device on its queue before it reports or flushes: the order of the publication"
                 " is there for one that does not"))  # fmt: skip

NAME = "inc for inc_not_zero"
LOOKUP = "\tif (fp && !refcount_inc_not_zero(&fp->users))\n\t\tfp = NULL;\n"
INC = "\tif (fp)\n\t\trefcount_inc(&fp->users);\n"
fault(NAME, "a", edit(LOOKUP, INC),
      kept("refcount", "refusal", "iopf_get_dev_fault_param: refcount_inc(&fp->users);",
           why="this form puts the reference of a refused group twice, so the count is 0 with the device on its queue"))  # fmt: skip
fault(NAME, "ej", edit(LOOKUP, INC),
      broken("refcount", "remove-late-report", "iopf_get_dev_fault_param: refcount_inc(&fp->users);", why=QUIET))  # fmt: skip

NAME = "kfree for kfree_rcu"
fault(NAME, "aej", edit("\t\tkfree_rcu(fp, rcu);\n", "\t\tkfree(fp);\n"),
      broken("use-after-free", "remove-late-report", "iopf_get_dev_fault_param: if (fp && !refcount_inc_not_zero(&fp->users))",
             why=QUIET))  # fmt: skip

NAME = "flush does nothing"
fault(NAME, "aej", edit("\tflush_workqueue(fp->queue->wq);\n"),
      kept("unexpected-return", "flush-pending-work",
           "iopf_queue_flush_dev: fp = rcu_dereference_check(dev->iommu->fault_param, true);"))  # fmt: skip

NAME = "workqueue not destroyed"
fault(NAME, "aej", edit("\tdestroy_workqueue(queue->wq);\n"), kept("leak", "partial", "iopf_queue_free: kfree(queue);"))

NAME = "the error path of queue_alloc leaks"
fault(NAME, "aej", edit("\tif (!queue->wq) {\n\t\tkfree(queue);\n", "\tif (!queue->wq) {\n"),
      kept("leak", "no-queue", 'iopf_queue_alloc: queue->wq = alloc_workqueue("iopf_queue/%s", WQ_UNBOUND, 0, name);'))  # fmt: skip
