# SPDX-License-Identifier: GPL-2.0-only
"""Mutants that live and are equivalent: the kind of the proof, and the proof. Argued, not assumed; at most a tenth.

By id, as score.py prints it. What is equivalent by a rule about all C text is not made: needless.py. Kinds of proof:

``unseen``       two writes that nobody can see between: to what is not published yet, or under a lock that every reader
                 takes; or a write to what nobody looks at any more; or two calls of which neither looks at what the
                 other changes
``lock``         a weaker access to what only the holder of a lock writes, with that lock held
``dominated``    a condition that cannot hold there: the caller has crashed by it before
``idempotent``   the second time does nothing
``hash``         it decides in which chain a key is; equal keys stay in one chain, and a comparison of the whole key decides
``speed``        the result is the same by a way that takes longer, or keeps memory for longer
``same``         the same values, come by otherwise
``dead``         a value that nobody reads
``empty``        it takes what is there, and there nothing is
``pinned``       a reference beside another one that is held for as long
``alone``        a lock where the contract lets nobody else be
``unspecified``  both are allowed: the specification leaves it free
"""

_HASH = ("equivalent: hash", "the value is still a function of the key, and iopf_same_key() decides")
_FLOCK = ("equivalent: unseen", "both are done in one section of F.lock, and neither looks at what the other writes")
_INDEPENDENT = ("equivalent: unseen", "two calls of which neither looks at what the other changes")
_SLOW_TABLE = (
    "equivalent: speed",
    "a table that grows later, in vain, or not at all has longer chains and the same content",
)
_KEPT_TABLE = (
    "equivalent: speed",
    "the array of the empty table stays in use, and goes with the group, which frees it",
)
_NO_PARTIALS = (
    "equivalent: speed",
    "a group of one page has no other on its list: its own node is taken off before it is freed, and"
    " nothing else is freed",
)
_OWN_LIST = ("equivalent: unseen", "what was dropped is on a list of this call's own, and no part of the param")
_TAKEN = (
    "equivalent: idempotent",
    "the second call, in the same section of F.lock, finds nothing of that key any more",
)
_ANSWERED = (
    "equivalent: unseen",
    "both in one section of F.lock; page_response must not call back, and does not see the list",
)
_NEW = ("equivalent: unseen", "the object is not published yet, and neither looks at what the other writes")
_LATE_COUNT = (
    "equivalent: unspecified",
    "until its count is set nobody gets a reference, and the device is on no queue for a report that"
    " runs beside add; who adds or removes needs the locks that are held",
)

