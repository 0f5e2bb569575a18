// SPDX-License-Identifier: GPL-2.0-only
/* Mutexes: locks (lock.c) that one may sleep for. */
#include <linux/bug.h>
#include <linux/mutex.h>

#include "lock.h"

_Static_assert(offsetof(struct mutex, owner) == offsetof(struct lock, owner) &&
	       offsetof(struct mutex, class) == offsetof(struct lock, class), "a mutex begins as a lock does");

struct op_class op_lock = {
	.name = "mutex_lock", .ready = lock_is_free, .waits_for = lock_owner_of, .pending_mode = PENDING_LOCK,
	.gates = GATES_ALWAYS,
};
static struct op_class op_trylock = { .name = "mutex_trylock", .pending_mode = PENDING_LOCK, .gates = GATES_ALWAYS };
static struct op_class op_unlock = { .name = "mutex_unlock" };
static struct op_class op_is_locked = { .name = "mutex_is_locked", .pending_mode = PENDING_LOOK };
static const struct lock_kind mutexes = {
	.lock = &op_lock, .trylock = &op_trylock, .unlock = &op_unlock, .is_locked = &op_is_locked,
	.never_initialised = "mutex_lock of a mutex that was never initialised",
};

static struct lock *lock_of(struct mutex *lock)
{
	return (struct lock *)lock;
}

void __mutex_init(struct mutex *lock, const struct lock_class *class)
{
	lock_init(lock_of(lock), sizeof(*lock), class, caller_pc());
}

void mutex_lock(struct mutex *lock)
{
	const void *pc = caller_pc();

	check_sleep(pc, "mutex_lock inside an RCU reader", "mutex_lock with a spinlock held");
	lock_take(&mutexes, lock_of(lock), sizeof(*lock), pc);
}

bool mutex_trylock(struct mutex *lock)
{
	return lock_try(&mutexes, lock_of(lock), sizeof(*lock), caller_pc());
}

void mutex_unlock(struct mutex *lock)
{
	(void)WARN(!lock_drop(&mutexes, lock_of(lock), sizeof(*lock), caller_pc()),
		   "mutex_unlock by somebody who does not own it");
}

bool mutex_is_locked(struct mutex *lock)
{
	return lock_is_locked(&mutexes, lock_of(lock), sizeof(*lock), caller_pc());
}

/* Nobody else can change the answer. */
bool mutex_is_held_by_current(struct mutex *lock)
{
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_READ, caller_pc());
	return mutex_owner(lock) == engine.current->id;
}

void mutex_destroy(struct mutex *lock)
{
	shadow_access((u64)lock, sizeof(*lock), PLAIN_WRITE, caller_pc());
	(void)WARN(mutex_owner(lock) >= 0, "mutex_destroy of a held mutex");
}
