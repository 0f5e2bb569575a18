// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a handler gets: every request of the key that was accepted since the last completed group, in the order in which
 * they came, once, as it was reported, the last one at the tail. Where reports overlap any order is right that they allow;
 * what may have been dropped or taken beside it may be missing. Forms that store by index alone promise it by index.
 */
#include <string.h>

#include "monitor.h"

/* What the handler that the task is in has shown so far. */
static struct { int n; u16 numbers[MAX_TOKENS]; bool as_reported; } shown[MAX_TASKS];
static int nr_shown;		/* tasks that were in one */

void groups_reset(void)
{
	int i;

	for (i = 0; i < nr_shown; i++)
		shown[i].n = 0;
	nr_shown = 0;
}

void groups_handler(void)
{
	if (nr_shown <= monitor_now->task)
		nr_shown = monitor_now->task + 1;
	shown[monitor_now->task].n = 0;
	shown[monitor_now->task].as_reported = true;
}

static bool by_key(void)
{
	return core->facts.counts_handles;
}

/* What the form stores together. */
static bool belongs(const struct token *a, const struct token *b)
{
	return by_key() ? same_key(a, b) : a->device == b->device && a->grpid == b->grpid;
}

bool judge_member(const struct call *c)
{
	const struct token *t = &tokens[c->expected - 1], *p;
	int task = monitor_now->task, i;

	if (shown[task].n < MAX_TOKENS)
		shown[task].numbers[shown[task].n++] = (u16)c->number;
	shown[task].as_reported &= c->known;
	if (!c->number || c->number == c->expected)
		return true;
	p = &tokens[c->number - 1];
	if (!same_key(t, p)) {
		monitor_wrong(XP_K_WRONG_RESPONSE, c->pc,
			      "a request is answered with a group of another index or PASID than its own", 0);
		return true;
	}
	for (i = 0; i < nr_tokens; i++)
		if (tokens[i].begun && tokens[i].last && same_key(&tokens[i], p) && p->returned &&
		    p->ended < tokens[i].begun && tokens[i].returned && tokens[i].ended < t->begun)
			monitor_wrong(XP_K_WRONG_RESPONSE, c->pc,
				      "a request is answered with a later group that uses its index again", 0);
	return true;
}

/* It was stored, and then dropped, before the last one was reported. */
static const char *dropped_before(const struct token *p, const struct token *last)
{
	int i;

	if (!p->returned)
		return NULL;
	if (p->removal_ended && p->ended < p->removal_began && p->removal_ended < last->begun)
		return "a request that removal had dropped is part of the group";
	for (i = 0; i < scenario.nr_queues; i++)
		if (p->queues == 2u << i && p->ended < queue_states[i].discard_began && queue_states[i].discard_ended < last->begun)
			return "a request that was discarded is part of the group";
	for (i = 0; by_key() && i < nr_tokens; i++)
		if (tokens[i].begun && tokens[i].returned && tokens[i].result == -EINVAL && same_key(&tokens[i], p) &&
		    p->ended < tokens[i].begun && tokens[i].ended < last->begun)
			return "a request is part of the group that was dropped with one of its key that nobody resolves";
	return NULL;
}

static const char *wrong_with_member(const struct token *p, const struct token *last)
{
	if (p->in_group && p->in_group != last->number)
		return "a request is part of two groups";
	if (p->last && p != last)
		return "the last request of another group is part of the group";
	if (p->returned && p->result)
		return "a request that report refused is part of the group";
	return p == last ? NULL : dropped_before(p, last);
}

static const char *wrong_with_order(const u16 *numbers, int n)
{
	int i, k;

	for (i = 0; i < n; i++)
		for (k = i + 1; k < n; k++) {
			const struct token *a = &tokens[numbers[i] - 1], *b = &tokens[numbers[k] - 1];

			if (a == b)
				return "a request is part of the group twice";
			if (b->returned && b->ended < a->begun)
				return "the requests of the group are not in the order in which they came";
		}
	return NULL;
}

/* Something beside it, or since, may have dropped or taken it. */
static bool may_be_gone(const struct token *p, const struct token *last)
{
	const struct device_state *s = &device_states[p->device];
	int queue = possible_value(&s->queue, NOTHING), i;

	if (queue < 0 || s->queue.running || p->queues != 2u << queue || p->perhaps_removals != s->perhaps_removals)
		return true;
	for (i = 0; i < scenario.nr_queues; i++)
		if (queue_states[i].calls || queue_states[i].freeing || queue_states[i].discard_ended > p->begun)
			return true;
	for (i = 0; i < nr_tokens; i++) {
		const struct token *t = &tokens[i];

		if (!t->begun || t == p || t == last || !belongs(t, p) || t->members)
			continue;
		if (!t->returned || (t->ended > p->begun && (t->last || t->result)))
			return true;
	}
	return false;
}

static bool is_missing(const struct token *p, const struct token *last)
{
	return p->begun && !p->last && belongs(p, last) && p->returned && !p->result && p->ended < last->begun &&
	       !p->in_group && !may_be_gone(p, last);
}

static const char *wrong_with_group(const struct token *last, u64 count)
{
	const u16 *numbers = shown[monitor_now->task].numbers;
	int n = shown[monitor_now->task].n, i;
	const char *why = NULL;

	for (i = 0; i < n; i++)
		if (!numbers[i])
			return "a request that nobody reported is part of the group";
	if (!n || numbers[n - 1] != last->number)
		return "the last request is not at the tail of its group";
	if (!shown[monitor_now->task].as_reported)
		return "a request comes to its handler with other fields than it was reported with";
	why = wrong_with_order(numbers, n);
	for (i = 0; i < n && !why; i++)
		why = wrong_with_member(&tokens[numbers[i] - 1], last);
	for (i = 0; i < n; i++)
		tokens[numbers[i] - 1].in_group = (u16)last->number;
	if (core->facts.counts_faults && !why && count != (u64)n)
		why = "the group says that it has another number of requests than it has";
	for (i = 0; i < nr_tokens && !why && core->facts.report_returns; i++)
		if (is_missing(&tokens[i], last))
			why = "a request that was accepted is missing from its group";
	return why;
}

bool judge_group(const struct call *c)
{
	struct token *last = &tokens[c->number - 1];
	const char *why;

	/* Forms that go on with a partial one as if it were the last, and those whose groups the table makes. */
	if (core->facts.hazards & IOPF_HAZARD_PARTIALS || !core->facts.group_handlers)
		return true;
	why = wrong_with_group(last, (u64)c->result);
	if (why)
		monitor_wrong(XP_K_WRONG_GROUP, c->pc, why, c->number);
	last->members = (u16)shown[monitor_now->task].n;
	return true;
}

/* The report of what a handler got in the meantime returned an error. */
void judge_membership(const struct token *t)
{
	if (t->in_group && t->result && !t->last)
		monitor_wrong(XP_K_WRONG_GROUP, place_of_record(t->record), "a request that report refused is part of the group", t->number);
}
