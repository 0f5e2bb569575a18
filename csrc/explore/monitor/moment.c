// SPDX-License-Identifier: GPL-2.0-only
/*
 * An execution as the monitors see it: a word of moments.
 *
 * What the scenario's calls, its handlers and the device tell the monitors is written down, call by call. A *moment* is
 * what is told between two scheduling points. It begins with a point of its own, which touches nothing: so the steps that
 * it is ordered with are exactly those that the class orders it with, any order of moments that these allow can be run,
 * and no class is split by it.
 *
 * The monitors judge each call when it comes, in the order of this execution, and findings are findings of that order.
 * The other orders of the class are judged when it is over (orders.c), by the same functions: that is why they take all
 * that they know from struct call and monitor_now.
 */
#include <string.h>

#include "monitor.h"

static struct op_class op_moment = { .name = "call or answer", .touches_nothing = true };

struct op_class op_report_begins = { .name = "report begins", .remark = REMARK_BEGINS };
struct op_class op_report_returns = { .name = "report returns", .remark = REMARK_RETURNS };
struct op_class op_response = { .name = "response", .remark = REMARK };

enum change { REMOVE, ADD, CLOSE, FREE_QUEUE };
static struct op_class begins[] = {
	[REMOVE] = { .name = "remove begins", .remark = REMARK_BEGINS },
	[ADD] = { .name = "add begins", .remark = REMARK_BEGINS },
	[CLOSE] = { .name = "close", .remark = REMARK },
	[FREE_QUEUE] = { .name = "free begins", .remark = REMARK_BEGINS },
};
static struct op_class returns[] = {
	[REMOVE] = { .name = "remove returns", .remark = REMARK_RETURNS },
	[ADD] = { .name = "add returns", .remark = REMARK_RETURNS },
	[CLOSE] = { .name = "closed", .remark = REMARK },
	[FREE_QUEUE] = { .name = "free returns", .remark = REMARK_RETURNS },
};
static struct op_class flush_begins = { .name = "flush begins", .remark = REMARK_BEGINS };
static struct op_class flush_returns = { .name = "flush returns", .remark = REMARK_RETURNS };

static enum change change_of(int op)
{
	return op == XP_REMOVE ? REMOVE : op == XP_ADD ? ADD : op == XP_CLOSE ? CLOSE : FREE_QUEUE;
}

struct moment moments[MAX_MOMENTS];
struct call calls[MAX_CALLS];
int nr_moments, nr_calls;

static int moment_of[MAX_TASKS];	/* the task's open one, from 1, and the step that it is in */
static int opened_at[MAX_TASKS];

/* What each task is in, as far as it can answer there. */
static struct doing {
	u64 answering;		/* the request that an owner answers, or frees */
	bool frees, removes;
	u8 code;		/* that it gives */
	u64 report;
	u16 resolved, faulted;	/* faults, by the work that the task is */
	unsigned int warns;	/* that had blamed a caller when its call began */
} doing[MAX_TASKS];
static struct { u64 work, token; } works[MAX_TOKENS];
static int nr_works;

/* The clocks of all moments, one after the other, as far as they are in use: they are read when the execution is over. */
static clock_lane kept[2 * MAX_MOMENTS * MAX_TASKS / LANE];
static unsigned int nr_lanes_kept;

static const s16 *keep(const struct clock *clock)
{
	clock_lane *to = &kept[nr_lanes_kept];
	unsigned int i;

	for (i = 0; i < clock_lanes; i++)
		to[i] = clock->lane[i];
	nr_lanes_kept += clock_lanes;
	return (const s16 *)to;
}

void monitor_reset(void)
{
	nr_moments = nr_calls = nr_works = nr_tokens = 0;
	nr_lanes_kept = 0;
	forget_tasks(doing);
	forget_tasks(moment_of);
	observed_reset();
	values_reset();
	lock_order_begin();
	monitors_reset();
}

