/* SPDX-License-Identifier: GPL-2.0-only */
/* Address spaces of the explorer (mm.c): what a scenario does with one, as the process whose it is. */
#ifndef IOPF_EXPLORE_MM_H
#define IOPF_EXPLORE_MM_H

#include <linux/mm.h>
#include <linux/refcount.h>

#include "machine/engine.h"

#pragma GCC visibility push(hidden)

#define MM_AREAS 16

/* An object of the heap, freed with its last reference. */
struct mm_struct {
	refcount_t count;	/* of those that know it: mmgrab, mmdrop */
	refcount_t users;	/* of those that use what is mapped: mmget_not_zero, mmput; all of them hold one count */
	u32 number;
	u32 nr_areas;
	struct vm_area_struct areas[MM_AREAS];
};

/* Zeroed memory of an object becomes a space, in which nothing is mapped. */
void mm_init(struct mm_struct *mm, u32 number);
/* Inside the step that runs: mmgrab, and what changes the areas. False: more of them than there is room for. */
void mm_grab_within(struct mm_struct *mm);
bool mm_map_within(struct mm_struct *mm, u64 start, u64 end, unsigned long flags);
bool mm_unmap_within(struct mm_struct *mm, u64 start, u64 end);

/*
 * Told what the fault of a page was answered by: vma is what vma_lookup found, NULL: nothing, or the space exits (then addr
 * is unknown: 0). Of a space that is no mm_struct, any address is mapped.
 */
extern void (*mm_resolves)(struct mm_struct *mm, const struct vm_area_struct *vma, u64 addr, const void *pc);
/*
 * Told that a page of an area is faulted in, with these flags; failed: there is no memory for it, which was so before the
 * lookup. Of a space that is no mm_struct, every page can be had.
 */
extern void (*mm_faults)(unsigned long addr, unsigned int flags, bool failed, const void *pc);
/* Is it one, or a mere name for a space in which everything is mapped. */
bool mm_is_object(const struct mm_struct *mm);

#pragma GCC visibility pop

#endif
