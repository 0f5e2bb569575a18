// SPDX-License-Identifier: GPL-2.0-only
/*
 * The executions of a part of a search that were the first to show something there: a failure, an order of locks, an outcome.
 * Their schedules are kept, for whoever puts the parts together (part.c).
 */
#include <stdlib.h>
#include <string.h>

#include "search.h"

bool witnesses_wanted;
static bool any_lost;		/* there was no memory */

/* In order of time; of outcomes the nth is that of xp_outcome(n). */
static struct list {
	struct xp_witness *items;
	int nr, room;
} orders, outcomes, failures;

static void forget(struct list *list)
{
	while (list->nr)
		free((void *)list->items[--list->nr].choices);
}

void witnesses_forget_outcomes(void)
{
	forget(&outcomes);
}

void witnesses_reset(void)
{
	witnesses_wanted = any_lost = false;
	forget(&orders);
	forget(&outcomes);
	forget(&failures);
}

static void add(struct list *list, struct xp_witness witness, const struct choice *choices)
{
	struct xp_witness *w = list->items;

	if (list->nr == list->room) {
		int room = list->room ? 2 * list->room : 64;

		w = realloc(list->items, (size_t)room * sizeof(*w));
		if (w) {
			list->items = w;
			list->room = room;
		}
	}
	if (!w || !choices) {
		any_lost = true;
		free((void *)choices);
		return;
	}
	w = &list->items[list->nr++];
	*w = witness;
	w->choices = (const u8 *)choices;
}

static void add_this(struct list *list, int shows, u64 key, u64 execution)
{
	struct xp_witness w = { .shows = shows, .kept = !monitor_clauses, .key = key, .count = 1, .execution = execution };
	struct choice *choices = copy_schedule(&w.nr_choices);

	add(list, w, choices);
}

void witness_orders(u64 execution)
{
	int i;

	for (i = 0; i < nr_lock_order_news && witnesses_wanted; i++)
		add_this(&orders, XP_SHOWS_ORDER, lock_order_news[i], execution);
}

void witness_outcome(u64 execution)
{
	if (witnesses_wanted)
		add_this(&outcomes, XP_SHOWS_OUTCOME, 0, execution);
}

int witnesses_finish(void)
{
	int i;

	for (i = 0; i < outcomes.nr; i++) {
		outcomes.items[i].key = xp_outcome(i)->hash;
		outcomes.items[i].count = xp_outcome(i)->count;
	}
	for (i = 0; i < nr_found; i++) {
		const struct found *f = &found[i];
		struct choice *choices = calloc((size_t)f->length + 1, sizeof(*choices));

		if (choices && f->choices)
			memcpy(choices, f->choices, (size_t)f->length * sizeof(*choices));
		add(&failures, (struct xp_witness){
			.shows = XP_SHOWS_FAILURE, .kept = !f->clauses, .key = f->signature, .count = f->count,
			.execution = f->execution, .nr_choices = f->length,
		}, choices);
	}
	return any_lost ? -1 : failures.nr + orders.nr + outcomes.nr;
}

const struct xp_witness *xp_witness(int index)
{
	const struct list *lists[] = { &failures, &orders, &outcomes };
	unsigned int i;

	for (i = 0; i < 3 && index >= 0; index -= lists[i++]->nr)
		if (index < lists[i]->nr)
			return &lists[i]->items[index];
	return NULL;
}
