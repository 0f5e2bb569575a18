/* SPDX-License-Identifier: GPL-2.0-only */
/* lock.c: what mutexes and spinlocks have in common, an owner. Both begin with it. */
#ifndef IOPF_EXPLORE_LOCK_H
#define IOPF_EXPLORE_LOCK_H

#include <linux/mutex.h>

#include "primitives.h"

#pragma GCC visibility push(hidden)

struct lock {
	u64 owner;			/* the execution's number, and the task's + 1; 0, or an old execution: free */
	const struct lock_class *class;
};

/* What the messages call it, and its operations. */
struct lock_kind {
	struct op_class *lock, *trylock, *unlock, *is_locked;
	const char *never_initialised;
};

/* The task that has it, or -1. */
static inline int lock_owner(const struct lock *lock)
{
	return lock->owner >> 32 == engine.execution ? (int)(u32)lock->owner - 1 : -1;
}

/* Of operations that take one: the task's pending one. */
bool lock_is_free(const struct task *t);
u64 lock_owner_of(const struct task *t);

void lock_init(struct lock *lock, size_t size, const struct lock_class *class, const void *pc);
void lock_take(const struct lock_kind *kind, struct lock *lock, size_t size, const void *pc);
bool lock_try(const struct lock_kind *kind, struct lock *lock, size_t size, const void *pc);
/* False: the caller does not own it. */
bool lock_drop(const struct lock_kind *kind, struct lock *lock, size_t size, const void *pc);
bool lock_is_locked(const struct lock_kind *kind, struct lock *lock, size_t size, const void *pc);

#pragma GCC visibility pop

#endif
