/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each argument is evaluated once. Two that differ in sign do not compile, unless the signed one is a constant that is not
 * negative; the forms with _t compare as the type that they are given.
 */
#ifndef __LINUX_MINMAX_H
#define __LINUX_MINMAX_H

#include <linux/compiler.h>

#define __is_signed(x) ((__typeof__((x) + 0))-1 < (__typeof__((x) + 0))1)
#define __is_constant_from_0(x) __builtin_choose_expr(__builtin_constant_p(x), (x) > 0 || (x) == 0, 0)
#define __signs_fit(a, b) \
	(__is_signed(a) == __is_signed(b) || __is_constant_from_0(a) || __is_constant_from_0(b))

#define __compared(a, op, b, one, other) ({						\
	__typeof__((a) + (b)) one = (a), other = (b);					\
	_Static_assert(__signs_fit(a, b), "min() or max() of a signed and an unsigned value: use min_t() or max_t()");	\
	one op other ? one : other; })
#define min(a, b) __compared(a, <, b, __UNIQUE_ID(one), __UNIQUE_ID(other))
#define max(a, b) __compared(a, >, b, __UNIQUE_ID(one), __UNIQUE_ID(other))
#define min_t(type, a, b) min((type)(a), (type)(b))
#define max_t(type, a, b) max((type)(a), (type)(b))
#define min3(a, b, c) min(min(a, b), c)
#define max3(a, b, c) max(max(a, b), c)
#define umin(a, b) min((a) + 0ull, (b) + 0ull)
#define umax(a, b) max((a) + 0ull, (b) + 0ull)

#define clamp(value, low, high) min(max(value, low), high)
#define clamp_t(type, value, low, high) clamp((type)(value), (type)(low), (type)(high))
#define clamp_val(value, low, high) clamp_t(__typeof__(value), value, low, high)

/* The smaller one of those that are not 0. */
#define min_not_zero(a, b) ({								\
	__auto_type __a = (a);								\
	__auto_type __b = (b);								\
	__a == 0 ? __b : __b == 0 ? __a : min(__a, __b); })

#define swap(a, b) do {									\
	__typeof__(a) __was = (a);							\
	(a) = (b);									\
	(b) = __was;									\
} while (0)

#endif
