// SPDX-License-Identifier: GPL-2.0-only
/* What nobody freed. Where to look for who should have is told by report/leaks.c. */
#include "monitor.h"

bool leak_points_to(const struct object *from, const struct object *to)
{
	const u64 *words = (const u64 *)(heap_base + from->base);
	u32 i;

	for (i = 0; i < from->size / sizeof(*words); i++)
		if (words[i] - ((u64)heap_base + to->base) < to->size)
			return true;
	return false;
}

/* Another leaked object that points to it, or -1. */
static int leaked_holder(int object)
{
	int i;

	for (i = 0; i < heap_nr_objects; i++)
		if (i != object && heap_objects[i].state != OBJECT_FREED && leak_points_to(&heap_objects[i], &heap_objects[object]))
			return i;
	return -1;
}

static void add(int object, int holder)
{
	const struct object *o = &heap_objects[object];
	struct finding *f = finding_add(XP_K_LEAK, (u64)heap_base + o->base, o->pc, "nobody freed it");

	f->pc = o->pc;
	f->detail = (u64)(holder + 1);
}

/* First those that leaked by themselves. */
void leak_find(void)
{
	int i, holder, pass;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < heap_nr_objects; i++) {
			if (heap_objects[i].state == OBJECT_FREED)
				continue;
			holder = leaked_holder(i);
			if ((holder >= 0) == pass)
				add(i, holder);
		}
	}
}
