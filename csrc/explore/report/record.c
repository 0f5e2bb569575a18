// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trace of a failure: its schedule is run once more, with a history, and what people need of that is kept.
 *
 * Kept are the scheduling points, and inside steps the events that say something about shared objects: unlocks, ends of
 * readers and works, allocations and frees, the scenario's own remarks (a report begins, an answer is given). Of the plain
 * accesses only those that the failure is about. What happened before the tasks began is left out, unless it is where an
 * object comes from.
 */
#include <linux/mutex.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

bool record_repeats;

static struct finding *find(u64 signature)
{
	int i;

	for (i = 0; i < engine.nr_findings; i++)
		if (finding_signature(&engine.findings[i]) == signature)
			return &engine.findings[i];
	return NULL;
}

static bool is_about(const struct event *e, const struct finding *f)
{
	u64 distance = e->addr > f->addr ? e->addr - f->addr : f->addr - e->addr;

	if (f->by_order || f->kind == XP_K_DATA_RACE)
		return (e->pc == f->pc || e->pc == f->other_pc) && distance < 64;
	return e->pc == f->pc && distance < 64;
}

static bool is_kept(const struct event *e, const struct finding *f)
{
	if (e->op == &op_read || e->op == &op_write)
		return e->point || is_about(e, f);
	return e->op != &op_note;
}

static const char *token_text(u64 number)
{
	const struct token *t;

	if (!number || number > (u64)nr_tokens)
		return "no request";
	t = &tokens[number - 1];
	return t->pasid ? record_text("dev%d grpid %u pasid %u", t->device, t->grpid, t->pasid) :
			  record_text("dev%d grpid %u", t->device, t->grpid);
}

static void write_note(struct xp_step *s, const struct event *e)
{
	static const char *const codes[] = { "success", "invalid", "failure" };
	u32 code = (u32)(e->detail >> 32);

	if (e->op == &op_finding) {
		s->op = xp_kind_name((int)e->detail);
		s->object = record_object(e->addr);
		return;
	}
	if (e->op == &op_report_begins) {
		s->object = token_text(e->detail);
	} else if (e->op == &op_response) {
		s->object = token_text((u32)e->detail);
		s->text = code < 3 ? codes[code] : "no code";
	} else if (e->op->remark == REMARK_RETURNS) {
		s->text = record_text("%lld", (long long)(s64)e->detail);
	} else if (e->op == &op_warn) {
		const struct warn_site *site = (const struct warn_site *)e->detail;

		s->text = record_text("%s: %s", site->function, site->reason);
	} else if (e->op == &op_message) {
		s->text = record_text("%s", (const char *)e->detail);
	}
}

static const char *pointer_text(s64 value)
{
	return value ? record_object((u64)value) : "NULL";
}

/* A work that no record of the scenario stands for. */
static bool is_work_of_core(const struct event *e)
{
	const struct task *t = &engine.tasks[e->task];
	int i;

	if (!e->task || t->section >= 0)
		return false;
	for (i = 0; i < scenario.nr_works; i++)
		if (e->record >= scenario.works[i].begin && e->record < scenario.works[i].end)
			return false;
	return true;
}

static void write_step(struct xp_step *s, const struct event *e)
{
	*s = (struct xp_step){
		.task = e->task, .record = e->record, .depth = e->depth, .op = e->op->name, .has_values = e->has_values,
		.before = e->before, .after = e->after, .point = e->point, .nr_held = e->nr_held,
		.place = record_place(e->pc), .task_ordinal = e->node >= 0 ? engine.nodes[e->node].ordinal : 0,
	};
	if (e->has_values && (is_address((u64)e->before) || is_address((u64)e->after))) {
		s->has_values = 0;
		s->text = e->before == e->after ? pointer_text(e->after) :
			  record_text("%s -> %s", pointer_text(e->before), pointer_text(e->after));
	}
	if (is_work_of_core(e))
		s->record = -1;
	if (e->op->remark)
		write_note(s, e);
	else
		s->object = record_object(e->addr);
	if (e->op == &op_alloc || e->op == &op_free)
		s->text = e->text;
	if (e->op == &op_read || e->op == &op_write || e->op == &op_alloc)
		s->text = e->text ? e->text : record_text("%llu bytes", (unsigned long long)e->detail);
}

