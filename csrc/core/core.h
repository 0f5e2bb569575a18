/* SPDX-License-Identifier: GPL-2.0-only */
/* A core, as everything above it sees it. */
#ifndef IOPF_CORE_H
#define IOPF_CORE_H

#include <linux/iommu.h>

/* The domain that a group's faults belong to, whichever way its form remembers it. */
static inline struct iommu_domain *iopf_group_domain(const struct iopf_group *group)
{
	return group->attach_handle ? group->attach_handle->domain : group->domain;
}

struct iopf_core {
	const char *name;
	const char *title;
	const char *commit;		/* upstream, or "" */
	const char *summary;
	bool claims_correct;		/* a failure with the contract kept is a bug, not history */

	struct iopf_queue *(*queue_alloc)(const char *name);
	void (*queue_free)(struct iopf_queue *queue);
	int (*add_device)(struct iopf_queue *queue, struct device *dev);
	int (*remove_device)(struct iopf_queue *queue, struct device *dev);
	int (*flush_dev)(struct device *dev);
	int (*discard_partial)(struct iopf_queue *queue);
	int (*report)(struct device *dev, struct iopf_fault *evt);
	void (*respond)(struct iopf_group *group, enum iommu_page_response_code code);
	void (*free_group)(struct iopf_group *group);
	void (*dequeue_group)(struct iopf_group *group);	/* a handler that keeps a group calls it */

	int (*attach)(struct iommu_domain *domain, struct device *dev, ioasid_t pasid,
		      struct iommu_attach_handle *handle);
	int (*replace)(struct iommu_domain *domain, struct device *dev, ioasid_t pasid,
		       struct iommu_attach_handle *handle);
	void (*detach)(struct device *dev, ioasid_t pasid);
	/* For statistics. Takes the locks that it needs. */
	void (*count_stored)(struct device *dev, u64 *partials, u64 *pending);
	void (*group_init)(struct iommu_group *group);
	void (*group_destroy)(struct iommu_group *group);	/* detaches what is left */

	/* Ready-made handlers. */
	int (*sva_handler)(struct iopf_group *group);
	int (*queue_group_work)(struct iopf_group *group, work_func_t func);
	void (*domain_put)(struct iommu_domain *domain);
};

#endif
