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

KERNEL_API void iopf_explore_add32(u32 *p, u32 i);
KERNEL_API void iopf_explore_add64(u64 *p, u64 i);

/* By a name of its own: of the compiler's it can't be told whether somebody looks at what comes back. */
#define __add_unordered(ptr, i) (sizeof(*(ptr)) == 4 ?					\
	iopf_explore_add32((u32 *)(ptr), (u32)(i)) : iopf_explore_add64((u64 *)(ptr), (u64)(i)))
#define __sub_unordered(ptr, i) (sizeof(*(ptr)) == 4 ?					\
	iopf_explore_add32((u32 *)(ptr), 0 - (u32)(i)) : iopf_explore_add64((u64 *)(ptr), 0 - (u64)(i)))

#endif
