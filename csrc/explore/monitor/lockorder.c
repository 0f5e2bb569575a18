// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order in which locks are taken, by class, over all executions of a search: a cycle is a deadlock that could happen
 * even if none did, as the kernel's lockdep reasons.
 *
 * An edge says: held A, took B. Classes are places that initialise, and each static lock is one (DEFINE_MUTEX); works of a
 * workqueue are one, too, held by a work and taken by who flushes. What lockdep would call a deadlock and is none: a cycle whose edges were all seen under one
 * further lock (a gate), or all in one task. Each edge keeps up to four ways in which it was seen, by task and gates.
 *
 * It is a prediction, and a failure: that the tasks of this scenario never met between the two locks is the scenario's doing
 * (one waits for the other, say), and the next one may have tasks that do. Beside a deadlock of the same locks it says nothing
 * new, and is a note. Who only tries a lock (mutex_trylock) waits for nobody, and is on no cycle by that.
 *
 * The driver kept its contract where each edge was seen in an execution in which it did. That is known when the execution is
 * over, so edges are put in then.
 */
#include <linux/mutex.h>
#include <stdio.h>
#include <string.h>

#include "monitor.h"

#define MAX_CLASSES 64
#define MAX_WAYS 4

#define UNKNOWN (~0u)		/* the execution that showed it was not seen to its end */

struct way {
	s16 task;
	u8 from, to;
	u64 gates;
	const void *held_pc, *pc;
	unsigned int clauses;	/* that the driver broke there */
	bool fresh;		/* in the list of this execution's */
};

static const struct lock_class *classes[MAX_CLASSES];
static int nr_classes;
static struct { u8 n; struct way ways[MAX_WAYS]; } edges[MAX_CLASSES][MAX_CLASSES];

/* Static locks, by address. */
#define MAX_STATIC 8
static struct { u64 addr; char name[24]; struct lock_class class; } statics[MAX_STATIC];
static int nr_statics;

/* Of this execution: those that are new, or were only seen with the contract broken. */
#define MAX_FRESH 64
static struct way *fresh[MAX_FRESH];
static int nr_fresh;

u64 lock_order_news[MAX_FRESH + MAX_FINDINGS];
int nr_lock_order_news;

struct lock_cycle lock_cycles[MAX_CYCLES];
int nr_lock_cycles;
bool lock_order_new;

/* The deadlocks that were found, by the locks that their tasks hold and wait for. */
#define MAX_DEADLOCKS 16
static struct { u64 classes; bool kept; } deadlocks[MAX_DEADLOCKS];
static int nr_deadlocks;

void lock_order_reset(void)
{
	int i;

	/* Only what was used: most scenarios are small, and the table of all classes is 700 KB. */
	for (i = 0; i < nr_classes; i++)
		memset(edges[i], 0, sizeof(edges[i][0]) * (size_t)nr_classes);
	nr_classes = nr_lock_cycles = nr_fresh = nr_deadlocks = nr_statics = 0;
	lock_order_new = false;
}

void lock_order_begin(void)
{
	while (nr_fresh)
		fresh[--nr_fresh]->fresh = false;
	nr_lock_order_news = 0;
}

/* --- names that another process has, too --- */

static u64 name_of(const struct lock_class *class)
{
	const char *words[] = { class->name, class->file };
	u64 h = (u64)class->line;
	int i;

	for (i = 0; i < 2; i++)
		for (; words[i] && *words[i]; words[i]++)
			h = mix(h, (u8)*words[i]);
	return h;
}

static u64 names_of(u64 set)
{
	u64 sum = 0;

	for (; set; set &= set - 1)
		sum += name_of(classes[__builtin_ctzll(set)]);
	return sum;
}

static u64 key_of(const struct way *w)
{
	u64 h = engine.tasks[w->task].name;

	h = mix(mix(h, name_of(classes[w->from])), name_of(classes[w->to]));
	return mix(mix(h, names_of(w->gates)), !w->clauses);
}

