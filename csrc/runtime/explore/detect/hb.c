// SPDX-License-Identifier: GPL-2.0-only
/*
 * Happens-before among steps, conflicts, and the clocks of synchronisation.
 *
 * Two orders are kept, on purpose. The *step* order is that of dependence: any two conflicting accesses to an object, and
 * what had to come first for a step to be possible (unlock before lock, the end of a work before the flush that waited).
 * Executions with equal step orders are one class. The *race* order is that of the memory model: a relaxed increment
 * orders nothing. Every edge of the second is one of the first. (An execution's own data races are looked for with the
 * second, in shadow.c.)
 *
 * An object remembers its accesses in groups whose members commute: readers, increments, decrements; a write is a group
 * of its own. A member comes after all of the group before. So only two groups have to be remembered, and of each task
 * its last access: Flanagan and Godefroid's "last access" per object, with the readers kept apart (POPL 2005).
 *
 * Mutexes are different: a lock comes after the last unlock, which made it possible, and *races* with the last lock,
 * which it could have preceded. A failed trylock and a question are readers, with which an unlock can race.
 *
 * A race is reported with the step complete, because its clock is final only then.
 */
#include <string.h>

#include "detect.h"

#define BUCKETS 16384u
#define FOOTPRINTS (1u << 20)
#define MAX_RACES 256

static struct var vars[MAX_VARS];
static unsigned int nr_vars;
struct var *hb_recent;
static struct { u64 addr; u32 execution; u32 var; } buckets[BUCKETS];

static struct footprint footprints[FOOTPRINTS];
u32 hb_footprint_top;

static u16 races[MAX_RACES];
static unsigned int nr_races;

void hb_reset(void)
{
	nr_vars = 0;
	hb_recent = NULL;
	nr_races = 0;
}

void hb_forget_all(void)
{
	memset(buckets, 0, sizeof(buckets));
}

struct footprint *hb_footprints(void)
{
	return footprints;
}

struct var *hb_find(u64 addr)
{
	u32 i = (u32)((addr * 0x9e3779b97f4a7c15ull) >> 50);
	struct var *v;

	while (buckets[i].execution == engine.execution) {
		if (buckets[i].addr == addr)
			return &vars[buckets[i].var];
		i = (i + 1) % BUCKETS;
	}
	if (nr_vars == MAX_VARS)
		finding_fatal(FINDING_EXPLORER, 0, NULL, "more synchronisation objects than the explorer can follow");
	buckets[i].execution = engine.execution;
	buckets[i].addr = addr;
	buckets[i].var = nr_vars;
	v = &vars[nr_vars++];
	v->addr = addr;
	v->current_mode = MODE_READ;
	v->which = 0;
	v->has_sync = false;
	v->last_lock = v->last_unlock = NO_NODE;
	v->groups[0].tasks = v->groups[1].tasks = 0;
	return v;
}

/* --- the step order --- */

static inline bool is_before(const struct node *earlier, const struct clock *clock)
{
	return clock->at[earlier->task] >= (s16)earlier->ordinal;
}

static void race_with(int node)
{
	unsigned int i;

	for (i = 0; i < nr_races; i++)
		if (races[i] == node)
			return;
	if (nr_races < MAX_RACES)
		races[nr_races++] = (u16)node;
	else
		finding_fatal(FINDING_EXPLORER, 0, NULL, "a step conflicts with too many others");
}

static void group_races(const struct group *g, const struct clock *clock, int task)
{
	u64 left = g->tasks & ~(1ull << task);

	while (left) {
		int node = g->node[__builtin_ctzll(left)];

		left &= left - 1;
		if (!is_before(&engine.nodes[node], clock))
			race_with(node);
	}
}

static void group_join(const struct group *g, struct clock *clock, int task)
{
	u64 left = g->tasks & ~(1ull << task);

	while (left) {
		clock_join(clock, &engine.nodes[g->node[__builtin_ctzll(left)]].clock);
		left &= left - 1;
	}
}

static void group_set(struct group *g, int task, int node)
{
	g->tasks |= 1ull << task;
	g->node[task] = (u16)node;
}

/* The access is the newest of its object. Returns the group that it comes after. */
static inline const struct group *remember_memory(struct var *v, enum access_mode mode, int task, int node)
{
	struct group *current = &v->groups[v->which];

	if (mode != v->current_mode || mode == MODE_WRITE) {
		/* A group that replaces an empty one keeps the one before. */
		if (current->tasks) {
			v->which = !v->which;
			current = &v->groups[v->which];
			current->tasks = 0;
		}
		v->current_mode = (u8)mode;
	}
	group_set(current, task, node);
	return &v->groups[!v->which];
}

/* The readers are those since the lock or unlock before; groups[0] has them. */
static inline void remember_lock(struct var *v, enum access_mode mode, int task, int node)
{
	switch (mode) {
	case MODE_READ:
		group_set(&v->groups[0], task, node);
		return;
	case MODE_TRYLOCK:
	case MODE_LOCK:
		v->last_lock = node;
		break;
	default:
		v->last_unlock = node;
		break;
	}
	v->groups[0].tasks = 0;
}

static void step_races(int node, const struct clock *clock)
{
	if (node >= 0 && !is_before(&engine.nodes[node], clock))
		race_with(node);
}

static void lock_races(const struct var *v, enum access_mode mode, const struct clock *clock, int task)
{
	if (mode != MODE_UNLOCK)
		step_races(v->last_lock, clock);
	if (mode == MODE_READ || mode == MODE_TRYLOCK)
		step_races(v->last_unlock, clock);
	if (mode != MODE_READ)
		group_races(&v->groups[0], clock, task);
}

