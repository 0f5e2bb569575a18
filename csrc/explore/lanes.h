/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The concurrent moments of the execution that just ran, as a partial order (lanes.c): those of each task lie in its lane,
 * one after the other, and each knows how many of every other lane come before it.
 */
#ifndef IOPF_EXPLORE_LANES_H
#define IOPF_EXPLORE_LANES_H

#include "monitor/monitor.h"

#define MAX_LANES 32

struct lane {
	int task, nr;
	s16 moments[MAX_MOMENTS];	/* numbers */
};

/* In the order of the tasks' numbers: that of this execution is no part of it. */
extern struct lane lanes[MAX_LANES];
extern int nr_lanes, lanes_first, lanes_behind;	/* moments [first, behind) are concurrent */
extern u8 lane_of[MAX_MOMENTS];

/* Sets of concurrent moments: a bit for each, from the first one. */
extern int set_words;
#define MAX_SET_WORDS (MAX_MOMENTS / 64)

static inline bool set_has(const u64 *set, int i)
{
	return set[(i - lanes_first) / 64] >> (i - lanes_first) % 64 & 1;
}

static inline void set_add(u64 *set, int i)
{
	set[(i - lanes_first) / 64] |= 1ull << (i - lanes_first) % 64;
}

static inline void set_remove(u64 *set, int i)
{
	set[(i - lanes_first) / 64] &= ~(1ull << (i - lanes_first) % 64);
}

/* Of every execution of a search, also of those that nothing else here is asked about. */
void lanes_run(void);
/* What was found out of earlier executions does not hold any more. */
void lanes_forget(void);
/* Of the execution that just ran. False: there is no other order than its own, or there are too many lanes. */
bool lanes_collect(void);
/* By dependence. */
bool lanes_before(int i, int other);
/* Everything that the monitors could know of any order of these moments, or of all: equal ones have equal verdicts. */
u64 lanes_hash(void);
u64 lanes_hash_of(const u64 *set);

#endif
