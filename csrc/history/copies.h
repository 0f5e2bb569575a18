/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * locking, lkml-v8, refcount, remove-void: what is pending is a copy of each last fault, on param->faults. A response
 * looks for the first copy that fits.
 *
 * The revision gives, before it includes this:
 *	iopf_group_launch(group, param)	what a group takes along to find its fault param by
 *	iopf_free_group(group)
 */
#include "domain.h"
#include "partials.h"

/* Under param->lock, which is dropped around the handler: it may answer. */
static int iommu_handle_iopf(struct iopf_fault *evt, struct iommu_fault_param *param)
{
	struct iommu_fault *fault = &evt->fault;
	struct iommu_domain *domain;
	struct iopf_group *group;
	int ret;

	lockdep_assert_held(&param->lock);

	if (fault->type != IOMMU_FAULT_PAGE_REQ)
		return -EOPNOTSUPP;
	if (!(fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE))
		return iopf_store_partial(&param->partial, fault);

	domain = get_domain_for_iopf(param->dev, fault);
	if (!domain) {
		ret = -EINVAL;
		goto purge;
	}
	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group) {
		ret = -ENOMEM;
		goto purge;
	}
	iopf_group_launch(group, param);
	group->domain = domain;
	group->last_fault.fault = *fault;
	INIT_LIST_HEAD(&group->faults);
	list_add(&group->last_fault.list, &group->faults);
	iopf_collect_partials(&param->partial, fault->prm.grpid, &group->faults);

	mutex_unlock(&param->lock);
	ret = domain->iopf_handler(group);
	mutex_lock(&param->lock);
	if (ret)
		iopf_free_group(group);
	return ret;

purge:
	iopf_purge_partials(&param->partial, fault->prm.grpid);
	return ret;
}

/*
 * Under param->lock. The copy is looked at again after the lock was dropped: on an error it is taken to be where it
 * was.
 */
static int iopf_report_pending(struct iopf_fault *evt, struct iommu_fault_param *param)
{
	bool last = evt->fault.type == IOMMU_FAULT_PAGE_REQ &&
		    evt->fault.prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE;
	struct iopf_fault *copy = NULL;
	int ret;

	if (last) {
		copy = kmemdup(evt, sizeof(*evt), GFP_KERNEL);
		if (!copy)
			return -ENOMEM;
		list_add_tail(&copy->list, &param->faults);
	}
	ret = iommu_handle_iopf(evt, param);
	if (ret && copy) {
		list_del(&copy->list);
		kfree(copy);
	}
	return ret;
}

/* The index alone, unless the device wants the PASID in its response: then that as well. */
static bool iopf_response_fits(const struct iommu_fault_page_request *prm, const struct iommu_page_response *msg)
{
	if (prm->grpid != msg->grpid)
		return false;
	if (!(prm->flags & IOMMU_FAULT_PAGE_RESPONSE_NEEDS_PASID))
		return true;
	return msg->flags & IOMMU_PAGE_RESP_PASID_VALID && prm->pasid == msg->pasid;
}

/* Under param->lock: answers the oldest copy that fits. */
static int iopf_respond_pending(struct device *dev, struct iommu_fault_param *param, struct iommu_page_response *msg)
{
	struct iopf_fault *copy;
	int ret;

	if (list_empty(&param->faults)) {
		dev_warn_ratelimited(dev, "response to group %d dropped: nothing is pending\n", msg->grpid);
		return -EINVAL;
	}
	list_for_each_entry(copy, &param->faults, list) {
		if (!iopf_response_fits(&copy->fault.prm, msg))
			continue;
		ret = dev_iommu_ops(dev)->page_response(dev, copy, msg);
		list_del(&copy->list);
		kfree(copy);
		return ret;
	}
	return -EINVAL;
}

static struct iommu_page_response iopf_response_to(struct iopf_fault *iopf, enum iommu_page_response_code code)
{
	struct iommu_page_response msg = {
		.pasid = iopf->fault.prm.pasid,
		.grpid = iopf->fault.prm.grpid,
		.code = code,
	};

	if (iopf->fault.prm.flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID)
		msg.flags = IOMMU_PAGE_RESP_PASID_VALID;
	return msg;
}
