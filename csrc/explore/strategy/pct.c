// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probabilistic concurrency testing: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A Randomized Scheduler with Probabilistic
 * Guarantees of Finding Bugs", ASPLOS 2010.
 *
 * Every task gets a priority at random, and whoever can go on and has the highest one does. Of the k steps of an execution
 * d - 1 are drawn; who is about to take the i-th of these has priority i from there on, which is lower than all that
 * were given at first. A bug that takes d orderings ("its depth") is met by one execution with a chance of at least 1 / (n k^(d-1)), n
 * being the number of tasks: a uniform walk has to toss the right coin at each of the steps that must not be
 * preempted, and meets a bug with one preemption in a long execution far more seldom.
 *
 * Deviations. k and n need not be known: k is the longest execution so far, of which the first one has no changes, and a task
 * draws its priority when it is first able to run (works are tasks). Moments (moment.c), at which something is told and
 * nothing touched, are no steps: their orders are judged for each execution. Priorities are not fair: a task that goes on
 * for ever while others could (attempts in a loop) is put behind them, after twice as many steps as any execution had. Where
 * identical tasks are explored in one order only, priorities are those among the ones that may go on.
 */
#include "strategy.h"

#define LEAST_PATIENCE 256

static int depth = 3;
static int longest;			/* steps of an execution, without moments */
static int steps, in_a_row, runner;
static u64 priority[MAX_TASKS];		/* the higher goes on. Drawn ones have the top bit */
static u64 drawn;			/* tasks that have one */
static int change_at[PCT_DEPTH];	/* steps, from 1 */
static u64 behind;			/* below the priorities of changes: who took too long */

void pct_depth(int wanted)
{
	depth = wanted < 1 ? 1 : wanted > PCT_DEPTH ? PCT_DEPTH : wanted;
}

void pct_forget(void)
{
	longest = 0;
}

static void draw_changes(void)
{
	int i;

	for (i = 0; i < depth - 1; i++)
		change_at[i] = longest ? 1 + (int)(random_next() % (u64)longest) : 0;
}

static void begin_execution(void)
{
	steps = in_a_row = 0;
	runner = -1;
	drawn = 0;
	behind = 1ull << 32;
	draw_changes();
}

static int highest(u64 enabled)
{
	int best = -1;
	u64 left;

	for (left = enabled; left; left &= left - 1) {
		int task = __builtin_ctzll(left);

		if (!(drawn >> task & 1)) {
			drawn |= 1ull << task;
			priority[task] = random_next() | 1ull << 63;
		}
		if (best < 0 || priority[task] > priority[best])
			best = task;
	}
	return best;
}

static int take(int task)
{
	struct node *node = &engine.nodes[engine.depth];
	const struct op *op = &engine.tasks[task].pending;

	node->alternative = op->class == &op_choice ? (u8)(random_next() % op->alternatives) : 0;
	engine.alternative = node->alternative;
	return task;
}

static int pick(u64 enabled, int previous)
{
	int patience = 2 * longest > LEAST_PATIENCE ? 2 * longest : LEAST_PATIENCE, task, i;

	(void)previous;
	if (!engine.depth)
		begin_execution();
	task = highest(enabled);
	if (engine.tasks[task].pending.class->touches_nothing)
		return take(task);
	steps++;
	for (i = 0; i < depth - 1; i++) {
		if (change_at[i] != steps)
			continue;
		priority[task] = (u64)(i + 1) << 32;
		task = highest(enabled);
	}
	in_a_row = task == runner ? in_a_row + 1 : 1;
	runner = task;
	if (in_a_row > patience && enabled != 1ull << task) {
		priority[task] = --behind;
		in_a_row = 0;
		task = highest(enabled);
	}
	return take(task);
}

static void begin(void)
{
	engine.fresh_from = 0;
	hb_footprint_top = 0;
}

static bool next(void)
{
	if (steps > longest)
		longest = steps;
	return true;
}

const struct strategy strategy_pct = { .name = "pct", .begin = begin, .pick = pick, .next = next };
