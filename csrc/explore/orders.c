// SPDX-License-Identifier: GPL-2.0-only
/*
 * The other orders of a class: a verdict is a function of the class, and not of the execution that stands for it.
 *
 * A search by partial orders executes one linearisation of each class. That is enough for what a step does, since in
 * every other one it does the same; it is not enough for who judges by dates, "the answer came when removal was over".
 * Making a dependency of everything that is judged would be sound and dear (as many classes as there are orders of calls
 * and answers: some fifty times as many with three reporters). Instead, what the monitors were told is taken as a partial
 * order of moments (moment.c), and they judge each linearisation of it, without the core: some hundred ns each. What
 * they call wrong is a prediction. It is executed, in the order that shows it, and only what shows then is a finding.
 *
 * Three things keep that small. Moments of which no monitor compares the order commute(), so one of each set of equal
 * orders is judged (sleep sets again, over moments; what commutes with all that is left comes at once). Classes share
 * their orders of moments: those that were judged are remembered by a hash of all that the monitors could know of them.
 * And what is known already, with the contract kept, is not looked for again.
 *
 * A prediction that does not come true says that two steps depend on each other which the search takes for independent.
 * With a data race in the execution that is no surprise, and the race is the finding; without one, nothing was proved and
 * the search says so.
 *
 * What is tagged by dates, whether the driver kept its contract, is a matter of the order, too: of a failure's orders, one
 * that keeps it counts.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/monitor.h"
#include "search.h"

#define MOST_ORDERS 200000u	/* of one class; 12 calls and answers of three tasks have 20 on the average */
#define MAX_LANES 32
#define MAX_ALARMS 8

/* --- the moments of the concurrent part, by task --- */

/* In the order of the tasks' numbers: that of this execution is no part of it. */
static struct lane {
	int task, nr, done;
	s16 moments[MAX_MOMENTS];	/* numbers */
} lanes[MAX_LANES];
static int nr_lanes, first, behind;	/* moments [first, behind) are concurrent */
static u8 lane_of[MAX_MOMENTS];
static bool bound[MAX_MOMENTS];		/* its place among others is judged, and not given */
static s16 order[MAX_MOMENTS];		/* that is tried */

/* Of each moment, how many of each lane come before it: by dependence, and by the race order. */
static struct past {
	u16 steps, races;
} pasts_of[MAX_MOMENTS * MAX_LANES];

static struct past *pasts(int moment)
{
	return &pasts_of[moment * nr_lanes];
}

static bool collect(void)
{
	u64 tasks = 0;
	int i, k;

	for (first = 0; first < nr_moments && moments[first].node < 0; first++)
		;
	for (i = first; i < nr_moments && moments[i].node >= 0; i++)
		tasks |= 1ull << moments[i].task;
	behind = i;
	nr_lanes = __builtin_popcountll(tasks);
	if (nr_lanes < 2 || nr_lanes > MAX_LANES)
		return false;
	for (k = 0; k < nr_lanes; k++, tasks &= tasks - 1) {
		lanes[k].task = __builtin_ctzll(tasks);
		lanes[k].nr = 0;
	}
	for (i = first; i < behind; i++) {
		for (k = 0; lanes[k].task != moments[i].task; k++)
			;
		lane_of[i] = (u8)k;
		lanes[k].moments[lanes[k].nr++] = (s16)i;
	}
	return true;
}

/* Whether something "is over" is asked of what a driver has to order, and of two answers of one owner. */
static bool asks_race_order;

static void find_what_is_asked(void)
{
	int n;

	asks_race_order = core->facts.demands;
	for (n = 0; n < nr_calls && !asks_race_order; n++)
		asks_race_order = calls[n].kind == CALL_OWNER_BEGIN;
}

static int race_of(const struct moment *m, int task)
{
	return seen_by(m->race, task, m);
}

