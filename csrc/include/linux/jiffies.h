/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The unit of timeouts. A tick is a millisecond. jiffies is the time since somebody first asked, on the clock that
 * linux/ktime.h has, too.
 */
#ifndef __LINUX_JIFFIES_H
#define __LINUX_JIFFIES_H

#include <linux/compiler.h>

#define HZ 1000
#define MAX_SCHEDULE_TIMEOUT (~0ul >> 1)	/* waits for ever */
#define MAX_JIFFY_OFFSET (~0ul >> 2)
#define INITIAL_JIFFIES 300000ul

KERNEL_API unsigned long __jiffies(void);
#define jiffies __jiffies()
#define get_jiffies_64() ((u64)jiffies)

/* Whichever way the count has wrapped. */
#define time_after(a, b) ((long)((b) - (a)) < 0)
#define time_before(a, b) time_after(b, a)
#define time_after_eq(a, b) ((long)((a) - (b)) >= 0)
#define time_before_eq(a, b) time_after_eq(b, a)
#define time_is_before_jiffies(a) time_after(jiffies, a)
#define time_is_after_jiffies(a) time_before(jiffies, a)

/* What is negative is for ever. */
static inline unsigned long msecs_to_jiffies(unsigned int ms)
{
	return (int)ms < 0 ? MAX_JIFFY_OFFSET : ms;
}

static inline unsigned int jiffies_to_msecs(unsigned long ticks)
{
	return (unsigned int)ticks;
}

static inline unsigned long usecs_to_jiffies(unsigned int us)
{
	return ((unsigned long)us + 999) / 1000;
}

static inline unsigned long nsecs_to_jiffies(u64 ns)
{
	return ns / 1000000;
}

static inline unsigned int jiffies_to_usecs(unsigned long ticks)
{
	return (unsigned int)ticks * 1000;
}

#define secs_to_jiffies(seconds) ((unsigned long)(seconds) * HZ)
#define round_jiffies(j) (j)
#define round_jiffies_relative(j) (j)

#endif
