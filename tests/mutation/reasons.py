# SPDX-License-Identifier: GPL-2.0-only
"""Mutants that live and are equivalent: the kind of the proof, and the proof. Argued, not assumed; at most a tenth.

By id, as score.py prints it. Kinds of proof:

``unseen``       two writes that nobody can see between: to what is not published yet, or under a lock that every reader
                 takes; or a write to what nobody looks at any more
``lock``         a weaker access to what only the holder of a lock writes, with that lock held
``extent``       a section of a lock grows by what looks at nothing that the lock protects, and takes no other lock
``model``        the same access by the kernel's memory model: rcu_dereference() is READ_ONCE(), and rcu_assign_pointer()
                 of a constant NULL is WRITE_ONCE(); what else they do is to check, and the check holds there
``dominated``    a condition that cannot hold there: the caller has crashed by it before
``idempotent``   the second time does nothing
``hash``         it decides in which chain a key is; equal keys stay in one chain, and a comparison of the whole key decides
``speed``        the result is the same by a slower way
``unspecified``  both are allowed: the specification leaves it free
"""

_HASH = ("equivalent: hash", "the value is still a function of the key, and iopf_same_key() decides")
_FLOCK = ("equivalent: unseen", "both are done in one section of F.lock, and neither looks at what the other writes")
_NEW = ("equivalent: unseen", "the object is not published yet, and neither looks at what the other writes")

REASONS: dict[str, tuple[str, str]] = {
    "io-pgfault.c:iopf_key/relation/2": _HASH,
    "io-pgfault.c:iopf_key/key/3": _HASH,
    "io-pgfault.c:iopf_take_partials/swap/2": _FLOCK,
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
    "io-pgfault.c:iopf_queue_add_device/swap/7": _NEW,
    "io-pgfault.c:iopf_queue_remove_device/cross/8": (
        "equivalent: unseen", "the queue's list is Q.lock's, which is held throughout; F.lock is no part of it"),
    "io-pgfault.c:iopf_queue_remove_device/order/2": (
        "equivalent: lock", "D.fault_param is written under D.lock, which is held"),
    "attach.c:attach_handle_init/double/2": ("equivalent: idempotent", "the handle is not stored yet"),
    "attach.c:iommu_replace_device_pasid/swap/3": (
        "equivalent: unseen", "both in one section of the group's lock; each handle is taken off by its own node"),
}

# The kernel-style files have most of their functions in common: what holds of one holds of each.
_NO_IOMMU = ("equivalent: dominated", "report alone calls it, behind find_fault_handler(), whose dev_iommu_ops() follows dev->iommu")
_READ_ONCE = ("equivalent: model", "rcu_dereference() is READ_ONCE(), and what comes behind is ordered by its address")
_UNDER_FLOCK = ("equivalent: unseen", "in one section of F.lock, which everybody takes who looks at either")
_FREED_NEXT = ("equivalent: unseen", "the node is freed next, in the same section, by the task that took it off, and the walk has the"
               " following one already")
_NO_ORDER = ("equivalent: unspecified", "in which order two locks are dropped is free")
_ANSWER = ("equivalent: unseen", "both in one section of F.lock; page_response must not call back, and does not see the list")
_DLOCK = ("equivalent: lock", "D.fault_param is written under D.lock, which is held")

