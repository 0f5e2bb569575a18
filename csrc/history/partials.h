/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * v5.14 to v7.2: partial faults are one list per device, newest first, and belong to a group by its index alone. So the
 * PASID does not tell two groups apart, and each last fault walks all that is stored.
 */

/* Both moves put in front, so the order of arrival comes out. */
static void iopf_collect_partials(struct list_head *partial, u32 grpid, struct list_head *faults)
{
	struct iopf_fault *iopf, *next;

	list_for_each_entry_safe(iopf, next, partial, list)
		if (iopf->fault.prm.grpid == grpid)
			list_move(&iopf->list, faults);
}

static void __maybe_unused iopf_purge_partials(struct list_head *partial, u32 grpid)
{
	struct iopf_fault *iopf, *next;

	list_for_each_entry_safe(iopf, next, partial, list) {
		if (iopf->fault.prm.grpid != grpid)
			continue;
		list_del(&iopf->list);
		kfree(iopf);
	}
}

static int __maybe_unused iopf_store_partial(struct list_head *partial, struct iommu_fault *fault)
{
	struct iopf_fault *iopf = kzalloc(sizeof(*iopf), GFP_KERNEL);

	if (!iopf)
		return -ENOMEM;
	iopf->fault = *fault;
	list_add(&iopf->list, partial);
	return 0;
}

/* What a group has of its own: every fault but the last, which is part of it and known by its flag. */
static void iopf_free_group_faults(struct iopf_group *group)
{
	struct iopf_fault *iopf, *next;

	list_for_each_entry_safe(iopf, next, &group->faults, list)
		if (!(iopf->fault.prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE))
			kfree(iopf);
}
