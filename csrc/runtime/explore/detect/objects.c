// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects: where each gets its memory (heap.c has the map of it), and what it takes to free one.
 *
 * Every task allocates upwards in a part of the heap of its own, so that an object has the same address in every
 * execution in which its task did the same before: addresses can stand for objects across executions. Nothing is handed
 * out twice within one execution, so whatever touches a freed object is caught, however late. Beginning anew sets the
 * counters back.
 */
#include <string.h>

#include "detect.h"

#define GAP 16u

struct op_class op_alloc = { .name = "allocate" };
struct op_class op_free = { .name = "kfree" };

static u32 serial;

void *heap_new(const struct slab_site *site, size_t size, bool zero, const void *pc)
{
	struct task *t = engine.current;
	u32 bytes, offset, slot;
	struct object *o;

	if (size > TASK_HEAP_BYTES - SLOT_BYTES)
		return NULL;
	bytes = ((u32)size + GAP + SLOT_BYTES - 1) & ~(SLOT_BYTES - 1);
	if (t->arena + bytes > TASK_HEAP_BYTES || heap_nr_objects == MAX_OBJECTS)
		finding_fatal(FINDING_EXPLORER, 0, pc, "the task's part of the heap is used up");
	/* The parts begin at different places of the cache, whose sets their distance would make the same. */
	if (!t->arena)
		t->arena = (u32)(t->id * 5 % 16) * SLOT_BYTES;
	offset = (u32)t->id * TASK_HEAP_BYTES + t->arena;
	t->arena += bytes;

	o = &heap_objects[heap_nr_objects];
	if (!++serial)
		serial = 1, shadow_init();
	*o = (struct object){
		.base = offset, .size = (u32)size, .serial = serial, .state = OBJECT_LIVE,
		.task = (u8)t->id, .clock = t->race.at[t->id], .site = site, .pc = place_of(t, pc), .event = engine.nr_events,
	};
	for (slot = offset / SLOT_BYTES; slot < (offset + bytes) / SLOT_BYTES; slot++)
		heap_slots[slot] = (struct slot){
			.execution = engine.execution, .object = (u32)heap_nr_objects, .serial = serial, .base = offset,
			.size = (u32)size, .state = OBJECT_LIVE, .task = (u8)t->id, .clock = o->clock,
		};
	heap_nr_objects++;
	heap_live++;

	/* What kmalloc() leaves in memory is the same in every execution, and nothing useful. */
	memset(heap_base + offset, zero ? 0 : 0xa5, (size + 15) & ~(size_t)15);
	if (unlikely(engine.logging)) {
		int i;

		o->number = 1;
		for (i = 0; i < heap_nr_objects - 1; i++)
			o->number += heap_objects[i].site == site;
		note(&op_alloc, (u64)heap_base + offset, pc, NULL, size);
	}
	return heap_base + offset;
}

struct object *heap_to_free(u64 addr, const void *pc)
{
	int i = heap_find(addr);
	struct object *o;

	if (i < 0 || heap_objects[i].is_static)
		finding_fatal(FINDING_INVALID_FREE, addr, pc, "freeing what is no heap object");
	o = &heap_objects[i];
	if (o->state != OBJECT_LIVE)
		finding_fatal(FINDING_DOUBLE_FREE, addr, pc, o->state == OBJECT_FREED ?
			      "freed a second time" : "freed although kfree_rcu will");
	if ((u64)heap_base + o->base != addr)
		finding_fatal(FINDING_INVALID_FREE, addr, pc, "freeing the middle of an object");
	return o;
}

void heap_freed(struct object *o, const struct clock *clock, const void *pc, bool deferred)
{
	struct task *t = engine.current;
	u32 slot;

	shadow_freeing(o, clock, pc);
	o->state = OBJECT_FREED;
	for (slot = o->base / SLOT_BYTES; slot <= (o->base + o->size - 1) / SLOT_BYTES; slot++)
		heap_slots[slot].state = OBJECT_FREED;
	o->free_task = (u8)t->id;
	o->free_clock = t->race.at[t->id];
	if (!deferred)
		o->free_pc = place_of(t, pc);
	o->free_event = engine.nr_events;
	heap_live--;
}

void heap_free(u64 addr, const struct clock *clock, const void *pc, bool deferred)
{
	int i = heap_find(addr);

	heap_freed(&heap_objects[i], clock, pc, deferred);
	note(&op_free, addr, pc, deferred ? "by kfree_rcu, the grace period is over" : NULL, 0);
}

void heap_defer(u64 addr, const void *pc)
{
	struct object *o = heap_to_free(addr, pc);

	o->state = OBJECT_WAITING;
	o->free_pc = place_of(engine.current, pc);
}
