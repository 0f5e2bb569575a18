// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is promised to devices and drivers, checked in every execution: one answer to every last request, to the right
 * device, with its index and PASID, and not when removal is over; returns that the contract allows; nothing left behind.
 *
 * The driver's side is watched, too: what the core demands of it, by its facts (core.h), and what no driver may do. A
 * demand that something be over before a call begins is kept where a happens-before edge says so: that the other task
 * came first by chance in this execution is nothing that a driver did. So two executions that differ in chance alone are
 * tagged alike, and a failure that is predicted from an order that did not happen is tagged as the one that did.
 *
 * What a call may return depends on the facts, and on whether the device was changed (added, removed, attached ...)
 * while it ran: if not, there is exactly one right result.
 */
#include <stdio.h>
#include <string.h>

#include "search.h"

#define MAX_VALUES 256
#define MAX_PASIDS 16

struct token tokens[MAX_TOKENS];
int nr_tokens;
unsigned int monitor_clauses;

static int date;

static struct device_state {
	int queue;		/* -1: on none */
	bool closed;
	int changes;		/* that began; with busy: whether anything overlapped */
	int busy;		/* changes that run */
	int reports;		/* that run */
	int remove_began, remove_ended, removing;	/* dates; removing: how many run */
	u32 removed;		/* stamp of the last removal's end */
	int removals;		/* so far */
	struct {
		int pasid, handler, changes, busy;
		int space, next_space;	/* the address space of the domain, and of one that is being attached */
		int leaving;		/* detach and replace that run */
		u32 left;		/* stamp of the last one's end */
	} attached[MAX_PASIDS];
	int nr_attached;
} states[MAX_DEVICES];

static struct queue_state {
	bool freed;
	int calls, freeing;	/* that run */
} queues[MAX_QUEUES];

/* Values that the outcome consists of, beside the answers: results and XP_OUT. */
static struct { s16 task, nth; s16 record; s64 value; } values[MAX_VALUES];
static int nr_values;
static u16 nth_value[MAX_TASKS], nth_report[MAX_TASKS];

static u64 answering[MAX_TASKS];
static struct { u64 work, token; } works[MAX_TOKENS];
static int nr_works;

void monitor_reset(void)
{
	int i;

	nr_tokens = nr_values = nr_works = 0;
	monitor_clauses = 0;
	date = 0;
	for (i = 0; i < scenario.nr_devices; i++) {
		states[i] = (struct device_state){ .queue = -1, .remove_began = -1, .remove_ended = -1 };
	}
	for (i = 0; i < scenario.nr_queues; i++)
		queues[i] = (struct queue_state){ 0 };
	memset(nth_value, 0, sizeof(nth_value));
	memset(nth_report, 0, sizeof(nth_report));
	memset(answering, 0, sizeof(answering));
}

bool monitor_is_added(int device, int *queue)
{
	*queue = states[device].queue;
	return *queue >= 0 && !states[device].closed && !queues[*queue].freed;
}

bool monitor_queue_is_freed(int queue)
{
	return queues[queue].freed;
}

bool monitor_is_closed(int device)
{
	return states[device].closed;
}

static void add_value(int record, s64 value)
{
	int task = engine.current->id;

	if (nr_values == MAX_VALUES)
		return;
	values[nr_values].task = (s16)task;
	values[nr_values].nth = (s16)nth_value[task]++;
	values[nr_values].record = (s16)record;
	values[nr_values++].value = value;
}

void monitor_value(s64 value)
{
	add_value(engine.current->record, value);
}

/* --- what came before what --- */

static bool demands(unsigned int demand)
{
	return core->facts.demands & demand;
}

/* A moment of the current task, to ask later whether it is certain to have been before. */
static u32 stamp(void)
{
	struct task *t = engine.current;

	return (u32)t->id << 16 | (u16)t->race.at[t->id];
}

static bool is_before(u32 then)
{
	struct task *t = engine.current;

	return (int)(then >> 16) == t->id || (s16)(then & 0xffff) <= t->race.at[then >> 16];
}

/* The report has returned, for certain. */
static bool is_over(const struct token *t)
{
	return t->returned && is_before(t->returned_at);
}

/* Nobody has its group any more, for certain. */
static bool is_answered(const struct token *t)
{
	return !t->last || t->flushed || (t->answers && is_before(t->answered_at));
}

/* --- reports and their answers --- */

