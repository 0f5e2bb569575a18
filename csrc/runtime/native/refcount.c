// SPDX-License-Identifier: GPL-2.0-only
/* The slow half of refcount.h: a count's first change, the end of its bias, shared counts, and misuse. */
#include <linux/refcount.h>
#include <runtime.h>

#include "internal.h"

#define SPINS 100
#define NAP_NS 50000u

/* For somebody who takes a barrier or a few instructions, unless it was preempted. */
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

static void refcount_share(refcount_t *r)
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

/* True: it is the caller's, as far as one can tell. False: it is shared. */
static bool refcount_claim(refcount_t *r)
{
	struct thread *self = thread_current();
	u32 bias = 0;

	if (refcount_is_shared(r))
		return false;
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

/* What was there before. */
static int refcount_fetch_inc(refcount_t *r)
{
	if (refcount_claim(r)) {
		int old = refcount_own(r);

		if (refcount_own_inc(r, old))
			return old;
	}
	return __atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED);
}

/*
 * Acquire with every decrement, not by a fence in the last: the same instruction on x86-64, and ThreadSanitizer
 * follows it.
 */
static int refcount_fetch_dec(refcount_t *r)
{
	if (refcount_claim(r)) {
		int old = refcount_own(r);

		if (refcount_own_dec(r, old))
			return old;
	}
	return __atomic_fetch_sub(&r->refs, 1, __ATOMIC_ACQ_REL);
}

static noinline __cold void went_wrong(refcount_t *r, enum refcount_saturation_type why)
{
	refcount_share(r);
	__atomic_store_n(&r->refs, REFCOUNT_SATURATED, __ATOMIC_RELAXED);
	refcount_warn_saturate(why);
}

noinline void refcount_inc_slow(refcount_t *r)
{
	int old = refcount_fetch_inc(r);

	if (unlikely(old <= 0 || old == REFCOUNT_MAX))
		went_wrong(r, old ? REFCOUNT_ADD_OVF : REFCOUNT_ADD_UAF);
}

noinline bool refcount_inc_not_zero_slow(refcount_t *r)
{
	int old;

	if (refcount_claim(r)) {
		old = refcount_own(r);
		if (!old)
			return false;
		if (refcount_own_inc(r, old))
			goto counted;
	}
	old = __atomic_load_n(&r->refs, __ATOMIC_RELAXED);
	do {
		if (!old)
			return false;
	} while (!__atomic_compare_exchange_n(&r->refs, &old, refcount_sum(old, 1), true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
counted:
	if (unlikely(old < 0 || old == REFCOUNT_MAX))
		went_wrong(r, REFCOUNT_ADD_NOT_ZERO_OVF);
	return true;
}

noinline void refcount_dec_slow(refcount_t *r)
{
	if (unlikely(refcount_fetch_dec(r) <= 1))
		went_wrong(r, REFCOUNT_DEC_LEAK);
}

noinline bool refcount_dec_and_test_slow(refcount_t *r)
{
	int old = refcount_fetch_dec(r);

	if (unlikely(old <= 0))
		went_wrong(r, REFCOUNT_SUB_UAF);
	return old == 1;
}

void refcount_add(int n, refcount_t *r)
{
	int old;

	refcount_share(r);
	old = __atomic_fetch_add(&r->refs, n, __ATOMIC_RELAXED);
	if (unlikely(old <= 0 || refcount_sum(old, n) < 0))
		went_wrong(r, old ? REFCOUNT_ADD_OVF : REFCOUNT_ADD_UAF);
}

enum runtime_regime refcount_regime(const refcount_t *r)
{
	u32 bias = __atomic_load_n(&r->bias, __ATOMIC_ACQUIRE);

	if (bias >= REFCOUNT_REVOKED)
		return REGIME_SHARED;
	return bias ? REGIME_OWNED : REGIME_UNUSED;
}
