// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which strategy, and for how long. "auto" looks at two thousand executions first, which is all that most scenarios have; then
 * it estimates how many there are, and searches by classes where they fit into the budget. What does not fit is sampled,
 * by several strategies in turn, since each of them finds what the others miss.
 */
#include <string.h>

#include "search.h"

#define AFTER_RACES 2000	/* random executions */
#define NOTHING_NEW 350		/* of these, in a row: it is unlikely that more show more */
#define FEW_ORDERS 64		/* of an execution that is one of a sample */
#define UNLIMITED 10.0		/* seconds of sampling where nobody said how long */

/* --- by classes --- */

static void take_estimate(struct estimate e)
{
	result.estimate = e.mean;
	result.estimate_low = e.low;
	result.estimate_high = e.high;
	result.estimate_why = e.why;
}

static int nr_probes;

/* What the walks of the estimate happen upon is found. */
bool search_collect(int probe)
{
	const char *why;
	bool news;

	if (engine.end != END_STOPPED)
		lock_order_end(monitor_clauses);
	news = (engine.nr_findings || lock_order_new) && failures_collect((u64)probe);
	why = orders_judge((u64)probe, &news);
	nr_probes = probe;
	if (why && !why_not)
		why_not = why;
	if (news && !result.first_failure && nr_found)
		result.first_failure = (u64)probe;
	return progress_must_stop();
}

/*
 * What comes of a race, with a free too, is a matter of the order of plain accesses, which classes do not tell apart: of
 * one class, the search saw one. Some random executions see others, if there was a race. They prove nothing and are not
 * counted.
 */
void search_walk_after_races(void)
{
	u64 executions = result.executions, end = executions + AFTER_RACES;
	int quiet = 0;

	if (!search_has_race())
		return;
	random_forget();
	engine.strategy = &strategy_random;
	strategy_random.begin();
	while (result.executions < end && quiet < NOTHING_NEW && !progress_must_stop()) {
		engine.strategy = &strategy_random;
		engine_run();
		quiet = search_account(true) ? 0 : quiet + 1;
		strategy_random.next();
	}
	result.executions = executions;
}

static bool run_classes(double seconds)
{
	bool whole_tree;

	strategy_now = XP_S_DPOR;
	whole_tree = search_run(&strategy_dpor, seconds);
	if (!progress.stop)
		search_walk_after_races();
	return whole_tree;
}

/*
 * Most scenarios are small: all of it is executed before an estimate would say so. What fails here, fails. Where so few take
 * a part of the budget, executions are long, and it is large.
 */
static bool look_first(bool *whole_tree, double seconds)
{
	search_looks_first = true;
	*whole_tree = run_classes(seconds);
	search_looks_first = false;
	if (why_not == orders_too_many) {
		why_not = NULL;
		*whole_tree = false;
	}
	if (*whole_tree || progress.stop || why_not || nr_found || search_enough())
		return true;
	/* It is begun again when it is known what it takes. */
	result.executions = result.blocked = 0;
	memset(result.preemptions, 0, sizeof(result.preemptions));
	outcomes_reset();
	witnesses_forget_outcomes();
	contention_reset();
	orders_reset();
	path_mass = 0;
	return false;
}

/* --- auto --- */

/* Some executions of a kind that is never through. */
static void sample(int kind, double seconds)
{
	u64 before = result.executions;

	strategy_now = kind;
	orders_most = FEW_ORDERS;
	search_run(kind == XP_S_PCT ? &strategy_pct : &strategy_random, seconds);
	orders_most = 0;
	result.sampled[kind] += result.executions - before;
}

/* Every schedule with one preemption more than so far. True: there are no others. */
static bool next_bound(double seconds)
{
	u64 before = result.executions;

	strategy_now = XP_S_BOUND;
	path_bound = result.bound + 1;
	if (!search_run(&strategy_bound, seconds)) {
		/* They come again when it is begun again. */
		result.executions = nr_found ? result.executions : before;
		return false;
	}
	result.bound = path_bound;
	result.sampled[XP_S_BOUND] += result.executions - before;
	if (path_was_cut)
		return false;
	result.executions = result.sampled[XP_S_BOUND];
	return true;
}

/*
 * What does not fit into the budget is sampled in rounds: each kind gets an equal part of a round, so that none of them
 * has to be the right one, and each round is twice as long as the one before, so that a bound which takes longer than a
 * part comes to its end later. True: a bound left nothing out.
 */
static bool sample_all(double seconds)
{
	double end = now_seconds() + seconds, slice = seconds / 21;
	bool bounds = true, whole = false;
	int round;

	for (round = 0; !progress.stop && !why_not && !search_enough() && now_seconds() < end && !whole; round++, slice *= 2) {
		pct_depth(options.depth ? options.depth : 2 + round % 3);
		sample(XP_S_PCT, slice);
		if (progress.stop || why_not || search_enough())
			break;
		sample(XP_S_RANDOM, slice);
		if (bounds && !progress.stop && !why_not && !search_enough())
			whole = next_bound(slice);
		if (why_not == orders_too_many) {
			why_not = NULL;
			bounds = false;
		}
	}
	if (!whole && !nr_found)
		strategy_now = XP_S_AUTO;
	return whole;
}

