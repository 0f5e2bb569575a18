// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a search has shown. The verdict is made in one place, verdict(), which takes a pass only with its evidence; before it
 * is, what was found is shrunk and written down.
 */
#include <string.h>

#include "search.h"

static bool is_confirmed_failure(void)
{
	int i;

	for (i = 0; i < nr_found; i++)
		if (!found[i].is_note && found[i].finding.kind != XP_K_EXPLORER)
			return true;
	return false;
}

/* The only place where a pass is made, from what was done and not from what was meant. */
static void verdict(bool exhausted)
{
	result.why = NULL;
	if (is_confirmed_failure()) {
		result.verdict = XP_V_FAIL;
		return;
	}
	result.verdict = XP_V_INCONCLUSIVE;
	if (why_not) {
		result.why = why_not;
		return;
	}
	if (!result.executions) {
		result.why = progress.interrupted ? "interrupted before the first execution was over" :
			     progress.stop ? "the budget was used up before the first execution was over" :
					"nothing was executed";
		return;
	}
	if (exhausted && strategy_now != XP_S_RANDOM && strategy_now != XP_S_PCT && strategy_now != XP_S_ESTIMATE) {
		result.verdict = XP_V_PASS;
		return;
	}
	if ((strategy_now == XP_S_BOUND || strategy_now == XP_S_AUTO) && result.bound >= 0) {
		result.verdict = XP_V_BOUNDED;
		return;
	}
	if (strategy_now == XP_S_RANDOM || strategy_now == XP_S_PCT || strategy_now == XP_S_ORACLE || strategy_now == XP_S_AUTO) {
		result.verdict = XP_V_SAMPLED;
		return;
	}
	result.why = progress.interrupted ? "interrupted" : "the budget was used up before the search was over";
}

const char *xp_verdict_name(int v)
{
	static const char *const names[] = { "?", "pass", "bounded", "sampled", "fail", "inconclusive" };

	return v >= 1 && v <= XP_V_INCONCLUSIVE ? names[v] : names[0];
}

const char *xp_strategy_name(int s)
{
	static const char *const names[XP_STRATEGIES] = {
		"auto", "dpor", "naive", "sleep", "bound", "random", "estimate", "pct", "oracle", "given",
	};

	return s >= 0 && s < XP_STRATEGIES ? names[s] : "?";
}

/* Whoever came first, by the clocks or for certain: another order of the plain accesses may do other harm. */
bool search_has_race(void)
{
	int i;

	for (i = 0; i < nr_found; i++)
		if (found[i].finding.kind == XP_K_DATA_RACE || found[i].finding.kind == XP_K_USE_AFTER_FREE ||
		    found[i].finding.by_order)
			return true;
	return false;
}

/* A lock order beside its deadlock says nothing new. */
static void settle_predictions(void)
{
	int i;

	for (i = 0; i < nr_found; i++)
		if (found[i].finding.kind == XP_K_LOCK_ORDER)
			found[i].is_note = lock_order_came_true(&lock_cycles[found[i].finding.detail]);
}

/* Where the core does not promise to put, allocate and free outside of locks: what an execution shows of that. */
static void note_under_lock(void)
{
	int i;

	if (core->facts.counts_handles || driver_asks_under_lock || progress.interrupted || options.flags & XP_O_NO_UNDER_LOCK)
		return;
	for (i = 0; i < nr_found; i++)
		if (found[i].finding.kind == XP_K_LIVELOCK)
			return;
	engine.strategy = &strategy_schedule;
	schedule_length = 0;
	schedule_free_after = true;
	schedule_lenient = false;
	strategy_schedule.begin();
	driver_asks_under_lock = true;
	engine_run();
	driver_asks_under_lock = false;
	failures_note(XP_K_UNDER_LOCK);
}

/* Classes that were executed one by one are there. */
static void settle_estimate(void)
{
	double executed = (double)(strategy_now == XP_S_DPOR || strategy_now == XP_S_SLEEP ? result.executions :
				   result.sampled[XP_S_DPOR]);

	if (executed > result.estimate_low)
		result.estimate_low = executed;
	if (result.estimate > 0 && result.estimate < result.estimate_low)
		result.estimate = result.estimate_low;
	if (result.estimate_high < result.estimate_low)
		result.estimate_high = 0;
}

void search_name_objects(void)
{
	/* One more execution, for the names of the objects. */
	engine.strategy = &strategy_schedule;
	schedule_length = 0;
	schedule_free_after = true;
	strategy_schedule.begin();
	engine.logging = true;
	progress.told_by = 0;		/* not if it takes long */
	progress.searching = false;
	engine_run();
	contention_finish();
}

void search_conclude(bool exhausted, struct xp_result *out)
{
	double deadline;
	int i;

	if (strategy_now == XP_S_DPOR || strategy_now == XP_S_NAIVE || strategy_now == XP_S_SLEEP)
		result.mass = exhausted ? 1 : path_mass > 1 ? 1 : path_mass;
	else if (exhausted)
		result.mass = 1;
	if (exhausted || nr_found)
		memset(result.sampled, 0, sizeof(result.sampled));
	if (!exhausted)
		settle_estimate();
	result.exhausted = exhausted;
	result.interrupted = progress.interrupted;
	result.strategy = strategy_now;
	result.seconds = now_seconds() - progress.began;
	result.nr_tasks = engine.nr_ids + 1;
	if (options.flags & XP_O_CLASSES)
		result.classes = outcomes_nr_classes();
	else if (strategy_now == XP_S_DPOR || strategy_now == XP_S_SLEEP)
		result.classes = result.executions;
	result.reset_ns = engine_measure_reset();

	settle_predictions();
	failures_merge_predictions();
	failures_finish();
	why_not = why_not ? why_not : orders_why();
	progress.searching = false;
	deadline = now_seconds() + (progress.interrupted ? 0.05 : 5);
	progress.told_by = now_seconds() + 0.1;
	note_under_lock();
	for (i = 0; i < nr_found; i++) {
		if (!(options.flags & XP_O_NO_SHRINK) && !found[i].is_note && i < 8 && found[i].finding.kind != XP_K_EXPLORER)
			shrink(&found[i], progress.told_by = deadline);
		progress.told_by = now_seconds() + 5;
		record_failure(&found[i]);
		/* A failing execution may have works that the last one of the search did not come to. */
		if (result.nr_tasks <= engine.nr_ids)
			result.nr_tasks = engine.nr_ids + 1;
		result.nr_notes += found[i].is_note;
		result.nr_failures += !found[i].is_note;
	}
	result.nr_outcomes = outcomes_finish();
	search_name_objects();
	result.nr_contended = contention_shown();
	verdict(exhausted);
	*out = result;
}
