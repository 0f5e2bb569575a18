// SPDX-License-Identifier: GPL-2.0-only
/*
 * One fault of a device against an address space: what every form of the SVA handler does alike.
 *
 * Included by forms/unit.c, so that every core has it to itself.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>

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
