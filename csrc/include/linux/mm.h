/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __LINUX_MM_H
#define __LINUX_MM_H

#include <linux/mm_types.h>
#include <linux/sched/mm.h>

struct pt_regs;

KERNEL_API void mmap_read_lock(struct mm_struct *mm);
KERNEL_API void mmap_read_unlock(struct mm_struct *mm);
/* The area that holds addr, or NULL. */
KERNEL_API struct vm_area_struct *vma_lookup(struct mm_struct *mm, unsigned long addr);
/* Under the mmap read lock. The flags name the access; an area that forbids it is VM_FAULT_SIGSEGV. */
KERNEL_API vm_fault_t
handle_mm_fault(struct vm_area_struct *vma, unsigned long addr, unsigned int flags, struct pt_regs *regs);

#endif
