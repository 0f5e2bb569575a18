// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkml-v8: "[PATCH v8 12/12] iommu: Use refcount for fault data access", 7 December 2023, on top of `locking`.
 *
 * Posted, reviewed, never merged: the review of this patch is what the whole design comes from. The fault param gets a
 * count; report, response and flush each take a reference from the device and put it when they are done, without
 * dev->iommu->lock. So flush no longer deadlocks.
 *
 * What it gets wrong:
 *  - the response re-obtains the param from the device: after remove and add a late work finds the new one, and answers
 *    whatever is pending there under its index;
 *  - removal only puts. The pointer is cleared by the last put, so while a reporter holds a reference the device is
 *    still attached: reports succeed, add says -EBUSY, and discarding partials misses the param;
 *  - removal asks whether something is pending without param->lock: a report that comes right after is never answered,
 *    its work finds no param, and its copy leaks. Partials are freed without the lock too;
 *  - the pointer is read and cleared plainly, without the marks of RCU;
 *  - the SVA handler follows group->dev->iommu->fault_param raw, which is a data race; the reference of the report that
 *    calls it keeps the pointer set. But a param may outlive its queue, and its way to the workqueue dangles;
 *  - flush after removal is a silent -ENODEV; freeing the queue ignores that removal refused.
 */
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "iommu-priv.h"

#include "queue.h"
#include "queue-devices.h"
#include "bare-device.h"

static struct iommu_fault_param *iopf_get_dev_fault_param(struct device *dev)
{
	struct iommu_fault_param *param;

	if (!dev->iommu)
		return NULL;

	rcu_read_lock();
	param = dev->iommu->fault_param;
	if (param && !refcount_inc_not_zero(&param->users))
		param = NULL;
	rcu_read_unlock();
	return param;
}

static void iopf_put_dev_fault_param(struct iommu_fault_param *param)
{
	if (!refcount_dec_and_test(&param->users))
		return;
	param->dev->iommu->fault_param = NULL;
	kfree_rcu(param, rcu);
}

int iommu_report_device_fault(struct device *dev, struct iopf_fault *evt)
{
	struct iommu_fault_param *param = iopf_get_dev_fault_param(dev);
	int ret;

	if (!param)
		return -EINVAL;

	mutex_lock(&param->lock);
	ret = iopf_report_pending(evt, param);
	mutex_unlock(&param->lock);
	iopf_put_dev_fault_param(param);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_report_device_fault);

int iommu_page_response(struct device *dev, struct iommu_page_response *msg)
{
	struct iommu_fault_param *param;
	int ret;

	if (!dev_iommu_ops(dev)->page_response)
		return -ENODEV;

	/* Whichever the device has by now. */
	param = iopf_get_dev_fault_param(dev);
	if (!param)
		return -EINVAL;

	mutex_lock(&param->lock);
	ret = iopf_respond_pending(dev, param, msg);
	mutex_unlock(&param->lock);
	iopf_put_dev_fault_param(param);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_page_response);

int iopf_queue_flush_dev(struct device *dev)
{
	struct iommu_fault_param *param = iopf_get_dev_fault_param(dev);

	if (!param)
		return -ENODEV;
	flush_workqueue(param->queue->wq);
	iopf_put_dev_fault_param(param);
	return 0;
}
EXPORT_SYMBOL_GPL(iopf_queue_flush_dev);

int iopf_queue_add_device(struct iopf_queue *queue, struct device *dev)
{
	struct iommu_fault_param *param;
	int ret = 0;

	if (!dev->iommu)
		return -ENODEV;

	mutex_lock(&queue->lock);
	mutex_lock(&dev->iommu->lock);
	if (dev->iommu->fault_param) {
		ret = -EBUSY;
		goto unlock;
	}
	param = iopf_new_fault_param(queue, dev);
	if (!param) {
		ret = -ENOMEM;
		goto unlock;
	}
	refcount_set(&param->users, 1);
	dev->iommu->fault_param = param;
unlock:
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iopf_queue_add_device);

int iopf_queue_remove_device(struct iopf_queue *queue, struct device *dev)
{
	struct iommu_fault_param *param = dev->iommu ? dev->iommu->fault_param : NULL;
	int ret;

	if (!param)
		return -ENODEV;

	mutex_lock(&queue->lock);
	mutex_lock(&dev->iommu->lock);
	ret = iopf_unlink_fault_param(queue, param);
	/* The pointer stays until the last reference is put. */
	if (!ret)
		iopf_put_dev_fault_param(param);
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iopf_queue_remove_device);
