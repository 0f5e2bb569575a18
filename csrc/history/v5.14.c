// SPDX-License-Identifier: GPL-2.0-only
/*
 * v5.14: the first merged form, by Jean-Philippe Brucker, as it stood from v5.14 to v6.7.
 *
 * A device has two objects: the fault param, which its driver registers a handler with, and the queue's own device
 * param with the partial faults. The handler gets single faults; iommu_queue_iopf() is the one that makes groups, and
 * its work finds the domain of the PASID when it runs. The last fault exists twice: in the group, and as a copy on
 * param->faults, which a response is matched against. dev->iommu->lock is held across the whole report.
 *
 * What it gets wrong:
 *  - the work resolves against whatever is attached to the PASID by then: rebound in between, the pages of another
 *    address space are faulted in;
 *  - discarding partials holds queue->lock, storing them dev->iommu->lock: the list has no lock in common;
 *  - unregistering looks at param->faults without its lock, and may free the param under a response that has just
 *    emptied the list and still has to unlock; the response itself reads the pointer without dev->iommu->lock;
 *  - flush waits for works with dev->iommu->lock held. With a driver lock that is taken inside page_response and around
 *    a flush, that closes a cycle (6ef0505158f7);
 *  - a response without a PASID of its own goes to the oldest fault of that index;
 *  - a group has the bare device. What pins that is the registered handler, which can't be unregistered while a copy is
 *    pending; removal itself does not care for works that are queued. Its codes are ignored.
 */
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "iommu-priv.h"

#include "queue.h"
#include "partials.h"

/* What the queue has of a device. */
struct iopf_device_param {
	struct device *dev;
	struct iopf_queue *queue;
	struct list_head queue_list;
	struct list_head partial;	/* under dev->iommu->lock in report, under queue->lock in discard */
};

/* --- the driver's side: a handler for single faults, and what is pending --- */

