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

static const struct { const char *name; int rank; } kinds[XP_KINDS] = {
	[XP_K_NONE] = { "none", 0 },
	[XP_K_USE_AFTER_FREE] = { "use-after-free", 9 },
	[XP_K_DOUBLE_FREE] = { "double-free", 9 },
	[XP_K_INVALID_FREE] = { "invalid-free", 9 },
	[XP_K_BAD_ACCESS] = { "bad-access", 9 },
	[XP_K_REFCOUNT] = { "refcount", 8 },
	[XP_K_RCU] = { "rcu", 8 },
	[XP_K_DEADLOCK] = { "deadlock", 7 },
	[XP_K_LIVELOCK] = { "livelock", 7 },
	[XP_K_STACK_OVERFLOW] = { "stack-overflow", 7 },
	[XP_K_DOUBLE_RESPONSE] = { "double-response", 6 },
	[XP_K_WRONG_RESPONSE] = { "wrong-response", 6 },
	[XP_K_LATE_RESPONSE] = { "late-response", 6 },
	[XP_K_WRONG_CODE] = { "wrong-code", 6 },
	[XP_K_WRONG_GROUP] = { "wrong-group", 6 },
	[XP_K_LOST_RESPONSE] = { "lost-response", 6 },
	[XP_K_LEAK] = { "leak", 5 },
	[XP_K_DATA_RACE] = { "data-race", 4 },
	[XP_K_LOCK_ORDER] = { "lock-order", 3 },
	[XP_K_UNDER_LOCK] = { "under-lock", 3 },
	[XP_K_UNEXPECTED_RETURN] = { "unexpected-return", 2 },
	[XP_K_WRONG_COUNT] = { "wrong-count", 2 },
	[XP_K_MISSING_WARN] = { "missing-warn", 1 },
	[XP_K_WARN] = { "warn", 1 },
	[XP_K_EXPLORER] = { "explorer", 0 },
};

#define SAME(kind) _Static_assert((int)XP_K_##kind == (int)FINDING_##kind, "the face numbers kinds as the runtime does")

SAME(USE_AFTER_FREE);
SAME(DOUBLE_FREE);
SAME(INVALID_FREE);
SAME(BAD_ACCESS);
SAME(DATA_RACE);
SAME(REFCOUNT);
SAME(RCU);
SAME(DEADLOCK);
SAME(LIVELOCK);
SAME(STACK_OVERFLOW);
SAME(WARN);
SAME(EXPLORER);

const char *xp_kind_name(int kind)
{
	return kind >= 0 && kind < XP_KINDS ? kinds[kind].name : "?";
}

int xp_kind_rank(int kind)
{
	return kind >= 0 && kind < XP_KINDS ? kinds[kind].rank : 0;
}

static const char *const clauses[XP_CLAUSES] = {
	"reception was not stopped: a request was reported beside removal, or while the device was on no queue",
	"the driver removed the device without a flush, and works were not over",
	"the queue was freed beside another call on it",
	"the handler freed a group unanswered, or answered it twice",
	"the driver flushed a device that was not on a queue",
	"the driver removed a device that was not on that queue, or was being removed",
	"the driver detached what was not attached",
	"the driver dropped the device beside a call on it",
	"the driver detached, or replaced, what faults in flight still used",
	"the driver removed the device with requests unanswered",
	"the device used an index again before its request was answered",
	"page_response called back into the framework: it runs with the fault param's lock held",
};

static const char *const clause_names[XP_CLAUSES] = {
	"reception", "flush", "free-beside", "answer", "flush-after-remove", "not-on-queue", "detach-nothing", "device-gone",
	"detach", "idle", "index", "inside",
};

const char *xp_clause_name(int bit)
{
	return bit >= 0 && bit < XP_CLAUSES ? clause_names[bit] : "?";
}

const char *xp_clause_text(int bit)
{
	return bit >= 0 && bit < XP_CLAUSES ? clauses[bit] : "?";
}

void failures_reset(void)
{
	int i;

	for (i = 0; i < nr_found; i++) {
		free(found[i].choices);
		free(found[i].dropped);
		free((void *)found[i].face.steps);
		free((void *)found[i].face.sites);
		free((void *)found[i].face.runs);
		free((void *)found[i].face.tasks);
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
		.signature = signature, .count = 1, .execution = execution, .rank = kinds[kind].rank, .order = nr_found,
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

static void collect_cycles(u64 execution)
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
		collect_cycles(execution);
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