static int attached_index(struct device_state *s, int pasid)
{
	int i;

	for (i = 0; i < s->nr_attached; i++)
		if (s->attached[i].pasid == pasid)
			return i;
	if (s->nr_attached == MAX_PASIDS)
		finding_fatal(XP_K_EXPLORER, 0, NULL, "more than 16 PASIDs of one device");
	s->attached[s->nr_attached].pasid = pasid;
	s->attached[s->nr_attached].handler = -1;
	s->attached[s->nr_attached].changes = 0;
	s->attached[s->nr_attached].busy = 0;
	s->attached[s->nr_attached].space = -1;
	s->attached[s->nr_attached].leaving = 0;
	s->attached[s->nr_attached].left = 0;
	return s->nr_attached++;
}

/* Devices that share an iommu group share its attachments; the state is kept with the first of them. */
static struct device_state *attachments(int device)
{
	const struct record *r = &scenario.records[scenario.devices[device]];

	while (r->f >= 0) {
		device = r->f;
		r = &scenario.records[scenario.devices[device]];
	}
	return &states[device];
}

/* What was so when a call began, to see at its end whether it still is. */
static struct { int changes, attach_changes; bool stable; } seen[MAX_TASKS];

static void see(int device, int pasid)
{
	struct device_state *s = &states[device], *a = attachments(device);
	int task = engine.current->id, i = attached_index(a, pasid);

	seen[task].changes = s->changes;
	seen[task].attach_changes = a->attached[i].changes;
	seen[task].stable = !s->busy && !a->attached[i].busy;
}

static bool same_key(const struct token *a, const struct token *b)
{
	return a->device == b->device && a->grpid == b->grpid && a->pasid == b->pasid;
}

static bool unchanged(int device, int pasid)
{
	struct device_state *s = &states[device], *a = attachments(device);
	int task = engine.current->id, i = attached_index(a, pasid);

	return seen[task].stable && seen[task].changes == s->changes &&
	       seen[task].attach_changes == a->attached[i].changes;
}

int monitor_report_begin(int device, const struct record *r)
{
	struct device_state *s = &states[device], *a = attachments(device);
	int task = engine.current->id, i = attached_index(a, r->c), k;
	struct token *t;

	if (nr_tokens == MAX_TOKENS)
		finding_fatal(XP_K_EXPLORER, 0, NULL, "too many requests in one execution");
	t = &tokens[nr_tokens];
	*t = (struct token){
		.task = (s16)task, .nth = (s16)nth_report[task]++, .device = (s16)device, .last = r->e & 1,
		.grpid = (u32)r->b, .pasid = r->c >= 0 ? (u32)r->c : 0, .code = -1,
		.record = engine.current->record, .begun = ++date, .queue = (s16)s->queue, .space = -1,
		.removals = (s16)s->removals, .has_work = r->e & 1 && a->attached[i].handler == XP_H_SVA,
	};
	for (k = 0; core->facts.response_matches_copies && k < nr_tokens; k++)
		if (tokens[k].last && !tokens[k].answers && same_key(&tokens[k], t) && tokens[k].removals == t->removals)
			monitor_clauses |= XP_C_INDEX;
	note(OP_NOTE, 0, NULL, "report begins", (u64)nr_tokens + 1);
	s->reports++;
	if (demands(IOPF_DEMANDS_QUIET) && (s->queue < 0 || s->removing || !is_before(s->removed)))
		monitor_clauses |= XP_C_RECEPTION;
	if (demands(IOPF_DEMANDS_DRAINED) && (a->attached[i].leaving || !is_before(a->attached[i].left)))
		monitor_clauses |= XP_C_DETACH;
	if (s->closed)
		monitor_clauses |= XP_C_DEVICE_GONE;
	see(device, r->c);
	if (seen[task].stable)
		t->space = (s16)a->attached[i].space;
	return nr_tokens++;
}

void monitor_report_end(int token, int result)
{
	struct token *t = &tokens[token];
	struct device_state *s = &states[t->device];

	t->returned = true;
	t->returned_at = stamp();
	t->ended = ++date;
	t->result = result;
	s->reports--;
	if (!unchanged(t->device, scenario.records[t->record].c))
		t->space = -1;
	note(OP_NOTE, 0, NULL, "report returns", (u64)(s64)result);
}

void monitor_answering(u64 token)
{
	answering[engine.current->id] = token;
}

