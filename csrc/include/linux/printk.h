/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel messages: kept by the runtime until somebody collects them, never written to a terminal from C.
 *
 * Levels are the kernel's, 0 to 7. A rate limit belongs to the call site: ten messages in five seconds, then a count of
 * those left out.
 */
#ifndef __LINUX_PRINTK_H
#define __LINUX_PRINTK_H

#include <linux/compiler.h>

#define LOGLEVEL_EMERG 0
#define LOGLEVEL_ALERT 1
#define LOGLEVEL_CRIT 2
#define LOGLEVEL_ERR 3
#define LOGLEVEL_WARNING 4
#define LOGLEVEL_NOTICE 5
#define LOGLEVEL_INFO 6
#define LOGLEVEL_DEBUG 7

#define KERN_EMERG "\001" "0"
#define KERN_ALERT "\001" "1"
#define KERN_CRIT "\001" "2"
#define KERN_ERR "\001" "3"
#define KERN_WARNING "\001" "4"
#define KERN_NOTICE "\001" "5"
#define KERN_INFO "\001" "6"
#define KERN_DEBUG "\001" "7"
#define KERN_CONT "\001" "c"

#define DEFAULT_RATELIMIT_INTERVAL_NS 5000000000ULL
#define DEFAULT_RATELIMIT_BURST 10

struct device;

/* Of a call site. */
struct ratelimit_state {
	u64 begin;
	unsigned int printed;
	unsigned int missed;
	bool started;
};

/* dev NULL: of no device. state NULL: as often as it comes. */
KERNEL_API void __printf(4, 5)
__kernel_message(struct ratelimit_state *state, int level, const struct device *dev, const char *format, ...);
/* The first time alone. */
KERNEL_API void __printf(4, 5)
__kernel_message_once(struct ratelimit_state *state, int level, const struct device *dev, const char *format, ...);
/* The format may begin with a KERN_ level; without one it is a warning. Returns how long the line is that is kept. */
KERNEL_API int __printf(1, 2) _printk(const char *format, ...);

#ifndef pr_fmt
#define pr_fmt(format) format
#endif

#define __message_at(call, level, dev, format, args...) do {				\
	static struct ratelimit_state __ratelimit;					\
	call(&__ratelimit, level, dev, format, ##args);					\
} while (0)

#define printk(format, args...) _printk(format, ##args)
#define no_printk(format, args...) ({ if (0) _printk(format, ##args); 0; })

#define __pr(level, format, args...) __kernel_message(NULL, level, NULL, pr_fmt(format), ##args)
#define __pr_once(level, format, args...) __message_at(__kernel_message_once, level, NULL, pr_fmt(format), ##args)
#define __pr_limited(level, format, args...) __message_at(__kernel_message, level, NULL, pr_fmt(format), ##args)

#define pr_emerg(format, args...) __pr(LOGLEVEL_EMERG, format, ##args)
#define pr_alert(format, args...) __pr(LOGLEVEL_ALERT, format, ##args)
#define pr_crit(format, args...) __pr(LOGLEVEL_CRIT, format, ##args)
#define pr_err(format, args...) __pr(LOGLEVEL_ERR, format, ##args)
#define pr_warn(format, args...) __pr(LOGLEVEL_WARNING, format, ##args)
#define pr_notice(format, args...) __pr(LOGLEVEL_NOTICE, format, ##args)
#define pr_info(format, args...) __pr(LOGLEVEL_INFO, format, ##args)
#define pr_debug(format, args...) __pr(LOGLEVEL_DEBUG, format, ##args)

#define pr_err_once(format, args...) __pr_once(LOGLEVEL_ERR, format, ##args)
#define pr_warn_once(format, args...) __pr_once(LOGLEVEL_WARNING, format, ##args)
#define pr_info_once(format, args...) __pr_once(LOGLEVEL_INFO, format, ##args)
#define pr_debug_once(format, args...) __pr_once(LOGLEVEL_DEBUG, format, ##args)

#define pr_err_ratelimited(format, args...) __pr_limited(LOGLEVEL_ERR, format, ##args)
#define pr_warn_ratelimited(format, args...) __pr_limited(LOGLEVEL_WARNING, format, ##args)
#define pr_info_ratelimited(format, args...) __pr_limited(LOGLEVEL_INFO, format, ##args)
#define pr_debug_ratelimited(format, args...) __pr_limited(LOGLEVEL_DEBUG, format, ##args)

#endif