/* What came before a moment comes before the next one of its lane. */
static void find_past(int i, int previous)
{
	const struct moment *m = &moments[i];
	struct past *past = pasts(i);
	const struct past *before = previous < 0 ? NULL : pasts(previous);
	int k;

	for (k = 0; k < nr_lanes; k++) {
		const struct lane *lane = &lanes[k];
		u16 steps = before ? before[k].steps : 0, races = before ? before[k].races : 0;

		while (k != lane_of[i] && steps < lane->nr &&
		       (s16)moments[lane->moments[steps]].ordinal <= seen_by(m->step, lane->task, m))
			steps++;
		while (asks_race_order && races < lane->nr &&
		       race_of(&moments[lane->moments[races]], lane->task) <= race_of(m, lane->task))
			races++;
		past[k].steps = steps;
		past[k].races = races;
	}
}

static bool comes_before(int i, int other)
{
	int n = pasts(other)[lane_of[i]].steps;

	return n && lanes[lane_of[i]].moments[n - 1] >= i;
}

/* --- what may change places --- */

#define KIND(kind) (1u << (kind))
#define REQUESTS (KIND(CALL_REPORT_BEGIN) | KIND(CALL_REPORT_END) | KIND(CALL_HANDLER) | KIND(CALL_MEMBER) |		\
		  KIND(CALL_GROUP) | KIND(CALL_RESOLVE) | KIND(CALL_RESPONSE))
#define OWNERS (KIND(CALL_OWNER_BEGIN) | KIND(CALL_OWNER_END) | KIND(CALL_DROP))
#define QUEUES (KIND(CALL_QUEUE_BEGIN) | KIND(CALL_QUEUE_END) | KIND(CALL_FLUSH_BEGIN) | KIND(CALL_FLUSH_END))
#define CHANGES (KIND(CALL_CHANGE_BEGIN) | KIND(CALL_CHANGE_END))		/* of the queue that a device is on */
#define ATTACHES (KIND(CALL_ATTACH_BEGIN) | KIND(CALL_ATTACH_END))		/* of what a PASID is attached to */

static struct about {
	u32 kinds;
	u16 devices;
	u64 pasids;		/* whose attachment is changed, or looked at: a bit each, which some may share */
	bool removes;		/* a change that is a removal, of one device or of all of a queue */
	bool may_follow;	/* the end of a removal, by what is given */
	bool has_partials;	/* there are requests of its key that are not the last */
	u64 key;		/* of the request, or of the held group */
} abouts[MAX_MOMENTS];

/* Of all moments: what there is for a monitor to compare. */
static bool has_answers_astray;		/* given for another request than they went to */
static bool has_other_changes;		/* than one removal */
static bool has_flush;
static bool has_refusals;		/* whose answer has to come before report returns */

static u16 devices_of_group(int device)
{
	u16 mask = 0;
	int i, root, k;

	for (root = device; scenario.records[scenario.devices[root]].f >= 0;)
		root = scenario.records[scenario.devices[root]].f;
	for (i = 0; i < scenario.nr_devices; i++) {
		for (k = i; scenario.records[scenario.devices[k]].f >= 0;)
			k = scenario.records[scenario.devices[k]].f;
		mask |= (u16)((k == root) << i);
	}
	return mask;
}

static u64 pasid_bit(u32 pasid)
{
	return 1ull << pasid % 64;
}

/* Forms without keys store by index alone. */
static u64 key_of(const struct token *t)
{
	return (u64)t->grpid << 32 ^ (core->facts.counts_handles ? (u64)t->pasid << 8 : 0) ^ (u64)t->device;
}

static struct about about(const struct moment *m)
{
	struct about a = { 0 };
	int i, k;

	for (i = m->first; i < m->first + m->nr; i++) {
		const struct call *c = &calls[i];

		a.kinds |= KIND(c->kind);
		if (KIND(c->kind) & REQUESTS) {
			a.devices |= (u16)(1u << c->device);
			if (c->number && c->number <= (u64)nr_tokens) {
				const struct token *t = &tokens[c->number - 1];

				a.key = key_of(t);
				/* In a guest's table it is looked up behind that of PASID 0. */
				a.pasids |= pasid_bit(t->pasid) | pasid_bit(0);
				for (k = 0; k < nr_tokens; k++)
					a.has_partials |= !tokens[k].last && key_of(&tokens[k]) == a.key;
			}
			has_answers_astray |= (c->kind == CALL_RESPONSE && c->expected && c->expected != c->number);
		} else if (KIND(c->kind) & OWNERS) {
			a.key = ~(u64)c->held;
		} else if (KIND(c->kind) & QUEUES) {
			a.devices = 0xffff;
			has_flush |= c->kind == CALL_FLUSH_END;
		} else if (KIND(c->kind) & CHANGES) {
			a.devices |= c->op == XP_FREE_QUEUE ? 0xffff : (u16)(1u << c->device);
			a.removes = c->op == XP_FREE_QUEUE || c->op == XP_REMOVE;
		} else if (KIND(c->kind) & ATTACHES) {
			a.devices |= devices_of_group(c->device);
			a.pasids |= pasid_bit(c->pasid);
		}
	}
	return a;
}

