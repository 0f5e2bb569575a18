/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bits of an array of long. set_bit(), clear_bit() and change_bit() are atomic and unordered; those that test are fully
 * ordered; the forms with two underscores are plain accesses.
 */
#ifndef __LINUX_BITOPS_H
#define __LINUX_BITOPS_H

#include <linux/atomic.h>

#define BITS_PER_LONG (8 * (int)sizeof(long))
#define BIT(n) (1ul << (n))
#define BIT_ULL(n) (1ull << (n))
#define BIT_MASK(n) (1ul << ((n) % BITS_PER_LONG))
#define BIT_WORD(n) ((n) / BITS_PER_LONG)
#define BITS_TO_LONGS(n) (((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]
#define GENMASK(high, low) (((~0ul) >> (BITS_PER_LONG - 1 - (high))) & (~0ul << (low)))
#define GENMASK_ULL(high, low) (((~0ull) >> (63 - (high))) & (~0ull << (low)))

static __always_inline bool test_bit(long n, const volatile unsigned long *bits)
{
	return READ_ONCE(bits[BIT_WORD(n)]) & BIT_MASK(n);
}

static __always_inline bool test_bit_acquire(long n, const volatile unsigned long *bits)
{
	return smp_load_acquire(&bits[BIT_WORD(n)]) & BIT_MASK(n);
}

#define __BITOP(name, fetch, mask)							\
	static __always_inline void name(long n, volatile unsigned long *bits)		\
	{										\
		fetch(&bits[BIT_WORD(n)], mask, __ATOMIC_RELAXED);			\
	}										\
	static __always_inline bool test_and_##name(long n, volatile unsigned long *bits)	\
	{										\
		return __fully_ordered(fetch(&bits[BIT_WORD(n)], mask, __ATOMIC_SEQ_CST)) & BIT_MASK(n);	\
	}

__BITOP(set_bit, __atomic_fetch_or, BIT_MASK(n))
__BITOP(clear_bit, __atomic_fetch_and, ~BIT_MASK(n))
__BITOP(change_bit, __atomic_fetch_xor, BIT_MASK(n))

static __always_inline bool test_and_set_bit_lock(long n, volatile unsigned long *bits)
{
	return __atomic_fetch_or(&bits[BIT_WORD(n)], BIT_MASK(n), __ATOMIC_ACQUIRE) & BIT_MASK(n);
}

static __always_inline void clear_bit_unlock(long n, volatile unsigned long *bits)
{
	__atomic_fetch_and(&bits[BIT_WORD(n)], ~BIT_MASK(n), __ATOMIC_RELEASE);
}

static __always_inline void __set_bit(long n, unsigned long *bits)
{
	bits[BIT_WORD(n)] |= BIT_MASK(n);
}

static __always_inline void __clear_bit(long n, unsigned long *bits)
{
	bits[BIT_WORD(n)] &= ~BIT_MASK(n);
}

#endif
