// SPDX-License-Identifier: GPL-2.0-only
/* The slow half of mutex.h: the end of a bias, spinning, sleeping, and what breaks the rules. */
#include <linux/bug.h>
#include <linux/mutex.h>
#include <runtime.h>

#include "internal.h"

#define SPINS 100		/* for the end of a bias: about as long as a section of the framework */
#define NAP_NS 50000u
#define LOOKS 50		/* at a shared lock: then it takes as long to be woken as it has taken so far */

/* While a lock is revoked nobody makes it another time's. */
static u32 *mutex_held_word(struct mutex *lock)
{
	return &lock->held[__atomic_load_n(&lock->time, __ATOMIC_RELAXED)];
}

/*
 * Waiters for the end of a bias sleep on "held", the others on "owner". Once the lock is shared the former have been
 * woken (mutex_share), and once it is a thread's again the latter (mutex_bias_again).
 */
noinline void mutex_wake(struct mutex *lock)
{
	if (__atomic_load_n(&lock->bias, __ATOMIC_ACQUIRE) == MUTEX_SHARED)
		futex_wake(&lock->owner, 1);
	else
		futex_wake(mutex_held_word(lock), INT32_MAX);
}

/* The store came too late to count. Somebody may have seen it all the same, and waits for its end. */
noinline void mutex_bias_lost(u32 *held)
{
	__atomic_store_n(held, 0, __ATOMIC_RELEASE);
	futex_wake(held, INT32_MAX);
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

/*
 * The last section of the bias is over. Others may sleep for that, too, and for the word of a bias that came again. The
 * caller counts as a waiter: as long as there is one the lock becomes nobody's, so this ends no later bias.
 */
static void mutex_share(struct mutex *lock)
{
	u32 revoked = MUTEX_REVOKED, biased = MUTEX_BIASED;

	if (!__atomic_compare_exchange_n(&lock->bias, &revoked, MUTEX_SHARED, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	futex_wake(mutex_held_word(lock), INT32_MAX);
	if (__atomic_compare_exchange_n(&lock->owner, &biased, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		futex_wake(&lock->owner, INT32_MAX);
}

/*
 * The caller has the lock, which is shared, and has had it so often that it gets the bias. Who has come to wait either is
 * seen here, or sees that the lock is not shared any more.
 */
noinline void mutex_bias_again(struct mutex *lock, u32 id)
{
	lock->streak = 0;
	if (lock->time == MUTEX_TIMES - 1 || __atomic_load_n(&lock->waiters, __ATOMIC_SEQ_CST))
		return;
	__atomic_store_n(&lock->time, lock->time + 1, __ATOMIC_RELAXED);
	__atomic_store_n(mutex_held_word(lock), id, __ATOMIC_RELAXED);
	__atomic_store_n(&lock->owner, MUTEX_BIASED, __ATOMIC_RELAXED);
	__atomic_store_n(&lock->bias, id + lock->time * MUTEX_TIME, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&lock->waiters, __ATOMIC_SEQ_CST))
		futex_wake(&lock->owner, INT32_MAX);
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
	u32 *held, holder;
	int spins = 0;

	if (!mutex_revoke(lock))
		return;
	held = mutex_held_word(lock);
	while ((holder = __atomic_load_n(held, __ATOMIC_ACQUIRE)))
		if (!may_spin(spins++))
			futex_wait(held, holder, 0);
	mutex_share(lock);
}

/*
 * Looks seldom. A look takes the lock's line from whoever is inside, and each group that another thread runs on the same
 * device in the meantime has the lines of that device to itself, where threads in step move each of them several times a
 * group: two reporters took 80 to 105 ns a group where the first look was after 1.4 us and each one after twice the time, 100
 * at 1 us, 120 to 170 at half of that, and 188 to 220 at a quarter. But whoever waits waits so long: a report in a thousand
 * took 6 to 8 us with the longer ones, and 3 to 5 at a quarter, which is about what it takes with a mutex that sleeps.
 */
static bool mutex_spin(struct mutex *lock, u32 id)
{
	unsigned int look, i;

	if (runtime_cpus == 1)
		return false;
	for (look = 0; look < LOOKS; look++) {
		for (i = 0; i < runtime_pauses / 4; i++)
			cpu_relax();
		if (!__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) && __mutex_take(lock, id))
			return true;
	}
	return false;
}

static bool mutex_is_shared(const struct mutex *lock)
{
	return __atomic_load_n(&lock->bias, __ATOMIC_SEQ_CST) == MUTEX_SHARED;
}

/* False: meanwhile it has become another thread's. */
static bool mutex_take_shared(struct mutex *lock, u32 id)
{
	bool taken;

	if (!mutex_is_shared(lock)) {
		/* Counted before the barrier: who then ends the section sees that somebody may sleep. */
		__atomic_fetch_add(&lock->waiters, 1, __ATOMIC_SEQ_CST);
		mutex_end_bias(lock);
		__atomic_fetch_sub(&lock->waiters, 1, __ATOMIC_RELAXED);
	}
	if (__mutex_take(lock, id) || mutex_spin(lock, id))
		return true;

	__atomic_fetch_add(&lock->waiters, 1, __ATOMIC_SEQ_CST);
	membarrier_all();
	while (!(taken = __mutex_take(lock, id)) && mutex_is_shared(lock)) {
		u32 owner = __atomic_load_n(&lock->owner, __ATOMIC_RELAXED);

		/* No unlock wakes who sleeps on MUTEX_BIASED: somebody puts it there, or takes it away, this very moment. */
		if (owner)
			futex_wait(&lock->owner, owner, owner == MUTEX_BIASED ? NAP_NS : 0);
	}
	__atomic_fetch_sub(&lock->waiters, 1, __ATOMIC_RELAXED);
	return taken;
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

	while (!mutex_take_shared(lock, id))
		;
}

noinline bool mutex_trylock_slow(struct mutex *lock)
{
	u32 id = thread_id(thread_current());
	bool taken = false;

	if (mutex_is_held_by_current(lock))
		return false;
	if (mutex_claim(lock, id))
		return __mutex_take(lock, id);
	__atomic_fetch_add(&lock->waiters, 1, __ATOMIC_SEQ_CST);
	if (mutex_revoke(lock) && !__atomic_load_n(mutex_held_word(lock), __ATOMIC_ACQUIRE)) {
		mutex_share(lock);
		taken = __mutex_take(lock, id);
	}
	__atomic_fetch_sub(&lock->waiters, 1, __ATOMIC_RELAXED);
	return taken;
}

/* What the caller knew of itself may be older than its record. */
noinline void mutex_unlock_slow(struct mutex *lock)
{
	(void)WARN(!__mutex_release(lock, thread_current()), "mutex_unlock by somebody who does not own it");
}

noinline bool mutex_is_held_slow(const struct mutex *lock)
{
	u32 id = thread_id(thread_current());

	return mutex_held(lock) == id ||
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