static void lock_join(const struct var *v, enum access_mode mode, struct clock *clock, int task)
{
	if (mode != MODE_UNLOCK) {
		if (v->last_lock >= 0)
			clock_join(clock, &engine.nodes[v->last_lock].clock);
		if (v->last_unlock >= 0)
			clock_join(clock, &engine.nodes[v->last_unlock].clock);
	}
	if (mode != MODE_READ)
		group_join(&v->groups[0], clock, task);
}

static void add_footprint(struct node *node, enum access_mode mode, u64 addr)
{
	if (hb_footprint_top == FOOTPRINTS)
		finding_fatal(FINDING_EXPLORER, 0, NULL, "the footprints of one path do not fit");
	footprints[hb_footprint_top++] = (struct footprint){ .addr = addr, .mode = (u8)mode };
	node->fp_len++;
	node->bloom |= footprint_bit(addr);
}

static noinline void order(struct var *v, enum access_mode mode, u64 addr)
{
	int n = engine.depth - 1, task = engine.current->id;
	struct clock *clock = &engine.nodes[n].clock;
	bool races = engine.strategy->race;

	if (addr & ADDR_LOCK_BIT) {
		if (races)
			lock_races(v, mode, clock, task);
		lock_join(v, mode, clock, task);
		remember_lock(v, mode, task, n);
	} else {
		const struct group *before = remember_memory(v, mode, task, n);

		if (races)
			group_races(before, clock, task);
		group_join(before, clock, task);
	}
}

/* In the repeated part of the path the step clocks are there already, and its races were reported: it is remembered. */
void hb_commit(enum access_mode mode, u64 addr)
{
	int n = engine.depth - 1;

	if (n < 0)
		return;
	if (mode >= MODE_INC && mode <= MODE_DEC_TO_1 && !engine.commute)
		mode = MODE_WRITE;
	if (!engine.repeating && engine.strategy->wants_footprints)
		add_footprint(&engine.nodes[n], mode, addr);
	if (mode == MODE_DEC_TO_1)
		mode = MODE_DEC;
	if (!engine.repeating)
		order(var_of(addr), mode, addr);
	else if (addr & ADDR_LOCK_BIT)
		remember_lock(var_of(addr), mode, engine.current->id, n);
	else
		remember_memory(var_of(addr), mode, engine.current->id, n);
}

void hb_after(int node)
{
	/* Task 0, alone, comes after everything anyway. */
	if (engine.parallel && engine.depth && !engine.repeating)
		clock_join(&engine.nodes[engine.depth - 1].clock, &engine.nodes[node].clock);
}

void hb_after_all(const struct clock *clock)
{
	if (engine.parallel && engine.depth && !engine.repeating)
		clock_join(&engine.nodes[engine.depth - 1].clock, clock);
}

void hb_step_done(void)
{
	unsigned int i;

	if (likely(!nr_races))
		return;
	for (i = 0; i < nr_races; i++)
		engine.strategy->race(races[i]);
	nr_races = 0;
}

/* What a pending operation would do to its object. */
static bool pending_mode(const struct op *op, enum access_mode *mode, u64 *addr)
{
	*addr = op->addr;
	switch (op->class->pending_mode) {
	case PENDING_LOCK:
		*mode = MODE_LOCK;
		*addr |= ADDR_LOCK_BIT;
		return true;
	case PENDING_LOOK:
		*mode = MODE_READ;
		*addr |= ADDR_LOCK_BIT;
		return true;
	case PENDING_READ:
		*mode = MODE_READ;
		return true;
	case PENDING_WRITE:
		*mode = MODE_WRITE;
		return true;
	default:
		return false;
	}
}

/* What the task has announced, as the step that it would be. */
void hb_would_race(struct task *t)
{
	int depth = engine.depth;
	struct node *node = &engine.nodes[depth];
	enum access_mode mode;
	u64 addr;
	u32 i;

	/* In the repeated part of the path it was told, and the next node is taken. */
	if (!engine.parallel || engine.repeating || !engine.strategy->race || !pending_mode(&t->pending, &mode, &addr))
		return;
	if (t->last_node >= 0)
		clock_copy(&node->clock, &engine.nodes[t->last_node].clock);
	else
		clock_zero(&node->clock);
	node->task = (u8)t->id;
	node->ordinal = (u16)(t->ordinal + 1);
	node->op = t->pending.class;
	node->addr = t->pending.addr;
	node->clock.at[t->id] = (s16)node->ordinal;

	for (i = 0; i < nr_vars; i++) {
		struct var *v = &vars[i];

		if (v->addr != addr)
			continue;
		if (addr & ADDR_LOCK_BIT) {
			if (v->last_lock >= 0 && !is_before(&engine.nodes[v->last_lock], &node->clock))
				race_with(v->last_lock);
			group_races(&v->groups[0], &node->clock, t->id);
		} else {
			const struct group *g = &v->groups[v->which];

			if (mode == v->current_mode && mode != MODE_WRITE)
				g = &v->groups[!v->which];
			group_races(g, &node->clock, t->id);
			group_join(g, &node->clock, t->id);
		}
	}
	engine.depth = depth + 1;
	hb_step_done();
	engine.depth = depth;
}

void hb_pending_races(void)
{
	u64 left;

	hb_step_done();
	for (left = engine.live; left; left &= left - 1)
		hb_would_race(&engine.tasks[__builtin_ctzll(left)]);
}