void monitor_work_of(u64 work, u64 token)
{
	int i;

	for (i = 0; i < nr_works && works[i].work != work; i++)
		;
	if (i == MAX_TOKENS)
		return;
	nr_works = i == nr_works ? i + 1 : nr_works;
	works[i].work = work;
	works[i].token = token;
}

/* A form whose works are not queued by a handler: the group that the work is part of knows. */
static u64 token_of_work(u64 work)
{
	int object = heap_find(work);

	if (object < 0 || heap_objects[object].state == OBJECT_FREED)
		return 0;
	return driver_token_of(container_of((struct work_struct *)work, struct iopf_group, work));
}

static u64 expected_token(void)
{
	struct task *t = engine.current;
	int i;

	if (answering[t->id])
		return answering[t->id];
	if (!t->work)
		return 0;
	if (!core->facts.group_handlers)
		return token_of_work(t->work);
	for (i = 0; i < nr_works; i++)
		if (works[i].work == t->work)
			return works[i].token;
	return 0;
}

/* The answer comes when removal is over, for a request that was before it. */
static bool is_late(const struct token *t)
{
	const struct device_state *s = &states[t->device];

	if (s->remove_ended < 0 || !t->returned || t->begun > s->remove_ended)
		return false;
	if (t->ended < s->remove_began)
		return true;
	/* Where late reports are bad setup, one that ran beside removal is no exception once it is over. */
	return core->facts.rejects_late_reports;
}

/* A request is part of the group whose last one has the number. */
void monitor_member(u64 last, u64 number)
{
	const struct token *t = &tokens[last - 1], *p = &tokens[number - 1];
	int i;

	if (!last || last > (u64)nr_tokens || !number || number > (u64)nr_tokens || last == number)
		return;
	if (!same_key(t, p)) {
		finding_add(XP_K_WRONG_RESPONSE, 0, NULL,
			    "a request is answered with a group of another index or PASID than its own");
		return;
	}
	for (i = 0; i < nr_tokens; i++)
		if (tokens[i].last && same_key(&tokens[i], p) && p->returned && p->ended < tokens[i].begun &&
		    tokens[i].returned && tokens[i].ended < t->begun)
			finding_add(XP_K_WRONG_RESPONSE, 0, NULL,
				    "a request is answered with a later group that uses its index again");
}

/* A work resolves its group against an address space. */
void monitor_resolve(int space)
{
	u64 number = expected_token();
	const struct token *t;

	if (!number || number > (u64)nr_tokens)
		return;
	if (!core->facts.group_handlers)
		driver_look_at(container_of((struct work_struct *)engine.current->work, struct iopf_group, work));
	t = &tokens[number - 1];
	if (t->returned && t->space >= 0 && t->space != space)
		finding_add(XP_K_WRONG_RESPONSE, 0, NULL,
			    "the request is resolved against an address space that came to its PASID later");
}

void monitor_response(int device, u64 number, u64 magic, const struct iommu_page_response *msg)
{
	const void *pc = NULL;
	struct token *t;
	u64 expected = expected_token();

	if (magic || !number || number > (u64)nr_tokens) {
		finding_add(XP_K_WRONG_RESPONSE, 0, pc, "the answer is to no request that was ever made");
		return;
	}
	t = &tokens[number - 1];
	if (engine.logging)
		note(OP_NOTE, 0, NULL, "response", number | (u64)msg->code << 32);
	if (t->device != device)
		finding_add(XP_K_WRONG_RESPONSE, 0, pc, "the answer went to another device");
	else if (msg->grpid != t->grpid || msg->pasid != t->pasid)
		finding_add(XP_K_WRONG_RESPONSE, 0, pc, "the answer has another index or PASID than its request");
	else if (!t->last)
		finding_add(XP_K_WRONG_RESPONSE, 0, pc, "a request that was not the last of its group was answered");
	else if (msg->code > IOMMU_PAGE_RESP_FAILURE)
		finding_add(XP_K_WRONG_RESPONSE, 0, pc, "the answer's code means nothing");
	else if (expected && expected != number)
		finding_add(XP_K_WRONG_RESPONSE, 0, pc, "the answer is to another request than the group's owner gave it for");
	else if (t->answers)
		finding_add(XP_K_DOUBLE_RESPONSE, 0, pc, "the request had been answered before");
	else if (is_late(t))
		finding_add(XP_K_LATE_RESPONSE, 0, pc, "the answer came when removal was over");
	if (!t->answers++) {
		t->code = (s8)msg->code;
		t->answered_at = stamp();
	}
}

