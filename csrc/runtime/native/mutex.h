/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mutex whose word is its owner: one compare-and-swap to take it, one plain store to give it back.
 *
 * The store is all that unlock needs because the price of asking "does anybody sleep?" is with the sleeper. Between
 * the store of owner and the load of waiters an unlock would need a full barrier; instead a thread that is going to
 * sleep first counts itself as a waiter and then makes every running thread of the process pass a barrier
 * (membarrier, 390 ns beside a sleep of 15,000). After it, either the unlock's store is visible to the sleeper, or the
 * unlock will see the waiter.
 */
#ifndef IOPF_NATIVE_MUTEX_H
#define IOPF_NATIVE_MUTEX_H

#include "thread.h"

struct mutex {
	u32 owner;		/* thread.id, 0: free. The futex word */
	u32 waiters;
};

#define __MUTEX_INITIALIZER(name) { 0, 0 }

KERNEL_API void mutex_lock_slow(struct mutex *lock, struct thread *self);
KERNEL_API void mutex_wake(struct mutex *lock);
KERNEL_API void mutex_unlock_not_owner(void);
KERNEL_API void mutex_in_rcu_reader(void);
KERNEL_API void mutex_destroy(struct mutex *lock);

static inline void mutex_init(struct mutex *lock)
{
	__atomic_store_n(&lock->owner, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&lock->waiters, 0, __ATOMIC_RELAXED);
}

static inline bool __mutex_take(struct mutex *lock, struct thread *self)
{
	u32 unowned = 0;

	return __atomic_compare_exchange_n(&lock->owner, &unowned, self->id, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static inline bool mutex_trylock(struct mutex *lock)
{
	return __mutex_take(lock, thread_current());
}

static inline void mutex_lock(struct mutex *lock)
{
	struct thread *self = thread_current();

	if (unlikely(self->rcu_nesting))
		mutex_in_rcu_reader();
	if (unlikely(!__mutex_take(lock, self)))
		mutex_lock_slow(lock, self);
}

static inline bool mutex_is_locked(struct mutex *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != 0;
}

static inline bool mutex_is_held_by_current(struct mutex *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == thread_current()->id;
}

static inline void mutex_unlock(struct mutex *lock)
{
	struct thread *self = thread_current();

	if (unlikely(__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != self->id)) {
		mutex_unlock_not_owner();
		return;
	}
	__atomic_store_n(&lock->owner, 0, __ATOMIC_RELEASE);
	barrier();
	if (unlikely(__atomic_load_n(&lock->waiters, __ATOMIC_RELAXED)))
		mutex_wake(lock);
}

#endif