/* A moment begins, in the step that runs. */
static void open_moment(void)
{
	struct task *t = engine.current;
	struct moment *m;

	if (nr_moments == MAX_MOMENTS)
		finding_fatal(XP_K_EXPLORER, 0, NULL, "too many calls and answers in one execution");
	m = &moments[nr_moments];
	m->task = (s16)t->id;
	m->record = t->record;
	m->first = nr_calls;
	m->nr = 0;
	m->node = engine.parallel ? engine.depth - 1 : NO_NODE;
	m->ordinal = t->ordinal;
	m->nr_tasks = (int)clock_lanes * LANE;
	m->step = m->node >= 0 ? keep(&engine.nodes[m->node].clock) : NULL;
	m->race = keep(&t->race);
	moment_of[t->id] = ++nr_moments;
	opened_at[t->id] = engine.depth;
}

static void moment(void)
{
	wait_op(&op_moment, 0, NULL);
	open_moment();
	event_point_next = false;
}

static void call_begins(void)
{
	doing[engine.current->id].warns = caller_warns[engine.current->id];
}

static bool has_warned(void)
{
	return doing[engine.current->id].warns != caller_warns[engine.current->id];
}

static struct call *call(enum call_kind kind)
{
	struct call *c = &calls[nr_calls];

	if (nr_calls == MAX_CALLS)
		finding_fatal(XP_K_EXPLORER, 0, NULL, "too many calls and answers in one execution");
	/* In two parts: for a structure of that size, whole, gcc takes an instruction that lasts longer than all the rest. */
	memset(c, 0, sizeof(*c) / 2);
	barrier();
	memset((char *)c + sizeof(*c) / 2, 0, sizeof(*c) - sizeof(*c) / 2);
	c->kind = (u8)kind;
	c->device = c->queue = -1;
	c->event = engine.nr_events;
	return c;
}

static void tell(struct call *c)
{
	struct moment *m;
	int id = engine.current->id;

	/* Calls of one moment lie side by side: another task's came between only where it took a step. */
	m = moment_of[id] ? &moments[moment_of[id] - 1] : NULL;
	if (!m || m->first + m->nr != nr_calls || opened_at[id] != engine.depth) {
		open_moment();
		m = &moments[moment_of[id] - 1];
	}
	m->nr++;
	nr_calls++;
	monitor_now = m;
	judge(c);
}

/* --- reports --- */

static const void *placed(const void *pc)
{
	return place_of(engine.current, pc);
}

int monitor_report_begin(int device, const struct record *r)
{
	struct call *c;

	moment();
	if (nr_tokens == MAX_TOKENS)
		finding_fatal(XP_K_EXPLORER, 0, NULL, "too many requests in one execution");
	note(&op_report_begins, 0, NULL, NULL, (u64)nr_tokens + 1);
	c = call(CALL_REPORT_BEGIN);
	c->device = (s16)device;
	c->record = r;
	c->number = (u64)++nr_tokens;
	c->grpid = (u32)r->b;
	c->pasid = request_pasid(r);
	tell(c);
	doing[engine.current->id].report = (u64)nr_tokens;
	call_begins();
	return nr_tokens - 1;
}

void monitor_report_end(int token, int result)
{
	struct call *c;

	moment();
	doing[engine.current->id].report = 0;
	c = call(CALL_REPORT_END);
	c->device = tokens[token].device;
	c->number = (u64)token + 1;
	c->result = result;
	c->warned = has_warned();
	note(&op_report_returns, 0, NULL, NULL, (u64)(s64)result);
	tell(c);
}

void monitor_handler(u64 token, int handler)
{
	struct call *c;

	moment();
	if (!token || token > (u64)nr_tokens)
		return;
	c = call(CALL_HANDLER);
	c->device = tokens[token - 1].device;
	c->number = token;
	c->op = (s16)handler;
	tell(c);
}

/* A request is part of the group whose last one has the number. */
static void monitor_member(u64 last, u64 number, bool as_reported, const void *pc)
{
	struct call *c;

	if (!last || last > (u64)nr_tokens)
		return;
	c = call(CALL_MEMBER);
	c->device = tokens[last - 1].device;
	c->number = number <= (u64)nr_tokens ? number : 0;
	c->expected = last;
	c->known = as_reported;
	c->pc = placed(pc);
	tell(c);
}

