/* SPDX-License-Identifier: GPL-2.0-only */
/* v6.11, v6.12, v6.14, v7.2: the attach handle of a fault, if its domain has a handler. */

/* The handle is not counted: whoever detaches has to have drained the device before. */
static struct iommu_attach_handle *find_fault_handler(struct device *dev, struct iopf_fault *evt)
{
	struct iommu_fault_page_request *prm = &evt->fault.prm;
	bool has_pasid = prm->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID;
	struct iommu_attach_handle *handle;

	handle = iommu_attach_handle_get(dev->iommu_group, has_pasid ? prm->pasid : IOMMU_NO_PASID, 0);
	/* A guest that owns the PASID table has one nested domain for all its PASIDs. */
	if (IS_ERR(handle) && has_pasid && dev_iommu_ops(dev)->user_pasid_table)
		handle = iommu_attach_handle_get(dev->iommu_group, IOMMU_NO_PASID, IOMMU_DOMAIN_NESTED);

	if (IS_ERR(handle) || !handle->domain->iopf_handler)
		return NULL;
	return handle;
}
