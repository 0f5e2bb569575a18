// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a picture of an execution is made of, beside its steps: which step of another task had to come before a step, and
 * who could have run in its place.
 *
 * Only what nothing else says is written (Aho, Garey, Ullman, "The Transitive Reduction of a Directed Graph", 1972): of
 * each other task the last step that comes before, where the task's own step before does not know that one already, and
 * where no other of them does. The order is that of dependence (hb.c): what two executions of one class have in common.
 */
#include <stdlib.h>

#include "report.h"

/* Of each node the one that its task ran before, or -1. */
static int *chain(void)
{
	int *before = calloc((size_t)engine.depth + 1, sizeof(*before));
	int last[MAX_TASKS], i;

	if (!before)
		return NULL;
	for (i = 0; i < MAX_TASKS; i++)
		last[i] = -1;
	for (i = 0; i < engine.depth; i++) {
		before[i] = last[engine.nodes[i].task];
		last[engine.nodes[i].task] = i;
	}
	return before;
}

/* Which nodes of other tasks come right before one, at most one of each task. Returns how many. */
static int directly_before(int node, const int *before, const int *last, int *found)
{
	const struct node *nodes = engine.nodes;
	const struct clock *own = before[node] >= 0 ? &nodes[before[node]].clock : NULL;
	int t, i, j, n = 0, kept = 0;

	for (t = 0; t < MAX_TASKS; t++) {
		int at = nodes[node].clock.at[t], other = last[t];

		if (t == nodes[node].task || at <= 0 || (own && own->at[t] >= at))
			continue;
		while (other >= 0 && nodes[other].ordinal > at)
			other = before[other];
		if (other >= 0 && nodes[other].ordinal == at)
			found[n++] = other;
	}
	for (i = 0; i < n; i++) {
		const struct node *one = &nodes[found[i]];

		for (j = 0; j < n; j++)
			if (j != i && nodes[found[j]].clock.at[one->task] >= one->ordinal)
				break;
		if (j == n)
			found[kept++] = found[i];
	}
	return kept;
}

/* step_of: for each node the step that shows its point, or -1. */
void record_order(struct found *f, const int *step_of)
{
	struct xp_order *orders = NULL;
	int *before = chain();
	int last[MAX_TASKS], found[MAX_TASKS], node, i, n = 0, room = 0;

	if (!before)
		return;
	for (i = 0; i < MAX_TASKS; i++)
		last[i] = -1;
	for (node = 0; node < engine.depth; node++) {
		int more = step_of[node] < 0 ? 0 : directly_before(node, before, last, found);

		if (n + more > room) {
			struct xp_order *larger = realloc(orders, (size_t)(room = 2 * room + MAX_TASKS) * sizeof(*orders));

			if (!larger)
				break;
			orders = larger;
		}
		for (i = 0; i < more; i++)
			if (step_of[found[i]] >= 0)
				orders[n++] = (struct xp_order){ .first = step_of[found[i]], .then = step_of[node] };
		last[engine.nodes[node].task] = node;
	}
	free(before);
	f->face.orders = orders;
	f->face.nr_orders = n;
}