void monitor_look_at(struct iopf_group *group, const void *pc)
{
	u64 last = token_of(group, pc);
	struct list_head *node;

	shadow_access((u64)&group->faults, sizeof(group->faults), PLAIN_READ, pc);
	token_has_group(last, group);
	for (node = group->faults.next; node != &group->faults; node = node->next) {
		struct iopf_fault *iopf = list_entry(node, struct iopf_fault, list);
		bool as_reported;
		u64 number;

		shadow_access((u64)iopf, sizeof(*iopf), PLAIN_READ, pc);
		number = token_of_fault(&iopf->fault, &as_reported);
		monitor_member(last, number, as_reported, pc);
	}
}

/* That was all of the group that a handler got, and it says that it has so many. */
void monitor_group(u64 last, u64 count, const void *pc)
{
	struct call *c;

	if (!last || last > (u64)nr_tokens)
		return;
	c = call(CALL_GROUP);
	c->device = tokens[last - 1].device;
	c->number = last;
	c->result = (s32)count;
	c->pc = placed(pc);
	tell(c);
}

/* --- answers --- */

void monitor_answering(u64 token, enum iommu_page_response_code code)
{
	struct doing *d = &doing[engine.current->id];

	d->answering = token;
	d->frees = false;
	d->code = (u8)code;
}

void monitor_freeing(u64 token)
{
	monitor_answering(token, IOMMU_PAGE_RESP_INVALID);
	call_begins();
	doing[engine.current->id].frees = true;
}

void monitor_answered(void)
{
	doing[engine.current->id].answering = 0;
	/* What it warned of is told; where a handler frees, its report goes on. */
	call_begins();
}

static enum answerer answerer(void)
{
	const struct doing *d = &doing[engine.current->id];

