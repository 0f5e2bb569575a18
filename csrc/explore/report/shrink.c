// SPDX-License-Identifier: GPL-2.0-only
/*
 * A failing schedule, made as small as a person would want it, without losing the failure (its signature).
 *
 * 1. Commuting: steps that do not depend on each other are reordered so that a task goes on as long as it can. The
 *    happens-before order stays, so the outcome does (as dejafu does it).
 * 2. Fewest preemptions, by iterative bounds: the first bound at which the failure shows is a statement, "no schedule with
 *    fewer shows it", which delta debugging never gives.
 * 3. Operations of the scenario that the failure does not need, tasks first, one at a time and locks in pairs; then 2.
 *    again on what is left. One is needed where without it the clean-up behind all tasks does what a task did: nobody
 *    would see who.
 * 4. The culprit pair (Choi and Zeller's idea of the difference that matters, in the form of the MIT tool Hermit): the
 *    last two steps of different tasks that conflict, follow each other, and in the other order make the failure go away.
 *
 * Each is given a part of the time that is left; what did not fit is left as it was, and the trace says so (minimal 0).
 */
#include <stdlib.h>
#include <string.h>

#include "monitor/monitor.h"
#include "report.h"

/* What the execution that just ran is, as the failure's new schedule. */
static void adopt(struct found *f)
{
	free(f->choices);
	f->choices = copy_schedule(&f->length);
	f->preemptions = engine.preemptions;
}

/* --- 1 --- */

static void commute(struct found *f)
{
	static u16 next_of[MAX_TASKS], count_of[MAX_TASKS];
	struct choice *order;
	u16 *nodes;
	int depth, done, i, now = -1;

	if (!failure_reproduces(f->choices, f->length, f->signature))
		return;
	depth = engine.depth;
	order = calloc((size_t)depth + 1, sizeof(*order));
	nodes = calloc((size_t)depth + 1, sizeof(*nodes));
	if (!order || !nodes)
		goto out;
	memset(count_of, 0, sizeof(count_of));
	for (i = 0; i < MAX_TASKS; i++)
		next_of[i] = 0xffff;
	/* nodes[i]: the next step of the same task. */
	for (i = depth - 1; i >= 0; i--) {
		nodes[i] = next_of[engine.nodes[i].task];
		next_of[engine.nodes[i].task] = (u16)i;
	}
	for (done = 0; done < depth; done++) {
		int best = -1, task;

		for (task = 0; task < MAX_TASKS; task++) {
			const struct node *node;
			bool ready = true;
			int k;

			if (next_of[task] == 0xffff)
				continue;
			node = &engine.nodes[next_of[task]];
			for (k = 0; k <= engine.nr_ids && ready; k++)
				ready = k == task || node->clock.at[k] <= (s16)count_of[k];
			if (!ready)
				continue;
			if (task == now) {
				best = task;
				break;
			}
			/* The one whose next step came first. */
			if (best < 0 || next_of[task] < next_of[best])
				best = task;
		}
		if (best < 0)
			goto out;
		now = best;
		order[done] = (struct choice){ (u8)best, engine.nodes[next_of[best]].alternative };
		count_of[best]++;
		next_of[best] = nodes[next_of[best]];
	}
	if (failure_reproduces(order, depth, f->signature) && failure_shows(f) && engine.preemptions <= f->preemptions)
		adopt(f);
out:
	free(order);
	free(nodes);
}

/* --- 2 --- */

static bool by_a_task;			/* what task 0 shows, which cleans up, does not count */

static bool shows(const struct found *f)
{
	int i;

	if (!failure_shows(f))
		return false;
	for (i = 0; i < engine.nr_findings && by_a_task; i++)
		if (finding_signature(&engine.findings[i]) == f->signature)
			return engine.findings[i].task > 0;
	return true;
}