/* Two moments of requests. */
static bool requests_commute(const struct about *a, const struct about *b)
{
	u32 kinds = a->kinds | b->kinds;

	if (a->key != b->key)
		return true;
	/* "It had returned when that one began", of a request whose index is used again. */
	if (kinds & KIND(CALL_REPORT_BEGIN) && kinds & KIND(CALL_REPORT_END))
		return false;
	/* What may have been part of the group. */
	if (a->has_partials && kinds & KIND(CALL_GROUP) && kinds & (KIND(CALL_REPORT_BEGIN) | KIND(CALL_REPORT_END)))
		return false;
	if (a->has_partials && a->kinds & b->kinds & KIND(CALL_GROUP))
		return false;
	if (kinds & KIND(CALL_RESPONSE)) {
		/* Which answer is the second one. */
		if (a->kinds & b->kinds & KIND(CALL_RESPONSE))
			return false;
		/* An unanswered index is used again. */
		if (kinds & KIND(CALL_REPORT_BEGIN))
			return !core->facts.response_matches_copies;
		/* Only an answer that comes behind a removal, or that is owed, asks whether its report has returned. */
		if (kinds & KIND(CALL_REPORT_END))
			return !has_refusals && !a->may_follow && !b->may_follow;
	}
	return true;
}

/* A moment of a request, and one of a removal. */
static bool removal_commutes(const struct about *request, const struct about *removal)
{
	if (request->has_partials && request->kinds & KIND(CALL_GROUP))
		return false;
	if (has_other_changes)
		return !(request->kinds & (KIND(CALL_REPORT_BEGIN) | KIND(CALL_REPORT_END) | KIND(CALL_HANDLER) |
					   KIND(CALL_RESPONSE)));
	if (removal->kinds & KIND(CALL_CHANGE_BEGIN)) {
		/* The report has ended before it, or may have met it. */
		if (request->kinds & KIND(CALL_REPORT_END))
			return false;
		/* A report that begins before is one that it may meet all the same. */
		if (request->kinds & KIND(CALL_REPORT_BEGIN) && (has_flush || demands(IOPF_DEMANDS_QUIET | IOPF_DEMANDS_FLUSH)))
			return false;
		return !(request->kinds & KIND(CALL_RESPONSE) && demands(IOPF_DEMANDS_IDLE));
	}
	/* The report has begun when it is on no queue; the answer comes when removal is over. */
	if (request->kinds & (KIND(CALL_REPORT_BEGIN) | KIND(CALL_RESPONSE)))
		return false;
	return !(request->kinds & KIND(CALL_HANDLER) && has_answers_astray);
}

/* A moment of an attachment's change, and any other: who looks at an attachment is a report, when it begins and ends. */
static bool attaching_commutes(const struct about *attaching, const struct about *other)
{
	/* Whether a request is answered, and all were waited for. */
	if (demands(IOPF_DEMANDS_DRAINED) && other->kinds & QUEUES)
		return false;
	if (!(other->kinds & (ATTACHES | KIND(CALL_REPORT_BEGIN) | KIND(CALL_REPORT_END))))
		return true;
	if (!(attaching->devices & other->devices) || !(attaching->pasids & other->pasids))
		return true;
	/* A report that begins before a change does may meet it all the same. */
	return attaching->kinds & KIND(CALL_ATTACH_BEGIN) && other->kinds & KIND(CALL_REPORT_BEGIN) && !has_flush &&
	       !demands(IOPF_DEMANDS_QUIET | IOPF_DEMANDS_FLUSH | IOPF_DEMANDS_DRAINED);
}

/*
 * No monitor tells their order. (A question whether something "is over" asks the race order, which every order of the
 * moments keeps.) The test of it: with commute() false everywhere, the same alarms are raised.
 */
