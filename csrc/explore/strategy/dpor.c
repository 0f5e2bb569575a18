// SPDX-License-Identifier: GPL-2.0-only
/*
 * Source-DPOR with sleep sets: Abdulla, Aronis, Jonsson, Sagonas, "Optimal Dynamic Partial Order Reduction", POPL 2014,
 * algorithm 1. One execution for each class of executions that differ in the order of independent steps.
 *
 * A race is a pair of steps that conflict, without an order but the one they happened in. For each there has to be an
 * execution in which the second comes before the first: among the steps after the first that do not depend on it, and the
 * second itself, those that depend on nothing before them ("initials") are equivalent beginnings of it. If none of these
 * tasks is in the backtrack set of the first step's node, one of them goes there.
 *
 * Deviations. The second step is taken for an initial only if nothing in the sequence precedes it by its whole clock,
 * which may leave an initial out; then another is added, and sleep sets end what that explores twice. That would happen
 * most where references are put: of n decrements that commute the last depends on all others, and only because it is the
 * last. So a race is not followed where a task that sleeps at the node would go on sleeping up to a step of its own: then it
 * is a beginning, whatever the clocks say, of what was explored already (the same article's algorithm 2 asks it of all weak
 * initials; here, where races are reversed before the execution is over, a task has to take its step in the sequence).
 * Wakeup trees are left out: executions that a sleep set ends are counted and shown, and are few. A step that nobody
 * enabled at the node could begin adds every enabled task.
 */
#include "path.h"

static void begin(void)
{
	path_begin((struct path_rules){ .sleep = true });
}

static void race(int earlier)
{
	int last = engine.depth - 1, task = engine.nodes[earlier].task, j;
	s16 ordinal = (s16)engine.nodes[earlier].ordinal;
	u64 initials = 0, seen = 0, wanted;
	s16 first[MAX_TASKS];

	/* Of a part of the tree: what its beginning races with was told when that was executed first. */
	if (last < path_part.given - 1)
		return;
	for (j = earlier + 1; j <= last; j++) {
		const struct node *node = &engine.nodes[j];
		u64 left = seen;
		int q = node->task;

		/* The last one is the racing step: it depends on the first by the race alone. */
		if (j < last && node->clock.at[task] >= ordinal)
			continue;
		if (seen >> q & 1)
			continue;
		while (left) {
			int t = __builtin_ctzll(left);

			left &= left - 1;
			if (node->clock.at[t] >= first[t])
				break;
			if (!left)
				initials |= 1ull << q;
		}
		if (!seen)
			initials |= 1ull << q;
		seen |= 1ull << q;
		first[q] = (s16)node->ordinal;
	}

	contention_race(&engine.nodes[earlier], &engine.nodes[last]);
	if (engine.nodes[earlier].backtrack & initials || path_was_seen(earlier))
		return;
	wanted = initials & engine.nodes[earlier].enabled;
	if (!wanted)
		path_want(earlier, engine.nodes[earlier].enabled);
	else if (wanted >> engine.nodes[last].task & 1)
		path_want(earlier, 1ull << engine.nodes[last].task);
	else
		path_want(earlier, wanted & -wanted);
}

const struct strategy strategy_dpor = {
	.name = "dpor", .wants_footprints = true, .begin = begin, .pick = path_pick, .race = race, .next = path_next,
};