	if (d->answering)
		return d->frees ? BY_FREE : BY_OWNER;
	if (engine.current->work)
		return BY_WORK;
	return d->report ? BY_REPORT : d->removes ? BY_REMOVAL : BY_NOBODY;
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
static u64 token_of_work(u64 work, const void *pc)
{
	int object = heap_find(work);

	if (object < 0 || heap_objects[object].state == OBJECT_FREED)
		return 0;
	return token_of(container_of((struct work_struct *)work, struct iopf_group, work), pc);
}

u64 monitor_request(const void *pc)
{
	struct task *t = engine.current;
	int i;

	if (doing[t->id].answering)
		return doing[t->id].answering;
	if (!t->work)
		return 0;
	if (!core->facts.group_handlers)
		return token_of_work(t->work, pc);
	for (i = 0; i < nr_works; i++)
		if (works[i].work == t->work)
			return works[i].token;
	return 0;
}

static void tell_resolved(u64 number, int space, int code, const void *pc)
{
	struct call *c;

	if (!core->facts.group_handlers)
		monitor_look_at(container_of((struct work_struct *)engine.current->work, struct iopf_group, work), pc);
	c = call(CALL_RESOLVE);
	c->device = tokens[number - 1].device;
	c->number = number;
	c->result = space;
	c->known = code >= 0;
	c->code = (u32)(code < 0 ? 0 : code);
	c->pc = placed(pc);
	tell(c);
}

static int resolved_in[MAX_TASKS];	/* the space that each task's last fault was resolved against */

/* A work resolves a fault of its group against an address space. */
void monitor_resolve(int space, int code, const void *pc)
{
	u64 number = monitor_request(pc);

	doing[engine.current->id].resolved++;
	resolved_in[engine.current->id] = space;
	if (number && number <= (u64)nr_tokens)
		tell_resolved(number, space, code, pc);
}

/* Its page is faulted in. */
void monitor_faulted(void)
{
	doing[engine.current->id].faulted++;
}

/* That fault comes to nothing after all. */
void monitor_not_resolved(const void *pc)
{
	tell_resolved(monitor_request(pc), resolved_in[engine.current->id], IOMMU_PAGE_RESP_INVALID, pc);
}

/* pc: where the core calls the driver. */
void monitor_response(int device, u64 number, u64 magic, const struct iommu_page_response *msg, const void *pc)
{
	struct call *c;
	u64 expected;

	moment();
	expected = monitor_request(pc);
	c = call(CALL_RESPONSE);
	c->device = (s16)device;
	c->known = !magic && number && number <= (u64)nr_tokens;
	c->number = number;
	c->expected = expected;
	c->result = engine.current->work != 0;
	c->grpid = msg->grpid;
	c->answer_pasid = msg->pasid;
	c->code = msg->code;
	c->by = (u8)answerer();
	c->warned = has_warned();
	c->given = doing[engine.current->id].code;
	c->resolved = doing[engine.current->id].resolved;
	c->faulted = doing[engine.current->id].faulted;
	/* A task may run one work after the other by hand. */
	if (c->by == BY_WORK)
		doing[engine.current->id].resolved = doing[engine.current->id].faulted = 0;
	c->report = doing[engine.current->id].report;
	c->pc = placed(pc);
	if (engine.logging && c->known)
		note(&op_response, 0, pc, NULL, number | (u64)msg->code << 32);
	tell(c);
}

/* --- owners of groups --- */

void monitor_owner_begin(int held)
{
	struct call *c;

	moment();
	c = call(CALL_OWNER_BEGIN);
	c->held = held;
	tell(c);
}

void monitor_owner_end(int held)
{
	struct call *c;

	moment();
	c = call(CALL_OWNER_END);
	c->held = held;
	tell(c);
}

void monitor_drop(void)
{
	tell(call(CALL_DROP));
}

void monitor_inside(void)
{
	tell(call(CALL_INSIDE));
}

/* --- calls that change what a device is --- */

void monitor_change_begin(int op, int device, int queue)
{
	struct call *c;

	moment();
	note(&begins[change_of(op)], 0, NULL, NULL, 0);
	doing[engine.current->id].removes = op == XP_REMOVE || op == XP_FREE_QUEUE;
	call_begins();
	c = call(CALL_CHANGE_BEGIN);
	c->op = (s16)op;
	c->device = (s16)device;
	c->queue = (s16)queue;
	tell(c);
}

void monitor_change_end(int op, int device, int queue, int result)
{
	struct call *c;

	moment();
	note(&returns[change_of(op)], 0, NULL, NULL, (u64)(s64)result);
	doing[engine.current->id].removes = false;
	c = call(CALL_CHANGE_END);
	c->op = (s16)op;
	c->device = (s16)device;
	c->queue = (s16)queue;
	c->result = result;
	c->warned = has_warned();
	tell(c);
}

void monitor_flush_begin(int device)
{
	struct call *c;

	moment();
	note(&flush_begins, 0, NULL, NULL, 0);
	call_begins();
	c = call(CALL_FLUSH_BEGIN);
	c->device = (s16)device;
	tell(c);
}

void monitor_flush_end(int device, int result)
{
	struct call *c;

	moment();
	note(&flush_returns, 0, NULL, NULL, (u64)(s64)result);
	c = call(CALL_FLUSH_END);
	c->warned = has_warned();
	c->device = (s16)device;
	c->result = result;
	tell(c);
}

void monitor_call_begin(int queue)
{
	struct call *c;

	moment();
	c = call(CALL_QUEUE_BEGIN);
	c->queue = (s16)queue;
	tell(c);
}

void monitor_call_end(int queue, int result)
{
	struct call *c;

	moment();
	c = call(CALL_QUEUE_END);
	c->queue = (s16)queue;
	c->result = result;
	tell(c);
}

int monitor_attach_begin(int op, const struct attaching *a)
{
	struct call *c;

	moment();
	call_begins();
	c = call(CALL_ATTACH_BEGIN);
	c->op = (s16)op;
	c->device = (s16)a->device;
	c->pasid = (u32)a->pasid;
	c->result = op == XP_DETACH ? NOTHING : monitor_new_space(a);
	tell(c);
	return c->result;
}

void monitor_attach_end(int op, int device, int pasid, int result)
{
	struct call *c;

	moment();
	c = call(CALL_ATTACH_END);
	c->warned = has_warned();
	c->op = (s16)op;
	c->device = (s16)device;
	c->pasid = pasid;
	c->result = result;
	tell(c);
}

void monitor_result(const struct record *r, int result)
{
	struct call *c = call(CALL_RESULT);

	c->record = r;
	c->result = result;
	c->pc = placed(NULL);
	monitor_value(result);
	tell(c);
}