static bool commute(const struct about *a, const struct about *b)
{
	u32 kinds = a->kinds | b->kinds;

	if (options.flags & XP_O_ALL_ORDERS)
		return false;
	if (a->kinds & ATTACHES)
		return attaching_commutes(a, b);
	if (b->kinds & ATTACHES)
		return attaching_commutes(b, a);
	if (kinds & CHANGES) {
		if (!(a->devices & b->devices))
			return true;
		if (a->kinds & REQUESTS && b->removes)
			return removal_commutes(a, b);
		if (b->kinds & REQUESTS && a->removes)
			return removal_commutes(b, a);
		return false;
	}
	/* What had been queued when flush began, and was not answered when it returned. */
	if ((kinds & KIND(CALL_FLUSH_BEGIN) && kinds & KIND(CALL_REPORT_END)) ||
	    (kinds & KIND(CALL_FLUSH_END) && kinds & KIND(CALL_RESPONSE)))
		return false;
	/* What was discarded before, beside it, or not at all. */
	if ((a->has_partials || b->has_partials) && kinds & (KIND(CALL_QUEUE_BEGIN) | KIND(CALL_QUEUE_END)) &&
	    kinds & (KIND(CALL_REPORT_BEGIN) | KIND(CALL_REPORT_END) | KIND(CALL_GROUP)))
		return false;
	if (kinds & QUEUES)
		return true;
	if (kinds & OWNERS)
		return a->key != b->key;
	return requests_commute(a, b);
}

static void find_abouts(void)
{
	int removals = 0, others = 0, i, k;

	has_answers_astray = has_flush = false;
	has_refusals = may_be_refused();
	for (i = first; i < behind; i++) {
		abouts[i] = about(&moments[i]);
		removals += abouts[i].removes && abouts[i].kinds & KIND(CALL_CHANGE_BEGIN);
		others |= abouts[i].kinds & CHANGES && !abouts[i].removes;
	}
	has_other_changes = others || removals > 1;
	for (i = first; i < behind; i++)
		for (k = first; k < behind && abouts[i].kinds & KIND(CALL_RESPONSE) && !abouts[i].may_follow; k++)
			abouts[i].may_follow = abouts[k].kinds & KIND(CALL_CHANGE_END) &&
					       (moments[k].task == moments[i].task ? k < i : !comes_before(i, k));
}

/* Those whose order is judged and not given. False: there are none. */
static bool find_bound(void)
{
	bool any = false;
	int i, other;

	memset(bound + first, 0, (size_t)(behind - first));
	for (i = first; i < behind; i++)
		for (other = i + 1; other < behind; other++)
			if (lane_of[other] != lane_of[i] && !commute(&abouts[i], &abouts[other]) && !comes_before(i, other))
				any = bound[i] = bound[other] = true;
	return any;
}

/* --- those that were judged --- */

#define ROOM (1u << 16)
static u64 judged[ROOM];
static u16 filled[ROOM / 2];		/* places in it */
static unsigned int nr_judged;

static u64 mix(u64 a, u64 b)
{
	a = (a ^ b) * 0x9e3779b97f4a7c15ull;
	return a ^ a >> 29;
}

/* Everything that the monitors could know of any order: equal ones have equal verdicts. */
static u64 hash_of_orders(void)
{
	u64 h = mix(engine.nr_findings ? 7 : 5, (u64)nr_lanes);
	int k;

	for (k = 0; k < engine.nr_findings; k++)
		h = mix(h, finding_signature(&engine.findings[k]));
	/* Lane by lane: the order of this execution is no part of it. */
	for (k = 0; k < nr_lanes; k++)
		h = mix(h, (u64)lanes[k].task << 16 | (u64)lanes[k].nr);
	return h;
}

