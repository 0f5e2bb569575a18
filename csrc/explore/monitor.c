// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is promised to devices and drivers, checked in every execution: one answer to every last request, to the right
 * device, with its index and PASID, and not when removal is over; returns that the contract allows; nothing left behind.
 */
#include <string.h>

#include "monitor.h"

struct token tokens[MAX_TOKENS];
int nr_tokens;
unsigned int monitor_clauses;

int monitor_date;
struct device_state device_states[MAX_DEVICES];
struct queue_state queue_states[MAX_QUEUES];

u16 monitor_nth_report[MAX_TASKS];

static u64 answering[MAX_TASKS];
static struct { u64 work, token; } works[MAX_TOKENS];
static int nr_works;

void monitor_reset(void)
{
	int i;

	nr_tokens = nr_works = 0;
	results_reset();
	monitor_clauses = 0;
	monitor_date = 0;
	sight_reset();
	for (i = 0; i < scenario.nr_devices; i++) {
		struct device_state *s = &device_states[i];

		variable_reset(&s->queue);
		s->readers = 0;
		s->closed = false;
		s->closing = s->adding = s->reports = s->removals = s->nr_attached = 0;
		s->removed = 0;
	}
	for (i = 0; i < scenario.nr_queues; i++)
		queue_states[i] = (struct queue_state){ 0 };
	memset(monitor_nth_report, 0, sizeof(monitor_nth_report));
	memset(answering, 0, sizeof(answering));
}

bool monitor_is_added(int device, int *queue)
{
	/* If nobody knows, freeing the queue removes it. */
	*queue = variable_value(&device_states[device].queue, NOTHING);
	return *queue >= 0 && !device_states[device].closed && !queue_states[*queue].freed;
}

bool monitor_queue_is_freed(int queue)
{
	return queue_states[queue].freed;
}

bool monitor_is_closed(int device)
{
	return device_states[device].closed;
}

/* --- reports and their answers --- */

static bool same_key(const struct token *a, const struct token *b)
{
	return a->device == b->device && a->grpid == b->grpid && a->pasid == b->pasid;
}

int monitor_report_begin(int device, const struct record *r)
{
	struct device_state *s = &device_states[device];
	struct attachment *a = attachment(device, r->c);
	const struct sight *seen;
	int task = engine.current->id, k;
	struct token *t;

	if (nr_tokens == MAX_TOKENS)
		finding_fatal(XP_K_EXPLORER, 0, NULL, "too many requests in one execution");
	t = &tokens[nr_tokens];
	seen = monitor_see(device, r->c);
	*t = (struct token){
		.task = (s16)task, .nth = (s16)monitor_nth_report[task]++, .device = (s16)device, .last = r->e & 1,
		.grpid = (u32)r->b, .pasid = (u32)r->c, .code = -1,
		.record = engine.current->record, .begun = ++monitor_date, .space = -1,
		.removals = (s16)s->removals, .launched = 0x7fff, .readded = s->adding,
		.queues = (u16)seen->queues,
		.has_work = r->e & 1 && seen->handlers == 2u << XP_H_SVA,
		.may_have_work = r->e & 1 && seen->handlers & 2u << XP_H_SVA,
	};
	for (k = 0; core->facts.response_matches_copies && k < nr_tokens; k++)
		if (tokens[k].last && !tokens[k].answers && same_key(&tokens[k], t) && tokens[k].removals == t->removals)
			monitor_clauses |= XP_C_INDEX;
	note(OP_NOTE, 0, NULL, "report begins", (u64)nr_tokens + 1);
	s->reports++;
	if (demands(IOPF_DEMANDS_QUIET) && (variable_may_be(&s->queue, NOTHING) || !is_before(s->removed)))
		monitor_clauses |= XP_C_RECEPTION;
	if (demands(IOPF_DEMANDS_DRAINED) && (a->leaving || !is_before(a->left)))
		monitor_clauses |= XP_C_DETACH;
	if (s->closed)
		monitor_clauses |= XP_C_DEVICE_GONE;
	return nr_tokens++;
}

bool monitor_report_end(int token, int result)
{
	struct token *t = &tokens[token];
	const struct sight *seen = monitor_seen();

	t->returned = true;
	t->returned_at = stamp();
	t->ended = ++monitor_date;
	t->result = result;
	device_states[t->device].reports--;
	t->space = (s16)seen->space;
	note(OP_NOTE, 0, NULL, "report returns", (u64)(s64)result);
	return report_may(t, seen, result);
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
	if (token && token <= (u64)nr_tokens)
		tokens[token - 1].launched = (s16)device_states[tokens[token - 1].device].removals;
	works[i].work = work;
	works[i].token = token;
}

