// SPDX-License-Identifier: GPL-2.0-only
/* Which pairs of operations on which objects make the branches: what to cut when a scenario is too large. */
#include <stdlib.h>
#include <string.h>

#include "strategy.h"

#define MOST 64
#define SHOWN 8

/* Of a pair without an order: op lies before other_op in memory. */
static struct { u64 addr; const struct op_class *op, *other_op; u64 races; } pairs[MOST];
static int nr_pairs;
static struct xp_contention shown[SHOWN];
static int nr_shown;

void contention_reset(void)
{
	nr_pairs = nr_shown = 0;
}

void contention_race(const struct node *earlier, const struct node *later)
{
	const struct op_class *op = earlier->op < later->op ? earlier->op : later->op;
	const struct op_class *other_op = earlier->op < later->op ? later->op : earlier->op;
	int i;

	for (i = 0; i < nr_pairs; i++)
		if (pairs[i].addr == later->addr && pairs[i].op == op && pairs[i].other_op == other_op) {
			pairs[i].races++;
			/* The frequent ones move to where they are found first. */
			if (i && pairs[i].races > pairs[i - 1].races) {
				typeof(pairs[0]) pair = pairs[i];

				pairs[i] = pairs[i - 1];
				pairs[i - 1] = pair;
			}
			return;
		}
	if (nr_pairs == MOST)
		return;
	pairs[nr_pairs].addr = later->addr;
	pairs[nr_pairs].op = op;
	pairs[nr_pairs].other_op = other_op;
	pairs[nr_pairs++].races = 1;
}

/* The addresses are named by the objects of an execution that has them; the caller has just run one. */
void contention_finish(void)
{
	int i;

	for (i = 0; i < nr_pairs && i < SHOWN; i++) {
		const char *op = pairs[i].op->name, *other_op = pairs[i].other_op->name;
		bool swap = strcmp(op, other_op) > 0;

		shown[i] = (struct xp_contention){
			.object = record_object(pairs[i].addr),
			.op = swap ? other_op : op, .other_op = swap ? op : other_op, .races = pairs[i].races,
		};
	}
	nr_shown = i;
}

const struct xp_contention *xp_contention(int index)
{
	return index >= 0 && index < nr_shown ? &shown[index] : NULL;
}

int contention_shown(void)
{
	return nr_shown;
}