static u64 hash_of_moment(int i)
{
	const struct moment *m = &moments[i];
	const struct past *past = pasts(i);
	u64 h = mix((u64)m->task << 16, (u64)m->nr);
	int k;

	for (k = m->first; k < m->first + m->nr; k++) {
		const struct call *c = &calls[k];

		h = mix(h, (u64)c->kind << 56 ^ (u64)(u16)c->device << 32 ^ (u64)(u32)c->result);
		h = mix(h, c->known);
		h = mix(h, c->number << 32 ^ c->expected ^ (u64)c->code << 24 ^ (u64)c->grpid << 40 ^ c->answer_pasid);
		h = mix(h, (u64)c->by << 48 ^ (u64)c->given << 40 ^ (u64)c->resolved << 16 ^ c->report << 52 ^
			   (u64)c->warned << 1 ^ c->known);
	}
	for (k = 0; k < nr_lanes; k++)
		h = mix(h, (u64)past[k].steps << 16 | past[k].races);
	return h;
}

/*
 * Executions have their beginnings in common: what was found out about those moments still holds if the lanes are the same
 * ones. sums[i]: of the moments before i, a sum, since tasks and their numbers tell moments apart, and their places in
 * this execution do not count.
 */
static u64 sums[MAX_MOMENTS + 1];
static int common;			/* nodes that all executions since then share */
static struct { u64 tasks; int first, behind; bool asks; } looked_at;

void orders_run(void)
{
	if (engine.fresh_from < common)
		common = engine.fresh_from;
}

/* How many moments the last one that was looked at had in common with this one. */
static int find_common(u64 tasks)
{
	int i = first;

	if (looked_at.tasks == tasks && looked_at.first == first && looked_at.asks == asks_race_order)
		while (i < behind && i < looked_at.behind && moments[i].node < common)
			i++;
	common = INT_MAX;
	looked_at.tasks = tasks;
	looked_at.first = first;
	looked_at.behind = behind;
	looked_at.asks = asks_race_order;
	return i;
}

static void find_pasts(void)
{
	s16 last[MAX_LANES];
	u64 tasks = 0;
	int i, k;

	find_what_is_asked();
	for (k = 0; k < nr_lanes; k++) {
		tasks |= 1ull << lanes[k].task;
		last[k] = -1;
	}
	i = find_common(tasks);
	for (k = first; k < i; k++)
		last[lane_of[k]] = (s16)k;
	for (; i < behind; i++) {
		find_past(i, last[lane_of[i]]);
		last[lane_of[i]] = (s16)i;
		sums[i + 1] = sums[i] + mix(hash_of_moment(i), 3);
	}
}

static u64 hash_all(void)
{
	u64 h = hash_of_orders(), sum = sums[behind] - sums[first];
	int i;

	for (i = behind; i < nr_moments; i++)
		sum += mix((u64)moments[i].nr, (u64)i);
	return mix(h, sum) | 1;
}

static void forget_judged(void)
{
	while (nr_judged)
		judged[filled[--nr_judged]] = 0;
}

/* Of what the hashes that are there are, and of what those will be that are asked for; 0: of this search alone. */
static u64 judged_of, asked_of;
static bool is_stale;

void orders_keep(u64 search)
{
	asked_of = search;
	is_stale = !search || search != judged_of;
}

static bool was_judged(u64 hash)
{
	u32 i = (u32)(hash >> 40) % ROOM;

	if (is_stale) {
		forget_judged();
		judged_of = asked_of;
		is_stale = false;
	}

	for (; judged[i]; i = (i + 1) % ROOM)
		if (judged[i] == hash)
			return true;
	return false;
}

static void remember(u64 hash)
{
	u32 i = (u32)(hash >> 40) % ROOM;

	if (nr_judged == ROOM / 2)
		forget_judged();
	for (; judged[i]; i = (i + 1) % ROOM)
		;
	judged[i] = hash;
	filled[nr_judged++] = (u16)i;
}

/* --- one order --- */

struct alarm {
	int kind;
	const void *pc;
	const char *text;
	unsigned int clauses;
	int length;
	struct choice *choices;
};

static struct alarm alarms[MAX_ALARMS];
static int nr_alarms;
#define MAX_RAISED 16
static struct { int kind; const void *pc; const char *text; } raised[MAX_RAISED];
static int nr_raised;
static bool too_much;

static void raise(int kind, const void *pc, const char *text, u64 detail)
{
	int i;

	(void)detail;
	too_much |= kind == XP_K_EXPLORER;
	for (i = 0; i < nr_raised; i++)
		if (raised[i].kind == kind && raised[i].pc == pc && raised[i].text == text)
			return;
	if (nr_raised < MAX_RAISED) {
		raised[nr_raised].kind = kind;
		raised[nr_raised].pc = pc;
		raised[nr_raised++].text = text;
	}
}

