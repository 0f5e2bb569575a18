/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A count that belongs to the first thread that changes it, until a second one comes.
 *
 * While it has the bias that thread counts in "own", with a load and a store in place of an atomic read-modify-write. The
 * second thread takes the bias away: it writes REVOKED to "bias", makes every running thread of the process pass a
 * barrier (membarrier, 390 ns, once in the life of a count), moves what it finds in "own" to "refs", and says so. From
 * then on everybody counts in "refs", with atomics.
 *
 * The first thread may be anywhere between its look at "bias" and its store meanwhile. So it looks again after the
 * store. If the bias is still its own, then by the barrier the store came in time for whoever takes it away. If not, the
 * store may have come too late. An increment changes a count by one, so whether the value that was moved is odd or even
 * tells: "bias" keeps that bit, and an increment that was not in the value is done again on "refs".
 *
 * That needs the memory to be good after the store. After an increment it is: the caller has a reference, or is in the
 * RCU section of refcount_inc_not_zero(). After a decrement it is not, another thread may have moved the count, dropped
 * the last reference and freed the object. So a decrement first marks "own" as busy, for which a move waits, looks at
 * "bias", and its last access is the store that both counts and ends the mark.
 *
 * After "Biased Reference Counting" (Choi, Shull, Torrellas, PACT 2018), which lets both counts live on and asks the
 * first thread to merge them. refcount_dec_and_test() has to know at once, hence the barrier.
 */
#ifndef IOPF_NATIVE_REFCOUNT_H
#define IOPF_NATIVE_REFCOUNT_H

#include "thread.h"

#define REFCOUNT_REVOKED 0xfffffffcu		/* somebody moves the count */
#define REFCOUNT_SHARED 0xfffffffeu		/* in refs; the value that was moved there was even */
#define REFCOUNT_SHARED_ODD 0xffffffffu

typedef struct refcount_struct {
	int refs;
	u32 bias;	/* 0: nobody changed it yet; the thread_id() it belongs to; REFCOUNT_* */
	u64 own;	/* the count, but for a shared one, and REFCOUNT_BUSY. Written by the thread that it belongs to */
} refcount_t;

#define REFCOUNT_BUSY (1ULL << 32)

#define REFCOUNT_INIT(n) { .refs = (n), .own = (u32)(n) }

/*
 * The rest of each: of a count that is nobody's yet, or shared, or not good, and of the last reference. Out of line, and
 * on its way a first change becomes the bias.
 */
KERNEL_API __cold void refcount_inc_slow(refcount_t *r);
KERNEL_API __cold bool refcount_inc_not_zero_slow(refcount_t *r);
KERNEL_API __cold void refcount_dec_slow(refcount_t *r);
KERNEL_API __cold bool refcount_dec_and_test_slow(refcount_t *r);
/* More than one at a time: nobody does that often. */
KERNEL_API void refcount_add(int n, refcount_t *r);

/* The bias was lost. Was the incremented value moved? */
KERNEL_API __cold bool refcount_own_inc_counted(refcount_t *r, int value);
/* The bias was lost before anything was counted. */
KERNEL_API __cold void refcount_own_dec_lost(refcount_t *r, int value);

static inline bool refcount_is_shared(const refcount_t *r)
{
	return (__atomic_load_n(&r->bias, __ATOMIC_ACQUIRE) | 1) == REFCOUNT_SHARED_ODD;
}

static inline int refcount_own(const refcount_t *r)
{
	return (int)__atomic_load_n(&r->own, __ATOMIC_RELAXED);
}

/* Atomics wrap, int arithmetic may not. */
static inline int refcount_sum(int old, int n)
{
	return (int)((unsigned int)old + (unsigned int)n);
}

/* The caller's, as far as one can tell. */
static inline bool refcount_is_own(const refcount_t *r)
{
	return __atomic_load_n(&r->bias, __ATOMIC_ACQUIRE) == thread_id(thread_stable());
}

static inline bool refcount_is_still_own(const refcount_t *r)
{
	barrier();
	return likely(__atomic_load_n(&r->bias, __ATOMIC_ACQUIRE) < REFCOUNT_REVOKED);
}

/* False: the bias was lost meanwhile, and the value came too late to count. */
static inline bool refcount_own_inc(refcount_t *r, int old)
{
	int value = refcount_sum(old, 1);

	__atomic_store_n(&r->own, (u32)value, __ATOMIC_RELAXED);
	return refcount_is_still_own(r) || refcount_own_inc_counted(r, value);
}

/* False: the bias was lost meanwhile, and nothing was counted. */
static inline bool refcount_own_dec(refcount_t *r, int old)
{
	__atomic_store_n(&r->own, (u32)old | REFCOUNT_BUSY, __ATOMIC_RELAXED);
	if (unlikely(!refcount_is_still_own(r))) {
		refcount_own_dec_lost(r, old);
		return false;
	}
	__atomic_store_n(&r->own, (u32)refcount_sum(old, -1), __ATOMIC_RELEASE);
	return true;
}

/* One more, where that is all there is to it: the caller's own count, good before and after. */
static inline bool refcount_try_inc(refcount_t *r)
{
	int old;

	if (unlikely(!refcount_is_own(r)))
		return false;
	old = refcount_own(r);
	return likely(refcount_sum(old, 1) > 1) && refcount_own_inc(r, old);
}

/* One less, where that is all there is to it, and a reference is left. */
static inline bool refcount_try_dec(refcount_t *r)
{
	int old;

	if (unlikely(!refcount_is_own(r)))
		return false;
	old = refcount_own(r);
	return likely(old > 1) && refcount_own_dec(r, old);
}

static inline void refcount_set(refcount_t *r, int n)
{
	__atomic_store_n(&r->refs, n, __ATOMIC_RELAXED);
	__atomic_store_n(&r->own, (u32)n, __ATOMIC_RELAXED);
	__atomic_store_n(&r->bias, 0, __ATOMIC_RELAXED);
}

static inline int refcount_read(const refcount_t *r)
{
	return refcount_is_shared(r) ? __atomic_load_n(&r->refs, __ATOMIC_RELAXED) : refcount_own(r);
}

static inline void refcount_inc(refcount_t *r)
{
	if (unlikely(!refcount_try_inc(r)))
		refcount_inc_slow(r);
}

static inline bool refcount_inc_not_zero(refcount_t *r)
{
	return likely(refcount_try_inc(r)) || refcount_inc_not_zero_slow(r);
}

static inline void refcount_dec(refcount_t *r)
{
	if (unlikely(!refcount_try_dec(r)))
		refcount_dec_slow(r);
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	return unlikely(!refcount_try_dec(r)) && refcount_dec_and_test_slow(r);
}

#endif