REASONS: dict[str, tuple[str, str]] = {
    "io-pgfault.c:iopf_key/relation/2": _HASH,
    "io-pgfault.c:iopf_key/key/3": _HASH,
    "io-pgfault.c:iopf_key/relation/1": _HASH,
    "io-pgfault.c:iopf_key/constant/2": _HASH,
    "io-pgfault.c:iopf_key/constant/4": _HASH,
    "io-pgfault.c:iopf_key/constant/5": _HASH,
    "io-pgfault.c:iopf_key/key/2": _HASH,
    "io-pgfault.c:iopf_release_fault_param/cross/2": (
        "equivalent: unseen", "the count is 0, and the device is in a variable: neither looks at what the other puts"),
    "io-pgfault.c:iopf_count_idle_response/cross/2": (
        "equivalent: unspecified", "whether the count or the message comes first"),
    "io-pgfault.c:iopf_group_response/cross/3": (
        "equivalent: unspecified", "the count is atomic, the message sleeps for nothing, and neither is allocated, freed or put:"
        " both may be done under the lock"),
    "io-pgfault.c:iopf_free_group/swap/1": (
        "equivalent: unseen", "the answer is that of the last request, which is part of the group; nobody but the owner has the"
        " others"),
    "io-pgfault.c:iopf_free_group/cross/1": _INDEPENDENT,
    "io-pgfault.c:iopf_free_group/relation/1": _NO_PARTIALS,
    "io-pgfault.c:iopf_free_group/unasked/1": (
        "equivalent: speed", "an owner that has answered finds under the lock that its group is not pending"),
    "io-pgfault.c:iopf_free_group/unasked/3": _NO_PARTIALS,
    "io-pgfault.c:iopf_bad_setup/double/2": (
        "equivalent: idempotent", "in the same section of F.lock the second call finds no partial of the key"),
    "io-pgfault.c:iopf_grow_partial_index/delete/1": _SLOW_TABLE,
    "io-pgfault.c:iopf_report_partial/delete/17": _SLOW_TABLE,
    "io-pgfault.c:iopf_report_partial/unasked/7": _SLOW_TABLE,
    "io-pgfault.c:iopf_report_no_memory/cross/2": (
        "equivalent: empty", "removal took all that was stored in the section in which it cleared F.queue, and nothing is stored"
        " after that: where the param is disassociated, nothing is taken"),
    "io-pgfault.c:iopf_report_last/cross/6": _INDEPENDENT,
    "io-pgfault.c:iopf_report_last/list/3": (
        "equivalent: unspecified", "in which order removal answers what is pending is free"),
    "io-pgfault.c:iopf_queue_flush_dev/double/3": (
        "equivalent: idempotent", "what was queued before the call is over; to wait for more is allowed"),
    "io-pgfault.c:iopf_queue_discard_partial/double/3": (
        "equivalent: idempotent", "in the same section of F.lock the second call finds nothing stored"),
    "io-pgfault.c:iopf_queue_add_device/swap/9": (
        "equivalent: unseen", "who finds the param by its device does not look at the queue's list, which is Q.lock's, and that"
        " is held"),
    "io-pgfault.c:iopf_queue_add_device/list/1": (
        "equivalent: unspecified", "in which order the devices of a queue are walked is free"),
    "io-pgfault.c:iopf_queue_remove_device/cross/12": (
        "equivalent: unseen", "what was dropped is on a list of this call's own, and no part of the param"),
    "io-pgfault.c:iopf_queue_get_device/cross/1": (
        "equivalent: alone", "while a queue is freed nobody else may call it: the list changes by this task's own removals"),
    "io-pgfault.c:iopf_queue_free/double/2": (
        "equivalent: idempotent", "a second grace period waits for readers that see no queue any more"),
    "io-pgfault.c:iopf_release_fault_param/move/2": (
        "equivalent: unseen", "the count is 0: nobody gets a reference any more, a reader that has the pointer looks at the count"
        " alone, and the device is in a variable"),
    "io-pgfault.c:iopf_is_disassociated/order/1": (
        "equivalent: lock", "F.queue is written under F.lock, which every caller holds"),
    "io-pgfault.c:iopf_bad_setup/cross/5": _FLOCK,
    "io-pgfault.c:iopf_report_partial/negate/4": (
        "equivalent: speed", "with 0 buckets keyed_grow() hands back what it was given; an index that does not grow has longer"
        " chains and the same content"),
    "io-pgfault.c:iopf_report_partial/constant/1": (
        "equivalent: speed", "with 1 bucket keyed_grow() hands back what it was given"),
    "io-pgfault.c:iopf_report_no_memory/double/3": (
        "equivalent: idempotent", "in the same section of F.lock the second call finds no partial of the key"),
    "io-pgfault.c:iopf_report_last/swap/8": _NEW,
    "io-pgfault.c:iopf_key/unasked/1": _HASH,
    "io-pgfault.c:iopf_key/constant/3": _HASH,
    "io-pgfault.c:iopf_take_all_partials/double/1": _TAKEN,
    "io-pgfault.c:iopf_answer_pending/swap/2": _ANSWERED,
    "io-pgfault.c:iopf_free_group/cross/2": _INDEPENDENT,
    "io-pgfault.c:iopf_free_group/move/1": _INDEPENDENT,
    "io-pgfault.c:iopf_free_group/constant/2": _NO_PARTIALS,
    "io-pgfault.c:iopf_bad_setup/cross/4": _OWN_LIST,
    "io-pgfault.c:iopf_report_no_memory/cross/6": _OWN_LIST,
    "io-pgfault.c:iopf_report_no_memory/cross/3": _FLOCK,
    "io-pgfault.c:iopf_report_partial/delete/16": _SLOW_TABLE,
    "io-pgfault.c:iopf_report_partial/delete/18": _SLOW_TABLE,
    "io-pgfault.c:iopf_report_partial/swap/9": _SLOW_TABLE,
    "io-pgfault.c:iopf_report_partial/swap/8": _FLOCK,
    "io-pgfault.c:iopf_bad_setup/unasked/3": (
        "equivalent: unspecified", "behind removal nothing is stored, and whether INVALID is sent with the lock held or without makes no"
        " difference"),
    "io-pgfault.c:iopf_report_partial/swap/5": (
        "equivalent: same", "a lookup changes nothing, and what it finds is not used where the param is disassociated"),
    "io-pgfault.c:iopf_report_partial/list/3": ("equivalent: unspecified", "in which order everything that is stored is dropped is free"),
    "io-pgfault.c:iopf_report_last/delete/8": (
        "equivalent: dead", "the node is the owner's, who links it or leaves it; the core does not look at it"),
    "io-pgfault.c:iopf_report_last/swap/7": ("equivalent: empty", "where the param is disassociated nothing is stored"),
    "io-pgfault.c:iopf_report_last/unasked/5": ("equivalent: speed", "with nothing stored the lookup finds nothing"),
    "io-pgfault.c:iopf_queue_discard_partial/cross/4": ("equivalent: unspecified", "nothing is freed under F.lock; under Q.lock it may be"),
    "io-pgfault.c:iopf_queue_add_device/cross/6": ("equivalent: unspecified", "in which order two locks are dropped is free"),
    "io-pgfault.c:iopf_queue_add_device/move/5": _LATE_COUNT,
    "io-pgfault.c:iopf_queue_remove_device/cross/6": _FLOCK,
    "io-pgfault.c:iopf_queue_remove_device/swap/2": (
        "equivalent: unspecified", "who looks at F.queue without F.lock queues its work, or does not, in either order: the group is"
        " answered here, and what its owner says does nothing"),
    "io-pgfault.c:iopf_queue_remove_device/cross/10": (
        "equivalent: unspecified", "in which order two locks are dropped is free"),
    "io-pgfault.c:iopf_queue_remove_device/cross/11": (
        "equivalent: unspecified", "nothing is freed under F.lock; under Q.lock it may be"),
    "io-pgfault.c:iopf_queue_remove_device/cross/13": (
        "equivalent: unspecified", "in which order two locks are dropped is free"),
    "io-pgfault.c:iopf_queue_remove_device/double/6": (
        "equivalent: idempotent", "in the same section of F.lock the second call finds nothing stored"),
    "io-pgfault.c:iopf_queue_remove_device/order/3": (
        "equivalent: lock", "a param that is published has its queue until removal, which holds D.lock, clears it"),
    "io-pgfault.c:iopf_queue_get_device/cross/2": (
        "equivalent: alone", "while a queue is freed nobody else may call it: the list changes by this task's own removals"),
    "io-pgfault.c:iopf_queue_free/cross/4": (
        "equivalent: pinned", "the fault param has a reference to the device, and removal puts the param last"),
    "attach.c:iommu_attach_handle_release/cross/1": (
        "equivalent: unseen", "the domain is in a variable, and whoever frees a handle frees its memory alone"),
    "attach.c:attach_handle_init/move/1": _NEW,
    "attach.c:attach_handle_init/move/2": _NEW,
    "attach.c:attach_handle_store/delete/3": _SLOW_TABLE,
    "attach.c:attach_handle_store/swap/1": _SLOW_TABLE,
    "attach.c:attach_handle_store/double/1": (
        "equivalent: idempotent", "the table has that size already, and hands back the array that it was given, which is freed"),
    "attach.c:attach_handle_store/negate/1": _SLOW_TABLE,
    "attach.c:attach_handle_store/unasked/1": _SLOW_TABLE,
    "attach.c:attach_handle_erase/delete/2": _KEPT_TABLE,
    "attach.c:attach_handle_erase/swap/1": _KEPT_TABLE,
    "attach.c:attach_handle_find_for_fault/operand/2": (
        "equivalent: idempotent", "without a PASID the second lookup is the first one once more, in the same section"),
    "attach.c:iommu_replace_device_pasid/swap/2": (
        "equivalent: unseen", "both in one section of the group's lock, and the new handle is not stored yet"),
    "attach.c:attach_handle_init/double/2": ("equivalent: idempotent", "the handle is not stored yet"),
    "attach.c:iommu_replace_device_pasid/swap/3": (
        "equivalent: unseen", "both in one section of the group's lock; each handle is taken off by its own node"),
    "iommu-sva.c:iommu_sva_handle_iopf/swap/2": (
        "equivalent: same", "the same faults are tried in the same order: the code of one is looked at before the next"),
    "iommu-sva.c:iommu_sva_handle_iopf/code/1": (
        "equivalent: dead", "the last request is part of every group: the first turn of the loop sets the code"),
    "iommu-sva.c:iommu_sva_handle_iopf/code/2": (
        "equivalent: dead", "the last request is part of every group: the first turn of the loop sets the code"),
    "iommu-sva.c:iopf_queue_group_work/swap/2": (
        "equivalent: unseen", "the work is the group's, which has one owner; that it is initialised and not queued changes nothing"),
    "iommu-sva.c:iopf_queue_group_work/code/1": (
        "equivalent: unspecified", "report asks a handler whether it returns 0: which error, nobody learns"),
}  # fmt: skip

