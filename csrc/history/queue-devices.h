/* SPDX-License-Identifier: GPL-2.0-only */
/* locking to v7.2: what goes over all devices of a queue. */

/* The partial faults go, each device's under its fault param's lock. */
int iopf_queue_discard_partial(struct iopf_queue *queue)
{
	struct iommu_fault_param *param;
	struct iopf_fault *iopf, *next;

	if (!queue)
		return -EINVAL;

	mutex_lock(&queue->lock);
	list_for_each_entry(param, &queue->devices, queue_list) {
		mutex_lock(&param->lock);
		list_for_each_entry_safe(iopf, next, &param->partial, list) {
			list_del(&iopf->list);
			kfree(iopf);
		}
		mutex_unlock(&param->lock);
	}
	mutex_unlock(&queue->lock);
	return 0;
}
EXPORT_SYMBOL_GPL(iopf_queue_discard_partial);

/*
 * The removal of a device is taken to succeed whatever it returns. The workqueue is drained after it, so the works of
 * groups that removal dealt with still run.
 */
void iopf_queue_free(struct iopf_queue *queue)
{
	struct iommu_fault_param *param, *next;

	if (!queue)
		return;

	list_for_each_entry_safe(param, next, &queue->devices, queue_list)
		iopf_queue_remove_device(queue, param->dev);
	destroy_workqueue(queue->wq);
	kfree(queue);
}
EXPORT_SYMBOL_GPL(iopf_queue_free);
