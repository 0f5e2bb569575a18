// SPDX-License-Identifier: GPL-2.0-only
/* Schedules that are given: the one that just ran (to check or to tell it), and one that was written down. */
#include <string.h>

#include "strategy.h"

/* --- the last execution, again, as the nodes say: whoever is asked has come further than that --- */

static int repeat_pick(u64 enabled, int previous)
{
	(void)enabled;
	(void)previous;
	return -2;
}

const struct strategy strategy_repeat = { .name = "repeat", .pick = repeat_pick };

/* --- a schedule --- */

const struct choice *schedule_choices;
int schedule_length, schedule_diverged;
bool schedule_free_after, schedule_lenient;

static int taken;	/* of the choices: in the lenient way those that do not fit are passed over */

static void schedule_begin(void)
{
	schedule_diverged = -1;
	engine.fresh_from = 0;
	hb_footprint_top = 0;
}

static int schedule_pick(u64 enabled, int previous)
{
	struct node *node = &engine.nodes[engine.depth];
	const struct choice *c;
	int task;

	node->enabled = enabled;
	if (!engine.depth)
		taken = 0;
	while (schedule_lenient && taken < schedule_length && !(enabled >> schedule_choices[taken].task & 1))
		taken++;
	c = &schedule_choices[taken++];
	if (taken > schedule_length) {
		if (!schedule_free_after) {
			schedule_diverged = engine.depth;
			return -2;
		}
		task = previous >= 0 ? previous : __builtin_ctzll(enabled);
		node->alternative = 0;
	} else {
		task = c->task;
		if (!(enabled >> task & 1)) {
			schedule_diverged = engine.depth;
			return -2;
		}
		node->alternative = c->alternative;
	}
	engine.alternative = node->alternative;
	return task;
}

const struct strategy strategy_schedule = {
	.name = "schedule", .begin = schedule_begin, .pick = schedule_pick,
};

/* --- a schedule that was written down, with what is expected of it --- */

static const struct xp_run *given;
static int nr_given, run_now, run_left;
static struct xp_divergence *report;

static bool same(const char *a, const char *b)
{
	return !a || !b || !strcmp(a, b);
}

static int diverge(const struct task *found)
{
	report->happened = 1;
	report->run = run_now;
	report->step = engine.depth;
	if (run_now < nr_given) {
		report->expected_op = given[run_now].op;
		report->expected_object = given[run_now].object;
	}
	if (found) {
		report->found_op = record_text("%s", found->pending.class->name);
		report->found_object = record_object(found->pending.addr);
	}
	return -2;
}

/*
 * Alternatives of a choice are a run of their own: its first operation says "fails" after its name when the second one was
 * taken. They end the run.
 */
static int runs_pick(u64 enabled, int previous)
{
	struct node *node = &engine.nodes[engine.depth];
	const struct task *t;
	bool first;

	if (run_now < nr_given && !run_left) {
		run_now++;
		run_left = run_now < nr_given ? given[run_now].steps : 0;
	}
	if (run_now >= nr_given) {
		report->run = run_now;
		return diverge(&engine.tasks[previous >= 0 ? previous : __builtin_ctzll(enabled)]);
	}
	first = run_left == given[run_now].steps;
	t = given[run_now].task >= 0 && given[run_now].task < MAX_TASKS ? &engine.tasks[given[run_now].task] : NULL;
	if (!t || !(engine.used >> t->id & 1) || t->state != TASK_LIVE || !(enabled >> t->id & 1))
		return diverge(t && engine.used >> t->id & 1 && t->state == TASK_LIVE ? t : NULL);
	node->alternative = 0;
	if (first) {
		const char *op = given[run_now].op;
		size_t length = op ? strlen(op) : 0;
		bool fails = t->pending.class == &op_choice && length > 6 && !strcmp(op + length - 6, " fails");

		if (fails)
			node->alternative = 1;
		else if (!same(op, t->pending.class->name))
			return diverge(t);
		if (!same(given[run_now].object, record_object(t->pending.addr)))
			return diverge(t);
	}
	run_left--;
	engine.alternative = node->alternative;
	return t->id;
}

static const struct strategy strategy_runs = { .name = "replay", .pick = runs_pick };

void replay_runs(const struct xp_run *runs, int nr_runs, struct xp_divergence *divergence)
{
	given = runs;
	nr_given = nr_runs;
	run_now = 0;
	run_left = nr_runs ? runs[0].steps : 0;
	report = divergence;
	engine.strategy = &strategy_runs;
	engine.fresh_from = 0;
	hb_footprint_top = 0;
	/* Objects have their numbers only with a history. */
	engine.logging = engine.hashing = true;
	engine_run();
	engine.logging = engine.hashing = false;
	/* It was over before the schedule was. */
	if (engine.end == END_COMPLETE && !divergence->happened && (run_left || run_now < nr_given - 1)) {
		if (!run_left)
			run_now++;
		diverge(NULL);
	}
}
