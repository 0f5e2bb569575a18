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
 * Walks that weight tasks by the steps they have left (random.c) make the single values differ less. They still have a heavy
 * tail: in a large search a few walks make up most of the mean, and those that would raise it to what it should be were not
 * met yet. So it is said how much is known:
 *
 *  - at least so many. By Markov's inequality a mean of values that are never negative, and right on the average, is c times
 *    what it should be with a chance of at most 1/c; so the least of 8 means of an eighth of the walks each is with
 *    at most c^-8. That is 1 in 100 for c = 1.78, whatever the tail (Gomes, Hoffmann, Sabharwal, Selman, "From Sampling to
 *    Model Counting", IJCAI 2007).
 *  - at most so many only where no walk counts for much: where the weights have an effective number, (sum w)^2 / sum w^2, of
 *    100 or more. Then by the spread of the 8 means, with Student's factor for 1 in 100. Elsewhere nobody knows.
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

#define PARTS 8
#define MARKOV 1.78		/* to the 8th: 100 */
#define STUDENT 3.5		/* for 7 degrees of freedom, both ends, 1 in 100 */
#define ENOUGH_WALKS 32
#define EFFECTIVE 100

struct sums {
	double sum, squares, part[PARTS];
	int n, in_part[PARTS];
};

static void add(struct sums *s, double value)
{
	int i = s->n++ % PARTS;

	s->sum += value;
	s->squares += value * value;
	s->part[i] += value;
	s->in_part[i]++;
}

static double square_root(double x)
{
	double root = x > 1 ? x : 1;
	int i;

	for (i = 0; i < 2000 && root * root - x > 1e-9 * x; i++)
		root = (root + x / root) / 2;
	return root;
}

static struct estimate judge(const struct sums *s)
{
	struct estimate e = { .walks = s->n };
	double least = 0, spread = 0, mean;
	int i;

	if (!s->n)
		return e;
	mean = e.mean = s->sum / s->n;
	if (s->n < ENOUGH_WALKS)
		return e;
	for (i = 0; i < PARTS; i++) {
		double part = s->part[i] / s->in_part[i];

		least = !i || part < least ? part : least;
		spread += (part - mean) * (part - mean);
	}
	e.low = least / MARKOV;
	if (s->sum / s->squares * s->sum < EFFECTIVE)
		return e;
	spread = STUDENT * square_root(spread / (PARTS * (PARTS - 1)));
	e.high = mean + spread;
	if (mean - spread > e.low)
		e.low = mean - spread;
	return e;
}

struct estimate estimate_classes(double seconds, bool brief, bool (*collect)(int probe))
{
	double end = now_seconds() + seconds;
	int quiet = 0, uncounted = 0, walks = 0;
	struct sums sums = { 0 };
	struct estimate e;

	random_forget();
	strategy_walk.begin();
	while (now_seconds() < end && sums.n + uncounted < 200000 && !progress_interrupted()) {
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
		ways = random_probability > 0 ? linear_extensions() : 0;
		if (ways <= 0) {
			uncounted++;
			continue;
		}
		add(&sums, 1 / (random_probability * ways));
		if (brief && (sums.n & (sums.n - 1)) == 0 && is_small(sums.sum, sums.n))
			break;
	}
	e = judge(&sums);
	if (!e.walks)
		e.why = uncounted ? "the steps of one execution have more orders than can be counted" :
				    "the time was over before the walks knew how long the tasks are";
	else if (uncounted > sums.n / 10)
		/* Those that could not be counted are not average ones. */
		e.high = 0;
	return e;
}
