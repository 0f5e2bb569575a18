/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * track-group, void-response, v6.9, v6.12: removal answers what is pending and takes it off the list. The group stays
 * its owner's, who frees it; its response does nothing then.
 *
 * The partials are freed, and param->partial still points at them: a reporter that has its reference adds to freed
 * memory, or makes a group of it.
 */
void iopf_queue_remove_device(struct iopf_queue *queue, struct device *dev)
{
	struct iommu_fault_param *param;
	struct iopf_group *group, *next_group;
	struct iopf_fault *iopf, *next;

	mutex_lock(&queue->lock);
	mutex_lock(&dev->iommu->lock);
	param = rcu_dereference_check(dev->iommu->fault_param, lockdep_is_held(&dev->iommu->lock));
	if (WARN_ON(!param || param->queue != queue))
		goto unlock;

	mutex_lock(&param->lock);
	list_for_each_entry_safe(iopf, next, &param->partial, list)
		kfree(iopf);
	list_for_each_entry_safe(group, next_group, &param->faults, pending_node) {
		iopf_answer(dev, &group->last_fault, IOMMU_PAGE_RESP_INVALID);
		list_del_init(&group->pending_node);
	}
	mutex_unlock(&param->lock);

	list_del(&param->queue_list);
	rcu_assign_pointer(dev->iommu->fault_param, NULL);
	iopf_put_dev_fault_param(param);
unlock:
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);
}
EXPORT_SYMBOL_GPL(iopf_queue_remove_device);
