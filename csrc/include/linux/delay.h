/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Letting time pass: asleep, or, with "delay" in the name, on the processor.
 *
 * Under the explorer time is virtual. It passes in these calls, by as much as they say; and between two looks at the clock it
 * may have passed by none, or by an hour, which is another order of the same steps. Who looks again and again sees it pass.
 */
#ifndef __LINUX_DELAY_H
#define __LINUX_DELAY_H

#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>

KERNEL_API void __sleep_ns(u64 ns);
KERNEL_API void __delay_ns(u64 ns);

#define ndelay(ns) __delay_ns(ns)
#define udelay(us) __delay_ns((u64)(us) * 1000)
#define mdelay(ms) __delay_ns((u64)(ms) * 1000000)
#define fsleep(us) __sleep_ns((u64)(us) * 1000)
#define usleep_range(least, most) ((void)(most), __sleep_ns((u64)(least) * 1000))
#define msleep(ms) __sleep_ns((u64)(ms) * 1000000)
#define ssleep(seconds) __sleep_ns((u64)(seconds) * 1000000000)
/* No signal ends it. */
#define msleep_interruptible(ms) (msleep(ms), 0ul)

#endif
