/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_NATIVE_REFCOUNT_H
#define IOPF_NATIVE_REFCOUNT_H

static inline void refcount_set(refcount_t *r, int n)
{
	__atomic_store_n(&r->refs, n, __ATOMIC_RELAXED);
}

static inline int refcount_read(const refcount_t *r)
{
	return __atomic_load_n(&r->refs, __ATOMIC_RELAXED);
}

static inline void refcount_add(int n, refcount_t *r)
{
	int old = __atomic_fetch_add(&r->refs, n, __ATOMIC_RELAXED);

	if (unlikely(!old))
		refcount_warn_saturate(r, REFCOUNT_ADD_UAF);
	else if (unlikely(old < 0 || (int)((unsigned int)old + (unsigned int)n) < 0))
		refcount_warn_saturate(r, REFCOUNT_ADD_OVF);
}

static inline void refcount_inc(refcount_t *r)
{
	refcount_add(1, r);
}

static inline bool refcount_inc_not_zero(refcount_t *r)
{
	int old = refcount_read(r);

	do {
		if (unlikely(!old))
			return false;
	} while (unlikely(!__atomic_compare_exchange_n(&r->refs, &old, (int)((unsigned int)old + 1u), true,
						       __ATOMIC_RELAXED, __ATOMIC_RELAXED)));
	if (unlikely(old < 0 || old == REFCOUNT_MAX))
		refcount_warn_saturate(r, REFCOUNT_ADD_NOT_ZERO_OVF);
	return true;
}

static inline void refcount_dec(refcount_t *r)
{
	if (unlikely(__atomic_fetch_sub(&r->refs, 1, __ATOMIC_RELEASE) <= 1))
		refcount_warn_saturate(r, REFCOUNT_DEC_LEAK);
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	/*
	 * Acquire with every decrement, not by a fence in the last: the same instruction on x86-64, and ThreadSanitizer
	 * follows it.
	 */
	int old = __atomic_fetch_sub(&r->refs, 1, __ATOMIC_ACQ_REL);

	if (unlikely(old <= 0))
		refcount_warn_saturate(r, REFCOUNT_SUB_UAF);
	return old == 1;
}

#endif
