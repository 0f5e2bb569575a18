// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failures that the search has met, one for each signature (signature.c). Ranked, so that what a corrupted memory brings
 * about does not hide the corruption.
 */
#include <stdlib.h>
#include <string.h>

#include "report.h"

struct found found[MAX_FOUND];
int nr_found;

void failures_reset(void)
{
	int i;

	for (i = 0; i < nr_found; i++) {
		free(found[i].choices);
		free(found[i].dropped);
		free(found[i].whole);
		free((void *)found[i].face.steps);
		free((void *)found[i].face.sites);
		free((void *)found[i].face.runs);
		free((void *)found[i].face.points);
		free((void *)found[i].face.tasks);
		free((void *)found[i].face.orders);
	}
	nr_found = 0;
}

struct choice *copy_schedule(int *length)
{
	struct choice *choices = calloc((size_t)engine.depth + 1, sizeof(*choices));
	int i;

	*length = choices ? engine.depth : 0;
	for (i = 0; i < *length; i++)
		choices[i] = (struct choice){ engine.nodes[i].task, engine.nodes[i].alternative };
	return choices;
}

static struct found *add(u64 signature, int kind, u64 execution)
{
	struct found *f;

	if (nr_found == MAX_FOUND)
		return NULL;
	f = &found[nr_found++];
	*f = (struct found){
		.signature = signature, .count = 1, .execution = execution, .rank = kind_rank(kind), .order = nr_found,
		.preemptions = engine.preemptions, .clauses = monitor_clauses, .culprit = { -1, -1 },
	};
	f->choices = copy_schedule(&f->length);
	return f;
}

static struct found *known(u64 signature)
{
	int k;

	for (k = 0; k < nr_found; k++)
		if (found[k].signature == signature)
			return &found[k];
	return NULL;
}

bool failures_know(u64 signature)
{
	return known(signature);
}

bool failures_tell_more(void)
{
	int i;

	for (i = 0; i < engine.nr_findings; i++) {
		const struct found *f = known(finding_signature(&engine.findings[i]));

		if (!(scenario.expected >> engine.findings[i].kind & 1) && (!f || f->clauses))
			return true;
	}
	return false;
}

void failures_collect_orders(u64 execution)
{
	struct found *f;
	int i;

	lock_order_new = false;
	for (i = 0; i < nr_lock_cycles; i++) {
		const struct lock_cycle *c = &lock_cycles[i];
		const struct finding finding = {
			.kind = XP_K_LOCK_ORDER, .task = c->tasks[0], .other_task = -1, .object = -1, .pc = c->pc[0],
			.text = c->length == 1 ? "locks of one class, one inside the other" :
						 "the locks are taken in different orders",
			.detail = (u64)i, .node = engine.depth - 1, .event = -1,
		};
		u64 signature = finding_signature(&finding);

		f = known(signature);
		if (f && f->clauses && !c->clauses) {
			free(f->choices);
			f->choices = copy_schedule(&f->length);
			f->preemptions = engine.preemptions;
		} else if (!f) {
			f = add(signature, XP_K_LOCK_ORDER, execution);
		} else {
			continue;
		}
		if (f) {
			f->finding = finding;
			f->clauses = c->clauses;
		}
	}
}

bool failures_collect(u64 execution)
{
	bool news = false;
	int i;

	for (i = 0; i < engine.nr_findings; i++) {
		const struct finding *f = &engine.findings[i];
		struct found *same;
		u64 signature;

		if (f->kind == XP_K_DEADLOCK)
			lock_order_deadlock(f->detail, !monitor_clauses);
		if (scenario.expected >> f->kind & 1)
			continue;
		signature = finding_signature(f);
		same = known(signature);
		if (same) {
			same->count++;
			/* With the contract kept it is the graver for it. */
			if (same->clauses && !monitor_clauses) {
				free(same->choices);
				same->choices = copy_schedule(&same->length);
				same->clauses = 0;
				same->finding = *f;
				same->preemptions = engine.preemptions;
			}
			continue;
		}
		same = add(signature, f->kind, execution);
		if (same) {
			same->finding = *f;
			same->type = f->object >= 0 ? record_type(f->object) : NULL;
			news = true;
		}
	}
	if (!(scenario.expected >> XP_K_LOCK_ORDER & 1) && lock_order_new) {
		failures_collect_orders(execution);
		news = true;
	}
	return news;
}

void failures_note(int kind)
{
	int i;

	for (i = 0; i < engine.nr_findings && !(scenario.expected >> kind & 1); i++) {
		const struct finding *f = &engine.findings[i];
		u64 signature = f->kind == kind ? finding_signature(f) : 0;
		struct found *note = signature && !known(signature) ? add(signature, kind, 0) : NULL;

		if (note) {
			note->finding = *f;
			note->is_note = true;
		}
	}
}

static bool same_type(const struct found *a, const struct found *b)
{
	return a->type == b->type || (a->type && b->type && !strcmp(a->type, b->type));
}

/*
 * That an access and a free are in no order is a prediction. Where another execution met the freed object of that kind,
 * it is the same failure, seen from its other end.
 */
void failures_merge_predictions(void)
{
	int i, k, n = 0;

	for (i = 0; i < nr_found; i++) {
		struct found *f = &found[i], *same = NULL;

		for (k = 0; f->finding.by_order && k < nr_found && !same; k++)
			if (!found[k].finding.by_order && found[k].finding.kind == f->finding.kind &&
			    same_type(&found[k], f) && !found[k].clauses == !f->clauses)
				same = &found[k];
		if (!same)
			continue;
		same->count += f->count;
		free(f->choices);
		f->choices = NULL;
		f->finding.kind = XP_K_NONE;
	}
	for (i = 0; i < nr_found; i++)
		if (found[i].finding.kind != XP_K_NONE)
			found[n++] = found[i];
	nr_found = n;
}

/* A failure that shows with the contract kept stays one. */
bool failure_shows(const struct found *f)
{
	int i;

	for (i = 0; i < engine.nr_findings; i++)
		if (finding_signature(&engine.findings[i]) == f->signature)
			return f->clauses || !monitor_clauses;
	return false;
}

bool failure_reproduces(const struct choice *choices, int length, u64 signature)
{
	int i;

	schedule_choices = choices;
	schedule_length = length;
	engine.strategy = &strategy_schedule;
	strategy_schedule.begin();
	engine_run();
	for (i = 0; i < engine.nr_findings; i++)
		if (finding_signature(&engine.findings[i]) == signature)
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->is_note != y->is_note)
		return x->is_note - y->is_note;
	if (x->rank != y->rank)
		return y->rank - x->rank;
	if (!x->clauses != !y->clauses)
		return !!x->clauses - !!y->clauses;
	if (x->execution != y->execution)
		return x->execution < y->execution ? -1 : 1;
	return x->order - y->order;
}

void failures_finish(void)
{
	qsort(found, (size_t)nr_found, sizeof(*found), compare);
}

const struct xp_failure *xp_failure(int index)
{
	return index >= 0 && index < nr_found && !found[index].is_note ? &found[index].face : NULL;
}

const struct xp_failure *xp_note(int index)
{
	int i;

	for (i = 0; i < nr_found; i++)
		if (found[i].is_note && index-- == 0)
			return &found[i].face;
	return NULL;
}
