# SPDX-License-Identifier: GPL-2.0-only
"""Mutants that live and are equivalent: the kind of the proof, and the proof. Argued, not assumed; at most a tenth.

By id, as score.py prints it. Kinds of proof:

``unseen``      two writes that nobody can see between: to what is not published yet, or under a lock that every reader
takes ``lock``        a weaker access to what only the holder of a lock writes, with that lock held
``idempotent``  the second time does nothing
``hash``        it decides in which chain a key is; equal keys stay in one chain, and a comparison of the whole key
decides ``speed``       the result is the same by a slower way
``unspecified`` both are allowed: the specification leaves it free
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
    "form-g.c:iopf_group_alloc/swap/8": (
        "equivalent: unseen", "in one section of F.lock; removal, which alone could see the group, does not look at its count"),
    "form-g.c:iommu_report_device_fault/swap/9": (
        "equivalent: unspecified", "whether the message or the answer comes first; both read the caller's own event"),
    "form-g.c:iopf_queue_add_device/cross/4": _NEW,
    "form-h.c:iopf_group_alloc/swap/6": _NEW,
    "form-h.c:iopf_group_alloc/list/7": (
        "equivalent: unspecified", "in which order removal answers what is pending is free"),
    "form-h.c:iopf_group_response/swap/1": (
        "equivalent: unseen", "both in one section of F.lock; page_response must not call back, and does not see the list"),
    "form-h.c:iopf_queue_add_device/swap/7": _NEW,
    "form-j.c:iopf_group_alloc/swap/6": _NEW,
    "form-j.c:iopf_group_alloc/list/7": (
        "equivalent: unspecified", "in which order removal answers what is pending is free"),
    "form-j.c:iopf_queue_add_device/cross/6": (
        "equivalent: unspecified", "in which order two locks are dropped is free"),
    "form-j.c:iopf_queue_add_device/order/2": (
        "equivalent: lock", "D.fault_param is written under D.lock, which is held"),
    "form-j.c:iopf_queue_remove_device/order/1": (
        "equivalent: lock", "D.fault_param is written under D.lock, which is held"),
    "form-j.c:iopf_queue_remove_device/swap/4": (
        "equivalent: unseen", "both in one section of F.lock; page_response must not call back, and does not see the list"),
}
