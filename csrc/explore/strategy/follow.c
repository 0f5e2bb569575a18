// SPDX-License-Identifier: GPL-2.0-only
/*
 * A schedule of another time, followed as far as it fits.
 *
 * A core that was edited takes other steps: a lock more, a load less, a work that somebody else queues. A list of task
 * numbers says nothing then. But a schedule that was written down says of each step which operation it was, and on which
 * object, and that is what is followed: task by task, in the order of the schedule, a step that comes as it was written
 * is taken for that one. One that does not is either *added* (the schedule's step is still to come) or what it stands for
 * was *left out* (it is a later one of the schedule's). Which of the two cannot be known before the task has gone on, so
 * there are several ways of reading it, and each costs one execution:
 *
 *  - a step may be taken for one of the task's next `ahead` steps: none, so that everything unknown is added; a few; any;
 *  - what was added at the end of a stretch belongs to it (the task goes on up to the step before which it was preempted),
 *    or to the beginning of its next one;
 *  - what was added may be just what is expected, as a second section of the same lock is. So where nothing shows, a few
 *    steps more are made at the end of one stretch, of each in turn: the neighbourhood of the schedule.
 *
 * A task that cannot go on where the schedule has it is passed over until it can. At the end of the schedule whoever runs
 * goes on. Whatever way was taken: the execution is one of the core's, so what fails in it fails.
 */
#include <stdlib.h>
#include <string.h>

#include "strategy.h"

static const struct follow_way readings[] = {
	{ 0, true, 0, 0 }, { 3, true, 0, 0 }, { MOST_AHEAD, true, 0, 0 }, { 0, false, 0, 0 }, { 1, true, 0, 0 },
	{ 3, false, 0, 0 }, { MOST_AHEAD, false, 0, 0 },
};

#define READINGS (int)(sizeof(readings) / sizeof(readings[0]))
#define NEAR 3			/* of these have a neighbourhood */
#define MORE_STEPS 4
#define MORE_STRETCHES 48

static const struct xp_schedule *given;
static struct follow_way way;
static u8 *over;			/* steps of the schedule that were taken, or left out */
static int first, nr;			/* before the first all are over */
static s8 number_of[MAX_TASKS];		/* here, of the schedule's tasks; -1: no such */
static struct follow_fit *fit;
static int stretch, more;		/* ended so far; steps yet to be made at the end of one */

static const struct xp_run *step(int i)
{
	return &given->points[i];
}

static int task_of(int i)
{
	int task = step(i)->task;

	return task >= 0 && task <= given->nr_tasks && task < MAX_TASKS ? number_of[task] : -1;
}

static void tell(bool added, int at, int task, const char *op, const char *object)
{
	if (fit->nr_differences < FOLLOW_TOLD)
		fit->told[fit->nr_differences] = (struct xp_difference){
			added, at, task, op ? record_text("%s", op) : NULL, object ? record_text("%s", object) : NULL,
		};
	fit->nr_differences++;
}

static bool same_op(const struct xp_run *s, const struct task *t, bool *fails)
{
	const char *name = t->pending.class->name;
	size_t length = strlen(name);

	*fails = false;
	if (!s->op || !strcmp(s->op, name))
		return true;
	if (t->pending.class != &op_choice || strncmp(s->op, name, length) || strcmp(s->op + length, " fails"))
		return false;
	return *fails = true;
}

/* Is that what the task is about to do? A schedule without its steps knows only those that begin a stretch. */
static bool fits(int i, const struct task *t, const char *object, bool *fails)
{
	const struct xp_run *s = step(i);

	return same_op(s, t, fails) && (!s->op || !s->object || (object && !strcmp(s->object, object)));
}

/* The task's first step that is not over, from there on, or nr. */
static int next_of(int i, int task)
{
	while (i < nr && (over[i] || task_of(i) != task))
		i++;
	return i;
}

/* Which of the task's next steps it is about to take, or -1: one that is not among them. */
static int meant(const struct task *t, bool *fails)
{
	const char *object = record_object(t->pending.addr);
	int i = next_of(first, t->id), ahead;

	for (ahead = 0; i < nr && ahead <= way.ahead; ahead++, i = next_of(i + 1, t->id))
		if (fits(i, t, object, fails))
			return i;
	*fails = false;
	return -1;
}

static bool was_dropped(const struct task *t)
{
	int i;

	for (i = 0; i < given->nr_dropped; i++)
		if (given->dropped[i] == t->record)
			return true;
	return false;
}

