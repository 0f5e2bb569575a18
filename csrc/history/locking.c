// SPDX-License-Identifier: GPL-2.0-only
/*
 * locking: "iommu: Refine locking for per-device fault data management", cc7338e9d807.
 *
 * A step of the series that became v6.9; no release carries it alone. One fault param per device holds what v5.14 had
 * in two places, and param->lock covers the partial faults and the pending copies. dev->iommu->lock covers the pointer:
 * report, response and flush hold it all the way, so nothing is counted and the param cannot go while it is in use.
 *
 * What it gets wrong:
 *  - flush holds dev->iommu->lock and waits for works, and the response of a work needs that lock: with any work
 *    pending, a deadlock. It also closes the cycle with a driver lock taken inside page_response;
 *  - report holds that lock around the handler, so a handler that answers before it returns deadlocks with itself;
 *  - removal reads the pointer before it takes the lock that covers it;
 *  - removal refuses while something is pending, and nobody listens: freeing the queue goes on, and the param keeps
 *    pointing at freed memory;
 *  - the SVA handler follows group->dev->iommu->fault_param raw: only that report holds dev->iommu->lock around it
 *    makes that right, and only until the next step gives the lock up;
 *  - copies are matched by index: with the same index on two PASIDs the oldest wins.
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

int iommu_report_device_fault(struct device *dev, struct iopf_fault *evt)
{
	struct iommu_fault_param *param;
	int ret = -EINVAL;

	if (!dev->iommu)
		return -EINVAL;

	mutex_lock(&dev->iommu->lock);
	param = dev->iommu->fault_param;
	if (param) {
		mutex_lock(&param->lock);
		ret = iopf_report_pending(evt, param);
		mutex_unlock(&param->lock);
	}
	mutex_unlock(&dev->iommu->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_report_device_fault);

int iommu_page_response(struct device *dev, struct iommu_page_response *msg)
{
	struct iommu_fault_param *param;
	int ret = -EINVAL;

	if (!dev_iommu_ops(dev)->page_response)
		return -ENODEV;

	mutex_lock(&dev->iommu->lock);
	param = dev->iommu->fault_param;
	if (param) {
		mutex_lock(&param->lock);
		ret = iopf_respond_pending(dev, param, msg);
		mutex_unlock(&param->lock);
	}
	mutex_unlock(&dev->iommu->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_page_response);

int iopf_queue_flush_dev(struct device *dev)
{
	struct iommu_fault_param *param;
	int ret = -ENODEV;

	if (!dev->iommu)
		return -ENODEV;

	mutex_lock(&dev->iommu->lock);
	param = dev->iommu->fault_param;
	if (param) {
		/* The works that this waits for wait for the lock. */
		flush_workqueue(param->queue->wq);
		ret = 0;
	}
	mutex_unlock(&dev->iommu->lock);
	return ret;
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
	if (param)
		dev->iommu->fault_param = param;
	else
		ret = -ENOMEM;
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
	if (!ret) {
		dev->iommu->fault_param = NULL;
		kfree(param);
	}
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iopf_queue_remove_device);
