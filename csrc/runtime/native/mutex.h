/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mutex that belongs to the first thread that takes it, until a second one comes.
 *
 * Most locks of the framework are taken by one thread only, and an atomic read-modify-write is what they cost. So the
 * first thread to take a lock gets its bias: from then on it takes it by a store to "held" and a look at "bias", and
 * gives it back by a store. Between that store and that load it would need a full barrier, against a second thread that
 * writes "bias" and reads "held". As with RCU's readers the price is with the rare one: the second thread makes every
 * running thread of the process pass a barrier (membarrier, 390 ns, once in the life of a lock). After it, either the
 * first thread's store is visible to the second, which waits for the end of that section, or the first one will see
 * that it lost the bias. Then the lock is shared: its word is its owner, one compare-and-swap takes it.
 *
 * A thread that takes a shared lock so many times in a row that nobody else seems to want it gets the bias, too: from
 * within its section, and with a word in "owner" that is no thread's, so that nobody's compare-and-swap takes the lock
 * meanwhile. Who lost the bias may have been preempted before its store, and make it at any time later: so each time there
 * is another word "held", and "bias" says which. Each time they have to be four times as many, and the third is the last.
 *
 * Unlocking is a plain store in both modes, because the price of asking "does anybody sleep?" is with the sleeper: it
 * counts itself as a waiter and makes the others pass a barrier before it sleeps.
 *
 * Biased locks are an old idea (Kawachiya, Koseki, Onodera, "Lock Reservation", OOPSLA 2002); revoking with an
 * asymmetric barrier is in "Quickly Reacquirable Locks" (Dice, Moir, Scherer, 2003).
 */
#ifndef IOPF_NATIVE_MUTEX_H
#define IOPF_NATIVE_MUTEX_H

#include "thread.h"

#define MUTEX_REVOKED 0xfffffffeu	/* somebody waits for the section of the thread that had the bias */
#define MUTEX_SHARED 0xffffffffu
#define MUTEX_BIASED 1u			/* in owner: it was shared, and belongs to a thread again */
#define MUTEX_STREAK 256u		/* so often in a row, the first time */
#define MUTEX_TIMES 4u			/* that it may be a thread's */
#define MUTEX_TIME 16u			/* one time, in bias: a thread_id() has nothing there, a thread_sleeper_id() no multiple */

struct mutex {
	u32 bias;		/* 0: nobody took it yet; thread_id() of whose it is, and the time; MUTEX_* */
	u32 owner;		/* thread_id() while somebody has it that is shared; MUTEX_BIASED */
	u32 waiters;
	u32 time;		/* the last one that it was a thread's. Changes in a section of a shared one */
	u32 held[MUTEX_TIMES];	/* thread_id() while the thread with the bias has it */
	/* Of a shared one, under the lock. */
	u32 last, streak;	/* who had it last, and how often in a row */
};

#define __MUTEX_INITIALIZER(name) { 0 }

KERNEL_API __cold void mutex_lock_slow(struct mutex *lock);
KERNEL_API __cold void mutex_lock_contended(struct mutex *lock, u32 id);
KERNEL_API __cold bool mutex_trylock_slow(struct mutex *lock);
KERNEL_API __cold void mutex_bias_lost(u32 *held);
KERNEL_API __cold void mutex_bias_again(struct mutex *lock, u32 id);
KERNEL_API __cold void mutex_wake(struct mutex *lock);
KERNEL_API __cold void mutex_unlock_slow(struct mutex *lock);
KERNEL_API __cold bool mutex_is_held_slow(const struct mutex *lock);
KERNEL_API void mutex_destroy(struct mutex *lock);

static inline void mutex_init(struct mutex *lock)
{
	u32 time;

	__atomic_store_n(&lock->bias, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&lock->owner, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&lock->waiters, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&lock->time, 0, __ATOMIC_RELAXED);
	for (time = 0; time < MUTEX_TIMES; time++)
		__atomic_store_n(&lock->held[time], 0, __ATOMIC_RELAXED);
	lock->last = 0;
	lock->streak = 0;
}

static inline u32 mutex_held(const struct mutex *lock)
{
	return __atomic_load_n(&lock->held[__atomic_load_n(&lock->time, __ATOMIC_RELAXED)], __ATOMIC_RELAXED);
}

/* False: not at once, by nobody's fault, because the caller has it already, or because the id is nobody's. */
static inline bool __mutex_take(struct mutex *lock, u32 id)
{
	u32 bias = __atomic_load_n(&lock->bias, __ATOMIC_ACQUIRE);
	u32 unowned = 0, time = bias - id;

	if (likely(!(time & ~(MUTEX_TIMES * MUTEX_TIME - MUTEX_TIME)))) {
		u32 *held = &lock->held[time / MUTEX_TIME];

		if (unlikely(__atomic_load_n(held, __ATOMIC_RELAXED)))
			return false;
		__atomic_store_n(held, id, __ATOMIC_RELAXED);
		barrier();
		if (likely(__atomic_load_n(&lock->bias, __ATOMIC_ACQUIRE) == bias))
			return true;
		mutex_bias_lost(held);
		return false;
	}
	if (bias != MUTEX_SHARED || unlikely(!thread_id_is_somebody(id)) ||
	    !__atomic_compare_exchange_n(&lock->owner, &unowned, id, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	if (lock->last != id) {
		lock->last = id;
		lock->streak = 0;
	} else if (unlikely(++lock->streak >= MUTEX_STREAK << 2 * lock->time)) {
		mutex_bias_again(lock, id);
	}
	return true;
}

static inline bool mutex_trylock(struct mutex *lock)
{
	return likely(__mutex_take(lock, thread_id(thread_current()))) || mutex_trylock_slow(lock);
}

static inline void mutex_lock(struct mutex *lock)
{
	if (unlikely(!__mutex_take(lock, thread_sleeper_id(thread_stable()))))
		mutex_lock_slow(lock);
}

static inline bool mutex_is_locked(struct mutex *lock)
{
	return mutex_held(lock) || __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) > MUTEX_BIASED;
}

static inline bool mutex_is_held_by_current(struct mutex *lock)
{
	u32 id = thread_id(thread_stable());

	return likely(mutex_held(lock) == id) ||
	       likely(__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == id) || mutex_is_held_slow(lock);
}

/* False: the caller, whose record this is, does not have it. */
static inline bool __mutex_release(struct mutex *lock, struct thread *self)
{
	u32 id = thread_id(self);

	u32 *held = &lock->held[__atomic_load_n(&lock->time, __ATOMIC_RELAXED)];

	if (likely(__atomic_load_n(held, __ATOMIC_RELAXED) == id))
		__atomic_store_n(held, 0, __ATOMIC_RELEASE);
	else if (likely(__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == id))
		__atomic_store_n(&lock->owner, 0, __ATOMIC_RELEASE);
	else
		return false;
	barrier();
	if (unlikely(__atomic_load_n(&lock->waiters, __ATOMIC_RELAXED)))
		mutex_wake(lock);
	return true;
}

static inline void mutex_unlock(struct mutex *lock)
{
	if (unlikely(!__mutex_release(lock, thread_stable())))
		mutex_unlock_slow(lock);
}

#endif
