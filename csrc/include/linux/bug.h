/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * WARN: the condition is the value, execution goes on, and every hit is counted by place and reason.
 *
 * The once-forms count one hit until the counts are cleared, as the kernel's do with clear_warn_once.
 */
#ifndef __LINUX_BUG_H
#define __LINUX_BUG_H

#include <linux/compiler.h>

/* One place in the source. The runtime links the places that fired and owns hits and next. */
struct warn_site {
	const char *file;
	const char *function;
	const char *reason;
	int line;
	int once;
	int rule;	/* of a primitive, which whoever calls it broke: not what the file itself finds worth a warning */
	unsigned long hits;
	int linked;
	struct warn_site *next;
};

KERNEL_API __cold void warn_slowpath(struct warn_site *site);
/* What cannot go on: a finding that ends the execution under the explorer; on threads the process says so, and aborts. */
KERNEL_API __cold void __attribute__((noreturn)) bug_slowpath(struct warn_site *site);

#define __WARN_SITE(why, only_once, broken_rule)				\
	static struct warn_site __warn_site = {					\
		.file = __FILE__, .function = __func__, .reason = why,		\
		.line = __LINE__, .once = only_once, .rule = broken_rule,	\
	}

#define __WARN_IF(condition, why, only_once, broken_rule) ({			\
	bool __warn = !!(condition);						\
	if (unlikely(__warn)) {							\
		__WARN_SITE(why, only_once, broken_rule);			\
		warn_slowpath(&__warn_site);					\
	}									\
	unlikely(__warn); })

#define WARN_ON(condition) __WARN_IF(condition, #condition, 0, 0)
#define WARN_ON_ONCE(condition) __WARN_IF(condition, #condition, 1, 0)
/* The reason is the literal format: counts are kept per reason, not per argument. */
#define WARN(condition, format, args...) __WARN_IF(condition, format, 0, 0)
#define WARN_ONCE(condition, format, args...) __WARN_IF(condition, format, 1, 0)
/* For macros, which stand in somebody else's function: a rule of a primitive is broken there. */
#define __WARN_RULE(condition, why) ((void)__WARN_IF(condition, why, 0, 1))
#define __WARN_RULE_ONCE(condition, why) ((void)__WARN_IF(condition, why, 1, 1))

#define __BUG_SAYING(why) do {								\
	__WARN_SITE(why, 0, 0);								\
	bug_slowpath(&__warn_site);							\
} while (0)
#define BUG() __BUG_SAYING("BUG")
#define BUG_ON(condition) do {								\
	if (unlikely(condition))							\
		__BUG_SAYING("BUG_ON " #condition);					\
} while (0)

/* As with CONFIG_DEBUG_VM. */
#define VM_WARN_ON(condition) ((void)WARN_ON(condition))
#define VM_WARN_ON_ONCE(condition) ((void)WARN_ON_ONCE(condition))
#define VM_BUG_ON(condition) BUG_ON(condition)

#endif
