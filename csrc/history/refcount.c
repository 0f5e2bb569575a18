// SPDX-License-Identifier: GPL-2.0-only
/*
 * refcount: "iommu: Use refcount for fault data access", a74c077b9021.
 *
 * A step of the series that became v6.9; no release carries it alone. The answer to the review of `lkml-v8`: the param
 * is found once, under RCU, and the reference moves from report into the group, which puts it when it is freed. Removal
 * clears the pointer itself and drops one reference. flush after removal is a WARN.
 *
 * What it gets wrong:
 *  - when the handler refuses, the freed group puts the reference and report puts it again. The base reference is
 *    consumed: the param is freed while it is published and on its queue;
 *  - after a handler that took the group, report locks the param again, and nothing of its own holds it any more;
 *  - removal still refuses with -EBUSY, asks that without param->lock, and frees the partials without it;
 *  - freeing the queue ignores the refusal and leaves the param pointing at a queue that is gone;
 *  - a copy is matched by index: with the same index on two PASIDs the oldest wins.
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

int iopf_queue_remove_device(struct iopf_queue *queue, struct device *dev)
{
	struct iommu_fault_param *param;
	struct iopf_fault *iopf, *next;
	int ret = 0;

	if (!dev->iommu)
		return -ENODEV;

	mutex_lock(&queue->lock);
	mutex_lock(&dev->iommu->lock);
	param = rcu_dereference_check(dev->iommu->fault_param, lockdep_is_held(&dev->iommu->lock));
	if (!param) {
		ret = -ENODEV;
		goto unlock;
	}
	if (param->queue != queue) {
		ret = -EINVAL;
		goto unlock;
	}
	if (!list_empty(&param->faults)) {
		ret = -EBUSY;
		goto unlock;
	}

	list_del(&param->queue_list);
	list_for_each_entry_safe(iopf, next, &param->partial, list)
		kfree(iopf);
	rcu_assign_pointer(dev->iommu->fault_param, NULL);
	iopf_put_dev_fault_param(param);
unlock:
	mutex_unlock(&dev->iommu->lock);
	mutex_unlock(&queue->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iopf_queue_remove_device);
