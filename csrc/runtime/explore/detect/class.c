// SPDX-License-Identifier: GPL-2.0-only
/*
 * What makes two executions one class, in numbers: whether two steps that have not met conflict, by their footprints, and
 * a hash of an execution's steps with the clocks that order them. The hash of a path's repeated part is kept in its nodes.
 */
#include "detect.h"

/* --- conflicts of steps that have not met --- */

static bool modes_conflict(u8 a, u8 b)
{
	if (a != b)
		return true;
	return a == MODE_WRITE || a == MODE_DEC_TO_1 || a >= MODE_LOCK;
}

bool footprints_conflict(const struct footprint *a, unsigned int na, const struct footprint *b, unsigned int nb)
{
	unsigned int i, j;

	for (i = 0; i < na; i++)
		for (j = 0; j < nb; j++)
			if (a[i].addr == b[j].addr && modes_conflict(a[i].mode, b[j].mode))
				return true;
	return false;
}

/* --- classes --- */

static int nr_summed;	/* nodes whose class_sum is that of the path as it is */

void class_reset(void)
{
	if (nr_summed > engine.fresh_from)
		nr_summed = engine.fresh_from;
}

static u64 node_hash(const struct node *node)
{
	u64 h = 0x9e3779b97f4a7c15ull * (engine.tasks[node->task].name + 1) + node->ordinal, before = 0;
	int t;

	h = (h ^ op_id(node->op)) * 0xbf58476d1ce4e5b9ull;
	h = (h ^ address_identity(node->addr) ^ (u64)node->alternative << 56) * 0x94d049bb133111ebull;
	for (t = 0; t <= engine.nr_ids; t++) {
		/* Tasks that this step has not seen do not count: there may be more of them in a later execution. */
		if (!node->clock.at[t])
			continue;
		/* Nor does it matter which number they have. */
		before += (engine.tasks[t].name + (u64)(u16)node->clock.at[t] * 0x94d049bb133111ebull) * 0xbf58476d1ce4e5b9ull >> 7;
	}
	h = (h ^ before ^ before >> 29) * 0xbf58476d1ce4e5b9ull;
	h ^= h >> 29;
	return h * 0x94d049bb133111ebull;
}

u64 hb_class(void)
{
	u64 sum;

	if (nr_summed > engine.depth)
		nr_summed = engine.depth;
	sum = nr_summed ? engine.nodes[nr_summed - 1].class_sum : 0;
	for (; nr_summed < engine.depth; nr_summed++) {
		struct node *node = &engine.nodes[nr_summed];

		sum += node_hash(node);
		node->class_sum = sum;
	}
	return sum;
}
