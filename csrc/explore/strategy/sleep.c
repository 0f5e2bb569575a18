// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleep sets alone (Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", LNCS 1032, 1996): all
 * that are enabled are tried, and what would repeat a class is cut short. It visits more beginnings than DPOR, but needs
 * no analysis of races: a failure that ends executions early hides nothing from it, so it lists all failures.
 */
#include "strategy.h"

static void begin(void)
{
	path_begin((struct path_rules){ .all = true, .sleep = true });
}

const struct strategy strategy_sleep = {
	.name = "sleep", .wants_footprints = true, .begin = begin, .pick = path_pick, .next = path_next,
};
