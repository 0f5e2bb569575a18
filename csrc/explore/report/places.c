// SPDX-License-Identifier: GPL-2.0-only
/*
 * The places that a failure is about: who accessed, freed and allocated the object, who waits for whom, who answered, and
 * where an answer, a result or a free is missing, what is next to it. The first of them is the failure's own.
 */
#include <linux/mutex.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static int step_of(const int *index_of, int event)
{
	return event >= 0 && event < engine.nr_events ? index_of[event] : -1;
}

/* The last event before the end that has that place. */
static int step_at(const int *index_of, const void *pc, int task)
{
	int i;

	for (i = engine.nr_events - 1; i >= 0; i--)
		if (engine.events[i].pc == pc && engine.events[i].task == task && index_of[i] >= 0)
			return index_of[i];
	return -1;
}

static const char *const class_texts[] = { "read", "wrote", "read (marked)", "wrote (marked)" };

static void cycle_sites(struct xp_site *sites, int *n, const struct finding *finding, const int *index_of)
{
	u64 left;

	for (left = finding->detail; left && *n < 12; left &= left - 1) {
		int task = __builtin_ctzll(left);
		const struct task *t = &engine.tasks[task];
		u64 others = finding_waits_for(task);
		const char *what = others ? record_text("in %s, waits for %s", t->pending.class->name,
							record_task(__builtin_ctzll(others))) :
					    record_text("in %s", t->pending.class->name);

		record_site(sites, n, task, step_at(index_of, t->pending.pc, task), place_of(t, t->pending.pc), what,
			 record_object(t->pending.addr));
	}
}

static void order_sites(struct xp_site *sites, int *n, const struct finding *finding, const int *index_of)
{
	const struct lock_cycle *c = &lock_cycles[finding->detail];
	int i;

	for (i = 0; i < c->length; i++) {
		const struct lock_class *next = c->classes[(i + 1) % c->length];

		record_site(sites, n, c->tasks[i], step_at(index_of, c->pc[i], c->tasks[i]), c->pc[i],
			 record_text("holds %s (%s:%d), takes", c->classes[i]->name, c->classes[i]->file,
				     c->classes[i]->line), record_text("%s (%s:%d)", next->name, next->file, next->line));
	}
}

/* The last thing that a task did in the core before that event, or -1. */
static int last_in_core(int task, int event)
{
	int i;

	for (i = event < engine.nr_events ? event : engine.nr_events - 1; i >= 0; i--) {
		const struct event *e = &engine.events[i];

		if (e->task == task && e->op->remark == REMARK_BEGINS)
			return -1;
		if (e->task == task && e->op != &op_note && place_is_code(e->pc))
			return i;
	}
	return -1;
}

static void add_last_in_core(struct xp_site *sites, int *n, int task, int event, const char *what, const int *index_of)
{
	int last = last_in_core(task, event);

	if (last >= 0)
		record_site(sites, n, task, step_of(index_of, last), engine.events[last].pc, what, NULL);
}

static int end_of_report(u64 number)
{
	int i, begin = 0;

	for (i = 0; i < engine.nr_events; i++) {
		const struct event *e = &engine.events[i];

		if (e->task != tokens[number - 1].task)
			continue;
		if (e->op == &op_report_begins && e->detail == number)
			begin = 1;
		else if (begin && e->op == &op_report_returns)
			return i;
	}
	return -1;
}

/* Who could have answered last: whoever freed the group, or the report, if it never came to a handler. */
static void lost_sites(struct xp_site *sites, int *n, u64 number, const int *index_of)
{
	int group = tokens[number - 1].group ? heap_find(tokens[number - 1].group) : -1;
	const struct object *o = group >= 0 ? &heap_objects[group] : NULL;
	int end = end_of_report(number);

	if (o && o->state == OBJECT_FREED)
		record_site(sites, n, o->free_task, step_of(index_of, o->free_event), o->free_pc, "its group was freed",
			 record_object((u64)heap_base + o->base));
	else if (o)
		record_site(sites, n, o->task, step_of(index_of, o->event), o->pc, "its group was allocated, and is still there",
			 record_object((u64)heap_base + o->base));
	if (end >= 0)
		add_last_in_core(sites, n, tokens[number - 1].task, end, "its report's last step", index_of);
}

/* What the workqueue itself touches is a work that somebody in the core queued. */
static void add_queued(struct xp_site *sites, int *n, const struct finding *finding, const int *index_of)
{
	int i;

	for (i = engine.nr_events - 1; i >= 0; i--) {
		const struct event *e = &engine.events[i];

		if (e->op != &op_queue_work || heap_find(e->addr) != finding->object)
			continue;
		record_site(sites, n, e->task, step_of(index_of, i), e->pc, "queued", record_object(e->addr));
		return;
	}
}

