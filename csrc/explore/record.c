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

#include "search.h"

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
	switch (e->kind) {
	case OP_READ:
	case OP_WRITE:
		return e->point || is_about(e, f);
	case OP_NOTE:
		return e->text != NULL;
	case OP_REF_SET:
	case OP_ALLOC:
	case OP_FREE:
		return true;
	default:
		return true;
	}
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

	s->op = e->text;
	if (!strcmp(e->text, "!")) {
		s->op = xp_kind_name((int)e->detail);
		s->object = record_object(e->addr);
		return;
	}
	if (!strcmp(e->text, "report begins")) {
		s->object = token_text(e->detail);
	} else if (!strcmp(e->text, "response")) {
		s->object = token_text((u32)e->detail);
		s->text = code < 3 ? codes[code] : "no code";
	} else if (strstr(e->text, "returns")) {
		s->text = record_text("%lld", (long long)(s64)e->detail);
	} else if (!strcmp(e->text, "WARN")) {
		const struct warn_site *site = (const struct warn_site *)e->detail;

		s->text = record_text("%s: %s", site->function, site->reason);
	} else if (!strcmp(e->text, "message")) {
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

	if (!e->task || (!t->parent && t->nth < scenario.nr_tasks))
		return false;
	for (i = 0; i < scenario.nr_works; i++)
		if (e->record >= scenario.works[i].begin && e->record < scenario.works[i].end)
			return false;
	return true;
}

static void write_step(struct xp_step *s, const struct event *e)
{
	*s = (struct xp_step){
		.task = e->task, .record = e->record, .depth = e->depth, .op = op_name(e->kind), .has_values = e->has_values,
		.before = e->before, .after = e->after, .point = e->point, .nr_held = e->nr_held,
		.place = record_place(e->pc), .task_ordinal = e->node >= 0 ? engine.nodes[e->node].ordinal : 0,
	};
	if (e->has_values && (heap_has((u64)e->before) || heap_has((u64)e->after))) {
		s->has_values = 0;
		s->text = e->before == e->after ? pointer_text(e->after) :
			  record_text("%s -> %s", pointer_text(e->before), pointer_text(e->after));
	}
	if (is_work_of_core(e))
		s->record = -1;
	if (e->kind == OP_NOTE)
		write_note(s, e);
	else
		s->object = record_object(e->addr);
	if (e->kind == OP_ALLOC || e->kind == OP_FREE)
		s->text = e->text;
	if (e->kind == OP_READ || e->kind == OP_WRITE || e->kind == OP_ALLOC)
		s->text = e->text ? e->text : record_text("%llu bytes", (unsigned long long)e->detail);
}

/* index_of: for each event, its step, or -1. */
static int write_steps(struct found *f, const struct finding *finding, int *index_of)
{
	struct xp_step *steps = calloc((size_t)engine.nr_events + 1, sizeof(*steps));
	int i, n = 0, last_point = -1, preemptions = 0;
	bool tail = finding->node < 0 || finding->event < 0 || (finding->event < engine.nr_events &&
								 engine.events[finding->event].node < 0);
	bool seen = false;

	if (!steps)
		return 0;
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
			if (node->previous >= 0 && node->previous != node->task)
				steps[n].preempted = ++preemptions;
		}
		index_of[i] = n++;
	}
	f->face.steps = steps;
	f->face.nr_steps = n;
	f->face.preemptions = engine.preemptions;
	return n;
}

/* --- places that the failure is about --- */

void record_site(struct xp_site *sites, int *n, int task, int step, const void *pc, const char *what,
		     const char *object)
{
	sites[(*n)++] = (struct xp_site){
		.task = task, .step = step, .place = record_place(pc), .what = what, .object = object,
	};
}

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
		const char *what = others ? record_text("in %s, waits for %s", op_name(t->pending.kind),
							record_task(__builtin_ctzll(others))) :
					    record_text("in %s", op_name(t->pending.kind));

		record_site(sites, n, task, step_at(index_of, t->pending.pc, task), place_of(t, t->pending.pc), what,
			 record_object(t->pending.addr));
	}
}

static void order_sites(struct xp_site *sites, int *n, const struct finding *finding)
{
	const struct lock_cycle *c = &lock_cycles[finding->detail];
	int i;

	for (i = 0; i < c->length; i++) {
		const struct lock_class *next = c->classes[(i + 1) % c->length];

		record_site(sites, n, c->tasks[i], -1, c->pc[i],
			 record_text("holds %s (%s:%d), takes", c->classes[i]->name, c->classes[i]->file,
				     c->classes[i]->line), record_text("%s (%s:%d)", next->name, next->file, next->line));
	}
}

void record_callers(struct xp_site *sites, int *n, int event)
{
	int task = engine.events[event].task, depth = engine.events[event].depth, i;

	for (i = event - 1; i >= 0 && depth >= 2 && *n < MAX_SITES; i--) {
		const struct event *e = &engine.events[i];

		if (e->task != task || e->kind != OP_NOTE || e->text || e->addr || e->depth != depth)
			continue;
		depth--;
		record_site(sites, n, task, -1, e->pc, "called from", NULL);
	}
}

