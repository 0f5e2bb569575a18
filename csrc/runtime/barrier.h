/* SPDX-License-Identifier: GPL-2.0-only */
/* What linux/barrier.h includes on the runtimes that run on threads. */
#ifndef IOPF_RUNTIME_BARRIER_H
#define IOPF_RUNTIME_BARRIER_H

#include <linux/compiler.h>

#ifdef __SANITIZE_THREAD__
/* It knows no fences, but what an atomic that everybody changes orders. */
KERNEL_API extern int barrier_word;
#define __fence(order) ((void)__atomic_fetch_add(&barrier_word, 0, __ATOMIC_SEQ_CST))
#else
#define __fence(order) __atomic_thread_fence(order)
#endif

#define smp_mb() __fence(__ATOMIC_SEQ_CST)
#define smp_rmb() __fence(__ATOMIC_ACQUIRE)
#define smp_wmb() __fence(__ATOMIC_RELEASE)

/* On x86 the instruction itself is a full barrier. */
#if (defined(__x86_64__) || defined(__i386__)) && !defined(__SANITIZE_THREAD__)
#define __full_order_before() barrier()
#define __full_order_after() barrier()
#else
#define __full_order_before() smp_mb()
#define __full_order_after() smp_mb()
#endif

/* What changes a number, unordered, and tells nobody. */
#define __add_unordered(ptr, i) ((void)__atomic_fetch_add((ptr), (i), __ATOMIC_RELAXED))
#define __sub_unordered(ptr, i) ((void)__atomic_fetch_sub((ptr), (i), __ATOMIC_RELAXED))

#endif
