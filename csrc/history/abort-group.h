/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * void-response to v7.2: report never gives an error for want of memory. A group that cannot be allocated is one on
 * report's stack, which is made pending like any other, and aborted.
 */

/* What a group holds. Not the group: the abort group is not allocated. */
static void __iopf_free_group(struct iopf_group *group)
{
	iopf_free_group_faults(group);
	iopf_put_dev_fault_param(group->fault_param);
}

void iopf_free_group(struct iopf_group *group)
{
	__iopf_free_group(group);
	kfree(group);
}
EXPORT_SYMBOL_GPL(iopf_free_group);

static struct iopf_group *
iopf_group_alloc(struct iommu_fault_param *param, struct iopf_fault *evt, struct iopf_group *abort_group)
{
	struct iopf_group *group = kzalloc(sizeof(*group), GFP_KERNEL);

	if (!group)
		group = abort_group;

	group->fault_param = param;
	group->last_fault.fault = evt->fault;
	INIT_LIST_HEAD(&group->faults);
	INIT_LIST_HEAD(&group->pending_node);
	list_add(&group->last_fault.list, &group->faults);

	mutex_lock(&param->lock);
	iopf_make_pending(group, param);
	group->fault_count = list_count_nodes(&group->faults);
	mutex_unlock(&param->lock);
	return group;
}

/* Answers the group FAILURE and frees it, as far as it is allocated. */
static void iopf_abort(struct iopf_group *group, struct iopf_group *abort_group)
{
	iopf_group_response(group, IOMMU_PAGE_RESP_FAILURE);
	if (group == abort_group)
		__iopf_free_group(group);
	else
		iopf_free_group(group);
}
