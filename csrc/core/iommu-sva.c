// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handler for shared virtual addressing: the device's faults are resolved against a process' address space, by a
 * work on the queue's workqueue.
 *
 * The group carries what the work needs, the domain by its handle and the fault param by its reference; nothing is
 * looked up again when the work runs.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include "iommu-priv.h"

static unsigned long iommu_sva_wanted(u32 perm)
{
	unsigned long wanted = 0;

	if (perm & IOMMU_FAULT_PERM_READ)
		wanted |= VM_READ;
	if (perm & IOMMU_FAULT_PERM_WRITE)
		wanted |= VM_WRITE;
	if (perm & IOMMU_FAULT_PERM_EXEC)
		wanted |= VM_EXEC;
	return wanted;
}

static unsigned int iommu_sva_fault_flags(u32 perm)
{
	unsigned int flags = FAULT_FLAG_REMOTE;

	if (perm & IOMMU_FAULT_PERM_WRITE)
		flags |= FAULT_FLAG_WRITE;
	if (perm & IOMMU_FAULT_PERM_EXEC)
		flags |= FAULT_FLAG_INSTRUCTION;
	if (!(perm & IOMMU_FAULT_PERM_PRIV))
		flags |= FAULT_FLAG_USER;
	return flags;
}

/* One fault: INVALID unless the space lives, has the page, and allows all that is wanted of it. Never FAILURE. */
static enum iommu_page_response_code
iommu_sva_handle_mm(const struct iommu_fault *fault, struct mm_struct *mm)
{
	const struct iommu_fault_page_request *prm = &fault->prm;
	enum iommu_page_response_code code = IOMMU_PAGE_RESP_INVALID;
	unsigned long wanted = iommu_sva_wanted(prm->perm);
	struct vm_area_struct *vma;

	if (!(prm->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID))
		return code;
	if (!mmget_not_zero(mm))
		return code;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, prm->addr);
	if (vma && !(wanted & ~vma->vm_flags) &&
	    !(handle_mm_fault(vma, prm->addr, iommu_sva_fault_flags(prm->perm), NULL) & VM_FAULT_ERROR))
		code = IOMMU_PAGE_RESP_SUCCESS;
	mmap_read_unlock(mm);
	mmput(mm);
	return code;
}

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
	queue = rcu_dereference(group->fault_param->queue);
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