static void judge_moment(int i)
{
	int k;

	monitor_now = &moments[i];
	for (k = monitor_now->first; k < monitor_now->first + monitor_now->nr; k++)
		judge(&calls[k]);
}

/* The schedule of a whole execution of this class in which moments come in that order. */
static struct choice *schedule_of(int *length)
{
	struct choice *choices = calloc((size_t)engine.depth + 1, sizeof(*choices));
	u8 *taken = calloc((size_t)engine.depth + 1, 1);
	int i, n, done = 0;

	for (i = 0; choices && taken && i <= behind - first; i++) {
		int node = i < behind - first ? moments[order[i]].node : engine.depth - 1;

		for (n = 0; n <= node; n++) {
			const struct node *before = &engine.nodes[n];

			if (taken[n])
				continue;
			/* What it comes after, and at the end all that is left. */
			if (i < behind - first && n != node &&
			    engine.nodes[node].clock.at[before->task] < (s16)before->ordinal)
				continue;
			taken[n] = 1;
			choices[done++] = (struct choice){ before->task, before->alternative };
		}
	}
	free(taken);
	*length = done;
	return choices;
}

static bool is_known(int kind, const void *pc, const char *text)
{
	int i;

	for (i = 0; i < nr_found; i++)
		if (found[i].finding.kind == kind && found[i].finding.pc == pc && found[i].finding.text == text)
			return !found[i].clauses;
	return false;
}

static bool only_told;	/* alarms are told as they are, and not run */

static void keep_alarm(int kind, const void *pc, const char *text)
{
	struct alarm *a;
	int i;

	if (!only_told && (is_known(kind, pc, text) || scenario.expected >> kind & 1))
		return;
	for (i = 0; i < nr_alarms; i++)
		if (alarms[i].kind == kind && alarms[i].pc == pc && alarms[i].text == text)
			break;
	if (i == MAX_ALARMS || (i < nr_alarms && (!alarms[i].clauses || monitor_clauses)))
		return;
	a = &alarms[i];
	if (i == nr_alarms)
		nr_alarms++;
	else
		free(a->choices);
	*a = (struct alarm){ .kind = kind, .pc = pc, .text = text, .clauses = monitor_clauses };
	if (!only_told)
		a->choices = schedule_of(&a->length);
}

static void judge_order(void)
{
	int i;

	nr_raised = 0;
	monitors_reset();
	for (i = 0; i < first; i++)
		judge_moment(i);
	for (i = 0; i < behind - first; i++)
		judge_moment(order[i]);
	for (i = behind; i < nr_moments; i++)
		judge_moment(i);
	for (i = 0; i < nr_raised; i++)
		keep_alarm(raised[i].kind, raised[i].pc, raised[i].text);
	/* A failure of the class, whatever it is, in an order in which the driver kept its contract. */
	for (i = 0; i < engine.nr_findings && !monitor_clauses; i++)
		keep_alarm(engine.findings[i].kind, engine.findings[i].pc, engine.findings[i].text);
}

/* --- all of them --- */

static unsigned int nr_orders;

static bool is_next(int k)
{
	const struct past *past;
	int j;

	if (lanes[k].done == lanes[k].nr)
		return false;
	past = pasts(lanes[k].moments[lanes[k].done]);
	for (j = 0; j < nr_lanes; j++)
		if (past[j].steps > lanes[j].done)
			return false;
	return true;
}

static int next_of(int k)
{
	return lanes[k].moments[lanes[k].done];
}

/* Moments that are not bound come as soon as they can: nothing that is left to come would tell. */
static int take_free(int depth)
{
	int k = 0;

	while (k < nr_lanes) {
		if (is_next(k) && !bound[next_of(k)]) {
			order[depth++] = (s16)next_of(k);
			lanes[k].done++;
			k = 0;
		} else {
			k++;
		}
	}
	return depth;
}

