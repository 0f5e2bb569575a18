// SPDX-License-Identifier: GPL-2.0-only
/*
 * Spinlocks: locks (lock.c) under which nobody sleeps.
 *
 * Who waits for one spins, which is no event, as with any lock. A section is one without preemption, for which a grace
 * period waits (rcu.c); it begins with the lock, in the same step.
 */
#include <linux/bug.h>
#include <linux/spinlock.h>

#include "lock.h"

_Static_assert(offsetof(spinlock_t, owner) == offsetof(struct lock, owner) &&
	       offsetof(spinlock_t, class) == offsetof(struct lock, class), "a spinlock begins as a lock does");

static struct op_class op_spin_lock = {
	.name = "spin_lock", .ready = lock_is_free, .waits_for = lock_owner_of, .pending_mode = PENDING_LOCK,
	.gates = GATES_ALWAYS,
};
static struct op_class op_spin_trylock = { .name = "spin_trylock", .pending_mode = PENDING_LOCK, .gates = GATES_ALWAYS };
static struct op_class op_spin_unlock = { .name = "spin_unlock" };
static struct op_class op_spin_is_locked = { .name = "spin_is_locked", .pending_mode = PENDING_LOOK };
static const struct lock_kind spinlocks = {
	.lock = &op_spin_lock, .trylock = &op_spin_trylock, .unlock = &op_spin_unlock, .is_locked = &op_spin_is_locked,
	.never_initialised = "spin_lock of a spinlock that was never initialised",
};

void __spin_lock_init(spinlock_t *lock, const struct lock_class *class)
{
	lock_init((struct lock *)lock, sizeof(*lock), class, caller_pc());
	lock->form = SPIN_PLAIN;
}

void __spin_lock(spinlock_t *lock, enum spin_form form)
{
	lock_take(&spinlocks, (struct lock *)lock, sizeof(*lock), caller_pc());
	lock->form = form;
	preemption_ends(caller_pc());
}

bool __spin_trylock(spinlock_t *lock, enum spin_form form)
{
	if (!lock_try(&spinlocks, (struct lock *)lock, sizeof(*lock), caller_pc()))
		return false;
	lock->form = form;
	preemption_ends(caller_pc());
	return true;
}

void __spin_unlock(spinlock_t *lock, enum spin_form form)
{
	u32 taken = lock->form;

	if (WARN(!lock_drop(&spinlocks, (struct lock *)lock, sizeof(*lock), caller_pc()),
		 "spin_unlock by somebody who does not own it"))
		return;
	(void)WARN(taken != form, "a spinlock is unlocked by another form than it was locked by");
	preempt_enable();
}

bool spin_is_locked(spinlock_t *lock)
{
	return lock_is_locked(&spinlocks, (struct lock *)lock, sizeof(*lock), caller_pc());
}

bool spin_is_held_by_current(spinlock_t *lock)
{
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_READ, caller_pc());
	return lock_owner((struct lock *)lock) == engine.current->id;
}
