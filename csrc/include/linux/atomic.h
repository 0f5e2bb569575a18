/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Atomics, with the kernel's orders: what changes and returns nothing is unordered; what changes and returns a value is fully
 * ordered, as if between two smp_mb(), but for a compare-and-exchange that fails, which orders nothing; _relaxed, _acquire and
 * _release are as they are called. Reading and setting are marked accesses without an order.
 *
 * Arithmetic wraps.
 */
#ifndef __LINUX_ATOMIC_H
#define __LINUX_ATOMIC_H

#include <linux/barrier.h>
#include <linux/compiler.h>

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long counter;
} atomic_long_t;

typedef struct {
	s64 counter;
} atomic64_t;

#define ATOMIC_INIT(i) { (i) }
#define ATOMIC_LONG_INIT(i) { (i) }
#define ATOMIC64_INIT(i) { (i) }

#define __fully_ordered(operation) ({							\
	__typeof__(operation) __result;							\
	__full_order_before();								\
	__result = (operation);								\
	__full_order_after();								\
	__result; })

/* Of any variable of 1, 2, 4 or 8 bytes. */
#define xchg_relaxed(ptr, v) __atomic_exchange_n((ptr), (v), __ATOMIC_RELAXED)
#define xchg_acquire(ptr, v) __atomic_exchange_n((ptr), (v), __ATOMIC_ACQUIRE)
#define xchg_release(ptr, v) __atomic_exchange_n((ptr), (v), __ATOMIC_RELEASE)
#define xchg(ptr, v) __fully_ordered(__atomic_exchange_n((ptr), (v), __ATOMIC_SEQ_CST))

/* True: it was *oldp; else *oldp is what it is. */
#define __try_cmpxchg(ptr, oldp, new, order) \
	__atomic_compare_exchange_n((ptr), (oldp), (new), false, order, __ATOMIC_RELAXED)
#define try_cmpxchg_relaxed(ptr, oldp, new) __try_cmpxchg(ptr, oldp, new, __ATOMIC_RELAXED)
#define try_cmpxchg_acquire(ptr, oldp, new) __try_cmpxchg(ptr, oldp, new, __ATOMIC_ACQUIRE)
#define try_cmpxchg_release(ptr, oldp, new) __try_cmpxchg(ptr, oldp, new, __ATOMIC_RELEASE)
#define try_cmpxchg(ptr, oldp, new) ({							\
	bool __swapped = __try_cmpxchg(ptr, oldp, new, __ATOMIC_SEQ_CST);		\
	if (__swapped)									\
		__full_order_after();							\
	__swapped; })

/* What it was: old, if it is new now. */
#define __cmpxchg(try, ptr, old, new) ({						\
	__typeof__(*(ptr)) __was = (old);						\
	(void)try(ptr, &__was, new);							\
	__was; })
#define cmpxchg_relaxed(ptr, old, new) __cmpxchg(try_cmpxchg_relaxed, ptr, old, new)
#define cmpxchg_acquire(ptr, old, new) __cmpxchg(try_cmpxchg_acquire, ptr, old, new)
#define cmpxchg_release(ptr, old, new) __cmpxchg(try_cmpxchg_release, ptr, old, new)
#define cmpxchg(ptr, old, new) __cmpxchg(try_cmpxchg, ptr, old, new)

#define __ATOMIC_VOID(p, t, name, fetch)						\
	static __always_inline void p##_##name(t i, p##_t *v)				\
	{										\
		fetch(&v->counter, i, __ATOMIC_RELAXED);				\
	}
/* op_return gives the new value, fetch_op the old one. */
#define __ATOMIC_VALUE(p, t, name, call)						\
	static __always_inline t p##_##name##_relaxed(t i, p##_t *v)			\
	{										\
		return call(&v->counter, i, __ATOMIC_RELAXED);				\
	}										\
	static __always_inline t p##_##name##_acquire(t i, p##_t *v)			\
	{										\
		return call(&v->counter, i, __ATOMIC_ACQUIRE);				\
	}										\
	static __always_inline t p##_##name##_release(t i, p##_t *v)			\
	{										\
		return call(&v->counter, i, __ATOMIC_RELEASE);				\
	}										\
	static __always_inline t p##_##name(t i, p##_t *v)				\
	{										\
		return __fully_ordered(call(&v->counter, i, __ATOMIC_SEQ_CST));		\
	}
#define __ATOMIC_BY_ONE(p, t, name, by)							\
	static __always_inline t p##_##name##_relaxed(p##_t *v) { return p##_##by##_relaxed(1, v); }	\
	static __always_inline t p##_##name##_acquire(p##_t *v) { return p##_##by##_acquire(1, v); }	\
	static __always_inline t p##_##name##_release(p##_t *v) { return p##_##by##_release(1, v); }	\
	static __always_inline t p##_##name(p##_t *v) { return p##_##by(1, v); }
