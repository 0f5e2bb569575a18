/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_PLAIN_REFCOUNT_H
#define IOPF_PLAIN_REFCOUNT_H

typedef struct refcount_struct {
	int refs;
} refcount_t;

#define REFCOUNT_INIT(n) { .refs = (n) }

static inline void refcount_set(refcount_t *r, int n)
{
	__atomic_store_n(&r->refs, n, __ATOMIC_SEQ_CST);
}

static inline int refcount_read(const refcount_t *r)
{
	return __atomic_load_n(&r->refs, __ATOMIC_SEQ_CST);
}

static inline void __refcount_went_wrong(refcount_t *r, enum refcount_saturation_type why)
{
	refcount_set(r, REFCOUNT_SATURATED);
	refcount_warn_saturate(why);
}

/* Atomics wrap, int arithmetic may not: whether the sum went over the top is asked of the unsigned one. */
static inline bool __refcount_overflows(int old, int n)
{
	return old < 0 || (unsigned int)old + (unsigned int)n > (unsigned int)REFCOUNT_MAX;
}

static inline void refcount_add(int n, refcount_t *r)
{
	int old = __atomic_fetch_add(&r->refs, n, __ATOMIC_SEQ_CST);

	if (!old)
		__refcount_went_wrong(r, REFCOUNT_ADD_UAF);
	else if (__refcount_overflows(old, n))
		__refcount_went_wrong(r, REFCOUNT_ADD_OVF);
}

static inline void refcount_inc(refcount_t *r)
{
	refcount_add(1, r);
}

static inline bool refcount_inc_not_zero(refcount_t *r)
{
	int old = refcount_read(r);

	while (old) {
		int new = (int)((unsigned int)old + 1u);

		if (!__atomic_compare_exchange_n(&r->refs, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			continue;
		if (__refcount_overflows(old, 1))
			__refcount_went_wrong(r, REFCOUNT_ADD_NOT_ZERO_OVF);
		return true;
	}
	return false;
}

static inline void refcount_dec(refcount_t *r)
{
	if (__atomic_fetch_sub(&r->refs, 1, __ATOMIC_SEQ_CST) <= 1)
		__refcount_went_wrong(r, REFCOUNT_DEC_LEAK);
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	int old = __atomic_fetch_sub(&r->refs, 1, __ATOMIC_SEQ_CST);

	if (old <= 0)
		__refcount_went_wrong(r, REFCOUNT_SUB_UAF);
	return old == 1;
}

#endif
