/* SPDX-License-Identifier: GPL-2.0-only */
/* Time in ns, monotonic. Under the explorer it is virtual (linux/delay.h). */
#ifndef __LINUX_KTIME_H
#define __LINUX_KTIME_H

#include <linux/compiler.h>
#include <linux/jiffies.h>

#define NSEC_PER_USEC 1000l
#define NSEC_PER_MSEC 1000000l
#define NSEC_PER_SEC 1000000000l
#define USEC_PER_MSEC 1000l
#define USEC_PER_SEC 1000000l
#define MSEC_PER_SEC 1000l
#define KTIME_MAX INT64_MAX

typedef s64 ktime_t;

KERNEL_API ktime_t ktime_get(void);
#define ktime_get_ns() ((u64)ktime_get())
#define ktime_get_raw() ktime_get()
#define ktime_get_boottime() ktime_get()

static inline s64 ktime_to_ns(ktime_t t) { return t; }
static inline s64 ktime_to_us(ktime_t t) { return t / NSEC_PER_USEC; }
static inline s64 ktime_to_ms(ktime_t t) { return t / NSEC_PER_MSEC; }
static inline ktime_t ns_to_ktime(u64 ns) { return (ktime_t)ns; }
static inline ktime_t us_to_ktime(u64 us) { return (ktime_t)us * NSEC_PER_USEC; }
static inline ktime_t ms_to_ktime(u64 ms) { return (ktime_t)ms * NSEC_PER_MSEC; }
static inline ktime_t ktime_set(s64 seconds, unsigned long ns) { return seconds * NSEC_PER_SEC + (s64)ns; }
static inline ktime_t ktime_add(ktime_t a, ktime_t b) { return a + b; }
static inline ktime_t ktime_sub(ktime_t a, ktime_t b) { return a - b; }
static inline ktime_t ktime_add_ns(ktime_t t, u64 ns) { return t + (s64)ns; }
static inline ktime_t ktime_add_us(ktime_t t, u64 us) { return t + us_to_ktime(us); }
static inline ktime_t ktime_add_ms(ktime_t t, u64 ms) { return t + ms_to_ktime(ms); }
static inline int ktime_compare(ktime_t a, ktime_t b) { return a < b ? -1 : a > b; }
static inline bool ktime_after(ktime_t a, ktime_t b) { return a > b; }
static inline bool ktime_before(ktime_t a, ktime_t b) { return a < b; }
static inline s64 ktime_us_delta(ktime_t later, ktime_t earlier) { return ktime_to_us(later - earlier); }
static inline s64 ktime_ms_delta(ktime_t later, ktime_t earlier) { return ktime_to_ms(later - earlier); }

#endif
