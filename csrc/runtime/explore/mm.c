// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces: any address resolves, with any permission, and they never exit. What a handler does with one is no
 * concern of the framework's concurrency, so nothing here is a step; which one it is, is (mm_resolves).
 */
#include <linux/mm.h>

#include "internal.h"

void (*mm_resolves)(struct mm_struct *mm, const void *pc);

static struct vm_area_struct everywhere = {
	.vm_start = 0, .vm_end = ~0ul, .vm_flags = VM_READ | VM_WRITE | VM_EXEC,
};

void mmgrab(struct mm_struct *mm)
{
	(void)mm;
}

void mmdrop(struct mm_struct *mm)
{
	(void)mm;
}

bool mmget_not_zero(struct mm_struct *mm)
{
	(void)mm;
	return true;
}

void mmput(struct mm_struct *mm)
{
	(void)mm;
}

void mmap_read_lock(struct mm_struct *mm)
{
	(void)mm;
}

void mmap_read_unlock(struct mm_struct *mm)
{
	(void)mm;
}

struct vm_area_struct *vma_lookup(struct mm_struct *mm, unsigned long addr)
{
	(void)addr;
	if (mm_resolves)
		mm_resolves(mm, caller_pc());
	return &everywhere;
}

vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long addr, unsigned int flags, struct pt_regs *regs)
{
	(void)vma;
	(void)addr;
	(void)flags;
	(void)regs;
	return 0;
}