static void walk(int depth, u32 asleep)
{
	int done[MAX_LANES], k, j;

	for (k = 0; k < nr_lanes; k++)
		done[k] = lanes[k].done;
	depth = take_free(depth);
	if (depth == behind - first) {
		nr_orders++;
		judge_order();
	}
	for (k = 0; k < nr_lanes && nr_orders < MOST_ORDERS && !too_much; k++) {
		u32 sleeping = 0;
		int i;

		if (asleep >> k & 1 || !is_next(k))
			continue;
		i = next_of(k);
		for (j = 0; j < nr_lanes; j++)
			if (asleep >> j & 1 && commute(&abouts[i], &abouts[next_of(j)]))
				sleeping |= 1u << j;
		order[depth] = (s16)i;
		lanes[k].done++;
		walk(depth + 1, sleeping);
		lanes[k].done--;
		asleep |= 1u << k;
	}
	for (k = 0; k < nr_lanes; k++)
		lanes[k].done = done[k];
}

/* --- predictions --- */

static bool shows(const struct alarm *a)
{
	int i;

	for (i = 0; i < engine.nr_findings; i++)
		if (engine.findings[i].kind == a->kind && engine.findings[i].pc == a->pc &&
		    engine.findings[i].text == a->text)
			return !monitor_clauses || a->clauses;
	return false;
}

static bool has_data_race(void)
{
	int i;

	for (i = 0; i < nr_found; i++)
		if (found[i].finding.kind == XP_K_DATA_RACE)
			return true;
	return false;
}

bool orders_put_off, orders_unproved;
static const char not_independent[] = "steps that are taken for independent are not: an order of calls and answers could not be run";

const char *orders_why(void)
{
	return orders_unproved && !has_data_race() ? not_independent : NULL;
}

/* Executes what was predicted; what shows is collected. */
static const char *execute_alarms(u64 execution, bool *news)
{
	struct aside aside;
	const char *why = NULL;
	int i;

	if (!aside_begin(&aside))
		return "no memory";
	for (i = 0; i < nr_alarms; i++) {
		struct alarm *a = &alarms[i];

		if (!a->choices)
			continue;
		schedule_lenient = schedule_free_after = false;
		failure_reproduces(a->choices, a->length, 0);
		if (shows(a))
			*news |= failures_collect(execution);
		else if (orders_put_off)
			orders_unproved = true;
		else if (!has_data_race())
			why = not_independent;
	}
	aside_end(&aside);
	return why;
}

void orders_reset(void)
{
	orders_keep(0);
	common = 0;
}

/* All orders are judged, from the one of this execution on. */
static void judge_all(void)
{
	int i;

	nr_alarms = 0;
	nr_orders = 0;
	too_much = false;
	for (i = 0; i < nr_lanes; i++)
		lanes[i].done = 0;
	monitor_alarm = raise;
	if (find_bound()) {
		walk(0, 0);
	} else if (only_told) {
		for (i = first; i < behind; i++)
			order[i - first] = (s16)i;
		judge_order();
	}
	monitor_alarm = NULL;
}

/* NULL, or why the execution proves nothing. news: something that was not known. */
const char *orders_judge(u64 execution, bool *news)
{
	const char *why = NULL;
	u64 hash;
	int i;

	orders_run();
	if (!collect())
		return nr_lanes > MAX_LANES ? "more tasks than whose calls and answers can be put in every order" : NULL;
	find_pasts();
	hash = hash_all();
	if (was_judged(hash))
		return NULL;
	find_abouts();
	judge_all();
	if (nr_orders >= MOST_ORDERS || too_much)
		why = "the calls and answers of one execution have more orders than can be judged";
	if (nr_alarms) {
		const char *wrong = execute_alarms(execution, news);

		/* What another part does not hear of, it has to find itself. */
		judged_of = 0;
		why = why ? why : wrong;
		for (i = 0; i < nr_alarms; i++)
			free(alarms[i].choices);
	}
	remember(hash);
	return why;
}

/* A number for what the monitors say of the class of the execution that just ran, contract included. */
u64 orders_verdict(void)
{
	u64 sum = 0;
	int i;

	common = 0;
	if (!collect())
		return 0;
	find_pasts();
	find_abouts();
	only_told = true;
	judge_all();
	only_told = false;
	for (i = 0; i < nr_alarms; i++)
		sum += mix(mix((u64)alarms[i].kind, (u64)alarms[i].pc), (u64)alarms[i].text ^ !alarms[i].clauses);
	return sum;
}