/* index_of: for each event, its step, or -1. */
static int write_steps(struct found *f, const struct finding *finding, int *index_of)
{
	struct xp_step *steps = calloc((size_t)engine.nr_events + 1, sizeof(*steps));
	int *step_of = calloc((size_t)engine.depth + 1, sizeof(*step_of));
	int i, n = 0, last_point = -1, preemptions = 0;
	bool tail = finding->node < 0 || finding->event < 0 || (finding->event < engine.nr_events &&
								 engine.events[finding->event].node < 0);
	bool seen = false;

	if (!steps || !step_of) {
		free(steps);
		free(step_of);
		return 0;
	}
	for (i = 0; i < engine.depth; i++)
		step_of[i] = -1;
	for (i = 0; i < engine.nr_events; i++) {
		const struct event *e = &engine.events[i];

		index_of[i] = -1;
		seen |= e->node >= 0;
		if (!is_kept(e, finding) || (e->node < 0 && !(seen && tail)))
			continue;
		write_step(&steps[n], e);
		if (e->point && e->node >= 0 && e->node != last_point) {
			const struct node *node = &engine.nodes[e->node];

			last_point = e->node;
			step_of[e->node] = n;
			steps[n].others = node->enabled & ~(1ull << node->task);
			if (node->previous >= 0 && node->previous != node->task)
				steps[n].preempted = ++preemptions;
		}
		index_of[i] = n++;
	}
	f->face.steps = steps;
	f->face.nr_steps = n;
	f->face.preemptions = engine.preemptions;
	record_order(f, step_of);
	free(step_of);
	return n;
}

/* --- the schedule --- */

static void write_runs(struct found *f)
{
	struct xp_run *runs = calloc((size_t)engine.depth + 1, sizeof(*runs));
	int i, n = 0;

	if (!runs)
		return;
	for (i = 0; i < engine.depth; i++) {
		const struct node *node = &engine.nodes[i], *before = i ? node - 1 : NULL;

		if (before && before->task == node->task && !before->alternative && !node->alternative) {
			runs[n - 1].steps++;
			continue;
		}
		runs[n++] = (struct xp_run){
			.task = node->task, .steps = 1,
			.op = node->alternative ? record_text("%s fails", node->op->name) : node->op->name,
			.object = record_object(node->addr),
		};
	}
	f->face.runs = runs;
	f->face.nr_runs = n;
}

/*
 * The same step by step, of the whole scenario: what is left of it when the core takes other steps is found by these, and
 * what an operation is not needed for today it may be needed for then. Of the execution that just ran.
 */
static void write_points(struct found *f)
{
	struct xp_run *points = calloc((size_t)engine.depth + 1, sizeof(*points));
	int i;

	if (!points)
		return;
	for (i = 0; i < engine.depth; i++) {
		const struct node *node = &engine.nodes[i];

		points[i] = (struct xp_run){
			.task = node->task, .steps = 1,
			.op = node->alternative ? record_text("%s fails", node->op->name) : node->op->name,
			.object = record_object(node->addr),
		};
	}
	f->face.points = points;
	f->face.nr_points = engine.depth;
}

/* The numbers by which the schedule names tasks: they are this search's. */
static void write_tasks(struct found *f)
{
	struct xp_task *tasks = calloc((size_t)engine.nr_ids + 1, sizeof(*tasks));
	int i;

	if (!tasks)
		return;
	for (i = 0; i < engine.nr_ids; i++) {
		tasks[i] = (struct xp_task){ .parent = engine.tasks[i + 1].parent, .nth = engine.tasks[i + 1].nth, .section = -1 };
		if (engine.used >> (i + 1) & 1)
			tasks[i].name = xp_task_name(i + 1, &tasks[i].section);
	}
	f->face.tasks = tasks;
	f->face.nr_tasks = engine.nr_ids;
}

/* Which step of the trace begins the node. */
static int step_of_node(const int *index_of, int node)
{
	int i;

	for (i = 0; i < engine.nr_events; i++)
		if (engine.events[i].node == node && index_of[i] >= 0 &&
		    (!engine.events[i].op->remark || engine.nodes[node].op->touches_nothing))
			return index_of[i];
	return -1;
}

