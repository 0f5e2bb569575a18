// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order in which locks are taken, by class, over all executions of a search: a cycle is a deadlock that could happen
 * even if none did, as the kernel's lockdep reasons.
 *
 * An edge says: held A, took B. Classes are places that initialise; works of a workqueue are one, too, held by a work and
 * taken by who flushes. What lockdep would call a deadlock and is none: a cycle whose edges were all seen under one
 * further lock (a gate), or all in one task. Each edge keeps up to four ways in which it was seen, by task and gates.
 *
 * It is a prediction. If the search met the deadlock, that is the failure; if the search was exhaustive and did not, the
 * prediction is refuted and becomes a note.
 */
#include <linux/mutex.h>
#include <string.h>

#include "search.h"

#define MAX_CLASSES 64
#define MAX_WAYS 4

struct way {
	s16 task;
	u64 gates;
	const void *held_pc, *pc;
};

static const struct lock_class *classes[MAX_CLASSES];
static int nr_classes;
static struct { u8 n; struct way ways[MAX_WAYS]; } edges[MAX_CLASSES][MAX_CLASSES];

struct lock_cycle lock_cycles[MAX_CYCLES];
int nr_lock_cycles;
bool lock_order_new;

void lock_order_reset(void)
{
	memset(edges, 0, sizeof(edges));
	nr_classes = nr_lock_cycles = 0;
	lock_order_new = false;
}

static int index_of(const struct lock_class *class)
{
	int i;

	for (i = 0; i < nr_classes; i++)
		if (classes[i] == class)
			return i;
	if (nr_classes == MAX_CLASSES)
		return -1;
	classes[nr_classes] = class;
	return nr_classes++;
}

/* --- cycles --- */

static int stack[8];
static const struct way *stack_ways[8];

static void found_cycle(int length)
{
	struct lock_cycle *c;
	int i, k;

	for (i = 0; i < nr_lock_cycles; i++) {
		for (k = 0; k < length && lock_cycles[i].length == length; k++)
			if (lock_cycles[i].classes[k] != classes[stack[k]])
				break;
		if (k == length)
			return;
	}
	if (nr_lock_cycles == MAX_CYCLES)
		return;
	c = &lock_cycles[nr_lock_cycles++];
	c->length = length;
	for (i = 0; i < length; i++) {
		c->classes[i] = classes[stack[i]];
		c->tasks[i] = stack_ways[i]->task;
		c->held_pc[i] = stack_ways[i]->held_pc;
		c->pc[i] = stack_ways[i]->pc;
	}
	lock_order_new = true;
}

/* Paths from the top of the stack back to its bottom, which has the lowest number, by ways that can meet. */
static void look(int depth, u64 gates, u64 tasks)
{
	int from = stack[depth], to, i;

	for (to = stack[0]; to < nr_classes; to++) {
		for (i = 0; i < edges[from][to].n; i++) {
			const struct way *w = &edges[from][to].ways[i];
			u64 common = gates & w->gates;

			/* Two tasks that both hold a gate cannot be inside at the same time. */
			if (common || (tasks >> w->task & 1))
				continue;
			stack_ways[depth] = w;
			if (to == stack[0]) {
				if (depth)
					found_cycle(depth + 1);
				continue;
			}
			if (depth == 6)
				continue;
			stack[depth + 1] = to;
			look(depth + 1, gates | w->gates, tasks | 1ull << w->task);
		}
	}
}

static void look_for_cycles(void)
{
	for (stack[0] = 0; stack[0] < nr_classes; stack[0]++)
		look(0, 0, 0);
}

/* --- edges --- */

static bool add_way(int a, int b, const struct way *way)
{
	int i;

	for (i = 0; i < edges[a][b].n; i++) {
		struct way *w = &edges[a][b].ways[i];

		/* Known, with the same gates or fewer. */
		if (w->task == way->task && !(w->gates & ~way->gates))
			return false;
	}
	if (edges[a][b].n == MAX_WAYS)
		return false;
	edges[a][b].ways[edges[a][b].n++] = *way;
	return true;
}

/* Two locks of one class, one inside the other, are a cycle by themselves: nothing says which comes first. */
static void nested(const struct task *t, int class, const void *held_pc, const void *pc)
{
	stack[0] = class;
	stack_ways[0] = &(struct way){ .task = (s16)t->id, .held_pc = held_pc, .pc = pc };
	found_cycle(1);
}

void lock_order_taken(struct task *t, const struct lock_class *class, u64 addr, const void *pc)
{
	bool added = false;
	int b, i, k;

	/* Zeroed memory is a lock by chance. Only what is allocated: static ones are initialised by their definition. */
	if (!class && scenario.nr_devices && heap_find(addr) >= 0)
		finding_add(XP_K_WARN, addr, place_of(t, pc), "a mutex is locked that was never initialised");
	if (!engine.parallel || !t->nr_held || !class)
		return;
	b = index_of(class);
	for (i = 0; i < t->nr_held; i++) {
		struct way way = { .task = (s16)t->id, .held_pc = t->held[i].pc, .pc = place_of(t, pc) };
		int a = t->held[i].class ? index_of(t->held[i].class) : -1;

		if (a < 0 || b < 0)
			continue;
		if (a == b) {
			if (t->held[i].addr != addr)
				nested(t, a, t->held[i].pc, pc);
			continue;
		}
		for (k = 0; k < t->nr_held; k++) {
			int gate = k == i || !t->held[k].class ? -1 : index_of(t->held[k].class);

			if (gate >= 0 && gate != b)
				way.gates |= 1ull << gate;
		}
		added |= add_way(a, b, &way);
	}
	if (added)
		look_for_cycles();
}
