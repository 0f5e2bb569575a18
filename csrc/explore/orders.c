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
 * Four things keep that small. Moments of which no monitor compares the order commute(), so one of each set of equal
 * orders is judged (sleep sets again, over moments; what commutes with all that is left comes at once). Requests that no
 * monitor compares with each other are judged one by one: each with the changes of its device in all orders, and the other
 * requests wherever they come, so that the orders add up and do not multiply. Only where that calls something wrong with the
 * driver's contract broken are all of them looked at, and in what only the contract asks for, too, for one in which it is
 * kept. Classes share their orders of moments: those that were judged are remembered by a hash of all that the monitors could
 * know of them. And what is known already, with the contract kept, is not looked for again.
 *
 * A prediction that does not come true says that two steps depend on each other which the search takes for independent.
 * With a data race in the execution that is no surprise, and the race is the finding; without one, nothing was proved and
 * the search says so.
 *
 * What is tagged by dates, whether the driver kept its contract, is a matter of the order, too: of a failure's orders, one
 * that keeps it counts.
 */
#include <string.h>

#include "lanes.h"
#include "monitor/hashes.h"
#include "search.h"

#define MOST_ORDERS 200000u	/* of one class; 12 calls and answers of three tasks have 20 on the average */

static int nr_concurrent;
static s16 order[MAX_MOMENTS];		/* that is tried */

/* --- those that were judged --- */

#define MOST_JUDGED (1u << 22)		/* with more, all are forgotten */
static struct hashes judged;

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
	for (i = 0; i < lanes_first; i++)
		judge_moment(i);
	for (i = 0; i < nr_concurrent; i++)
		judge_moment(order[i]);
	for (i = lanes_behind; i < nr_moments; i++)
		judge_moment(i);
}

/* Something was raised in an order that was tried; in one of them the driver kept its contract. */
static bool any_news, any_kept;

static void keep_what_was_raised(void)
{
	int i;

	any_kept |= !monitor_clauses;
	for (i = 0; i < nr_raised; i++)
		any_news |= prediction_is_news(raised[i].kind, raised[i].pc, raised[i].text);
	for (i = 0; i < nr_raised; i++)
		prediction_keep(raised[i].kind, raised[i].pc, raised[i].text, order, nr_concurrent);
	/* A failure of the class, in an order in which the driver kept its contract; what a monitor found has to be raised there. */
	for (i = 0; i < engine.nr_findings && !monitor_clauses; i++)
		if (!engine.findings[i].of_monitor)
			prediction_keep(engine.findings[i].kind, engine.findings[i].pc, engine.findings[i].text, order,
					nr_concurrent);
}

/* --- all orders of some moments, the others wherever they come --- */

const char orders_too_many[] = "the calls and answers of one execution have more orders than can be judged";
unsigned int orders_most, orders_judged;

static unsigned int nr_orders, most;

static u64 before_of[MAX_MOMENTS * MAX_SET_WORDS];	/* sets: what comes before each in every order, and ... */
static u64 apart_of[MAX_MOMENTS * MAX_SET_WORDS];	/* ... what it is compared with, and not ordered */
static u64 some[MAX_SET_WORDS];		/* those of which all orders are judged */
static u64 bound[MAX_SET_WORDS];	/* those of them whose place is not given */
static u64 taken[MAX_SET_WORDS];
static int nr_taken[MAX_LANES];
static bool only_tags, is_decided;	/* only_tags: what may be wrong is known, but not whether with the contract kept */

static u64 *set_of(u64 *sets, int i)
{
	return &sets[(i - lanes_first) * set_words];
}

static bool overlap(const u64 *a, const u64 *b)
{
	int w;

	for (w = 0; w < set_words; w++)
		if (a[w] & b[w])
			return true;
	return false;
}

static void find_relations(bool tags)
{
	size_t size = (size_t)nr_concurrent * (size_t)set_words * sizeof(u64);
	int i, other;

	memset(before_of, 0, size);
	memset(apart_of, 0, size);
	for (i = lanes_first; i < lanes_behind; i++)
		for (other = i + 1; other < lanes_behind; other++)
			if (lanes_before(i, other)) {
				set_add(set_of(before_of, other), i);
			} else if (!commute(i, other, tags)) {
				set_add(set_of(apart_of, i), other);
				set_add(set_of(apart_of, other), i);
			}
}

static bool find_bound(void)
{
	bool any = false;
	int i;

	memset(bound, 0, (size_t)set_words * sizeof(u64));
	for (i = lanes_first; i < lanes_behind; i++)
		if (set_has(some, i) && overlap(set_of(apart_of, i), some)) {
			set_add(bound, i);
			any = true;
		}
	return any;
}

static int next_of(int k)
{
	return lanes[k].moments[nr_taken[k]];
}

