/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_PLAIN_MUTEX_H
#define IOPF_PLAIN_MUTEX_H

#include <linux/rcupdate.h>
#include <pthread.h>

#include "thread.h"

struct mutex {
	pthread_mutex_t lock;
	struct thread *owner;	/* NULL: free. Written under lock, asked about without it */
};

#define __MUTEX_INITIALIZER(name) { .lock = PTHREAD_MUTEX_INITIALIZER }

KERNEL_API void mutex_destroy(struct mutex *lock);
KERNEL_API bool mutex_misused(struct mutex *lock, bool locking);

static inline bool mutex_is_locked(struct mutex *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != NULL;
}

static inline bool mutex_is_held_by_current(struct mutex *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == thread_current();
}

static inline void mutex_init(struct mutex *lock)
{
	pthread_mutex_init(&lock->lock, NULL);
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
}

static inline void mutex_lock(struct mutex *lock)
{
	if (unlikely(thread_current()->sections))
		might_sleep_in_reader();
	if (unlikely(mutex_is_held_by_current(lock)) && mutex_misused(lock, true))
		return;
	pthread_mutex_lock(&lock->lock);
	__atomic_store_n(&lock->owner, thread_current(), __ATOMIC_RELAXED);
}

static inline bool mutex_trylock(struct mutex *lock)
{
	if (pthread_mutex_trylock(&lock->lock))
		return false;
	__atomic_store_n(&lock->owner, thread_current(), __ATOMIC_RELAXED);
	return true;
}

static inline void mutex_unlock(struct mutex *lock)
{
	if (unlikely(!mutex_is_held_by_current(lock)) && mutex_misused(lock, false))
		return;
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock->lock);
}

#endif
