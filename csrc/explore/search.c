// SPDX-License-Identifier: GPL-2.0-only
/*
 * A search: one execution after the other, until the strategy is through, the budget is, or somebody says stop.
 *
 * Every 1,024th execution runs twice and has to come to the same hash: a core with a variable that outlives an execution,
 * or a runtime with one, shows here and not as a wrong answer. The verdict is made in one place, verdict(), which takes a
 * pass only with its evidence.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "search.h"

#define CHECK_EVERY 1024
#define AFTER_FAILURE 1000
#define FIRST_LOOK 2000		/* executions that take less than finding out how many there are */
#define AFTER_RACES 2000	/* random executions */
#define NOTHING_NEW 350		/* of these, in a row: it is unlikely that more show more */
#define FEW_ORDERS 64		/* of an execution that is one of a sample */
#define UNLIMITED 10.0		/* seconds of sampling where nobody said how long */
#define WEIGHT_OF_CUT 50	/* executions that one counts for whose loop had to be waited for */

struct xp_result result;
static u64 cuts;
int strategy_now;
const char *why_not;
static char error[240];
static s32 code_copy[MAX_RECORDS * XP_WORDS];
static int busy;
static pid_t owner;

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

static void fill_progress(struct xp_progress *p)
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

/* --- executions --- */

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
static bool account(bool count)
{
	const char *why;
	bool news;

	orders_run();
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

static bool looks_first;

u64 search_further(void)
{
	return result.executions + result.blocked + cuts * WEIGHT_OF_CUT - result.first_failure;
}

static bool enough(void)
{
	if (looks_first && !nr_found && result.executions + result.blocked >= FIRST_LOOK)
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

static double latest;		/* DPOR gets until then, if it gets on well; 0: what it was given */

/*
 * The share of a search by classes is used up. Half of it done is a pass that is near; nothing done of one that has millions of
 * years to go says that the rest of the time is better spent on samples.
 */
static bool goes_on(const struct strategy *strategy, double *end)
{
	double now = now_seconds(), took = now - progress.began, by_mass, by_estimate;

	if (strategy != &strategy_dpor || now >= latest)
		return false;
	by_mass = path_mass > 0 ? took / path_mass : 1e300;
	by_estimate = result.estimate > 0 ? 2 * result.estimate * took / (double)(result.executions + 1) : 1e300;
	if ((by_mass < by_estimate ? by_mass : by_estimate) > 2 * (latest - progress.began))
		return false;
	*end = now + (latest - now) / 4 + 0.01;
	if (*end > latest)
		*end = latest;
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
		account(strategy != &strategy_bound || engine.preemptions == path_bound);
		/* How much of a loop was seen is no matter of the way. */
		if (engine.hashing && engine.end != END_BLOCKED && engine.end != END_STOPPED && !engine.cut)
			self_check(strategy);
		engine.hashing = false;
		if (progress_must_stop() || why_not || enough())
			return 0;
		if (end > 0 && (progress.runs % LOOK_EVERY == 0 || engine.depth > 500 || orders_judged > 1000) &&
		    now_seconds() >= end && !goes_on(strategy, &end))
			return 0;
		more = strategy->next();
	} while (more);
	return 1;
}

static int run_bounds(double seconds)
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

/* --- verdict --- */

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
static bool has_race(void)
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

/* --- strategies --- */

static void take_estimate(struct estimate e)
{
	result.estimate = e.mean;
	result.estimate_low = e.low;
	result.estimate_high = e.high;
	result.estimate_why = e.why;
}

static int nr_probes;

/* What the walks of the estimate happen upon is found. */
static bool collect_probe(int probe)
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

	if (!has_race())
		return;
	random_forget();
	engine.strategy = &strategy_random;
	strategy_random.begin();
	while (result.executions < end && quiet < NOTHING_NEW && !progress_must_stop()) {
		engine.strategy = &strategy_random;
		engine_run();
		quiet = account(true) ? 0 : quiet + 1;
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
	looks_first = true;
	*whole_tree = run_classes(seconds);
	looks_first = false;
	if (why_not == orders_too_many) {
		why_not = NULL;
		*whole_tree = false;
	}
	if (*whole_tree || progress.stop || why_not || nr_found || enough())
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
static bool mix(double seconds)
{
	double end = now_seconds() + seconds, slice = seconds / 21;
	bool bounds = true, whole = false;
	int round;

	for (round = 0; !progress.stop && !why_not && !enough() && now_seconds() < end && !whole; round++, slice *= 2) {
		pct_depth(options.depth ? options.depth : 2 + round % 3);
		sample(XP_S_PCT, slice);
		if (progress.stop || why_not || enough())
			break;
		sample(XP_S_RANDOM, slice);
		if (bounds && !progress.stop && !why_not && !enough())
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

static bool only_plans;
static int planned;

/* What may take long is left to whoever asked for a plan. */
static bool is_planned(int strategy)
{
	if (!only_plans || (nr_found && !(options.flags & XP_O_ALL_FAILURES)))
		return false;
	planned = strategy;
	return true;
}

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
	take_estimate(estimate_classes(budget < 1 ? budget / 20 : 0.05, true, collect_probe));
	orders_most = 0;
	/* An execution takes about as long as a walk did, and the estimate has its usual error. */
	whole = result.estimate > 0 && nr_probes ? result.estimate * 2 * (now_seconds() - walked) / nr_probes : budget;
	before = result.executions;
	if (!progress.stop && !nr_found && whole > burst) {
		/* A short burst: what is easy to hit is hit at once. Where all of it takes no longer, it is not worth it. */
		random_seed(options.seed);
		pct_depth(options.depth ? options.depth : 3);
		sample(XP_S_PCT, burst / 2);
		if (!progress.stop && !why_not && !enough())
			sample(XP_S_RANDOM, burst / 2);
		if (!nr_found)
			result.executions = before;
	}
	if (why_not || enough())
		return false;
	left = budget - (now_seconds() - progress.began);
	/* At a third of a million executions a second, with the estimate's usual error. */
	fits = result.estimate <= 0 || result.estimate * 2 < left * 330e3 * (options.workers ? options.workers : 1);
	if (!progress.stop && fits && is_planned(XP_S_DPOR))
		return false;
	latest = options.budget > 0 ? progress.began + 0.95 * budget : 0;
	if (!progress.stop) {
		whole_tree = run_classes(options.budget > 0 ? left * (fits ? 0.5 : 0.25) : 0);
		if (whole_tree || nr_found)
			return whole_tree;
		result.sampled[XP_S_DPOR] = result.executions - before;
		if (why_not == orders_too_many)
			why_not = NULL;
		left = options.budget > 0 ? budget - (now_seconds() - progress.began) : UNLIMITED;
		if (left > 0 && !progress.stop && !why_not && !enough() && mix(left))
			return true;
	}
	if (!nr_found && result.sampled[XP_S_PCT] + result.sampled[XP_S_RANDOM] + result.sampled[XP_S_BOUND]) {
		strategy_now = XP_S_AUTO;
		result.executions = result.sampled[XP_S_DPOR] + result.sampled[XP_S_PCT] + result.sampled[XP_S_RANDOM] +
				    result.sampled[XP_S_BOUND];
	}
	return false;
}

static bool run_strategy(void)
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
		return run_bounds(0);
	case XP_S_ORACLE:
		random_forget();
		do {
			why_not = oracle_run(&result.executions);
			result.deepest = engine.depth > result.deepest ? engine.depth : result.deepest;
		} while (!why_not && !progress_must_stop() && !enough());
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

/* --- the face --- */

const char *xp_error(void)
{
	return error;
}

const char *xp_unusable(void)
{
	if (dlsym(RTLD_DEFAULT, "__tsan_mutex_create"))
		return "ThreadSanitizer's runtime is in this process, and its hooks would get the accesses of the core: run "
		       "the explorer in a process without it";
	return NULL;
}

static int fail(int code, const char *format, ...) __printf(2, 3);
static int fail(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, sizeof(error), format, args);
	va_end(args);
	return code;
}

int search_enter(const s32 *code, size_t nr_words, const struct xp_options *wanted)
{
	const char *why = xp_unusable();

	if (why)
		return fail(-ENOTSUP, "%s", why);
	if (owner != getpid()) {
		/* In the child of a fork nobody else runs. */
		owner = getpid();
		busy = 0;
	}
	if (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
		return fail(-EBUSY, "another search is running in this process");
	if (nr_words > MAX_RECORDS * XP_WORDS) {
		busy = 0;
		return fail(-EINVAL, "the scenario has more than %d records", MAX_RECORDS);
	}
	if (engine_init()) {
		busy = 0;
		return fail(-ENOMEM, "no memory for the explorer");
	}
	failures_reset();
	record_reset();
	names_reset();
	signatures_reset();
	outcomes_reset();
	contention_reset();
	lock_order_reset();
	orders_reset();
	given_reset();
	witnesses_reset();
	orders_put_off = orders_unproved = false;
	memcpy(code_copy, code, nr_words * sizeof(*code));
	why = scenario_load(code_copy, nr_words);
	options = *wanted;
	core = options.core ? options.core : xp_core(0);
	if (why || !core || options.strategy < 0 || options.strategy >= XP_STRATEGIES) {
		busy = 0;
		return fail(-EINVAL, "%s", why ? why : core ? "there is no such strategy" : "there is no core");
	}
	/* Of the cores that were loaded, the one that runs. */
	shadow_forget_images();
	shadow_add_image(core);

	engine_new_scenario();
	engine.main = program_main;
	engine.quiet = program_quiet;
	engine.reset = primitives_reset;
	engine.task_ends = primitives_task_ends;
	engine.lock_order = lock_order_taken;
	engine.work_ends = monitor_work_ends;
	engine.points_unlock = options.flags & XP_O_POINTS_UNLOCK;
	engine.points_free = options.flags & XP_O_POINTS_FREE;
	engine.points_plain = options.flags & XP_O_POINTS_PLAIN;
	engine.symmetry = !(options.flags & XP_O_NO_SYMMETRY);
	engine.commute = options.flags & XP_O_COMMUTE;
	engine.max_steps = options.max_steps > 0 && options.max_steps < 30000 ? options.max_steps : 4000;
	engine.logging = engine.hashing = false;
	schedule_free_after = schedule_lenient = false;
	driver_asks_under_lock = options.flags & XP_O_UNDER_LOCK;
	monitor_as_upstream = options.flags & XP_O_AS_UPSTREAM;

	memset(&result, 0, sizeof(result));
	result.bound = -1;
	progress_begin(fill_progress);
	why_not = NULL;
	path_mass = 0;
	random_seed(options.seed);
	pct_forget();
	orders_most = 0;
	latest = 0;
	cuts = 0;
	crash_guard_begin();
	watchdog_begin();
	return 0;
}

void search_leave(void)
{
	watchdog_end();
	crash_guard_end();
	engine.logging = engine.hashing = false;
	__atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
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

int xp_explore(const int32_t *code, size_t nr_words, const struct xp_options *wanted, struct xp_result *out)
{
	int ret = search_enter(code, nr_words, wanted);

	if (ret)
		return ret;
	given_try(collect_probe);
	search_conclude(run_strategy(), out);
	search_leave();
	return 0;
}

int search_plan(struct xp_result *out)
{
	bool exhausted;

	only_plans = true;
	planned = XP_S_AUTO;
	given_try(collect_probe);
	exhausted = run_strategy();
	only_plans = false;
	if (!planned || why_not || progress.stop) {
		planned = XP_S_AUTO;
		search_conclude(exhausted, out);
	}
	return planned;
}

/* A schedule whose tasks or records cannot be those of any search. */
static bool schedule_is_sound(const struct xp_schedule *schedule)
{
	int i;

	for (i = 0; i < schedule->nr_dropped; i++)
		if (schedule->dropped[i] < 0 || schedule->dropped[i] >= scenario.nr_records)
			return false;
	for (i = 0; i < schedule->nr_tasks; i++)
		if (!engine_number_task(schedule->tasks[i].parent, schedule->tasks[i].nth))
			return false;
	return true;
}

static void drop(struct found *f, const struct xp_schedule *schedule)
{
	int i;

	f->dropped = schedule->nr_dropped ? calloc((size_t)schedule->nr_dropped, sizeof(*f->dropped)) : NULL;
	for (i = 0; f->dropped && i < schedule->nr_dropped; i++)
		f->dropped[f->nr_dropped++] = schedule->dropped[i];
}

int xp_replay(const int32_t *code, size_t nr_words, const struct xp_options *wanted, const struct xp_schedule *schedule,
	      struct xp_result *out, struct xp_divergence *divergence)
{
	int ret = search_enter(code, nr_words, wanted), i;

	memset(divergence, 0, sizeof(*divergence));
	if (ret)
		return ret;
	if (!schedule_is_sound(schedule)) {
		search_leave();
		return fail(-EINVAL, "the schedule is of tasks or operations that there are none of");
	}
	for (i = 0; i < schedule->nr_dropped; i++)
		scenario.dropped[schedule->dropped[i]] = 1;
	progress.searching = false;
	progress.told_by = now_seconds() + 1e9;
	replay_runs(schedule->runs, schedule->nr_runs, divergence);
	strategy_now = XP_S_AUTO;
	result.executions = 1;
	result.deepest = engine.depth;
	lock_order_end(monitor_clauses);
	if (!divergence->happened && failures_collect(1))
		result.first_failure = 1;
	failures_finish();
	for (i = 0; i < nr_found; i++) {
		drop(&found[i], schedule);
		record_failure(&found[i]);
	}
	result.nr_failures = nr_found;
	divergence->kind = nr_found ? found[0].finding.kind : XP_K_NONE;
	result.seconds = now_seconds() - progress.began;
	result.verdict = nr_found ? XP_V_FAIL : XP_V_SAMPLED;
	result.nr_tasks = engine.nr_ids + 1;
	*out = result;
	search_leave();
	return 0;
}
