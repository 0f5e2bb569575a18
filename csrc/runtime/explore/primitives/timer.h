/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_EXPLORE_TIMER_H
#define IOPF_EXPLORE_TIMER_H

/* It begins as a work does: one that expires is run as one (workqueue.c). */
struct timer_list {
	u64 pending;
	timer_func_t function;
	unsigned long expires;
	bool shut;
};

#define __TIMER_INITIALIZER(func) { .function = (func) }

#endif
