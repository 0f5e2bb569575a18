/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * locking, lkml-v8: a group has the bare device, and its fault param is looked up from there each time.
 */
static void iopf_group_launch(struct iopf_group *group, struct iommu_fault_param *param)
{
	group->dev = param->dev;
}

void iopf_free_group(struct iopf_group *group);

#include "copies.h"

void iopf_free_group(struct iopf_group *group)
{
	iopf_free_group_faults(group);
	kfree(group);
}
EXPORT_SYMBOL_GPL(iopf_free_group);

int iopf_group_response(struct iopf_group *group, enum iommu_page_response_code code)
{
	struct iommu_page_response msg = iopf_response_to(&group->last_fault, code);

	return iommu_page_response(group->dev, &msg);
}
EXPORT_SYMBOL_GPL(iopf_group_response);

/* Under the queue's and the device's lock, which cover the allocation too. */
static struct iommu_fault_param *iopf_new_fault_param(struct iopf_queue *queue, struct device *dev)
{
	struct iommu_fault_param *param = kzalloc(sizeof(*param), GFP_KERNEL);

	if (!param)
		return NULL;
	mutex_init(&param->lock);
	INIT_LIST_HEAD(&param->faults);
	INIT_LIST_HEAD(&param->partial);
	param->dev = dev;
	param->queue = queue;
	list_add(&param->queue_list, &queue->devices);
	return param;
}

/* Under the same two locks, and not under the param's: is it free to go, and off the queue with it. */
static int iopf_unlink_fault_param(struct iopf_queue *queue, struct iommu_fault_param *param)
{
	struct iopf_fault *iopf, *next;

	if (param->queue != queue)
		return -EINVAL;
	if (!list_empty(&param->faults))
		return -EBUSY;

	list_del(&param->queue_list);
	list_for_each_entry_safe(iopf, next, &param->partial, list)
		kfree(iopf);
	return 0;
}