/* 1: found, and adopted; 0: no schedule within the bound shows it; -1: no time. */
static int try_bound(struct found *f, int bound, double deadline, u64 most)
{
	u64 n = 0;

	path_bound = bound;
	engine.strategy = &strategy_shortest;
	strategy_shortest.begin();
	do {
		engine.strategy = &strategy_shortest;
		engine_run();
		if (shows(f)) {
			adopt(f);
			return 1;
		}
		if (engine.end == END_STOPPED || ++n == most || ((n % 64 == 0 || engine.depth > 100 || engine.cut) && (progress_interrupted() || now_seconds() > deadline)))
			return -1;
	} while (strategy_shortest.next());
	return 0;
}

static void fewest_preemptions(struct found *f, double deadline)
{
	int bound, most = f->preemptions;

	f->minimal = false;
	for (bound = 0; bound <= most; bound++) {
		int ret = try_bound(f, bound, deadline, 0);

		if (ret < 0)
			return;
		if (ret > 0) {
			f->minimal = true;
			return;
		}
	}
}

/* --- 3 --- */

static bool droppable(int record)
{
	int op = scenario.records[record].op;

	return op >= XP_TRY_QUEUE && op < XP_REPEAT && !scenario.dropped[record];
}

/* With some records left out: does it still show within the preemptions it has? */
static bool without(struct found *f, const int *records, int n, double deadline)
{
	int i, bound, preemptions = f->preemptions;

	for (i = 0; i < n; i++)
		scenario.dropped[records[i]] = 1;
	for (bound = 0; bound <= preemptions; bound++)
		if (try_bound(f, bound, deadline, 20000) > 0)
			return true;
	for (i = 0; i < n; i++)
		scenario.dropped[records[i]] = 0;
	return false;
}

static bool drop_tasks(struct found *f, double deadline)
{
	int records[MAX_RECORDS], i, k, n;
	bool any = false;

	for (i = 0; i < scenario.nr_tasks && now_seconds() < deadline; i++) {
		const struct section *s = &scenario.tasks[i];

		for (n = 0, k = s->begin; k < s->end; k++)
			if (!scenario.dropped[k])
				records[n++] = k;
		if (n)
			any |= without(f, records, n, deadline);
	}
	return any;
}

static bool drop_in(struct found *f, const struct section *s, double deadline)
{
	bool any = false, repeats = false;
	int i, k;

	/* A body that is repeated is counted in records. */
	for (i = s->begin; i < s->end; i++)
		repeats |= scenario.records[i].op == XP_REPEAT;
	if (repeats)
		return false;
	for (i = s->end - 1; i >= s->begin && now_seconds() < deadline; i--) {
		int pair[2] = { i, -1 };

		if (!droppable(i) || scenario.records[i].op == XP_LOCK)
			continue;
		if (scenario.records[i].op != XP_UNLOCK) {
			any |= without(f, pair, 1, deadline);
			continue;
		}
		for (k = i - 1; k >= s->begin; k--)
			if (scenario.records[k].op == XP_LOCK && scenario.records[k].a == scenario.records[i].a) {
				pair[1] = k;
				break;
			}
		if (pair[1] >= 0 && !scenario.dropped[pair[1]])
			any |= without(f, pair, 2, deadline);
	}
	return any;
}

static void drop(struct found *f, double deadline)
{
	struct choice *whole;
	bool any;
	int i, n = 0, whole_length;

	memset(scenario.dropped, 0, sizeof(scenario.dropped));
	whole_length = f->length;
	whole = calloc((size_t)f->length + 1, sizeof(*whole));
	if (!whole)
		return;
	memcpy(whole, f->choices, (size_t)f->length * sizeof(*whole));
	by_a_task = true;
	by_a_task = failure_reproduces(f->choices, f->length, f->signature) && shows(f);
	do {
		any = drop_tasks(f, deadline);
		for (i = 0; i < scenario.nr_tasks; i++)
			any |= drop_in(f, &scenario.tasks[i], deadline);
		any |= drop_in(f, &scenario.setup, deadline);
		any |= drop_in(f, &scenario.teardown, deadline);
	} while (any && now_seconds() < deadline);
	by_a_task = false;

	for (i = 0; i < scenario.nr_records; i++)
		n += scenario.dropped[i];
	f->dropped = n ? calloc((size_t)n, sizeof(*f->dropped)) : NULL;
	if (!f->dropped) {
		free(whole);
		return;
	}
	f->whole = whole;
	f->whole_length = whole_length;
	for (i = 0; i < scenario.nr_records; i++)
		if (scenario.dropped[i])
			f->dropped[f->nr_dropped++] = i;
}

