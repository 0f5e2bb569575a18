/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory barriers.
 *
 * smp_mb() is C11's sequentially consistent fence. smp_wmb() is its release fence and smp_rmb() its acquire fence: both order
 * somewhat more than the kernel's, which leave reads before the one, and writes behind the other, where they are. What relies
 * on the kernel's alone is right with these, too; what the kernel's would not order may be taken for ordered. There is no
 * device that writes to memory: dma_ and the plain names are as those with smp_.
 *
 * The runtime defines smp_mb(), smp_rmb(), smp_wmb(), and what is around an atomic that is fully ordered:
 * __full_order_before(), __full_order_after().
 */
#ifndef __LINUX_BARRIER_H
#define __LINUX_BARRIER_H

#include <linux/compiler.h>
#include <linux/processor.h>

#include <barrier.h>

#define mb() smp_mb()
#define rmb() smp_rmb()
#define wmb() smp_wmb()
#define dma_rmb() smp_rmb()
#define dma_wmb() smp_wmb()
#define smp_mb__before_atomic() __full_order_before()
#define smp_mb__after_atomic() __full_order_after()
#define smp_mb__after_spinlock() smp_mb()
#define smp_mb__after_unlock_lock() smp_mb()
#define smp_acquire__after_ctrl_dep() smp_rmb()

#define smp_store_mb(var, value) do {							\
	WRITE_ONCE(var, value);								\
	smp_mb();									\
} while (0)

/* Waits until the condition over VAL, what it loads, holds. */
#define smp_cond_load_relaxed(ptr, condition) ({					\
	__typeof__(ptr) __at = (ptr);							\
	__typeof__(*__at + 0) VAL;							\
	while (VAL = READ_ONCE(*__at), !(condition))					\
		cpu_relax();								\
	VAL; })
#define smp_cond_load_acquire(ptr, condition) ({					\
	__auto_type __loaded = smp_cond_load_relaxed(ptr, condition);			\
	smp_acquire__after_ctrl_dep();							\
	__loaded; })

#endif
