// SPDX-License-Identifier: GPL-2.0-only
/*
 * The SVA handler as the kernel's releases have it: the way to the workqueue and to the address space is followed
 * without asking whether its parts are still there. Which way that is differs by revision: forms/facets.h says,
 * facet_group_queue() and facet_group_domain().
 *
 * Included by forms/unit.c for the revisions with group handlers and for a user's file.
 */
#include <linux/iommu.h>
#include <linux/workqueue.h>

#include "iommu-priv.h"

static void iommu_sva_handle_iopf(struct work_struct *work)
{
	struct iopf_group *group = container_of(work, struct iopf_group, work);
	enum iommu_page_response_code code = IOMMU_PAGE_RESP_SUCCESS;
	struct iopf_fault *iopf;

	list_for_each_entry(iopf, &group->faults, list) {
		code = iommu_sva_handle_mm(&iopf->fault, facet_group_domain(group)->mm);
		if (code != IOMMU_PAGE_RESP_SUCCESS)
			break;
	}
	iopf_group_response(group, code);
	iopf_free_group(group);
}

static int iopf_queue_group_work(struct iopf_group *group, work_func_t func)
{
	INIT_WORK(&group->work, func);
	if (!queue_work(facet_group_queue(group)->wq, &group->work))
		return -EBUSY;
	return 0;
}

static int iommu_sva_iopf_handler(struct iopf_group *group)
{
	return iopf_queue_group_work(group, iommu_sva_handle_iopf);
}