/* --- 4 --- */

static bool may_remove(const struct call *c, int device)
{
	return c->kind == CALL_CHANGE_END && (c->op == XP_FREE_QUEUE || (c->op == XP_REMOVE && c->device == device));
}

/* That is no pair of steps that conflict: the device's removal returns, and then comes the answer. */
static void find_culprit_of_late(struct found *f)
{
	int answer = -1, removal = -1, device = -1, i;

	if (!failure_reproduces(f->choices, f->length, f->signature))
		return;
	for (i = nr_moments - 1; i >= 0 && removal < 0; i--) {
		const struct call *c = &calls[moments[i].first];

		if (moments[i].node < 0 || !moments[i].nr)
			continue;
		if (c->kind == CALL_RESPONSE && c->number == f->finding.detail) {
			answer = moments[i].node;
			device = c->device;
		} else if (answer >= 0 && may_remove(c, device)) {
			removal = moments[i].node;
		}
	}
	if (answer >= 0 && removal >= 0) {
		f->culprit[0] = removal;
		f->culprit[1] = answer;
	}
}

static void find_culprit(struct found *f, double deadline)
{
	struct choice *order;
	int depth, first, second, i, n;
	bool shown, exchanged = false;

	if (now_seconds() > deadline || !failure_reproduces(f->choices, f->length, f->signature))
		return;
	depth = engine.depth;
	order = calloc((size_t)depth + 1, sizeof(*order));
	if (!order)
		return;
	for (second = depth - 1; second > 0 && f->culprit[0] < 0; second--) {
		for (first = second - 1; first >= 0; first--) {
			/* The nodes as the failing schedule left them. */
			if (exchanged && (now_seconds() > deadline || !failure_reproduces(f->choices, f->length, f->signature)))
				goto out;
			exchanged = false;
			if (engine.nodes[first].task == engine.nodes[second].task ||
			    engine.nodes[first].addr != engine.nodes[second].addr ||
			    engine.nodes[second].clock.at[engine.nodes[first].task] < (s16)engine.nodes[first].ordinal)
				continue;
			/* The second's task up to the second, then the first, then as it was. */
			for (n = 0; n < first; n++)
				order[n] = f->choices[n];
			for (i = first; i <= second; i++)
				if (f->choices[i].task == f->choices[second].task)
					order[n++] = f->choices[i];
			for (i = first; i < depth; i++)
				if (i > second || f->choices[i].task != f->choices[second].task)
					order[n++] = f->choices[i];
			schedule_lenient = schedule_free_after = true;
			shown = failure_reproduces(order, n, f->signature);
			schedule_lenient = schedule_free_after = false;
			exchanged = true;
			if (!shown && engine.end == END_COMPLETE && !engine.nr_findings) {
				f->culprit[0] = first;
				f->culprit[1] = second;
			}
			break;
		}
	}
out:
	free(order);
}

void shrink(struct found *f, double deadline)
{
	bool symmetry = engine.symmetry;

	if (f->finding.kind == XP_K_LOCK_ORDER || now_seconds() > deadline)
		return;
	schedule_free_after = schedule_lenient = false;
	commute(f);
	fewest_preemptions(f, now_seconds() + (deadline - now_seconds()) / 2);
	drop(f, now_seconds() + (deadline - now_seconds()) / 2);
	if (f->nr_dropped)
		fewest_preemptions(f, deadline);
	if (f->finding.kind == XP_K_LATE_RESPONSE)
		find_culprit_of_late(f);
	else
		find_culprit(f, deadline);
	memset(scenario.dropped, 0, sizeof(scenario.dropped));
	engine.symmetry = symmetry;
}