bool search_only_plans;
int search_planned;

/* What may take long is left to whoever asked for a plan. */
static bool is_planned(int strategy)
{
	if (!search_only_plans || (nr_found && !(options.flags & XP_O_ALL_FAILURES)))
		return false;
	search_planned = strategy;
	return true;
}

/* --- the one that was asked for --- */

static bool run_auto(void)
{
	double budget = options.budget > 0 ? options.budget : 1e9, left, burst = budget < 4 ? budget / 20 : 0.2, whole, walked;
	bool whole_tree, fits;
	u64 before;

	progress_look_at_clock();
	if (progress.stop)
		return false;
	if (look_first(&whole_tree, options.budget > 0 ? budget / 4 : 0))
		return whole_tree;
	strategy_now = XP_S_ESTIMATE;
	nr_probes = 0;
	walked = now_seconds();
	orders_most = FEW_ORDERS;
	take_estimate(estimate_classes(budget < 1 ? budget / 20 : 0.05, true, search_collect));
	orders_most = 0;
	/* An execution takes about as long as a walk did, and the estimate has its usual error. */
	whole = result.estimate > 0 && nr_probes ? result.estimate * 2 * (now_seconds() - walked) / nr_probes : budget;
	before = result.executions;
	if (!progress.stop && !nr_found && whole > burst) {
		/* A short burst: what is easy to hit is hit at once. Where all of it takes no longer, it is not worth it. */
		random_seed(options.seed);
		pct_depth(options.depth ? options.depth : 3);
		sample(XP_S_PCT, burst / 2);
		if (!progress.stop && !why_not && !search_enough())
			sample(XP_S_RANDOM, burst / 2);
		if (!nr_found)
			result.executions = before;
	}
	if (why_not || search_enough())
		return false;
	left = budget - (now_seconds() - progress.began);
	/* At a third of a million executions a second, with the estimate's usual error. */
	fits = result.estimate <= 0 || result.estimate * 2 < left * 330e3 * (options.workers ? options.workers : 1);
	if (!progress.stop && fits && is_planned(XP_S_DPOR))
		return false;
	search_latest = options.budget > 0 ? progress.began + 0.95 * budget : 0;
	if (!progress.stop) {
		whole_tree = run_classes(options.budget > 0 ? left * (fits ? 0.5 : 0.25) : 0);
		if (whole_tree || nr_found)
			return whole_tree;
		result.sampled[XP_S_DPOR] = result.executions - before;
		if (why_not == orders_too_many)
			why_not = NULL;
		left = options.budget > 0 ? budget - (now_seconds() - progress.began) : UNLIMITED;
		if (left > 0 && !progress.stop && !why_not && !search_enough() && sample_all(left))
			return true;
	}
	if (!nr_found && result.sampled[XP_S_PCT] + result.sampled[XP_S_RANDOM] + result.sampled[XP_S_BOUND]) {
		strategy_now = XP_S_AUTO;
		result.executions = result.sampled[XP_S_DPOR] + result.sampled[XP_S_PCT] + result.sampled[XP_S_RANDOM] +
				    result.sampled[XP_S_BOUND];
	}
	return false;
}

bool search_all(void)
{
	if (options.strategy == XP_S_AUTO)
		return run_auto();
	strategy_now = options.strategy;
	if (strategy_now == XP_S_ESTIMATE || (strategy_now == XP_S_DPOR && !(options.flags & XP_O_NO_ESTIMATE)))
		take_estimate(estimate_classes(options.strategy == XP_S_ESTIMATE && options.budget > 0 ? options.budget : 0.05,
					       strategy_now != XP_S_ESTIMATE, NULL));
	if (strategy_now >= XP_S_DPOR && strategy_now <= XP_S_BOUND && is_planned(strategy_now))
		return false;
	switch (strategy_now) {
	case XP_S_DPOR:
		return search_run(&strategy_dpor, 0);
	case XP_S_NAIVE:
		return search_run(&strategy_naive, 0);
	case XP_S_SLEEP:
		return search_run(&strategy_sleep, 0);
	case XP_S_BOUND:
		return search_bounds(0);
	case XP_S_ORACLE:
		random_forget();
		do {
			why_not = oracle_run(&result.executions);
			result.deepest = engine.depth > result.deepest ? engine.depth : result.deepest;
		} while (!why_not && !progress_must_stop() && !search_enough());
		return false;
	case XP_S_RANDOM:
	case XP_S_PCT:
		random_forget();
		pct_depth(options.depth ? options.depth : 3);
		orders_most = FEW_ORDERS;
		search_run(strategy_now == XP_S_PCT ? &strategy_pct : &strategy_random, 0);
		orders_most = 0;
		return false;
	default:
		return false;
	}
}