int iommu_register_device_fault_handler(struct device *dev, int (*handler)(struct iommu_fault *fault, void *data),
					void *data)
{
	struct iommu_fault_param *param;
	int ret = 0;

	if (!dev->iommu)
		return -EINVAL;

	mutex_lock(&dev->iommu->lock);
	if (dev->iommu->fault_param) {
		ret = -EBUSY;
		goto unlock;
	}
	param = kzalloc(sizeof(*param), GFP_KERNEL);
	if (!param) {
		ret = -ENOMEM;
		goto unlock;
	}
	get_device(dev);
	param->handler = handler;
	param->data = data;
	mutex_init(&param->lock);
	INIT_LIST_HEAD(&param->faults);
	dev->iommu->fault_param = param;
unlock:
	mutex_unlock(&dev->iommu->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_register_device_fault_handler);

int iommu_unregister_device_fault_handler(struct device *dev)
{
	struct iommu_fault_param *param;
	int ret = 0;

	if (!dev->iommu)
		return -EINVAL;

	mutex_lock(&dev->iommu->lock);
	param = dev->iommu->fault_param;
	if (!param)
		goto unlock;
	if (!list_empty(&param->faults)) {
		ret = -EBUSY;
		goto unlock;
	}
	dev->iommu->fault_param = NULL;
	kfree(param);
	mutex_unlock(&dev->iommu->lock);
	put_device(dev);
	return 0;

unlock:
	mutex_unlock(&dev->iommu->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_unregister_device_fault_handler);

/* On an error the driver answers the hardware. */
int iommu_report_device_fault(struct device *dev, struct iopf_fault *evt)
{
	struct iommu_fault_param *param;
	struct iopf_fault *copy = NULL;
	int ret = -EINVAL;

	if (!dev->iommu || !evt)
		return -EINVAL;

	mutex_lock(&dev->iommu->lock);
	param = dev->iommu->fault_param;
	if (!param || !param->handler)
		goto unlock;

	if (evt->fault.type == IOMMU_FAULT_PAGE_REQ && evt->fault.prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE) {
		copy = kmemdup(evt, sizeof(*evt), GFP_KERNEL);
		if (!copy) {
			ret = -ENOMEM;
			goto unlock;
		}
		mutex_lock(&param->lock);
		list_add_tail(&copy->list, &param->faults);
		mutex_unlock(&param->lock);
	}

	ret = param->handler(&evt->fault, param->data);
	if (ret && copy) {
		mutex_lock(&param->lock);
		list_del(&copy->list);
		mutex_unlock(&param->lock);
		kfree(copy);
	}
unlock:
	mutex_unlock(&dev->iommu->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_report_device_fault);

static bool iopf_response_fits(const struct iommu_fault_page_request *prm, const struct iommu_page_response *msg)
{
	if (prm->grpid != msg->grpid)
		return false;
	if (!(prm->flags & IOMMU_FAULT_PAGE_RESPONSE_NEEDS_PASID))
		return true;
	return msg->flags & IOMMU_PAGE_RESP_PASID_VALID && prm->pasid == msg->pasid;
}

int iommu_page_response(struct device *dev, struct iommu_page_response *msg)
{
	struct iommu_fault_param *param;
	struct iopf_fault *copy;
	int ret = -EINVAL;

	if (!dev_iommu_ops(dev)->page_response)
		return -ENODEV;
	param = dev->iommu->fault_param;
	if (!param || msg->flags & ~IOMMU_PAGE_RESP_PASID_VALID)
		return -EINVAL;

	mutex_lock(&param->lock);
	if (list_empty(&param->faults)) {
		dev_warn_ratelimited(dev, "response to group %d dropped: nothing is pending\n", msg->grpid);
		goto unlock;
	}
	list_for_each_entry(copy, &param->faults, list) {
		if (!iopf_response_fits(&copy->fault.prm, msg))
			continue;
		ret = dev_iommu_ops(dev)->page_response(dev, copy, msg);
		list_del(&copy->list);
		kfree(copy);
		break;
	}
unlock:
	mutex_unlock(&param->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_page_response);

/* --- the queue's side: groups, resolved by a work --- */

static void iopf_complete_group(struct iopf_group *group, enum iommu_page_response_code code)
{
	struct iommu_page_response msg = {
		.pasid = group->last_fault.fault.prm.pasid,
		.grpid = group->last_fault.fault.prm.grpid,
		.code = code,
	};

	if (group->last_fault.fault.prm.flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID)
		msg.flags = IOMMU_PAGE_RESP_PASID_VALID;
	iommu_page_response(group->dev, &msg);
}

static void iopf_handler(struct work_struct *work)
{
	struct iopf_group *group = container_of(work, struct iopf_group, work);
	enum iommu_page_response_code code = IOMMU_PAGE_RESP_SUCCESS;
	struct iommu_domain *domain;
	struct iopf_fault *iopf;

	/* Whoever has the PASID now. */
	domain = iommu_get_domain_for_dev_pasid(group->dev, group->last_fault.fault.prm.pasid, 0);
	if (!domain || !domain->iopf_handler || !domain->mm)
		code = IOMMU_PAGE_RESP_INVALID;

	/* One fault that fails is enough. */
	list_for_each_entry(iopf, &group->faults, list) {
		if (code != IOMMU_PAGE_RESP_SUCCESS)
			break;
		code = iommu_sva_handle_mm(&iopf->fault, domain->mm);
	}
	iopf_free_group_faults(group);
	iopf_complete_group(group, code);
	kfree(group);
}

int iommu_queue_iopf(struct iommu_fault *fault, void *cookie)
{
	struct device *dev = cookie;
	struct iopf_device_param *param = dev->iommu->iopf_param;
	struct iopf_group *group;

	lockdep_assert_held(&dev->iommu->lock);

	if (fault->type != IOMMU_FAULT_PAGE_REQ)
		return -EOPNOTSUPP;
	if (!param)
		return -ENODEV;
	if (!(fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE))
		return iopf_store_partial(&param->partial, fault);

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group) {
		iopf_purge_partials(&param->partial, fault->prm.grpid);
		return -ENOMEM;
	}
	group->dev = dev;
	group->last_fault.fault = *fault;
	INIT_LIST_HEAD(&group->faults);
	list_add(&group->last_fault.list, &group->faults);
	iopf_collect_partials(&param->partial, fault->prm.grpid, &group->faults);
	INIT_WORK(&group->work, iopf_handler);
	queue_work(param->queue->wq, &group->work);
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_queue_iopf);

int iopf_queue_flush_dev(struct device *dev)
{
	struct iopf_device_param *param;
	int ret = -ENODEV;

	if (!dev->iommu)
		return -ENODEV;

	mutex_lock(&dev->iommu->lock);
	param = dev->iommu->iopf_param;
	if (param) {
		flush_workqueue(param->queue->wq);
		ret = 0;
	}
	mutex_unlock(&dev->iommu->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iopf_queue_flush_dev);

int iopf_queue_discard_partial(struct iopf_queue *queue)
{
	struct iopf_device_param *param;
	struct iopf_fault *iopf, *next;

	if (!queue)
		return -EINVAL;

	mutex_lock(&queue->lock);
	list_for_each_entry(param, &queue->devices, queue_list) {
		list_for_each_entry_safe(iopf, next, &param->partial, list) {
			list_del(&iopf->list);
			kfree(iopf);
		}
	}
	mutex_unlock(&queue->lock);
	return 0;
}
EXPORT_SYMBOL_GPL(iopf_queue_discard_partial);

int iopf_queue_add_device(struct iopf_queue *queue, struct device *dev)
{
	struct iopf_device_param *param;
	int ret = -EBUSY;

	if (!dev->iommu)
		return -ENODEV;

	param = kzalloc(sizeof(*param), GFP_KERNEL);
	if (!param)
		return -ENOMEM;
	INIT_LIST_HEAD(&param->partial);
	param->queue = queue;
	param->dev = dev;

	mutex_lock(&queue->lock);
	mutex_lock(&dev->iommu->lock);
	if (!dev->iommu->iopf_param) {
		list_add(&param->queue_list, &queue->devices);
		dev->iommu->iopf_param = param;
		ret = 0;
	}
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);

	if (ret)
		kfree(param);
	return ret;
}
EXPORT_SYMBOL_GPL(iopf_queue_add_device);

int iopf_queue_remove_device(struct iopf_queue *queue, struct device *dev)
{
	struct iopf_device_param *param;
	struct iopf_fault *iopf, *next;
	int ret = -EINVAL;

	if (!dev->iommu || !queue)
		return -EINVAL;

	mutex_lock(&queue->lock);
	mutex_lock(&dev->iommu->lock);
	param = dev->iommu->iopf_param;
	if (param && param->queue == queue) {
		list_del(&param->queue_list);
		dev->iommu->iopf_param = NULL;
		ret = 0;
	}
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);
	if (ret)
		return ret;

	list_for_each_entry_safe(iopf, next, &param->partial, list)
		kfree(iopf);
	kfree(param);
	return 0;
}
EXPORT_SYMBOL_GPL(iopf_queue_remove_device);

void iopf_queue_free(struct iopf_queue *queue)
{
	struct iopf_device_param *param, *next;

	if (!queue)
		return;

	list_for_each_entry_safe(param, next, &queue->devices, queue_list)
		iopf_queue_remove_device(queue, param->dev);
	destroy_workqueue(queue->wq);
	kfree(queue);
}
EXPORT_SYMBOL_GPL(iopf_queue_free);
