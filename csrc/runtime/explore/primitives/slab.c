// SPDX-License-Identifier: GPL-2.0-only
/*
 * kmalloc and kfree: what may fail, what must not be done here, and when. The memory is objects.c's.
 *
 * An allocation is no point: nobody sees the order of two. It may fail on request, by number or as a choice of the search.
 * A free is an event inside the step (a point with points="free").
 */
#include <linux/slab.h>

#include "primitives.h"

void *slab_alloc(struct slab_site *site, size_t size, gfp_t gfp)
{
	struct task *t = engine.current;
	const void *pc = caller_pc();

	if (gfp & GFP_KERNEL)
		check_sleep(pc, "allocating with GFP_KERNEL inside an RCU reader", "allocating with GFP_KERNEL with a spinlock held");
	if (unlikely(t->nr_held) && under_lock)
		under_lock(UNDER_LOCK_ALLOC, pc);
	if (t->fail_nth && --t->fail_nth == 0) {
		note(&op_alloc, 0, pc, "fails", size);
		return NULL;
	}
	if (engine.alloc_may_fail && t->id && wait_choice(2, 0, pc)) {
		note(&op_alloc, 0, pc, "fails", size);
		return NULL;
	}
	return heap_new(site, size, gfp & __GFP_ZERO, pc);
}

void kfree(const void *pointer)
{
	const void *pc = caller_pc();
	u64 addr = (u64)pointer;
	struct task *t = engine.current;
	struct clock joined;
	struct object *o;

	if (!pointer)
		return;
	if (unlikely(engine.current->nr_held) && under_lock)
		under_lock(UNDER_LOCK_FREE, pc);
	if (unlikely(engine.points_free))
		wait_op(&op_free, addr, pc);
	o = heap_to_free(addr, pc);
	refcount_freeing(addr, o->size, pc);
	heap_freed(o, likely(!t->nr_depends) ? &t->race : depend_clock(t, addr, &joined), pc, false);
	if (engine.points_free)
		commit(&op_free, MODE_WRITE, addr, pc);
	else
		note(&op_free, addr, pc, NULL, 0);
}
