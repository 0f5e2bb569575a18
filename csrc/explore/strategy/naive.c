// SPDX-License-Identifier: GPL-2.0-only
/* Every interleaving of the points, one after the other. What the others are measured against. */
#include "strategy.h"

static void begin(void)
{
	path_begin((struct path_rules){ .all = true });
}

const struct strategy strategy_naive = { .name = "naive", .begin = begin, .pick = path_pick, .next = path_next };
