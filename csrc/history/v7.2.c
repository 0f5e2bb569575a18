// SPDX-License-Identifier: GPL-2.0-only
/*
 * v7.2: "iommu/iommufd: Fix IOPF group ownership UAF", 738e6f32e61d (CVE-2026-74520).
 *
 * The newest: v7.2-rc5, 7.1.8, 6.18.44. The delta to `v6.14` is below: a handler that keeps groups takes them from
 * removal with iopf_group_dequeue(), and so a response no longer asks whether the group is pending.
 *
 * What it gets wrong:
 *  - the SVA handler takes nothing: its works and the reporter before the handler meet the same freed groups as in
 *    `v6.14`, and what they find there is answered without a question;
 *  - a group that was taken is not answered by removal: its answer comes after the device was removed;
 *  - an owner that answers twice is not stopped any more;
 *  - the rest as in `v6.14`.
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
#include "attach-handle.h"
#include "remove-frees.h"

/* The group is its handler's: removal does not see it any more. */
void iopf_group_dequeue(struct iopf_group *group)
{
	struct iommu_fault_param *param = group->fault_param;

	mutex_lock(&param->lock);
	list_del_init(&group->pending_node);
	mutex_unlock(&param->lock);
}
EXPORT_SYMBOL_GPL(iopf_group_dequeue);

void iopf_group_response(struct iopf_group *group, enum iommu_page_response_code code)
{
	struct iommu_fault_param *param = group->fault_param;

	mutex_lock(&param->lock);
	iopf_answer(param->dev, &group->last_fault, code);
	list_del_init(&group->pending_node);
	mutex_unlock(&param->lock);
}
EXPORT_SYMBOL_GPL(iopf_group_response);
