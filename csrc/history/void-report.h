/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 6.10.y, v6.11: report returns nothing, and answers what it can't hand over, by way of a group: FAILURE, since it does not
 * tell one reason from another. The file says what hand_over() does.
 */
void iommu_report_device_fault(struct device *dev, struct iopf_fault *evt)
{
	struct iommu_fault *fault = &evt->fault;
	struct iopf_group *group, abort_group = {};
	struct iommu_fault_param *param;

	param = iopf_get_dev_fault_param(dev);
	if (WARN_ON(!param))
		return;

	if (!(fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE)) {
		report_partial_fault(param, fault);
		iopf_put_dev_fault_param(param);
		return;
	}

	group = iopf_group_alloc(param, evt, &abort_group);
	if (group == &abort_group || !hand_over(dev, evt, group))
		iopf_abort(group, &abort_group);
}
EXPORT_SYMBOL_GPL(iommu_report_device_fault);
