/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters for statistics: relaxed, as the kernel's void-returning forms are. */
#ifndef __LINUX_ATOMIC_H
#define __LINUX_ATOMIC_H

#include <linux/compiler.h>

typedef struct {
	long counter;
} atomic_long_t;

static inline void atomic_long_inc(atomic_long_t *v)
{
	__atomic_fetch_add(&v->counter, 1, __ATOMIC_RELAXED);
}

static inline long atomic_long_read(const atomic_long_t *v)
{
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);
}

#endif
