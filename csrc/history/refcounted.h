/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * refcount to v7.2: the fault param is counted and found under RCU.
 *
 * The base reference lasts from add to remove, report takes another one. Neither the device nor the queue is counted:
 * a param that outlives its queue still points at it.
 */
static struct iommu_fault_param *iopf_get_dev_fault_param(struct device *dev)
{
	struct iommu_fault_param *param;

	if (!dev->iommu)
		return NULL;

	rcu_read_lock();
	param = rcu_dereference(dev->iommu->fault_param);
	if (param && !refcount_inc_not_zero(&param->users))
		param = NULL;
	rcu_read_unlock();
	return param;
}

static void iopf_put_dev_fault_param(struct iommu_fault_param *param)
{
	if (refcount_dec_and_test(&param->users))
		kfree_rcu(param, rcu);
}

/* After removal this is a bug of the caller; beside removal nothing holds what is followed here. */
int iopf_queue_flush_dev(struct device *dev)
{
	struct iommu_fault_param *param = rcu_dereference_check(dev->iommu->fault_param, true);

	if (WARN_ON(!param))
		return -ENODEV;
	flush_workqueue(param->queue->wq);
	return 0;
}
EXPORT_SYMBOL_GPL(iopf_queue_flush_dev);

int iopf_queue_add_device(struct iopf_queue *queue, struct device *dev)
{
	struct iommu_fault_param *param;
	int ret = 0;

	if (!dev->iommu || !dev_iommu_ops(dev)->page_response)
		return -ENODEV;

	mutex_lock(&queue->lock);
	mutex_lock(&dev->iommu->lock);
	if (rcu_dereference_check(dev->iommu->fault_param, lockdep_is_held(&dev->iommu->lock))) {
		ret = -EBUSY;
		goto unlock;
	}
	param = kzalloc(sizeof(*param), GFP_KERNEL);
	if (!param) {
		ret = -ENOMEM;
		goto unlock;
	}
	mutex_init(&param->lock);
	INIT_LIST_HEAD(&param->faults);
	INIT_LIST_HEAD(&param->partial);
	refcount_set(&param->users, 1);
	param->dev = dev;
	param->queue = queue;
	list_add(&param->queue_list, &queue->devices);
	rcu_assign_pointer(dev->iommu->fault_param, param);
unlock:
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iopf_queue_add_device);
