// SPDX-License-Identifier: GPL-2.0-only
/* The slow half of mutex.h: spinning, sleeping, and what breaks the rules. */
#include <linux/bug.h>
#include <linux/mutex.h>
#include <runtime.h>

#include "internal.h"

#define SPINS 100	/* about as long as a section of the framework */

void mutex_in_rcu_reader(void)
{
	might_sleep_in_reader();
}

static bool mutex_spin(struct mutex *lock, struct thread *self)
{
	int i;

	if (runtime_cpus == 1)
		return false;
	for (i = 0; i < SPINS; i++) {
		cpu_relax();
		if (!__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) && __mutex_take(lock, self))
			return true;
	}
	return false;
}

noinline void mutex_lock_slow(struct mutex *lock, struct thread *self)
{
	if (WARN(__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == self->id, "recursive mutex_lock"))
		return;
	if (mutex_spin(lock, self))
		return;

	__atomic_fetch_add(&lock->waiters, 1, __ATOMIC_SEQ_CST);
	membarrier_all();
	while (!__mutex_take(lock, self)) {
		u32 owner = __atomic_load_n(&lock->owner, __ATOMIC_RELAXED);

		if (owner)
			futex_wait(&lock->owner, owner, 0);
	}
	__atomic_fetch_sub(&lock->waiters, 1, __ATOMIC_RELAXED);
}

noinline void mutex_wake(struct mutex *lock)
{
	futex_wake(&lock->owner, 1);
}

void mutex_unlock_not_owner(void)
{
	(void)WARN(true, "mutex_unlock by somebody who does not own it");
}

void mutex_destroy(struct mutex *lock)
{
	(void)WARN(mutex_is_locked(lock), "mutex_destroy of a held mutex");
}