_EVERY_FORM = {
    "iopf_get_dev_fault_param/delete/1": _NO_IOMMU,
    "iopf_get_dev_fault_param/delete/2": _NO_IOMMU,
    "iopf_get_dev_fault_param/cross/1": _NO_IOMMU,
    "iopf_get_dev_fault_param/order/2": _READ_ONCE,
    "find_fault_handler/swap/3": (
        "equivalent: unseen", "the lookup changes nothing, and where the table is the host's nobody looks at what it gave"),
    "iopf_group_alloc/delete/7": ("equivalent: unseen", "list_add() writes both of its links before anybody can see the node"),
    "iopf_group_alloc/swap/3": _NEW,
    "iopf_group_alloc/swap/4": _NEW,
    "iopf_group_alloc/swap/6": _NEW,
    "iopf_group_alloc/swap/7": _UNDER_FLOCK,
    "iopf_group_alloc/swap/8": (
        "equivalent: unseen", "in one section of F.lock; removal, which alone could see the group, does not look at its count"),
    "iopf_group_alloc/cross/1": (
        "equivalent: extent", "F.lock is held, besides, while the group's own list is written, which nobody else knows yet"),
    "iopf_group_alloc/list/7": (
        "equivalent: unspecified", "in which order removal answers what is pending is free"),
    "iommu_report_device_fault/swap/7": (
        "equivalent: unseen", "nobody looks at the handle of an abort group: neither response nor free does, nor removal"),
    "iopf_group_response/swap/1": _ANSWER,
    "iopf_queue_flush_dev/double/1": (
        "equivalent: unspecified", "flush waits for what was queued before the call; for what comes meanwhile it may wait, too"),
    "iopf_queue_flush_dev/order/2": _READ_ONCE,
    "iopf_queue_discard_partial/list/2": _FREED_NEXT,
    "iopf_queue_add_device/cross/4": _NEW,
    "iopf_queue_add_device/cross/6": _NO_ORDER,
    "iopf_queue_add_device/double/3": ("equivalent: idempotent", "nobody knows the param yet"),
    "iopf_queue_add_device/swap/4": _NEW,
    "iopf_queue_add_device/swap/5": _NEW,
    "iopf_queue_add_device/swap/6": _NEW,
    "iopf_queue_add_device/swap/7": _NEW,
    "iopf_queue_add_device/swap/8": (
        "equivalent: unseen", "the queue's list is Q.lock's, which is held; who finds the param by its pointer does not look at it"),
    "iopf_queue_add_device/order/2": _DLOCK,
    "iopf_queue_remove_device/cross/6": (
        "equivalent: unseen", "the queue's list is Q.lock's, which is held throughout; F.lock is no part of it"),
    "iopf_queue_remove_device/cross/8": _NO_ORDER,
    "iopf_queue_remove_device/list/4": (
        "equivalent: unseen", "once off the queue's list the node is not looked at any more, until the param is freed"),
    "iopf_queue_remove_device/swap/2": _UNDER_FLOCK,
    "iopf_queue_remove_device/swap/4": _ANSWER,
    "iopf_queue_remove_device/order/1": _DLOCK,
    "iopf_queue_remove_device/order/4": (
        "equivalent: model", "rcu_assign_pointer() of a constant NULL is WRITE_ONCE(): there is nothing to be published"),
    "iopf_queue_remove_device/order/2": _DLOCK,
    "iopf_queue_remove_device/swap/3": (
        "equivalent: unseen", "the queue's list is Q.lock's, which is held; who finds the param by its pointer does not look at it"),
    "iopf_queue_add_device/order/1": _DLOCK,
    "iopf_queue_add_device/cross/5": _NEW,
    "iopf_queue_alloc/swap/4": _NEW,
    "iopf_queue_alloc/swap/5": _NEW,
    "iopf_group_alloc/swap/5": _NEW,
    "report_partial_fault/cross/1": (
        "equivalent: extent", "F.lock is held, besides, while the request is copied, which nobody else knows yet"),
    "__iopf_free_group/cross/1": (
        "equivalent: unseen", "the walk looks at the group's own requests, and at nothing of the param"),
}
FORMS = ("form-g.c", "form-h.c", "form-j.c")
REASONS |= {f"{file}:{name}": why for file in FORMS for name, why in _EVERY_FORM.items()}
#: Where removal frees what it has taken off the list.
REASONS |= {f"{file}:iopf_queue_remove_device/list/3": _FREED_NEXT for file in ("form-h.c", "form-j.c")}
REASONS["form-g.c:iopf_queue_add_device/list/1"] = (
    "equivalent: unspecified", "in which order the end of a queue removes its devices is free")
