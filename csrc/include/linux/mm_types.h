/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of an address space as a page fault needs.
 *
 * The runtime keeps the areas; a VMA is found and used under the mmap lock and not beyond it.
 */
#ifndef __LINUX_MM_TYPES_H
#define __LINUX_MM_TYPES_H

#include <linux/compiler.h>

struct mm_struct;

#define VM_READ 1ul
#define VM_WRITE 2ul
#define VM_EXEC 4ul

struct vm_area_struct {
	unsigned long vm_start;	/* first byte */
	unsigned long vm_end;	/* the first byte after it */
	unsigned long vm_flags;
};

typedef unsigned int vm_fault_t;

#define VM_FAULT_ERROR 0x0873u	/* OOM, SIGBUS, HWPOISON (both), SIGSEGV, FALLBACK */
#define VM_FAULT_OOM 0x0001u
#define VM_FAULT_SIGSEGV 0x0040u

#define FAULT_FLAG_WRITE 0x01u
#define FAULT_FLAG_USER 0x40u
#define FAULT_FLAG_REMOTE 0x80u
#define FAULT_FLAG_INSTRUCTION 0x100u

#endif