static bool can_come(int k)
{
	const u64 *before;
	int w;

	if (nr_taken[k] == lanes[k].nr)
		return false;
	before = set_of(before_of, next_of(k));
	for (w = 0; w < set_words; w++)
		if (before[w] & ~taken[w])
			return false;
	return true;
}

static void take(int k, int depth)
{
	order[depth] = (s16)next_of(k);
	set_add(taken, order[depth]);
	nr_taken[k]++;
}

static void put_back(int depth)
{
	set_remove(taken, order[depth]);
	nr_taken[lane_of[order[depth]]]--;
}

/* Moments that are not bound come as soon as they can: nothing that is left to come would tell. */
static int take_free(int depth)
{
	int k = 0;

	while (k < nr_lanes) {
		if (nr_taken[k] < lanes[k].nr && !set_has(bound, next_of(k)) && can_come(k)) {
			take(k, depth++);
			k = 0;
		} else {
			k++;
		}
	}
	return depth;
}

/* Everything that may be wrong was seen with the driver's contract kept. */
static bool tags_are_decided(void)
{
	return !predictions_broken() && (any_kept || !engine.nr_findings);
}

static void end_of_order(void)
{
	nr_orders++;
	judge_order();
	keep_what_was_raised();
	is_decided = only_tags && tags_are_decided();
}

static void walk(int begin, u32 asleep)
{
	int depth = take_free(begin), k;
	u32 left;

	if (depth == nr_concurrent)
		end_of_order();
	for (k = 0; k < nr_lanes && nr_orders < most && !too_much && !is_decided; k++) {
		u32 sleeping = 0;

		if (asleep >> k & 1 || !can_come(k))
			continue;
		for (left = asleep; left; left &= left - 1)
			if (!set_has(set_of(apart_of, next_of(k)), next_of(__builtin_ctz(left))))
				sleeping |= left & -left;
		take(k, depth);
		walk(depth + 1, sleeping);
		put_back(depth);
		asleep |= 1u << k;
	}
	while (depth > begin)
		put_back(--depth);
}

#define NO_SUBJECT 0

/* The moments of a subject, and those of none. */
static void choose(u64 subject)
{
	int i;

	memset(some, 0, (size_t)set_words * sizeof(u64));
	for (i = lanes_first; i < lanes_behind; i++)
		if (commute_subject(i) == NO_SUBJECT || commute_subject(i) == subject)
			set_add(some, i);
}

static void judge_subject(u64 subject)
{
	u64 hash;

	choose(subject);
	hash = lanes_hash_of(some);
	if (was_judged(hash) || !find_bound())
		return;
	any_news = false;
	walk(0, 0);
	if (!any_news && nr_orders < most && !too_much)
		remember(hash);
}

static bool is_first_of(u64 subject, int i)
{
	while (--i >= lanes_first)
		if (commute_subject(i) == subject)
			return false;
	return subject != NO_SUBJECT;
}

/* What is called wrong in no order of any subject is called wrong in none of all moments. */
static void judge_subjects(void)
{
	bool any = false;
	int i;

	for (i = lanes_first; i < lanes_behind; i++)
		if (is_first_of(commute_subject(i), i)) {
			judge_subject(commute_subject(i));
			any = true;
		}
	if (!any)
		judge_subject(NO_SUBJECT);
}

/* --- what they are asked for --- */

void orders_reset(void)
{
	orders_keep(0);
	lanes_forget();
}

static void judge_whole(bool also_if_there_is_one)
{
	int i;

	memset(some, 0xff, (size_t)set_words * sizeof(u64));
	if (find_bound()) {
		walk(0, 0);
	} else if (also_if_there_is_one) {
		for (i = 0; i < nr_concurrent; i++)
			order[i] = (s16)(lanes_first + i);
		end_of_order();
	}
}

/* All orders are judged. only_told: what they are called wrong for is not executed. */
static void judge_all(bool only_told)
{
	predictions_begin(only_told);
	commute_prepare(lanes_first, lanes_behind, lanes_before);
	nr_concurrent = lanes_behind - lanes_first;
	nr_orders = 0;
	most = orders_most && !only_told ? orders_most : MOST_ORDERS;
	too_much = is_decided = any_kept = only_tags = false;
	memset(nr_taken, 0, sizeof(nr_taken));
	memset(taken, 0, (size_t)set_words * sizeof(u64));
	monitor_alarm = raise;
	if (!only_told && commute_subjects()) {
		find_relations(false);
		judge_subjects();
		only_tags = true;
	}
	if (!only_tags || !tags_are_decided()) {
		find_relations(true);
		judge_whole(only_told);
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
	lanes_run();
	if (!lanes_collect())
		return nr_lanes > MAX_LANES ? "more tasks than whose calls and answers can be put in every order" : NULL;
	hash = lanes_hash();
	if (was_judged(hash))
		return NULL;
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
	lanes_forget();
	if (!lanes_collect())
		return 0;
	judge_all(true);
	return predictions_verdict();
}
