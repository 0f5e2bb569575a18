/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * driver/: what a kernel driver sets up under a device, whoever plays it: the API's devices (api/device.c), the explorer's
 * (explore/program/driver.c) and those of the benchmarks (api/bench/rig.c). Compiled for each runtime, like a core.
 *
 * What each of them is, what its page_response does and where its memory comes from is their own. The room may use forms/
 * (a core, by its table) and the kernel API.
 */
#ifndef IOPF_DRIVER_H
#define IOPF_DRIVER_H

#include <core.h>
#include <linux/iommu.h>
#include <linux/slab.h>

/* iommu NULL: no IOMMU stands before the device. Its group is the caller's to set. */
static inline void driver_device_init(struct device *dev, struct dev_iommu *iommu, struct iommu_device *iommu_device,
				      const char *name, void (*release)(struct device *dev))
{
	dev->init_name = name;
	dev->iommu = iommu;
	dev->release = release;
	refcount_set(&dev->users, 1);
	if (!iommu)
		return;
	mutex_init(&iommu->lock);
	iommu->iommu_dev = iommu_device;
}

/* The caller's own, or one from the heap where the core's is longer; NULL: there is no memory. */
static inline struct dev_iommu *driver_iommu_get(const struct iopf_core *core, struct dev_iommu *own)
{
	size_t size = core->hosted[IOPF_HOSTED_IOMMU].size;

	return size == sizeof(*own) ? own : kzalloc(size, GFP_KERNEL);
}

static inline void driver_iommu_put(struct dev_iommu *iommu, struct dev_iommu *own)
{
	if (iommu != own)
		kfree(iommu);
}

/* With one reference, which is the caller's. */
static inline void driver_group_init(const struct iopf_core *core, struct iommu_group *group,
				     void (*release)(struct iommu_group *group))
{
	group->release = release;
	refcount_set(&group->users, 1);
	core->group_init(group);
}

static inline void driver_group_put(struct iommu_group *group)
{
	if (refcount_dec_and_test(&group->users))
		group->release(group);
}

/* With one reference, which is the caller's; an attached domain is held by its handle. */
static inline void driver_domain_init(struct iommu_domain *domain, enum iommu_domain_type type,
				      int (*handler)(struct iopf_group *group), void (*release)(struct iommu_domain *domain))
{
	domain->type = type;
	domain->iopf_handler = handler;
	domain->release = release;
	refcount_set(&domain->users, 1);
}

static inline void driver_handle_release(struct iommu_attach_handle *handle)
{
	kfree(handle);
}

/* Attaches with a handle from the heap, which is freed here where that fails, and else with the last reference. */
static inline int driver_attach_domain(const struct iopf_core *core, bool replace, struct iommu_domain *domain,
				       struct device *dev, ioasid_t pasid, struct iommu_attach_handle *handle)
{
	int ret;

	handle->release = driver_handle_release;
	ret = replace ? core->replace(domain, dev, pasid, handle) : core->attach(domain, dev, pasid, handle);
	if (ret)
		kfree(handle);
	return ret;
}

#endif
