/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * track-group to v7.2: what is pending is the group itself, on param->faults by its pending_node. "Nobody has answered
 * it yet" is "it is on that list".
 */
#include "partials.h"

static int report_partial_fault(struct iommu_fault_param *param, struct iommu_fault *fault)
{
	struct iopf_fault *iopf = kzalloc(sizeof(*iopf), GFP_KERNEL);

	if (!iopf)
		return -ENOMEM;
	iopf->fault = *fault;

	mutex_lock(&param->lock);
	list_add(&iopf->list, &param->partial);
	mutex_unlock(&param->lock);
	return 0;
}

/* Completes the group: its faults, and its place among the pending ones. Under param->lock. */
static void iopf_make_pending(struct iopf_group *group, struct iommu_fault_param *param)
{
	lockdep_assert_held(&param->lock);

	list_add(&group->pending_node, &param->faults);
	iopf_collect_partials(&param->partial, group->last_fault.fault.prm.grpid, &group->faults);
}

static int iopf_answer(struct device *dev, struct iopf_fault *iopf, enum iommu_page_response_code code)
{
	struct iommu_page_response msg = {
		.pasid = iopf->fault.prm.pasid,
		.grpid = iopf->fault.prm.grpid,
		.code = code,
	};

	return dev_iommu_ops(dev)->page_response(dev, iopf, &msg);
}
