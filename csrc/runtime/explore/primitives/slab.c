// SPDX-License-Identifier: GPL-2.0-only
/*
 * kmalloc and kfree: what may fail, what must not be done here, and when. The memory is objects.c's.
 *
 * An allocation is no point: nobody sees the order of two. It may fail on request, by number or as a choice of the search.
 * A free is an event inside the step (a point with points="free").
 */
#include <linux/slab.h>

#include "primitives.h"

void *slab_alloc_from(struct slab_site *site, size_t size, gfp_t gfp, const void *pc)
{
	struct task *t = engine.current;

	if (gfp & GFP_KERNEL)
		check_sleep(pc, "allocating with GFP_KERNEL inside an RCU reader", "allocating with GFP_KERNEL with a spinlock held");
	if (unlikely(t->nr_held) && under_lock)
		under_lock(UNDER_LOCK_ALLOC, pc);
	if (!(gfp & __GFP_NOFAIL) && t->fail_nth && --t->fail_nth == 0) {
		note(&op_alloc, 0, pc, "fails", size);
		return NULL;
	}
	if (!(gfp & __GFP_NOFAIL) && engine.alloc_may_fail && t->id && wait_choice(2, 0, pc)) {
		note(&op_alloc, 0, pc, "fails", size);
		return NULL;
	}
	return heap_new(site, size, gfp & __GFP_ZERO, pc);
}

void *slab_alloc(struct slab_site *site, size_t size, gfp_t gfp)
{
	return slab_alloc_from(site, size, gfp, caller_pc());
}

static const struct object *live_object(const void *pointer, const void *pc)
{
	int i = heap_find((u64)pointer);

	shadow_check((u64)pointer, 1, false, pc);
	return i >= 0 && (u64)heap_base + heap_objects[i].base == (u64)pointer ? &heap_objects[i] : NULL;
}

size_t ksize(const void *pointer)
{
	const struct object *o = pointer ? live_object(pointer, caller_pc()) : NULL;

	return o ? o->size : 0;
}

const struct slab_site *slab_site_of(const void *pointer)
{
	const struct object *o = live_object(pointer, caller_pc());

	return o ? o->site : NULL;
}

long slab_live_of(const struct slab_site *site)
{
	long live = 0;
	int i;

	for (i = 0; i < heap_nr_objects; i++)
		live += heap_objects[i].site == site && heap_objects[i].state == OBJECT_LIVE;
	return live;
}

void kfree_from(const void *pointer, const void *pc)
{
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

void kfree(const void *pointer)
{
	kfree_from(pointer, caller_pc());
}
