// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handler for shared virtual addressing: the device's faults are resolved against a process' address space, by a
 * work on the queue's workqueue.
 *
 * The group carries what the work needs, the domain by its handle and the fault param by its reference; nothing is
 * looked up again when the work runs. The single fault is iommu-sva-mm.c's.
 */
#include <linux/iommu.h>
#include <linux/workqueue.h>

#include "iommu-priv.h"

/* The work: the faults in the order of arrival up to the first that cannot be resolved, then one answer. */
static void iommu_sva_handle_iopf(struct work_struct *work)
{
	struct iopf_group *group = container_of(work, struct iopf_group, work);
	struct mm_struct *mm = group->attach_handle->domain->mm;
	enum iommu_page_response_code code = IOMMU_PAGE_RESP_SUCCESS;
	struct iopf_fault *iopf;

	list_for_each_entry(iopf, &group->faults, list) {
		code = iommu_sva_handle_mm(&iopf->fault, mm);
		if (code != IOMMU_PAGE_RESP_SUCCESS)
			break;
	}
	iopf_group_response(group, code);
	iopf_free_group(group);
}

/*
 * Queues func for the group. The reader spans lookup and use of the queue: who frees a queue waits for readers before
 * it destroys the workqueue. The group may be gone when this returns 0. -ENODEV: removal came first.
 */
static int iopf_queue_group_work(struct iopf_group *group, work_func_t func)
{
	struct iopf_queue *queue;

	rcu_read_lock();
	queue = iopf_group_queue(group);
	if (!queue) {
		rcu_read_unlock();
		return -ENODEV;
	}
	INIT_WORK(&group->work, func);
	queue_work(queue->wq, &group->work);
	rcu_read_unlock();
	return 0;
}

static int iommu_sva_iopf_handler(struct iopf_group *group)
{
	return iopf_queue_group_work(group, iommu_sva_handle_iopf);
}