/* --- calls that change something --- */

/* What the core demands of a driver that calls remove. */
static void demand_of_remove(int device)
{
	int i;

	for (i = 0; i < nr_tokens; i++) {
		const struct token *t = &tokens[i];

		if (t->device != device)
			continue;
		if (demands(IOPF_DEMANDS_QUIET) && !is_over(t))
			monitor_clauses |= XP_C_RECEPTION;
		if (demands(IOPF_DEMANDS_FLUSH) && t->has_work && t->returned && !is_answered(t))
			monitor_clauses |= XP_C_FLUSH;
		if (demands(IOPF_DEMANDS_IDLE) && t->last && !t->answers)
			monitor_clauses |= XP_C_IDLE;
	}
}

/* Of one that frees the queue: no other call. Works that are still pending are the queue's to wait for. */
static void demand_of_free(int queue)
{
	int i;

	if (queues[queue].calls || queues[queue].freed || queues[queue].freeing)
		monitor_clauses |= XP_C_FREE_BESIDE;
	for (i = 0; demands(IOPF_DEMANDS_QUIET) && i < nr_tokens; i++)
		if (tokens[i].queue == queue && !is_over(&tokens[i]))
			monitor_clauses |= XP_C_RECEPTION;
}

/* Of one that takes away what a PASID is attached to. */
static void demand_of_detach(const struct device_state *a, int pasid)
{
	int i;

	for (i = 0; demands(IOPF_DEMANDS_DRAINED) && i < nr_tokens; i++) {
		const struct token *t = &tokens[i];

		if (attachments(t->device) == a && t->pasid == (pasid >= 0 ? (u32)pasid : 0) &&
		    (!is_over(t) || !is_answered(t)))
			monitor_clauses |= XP_C_DETACH;
	}
}

static void demand_of_close(int device)
{
	const struct device_state *s = &states[device];
	int i;

	if (s->reports || s->busy > 1)
		monitor_clauses |= XP_C_DEVICE_GONE;
	for (i = 0; demands(IOPF_DEMANDS_DEVICE) && i < nr_tokens; i++)
		if (tokens[i].device == device && (!is_over(&tokens[i]) || !is_answered(&tokens[i])))
			monitor_clauses |= XP_C_DEVICE_GONE;
}

void monitor_change_begin(int op, int device, int queue)
{
	struct queue_state *q = queue >= 0 ? &queues[queue] : NULL;
	struct device_state *s;
	int i;

	note(OP_NOTE, 0, NULL, op == XP_REMOVE ? "remove begins" : op == XP_ADD ? "add begins" :
	     op == XP_CLOSE ? "close" : "free begins", 0);
	date++;
	if (op == XP_FREE_QUEUE) {
		demand_of_free(queue);
		q->freeing++;
		for (i = 0; i < scenario.nr_devices; i++) {
			s = &states[i];
			if (s->queue != queue)
				continue;
			s->changes++;
			s->busy++;
			s->removing++;
			s->remove_began = date;
		}
		return;
	}
	s = &states[device];
	s->changes++;
	s->busy++;
	if (s->closed)
		monitor_clauses |= XP_C_DEVICE_GONE;
	if (q) {
		if (q->freed || q->freeing)
			monitor_clauses |= XP_C_FREE_BESIDE;
		q->calls++;
	}
	if (op == XP_REMOVE) {
		if (s->queue != queue)
			monitor_clauses |= XP_C_NOT_ON_QUEUE;
		demand_of_remove(device);
		s->removing++;
		s->remove_began = date;
	} else if (op == XP_CLOSE) {
		demand_of_close(device);
	}
}

void monitor_change_end(int op, int device, int queue, int result)
{
	struct device_state *s;
	int i;

	note(OP_NOTE, 0, NULL, op == XP_REMOVE ? "remove returns" : op == XP_ADD ? "add returns" :
	     op == XP_CLOSE ? "closed" : "free returns", (u64)(s64)result);
	date++;
	if (op == XP_FREE_QUEUE) {
		queues[queue].freed = true;
		queues[queue].freeing--;
		for (i = 0; i < scenario.nr_devices; i++) {
			s = &states[i];
			if (s->queue != queue)
				continue;
			s->queue = -1;
			s->busy--;
			s->removing--;
			s->remove_ended = date;
			s->removed = stamp();
			s->removals++;
		}
		return;
	}
	s = &states[device];
	s->busy--;
	if (queue >= 0)
		queues[queue].calls--;
	switch (op) {
	case XP_ADD:
		if (!result) {
			s->queue = queue;
			s->remove_ended = -1;
		}
		return;
	case XP_REMOVE:
		s->removing--;
		/* Early forms of the kernel refuse while requests are out. */
		if (s->queue == queue && !result) {
			s->queue = -1;
			s->remove_ended = date;
			s->removed = stamp();
			s->removals++;
		}
		return;
	case XP_CLOSE:
		s->closed = true;
		return;
	}
}

