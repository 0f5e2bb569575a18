/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * locking to v6.9: the domain of a fault, if it has a handler. Nothing is counted: the group's pointer is good for as
 * long as nobody detaches the domain.
 */
static struct iommu_domain *get_domain_for_iopf(struct device *dev, struct iommu_fault *fault)
{
	struct iommu_domain *domain;

	if (fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID)
		domain = iommu_get_domain_for_dev_pasid(dev, fault->prm.pasid, 0);
	else
		domain = iommu_get_domain_for_dev(dev);

	if (IS_ERR(domain))
		domain = NULL;
	if (domain && domain->iopf_handler)
		return domain;

	dev_warn_ratelimited(dev, "page request of PASID %d: no domain with a handler\n", fault->prm.pasid);
	return NULL;
}
