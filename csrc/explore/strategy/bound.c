// SPDX-License-Identifier: GPL-2.0-only
/*
 * Iterative preemption bounding: Musuvathi and Qadeer, PLDI 2007. All schedules with no preemption, then with at most one,
 * and so on: most bugs need few, and the statement that is left when time runs out is one that people understand.
 *
 * On the tree of all interleavings: sleep sets and bounds must not be combined as they are, since the sibling for
 * which a task sleeps may have been cut off by the bound. search_bounds() raises path_bound; executions of an earlier bound are
 * run again and not counted again.
 */
#include "strategy.h"

static void begin(void)
{
	path_begin((struct path_rules){ .all = true, .bounded = true });
}

/* To make a failure's schedule short: its preemptions may have to come just before an answer. */
static void begin_with_moments(void)
{
	path_begin((struct path_rules){ .all = true, .bounded = true, .moments = true });
}

const struct strategy strategy_shortest = {
	.name = "shortest", .begin = begin_with_moments, .pick = path_pick, .next = path_next,
};
const struct strategy strategy_bound = { .name = "bound", .begin = begin, .pick = path_pick, .next = path_next };
