// SPDX-License-Identifier: GPL-2.0-only
/* The slow half of refcount.h: a count's first change, and the end of its bias. */
#include <linux/refcount.h>
#include <runtime.h>

#include "internal.h"

#define SPINS 100
#define NAP_NS 50000u

/* For somebody who takes a barrier or a few instructions, unless he was preempted. */
static void refcount_relax(refcount_t *r, int *spins)
{
	if (runtime_cpus > 1 && (*spins)++ < SPINS)
		cpu_relax();
	else
		futex_wait(&r->bias, REFCOUNT_REVOKED, NAP_NS);
}

static void refcount_wait_moved(refcount_t *r)
{
	int spins = 0;

	while (__atomic_load_n(&r->bias, __ATOMIC_ACQUIRE) == REFCOUNT_REVOKED)
		refcount_relax(r, &spins);
}

/* What the thread that had the bias has counted, when it is not in the middle of a decrement. */
static int refcount_settled(refcount_t *r)
{
	int spins = 0;
	u64 own;

	while ((own = __atomic_load_n(&r->own, __ATOMIC_ACQUIRE)) & REFCOUNT_BUSY)
		refcount_relax(r, &spins);
	return (int)own;
}

noinline void refcount_share(refcount_t *r)
{
	u32 bias = __atomic_load_n(&r->bias, __ATOMIC_ACQUIRE);
	int value;

	do {
		if (bias == REFCOUNT_REVOKED)
			refcount_wait_moved(r);
		if (refcount_is_shared(r))
			return;
	} while (!__atomic_compare_exchange_n(&r->bias, &bias, REFCOUNT_REVOKED, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
	membarrier_all();
	value = refcount_settled(r);
	__atomic_store_n(&r->refs, value, __ATOMIC_RELAXED);
	__atomic_store_n(&r->bias, REFCOUNT_SHARED | ((u32)value & 1), __ATOMIC_RELEASE);
	futex_wake(&r->bias, INT32_MAX);
}

noinline bool refcount_claim(refcount_t *r)
{
	struct thread *self = thread_current();
	u32 bias = 0;

	if (__atomic_compare_exchange_n(&r->bias, &bias, thread_id(self), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
	    bias == thread_id(self))
		return true;
	refcount_share(r);
	return false;
}

noinline bool refcount_own_inc_counted(refcount_t *r, int value)
{
	refcount_wait_moved(r);
	return (__atomic_load_n(&r->bias, __ATOMIC_ACQUIRE) & 1) == ((u32)value & 1);
}

/* The caller still has its reference. Whoever moves the count may have seen the mark, and waits for its end. */
noinline void refcount_own_dec_lost(refcount_t *r, int value)
{
	__atomic_store_n(&r->own, (u32)value, __ATOMIC_RELEASE);
	refcount_wait_moved(r);
}