# The kernel-style files have most of their functions in common: what holds of one holds of each.
_NO_IOMMU = (
    "equivalent: dominated",
    "report alone calls it, behind find_fault_handler(), whose dev_iommu_ops() follows dev->iommu",
)
_UNDER_FLOCK = ("equivalent: unseen", "in one section of F.lock, which everybody takes who looks at either")
_FREED_NEXT = (
    "equivalent: unseen",
    "the node is freed next, in the same section, by the task that took it off, and the walk has the"
    " following one already",
)
_NO_ORDER = ("equivalent: unspecified", "in which order two locks are dropped is free")
_ANSWER = (
    "equivalent: unseen",
    "both in one section of F.lock; page_response must not call back, and does not see the list",
)

_EVERY_FORM = {
    "iopf_get_dev_fault_param/delete/1": _NO_IOMMU,
    "iopf_get_dev_fault_param/delete/2": _NO_IOMMU,
    "iopf_get_dev_fault_param/unasked/2": _NO_IOMMU,
    "iopf_get_dev_fault_param/cross/1": _NO_IOMMU,
    "find_fault_handler/swap/3": (
        "equivalent: unseen", "the lookup changes nothing, and where the table is the host's nobody looks at what it gave"),
    "iopf_group_alloc/delete/7": ("equivalent: unseen", "list_add() writes both of its links before anybody can see the node"),
    "iopf_group_alloc/list/7": (
        "equivalent: unspecified", "in which order removal answers what is pending is free"),
    "iopf_group_alloc/swap/7": _UNDER_FLOCK,
    "iopf_group_alloc/swap/8": (
        "equivalent: unseen", "in one section of F.lock; removal, which alone could see the group, does not look at its count"),
    "iommu_report_device_fault/swap/7": (
        "equivalent: unseen", "nobody looks at the handle of an abort group: neither response nor free does, nor removal"),
    "iopf_group_response/swap/1": _ANSWER,
    "iopf_queue_flush_dev/double/1": (
        "equivalent: unspecified", "flush waits for what was queued before the call; for what comes meanwhile it may wait, too"),
    "iopf_queue_add_device/cross/6": _NO_ORDER,
    "iopf_queue_add_device/swap/8": (
        "equivalent: unseen", "the queue's list is Q.lock's, which is held; who finds the param by its pointer does not look at it"),
    "iopf_queue_add_device/move/5": _LATE_COUNT,
    "iopf_queue_remove_device/cross/8": _NO_ORDER,
    "iopf_queue_remove_device/swap/2": _UNDER_FLOCK,
    "iopf_queue_remove_device/swap/4": _ANSWER,
    "__iopf_free_group/cross/1": (
        "equivalent: unseen", "the walk looks at the group's own requests, and at nothing of the param"),
}  # fmt: skip
FORMS = ("form-g.c", "form-h.c", "form-j.c")
REASONS |= {f"{file}:{name}": why for file in FORMS for name, why in _EVERY_FORM.items()}
#: Where removal frees what it has taken off the list.
REASONS |= {f"{file}:iopf_queue_remove_device/list/3": _FREED_NEXT for file in ("form-h.c", "form-j.c")}
REASONS["form-g.c:iopf_queue_add_device/list/1"] = (
    "equivalent: unspecified",
    "in which order the end of a queue removes its devices is free",
)
# Where it frees the groups, this one may be gone behind the lock.
REASONS["form-g.c:iopf_group_alloc/cross/3"] = (
    "equivalent: unseen",
    "removal answers the group, looks at no count, and frees nothing; nobody else has it before the handler",
)
