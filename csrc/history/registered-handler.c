// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver that a form before v6.9 has to have.
 *
 * There a device's driver registers one handler for single faults. This is the driver: it adds the device to the queue,
 * and passes faults to iommu_queue_iopf() where an SVA domain is attached, or nothing. Handlers for groups did not exist;
 * for a domain that has one the driver plays what a driver with a handler of its own did: it makes a group of each last
 * fault and lets partial ones go.
 *
 * Included by forms/unit.c, for forms with FACET_REGISTERED_HANDLER: what the table takes from elsewhere is defined here.
 */
#include <linux/iommu.h>
#include <linux/workqueue.h>

#include "iommu-priv.h"

static int core_sva_handler(struct iopf_group *group)
{
	return -EOPNOTSUPP;	/* never called: a mark that the domain's faults are for iommu_queue_iopf() */
}

static int core_fault_handler(struct iommu_fault *fault, void *data)
{
	struct iommu_domain *domain;
	struct device *dev = data;
	struct iopf_group *group;
	int ret;

	domain = iommu_get_domain_for_dev_pasid(
		dev, fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID ? fault->prm.pasid : IOMMU_NO_PASID, 0);
	if (!domain || !domain->iopf_handler || domain->iopf_handler == core_sva_handler)
		return iommu_queue_iopf(fault, dev);

	if (fault->type != IOMMU_FAULT_PAGE_REQ)
		return -EOPNOTSUPP;
	if (!(fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE))
		return 0;
	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		return -ENOMEM;
	group->dev = dev;
	group->domain = domain;
	group->last_fault.fault = *fault;
	group->fault_count = 1;
	INIT_LIST_HEAD(&group->faults);
	list_add(&group->last_fault.list, &group->faults);
	ret = domain->iopf_handler(group);
	if (ret)
		kfree(group);
	return ret;
}

static int core_add_device(struct iopf_queue *queue, struct device *dev)
{
	int ret = -ENODEV;

	if (dev->iommu && dev_iommu_ops(dev)->page_response)
		ret = iopf_queue_add_device(queue, dev);
	if (ret)
		return ret;
	ret = iommu_register_device_fault_handler(dev, core_fault_handler, dev);
	if (ret) {
		iopf_queue_remove_device(queue, dev);
		return ret;
	}
	/* The form has no use for these two; who asks a device for its queue finds it as with the others. */
	mutex_lock(&dev->iommu->lock);
	if (dev->iommu->fault_param) {
		dev->iommu->fault_param->dev = dev;
		rcu_assign_pointer(dev->iommu->fault_param->queue, queue);
	}
	mutex_unlock(&dev->iommu->lock);
	return 0;
}

/* A handler that can't be unregistered keeps the device on its queue. */
static int core_remove_device(struct iopf_queue *queue, struct device *dev)
{
	int ret;

	get_device(dev);
	ret = iommu_unregister_device_fault_handler(dev);
	if (!ret)
		ret = iopf_queue_remove_device(queue, dev);
	put_device(dev);
	return ret;
}

/* The driver lets go of its devices first: what is in works is waited for, what a handler kept stays in the way. */
static void core_queue_free(struct iopf_queue *queue)
{
	struct iopf_device_param *param, *next;

	if (queue) {
		list_for_each_entry_safe(param, next, &queue->devices, queue_list) {
			struct device *dev = param->dev;

			if (core_remove_device(queue, dev) != -EBUSY)
				continue;
			iopf_queue_flush_dev(dev);
			core_remove_device(queue, dev);
		}
	}
	iopf_queue_free(queue);
}

static void core_respond(struct iopf_group *group, enum iommu_page_response_code code)
{
	iopf_complete_group(group, code);
}

static void core_free_group(struct iopf_group *group)
{
	kfree(group);
}

/* Inside report, which holds the device's lock. */
static int core_queue_group_work(struct iopf_group *group, work_func_t func)
{
	struct iopf_device_param *param = group->dev->iommu->iopf_param;

	if (!param)
		return -ENODEV;
	INIT_WORK(&group->work, func);
	queue_work(param->queue->wq, &group->work);
	return 0;
}

#define FACET_COUNT_STORED registered_count_stored

static void registered_count_stored(struct device *dev, u64 *partials, u64 *pending)
{
	*partials = *pending = 0;
	if (!dev->iommu)
		return;
	mutex_lock(&dev->iommu->lock);
	if (dev->iommu->iopf_param)
		*partials = list_count_nodes(&dev->iommu->iopf_param->partial);
	if (dev->iommu->fault_param) {
		mutex_lock(&dev->iommu->fault_param->lock);
		*pending = list_count_nodes(&dev->iommu->fault_param->faults);
		mutex_unlock(&dev->iommu->fault_param->lock);
	}
	mutex_unlock(&dev->iommu->lock);
}
