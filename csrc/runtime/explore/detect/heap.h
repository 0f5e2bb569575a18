/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory of the code under test, and what is known of every byte of it. */
#ifndef IOPF_EXPLORE_HEAP_H
#define IOPF_EXPLORE_HEAP_H

#include <linux/slab.h>

#include "machine/engine.h"

#pragma GCC visibility push(hidden)

#define SLOT_BYTES 256u
#define TASK_HEAP_BYTES (1u << 18)
#define HEAP_BYTES ((size_t)TASK_HEAP_BYTES * MAX_TASKS)
#define NR_SLOTS (HEAP_BYTES / SLOT_BYTES)

enum object_state { OBJECT_LIVE, OBJECT_WAITING, OBJECT_FREED };	/* waiting: for a grace period */

struct object {
	u32 base, size;		/* offset in the heap */
	u32 serial;		/* of all objects ever: what a shadow cell belongs to */
	u8 state;
	u8 task, free_task;
	bool is_static;		/* stands for memory that is not the heap's: freed by heap_free() alone */
	s16 clock, free_clock;	/* the tasks' dates */
	const struct slab_site *site;
	const void *pc, *free_pc;
	int event, free_event;	/* in the history */
	int number;		/* counted among those of its site, from 1 */
};

/* What an access has to know of its object, in one line of the cache. */
struct slot {
	u32 execution;
	u32 object;
	u32 serial, base, size;
	u8 state, task;
	s16 clock;
};

extern char *heap_base;
extern struct slot *heap_slots;
extern struct object heap_objects[MAX_OBJECTS];
extern int heap_nr_objects;
extern int heap_live;		/* objects that were not freed */

extern struct op_class op_alloc, op_free;

int heap_init(void);
void heap_reset(void);
/* A new one of the current task. NULL: none is that large. */
void *heap_new(const struct slab_site *site, size_t size, bool zero, const void *pc);
/* The object at addr, which has to be one that may be freed; it is freed. */
struct object *heap_to_free(u64 addr, const void *pc);
void heap_freed(struct object *o, const struct clock *clock, const void *pc, bool deferred);
/* Frees after the clock of whoever may free: the current task, or a grace period. */
void heap_free(u64 addr, const struct clock *clock, const void *pc, bool deferred);
/* kfree_rcu was called: freeing it once more is wrong, using it is not yet. */
void heap_defer(u64 addr, const void *pc);

/* The object that holds addr or ended last before it in its slot, or -1. */
static inline int heap_find(u64 addr)
{
	u64 offset = addr - (u64)heap_base;

	if (offset >= HEAP_BYTES || heap_slots[offset / SLOT_BYTES].execution != engine.execution)
		return -1;
	return (int)heap_slots[offset / SLOT_BYTES].object;
}

static inline bool heap_has(u64 addr)
{
	return addr - (u64)heap_base < HEAP_BYTES;
}

/* --- shadow.c --- */

#define SHADOW_CLASSES 4

struct cell {
	u32 serial;
	u8 mask;		/* bytes that it is about; none: it is split */
	u8 unit;		/* 0: whole; 4, 1: split */
	u8 owner;		/* the only task that touched it, or SHADOW_SEVERAL */
	u32 date[SHADOW_CLASSES];	/* task << 16 | clock, 0: none */
	u64 pc[SHADOW_CLASSES];
	union {
		u16 shared[SHADOW_CLASSES];	/* dates of several tasks, 0: one. Of a split cell the first is where its parts are */
		u64 any_shared;
	};
};

extern struct cell *shadow_cells;

#define SHADOW_SEVERAL 0xff

#define SHADOW_MOST_FAST 4000000u	/* without a scheduling point: more take the long way */

enum access_class { PLAIN_READ, PLAIN_WRITE, MARKED_READ, MARKED_WRITE };

int shadow_init(void);
void shadow_reset(void);
/* Before an access: reports one that must not happen, and does not come back from it; records the others. */
void shadow_access(u64 addr, size_t size, enum access_class class, const void *pc);
static inline bool slot_is_live(const struct slot *slot)
{
	return slot->execution == engine.execution && slot->state != OBJECT_FREED;
}

static inline bool slot_has(const struct slot *slot, u64 offset, size_t size)
{
	return offset - slot->base < slot->size && size <= slot->size - (offset - slot->base);
}

static inline u32 date_of(const struct task *t)
{
	return (u32)t->id << 16 | (u16)t->race.at[t->id];
}

/* No date, which is task 0's date 0, is before every clock, and so are the task's own. */
static inline bool is_ordered(const struct clock *clock, u32 date)
{
	return (s16)(date & 0xffff) <= clock->at[date >> 16];
}