static int take_as(const struct task *t, int taken, bool fails)
{
	struct node *node = &engine.nodes[engine.depth];
	int i;

	if (taken >= 0) {
		for (i = next_of(first, t->id); i < taken; i = next_of(i + 1, t->id)) {
			over[i] = 1;
			tell(false, i, t->id, step(i)->op, step(i)->object);
		}
		over[taken] = 1;
		while (first < nr && over[first])
			first++;
		if (first == nr)
			fit->nr_before_end = fit->nr_differences;
	} else if (!was_dropped(t)) {
		tell(true, engine.depth, t->id, t->pending.class->name, record_object(t->pending.addr));
	}
	node->alternative = fails;
	engine.alternative = node->alternative;
	return t->id;
}

static int take(const struct task *t)
{
	bool fails;
	int taken = meant(t, &fails);

	return take_as(t, taken, fails);
}

/* It came to something new at the end of its stretch, and is expected to do more. */
static bool goes_on(const struct task *t)
{
	bool fails;

	return way.at_the_end && next_of(first, t->id) < nr && meant(t, &fails) < 0;
}

static int follow_pick(u64 enabled, int previous)
{
	u64 passed = 0;
	int i;

	engine.nodes[engine.depth].enabled = enabled;
	if (previous >= 0 && engine.depth && goes_on(&engine.tasks[previous]))
		return take(&engine.tasks[previous]);
	for (i = first; i < nr && passed != enabled; i++) {
		int task = over[i] ? -1 : task_of(i);

		if (task < 0 || passed >> task & 1)
			continue;
		if (!(enabled >> task & 1))
			continue;
		if (task == previous || previous < 0 || !engine.depth)
			return take(&engine.tasks[task]);
		if (!more && ++stretch == way.stretch)
			more = way.more;
		if (more && more-- > 1)
			return take_as(&engine.tasks[previous], -1, false);
		return take(&engine.tasks[task]);
	}
	return take(&engine.tasks[previous >= 0 ? previous : __builtin_ctzll(enabled)]);
}

static const struct strategy strategy_follow = { .name = "follow", .pick = follow_pick };

/* The schedule's numbers of tasks, in this search's. */
static bool number_tasks(void)
{
	int i;

	memset(number_of, -1, sizeof(number_of));
	number_of[0] = 0;
	for (i = 0; i < given->nr_tasks && i + 1 < MAX_TASKS; i++) {
		int parent = given->tasks[i].parent, nth = given->tasks[i].nth;

		if (parent < 0 || parent > i || nth < 0 || nth >= MAX_CHILDREN)
			return false;
		parent = number_of[parent];
		if (parent < 0 || (!engine.children[parent][nth] && !engine_number_task(parent, nth)))
			return false;
		number_of[i + 1] = (s8)engine.children[parent][nth];
	}
	return true;
}

bool follow_way(const struct xp_schedule *schedule, int number, struct follow_way *out)
{
	int stretches = 0, i;

	if (number < READINGS) {
		*out = readings[number];
		return true;
	}
	number -= READINGS;
	for (i = 1; i < schedule->nr_points; i++)
		stretches += schedule->points[i].task != schedule->points[i - 1].task;
	if (stretches > MORE_STRETCHES)
		stretches = MORE_STRETCHES;
	if (number >= stretches * MORE_STEPS * NEAR)
		return false;
	*out = readings[number % NEAR];
	/* One step more than are made: the last is the other task's. */
	out->more = 2 + number / NEAR / (stretches ? stretches : 1);
	out->stretch = 1 + number / NEAR % (stretches ? stretches : 1);
	return true;
}

bool follow_once(const struct xp_schedule *schedule, struct follow_way how, struct follow_fit *told)
{
	int i;

	given = schedule;
	way = how;
	fit = told;
	fit->nr_differences = fit->nr_before_end = 0;
	first = stretch = more = 0;
	nr = schedule->nr_points;
	over = calloc((size_t)nr + 1, 1);
	if (!over || !number_tasks()) {
		free(over);
		return false;
	}
	engine.strategy = &strategy_follow;
	engine.fresh_from = 0;
	hb_footprint_top = 0;
	/* Objects have their numbers only with a history. */
	engine.logging = engine.hashing = true;
	engine_run();
	engine.logging = engine.hashing = false;
	for (i = first; i < nr; i++)
		if (!over[i])
			tell(false, i, task_of(i), step(i)->op, step(i)->object);
	if (first < nr)
		fit->nr_before_end = fit->nr_differences;
	free(over);
	return true;
}
