// SPDX-License-Identifier: GPL-2.0-only
/*
 * remove-void: "iommu: Improve iopf_queue_remove_device()", 0095bf83554f.
 *
 * A step of the series that became v6.9; no release carries it alone. Removal no longer fails: it frees the partials
 * and answers every pending copy INVALID. A group that is still out finds nothing pending, and its response is dropped.
 *
 * What it gets wrong:
 *  - removal frees the copies, and report still has a pointer to its own across the call of the handler: if that
 *    refuses, the copy is unlinked and freed a second time;
 *  - the partials are freed and stay on param->partial: a reporter that has its reference meets freed memory;
 *  - the second put of `refcount` when a handler refuses, and its param locked again after the handler, are still here;
 *  - a copy is matched by index, as there.
 */
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "iommu-priv.h"

#include "queue.h"
#include "queue-devices.h"
#include "refcounted.h"
#include "refcounted-copies.h"

void iopf_queue_remove_device(struct iopf_queue *queue, struct device *dev)
{
	struct iommu_fault_param *param;
	struct iopf_fault *iopf, *next;

	mutex_lock(&queue->lock);
	mutex_lock(&dev->iommu->lock);
	param = rcu_dereference_check(dev->iommu->fault_param, lockdep_is_held(&dev->iommu->lock));
	if (WARN_ON(!param || param->queue != queue))
		goto unlock;

	mutex_lock(&param->lock);
	list_for_each_entry_safe(iopf, next, &param->partial, list)
		kfree(iopf);
	list_for_each_entry_safe(iopf, next, &param->faults, list) {
		struct iommu_page_response msg = iopf_response_to(iopf, IOMMU_PAGE_RESP_INVALID);

		dev_iommu_ops(dev)->page_response(dev, iopf, &msg);
		list_del(&iopf->list);
		kfree(iopf);
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
