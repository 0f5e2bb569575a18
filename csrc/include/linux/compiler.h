/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Integer names, annotations and once-accesses, as kernel code spells them.
 *
 * The kernel's own linux/types.h, linux/errno.h and linux/limits.h have no counterpart here on purpose: glibc's
 * headers include files of those names, and a shim in their place would break <errno.h>.
 */
#ifndef __LINUX_COMPILER_H
#define __LINUX_COMPILER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/kconfig.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef unsigned int gfp_t;

/* Markers for sparse and for compilers newer than the ones that build us. */
#define __rcu
#define __user
#define __must_check
#define __counted_by(member)
#define __must_hold(lock)
#define __acquires(lock)
#define __releases(lock)
#define __force

#define __maybe_unused __attribute__((unused))
#define __always_unused __attribute__((unused))
#ifndef __always_inline			/* the C library's, the same */
#define __always_inline inline __attribute__((always_inline))
#endif
#define noinline __attribute__((noinline))
#define fallthrough __attribute__((fallthrough))
#define __aligned(bytes) __attribute__((aligned(bytes)))
#define __packed __attribute__((packed))
#define __init
#define __exit
#define __cold __attribute__((cold))	/* seldom called: kept out of the way of what is usual */
#define __printf(fmt, args) __attribute__((format(printf, fmt, args)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define barrier() __asm__ __volatile__("" ::: "memory")

/*
 * What a runtime offers to cores. Protected: calls inside one extension stay direct, and a core that is compiled
 * later can still link against the extension that holds the runtime.
 */
#ifdef RUNTIME_IS_ELSEWHERE
#define KERNEL_API __attribute__((visibility("default")))
#else
#define KERNEL_API __attribute__((visibility("protected")))
#endif

/* Volatile, not __atomic: under the explorer's instrumentation these are the accesses that the code marked. */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, value) __atomic_store_n((p), (value), __ATOMIC_RELEASE)

#define __PASTE_1(a, b) a##b
#define __PASTE(a, b) __PASTE_1(a, b)
#define __UNIQUE_ID(prefix) __PASTE(__PASTE(__unique_, prefix), __COUNTER__)

#define __stringify_1(x...) #x
#define __stringify(x...) __stringify_1(x)

#endif
