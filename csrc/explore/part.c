// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parts of a search: done one by one, in any process and any order, and put together.
 *
 * What a part says of itself is numbers, and executions: one for each thing that it was the first to see there, a failure,
 * locks taken in an order, an outcome. Whoever puts the parts together runs these again. So what a search knows is made
 * in one process from what happens in it, with its own addresses and names; a lock order that is closed by two parts is
 * found, too. No failure is believed that is only told. What is believed is how many executions there were, and that a part
 * that tells of no failure met none: whoever does a part has the same build (_setting.py), and is trusted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search.h"

/* --- what a part says of itself --- */

static void say(struct xp_part *part)
{
	memcpy(part->preemptions, result.preemptions, sizeof(part->preemptions));
	part->deepest = result.deepest;
	part->executions = result.executions;
	part->blocked = result.blocked;
	part->self_checks = result.self_checks;
	part->first_failure = result.first_failure;
	part->further = result.first_failure ? search_further() : 0;
	part->estimate = result.estimate;
	part->seconds = now_seconds() - progress.began;
	part->stopped = progress.interrupted;
	part->nr_witnesses = witnesses_finish();
	part->nr_tasks = engine.nr_ids;
	search_name_objects();
	part->nr_contended = contention_shown();
	part->why = why_not ? why_not : part->nr_witnesses < 0 ? "no memory" : NULL;
	part->unproved = orders_unproved;
}

const struct xp_task *xp_part_task(int index)
{
	static struct xp_task task;

	if (index < 0 || index >= engine.nr_ids)
		return NULL;
	task = (struct xp_task){ .parent = engine.tasks[index + 1].parent, .nth = engine.tasks[index + 1].nth, .section = -1 };
	return &task;
}

/* --- the face --- */

int xp_plan(const int32_t *code, size_t nr_words, const struct xp_options *wanted, struct xp_result *out, struct xp_part *part)
{
	int ret = search_enter(code, nr_words, wanted);

	memset(part, 0, sizeof(*part));
	if (ret)
		return ret;
	witnesses_wanted = orders_put_off = true;
	part->strategy = search_plan(out);
	if (part->strategy == XP_S_AUTO)
		part->verdict = out->verdict;
	else
		say(part);
	search_leave();
	return 0;
}

static const struct strategy *const strategies[XP_STRATEGIES] = {
	[XP_S_DPOR] = &strategy_dpor, [XP_S_NAIVE] = &strategy_naive, [XP_S_SLEEP] = &strategy_sleep,
	[XP_S_BOUND] = &strategy_bound,
};

/* The tasks of the part before this one, and the search that it was of. */
static struct xp_task tasks[MAX_TASKS];
static int nr_tasks;
static u64 part_of, numbering = 1;

static u64 hash_words(u64 h, const void *data, size_t size)
{
	const u8 *bytes = data;

	while (size--)
		h = (h ^ *bytes++) * 0x100000001b3ull;
	return h;
}

/*
 * Orders of calls and answers are judged by tasks' numbers, so what the part before knows of them holds where this one gives
 * the same: then it begins with all that were given there.
 */
static struct xp_job follow(const struct xp_job *job, const int32_t *code, size_t nr_words)
{
	struct xp_job longer = *job;
	u64 search = hash_words(0xcbf29ce484222325ull, code, nr_words * sizeof(*code));
	int i;

	search = hash_words(search, &core, sizeof(core));
	search = hash_words(search, &options.flags, sizeof(options.flags));
	search = hash_words(search, &options.max_steps, sizeof(options.max_steps)) | 1;
	for (i = 0; i < job->nr_tasks && i < nr_tasks; i++)
		if (job->tasks[i].parent != tasks[i].parent || job->tasks[i].nth != tasks[i].nth)
			break;
	if (search == part_of && i == job->nr_tasks) {
		longer.tasks = tasks;
		longer.nr_tasks = nr_tasks;
		orders_keep(numbering);
	} else {
		part_of = search;
		orders_keep(numbering += 2);
	}
	return longer;
}

static void leave_tasks(void)
{
	int i;

	for (i = 0; i < engine.nr_ids; i++)
		tasks[i] = *xp_part_task(i);
	nr_tasks = engine.nr_ids;
}

int xp_do_job(const int32_t *code, size_t nr_words, const struct xp_options *wanted, const struct xp_job *job, int rest,
	      struct xp_part *part)
{
	int ret = search_enter(code, nr_words, wanted), over;
	struct xp_job longer;