/* Whether any of the accesses that an access of this class races with is not before the clock; of no shared dates. */
static inline bool races_unshared(const struct cell *c, enum access_class class, const struct clock *clock)
{
	switch (class) {
	case PLAIN_READ:
		return !is_ordered(clock, c->date[PLAIN_WRITE]) || !is_ordered(clock, c->date[MARKED_WRITE]);
	case PLAIN_WRITE:
		return !is_ordered(clock, c->date[PLAIN_READ]) || !is_ordered(clock, c->date[PLAIN_WRITE]) ||
		       !is_ordered(clock, c->date[MARKED_READ]) || !is_ordered(clock, c->date[MARKED_WRITE]);
	case MARKED_READ:
		return !is_ordered(clock, c->date[PLAIN_WRITE]);
	default:
		return !is_ordered(clock, c->date[PLAIN_READ]) || !is_ordered(clock, c->date[PLAIN_WRITE]);
	}
}

/* Of memory whose allocation nothing orders before the access. */
static inline bool is_unpublished(const struct slot *o, const struct task *t)
{
	return o->task != t->id && o->clock > t->race.at[o->task];
}

/* What is less usual: any access of any memory; the first one of a cell; to other bytes than before; beside others. */
void shadow_any(u64 addr, size_t size, enum access_class class, const void *pc);
void shadow_begin(struct cell *c, u64 addr, size_t size, enum access_class class, const void *pc);
void shadow_parts(struct cell *c, u64 addr, size_t size, enum access_class class, const void *pc);
void shadow_contended(struct cell *c, u64 addr, enum access_class class, const void *pc);

/*
 * An access to at most eight bytes, in line up to where it is less usual. A cell of the object's life that has just these
 * bytes says that an access to them was let through before. In the repeated part of the path races were looked for when it
 * was new.
 */
static __always_inline void shadow_small(struct task *t, u64 addr, size_t size, enum access_class class, const void *pc)
{
	u64 offset = addr - (u64)heap_base;
	const struct slot *slot;
	struct cell *c;
	u32 date;

	if (unlikely(offset >= HEAP_BYTES)) {
		if (class > PLAIN_WRITE || addr - (u64)t->fiber.stack >= FIBER_STACK_BYTES)
			shadow_any(addr, size, class, pc);
		return;
	}
	slot = &heap_slots[offset / SLOT_BYTES];
	c = &shadow_cells[offset / 8];
	if (unlikely(++t->accesses > SHADOW_MOST_FAST || !slot_is_live(slot) || (offset & 7) + size > 8))
		return shadow_any(addr, size, class, pc);
	if (c->serial != slot->serial)
		return shadow_begin(c, addr, size, class, pc);
	if (unlikely(c->mask != (u8)(((1u << size) - 1) << (offset & 7))))
		return shadow_parts(c, addr, size, class, pc);
	date = date_of(t);
	if (c->owner != t->id) {
		if (unlikely(is_unpublished(slot, t)))
			return shadow_any(addr, size, class, pc);
		c->owner = SHADOW_SEVERAL;
		if (unlikely(c->any_shared))
			return shadow_contended(c, addr, class, pc);
		if (c->date[class] == date)
			return;
		if ((!engine.repeating && unlikely(races_unshared(c, class, &t->race))) ||
		    (class != PLAIN_WRITE && unlikely(!is_ordered(&t->race, c->date[class]))))
			return shadow_contended(c, addr, class, pc);
	}
	c->date[class] = date;
	c->pc[class] = (u64)place_of(t, pc);
}

/* Only whether it may happen. */
void shadow_check_any(u64 addr, size_t size, bool write, const void *pc);

static inline void shadow_check(u64 addr, size_t size, bool write, const void *pc)
{
	u64 offset = addr - (u64)heap_base;
	const struct slot *slot = &heap_slots[offset / SLOT_BYTES];

	if (unlikely(offset >= HEAP_BYTES || !slot_is_live(slot) || !slot_has(slot, offset, size)))
		shadow_check_any(addr, size, write, pc);
}

/* Every recorded access to the object comes before the clock; else the first that does not, in a finding. */
void shadow_freeing(struct object *object, const struct clock *clock, const void *pc);
/* --- elsewhere.c: memory that is not the heap's --- */

/* Before an access: reports one that must not happen, and does not come back from it. */
void shadow_elsewhere(u64 addr, size_t size, bool write, const void *pc);

/* --- image.c --- */

/* Memory of shared objects outside of the heap that may be read: the image that addr lies in. */
void shadow_add_image(const void *addr);
/* Only the extension's own is left. */
void shadow_forget_images(void);
/* An execution begins: static memory of a core of its own is as it was loaded. */
void shadow_restore_images(void);
/* Is there code of such an image. */
bool shadow_is_code(u64 addr);
/* Is it in such an image at all. */
bool shadow_is_image(u64 addr);
bool shadow_may_use_image(u64 addr, size_t size, bool write);

#pragma GCC visibility pop

#endif
