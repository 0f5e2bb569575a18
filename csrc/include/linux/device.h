/* SPDX-License-Identifier: GPL-2.0-only */
/* Devices: counted, and gone with the last reference, together with every lock that lives inside them. */
#ifndef __LINUX_DEVICE_H
#define __LINUX_DEVICE_H

#include <linux/compiler.h>
#include <linux/dev_printk.h>
#include <linux/refcount.h>

struct dev_iommu;
struct iommu_group;

struct device {
	const char *init_name;
	struct dev_iommu *iommu;
	struct iommu_group *iommu_group;
	refcount_t users;
	void (*release)(struct device *dev);
};

static inline const char *dev_name(const struct device *dev)
{
	return dev->init_name;
}

static inline struct device *get_device(struct device *dev)
{
	refcount_inc(&dev->users);
	return dev;
}

static inline void put_device(struct device *dev)
{
	if (refcount_dec_and_test(&dev->users))
		dev->release(dev);
}

#endif