	memset(part, 0, sizeof(*part));
	if (ret)
		return ret;
	longer = follow(job, code, nr_words);
	job = &longer;
	witnesses_wanted = orders_put_off = true;
	part->strategy = strategy_now = options.strategy;
	if (strategies[options.strategy]) {
		path_bound = options.strategy == XP_S_BOUND ? job->bound : 0;
		search_job = job;
		over = search_run(strategies[options.strategy], 0);
		search_job = NULL;
		part->taken = result.executions + result.blocked > 0;
		part->was_cut = path_was_cut;
		/* Between two executions the strategy says where to go on; in the middle of one, there again. */
		if (part->taken && !over && engine.end != END_STOPPED && !why_not)
			over = !strategies[options.strategy]->next();
		part->mass = part->taken ? path_mass : 0;
		part->nr_jobs = over || !part->taken || why_not ? 0 : job_rest(rest);
		if (part->nr_jobs < 0)
			why_not = "no memory";
		leave_tasks();
	} else {
		why_not = "this strategy has no tree to take a part of";
	}
	say(part);
	search_leave();
	return 0;
}

/* --- together --- */

static bool run_again(const struct xp_witness *w)
{
	u64 key = w->key;
	bool shows = false;
	int i, n;

	for (i = 0; i < w->nr_choices; i++)
		if (w->choices[2 * i] >= MAX_TASKS)
			return false;
	if (failure_reproduces((const struct choice *)w->choices, w->nr_choices, 0) || schedule_diverged >= 0)
		return false;
	switch (w->shows) {
	case XP_SHOWS_OUTCOME:
		shows = engine.end == END_COMPLETE;
		if (shows)
			outcomes_collect(w->count);
		return shows;
	case XP_SHOWS_ORDER:
		lock_order_end(monitor_clauses);
		for (i = 0; i < engine.nr_findings; i++)
			if (engine.findings[i].kind == XP_K_DEADLOCK)
				lock_order_deadlock(engine.findings[i].detail, !monitor_clauses);
		if (lock_order_new && !(scenario.expected >> XP_K_LOCK_ORDER & 1))
			failures_collect_orders(w->execution);
		return true;
	default:
		/* What else it shows, now that it runs alone, was for the part to say. */
		for (i = 0, n = 0; i < engine.nr_findings; i++)
			if (finding_signature(&engine.findings[i]) == key)
				engine.findings[n++] = engine.findings[i];
		engine.nr_findings = n;
		failures_collect(w->execution);
		for (i = 0; i < nr_found; i++)
			if (found[i].signature == key) {
				found[i].count = w->count;
				found[i].execution = w->execution;
				return true;
			}
		return false;
	}
}

int xp_conclude(const int32_t *code, size_t nr_words, const struct xp_options *wanted, const struct xp_totals *totals,
		struct xp_result *out)
{
	static char why[240];
	int ret = search_enter(code, nr_words, wanted), pass, i;

	if (ret)
		return ret;
	for (i = 0; i < totals->nr_tasks; i++)
		if (!engine_number_task(totals->tasks[i].parent, totals->tasks[i].nth))
			why_not = search_does_not_fit;
	strategy_now = totals->strategy;
	record_repeats = schedule_free_after = true;
	/* A cycle is a failure of several executions: first those that show the orders. */
	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < totals->nr_witnesses && !why_not; i++)
			if ((totals->witnesses[i].shows == XP_SHOWS_ORDER) == !pass && !run_again(&totals->witnesses[i]))
				why_not = "an execution of a part of the search does not go the same way again: it is of another "
					  "scenario, core or build, or the core keeps state";
	record_repeats = schedule_free_after = false;
	if (totals->why && !why_not) {
		snprintf(why, sizeof(why), "%s", totals->why);
		why_not = why;
	}
	orders_unproved = totals->unproved;
	progress.interrupted = totals->interrupted;
	progress.stop = totals->interrupted;
	result.executions = totals->executions;
	result.blocked = totals->blocked;
	result.self_checks = totals->self_checks;
	result.first_failure = totals->first_failure;
	result.deepest = totals->deepest;
	result.estimate = totals->estimate;
	result.bound = totals->bound;
	memcpy(result.preemptions, totals->preemptions, sizeof(result.preemptions));
	path_mass = totals->mass;
	if (totals->race_walks)
		search_walk_after_races();
	search_conclude(totals->exhausted, out);
	out->seconds = totals->seconds;
	out->classes = totals->classes;
	search_leave();
	return 0;
}
