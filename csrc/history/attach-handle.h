/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * v6.12, v6.14, v7.2: a fault belongs to an attach handle, and report answers whatever it can't hand over.
 *
 * 0: accepted, or answered. -EINVAL: nobody resolves it, and it was answered INVALID, whether it is the last of its
 * group or not; partials of the index that were stored earlier stay. -ENOMEM: a partial was lost.
 */
#include "find-handle.h"
#include "groups.h"

static void iopf_error_response(struct device *dev, struct iopf_fault *evt)
{
	iopf_answer(dev, evt, IOMMU_PAGE_RESP_INVALID);
}

void iopf_group_response(struct iopf_group *group, enum iommu_page_response_code code);

#include "abort-group.h"

int iommu_report_device_fault(struct device *dev, struct iopf_fault *evt)
{
	struct iommu_fault *fault = &evt->fault;
	struct iopf_group *group, abort_group = {};
	struct iommu_attach_handle *handle;
	struct iommu_fault_param *param;
	int ret;

	handle = find_fault_handler(dev, evt);
	if (!handle)
		goto bad_setup;
	param = iopf_get_dev_fault_param(dev);
	if (WARN_ON(!param))
		goto bad_setup;

	if (!(fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE)) {
		ret = report_partial_fault(param, fault);
		iopf_put_dev_fault_param(param);
		return ret;
	}

	group = iopf_group_alloc(param, evt, &abort_group);
	if (group == &abort_group)
		goto abort;
	group->attach_handle = handle;
	if (handle->domain->iopf_handler(group))
		goto abort;
	return 0;

abort:
	dev_warn_ratelimited(dev, "page request group %d aborted\n", fault->prm.grpid);
	iopf_abort(group, &abort_group);
	return 0;

bad_setup:
	if (fault->type == IOMMU_FAULT_PAGE_REQ)
		iopf_error_response(dev, evt);
	return -EINVAL;
}
EXPORT_SYMBOL_GPL(iommu_report_device_fault);
