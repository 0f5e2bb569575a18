/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clock, the budget and the progress of a search, and what its caller wants. May use the face and the scheduler's state.
 */
#ifndef IOPF_EXPLORE_PROGRESS_H
#define IOPF_EXPLORE_PROGRESS_H

#include <linux/compiler.h>

#include "explore.h"

#pragma GCC visibility push(hidden)

extern struct xp_options options;

extern struct progress {
	double began;
	bool stop, interrupted;	/* by the budget or the callback; by the callback */
	bool searching;		/* false: what comes after the search is to be over */
	double told_by;		/* by then */
	u64 runs;		/* executions of any kind, for the clock */
} progress;

#define LOOK_EVERY 32		/* executions between two looks at the clock */

double now_seconds(void);
/* A search begins. fill: all of it but the seconds. */
void progress_begin(void (*fill)(struct xp_progress *p));
void progress_look_at_clock(void);
/* After every execution. The callback and the budget: true, stop. */
bool progress_must_stop(void);
/* The callback alone: true, what is left to do is to be left. */
bool progress_interrupted(void);
/* In the middle of an execution that comes to no point: true, it is to be given up. */
bool progress_gives_up(void);

#pragma GCC visibility pop

#endif
