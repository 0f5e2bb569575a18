# SPDX-License-Identifier: GPL-2.0-only
"""One-line changes to form-g.c, each a bug that somebody has made or could make: what a check has to find.

``old`` stands exactly once in the file. ``kinds`` are the kinds of failure that such a bug has, by the rank in which a
search prefers them. ``shows`` is the least that has to happen for it.
"""

from dataclasses import dataclass

BASE = "form-g"


@dataclass(frozen=True)
class Change:
    """One wrong line."""

    name: str
    old: str
    new: str
    kinds: tuple[str, ...]
    shows: str

    def apply(self, text: str) -> str:
        """The file with the change; ValueError when the place is not found once."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: stands {text.count(self.old)} times in the file")
        return text.replace(self.old, self.new)

    def line(self, text: str) -> int:
        """The number of the line that differs, or of the one after it where a line was taken out."""
        pairs = zip(text.split("\n"), self.apply(text).split("\n"), strict=False)
        return next(number for number, (before, after) in enumerate(pairs, 1) if before != after)


_UNLINK_IN_RESPONSE = "\t\tops->page_response(fp->dev, last, &resp);\n\t\tlist_del_init(&group->pending_node);\n"
_UNLINK_IN_REMOVE = "\t\tops->page_response(dev, last, &resp);\n\t\tlist_del_init(&group->pending_node);\n"

CHANGES = (
    Change("a stored partial keeps the reference",
           "\t\tiopf_put_dev_fault_param(fp);\n\t\treturn err;\n", "\t\treturn err;\n",
           ("leak",), "a partial request, removal"),
    Change("a response leaves the group pending",
           _UNLINK_IN_RESPONSE, "\t\tops->page_response(fp->dev, last, &resp);\n",
           ("use-after-free", "double-response"), "a group that is answered and freed, removal"),
    Change("removal poisons instead of initialising",
           _UNLINK_IN_REMOVE, "\t\tops->page_response(dev, last, &resp);\n\t\tlist_del(&group->pending_node);\n",
           ("bad-access", "double-response"), "removal before the owner's response"),
    Change("a response keeps the lock",
           "\t\tlist_del_init(&group->pending_node);\n\t}\n\tmutex_unlock(&fp->lock);\n}\n",
           "\t\tlist_del_init(&group->pending_node);\n\t}\n}\n",
           ("use-after-free", "deadlock"), "two groups, or one and removal"),
    Change("the param does not wait for readers",
           "\t\tkfree_rcu(fp, rcu);", "\t\tkfree(fp);",
           ("use-after-free",), "report beside removal"),
    Change("the lookup revives a param without references",
           "\tif (fp && !refcount_inc_not_zero(&fp->users))\n\t\tfp = NULL;\n",
           "\tif (fp)\n\t\trefcount_inc(&fp->users);\n",
           ("use-after-free", "refcount"), "report beside removal"),
    Change("an aborted group is not answered",
           "\tiopf_group_response(group, IOMMU_PAGE_RESP_FAILURE);\n", "",
           ("use-after-free", "lost-response"), "a handler that refuses, removal"),
    Change("removal leaves the pointer",
           "\trcu_assign_pointer(iommu->fault_param, NULL);\n", "",
           ("use-after-free",), "removal, then a report"),
    Change("removal keeps the base reference",
           "\tiopf_put_dev_fault_param(fp);\nout:\n", "out:\n",
           ("leak",), "removal"),
    Change("a freed group keeps its reference",
           "\tiopf_put_dev_fault_param(group->fault_param);\n", "",
           ("leak",), "a group, removal"),
    Change("partials of a group stay stored",
           "\t\t\tlist_move(&f->list, &group->faults);\n", "\t\t\tlist_add(&f->list, &group->faults);\n",
           ("use-after-free", "double-free", "bad-access"), "a partial and its last request, removal"),
    Change("discarding does not lock",
           "\tlist_for_each_entry(fp, &queue->devices, queue_list) {\n\t\tmutex_lock(&fp->lock);\n",
           "\tlist_for_each_entry(fp, &queue->devices, queue_list) {\n",
           ("use-after-free", "data-race", "warn"), "a partial request beside discarding"),
    Change("a response does not ask whether the group is pending",
           "\tif (!list_empty(&group->pending_node)) {\n", "\tif (group) {\n",
           ("double-response", "late-response"), "removal before the owner's response"),
)  # fmt: skip
