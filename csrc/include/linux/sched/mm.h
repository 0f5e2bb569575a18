/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two counts of an address space: mmgrab/mmdrop keep the structure, mmget_not_zero/mmput the areas in it.
 * A space that exits gives up the second, and mmget_not_zero() says no from then on.
 */
#ifndef __LINUX_SCHED_MM_H
#define __LINUX_SCHED_MM_H

#include <linux/mm_types.h>

KERNEL_API void mmgrab(struct mm_struct *mm);
KERNEL_API void mmdrop(struct mm_struct *mm);
KERNEL_API bool mmget_not_zero(struct mm_struct *mm);
KERNEL_API void mmput(struct mm_struct *mm);

#endif