void monitor_call_begin(int queue)
{
	if (queues[queue].freed || queues[queue].freeing)
		monitor_clauses |= XP_C_FREE_BESIDE;
	queues[queue].calls++;
}

void monitor_call_end(int queue)
{
	queues[queue].calls--;
}

void monitor_flush_begin(int device)
{
	struct device_state *s = &states[device];

	note(OP_NOTE, 0, NULL, "flush begins", 0);
	if (s->queue < 0 || s->removing)
		monitor_clauses |= XP_C_FLUSH_AFTER_REMOVE;
	if (s->closed)
		monitor_clauses |= XP_C_DEVICE_GONE;
	see(device, -1);
}

void monitor_flush_end(int device, int result)
{
	int i;

	/* The queue is flushed, not the device. */
	for (i = 0; !result && i < nr_tokens; i++)
		if (tokens[i].has_work && tokens[i].queue >= 0 && tokens[i].queue == states[device].queue &&
		    is_over(&tokens[i]))
			tokens[i].flushed = true;
	note(OP_NOTE, 0, NULL, "flush returns", (u64)(s64)result);
}

void monitor_attach_begin(int op, int device, int pasid)
{
	struct device_state *s = attachments(device);
	int i = attached_index(s, pasid);

	see(device, pasid);
	s->attached[i].changes++;
	s->attached[i].busy++;
	if (op == XP_ATTACH)
		return;
	demand_of_detach(s, pasid);
	s->attached[i].leaving++;
}

/* The address space of the domain that is being attached. */
void monitor_attach_space(int device, int pasid, int space)
{
	struct device_state *s = attachments(device);

	s->attached[attached_index(s, pasid)].next_space = space;
}

void monitor_attach_end(int op, int device, int pasid, int handler, int result)
{
	struct device_state *s = attachments(device);
	int i = attached_index(s, pasid);

	s->attached[i].busy--;
	if (op == XP_DETACH && s->attached[i].handler < 0)
		monitor_clauses |= XP_C_DETACH_NOTHING;
	if (op != XP_ATTACH) {
		s->attached[i].leaving--;
		s->attached[i].left = stamp();
	}
	if (!result) {
		s->attached[i].handler = handler;
		s->attached[i].space = op == XP_DETACH ? -1 : s->attached[i].next_space;
	}
}

/* --- results --- */

static const char *const unexpected = "the operation returned what it must not return here";

/* What report says where there is no handler, or the device is on no queue. */
static bool is_bad_setup(const struct device_state *s, const struct token *t, int result)
{
	const struct iopf_core_facts *facts = &core->facts;

	if (!facts->report_returns)
		return !result;
	if (result == -EINVAL || (result == -ENODEV && facts->returns_refusal))
		return true;
	/* Early forms look at the handler when the group is complete, the first one when its work runs. */
	return !result && s->queue >= 0 && facts->returns_refusal && (!t->last || !facts->group_handlers);
}

static bool report_may(const struct record *r, int result, int token)
{
	struct device_state *s = &states[r->a], *a = attachments(r->a);
	const struct token *t = &tokens[token];
	int handler = a->attached[attached_index(a, r->c)].handler;

	if (result == -ENOMEM)
		return scenario.may_fail && (!t->last || core->facts.answers != IOPF_ANSWERS_ALL);
	if (!unchanged(r->a, r->c))
		return !result || is_bad_setup(s, t, result);
	if (s->queue < 0 || handler < 0)
		return is_bad_setup(s, t, result);
	return !result || (result == -EINVAL && handler == XP_H_REFUSE && t->last && core->facts.returns_refusal);
}

