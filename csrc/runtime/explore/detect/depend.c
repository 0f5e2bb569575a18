// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address dependencies: what READ_ONCE() of a published pointer orders.
 *
 * A marked load that is no acquire orders nothing by itself. But what is accessed *through* the pointer that it returned
 * comes after it, on every machine that Linux runs on ("address dependency", tools/memory-model of the kernel): the
 * object as whoever published it left it, when the publication was a release. So such a load leaves the clock of the
 * release with the object that the pointer points into, for this task's accesses to that object, and to what that points
 * to, since the chain of pointers is a chain of dependencies. It is for nothing else: an index or a flag orders no later
 * read (a control dependency does not), and neither does it order other data.
 *
 * Registers are not seen, so an access to the object by another way counts as one through the pointer. A plain load leaves
 * nothing, and races with the store that it reads from.
 *
 * What a task has seen this way it hands on when it releases something: releases are cumulative.
 *
 * All of it is looked at only where a race would be reported otherwise.
 */

#include "detect.h"

#define MOST_HOPS 3
#define MOST_VISITED 32

struct dependency {
	int object;
	struct clock clock;
};

static struct dependency dependencies[MAX_TASKS][MOST_DEPENDENCIES];

void depend_on(u64 addr, u64 value)
{
	struct task *t = engine.current;
	const struct var *v = var_of(addr);
	struct dependency *d = dependencies[t->id];
	int object, i, n = t->nr_depends < MOST_DEPENDENCIES ? (int)t->nr_depends : MOST_DEPENDENCIES;

	if (!v->has_sync)
		return;
	object = heap_find(value);
	if (object < 0 || object == heap_find(addr))
		return;
	for (i = 0; i < n; i++)
		if (d[i].object == object) {
			clock_join(&d[i].clock, &v->sync);
			return;
		}
	/* The oldest goes. */
	d += t->nr_depends++ % MOST_DEPENDENCIES;
	d->object = object;
	clock_copy(&d->clock, &v->sync);
}

/* Does the one point to the other, or to something that does? Memory as it is now. */
static bool reaches(int from, int to)
{
	int visited[MOST_VISITED], n = 1, next = 0, hops, end;

	visited[0] = from;
	for (hops = 0; hops <= MOST_HOPS; hops++) {
		for (end = n; next < end; next++) {
			const struct object *o = &heap_objects[visited[next]];
			const u64 *words = (const u64 *)(heap_base + o->base);
			u32 i;

			if (visited[next] == to)
				return true;
			for (i = 0; i < o->size / 8 && hops < MOST_HOPS; i++) {
				int object = heap_has(words[i]) ? heap_find(words[i]) : -1, k;

				if (object < 0 || heap_objects[object].is_static)
					continue;
				for (k = 0; k < n && visited[k] != object; k++)
					;
				if (k == n && n < MOST_VISITED)
					visited[n++] = object;
			}
		}
	}
	return false;
}

const struct clock *depend_clock(const struct task *t, u64 addr, struct clock *joined)
{
	const struct dependency *d = dependencies[t->id];
	int object = heap_find(addr), i;
	bool any = false;

	for (i = 0; i < MOST_DEPENDENCIES && i < (int)t->nr_depends; i++) {
		if (object < 0 || !reaches(d[i].object, object))
			continue;
		if (!any)
			clock_copy(joined, &t->race);
		any = true;
		clock_join(joined, &d[i].clock);
	}
	return any ? joined : &t->race;
}

const struct clock *depend_release(const struct task *t)
{
	static struct clock joined;
	int i;

	clock_copy(&joined, &t->race);
	for (i = 0; i < MOST_DEPENDENCIES && i < (int)t->nr_depends; i++)
		clock_join(&joined, &dependencies[t->id][i].clock);
	return &joined;
}
