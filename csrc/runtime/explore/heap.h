/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory of the code under test, and what is known of every byte of it. */
#ifndef IOPF_EXPLORE_HEAP_H
#define IOPF_EXPLORE_HEAP_H

#include <linux/slab.h>

#include "engine.h"

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
	int number;		/* the how-manieth of its site */
};

struct slot {
	u32 execution;
	u32 object;
};

extern char *heap_base;
extern struct slot *heap_slots;
extern struct object heap_objects[MAX_OBJECTS];
extern int heap_nr_objects;
extern int heap_live;		/* objects that were not freed */

int heap_init(void);
void heap_reset(void);
/* The object that holds addr or ended last before it in its slot, or -1. */
int heap_find(u64 addr);
/* Frees behind the clock of whoever may free: the current task, or a grace period. */
void heap_free(u64 addr, const struct clock *clock, const void *pc, bool deferred);
/* kfree_rcu was called: freeing it once more is wrong, using it is not yet. */
void heap_defer(u64 addr, const void *pc);

static inline bool heap_has(u64 addr)
{
	return addr - (u64)heap_base < HEAP_BYTES;
}

/* --- shadow.c --- */

enum access_class { PLAIN_READ, PLAIN_WRITE, MARKED_READ, MARKED_WRITE };

int shadow_init(void);
void shadow_reset(void);
/* Before an access: reports one that must not happen, and does not come back from it; records the others. */
void shadow_access(u64 addr, size_t size, enum access_class class, const void *pc);
/* Only whether it may happen. */
void shadow_check(u64 addr, size_t size, bool write, const void *pc);
/* Every recorded access to the object comes before the clock; else the first that does not, in a finding. */
void shadow_freeing(struct object *object, const struct clock *clock, const void *pc);
/* Memory of shared objects outside of the heap that may be read: the image that addr lies in. */
void shadow_add_image(const void *addr);

#endif
