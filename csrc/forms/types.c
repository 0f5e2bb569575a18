// SPDX-License-Identifier: GPL-2.0-only
/*
 * The structures of <linux/iommu.h> that a form allocates. A form with others says so itself: FACET_TYPES, an array of
 * struct iopf_core_type that ends with a name that is NULL.
 *
 * Included by unit.c.
 */
#include "core.h"

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
