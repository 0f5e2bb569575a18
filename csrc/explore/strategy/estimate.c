// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many classes there are, before the search.
 *
 * Knuth's estimator (Mathematics of Computation 29, 1975) with classes in the place of leaves. A random walk comes upon an
 * execution with a known probability p. Its class has as many executions as its happens-before order has linear
 * extensions, L; so 1 / (p L), averaged over walks, is unbiased for the number of classes: each class is met by L
 * executions, each with its own p, and adds up to 1. L is counted exactly, level by level, over the sets of steps that are
 * closed downwards.
 *
 * Walks that weight tasks by the steps they have left (random.c) make the single values differ little. They still have a
 * heavy tail: the result is "about", likely within a factor of 2.
 */
#include <stdlib.h>
#include <string.h>

#include "strategy.h"

#define TABLE 65536u
#define MOST_SETS 20000
#define WARM_UP 50	/* walks in which no task had more steps than was known */

struct cut {
	u64 key;		/* how many steps of each task are in it, mixed radix */
	double ways;
	u32 level;
	u32 next;		/* of the level */
};

static struct cut *cuts;
static u32 *heads;

/* Linear extensions of the last execution's order, without its moments, or 0: too many sets. */
static double linear_extensions(void)
{
	int tasks[MAX_TASKS], index_of[MAX_TASKS], length[MAX_TASKS], nr = 0, depth = engine.depth, total = 0, i, level;
	static u16 steps[MAX_TASKS][1024], number[MAX_TASKS][1024];	/* number: steps up to that ordinal, but for moments */
	u64 radix[MAX_TASKS], size = 1;
	u32 nr_cuts, first, behind;
	static u32 stamp;

	if (depth > 1000)
		return 0;
	for (i = 0; i < MAX_TASKS; i++)
		index_of[i] = -1;
	for (i = 0; i < depth; i++) {
		int task = engine.nodes[i].task;

		if (index_of[task] < 0) {
			index_of[task] = nr;
			length[nr] = 0;
			number[nr][0] = 0;
			tasks[nr++] = task;
		}
		if (!engine.nodes[i].op->touches_nothing) {
			steps[index_of[task]][length[index_of[task]]++] = (u16)i;
			total++;
		}
		number[index_of[task]][engine.nodes[i].ordinal] = (u16)length[index_of[task]];
	}
	for (i = 0; i < nr; i++) {
		radix[i] = size;
		if (__builtin_mul_overflow(size, (u64)length[i] + 1, &size))
			return 0;
	}
	if (!cuts) {
		cuts = malloc((MOST_SETS + 1) * sizeof(*cuts));
		heads = calloc(TABLE, 2 * sizeof(*heads));
		if (!cuts || !heads)
			return 0;
	}

	nr_cuts = 1;
	cuts[0] = (struct cut){ .ways = 1 };
	first = 0;
	for (level = 0; level < total; level++) {
		u32 c;

		behind = nr_cuts;
		stamp++;
		for (c = first; c < behind; c++) {
			int count[MAX_TASKS];

			for (i = 0; i < nr; i++)
				count[i] = (int)(cuts[c].key / radix[i] % ((u64)length[i] + 1));
			for (i = 0; i < nr; i++) {
				const struct node *node;
				bool ready = true;
				u64 key;
				u32 slot;
				int k;

				if (count[i] == length[i])
					continue;
				node = &engine.nodes[steps[i][count[i]]];
				for (k = 0; k < nr && ready; k++)
					ready = k == i || number[k][node->clock.at[tasks[k]]] <= count[k];
				if (!ready)
					continue;
				key = cuts[c].key + radix[i];
				slot = (u32)((key * 0x9e3779b97f4a7c15ull) >> 48);
				while (heads[2 * slot] == stamp && cuts[heads[2 * slot + 1]].key != key)
					slot = (slot + 1) % TABLE;
				if (heads[2 * slot] != stamp) {
					if (nr_cuts == MOST_SETS)
						return 0;
					heads[2 * slot] = stamp;
					heads[2 * slot + 1] = nr_cuts;
					cuts[nr_cuts++] = (struct cut){ .key = key };
				}
				cuts[heads[2 * slot + 1]].ways += cuts[c].ways;
			}
		}
		first = behind;
	}
	return nr_cuts > first ? cuts[first].ways : 1;
}

/*
 * Several times as many walks as there are classes: executing all of them takes less than another look. Asked at a few
 * fixed numbers of walks, so that stopping early hardly favours walks that found few.
 */
static bool is_small(double sum, int n)
{
	return n >= 512 && 8 * sum / n < n;
}

double estimate_classes(double seconds, bool brief, bool (*collect)(int probe))
{
	double end = now_seconds() + seconds, sum = 0;
	int n = 0, quiet = 0, failed = 0, walks = 0;

	random_forget();
	strategy_walk.begin();
	while (now_seconds() < end && n + failed < 200000 && !progress_interrupted()) {
		double ways;
		int how;

		engine.strategy = &strategy_walk;
		engine.fresh_from = 0;
		hb_footprint_top = 0;
		how = engine_run();
		if (how == END_BLOCKED)
			continue;
		if (how == END_STOPPED)
			break;
		if (collect && collect(++walks))
			break;
		/* Until the weights are known: with wrong ones single walks weigh far too much. */
		if (random_learn())
			quiet = 0;
		if (quiet++ < WARM_UP)
			continue;
		ways = linear_extensions();
		if (ways <= 0) {
			failed++;
			continue;
		}
		sum += 1 / (random_probability * ways);
		n++;
		if (brief && (n & (n - 1)) == 0 && is_small(sum, n))
			break;
	}
	return n ? sum / n : 0;
}
