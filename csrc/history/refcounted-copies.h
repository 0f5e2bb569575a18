/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * refcount, remove-void: a group takes the fault param with it and puts it when it is freed; what is pending is still a
 * copy of the last fault, found again by its index.
 */
static void iopf_group_launch(struct iopf_group *group, struct iommu_fault_param *param)
{
	group->fault_param = param;
}

void iopf_free_group(struct iopf_group *group);

#include "copies.h"

void iopf_free_group(struct iopf_group *group)
{
	iopf_free_group_faults(group);
	iopf_put_dev_fault_param(group->fault_param);
	kfree(group);
}
EXPORT_SYMBOL_GPL(iopf_free_group);

int iommu_report_device_fault(struct device *dev, struct iopf_fault *evt)
{
	struct iommu_fault_param *param = iopf_get_dev_fault_param(dev);
	int ret;

	if (!param)
		return -EINVAL;

	mutex_lock(&param->lock);
	ret = iopf_report_pending(evt, param);
	mutex_unlock(&param->lock);

	/*
	 * A group that was launched has the reference now. One that the handler refused was launched as well, and put
	 * it when it was freed: this is the second put.
	 */
	if (ret || !(evt->fault.prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE))
		iopf_put_dev_fault_param(param);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_report_device_fault);

static int iommu_page_response(struct iopf_group *group, struct iommu_page_response *msg)
{
	struct iommu_fault_param *param = group->fault_param;
	int ret;

	mutex_lock(&param->lock);
	ret = iopf_respond_pending(param->dev, param, msg);
	mutex_unlock(&param->lock);
	return ret;
}

int iopf_group_response(struct iopf_group *group, enum iommu_page_response_code code)
{
	struct iommu_page_response msg = iopf_response_to(&group->last_fault, code);

	return iommu_page_response(group, &msg);
}
EXPORT_SYMBOL_GPL(iopf_group_response);
