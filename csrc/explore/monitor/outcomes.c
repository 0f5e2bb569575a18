// SPDX-License-Identifier: GPL-2.0-only
/*
 * What executions came to: the distinct outcomes with their words, and the distinct happens-before classes.
 *
 * Both are sets of hashes; words are made once for each outcome, of the first so many.
 */
#include <stdlib.h>

#include "hashes.h"
#include "monitor.h"

#define MOST_OUTCOMES 4096

static struct xp_outcome outcomes[MOST_OUTCOMES];
static int nr_outcomes;
static u32 outcome_table[2 * MOST_OUTCOMES];
static u16 slots[MOST_OUTCOMES];	/* of each outcome, in the table */

static struct hashes classes;

void outcomes_reset(void)
{
	int i;

	for (i = 0; i < nr_outcomes; i++) {
		outcome_table[slots[i]] = 0;
		free((char *)outcomes[i].responses);
		free((char *)outcomes[i].warnings);
		free((struct xp_return *)outcomes[i].returns);
	}
	nr_outcomes = 0;
	hashes_clear(&classes);
}

bool outcomes_collect(u64 times)
{
	u64 hash = monitor_outcome();
	u32 slot = (u32)(hash % (2 * MOST_OUTCOMES));

	while (outcome_table[slot]) {
		struct xp_outcome *o = &outcomes[outcome_table[slot] - 1];

		if (o->hash == hash) {
			o->count += times;
			return false;
		}
		slot = (slot + 1) % (2 * MOST_OUTCOMES);
	}
	if (nr_outcomes == MOST_OUTCOMES)
		return false;
	outcomes[nr_outcomes] = (struct xp_outcome){ .hash = hash, .count = times };
	monitor_outcome_words(&outcomes[nr_outcomes]);
	slots[nr_outcomes] = (u16)slot;
	outcome_table[slot] = (u32)++nr_outcomes;
	return true;
}

int outcomes_finish(void)
{
	return nr_outcomes;
}

const struct xp_outcome *xp_outcome(int index)
{
	return index >= 0 && index < nr_outcomes ? &outcomes[index] : NULL;
}

/* --- classes --- */

void outcomes_collect_class(void)
{
	hashes_add(&classes, hb_class());
}

u64 outcomes_nr_classes(void)
{
	return classes.nr;
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

size_t xp_classes(uint64_t *hashes, size_t max)
{
	size_t i, n = 0;

	for (i = 0; i < classes.room && n < max; i++)
		if (classes.table[i])
			hashes[n++] = classes.table[i];
	if (n)
		qsort(hashes, n, sizeof(*hashes), compare);
	return classes.nr;
}
