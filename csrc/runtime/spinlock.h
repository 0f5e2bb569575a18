/* SPDX-License-Identifier: GPL-2.0-only */
/* What linux/spinlock.h includes on the runtimes that run on threads (threads/spinlock.c). */
#ifndef IOPF_RUNTIME_SPINLOCK_H
#define IOPF_RUNTIME_SPINLOCK_H

struct thread;

typedef struct spinlock {
	struct thread *owner;	/* NULL: free */
	u32 form;		/* that it was taken by; the owner's */
} spinlock_t;

#define __SPIN_LOCK_UNLOCKED(name) { NULL, SPIN_PLAIN }

static inline void spin_lock_init(spinlock_t *lock)
{
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
	lock->form = SPIN_PLAIN;
}

static inline bool spin_is_locked(spinlock_t *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != NULL;
}

#endif