static void tell_news(u64 key)
{
	if (nr_lock_order_news < MAX_FRESH + MAX_FINDINGS)
		lock_order_news[nr_lock_order_news++] = key;
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

/* Of a lock, which has a class of its own if nothing else gave it one. NULL: none. */
static const struct lock_class *class_of(const struct lock_class *class, u64 addr)
{
	int i;

	if (class || heap_find(addr) >= 0)
		return class;
	for (i = 0; i < nr_statics; i++)
		if (statics[i].addr == addr)
			return &statics[i].class;
	if (nr_statics == MAX_STATIC)
		return NULL;
	nr_statics++;
	snprintf(statics[i].name, sizeof(statics[i].name), "static lock %d", nr_statics);
	statics[i].class = (struct lock_class){ statics[i].name, "static memory", nr_statics };
	statics[i].addr = addr;
	return &statics[i].class;
}

static const struct lock_class *class_held(const struct task *t, int i)
{
	return class_of(t->held[i].class, t->held[i].addr);
}

/* --- cycles --- */

static int stack[8];
static const struct way *stack_ways[8];

static struct lock_cycle *known_cycle(int length)
{
	int i, k;

	for (i = 0; i < nr_lock_cycles; i++) {
		for (k = 0; k < length && lock_cycles[i].length == length; k++)
			if (lock_cycles[i].classes[k] != classes[stack[k]])
				break;
		if (k == length)
			return &lock_cycles[i];
	}
	return NULL;
}

static void found_cycle(int length)
{
	struct lock_cycle *c = known_cycle(length);
	unsigned int clauses = 0;
	int i;

	for (i = 0; i < length; i++)
		clauses |= stack_ways[i]->clauses;
	if (c ? !c->clauses || clauses : nr_lock_cycles == MAX_CYCLES)
		return;
	if (!c)
		c = &lock_cycles[nr_lock_cycles++];
	c->length = length;
	c->clauses = clauses;
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
		if (to == from)
			continue;
		for (i = 0; i < edges[from][to].n; i++) {
			const struct way *w = &edges[from][to].ways[i];
			u64 common = gates & w->gates;

			/* Two tasks that both hold a gate cannot be inside at the same time. */
			if (common || (tasks >> w->task & 1) || w->clauses == UNKNOWN)
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

/* Two locks of one class, one inside the other, are a cycle by themselves: nothing says which comes first. */
static void look_at_nested(int class)
{
	const struct way *ways = edges[class][class].ways;
	int i, k;

	for (i = 0; i < edges[class][class].n; i++) {
		for (k = 0; k < edges[class][class].n; k++) {
			/* Another task may do what this one does. */
			if (ways[i].gates & ways[k].gates || ways[i].clauses == UNKNOWN || ways[k].clauses == UNKNOWN)
				continue;
			stack_ways[0] = ways[i].clauses ? &ways[i] : &ways[k];
			found_cycle(1);
		}
	}
}

static void look_for_cycles(void)
{
	for (stack[0] = 0; stack[0] < nr_classes; stack[0]++) {
		look_at_nested(stack[0]);
		look(0, 0, 0);
	}
}

/* --- edges --- */

static void is_fresh(struct way *w)
{
	if (w->fresh || nr_fresh == MAX_FRESH)
		return;
	w->fresh = true;
	fresh[nr_fresh++] = w;
}

static void add_way(int a, int b, const struct way *way)
{
	struct way *w;
	int i;

	for (i = 0; i < edges[a][b].n; i++) {
		w = &edges[a][b].ways[i];
		/* Known, with the same gates or fewer. */
		if (w->task != way->task || w->gates & ~way->gates)
			continue;
		if (!w->clauses)
			return;
		if (w->gates == way->gates) {
			is_fresh(w);
			return;
		}
	}
	if (edges[a][b].n == MAX_WAYS)
		return;
	w = &edges[a][b].ways[edges[a][b].n++];
	*w = *way;
	w->from = (u8)a;
	w->to = (u8)b;
	w->clauses = UNKNOWN;
	is_fresh(w);
}

void lock_order_taken(struct task *t, const struct lock_class *class, u64 addr, const void *pc)
{
	int b, i, k;

	if (!engine.parallel || !t->nr_held)
		return;
	class = class_of(class, addr);
	b = class ? index_of(class) : -1;
	for (i = 0; i < t->nr_held; i++) {
		struct way way = { .task = (s16)t->id, .held_pc = t->held[i].pc, .pc = place_of(t, pc) };
		const struct lock_class *holds = class_held(t, i);
		int a = holds ? index_of(holds) : -1;

		if (a < 0 || b < 0 || t->held[i].addr == addr)
			continue;
		for (k = 0; k < t->nr_held; k++) {
			const struct lock_class *held = class_held(t, k);
			int gate = k == i || !held ? -1 : index_of(held);

			/* Works run beside each other. */
			if (gate >= 0 && gate != b && gate != a && held != &workqueue_class)
				way.gates |= 1ull << gate;
		}
		add_way(a, b, &way);
	}
}

void lock_order_end(unsigned int clauses)
{
	bool added = false;
	int i;

	for (i = 0; i < nr_fresh; i++) {
		if (fresh[i]->clauses == UNKNOWN || (fresh[i]->clauses && !clauses)) {
			fresh[i]->clauses = clauses;
			tell_news(key_of(fresh[i]));
			added = true;
		}
		fresh[i]->fresh = false;
	}
	nr_fresh = 0;
	if (added)
		look_for_cycles();
}

/* --- deadlocks --- */

static u64 bit_of(const struct lock_class *class)
{
	int i = class ? index_of(class) : -1;

	return i < 0 ? 0 : 1ull << i;
}

/* Of the execution that just ended: the locks that its tasks hold and wait for. */
void lock_order_deadlock(u64 tasks, bool kept)
{
	u64 involved = 0;
	int i;

	for (; tasks; tasks &= tasks - 1) {
		const struct task *t = &engine.tasks[__builtin_ctzll(tasks)];

		for (i = 0; i < t->nr_held; i++)
			involved |= bit_of(class_held(t, i));
		if (t->pending.class == &op_lock)
			involved |= bit_of(class_of(((const struct mutex *)t->pending.addr)->class, t->pending.addr));
		if (t->pending.class == &op_flush_wait || t->pending.class == &op_drain_wait || t->pending.class == &op_work)
			involved |= bit_of(&workqueue_class);
	}
	for (i = 0; i < nr_deadlocks; i++)
		if (deadlocks[i].classes == involved && (deadlocks[i].kept || !kept))
			return;
	if (nr_deadlocks == MAX_DEADLOCKS)
		return;
	deadlocks[nr_deadlocks].classes = involved;
	deadlocks[nr_deadlocks++].kept = kept;
	tell_news(mix(names_of(involved), kept));
}

bool lock_order_came_true(const struct lock_cycle *c)
{
	u64 involved = 0;
	int i;

	for (i = 0; i < c->length; i++)
		involved |= bit_of(c->classes[i]);
	for (i = 0; i < nr_deadlocks; i++)
		if (!(involved & ~deadlocks[i].classes) && (deadlocks[i].kept || c->clauses))
			return true;
	return false;
}
