/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel messages: kept by the runtime until somebody collects them, never written to a terminal from C. */
#ifndef __LINUX_DEV_PRINTK_H
#define __LINUX_DEV_PRINTK_H

#include <linux/compiler.h>

struct device;

/* The kernel's default: ten messages in five seconds for each call site, then a count of those left out. */
#define DEFAULT_RATELIMIT_INTERVAL_NS 5000000000ULL
#define DEFAULT_RATELIMIT_BURST 10

struct ratelimit_state {
	u64 begin;
	unsigned int printed;
	unsigned int missed;
	bool started;
};

KERNEL_API void __printf(2, 3) dev_warn(const struct device *dev, const char *format, ...);
KERNEL_API void __printf(3, 4)
__dev_warn_ratelimited(struct ratelimit_state *state, const struct device *dev, const char *format, ...);

#define dev_warn_ratelimited(dev, format, args...) do {					\
	static struct ratelimit_state __ratelimit;					\
	__dev_warn_ratelimited(&__ratelimit, dev, format, ##args);			\
} while (0)

#endif
