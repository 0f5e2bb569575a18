// SPDX-License-Identifier: GPL-2.0-only
/*
 * One execution after the other, by a strategy, until that is through, the time is, or enough was found.
 *
 * Every 1,024th execution runs twice and has to come to the same hash: a core with a variable that outlives an execution,
 * or a runtime with one, shows here and not as a wrong answer.
 */
#include <string.h>

#include "lanes.h"
#include "search.h"

#define CHECK_EVERY 1024
#define AFTER_FAILURE 1000
#define FIRST_LOOK 2000		/* executions that take less than finding out how many there are */
#define WEIGHT_OF_CUT 50	/* executions that one counts for whose loop had to be waited for */

struct xp_result result;
int strategy_now;
const char *why_not;
static u64 cuts;

void search_begin(void)
{
	memset(&result, 0, sizeof(result));
	result.bound = -1;
	why_not = NULL;
	path_mass = 0;
	search_latest = 0;
	cuts = 0;
}

/*
 * An estimate that was too low rises with what is executed, and comes to that in the end: what is not done yet is what the
 * estimate leaves, or at least as much again as was done, less the part that is done of the tree.
 */
static double estimate_now(double mass)
{
	double executed = (double)result.executions, left = result.estimate - executed;

	if (result.estimate <= 0 || (strategy_now != XP_S_DPOR && strategy_now != XP_S_SLEEP))
		return result.estimate;
	return executed + (1 - mass) * (left > executed ? left : executed);
}

void search_progress(struct xp_progress *p)
{
	double by_mass = -1, by_estimate = -1;

	*p = (struct xp_progress){
		.seconds = p->seconds, .mass = result.mass, .estimate = result.estimate, .eta = -1,
		.executions = result.executions, .blocked = result.blocked, .strategy = strategy_now,
		.failures = nr_found, .bound = strategy_now == XP_S_BOUND ? path_bound : -1,
	};
	if (strategy_now != XP_S_RANDOM && strategy_now != XP_S_PCT && strategy_now != XP_S_ESTIMATE &&
	    strategy_now != XP_S_ORACLE && path_mass > p->mass && strategy_now != XP_S_BOUND)
		p->mass = path_mass;
	result.mass = p->mass;
	p->estimate = estimate_now(p->mass);
	if (p->mass > 1e-6)
		by_mass = p->seconds / p->mass - p->seconds;
	if (p->estimate > 0 && p->executions > 0 && strategy_now != XP_S_NAIVE)
		by_estimate = p->estimate > (double)p->executions ?
			(p->estimate - (double)p->executions) * p->seconds / (double)p->executions : 0;
	if (by_mass >= 0 && by_estimate >= 0)
		p->eta = (by_mass + by_estimate) / 2;
	else
		p->eta = by_mass >= 0 ? by_mass : by_estimate;
}

/* --- what an execution was --- */

static void self_check(const struct strategy *strategy)
{
	u64 hash = engine.hash;
	int end = engine.end, depth = engine.depth, fresh = engine.fresh_from;

	result.self_checks++;
	engine.strategy = &strategy_repeat;
	engine.fresh_from = depth;
	if (engine_run() == END_STOPPED)
		end = END_STOPPED;
	else if (engine.hash != hash || engine.depth != depth || (engine.end != end && end != END_BLOCKED))
		why_not = "an execution that was run twice did not go the same way: the core or the explorer keeps state";
	engine.strategy = strategy;
	engine.fresh_from = fresh;
	engine.depth = depth;
	engine.end = end;
	engine.hashing = false;
}

/*
 * An execution that was given up, since what follows has been seen: what its beginning showed is not looked for again
 * where others repeat that. Whether the driver keeps its contract is not known before the end, so it is run to there.
 */
static bool collect_beginning(void)
{
	struct choice *choices;
	struct aside aside;
	const char *why;
	bool news = false;
	int length;

	if (engine.end == END_STOPPED || monitor_clauses)
		return engine.nr_findings && failures_collect(result.executions + 1);
	if (!failures_tell_more())
		return false;
	choices = copy_schedule(&length);
	if (choices && aside_begin(&aside)) {
		schedule_lenient = false;
		schedule_free_after = true;
		failure_reproduces(choices, length, 0);
		schedule_free_after = false;
		news = failures_collect(result.executions + 1);
		why = orders_judge(result.executions + 1, &news);
		why_not = why_not ? why_not : why;
		aside_end(&aside);
	} else {
		why_not = "no memory";
	}
	free(choices);
	return news;
}

