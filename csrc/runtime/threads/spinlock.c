// SPDX-License-Identifier: GPL-2.0-only
/* A word with its owner. Who waits looks for a moment, and then gives its CPU away: the owner may be without one. */
#include <linux/bug.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <sched.h>
#include <thread.h>

#define LOOKS 100

static bool take(spinlock_t *lock, struct thread *self, enum spin_form form)
{
	struct thread *nobody = NULL;

	if (!__atomic_compare_exchange_n(&lock->owner, &nobody, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	lock->form = (u32)form;
	return true;
}

void __spin_lock(spinlock_t *lock, enum spin_form form)
{
	struct thread *self = thread_current();
	unsigned int looks;

	if (WARN(spin_is_held_by_current(lock), "recursive spin_lock"))
		return;
	preempt_disable();
	for (looks = 1; !take(lock, self, form); looks++)
		if (looks % LOOKS == 0)
			sched_yield();
}

bool __spin_trylock(spinlock_t *lock, enum spin_form form)
{
	preempt_disable();
	if (take(lock, thread_current(), form))
		return true;
	preempt_enable();
	return false;
}

void __spin_unlock(spinlock_t *lock, enum spin_form form)
{
	if (WARN(!spin_is_held_by_current(lock), "spin_unlock by somebody who does not own it"))
		return;
	(void)WARN(lock->form != (u32)form, "a spinlock is unlocked by another form than it was locked by");
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELEASE);
	preempt_enable();
}

bool spin_is_held_by_current(spinlock_t *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == thread_current();
}
