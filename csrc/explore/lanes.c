// SPDX-License-Identifier: GPL-2.0-only
/*
 * The moments of an execution, its own order taken away: which of them come before which in every execution of its class,
 * and a hash of that.
 *
 * Two orders are of interest. A moment comes after another one if the class says so, by dependence: these bind where it may
 * be put. And the driver's contract asks what is over "for certain", by memory order, which is the same in all orders of a
 * class: so it is no bond, but it is part of what monitors know.
 */
#include <limits.h>

#include "lanes.h"
#include "report/report.h"

struct lane lanes[MAX_LANES];
int nr_lanes, lanes_first, lanes_behind, set_words;
u8 lane_of[MAX_MOMENTS];
static u16 place_of_moment[MAX_MOMENTS];	/* in its lane */

/* Of each moment, how many of each lane come before it: by dependence, and by the race order. */
static struct past {
	u16 steps, races;
} pasts_of[MAX_MOMENTS * MAX_LANES];

static struct past *pasts(int moment)
{
	return &pasts_of[moment * nr_lanes];
}

static u64 sort_into_lanes(void)
{
	u64 tasks = 0, left;
	int i, k;

	for (lanes_first = 0; lanes_first < nr_moments && moments[lanes_first].node < 0; lanes_first++)
		;
	for (i = lanes_first; i < nr_moments && moments[i].node >= 0; i++)
		tasks |= 1ull << moments[i].task;
	lanes_behind = i;
	set_words = (lanes_behind - lanes_first + 63) / 64;
	nr_lanes = __builtin_popcountll(tasks);
	if (nr_lanes < 2 || nr_lanes > MAX_LANES)
		return 0;
	for (k = 0, left = tasks; left; k++, left &= left - 1) {
		lanes[k].task = __builtin_ctzll(left);
		lanes[k].nr = 0;
	}
	for (i = lanes_first; i < lanes_behind; i++) {
		for (k = 0; lanes[k].task != moments[i].task; k++)
			;
		lane_of[i] = (u8)k;
		place_of_moment[i] = (u16)lanes[k].nr;
		lanes[k].moments[lanes[k].nr++] = (s16)i;
	}
	return tasks;
}

/* --- what came before what --- */

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

bool lanes_before(int i, int other)
{
	if (lane_of[i] == lane_of[other])
		return i < other;
	return place_of_moment[i] < pasts(other)[lane_of[i]].steps;
}

/* --- hashes --- */

/* Requests are numbered as they come; whose and which of its task's they are is the same in every order. */
static u64 request(u64 number)
{
	if (!number || number > (u64)nr_tokens)
		return number;
	return (u64)(tokens[number - 1].task + 1) << 32 | (u64)tokens[number - 1].nth << 16 | 1;
}

/* What is told. */
static u64 hash_of_calls(const struct moment *m)
{
	u64 h = mix((u64)m->task << 16, (u64)m->nr);
	int k;

	for (k = m->first; k < m->first + m->nr; k++) {
		const struct call *c = &calls[k];

		h = mix(h, (u64)c->kind << 56 ^ (u64)(u16)c->op << 40 ^ (u64)(u16)c->device << 24 ^ (u64)(u16)c->queue << 8 ^
			   (u64)c->known << 1 ^ c->warned);
		h = mix(h, (u64)(u32)c->result << 32 ^ c->grpid);
		h = mix(h, (u64)c->answer_pasid << 32 ^ c->pasid);
		h = mix(h, (u64)c->by << 56 ^ (u64)c->given << 48 ^ (u64)c->resolved << 32 ^ (u64)c->faulted << 16 ^
			   (u64)c->code << 8 ^ (u64)c->held);
		h = mix(mix(mix(h, request(c->number)), request(c->expected)), request(c->report));
		h = mix(h, (u64)c->pc ^ (u64)c->record << 1);
	}
	return h;
}

/* Of each moment: of what is told, and of that with its place among all. */
static u64 hashes[MAX_MOMENTS];

static u64 hash_of_moment(int i)
{
	const struct past *past = pasts(i);
	u64 h = mix(hashes[i], place_of_moment[i]);
	int k;

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

void lanes_run(void)
{
	if (engine.fresh_from < common)
		common = engine.fresh_from;
}

void lanes_forget(void)
{
	common = 0;
}

/* How many moments the last one that was looked at had in common with this one. */
static int find_common(u64 tasks)
{
	int i = lanes_first;

	if (looked_at.tasks == tasks && looked_at.first == lanes_first && looked_at.asks == asks_race_order)
		while (i < lanes_behind && i < looked_at.behind && moments[i].node < common)
			i++;
	common = INT_MAX;
	looked_at.tasks = tasks;
	looked_at.first = lanes_first;
	looked_at.behind = lanes_behind;
	looked_at.asks = asks_race_order;
	return i;
}

bool lanes_collect(void)
{
	s16 last[MAX_LANES];
	u64 tasks = sort_into_lanes();
	int i, k;

	if (!tasks)
		return false;
	find_what_is_asked();
	for (k = 0; k < nr_lanes; k++)
		last[k] = -1;
	i = find_common(tasks);
	for (k = lanes_first; k < i; k++)
		last[lane_of[k]] = (s16)k;
	for (; i < lanes_behind; i++) {
		find_past(i, last[lane_of[i]]);
		last[lane_of[i]] = (s16)i;
		hashes[i] = hash_of_calls(&moments[i]);
		sums[i + 1] = sums[i] + mix(hash_of_moment(i), 3);
	}
	return true;
}

/* What is the same for every part: what was found already, and what comes before and behind. */
static u64 hash_of_rest(u64 h)
{
	int i;

	for (i = 0; i < engine.nr_findings; i++)
		h = mix(h, finding_signature(&engine.findings[i]));
	for (i = 0; i < lanes_first; i++)
		h = mix(h, hash_of_calls(&moments[i]));
	for (i = lanes_behind; i < nr_moments; i++)
		h = mix(h, hash_of_calls(&moments[i]));
	return h;
}

u64 lanes_hash(void)
{
	u64 h = hash_of_rest(engine.nr_findings ? 7 : 5);
	int k;

	for (k = 0; k < nr_lanes; k++)
		h = mix(h, (u64)lanes[k].task << 16 | (u64)lanes[k].nr);
	return mix(h, sums[lanes_behind] - sums[lanes_first]);
}

u64 lanes_hash_of(const u64 *set)
{
	static u16 counts[MAX_LANES][MAX_MOMENTS + 1];	/* of the first moments of each lane, how many are in it */
	u64 sum = 0;
	int i, k;

	for (k = 0; k < nr_lanes; k++)
		for (i = 0; i < lanes[k].nr; i++)
			counts[k][i + 1] = (u16)(counts[k][i] + set_has(set, lanes[k].moments[i]));
	for (i = lanes_first; i < lanes_behind; i++) {
		u64 h;

		if (!set_has(set, i))
			continue;
		h = mix(hashes[i], counts[lane_of[i]][place_of_moment[i]]);
		/* Whose they are: in another execution there may be other lanes beside these. */
		for (k = 0; k < nr_lanes; k++) {
			u64 steps = counts[k][pasts(i)[k].steps], races = counts[k][pasts(i)[k].races];

			if (steps | races)
				h = mix(h, (u64)lanes[k].task << 32 | steps << 16 | races);
		}
		sum += mix(h, 3);
	}
	return mix(hash_of_rest(engine.nr_findings ? 13 : 11), sum);
}
