// SPDX-License-Identifier: GPL-2.0-only
/*
 * track-group: "iommu: Track iopf group instead of last fault", 199112327135.
 *
 * A step of the series that became v6.9; no release carries it alone. No copy of the last fault any more: the group is
 * on the list of what is pending, and a response takes it off. Removal answers and takes off, the owner frees. This is
 * the one revision in which every group has exactly one freer.
 *
 * What it gets wrong:
 *  - the driver answers when report fails, and report can't tell it that removal has answered already: a handler that
 *    refuses beside removal makes two answers;
 *  - removal leaves freed partials on param->partial (remove-answers.h);
 *  - a reporter that had its reference before removal still links its group, and the answer comes after removal;
 *  - group->domain is not counted, partials are matched by index alone.
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
#include "domain.h"
#include "groups.h"
#include "remove-answers.h"

void iopf_free_group(struct iopf_group *group)
{
	iopf_free_group_faults(group);
	iopf_put_dev_fault_param(group->fault_param);
	kfree(group);
}
EXPORT_SYMBOL_GPL(iopf_free_group);

int iopf_group_response(struct iopf_group *group, enum iommu_page_response_code code)
{
	struct iommu_fault_param *param = group->fault_param;
	int ret = -EINVAL;

	mutex_lock(&param->lock);
	if (!list_empty(&group->pending_node)) {
		ret = iopf_answer(param->dev, &group->last_fault, code);
		list_del_init(&group->pending_node);
	}
	mutex_unlock(&param->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iopf_group_response);

int iommu_report_device_fault(struct device *dev, struct iopf_fault *evt)
{
	struct iommu_fault *fault = &evt->fault;
	struct iommu_fault_param *param;
	struct iommu_domain *domain;
	struct iopf_group *group;
	int ret;

	if (fault->type != IOMMU_FAULT_PAGE_REQ)
		return -EOPNOTSUPP;

	param = iopf_get_dev_fault_param(dev);
	if (!param)
		return -ENODEV;

	if (!(fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE)) {
		ret = report_partial_fault(param, fault);
		goto put;
	}

	domain = get_domain_for_iopf(dev, fault);
	if (!domain) {
		ret = -EINVAL;
		goto purge;
	}
	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group) {
		ret = -ENOMEM;
		goto purge;
	}
	group->fault_param = param;
	group->domain = domain;
	group->last_fault.fault = *fault;
	INIT_LIST_HEAD(&group->faults);
	list_add(&group->last_fault.list, &group->faults);

	mutex_lock(&param->lock);
	iopf_make_pending(group, param);
	mutex_unlock(&param->lock);

	/* The group has the reference from here on. */
	ret = domain->iopf_handler(group);
	if (ret) {
		mutex_lock(&param->lock);
		list_del_init(&group->pending_node);
		mutex_unlock(&param->lock);
		iopf_free_group(group);
	}
	return ret;

purge:
	mutex_lock(&param->lock);
	iopf_purge_partials(&param->partial, fault->prm.grpid);
	mutex_unlock(&param->lock);
put:
	iopf_put_dev_fault_param(param);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_report_device_fault);
