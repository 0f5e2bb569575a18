// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nobody can go on. The finding is of the first task in the cycle of those that wait for each other (of all that wait,
 * where there is no cycle: a group that nobody answers); the first by who started whom, since numbers are the search's.
 */

#include "detect.h"

static u64 waits_for(const struct task *t)
{
	return t->pending.class->waits_for ? t->pending.class->waits_for(t) : 0;
}

u64 finding_waits_for(int task)
{
	return waits_for(&engine.tasks[task]);
}

/* The tasks on a cycle: those that can be reached from themselves. */
static u64 on_cycle(void)
{
	u64 reach[MAX_TASKS], cycle = 0, all = engine.live | 1;
	bool changed;
	int i;

	for (i = 0; i < MAX_TASKS; i++)
		reach[i] = all >> i & 1 ? waits_for(&engine.tasks[i]) : 0;
	do {
		changed = false;
		for (i = 0; i < MAX_TASKS; i++) {
			u64 left = reach[i], more = reach[i];

			while (left) {
				more |= reach[__builtin_ctzll(left)];
				left &= left - 1;
			}
			changed |= more != reach[i];
			reach[i] = more;
		}
	} while (changed);
	for (i = 0; i < MAX_TASKS; i++)
		if (reach[i] >> i & 1)
			cycle |= 1ull << i;
	return cycle;
}

static bool only_spinning(u64 tasks)
{
	for (; tasks; tasks &= tasks - 1) {
		const struct task *t = &engine.tasks[__builtin_ctzll(tasks)];

		if (!t->pending.class->spins || t->spin_count <= 3)
			return false;
	}
	return true;
}

static struct task *first_of(u64 tasks)
{
	struct task *first = &engine.tasks[__builtin_ctzll(tasks)];

	for (; tasks; tasks &= tasks - 1)
		if (task_precedes(&engine.tasks[__builtin_ctzll(tasks)], first))
			first = &engine.tasks[__builtin_ctzll(tasks)];
	return first;
}

void finding_deadlock(void)
{
	u64 cycle = on_cycle();
	struct task *t;
	struct finding *f;

	if (!cycle)
		cycle = engine.live ? engine.live : 1;
	t = first_of(cycle);
	if (only_spinning(cycle))
		f = finding_add(FINDING_LIVELOCK, t->pending.addr, t->pending.pc, "nobody is left to change what a loop waits for");
	else
		f = finding_add(FINDING_DEADLOCK, t->pending.addr, t->pending.pc, "tasks wait for each other");
	/* Its place, and not that of who ran last. */
	f->pc = place_of(t, t->pending.pc);
	f->task = t->id;
	f->detail = cycle;
	engine_stop(END_FAILED);
}
