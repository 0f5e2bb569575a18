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
#include <string.h>

#include "monitor/hashes.h"
#include "monitor/monitor.h"
#include "search.h"

#define MOST_ORDERS 200000u	/* of one class; 12 calls and answers of three tasks have 20 on the average */
#define MAX_LANES 32

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

/* Those whose order is judged and not given. False: there are none. */
static bool find_bound(void)
{
	bool any = false;
	int i, other;

	memset(bound + first, 0, (size_t)(behind - first));
	for (i = first; i < behind; i++)
		for (other = i + 1; other < behind; other++)
			if (lane_of[other] != lane_of[i] && !commute(i, other) && !comes_before(i, other))
				any = bound[i] = bound[other] = true;
	return any;
}

/* --- those that were judged --- */

#define MOST_JUDGED (1u << 22)		/* with more, all are forgotten */
static struct hashes judged;

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
	return mix(h, sum);
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
	if (is_stale) {
		hashes_clear(&judged);
		judged_of = asked_of;
		is_stale = false;
	}
	return hashes_have(&judged, hash);
}

static void remember(u64 hash)
{
	if (judged.nr == MOST_JUDGED || !hashes_add(&judged, hash))
		hashes_clear(&judged);
}

/* --- one order --- */

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
		prediction_keep(raised[i].kind, raised[i].pc, raised[i].text, order, behind - first);
	/* A failure of the class, whatever it is, in an order in which the driver kept its contract. */
	for (i = 0; i < engine.nr_findings && !monitor_clauses; i++)
		prediction_keep(engine.findings[i].kind, engine.findings[i].pc, engine.findings[i].text, order,
				behind - first);
}

/* --- all of them --- */

const char orders_too_many[] = "the calls and answers of one execution have more orders than can be judged";
unsigned int orders_most, orders_judged;

static unsigned int nr_orders, most;

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
		if (lanes[k].done < lanes[k].nr && !bound[next_of(k)] && is_next(k)) {
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
	for (k = 0; k < nr_lanes && nr_orders < most && !too_much; k++) {
		u32 sleeping = 0;
		int i;

		if (asleep >> k & 1 || !is_next(k))
			continue;
		i = next_of(k);
		for (j = 0; j < nr_lanes; j++)
			if (asleep >> j & 1 && commute(i, next_of(j)))
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

/* --- what they are asked for --- */

void orders_reset(void)
{
	orders_keep(0);
	common = 0;
}

/* All orders are judged, from the one of this execution on. only_told: what they are called wrong for is not executed. */
static void judge_all(bool only_told)
{
	int i;

	predictions_begin(only_told);
	nr_orders = 0;
	most = orders_most && !only_told ? orders_most : MOST_ORDERS;
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
	const char *why = NULL, *wrong;
	bool all;
	u64 hash;

	orders_judged = 0;
	orders_run();
	if (!collect())
		return nr_lanes > MAX_LANES ? "more tasks than whose calls and answers can be put in every order" : NULL;
	find_pasts();
	hash = hash_all();
	if (was_judged(hash))
		return NULL;
	commute_prepare(first, behind, comes_before);
	judge_all(false);
	orders_judged = nr_orders;
	all = nr_orders < most && !too_much;
	if (!all && !orders_most)
		why = orders_too_many;
	/* What another part does not hear of, it has to find itself. */
	if (predictions_any())
		judged_of = 0;
	wrong = predictions_execute(execution, news);
	/* What was not judged to its end by a sample is by a search. */
	if (all || !orders_most)
		remember(hash);
	return why ? why : wrong;
}

/* A number for what the monitors say of the class of the execution that just ran, contract included. */
u64 orders_verdict(void)
{
	common = 0;
	if (!collect())
		return 0;
	find_pasts();
	commute_prepare(first, behind, comes_before);
	judge_all(true);
	return predictions_verdict();
}
