/* SPDX-License-Identifier: GPL-2.0-only */
/* What the compiler would make of a fence, called by its name: some warn of fences in instrumented code. */
#ifndef IOPF_EXPLORE_BARRIER_H
#define IOPF_EXPLORE_BARRIER_H

KERNEL_API void __tsan_atomic_thread_fence(int order);

#define smp_mb() __tsan_atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb() __tsan_atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb() __tsan_atomic_thread_fence(__ATOMIC_RELEASE)
#define __full_order_before() smp_mb()
#define __full_order_after() smp_mb()

#endif