/* True: something failed. */
bool search_account(bool count)
{
	const char *why;
	bool news;

	lanes_run();
	if (engine.depth > result.deepest)
		result.deepest = engine.depth;
	if (engine.end == END_BLOCKED || engine.end == END_STOPPED) {
		result.blocked += engine.end == END_BLOCKED;
		news = collect_beginning();
		if (news && !result.first_failure && nr_found)
			result.first_failure = result.executions + 1;
		return news;
	}
	if (!count)
		return false;
	result.executions++;
	cuts += engine.cut && result.first_failure;
	result.preemptions[engine.preemptions < XP_PREEMPTIONS ? engine.preemptions : XP_PREEMPTIONS - 1]++;
	if (engine.end == END_COMPLETE && outcomes_collect(1))
		witness_outcome(result.executions);
	if (options.flags & XP_O_CLASSES)
		outcomes_collect_class();
	lock_order_end(monitor_clauses);
	news = (engine.nr_findings || lock_order_new) && failures_collect(result.executions);
	witness_orders(result.executions);
	why = orders_judge(result.executions, &news);
	if (why && !why_not)
		why_not = why;
	if (news && !result.first_failure && nr_found)
		result.first_failure = result.executions;
	return news;
}

bool search_looks_first;

u64 search_further(void)
{
	return result.executions + result.blocked + cuts * WEIGHT_OF_CUT - result.first_failure;
}

bool search_enough(void)
{
	if (search_looks_first && !nr_found && result.executions + result.blocked >= FIRST_LOOK)
		return true;
	if (options.max_executions && result.executions >= options.max_executions)
		return true;
	if (options.max_runs && result.executions + result.blocked >= options.max_runs)
		return true;
	if (nr_found && !(options.flags & XP_O_ALL_FAILURES))
		return result.first_failure &&
		       search_further() >= (options.after_failure ? options.after_failure : AFTER_FAILURE);
	return false;
}

double search_latest;

/*
 * The share of a search by classes is used up. Half of it done is a pass that is near; nothing done of one that has millions of
 * years to go says that the rest of the time is better spent on samples.
 */
static bool goes_on(const struct strategy *strategy, double *end)
{
	double now = now_seconds(), took = now - progress.began, by_mass, by_estimate;

	if (strategy != &strategy_dpor || now >= search_latest)
		return false;
	by_mass = path_mass > 0 ? took / path_mass : 1e300;
	by_estimate = result.estimate > 0 ? 2 * result.estimate * took / (double)(result.executions + 1) : 1e300;
	if ((by_mass < by_estimate ? by_mass : by_estimate) > 2 * (search_latest - progress.began))
		return false;
	*end = now + (search_latest - now) / 4 + 0.01;
	if (*end > search_latest)
		*end = search_latest;
	return true;
}

const struct xp_job *search_job;
const char search_does_not_fit[] = "a job does not fit: it is of another scenario, core or build";

static bool take_job(void)
{
	enum job_taken taken = job_take(search_job);

	if (taken == JOB_DOES_NOT_FIT)
		why_not = search_does_not_fit;
	return taken == JOB_TAKEN;
}

int search_run(const struct strategy *strategy, double seconds)
{
	double end = seconds > 0 ? now_seconds() + seconds : 0;
	bool check = !(options.flags & XP_O_NO_SELF_CHECK);
	int more;

	engine.strategy = strategy;
	strategy->begin();
	if (search_job && !take_job())
		return 0;
	do {
		engine.strategy = strategy;
		engine.hashing = check && result.executions % CHECK_EVERY == 0;
		engine_run();
		if (engine.end != END_COMPLETE && engine.nr_findings && engine.findings[0].kind == XP_K_EXPLORER)
			why_not = engine.findings[0].text;
		/* Who loops keeps all others from running, and conflicts with none of them: they go first, too. */
		if (engine.cut && engine.parallel && engine.depth && strategy == &strategy_dpor)
			path_want(engine.depth - 1, engine.nodes[engine.depth - 1].enabled);
		/* With a bound, executions of a smaller one were counted when it was its turn. */
		search_account(strategy != &strategy_bound || engine.preemptions == path_bound);
		/* How much of a loop was seen is no matter of the way. */
		if (engine.hashing && engine.end != END_BLOCKED && engine.end != END_STOPPED && !engine.cut)
			self_check(strategy);
		engine.hashing = false;
		if (progress_must_stop() || why_not || search_enough())
			return 0;
		if (end > 0 && (progress.runs % LOOK_EVERY == 0 || engine.depth > 500 || orders_judged > 1000) &&
		    now_seconds() >= end && !goes_on(strategy, &end))
			return 0;
		more = strategy->next();
	} while (more);
	return 1;
}

int search_bounds(double seconds)
{
	double end = seconds > 0 ? now_seconds() + seconds : 0;

	strategy_now = XP_S_BOUND;
	for (path_bound = 0; options.bound < 0 || path_bound <= options.bound; path_bound++) {
		double left = end > 0 ? end - now_seconds() : 0;

		if (end > 0 && left <= 0)
			return 0;
		if (!search_run(&strategy_bound, left))
			return 0;
		result.bound = path_bound;
		if (!path_was_cut)
			return 1;
	}
	return 0;
}
