// SPDX-License-Identifier: GPL-2.0-only
/* The state of the engine: tasks and their numbers, stacks, and leaving an execution. Who goes on is schedule/'s matter. */
#include <string.h>

#include "engine.h"

struct engine engine;
unsigned int clock_lanes = 1;
char *engine_stacks;

u64 op_make_id(struct op_class *class)
{
	const char *c;
	u64 h = 0xcbf29ce484222325ull;

	for (c = class->name; *c; c++)
		h = (h ^ (u8)*c) * 0x100000001b3ull;
	return class->id = h;
}

void engine_new_scenario(void)
{
	memset(engine.children, 0, sizeof(engine.children));
	engine.nr_ids = 0;
	/* Lanes only grow while memory is as it was handed out; all of it is zero beyond those in use. */
}

/* A task has its number for the length of a search, by who started it, as which of its children, in whatever execution. */
static void number_task(int parent, int nth)
{
	int id = ++engine.nr_ids;

	if (id > engine.most_ids)
		engine.most_ids = id;
	engine.children[parent][nth] = (u8)id;
	engine.tasks[id].parent = parent;
	engine.tasks[id].nth = nth;
	engine.tasks[id].section = -1;
	engine.tasks[id].name = (engine.tasks[parent].name ^ (u64)(nth + 1)) * 0x9e3779b97f4a7c15ull;
	engine.tasks[id].name ^= engine.tasks[id].name >> 32;
	if ((unsigned int)id / LANE >= clock_lanes)
		clock_lanes = (unsigned int)id / LANE + 1;
}

bool engine_number_task(int parent, int nth)
{
	if (engine.nr_ids + 1 >= MAX_TASKS || parent < 0 || parent > engine.nr_ids || nth < 0 || nth >= MAX_CHILDREN ||
	    engine.children[parent][nth])
		return false;
	number_task(parent, nth);
	return true;
}

static int generation(const struct task *t)
{
	int n = 0;

	for (; t->id; t = &engine.tasks[t->parent])
		n++;
	return n;
}

bool task_precedes(const struct task *a, const struct task *b)
{
	int i, difference = generation(a) - generation(b);

	/* Up to the same generation, then to the same parent. */
	for (i = difference; i > 0; i--)
		a = &engine.tasks[a->parent];
	for (i = difference; i < 0; i++)
		b = &engine.tasks[b->parent];
	if (a == b)
		return difference < 0;
	while (a->parent != b->parent) {
		a = &engine.tasks[a->parent];
		b = &engine.tasks[b->parent];
	}
	return a->nth < b->nth;
}

int engine_stack_owner(u64 addr)
{
	u64 offset = addr - (u64)engine_stacks;

	return offset < (u64)MAX_TASKS * FIBER_STRIDE ? (int)(offset / FIBER_STRIDE) : -1;
}

bool engine_stack_is_dead(const struct task *owner, u64 addr)
{
#if FIBER_IS_SETJMP
	(void)owner;
	(void)addr;
	return false;		/* where its stack pointer stands is in an opaque buffer */
#else
	return addr < (u64)owner->fiber.sp;
#endif
}

void engine_pause(void)
{
	struct task *t = engine.current;

	engine.paused = t;
	engine.current = NULL;
	fiber_switch(&engine.pause, &engine.host);
	engine.current = t;
}

void engine_stop(int end)
{
	struct task *t = engine.current;

	engine.step_open = false;
	engine.end = end;
	engine.current = NULL;
	fiber_switch(&t->fiber, &engine.host);
	__builtin_unreachable();
}