static const char *message(const struct finding *finding)
{
	const char *object = record_object(finding->addr);

	switch (finding->kind) {
	case XP_K_LEAK:
		return leak_message(finding);
	case XP_K_LOST_RESPONSE:
		return record_text("%s: %s", token_text(finding->detail), finding->text);
	case XP_K_UNEXPECTED_RETURN:
		return record_text("%s: %lld", finding->text, (long long)(s64)finding->detail);
	case XP_K_WARN:
	case XP_K_RCU:
		if (finding->detail) {
			const struct warn_site *site = (const struct warn_site *)finding->detail;

			return record_text("WARN in %s (%s:%d): %s", site->function, site->file, site->line,
					   site->reason);
		}
		break;
	}
	return object ? record_text("%s: %s", object, finding->text) : record_text("%s", finding->text);
}

static void run_logged(const struct choice *choices, int length)
{
	schedule_choices = choices;
	schedule_length = length;
	schedule_free_after = true;
	schedule_lenient = false;
	engine.strategy = &strategy_schedule;
	strategy_schedule.begin();
	engine.logging = engine.hashing = true;
	record_repeats = true;
	engine_run();
	record_repeats = false;
	engine.logging = engine.hashing = false;
}

static void write_whole(struct found *f)
{
	u8 dropped[MAX_RECORDS];

	memcpy(dropped, scenario.dropped, sizeof(dropped));
	memset(scenario.dropped, 0, sizeof(scenario.dropped));
	run_logged(f->whole, f->whole_length);
	memcpy(scenario.dropped, dropped, sizeof(dropped));
	write_points(f);
}

void record_failure(struct found *f)
{
	struct xp_failure *face = &f->face;
	struct finding *finding;
	int *index_of;
	u8 dropped[MAX_RECORDS];
	int i;

	memcpy(dropped, scenario.dropped, sizeof(dropped));
	memset(scenario.dropped, 0, sizeof(scenario.dropped));
	for (i = 0; i < f->nr_dropped; i++)
		scenario.dropped[f->dropped[i]] = 1;

	driver_asks_under_lock |= f->is_note;
	run_logged(f->choices, f->length);
	driver_asks_under_lock = options.flags & XP_O_UNDER_LOCK;
	memcpy(scenario.dropped, dropped, sizeof(dropped));

	/* A cycle of the lock order is nothing that this execution shows by itself. */
	finding = f->finding.kind == XP_K_LOCK_ORDER ? &f->finding : find(f->signature);
	*face = (struct xp_failure){
		.kind = f->finding.kind, .rank = f->rank, .confirmed = f->finding.kind != XP_K_LOCK_ORDER,
		.clauses = f->clauses, .contract_kept = !f->clauses, .execution = f->execution, .count = f->count,
		.minimal = f->minimal, .culprit_first = -1, .culprit_second = -1, .nr_dropped = f->nr_dropped,
		.dropped = f->dropped, .hash = engine.hash,
	};
	if (!finding) {
		face->message = "the failure did not show again when its schedule was repeated";
		face->signature = face->message;
		face->kind = XP_K_EXPLORER;
		return;
	}
	face->message = message(finding);
	if (f->finding.kind != XP_K_LOCK_ORDER) {
		face->clauses = monitor_clauses;
		face->contract_kept = !monitor_clauses;
	}
	face->signature = signature_text(finding, face->clauses);
	index_of = calloc((size_t)engine.nr_events + 1, sizeof(*index_of));
	if (!index_of)
		return;
	write_steps(f, finding, index_of);
	record_sites(f, finding, index_of);
	write_runs(f);
	write_tasks(f);
	if (f->culprit[0] >= 0) {
		face->culprit_first = step_of_node(index_of, f->culprit[0]);
		face->culprit_second = step_of_node(index_of, f->culprit[1]);
	}
	free(index_of);
	/* The last: after that another execution is the newest. */
	if (f->whole)
		write_whole(f);
	else if (!f->nr_dropped)
		write_points(f);
}
