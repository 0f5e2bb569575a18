// SPDX-License-Identifier: GPL-2.0-only
/* Kernel messages are for people; a search has millions of executions. They go nowhere. */
#include <linux/dev_printk.h>

#include "primitives.h"

struct op_class op_message = { .name = "message", .remark = REMARK };

const char runtime_name[] = "explore";

void dev_warn(const struct device *dev, const char *format, ...)
{
	(void)dev;
	note(&op_message, 0, caller_pc(), NULL, (u64)format);
}

void __dev_warn_ratelimited(struct ratelimit_state *state, const struct device *dev, const char *format, ...)
{
	(void)state;
	(void)dev;
	note(&op_message, 0, caller_pc(), NULL, (u64)format);
}