/* The last thing that a task did in the core before that event, or -1. */
static int last_in_core(int task, int event)
{
	int i;

	for (i = event < engine.nr_events ? event : engine.nr_events - 1; i >= 0; i--) {
		const struct event *e = &engine.events[i];

		if (e->task == task && e->kind == OP_NOTE && e->text && strstr(e->text, "begins"))
			return -1;
		if (e->task == task && (e->kind != OP_NOTE || e->text) && (u64)e->pc >= PC_RECORDS)
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

		if (e->kind != OP_NOTE || !e->text || e->task != tokens[number - 1].task)
			continue;
		if (!strcmp(e->text, "report begins") && e->detail == number)
			begin = 1;
		else if (begin && !strcmp(e->text, "report returns"))
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

		if (e->kind != OP_QUEUE_WORK || heap_find(e->addr) != finding->object)
			continue;
		record_site(sites, n, e->task, step_of(index_of, i), e->pc, "queued", record_object(e->addr));
		return;
	}
}

static void write_sites(struct found *f, const struct finding *finding, const int *index_of)
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
		order_sites(sites, &n, finding);
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
		if (finding->by_order) {
			record_site(sites, &n, finding->other_task,
				 step_at(index_of, finding->other_pc, finding->other_task), finding->other_pc, "accessed",
				 object);
			record_site(sites, &n, finding->task, step_at(index_of, finding->pc, finding->task), finding->pc,
				 "freed, in no order with it", object);
		} else {
			record_site(sites, &n, finding->task, step_of(index_of, finding->event), finding->pc,
				 finding->kind == XP_K_DOUBLE_FREE || finding->kind == XP_K_INVALID_FREE ? "freed" :
				 finding->kind <= XP_K_BAD_ACCESS ? "accessed" : "here", object);
		}
	}
	if (finding->kind <= XP_K_BAD_ACCESS && (u64)finding->pc < PC_RECORDS)
		add_queued(sites, &n, finding, index_of);
	if (finding->object >= 0 && finding->kind != XP_K_DEADLOCK && finding->kind != XP_K_LOCK_ORDER) {
		const struct object *o = &heap_objects[finding->object];

		if (o->state == OBJECT_FREED && !finding->by_order)
			record_site(sites, &n, o->free_task, step_of(index_of, o->free_event), o->free_pc,
				 finding->kind == XP_K_DOUBLE_FREE ? "freed before" : "freed", object);
		else if (o->state == OBJECT_WAITING)
			record_site(sites, &n, -1, -1, o->free_pc, "handed to kfree_rcu", object);
		record_site(sites, &n, o->task, step_of(index_of, o->event), o->pc, "allocated", object);
	}
	f->face.sites = sites;
	f->face.nr_sites = n;
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
			.op = node->alternative ? record_text("%s fails", op_name(node->op)) : op_name(node->op),
			.object = record_object(node->addr),
		};
	}
	f->face.runs = runs;
	f->face.nr_runs = n;
}

/* Which step of the trace begins the node. */
static int step_of_node(const int *index_of, int node)
{
	int i;

	for (i = 0; i < engine.nr_events; i++)
		if (engine.events[i].node == node && index_of[i] >= 0 && engine.events[i].kind != OP_NOTE)
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

	schedule_choices = f->choices;
	schedule_length = f->length;
	schedule_free_after = true;
	schedule_lenient = false;
	engine.strategy = &strategy_schedule;
	strategy_schedule.begin();
	engine.logging = engine.hashing = true;
	engine_run();
	engine.logging = engine.hashing = false;
	memcpy(scenario.dropped, dropped, sizeof(dropped));

	/* A cycle of the lock order is nothing that this execution shows by itself. */
	finding = f->finding.kind == XP_K_LOCK_ORDER ? &f->finding : find(f->signature);
	*face = (struct xp_failure){
		.kind = f->finding.kind, .rank = f->rank, .confirmed = f->finding.kind != XP_K_LOCK_ORDER,
		.clauses = f->clauses, .contract_kept = !f->clauses, .execution = f->execution, .count = f->count,
		.minimal = f->minimal, .culprit_first = -1, .culprit_second = -1, .nr_dropped = f->nr_dropped,
		.dropped = f->dropped, .hash = engine.hash, .signature = record_text("%016llx", (unsigned long long)f->signature),
	};
	if (!finding) {
		face->message = "the failure did not show again when its schedule was repeated";
		face->kind = XP_K_EXPLORER;
		return;
	}
	face->message = message(finding);
	if (f->finding.kind != XP_K_LOCK_ORDER) {
		face->clauses = monitor_clauses;
		face->contract_kept = !monitor_clauses;
	}
	index_of = calloc((size_t)engine.nr_events + 1, sizeof(*index_of));
	if (!index_of)
		return;
	write_steps(f, finding, index_of);
	write_sites(f, finding, index_of);
	write_runs(f);
	if (f->culprit[0] >= 0) {
		face->culprit_first = step_of_node(index_of, f->culprit[0]);
		face->culprit_second = step_of_node(index_of, f->culprit[1]);
	}
	free(index_of);
}
