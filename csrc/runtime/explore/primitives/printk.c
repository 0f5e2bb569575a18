// SPDX-License-Identifier: GPL-2.0-only
/* Kernel messages are for people; a search has millions of executions. They go nowhere. */
#include <linux/printk.h>
#include <runtime.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "primitives.h"

struct op_class op_message = { .name = "message", .remark = REMARK };

const char runtime_name[] = "explore";

void __kernel_message(struct ratelimit_state *state, int level, const struct device *dev, const char *format, ...)
{
	note(&op_message, 0, caller_pc(), NULL, (u64)format);
}

void __kernel_message_once(struct ratelimit_state *state, int level, const struct device *dev, const char *format, ...)
{
	note(&op_message, 0, caller_pc(), NULL, (u64)format);
}

int _printk(const char *format, ...)
{
	char text[sizeof(((struct kernel_message *)0)->text)];
	va_list args;
	size_t length;

	format += format[0] == KERN_EMERG[0] && format[1] ? 2 : 0;
	note(&op_message, 0, caller_pc(), NULL, (u64)format);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	length = strlen(text);
	return (int)(length && text[length - 1] == '\n' ? length - 1 : length);
}
