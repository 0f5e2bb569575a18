/* SPDX-License-Identifier: GPL-2.0-only */
/* What linux/timer.h includes on the runtimes that run on threads (threads/timer.c). */
#ifndef IOPF_RUNTIME_TIMER_H
#define IOPF_RUNTIME_TIMER_H

struct timer_list {
	struct timer_list *next;	/* while it is pending */
	u64 when;			/* ns */
	unsigned long expires;
	timer_func_t function;		/* NULL: shut down */
	int pending;
};

#define __TIMER_INITIALIZER(func) { .function = (func) }

#endif