#define __ATOMIC_SWAP(p, t, suffix)							\
	static __always_inline t p##_xchg##suffix(p##_t *v, t new)			\
	{										\
		return xchg##suffix(&v->counter, new);					\
	}										\
	static __always_inline t p##_cmpxchg##suffix(p##_t *v, t old, t new)		\
	{										\
		return cmpxchg##suffix(&v->counter, old, new);				\
	}										\
	static __always_inline bool p##_try_cmpxchg##suffix(p##_t *v, t *old, t new)	\
	{										\
		return try_cmpxchg##suffix(&v->counter, old, new);			\
	}
/* Changes it to "new" while it satisfies the condition, both of old. */
#define __ATOMIC_WHILE(p, t, condition, new) ({						\
	t old = p##_read(v);								\
	while ((condition) && !p##_try_cmpxchg(v, &old, (new)))				\
		;									\
	old; })

#define __ATOMIC(p, t)									\
	static __always_inline t p##_read(const p##_t *v)				\
	{										\
		return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);			\
	}										\
	static __always_inline t p##_read_acquire(const p##_t *v)			\
	{										\
		return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE);			\
	}										\
	static __always_inline void p##_set(p##_t *v, t i)				\
	{										\
		__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);			\
	}										\
	static __always_inline void p##_set_release(p##_t *v, t i)			\
	{										\
		__atomic_store_n(&v->counter, i, __ATOMIC_RELEASE);			\
	}										\
	static __always_inline void p##_add(t i, p##_t *v) { __add_unordered(&v->counter, i); }	\
	static __always_inline void p##_sub(t i, p##_t *v) { __sub_unordered(&v->counter, i); }	\
	__ATOMIC_VOID(p, t, and, __atomic_fetch_and)					\
	__ATOMIC_VOID(p, t, or, __atomic_fetch_or)					\
	__ATOMIC_VOID(p, t, xor, __atomic_fetch_xor)					\
	static __always_inline void p##_andnot(t i, p##_t *v) { p##_and(~i, v); }	\
	static __always_inline void p##_inc(p##_t *v) { p##_add(1, v); }		\
	static __always_inline void p##_dec(p##_t *v) { p##_sub(1, v); }		\
	__ATOMIC_VALUE(p, t, add_return, __atomic_add_fetch)				\
	__ATOMIC_VALUE(p, t, sub_return, __atomic_sub_fetch)				\
	__ATOMIC_VALUE(p, t, fetch_add, __atomic_fetch_add)				\
	__ATOMIC_VALUE(p, t, fetch_sub, __atomic_fetch_sub)				\
	__ATOMIC_VALUE(p, t, fetch_and, __atomic_fetch_and)				\
	__ATOMIC_VALUE(p, t, fetch_or, __atomic_fetch_or)				\
	__ATOMIC_VALUE(p, t, fetch_xor, __atomic_fetch_xor)				\
	__ATOMIC_BY_ONE(p, t, inc_return, add_return)					\
	__ATOMIC_BY_ONE(p, t, dec_return, sub_return)					\
	__ATOMIC_BY_ONE(p, t, fetch_inc, fetch_add)					\
	__ATOMIC_BY_ONE(p, t, fetch_dec, fetch_sub)					\
	__ATOMIC_SWAP(p, t, )								\
	__ATOMIC_SWAP(p, t, _relaxed)							\
	__ATOMIC_SWAP(p, t, _acquire)							\
	__ATOMIC_SWAP(p, t, _release)							\
	static __always_inline bool p##_sub_and_test(t i, p##_t *v) { return p##_sub_return(i, v) == 0; }	\
	static __always_inline bool p##_dec_and_test(p##_t *v) { return p##_dec_return(v) == 0; }	\
	static __always_inline bool p##_inc_and_test(p##_t *v) { return p##_inc_return(v) == 0; }	\
	static __always_inline bool p##_add_negative(t i, p##_t *v) { return p##_add_return(i, v) < 0; }	\
	static __always_inline t p##_fetch_add_unless(p##_t *v, t a, t u)		\
	{										\
		return __ATOMIC_WHILE(p, t, old != u, old + a);				\
	}										\
	static __always_inline bool p##_add_unless(p##_t *v, t a, t u) { return p##_fetch_add_unless(v, a, u) != u; }	\
	static __always_inline bool p##_inc_not_zero(p##_t *v) { return p##_add_unless(v, 1, 0); }	\
	static __always_inline bool p##_inc_unless_negative(p##_t *v)			\
	{										\
		return __ATOMIC_WHILE(p, t, old >= 0, old + 1) >= 0;			\
	}										\
	static __always_inline bool p##_dec_unless_positive(p##_t *v)			\
	{										\
		return __ATOMIC_WHILE(p, t, old <= 0, old - 1) <= 0;			\
	}										\
	/* What it would be: negative, if it was left alone. */				\
	static __always_inline t p##_dec_if_positive(p##_t *v)				\
	{										\
		return __ATOMIC_WHILE(p, t, old > 0, old - 1) - 1;			\
	}

__ATOMIC(atomic, int)
__ATOMIC(atomic_long, long)
__ATOMIC(atomic64, s64)

#endif