void record_sites(struct found *f, const struct finding *finding, const int *index_of)
{
	struct xp_site *sites = calloc(MAX_SITES + 8, sizeof(*sites));
	const char *object = record_object(finding->addr);
	int n = 0;

	if (!sites)
		return;
	f->face.object = object;
	switch (finding->kind) {
	case XP_K_DEADLOCK:
		cycle_sites(sites, &n, finding, index_of);
		break;
	case XP_K_LOCK_ORDER:
		order_sites(sites, &n, finding, index_of);
		break;
	case XP_K_DATA_RACE:
		record_site(sites, &n, finding->task, step_at(index_of, finding->pc, finding->task), finding->pc,
			 class_texts[finding->detail >> 8 & 3], object);
		record_site(sites, &n, finding->other_task, step_at(index_of, finding->other_pc, finding->other_task),
			 finding->other_pc, class_texts[finding->detail & 3], object);
		break;
	case XP_K_LOST_RESPONSE:
		lost_sites(sites, &n, finding->detail, index_of);
		break;
	case XP_K_DOUBLE_RESPONSE: {
		const struct token *t = &tokens[finding->detail - 1];

		record_site(sites, &n, finding->task, step_of(index_of, finding->event), finding->pc, "answered", object);
		record_callers(sites, &n, finding->event);
		record_site(sites, &n, t->answered_by, step_of(index_of, t->answer_event), t->answer_pc, "answered before", object);
		record_callers(sites, &n, t->answer_event);
		break;
	}
	case XP_K_WRONG_RESPONSE:
	case XP_K_LATE_RESPONSE:
	case XP_K_WRONG_CODE:
	case XP_K_WRONG_GROUP:
	case XP_K_UNDER_LOCK:
		record_site(sites, &n, finding->task, step_of(index_of, finding->event), finding->pc, "here", object);
		record_callers(sites, &n, finding->event);
		break;
	case XP_K_LEAK:
		object = record_whole(finding->object);
		f->face.object = object;
		leak_sites(sites, &n, finding, index_of);
		break;
	case XP_K_UNEXPECTED_RETURN:
		add_last_in_core(sites, &n, finding->task, finding->event, "the call's last step", index_of);
		record_site(sites, &n, finding->task, step_of(index_of, finding->event), finding->pc, "returned", object);
		break;
	default:
		if (finding->kept_lock) {
			record_site(sites, &n, finding->task, step_at(index_of, finding->pc, finding->task), finding->pc,
				 "taken, and not let go", object);
		} else if (finding->by_order) {
			record_site(sites, &n, finding->other_task,
				 step_at(index_of, finding->other_pc, finding->other_task), finding->other_pc, "accessed",
				 object);
			record_site(sites, &n, finding->task, step_at(index_of, finding->pc, finding->task), finding->pc,
				 "freed, in no order with it", object);
		} else {
			record_site(sites, &n, finding->task, step_of(index_of, finding->event), finding->pc,
				 finding->kind == XP_K_DOUBLE_FREE || finding->kind == XP_K_INVALID_FREE ? "freed" :
				 finding->kind <= XP_K_BAD_ACCESS ? "accessed" : "here", object);
			if (finding->kind > XP_K_BAD_ACCESS)
				sites[n - 1].flags = XP_SITE_CALLERS;
		}
	}
	if (finding->kind <= XP_K_BAD_ACCESS && !place_is_code(finding->pc))
		add_queued(sites, &n, finding, index_of);
	if (finding->object >= 0 && finding->kind != XP_K_DEADLOCK && finding->kind != XP_K_LOCK_ORDER) {
		const struct object *o = &heap_objects[finding->object];

		if (o->state == OBJECT_FREED && !finding->by_order) {
			record_site(sites, &n, o->free_task, step_of(index_of, o->free_event), o->free_pc,
				 finding->kind == XP_K_DOUBLE_FREE ? "freed before" : "freed", object);
			sites[n - 1].flags = XP_SITE_MEMORY;
		} else if (o->state == OBJECT_WAITING)
			record_site(sites, &n, -1, -1, o->free_pc, "handed to kfree_rcu", object);
		record_site(sites, &n, o->task, step_of(index_of, o->event), o->pc, "allocated", object);
		sites[n - 1].flags = XP_SITE_MEMORY;
	}
	f->face.sites = sites;
	f->face.nr_sites = n;
}
