// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uniform random walk: each point picks a task with a chance proportional to the steps that it has left, as far as earlier
 * walks tell. Walking a tree uniformly step by step prefers schedules in which short tasks run early; by remaining steps
 * all interleavings of independent tasks are equally likely (Zhao et al., "Selectively Uniform Concurrency Testing",
 * ASPLOS 2025). Deviation: the numbers of steps are the longest seen so far, not known beforehand.
 */
#include <string.h>

#include "strategy.h"

static u64 state = 1;
static u16 steps[MAX_TASKS];	/* the longest a task had */
static u16 passed[MAX_TASKS];	/* of its steps, moments that were not drawn */

double random_probability;

/* splitmix64 */
u64 random_next(void)
{
	u64 z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Seeds that are close to each other must not give one sequence from different places. */
void random_seed(u64 seed)
{
	state = seed * 0xd1342543de82ef95ull;
	state = random_next() ^ seed;
}

double random_unit(void)
{
	return (double)(random_next() >> 11) * 0x1p-53;
}

void random_forget(void)
{
	memset(steps, 0, sizeof(steps));
	memset(passed, 0, sizeof(passed));
}

/* After a complete execution: how many steps its tasks had. True: more than was known. */
bool random_learn(void)
{
	bool more = false;
	int i;

	for (i = 0; i <= engine.nr_ids; i++)
		if (engine.used >> i & 1 && engine.tasks[i].ordinal - passed[i] > steps[i]) {
			steps[i] = engine.tasks[i].ordinal - passed[i];
			more = true;
		}
	return more;
}

static void begin(void)
{
	engine.fresh_from = 0;
	hb_footprint_top = 0;
}

static double weight(int task)
{
	int left = steps[task] - (engine.tasks[task].ordinal - passed[task]);

	return left > 1 ? left : 1;
}

static int walk(u64 enabled)
{
	struct node *node = &engine.nodes[engine.depth];
	double sum = 0, at;
	int task = -1;
	u64 left;

	for (left = enabled; left; left &= left - 1)
		sum += weight(__builtin_ctzll(left));
	at = random_unit() * sum;
	for (left = enabled; left; left &= left - 1) {
		task = __builtin_ctzll(left);
		at -= weight(task);
		if (at < 0)
			break;
	}
	random_probability *= weight(task) / sum;

	node->alternative = 0;
	if (engine.tasks[task].pending.class == &op_choice) {
		node->alternative = (u8)(random_next() % engine.tasks[task].pending.alternatives);
		random_probability /= engine.tasks[task].pending.alternatives;
	}
	engine.alternative = node->alternative;
	return task;
}

static int pick(u64 enabled, int previous)
{
	(void)previous;
	if (!engine.depth)
		random_probability = 1;
	return walk(enabled);
}

static bool next(void)
{
	random_learn();
	return true;
}

/*
 * For the estimate, which counts classes: moments (moment.c) depend on nothing, so that they are taken as soon as they
 * come loses no class, and leaves the walk the choices that make classes.
 */
static int pick_for_classes(u64 enabled, int previous)
{
	u64 left;

	if (!engine.depth) {
		memset(passed, 0, sizeof(passed));
		random_probability = 1;
	}
	for (left = enabled; left; left &= left - 1) {
		int task = __builtin_ctzll(left);

		if (!engine.tasks[task].pending.class->touches_nothing)
			continue;
		passed[task]++;
		engine.nodes[engine.depth].alternative = 0;
		engine.alternative = 0;
		return task;
	}
	return walk(enabled);
}

const struct strategy strategy_walk = { .name = "walk", .begin = begin, .pick = pick_for_classes, .next = next };

const struct strategy strategy_random = { .name = "random", .begin = begin, .pick = pick, .next = next };
