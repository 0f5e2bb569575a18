// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attachments: which domain resolves the faults of a PASID.
 *
 * An iommu_group keeps its handles by PASID, 0 standing for requests without one. attach, replace and detach store,
 * exchange and erase; they wait for nothing. A handle is counted: its base reference lasts from attach to detach, and
 * whoever finds it for a fault takes another one in the same section of the group's lock. It pins its domain.
 *
 * Included by forms/unit.c: every core has this file to itself.
 */
#include <linux/iommu.h>

#include "iommu-priv.h"
#include "keyed.h"

static void iommu_domain_put(struct iommu_domain *domain)
{
	if (refcount_dec_and_test(&domain->users))
		domain->release(domain);
}

static noinline void iommu_attach_handle_release(struct iommu_attach_handle *handle)
{
	struct iommu_domain *domain = handle->domain;

	handle->release(handle);
	iommu_domain_put(domain);
}

static inline void iommu_attach_handle_put(struct iommu_attach_handle *handle)
{
	if (unlikely(refcount_dec_and_test(&handle->users)))
		iommu_attach_handle_release(handle);
}

static u64 attach_handle_key(struct hlist_node *node)
{
	return hlist_entry_safe(node, struct iommu_attach_handle, node)->pasid;
}

static inline struct iommu_attach_handle *attach_handle_find(struct iommu_group *group, ioasid_t pasid)
{
	struct iommu_attach_handle *handle;

	lockdep_assert_held(&group->lock);

	hlist_for_each_entry(handle, keyed_chain(&group->handles, pasid), node)
		if (likely(handle->pasid == pasid))
			return handle;
	return NULL;
}

static void attach_handle_init(struct iommu_attach_handle *handle, struct iommu_domain *domain, ioasid_t pasid)
{
	refcount_inc(&domain->users);
	handle->domain = domain;
	handle->pasid = pasid;
	refcount_set(&handle->users, 1);
}

/* Under the group's lock: a mutex that is none of the framework's, so allocating is allowed. */
static void attach_handle_store(struct iommu_group *group, struct iommu_attach_handle *handle)
{
	struct keyed_table *table = &group->handles;
	unsigned int nr_buckets;

	keyed_add(table, handle->pasid, &handle->node);
	nr_buckets = keyed_crowded(table);
	if (nr_buckets)
		kfree(keyed_grow(table, kcalloc(nr_buckets, sizeof(struct hlist_head), GFP_KERNEL), nr_buckets,
				 attach_handle_key));
}

static void attach_handle_erase(struct iommu_group *group, struct iommu_attach_handle *handle)
{
	struct keyed_table *table = &group->handles;

	keyed_del(table, &handle->node);
	if (!table->nr_nodes) {
		kfree(keyed_array(table));
		keyed_init(table);
	}
}

/* 0; -EBUSY: the PASID is taken. The caller has allocated the handle. */
static int iommu_attach_device_pasid(struct iommu_domain *domain, struct device *dev, ioasid_t pasid,
				     struct iommu_attach_handle *handle)
{
	struct iommu_group *group = dev->iommu_group;
	int ret = -EBUSY;

	mutex_lock(&group->lock);
	if (!attach_handle_find(group, pasid)) {
		attach_handle_init(handle, domain, pasid);
		attach_handle_store(group, handle);
		ret = 0;
	}
	mutex_unlock(&group->lock);
	return ret;
}

/* 0; -EINVAL: there is nothing to replace. Groups in flight keep the old handle. */
static int iommu_replace_device_pasid(struct iommu_domain *domain, struct device *dev, ioasid_t pasid,
				      struct iommu_attach_handle *handle)
{
	struct iommu_group *group = dev->iommu_group;
	struct iommu_attach_handle *old;

	mutex_lock(&group->lock);
	old = attach_handle_find(group, pasid);
	if (old) {
		attach_handle_init(handle, domain, pasid);
		keyed_del(&group->handles, &old->node);
		keyed_add(&group->handles, pasid, &handle->node);
	}
	mutex_unlock(&group->lock);

	if (!old)
		return -EINVAL;
	iommu_attach_handle_put(old);
	return 0;
}

static void iommu_detach_device_pasid(struct device *dev, ioasid_t pasid)
{
	struct iommu_group *group = dev->iommu_group;
	struct iommu_attach_handle *handle;

	mutex_lock(&group->lock);
	handle = attach_handle_find(group, pasid);
	if (handle)
		attach_handle_erase(group, handle);
	mutex_unlock(&group->lock);

	if (WARN_ON(!handle))
		return;
	iommu_attach_handle_put(handle);
}

/*
 * The handle for a fault. A device whose guest owns the PASID table has one nested domain for all PASIDs, at index 0.
 */
static inline struct iommu_attach_handle *
attach_handle_find_for_fault(struct device *dev, const struct iommu_fault_page_request *prm)
{
	bool has_pasid = prm->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID;
	struct iommu_attach_handle *handle;

	handle = attach_handle_find(dev->iommu_group, has_pasid ? prm->pasid : IOMMU_NO_PASID);
	if (!handle && has_pasid && dev->iommu && dev_iommu_ops(dev)->user_pasid_table) {
		handle = attach_handle_find(dev->iommu_group, IOMMU_NO_PASID);
		if (handle && handle->domain->type != IOMMU_DOMAIN_NESTED)
			handle = NULL;
	}
	return handle;
}

/* Found and counted in one section, so that it cannot be detached in between. */
static inline struct iommu_attach_handle *
iommu_attach_handle_get_for_fault(struct device *dev, const struct iommu_fault_page_request *prm)
{
	struct iommu_group *group = dev->iommu_group;
	struct iommu_attach_handle *handle;

	mutex_lock(&group->lock);
	handle = attach_handle_find_for_fault(dev, prm);
	if (handle)
		refcount_inc(&handle->users);
	mutex_unlock(&group->lock);
	return handle;
}

/* What a fault asks that will not be handed over yet: would somebody resolve it? There is nothing to put. */
static inline bool
iommu_attach_handle_resolves_fault(struct device *dev, const struct iommu_fault_page_request *prm)
{
	struct iommu_group *group = dev->iommu_group;
	struct iommu_attach_handle *handle;
	bool resolves;

	mutex_lock(&group->lock);
	handle = attach_handle_find_for_fault(dev, prm);
	resolves = handle && handle->domain->iopf_handler;
	mutex_unlock(&group->lock);
	return resolves;
}