/* A form whose works are not queued by a handler: the group that the work is part of knows. */
static u64 token_of_work(u64 work, const void *pc)
{
	int object = heap_find(work);

	if (object < 0 || heap_objects[object].state == OBJECT_FREED)
		return 0;
	return driver_token_of(container_of((struct work_struct *)work, struct iopf_group, work), pc);
}

static u64 expected_token(const void *pc)
{
	struct task *t = engine.current;
	int i;

	if (answering[t->id])
		return answering[t->id];
	if (!t->work)
		return 0;
	if (!core->facts.group_handlers)
		return token_of_work(t->work, pc);
	for (i = 0; i < nr_works; i++)
		if (works[i].work == t->work)
			return works[i].token;
	return 0;
}

/* The answer comes when the removal that followed its request is over, whatever became of the device since. */
static bool is_late(const struct token *t)
{
	const struct variable *queue = &device_states[t->device].queue;

	if (!t->removal_ended || !t->returned)
		return false;
	if (t->ended < t->removal_began)
		return true;
	/*
	 * Where late reports are bad setup, one that ran beside removal is no exception once it is over; but if the
	 * device was added again meanwhile, the request may be of after that, until it is on no queue for certain.
	 */
	return core->facts.rejects_late_reports &&
	       (!t->readded || (!queue->running && !variable_may_differ(queue, NOTHING)));
}

/* A request is part of the group whose last one has the number. */
void monitor_member(u64 last, u64 number, const void *pc)
{
	const struct token *t = &tokens[last - 1], *p = &tokens[number - 1];
	int i;

	if (!last || last > (u64)nr_tokens || !number || number > (u64)nr_tokens || last == number)
		return;
	if (!same_key(t, p)) {
		finding_add(XP_K_WRONG_RESPONSE, 0, pc,
			    "a request is answered with a group of another index or PASID than its own");
		return;
	}
	for (i = 0; i < nr_tokens; i++)
		if (tokens[i].last && same_key(&tokens[i], p) && p->returned && p->ended < tokens[i].begun &&
		    tokens[i].returned && tokens[i].ended < t->begun)
			finding_add(XP_K_WRONG_RESPONSE, 0, pc,
				    "a request is answered with a later group that uses its index again");
}

/* A work resolves its group against an address space. */
void monitor_resolve(int space, const void *pc)
{
	u64 number = expected_token(pc);
	const struct token *t;

	if (!number || number > (u64)nr_tokens)
		return;
	if (!core->facts.group_handlers)
		driver_look_at(container_of((struct work_struct *)engine.current->work, struct iopf_group, work), pc);
	t = &tokens[number - 1];
	if (t->returned && t->space >= 0 && t->space != space)
		finding_add(XP_K_WRONG_RESPONSE, 0, pc,
			    "the request is resolved against an address space that came to its PASID later");
}

/* What is wrong with an answer to t: kind, and why; NULL: nothing. */
static const char *wrong_with(const struct token *t, int device, u64 number, const struct iommu_page_response *msg,
			      const void *pc, int *kind)
{
	u64 expected = expected_token(pc);

	*kind = XP_K_WRONG_RESPONSE;
	if (t->device != device)
		return "the answer went to another device";
	if (msg->grpid != t->grpid || msg->pasid != t->pasid)
		return "the answer has another index or PASID than its request";
	if (!t->last)
		return "a request that was not the last of its group was answered";
	if (msg->code > IOMMU_PAGE_RESP_FAILURE)
		return "the answer's code means nothing";
	if (expected && expected <= (u64)nr_tokens && tokens[expected - 1].launched < t->removals)
		return "the answer of a group from before removal went to a request from after it";
	if (expected && expected != number)
		return "the answer is to another request than the group's owner gave it for";
	*kind = XP_K_DOUBLE_RESPONSE;
	if (t->answers)
		return "the request had been answered before";
	*kind = XP_K_LATE_RESPONSE;
	return is_late(t) ? "the answer came when removal was over" : NULL;
}

/* pc: where the core calls the driver. */
void monitor_response(int device, u64 number, u64 magic, const struct iommu_page_response *msg, const void *pc)
{
	const char *why;
	struct token *t;
	int kind;

	if (magic || !number || number > (u64)nr_tokens) {
		finding_add(XP_K_WRONG_RESPONSE, 0, pc, "the answer is to no request that was ever made");
		return;
	}
	t = &tokens[number - 1];
	if (engine.logging)
		note(OP_NOTE, 0, pc, "response", number | (u64)msg->code << 32);
	why = wrong_with(t, device, number, msg, pc, &kind);
	if (why)
		finding_add(kind, 0, pc, why)->detail = number;
	if (!t->answers++) {
		t->code = (s8)msg->code;
		t->answered_at = stamp();
		t->answered_by = (s16)engine.current->id;
		t->answer_pc = place_of(engine.current, pc);
		t->answer_event = engine.nr_events - 1;
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
	if (heap_live)
		leak_find();
}
