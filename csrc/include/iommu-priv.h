/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What drivers/iommu keeps for itself. The guard is the kernel's own: a real iommu-priv.h that lies beside the file
 * being compiled finds it defined, and stays out.
 */
#ifndef __LINUX_IOMMU_PRIV_H
#define __LINUX_IOMMU_PRIV_H

#include <linux/iommu.h>

static inline const struct iommu_ops *dev_iommu_ops(struct device *dev)
{
	return dev->iommu->iommu_dev->ops;
}

#endif
