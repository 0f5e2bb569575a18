// SPDX-License-Identifier: GPL-2.0-only
/*
 * The face of the explorer: a search begins and ends, and a schedule is run again. What lies between is in auto.c (which
 * strategy), executions.c (one after the other) and verdict.c (what that has shown).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "search.h"

static char error[240];
static s32 code_copy[MAX_RECORDS * XP_WORDS];
static int busy;
static pid_t owner;

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

	search_begin();
	progress_begin(search_progress);
	random_seed(options.seed);
	pct_forget();
	orders_most = 0;
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

int xp_explore(const int32_t *code, size_t nr_words, const struct xp_options *wanted, struct xp_result *out)
{
	int ret = search_enter(code, nr_words, wanted);

	if (ret)
		return ret;
	given_try(search_collect);
	search_conclude(search_all(), out);
	search_leave();
	return 0;
}

int search_plan(struct xp_result *out)
{
	bool exhausted;

	search_only_plans = true;
	search_planned = XP_S_AUTO;
	given_try(search_collect);
	exhausted = search_all();
	search_only_plans = false;
	if (!search_planned || why_not || progress.stop) {
		search_planned = XP_S_AUTO;
		search_conclude(exhausted, out);
	}
	return search_planned;
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
