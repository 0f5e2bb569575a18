// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's ways from a fault to whoever resolves it, over the attachments of attach.c: by domain up to v6.10, by
 * attach handle since v6.11. Neither counts what it returns: only a driver that blocks and drains its hardware before
 * it detaches keeps the pointer good.
 *
 * Included by unit.c for every form but our own, which finds and counts in one step.
 */
#include <linux/iommu.h>

static __maybe_unused struct iommu_attach_handle *
iommu_attach_handle_get(struct iommu_group *group, ioasid_t pasid, unsigned int type)
{
	struct iommu_attach_handle *handle;

	mutex_lock(&group->lock);
	handle = attach_handle_find(group, pasid);
	if (!handle)
		handle = ERR_PTR(-ENOENT);
	else if (type && handle->domain->type != type)
		handle = ERR_PTR(-EBUSY);
	mutex_unlock(&group->lock);
	return handle;
}

static __maybe_unused struct iommu_domain *
iommu_get_domain_for_dev_pasid(struct device *dev, ioasid_t pasid, unsigned int type)
{
	struct iommu_group *group = dev->iommu_group;
	struct iommu_attach_handle *handle;
	struct iommu_domain *domain;

	mutex_lock(&group->lock);
	handle = attach_handle_find(group, pasid);
	domain = handle ? handle->domain : NULL;
	if (domain && type && domain->type != type)
		domain = ERR_PTR(-EBUSY);
	mutex_unlock(&group->lock);
	return domain;
}

/* The domain of the requests without a PASID. */
static __maybe_unused struct iommu_domain *iommu_get_domain_for_dev(struct device *dev)
{
	return iommu_get_domain_for_dev_pasid(dev, IOMMU_NO_PASID, 0);
}
