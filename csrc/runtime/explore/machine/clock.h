/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Vector clocks: one 16-bit count for each task.
 *
 * Joining is the maximum of eight lanes at a time, one instruction on x86-64, so that a scenario of up to eight tasks
 * joins in one. Lanes that no task has yet are never written and stay zero, which is what lets a clock be shorter in
 * use than in memory.
 */
#ifndef IOPF_EXPLORE_CLOCK_H
#define IOPF_EXPLORE_CLOCK_H

#include <linux/compiler.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#pragma GCC visibility push(hidden)

typedef int8_t s8;
typedef int16_t s16;

#define MAX_TASKS 64
#define LANE 8

typedef int16_t clock_lane __attribute__((vector_size(16), may_alias));

struct clock {
	union {
		clock_lane lane[MAX_TASKS / LANE];
		int16_t at[MAX_TASKS];
	};
};

extern unsigned int clock_lanes;	/* in use */

static inline void clock_join(struct clock *a, const struct clock *b)
{
	unsigned int i;

	for (i = 0; i < clock_lanes; i++) {
#ifdef __SSE2__
		a->lane[i] = (clock_lane)_mm_max_epi16((__m128i)a->lane[i], (__m128i)b->lane[i]);
#else
		clock_lane larger = a->lane[i] > b->lane[i];

		a->lane[i] = (a->lane[i] & larger) | (b->lane[i] & ~larger);
#endif
	}
}

static inline void clock_copy(struct clock *a, const struct clock *b)
{
	unsigned int i;

	for (i = 0; i < clock_lanes; i++)
		a->lane[i] = b->lane[i];
}

static inline void clock_zero(struct clock *a)
{
	unsigned int i;

	for (i = 0; i < clock_lanes; i++)
		a->lane[i] = (clock_lane){ 0 };
}

#pragma GCC visibility pop

#endif
