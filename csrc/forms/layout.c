// SPDX-License-Identifier: GPL-2.0-only
/*
 * What only a form can say of itself, since its structures are its own: how they are called in traces, what of a device is
 * stored in them, on which queue it is. Here are the answers of the forms that have those of <linux/iommu.h>. One with
 * others gives its own, in its own file, and what it gives is not looked at here:
 *
 *	FACET_TYPES			what it allocates: an array of struct iopf_core_type
 *	FACET_HOSTED			an array of struct iopf_core_hosted, where a tree's headers lengthen what a driver allocates
 *	FACET_COUNT_STORED		core.h, count_stored
 *	FACET_IS_ON_QUEUE		is_on_queue
 *	FACET_GROUP_DEVICE		group_device
 *	FACET_CONTENDED			contended
 *
 * Included by unit.c, after the source.
 */
#include "core.h"

#ifndef FACET_TYPES
#define FACET_TYPES core_types

static const struct iopf_core_member core_group_members[] = {
	IOPF_CORE_MEMBER(struct iopf_group, last_fault.list), IOPF_CORE_MEMBER(struct iopf_group, last_fault),
	IOPF_CORE_MEMBER(struct iopf_group, faults), IOPF_CORE_MEMBER(struct iopf_group, fault_count),
	IOPF_CORE_MEMBER(struct iopf_group, pending_node), IOPF_CORE_MEMBER(struct iopf_group, work), IOPF_CORE_MEMBER(struct iopf_group, domain),
	IOPF_CORE_MEMBER(struct iopf_group, attach_handle), IOPF_CORE_MEMBER(struct iopf_group, fault_param), IOPF_CORE_MEMBER(struct iopf_group, node),
	IOPF_CORE_MEMBER(struct iopf_group, cookie), IOPF_CORE_MEMBER(struct iopf_group, responded), { NULL, 0, 0 },
};
static const struct iopf_core_member core_param_members[] = {
	IOPF_CORE_MEMBER(struct iommu_fault_param, lock), IOPF_CORE_MEMBER(struct iommu_fault_param, users),
	IOPF_CORE_MEMBER(struct iommu_fault_param, rcu), IOPF_CORE_MEMBER(struct iommu_fault_param, dev),
	IOPF_CORE_MEMBER(struct iommu_fault_param, queue), IOPF_CORE_MEMBER(struct iommu_fault_param, queue_list),
	IOPF_CORE_MEMBER(struct iommu_fault_param, partial), IOPF_CORE_MEMBER(struct iommu_fault_param, partial_index),
	IOPF_CORE_MEMBER(struct iommu_fault_param, faults), { NULL, 0, 0 },
};
static const struct iopf_core_member core_queue_members[] = {
	IOPF_CORE_MEMBER(struct iopf_queue, wq), IOPF_CORE_MEMBER(struct iopf_queue, devices), IOPF_CORE_MEMBER(struct iopf_queue, lock), { NULL, 0, 0 },
};
static const struct iopf_core_member core_fault_members[] = {
	IOPF_CORE_MEMBER(struct iopf_fault, fault), IOPF_CORE_MEMBER(struct iopf_fault, list), { NULL, 0, 0 },
};

static const struct iopf_core_type core_types[] = {
	{ "group", sizeof(struct iopf_group), core_group_members, 0 },
	{ "param", sizeof(struct iommu_fault_param), core_param_members,
	  IOPF_FORBIDS_PUT | IOPF_FORBIDS_ALLOC | IOPF_FORBIDS_FREE },
	{ "queue", sizeof(struct iopf_queue), core_queue_members, IOPF_FORBIDS_PUT },
	{ "fault", sizeof(struct iopf_fault), core_fault_members, 0 },
	{ NULL, 0, NULL, 0 },
};

#endif

#ifndef FACET_HOSTED
#define FACET_HOSTED core_hosted

static const struct iopf_core_member core_domain_members[] = {
	{ NULL, 0, 0 },
};
static const struct iopf_core_member core_iommu_members[] = {
	{ NULL, 0, 0 },
};
static const struct iopf_core_member core_handle_members[] = {
	{ NULL, 0, 0 },
};

static const struct iopf_core_hosted core_hosted[IOPF_HOSTED_NR] = {
	[IOPF_HOSTED_DOMAIN] = { sizeof(struct iommu_domain), core_domain_members },
	[IOPF_HOSTED_IOMMU] = { sizeof(struct dev_iommu), core_iommu_members },
	[IOPF_HOSTED_HANDLE] = { sizeof(struct iommu_attach_handle), core_handle_members },
};

#endif

#ifndef FACET_COUNT_STORED
#define FACET_COUNT_STORED core_count_stored

#if FACET_COUNTS_HANDLES
#define core_count_partials iopf_count_partials
#else
#define core_count_partials(param) list_count_nodes(&(param)->partial)
#endif

static void core_count_stored(struct device *dev, u64 *partials, u64 *pending)
{
	struct iommu_fault_param *param;

	*partials = *pending = 0;
	if (!dev->iommu)
		return;
	mutex_lock(&dev->iommu->lock);
	param = rcu_dereference_check(dev->iommu->fault_param, lockdep_is_held(&dev->iommu->lock));
	if (param) {
		mutex_lock(&param->lock);
		*partials = core_count_partials(param);
		*pending = list_count_nodes(&param->faults);
		mutex_unlock(&param->lock);
	}
	mutex_unlock(&dev->iommu->lock);
}

#endif

#ifndef FACET_IS_ON_QUEUE
#define FACET_IS_ON_QUEUE core_is_on_queue

static bool core_is_on_queue(struct device *dev, const struct iopf_queue *queue)
{
	struct iommu_fault_param *param;
	bool is;

	rcu_read_lock();
	param = rcu_dereference(dev->iommu->fault_param);
	is = param && rcu_access_pointer(param->queue) == queue;
	rcu_read_unlock();
	return is;
}

#endif

#ifndef FACET_GROUP_DEVICE
#define FACET_GROUP_DEVICE core_group_device

/* Before groups had a fault param they had the bare device. */
static struct device *core_group_device(const struct iopf_group *group)
{
	return group->fault_param ? group->fault_param->dev : group->dev;
}

#endif

#ifndef FACET_CONTENDED
#define FACET_CONTENDED core_contended

static void core_contended(struct device *dev, struct mutex **lock, refcount_t **users)
{
	struct iommu_fault_param *param = rcu_dereference_protected(dev->iommu->fault_param, true);

	*lock = param ? &param->lock : NULL;
	*users = param ? &param->users : NULL;
}

#endif
