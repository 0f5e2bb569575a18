// SPDX-License-Identifier: GPL-2.0-only
/* The slow half of mutex.h: the end of a bias, spinning, sleeping, and what breaks the rules. */
#include <linux/bug.h>
#include <linux/mutex.h>
#include <runtime.h>

#include "internal.h"

#define SPINS 100		/* for the end of a bias: about as long as a section of the framework */
#define FIRST_PAUSES 64		/* between two looks at a shared lock */
#define LAST_PAUSES 256

/*
 * Waiters for the end of a bias sleep on "held", the others on "owner". Once the lock is shared the former have been
 * woken (mutex_share).
 */
noinline void mutex_wake(struct mutex *lock)
{
	if (__atomic_load_n(&lock->bias, __ATOMIC_ACQUIRE) == MUTEX_SHARED)
		futex_wake(&lock->owner, 1);
	else
		futex_wake(&lock->held, INT32_MAX);
}

/* The store of "held" came too late to count. Somebody may have seen it all the same, and waits for its end. */
noinline void mutex_bias_lost(struct mutex *lock)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
	futex_wake(&lock->held, INT32_MAX);
}

/* True: nobody has taken the lock before, and it belongs to the caller. */
static bool mutex_claim(struct mutex *lock, u32 id)
{
	u32 nobody = 0;

	return __atomic_compare_exchange_n(&lock->bias, &nobody, id, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/*
 * From here on no section begins that only "held" tells of; one may be running. False: the lock was shared already.
 * Everybody who finds the lock revoked does this again: whose barrier comes first need not be known.
 */
static bool mutex_revoke(struct mutex *lock)
{
	u32 bias = __atomic_load_n(&lock->bias, __ATOMIC_ACQUIRE);

	do {
		if (bias == MUTEX_SHARED)
			return false;
	} while (!__atomic_compare_exchange_n(&lock->bias, &bias, MUTEX_REVOKED, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
	membarrier_all();
	return true;
}

/* The last section of the bias is over. Others may sleep for that, too. */
static void mutex_share(struct mutex *lock)
{
	u32 revoked = MUTEX_REVOKED;

	if (__atomic_compare_exchange_n(&lock->bias, &revoked, MUTEX_SHARED, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		futex_wake(&lock->held, INT32_MAX);
}

static u32 mutex_held(struct mutex *lock)
{
	return __atomic_load_n(&lock->held, __ATOMIC_ACQUIRE);
}

static bool may_spin(int spins)
{
	if (runtime_cpus == 1 || spins >= SPINS)
		return false;
	cpu_relax();
	return true;
}

/* The caller counts as a waiter. */
static void mutex_end_bias(struct mutex *lock)
{
	int spins = 0;
	u32 holder;

	if (!mutex_revoke(lock))
		return;
	while ((holder = mutex_held(lock)))
		if (!may_spin(spins++))
			futex_wait(&lock->held, holder, 0);
	mutex_share(lock);
}

/*
 * Looks seldom, and less often each time. A look takes the lock's line from whoever is inside, and two threads that look
 * all the time soon wait for nothing but lines that go to and fro: then two reporters of one device took 520 ns a group
 * together, where 75 are enough when each runs a few groups on end.
 */
static bool mutex_spin(struct mutex *lock, u32 id)
{
	unsigned int pauses, i;

	if (runtime_cpus == 1)
		return false;
	for (pauses = FIRST_PAUSES; pauses <= LAST_PAUSES; pauses *= 2) {
		for (i = 0; i < pauses; i++)
			cpu_relax();
		if (!__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) && __mutex_take(lock, id))
			return true;
	}
	return false;
}

/* The caller has not taken it at once, or not tried. */
noinline void mutex_lock_slow(struct mutex *lock)
{
	u32 id = thread_id(thread_current());

	might_sleep_in_reader();
	if (!__mutex_take(lock, id))
		mutex_lock_contended(lock, id);
}

noinline void mutex_lock_contended(struct mutex *lock, u32 id)
{
	if (WARN(mutex_is_held_by_current(lock), "recursive mutex_lock"))
		return;
	if (mutex_claim(lock, id) && __mutex_take(lock, id))
		return;

	if (__atomic_load_n(&lock->bias, __ATOMIC_ACQUIRE) != MUTEX_SHARED) {
		/* Counted before the barrier: who then ends the section sees that somebody may sleep. */
		__atomic_fetch_add(&lock->waiters, 1, __ATOMIC_SEQ_CST);
		mutex_end_bias(lock);
		__atomic_fetch_sub(&lock->waiters, 1, __ATOMIC_RELAXED);
	}
	if (__mutex_take(lock, id) || mutex_spin(lock, id))
		return;

	__atomic_fetch_add(&lock->waiters, 1, __ATOMIC_SEQ_CST);
	membarrier_all();
	while (!__mutex_take(lock, id)) {
		u32 owner = __atomic_load_n(&lock->owner, __ATOMIC_RELAXED);

		if (owner)
			futex_wait(&lock->owner, owner, 0);
	}
	__atomic_fetch_sub(&lock->waiters, 1, __ATOMIC_RELAXED);
}

noinline bool mutex_trylock_slow(struct mutex *lock)
{
	u32 id = thread_id(thread_current());

	if (mutex_is_held_by_current(lock))
		return false;
	if (mutex_claim(lock, id))
		return __mutex_take(lock, id);
	if (!mutex_revoke(lock) || mutex_held(lock))
		return false;
	mutex_share(lock);
	return __mutex_take(lock, id);
}

/* What the caller knew of itself may be older than its record. */
noinline void mutex_unlock_slow(struct mutex *lock)
{
	(void)WARN(!__mutex_release(lock, thread_current()), "mutex_unlock by somebody who does not own it");
}

noinline bool mutex_is_held_slow(const struct mutex *lock)
{
	u32 id = thread_id(thread_current());

	return __atomic_load_n(&lock->held, __ATOMIC_RELAXED) == id ||
	       __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == id;
}

void mutex_destroy(struct mutex *lock)
{
	(void)WARN(mutex_is_locked(lock), "mutex_destroy of a held mutex");
}

enum runtime_regime mutex_regime(const struct mutex *lock)
{
	u32 bias = __atomic_load_n(&lock->bias, __ATOMIC_ACQUIRE);

	if (bias == MUTEX_SHARED || bias == MUTEX_REVOKED)
		return REGIME_SHARED;
	return bias ? REGIME_OWNED : REGIME_UNUSED;
}