static bool allowed(const struct record *r, int result, int token)
{
	struct device_state *s;

	switch (r->op) {
	case XP_REPORT:
		return report_may(r, result, token);
	case XP_ADD:
		s = &states[r->b];
		if (result == -ENOMEM)
			return scenario.may_fail;
		if (s->busy > 1)
			return result == 0 || result == -EBUSY;
		return result == (s->queue >= 0 ? -EBUSY : 0);
	case XP_FLUSH:
		s = &states[r->a];
		if (!unchanged(r->a, -1))
			return result == 0 || result == -ENODEV;
		return result == (s->queue >= 0 ? 0 : -ENODEV);
	case XP_DISCARD:
		return result == 0;
	case XP_ATTACH:
		return result == 0 || result == -EBUSY;
	case XP_REPLACE:
		return result == 0 || result == -EINVAL;
	default:
		return true;
	}
}

void monitor_result(const struct record *r, int result, int token)
{
	add_value(engine.current->record, result);
	if (r->g == XP_ANY ? !allowed(r, result, token) : result != r->g) {
		struct finding *f = finding_add(XP_K_UNEXPECTED_RETURN, 0, NULL, unexpected);

		f->detail = (u64)(s64)result;
	}
}

/* --- the end --- */

void monitor_end(void)
{
	int i;

	for (i = 0; i < nr_tokens; i++)
		if (tokens[i].last && !tokens[i].answers && !(scenario.dropped[tokens[i].record])) {
			struct finding *f = finding_add(XP_K_LOST_RESPONSE, 0, NULL, "a last request was never answered");

			f->detail = (u64)i + 1;
			f->pc = (const void *)(u64)(tokens[i].record + 1);
			f->task = tokens[i].task;
		}
	if (!heap_live)
		return;
	for (i = 0; i < heap_nr_objects; i++) {
		const struct object *o = &heap_objects[i];

		if (o->state == OBJECT_FREED)
			continue;
		finding_add(XP_K_LEAK, (u64)heap_base + o->base, o->pc, "nobody freed it");
		engine.findings[engine.nr_findings - 1].pc = o->pc;
	}
}

/* --- outcomes --- */

static u64 mix(u64 a, u64 b)
{
	a = (a ^ b) * 0x9e3779b97f4a7c15ull;
	return a ^ a >> 31;
}

/* The order in which independent things happened is no part of it. */
u64 monitor_outcome(void)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < nr_tokens; i++) {
		const struct token *t = &tokens[i];

		if (t->last || t->answers)
			sum += mix(mix(mix(1, (u64)t->task << 16 | (u64)t->nth), (u64)(t->code + 1)), (u64)t->answers);
	}
	for (i = 0; i < nr_values; i++)
		sum += mix(mix(mix(2, (u64)values[i].task << 16 | (u64)values[i].nth), (u64)values[i].value), 3);
	for (i = 0; i < nr_warn_hits; i++)
		sum += mix(mix(4, (u64)warn_hits[i].site), warn_hits[i].hits);
	return sum;
}

static const char *const code_names[] = { "success", "invalid", "failure" };

void monitor_outcome_text(char *text, size_t room)
{
	size_t used = 0;
	int i, nth, task;

	text[0] = '\0';
#define SAY(format...) do {								\
	if (used < room)								\
		used += (size_t)snprintf(text + used, room - used, format);		\
} while (0)
	for (task = 0; task < MAX_TASKS; task++)
		for (nth = 0; nth < nth_report[task]; nth++)
			for (i = 0; i < nr_tokens; i++) {
				const struct token *t = &tokens[i];

				if (t->task != task || t->nth != nth || (!t->last && !t->answers))
					continue;
				SAY("%s%s: dev%d grpid %u", used ? "; " : "", record_task(task), t->device, t->grpid);
				if (t->answers)
					SAY(" %s", t->code >= 0 && t->code < 3 ? code_names[t->code] : "?");
				else
					SAY(" unanswered");
				if (t->answers > 1)
					SAY(" %d times", t->answers);
			}
	for (task = 0; task < MAX_TASKS; task++)
		for (nth = 0; nth < nth_value[task]; nth++)
			for (i = 0; i < nr_values; i++)
				if (values[i].task == task && values[i].nth == nth)
					SAY("%s%s: record %d gives %lld", used ? "; " : "", record_task(task),
					    values[i].record, (long long)values[i].value);
	for (i = 0; i < nr_warn_hits; i++)
		SAY("%sWARN in %s (%u)", used ? "; " : "", warn_hits[i].site->function, warn_hits[i].hits);
#undef SAY
}
