// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tree of choices, walked depth first, one execution for each leaf.
 *
 * A node of the path is a point at which somebody was picked. What is to be tried there is its backtrack set: all that
 * are enabled, or (DPOR) only the first one and whatever races ask for later. Sleep sets (Godefroid, LNCS 1032, 1996) keep
 * out what was explored: a task that was tried at a node stays asleep below its later siblings until a step conflicts with
 * the one that it would take. So no two executions are of the same class, whoever fills the backtrack sets.
 *
 * The step that a sleeping task would take is known in full, with the events behind its point, because it was taken once
 * from a state that differs only in independent steps. A choice of one of several results (an allocation that may fail) is
 * a point of its own; its results sleep one by one.
 *
 * Progress is the mass of finished subtrees. The root has 1; a child begins with an equal part of what is left at its
 * node, divided among all that might still be tried there; what the backtrack set never asked for is credited when the node
 * is left. So it only grows and ends at 1.
 *
 * The child that goes on with the task that ran before comes first: failures then tend to be found with few preemptions.
 *
 * Within a bound of preemptions, a moment (moment.c) of the task that ran before is no choice, as if it were no point:
 * orders.c judges the orders of moments, and to be preempted there as well would multiply the schedules of every bound.
 * Who looks for the shortest schedule of a failure wants them as points (rules.moments).
 *
 * Not always is it the whole tree: job.c says where a part of it begins, and what of that was done already.
 */
#include <string.h>

#include "path.h"

#define MAX_SLEEPERS (1u << 18)

struct path_rules path_rules;
int path_kept;
struct path_part path_part = { .mass = 1 };
static struct sleeper sleepers[MAX_SLEEPERS];
static u32 sleepers_top;

double path_mass;
int path_bound;
bool path_was_cut;

void path_begin(struct path_rules new_rules)
{
	path_rules = new_rules;
	path_kept = 0;
	path_part = (struct path_part){ .mass = 1 };
	sleepers_top = 0;
	hb_footprint_top = 0;
	path_mass = 0;
	path_was_cut = false;
	engine.fresh_from = 0;
}

static void put_to_sleep(const struct sleeper *s)
{
	if (sleepers_top == MAX_SLEEPERS)
		finding_fatal(XP_K_EXPLORER, 0, NULL, "the sleep sets of one path do not fit");
	sleepers[sleepers_top++] = *s;
}

/* What sleeps at the parent and has nothing to do with the step taken there goes on sleeping. */
static void inherit(struct node *node, const struct node *parent)
{
	const struct footprint *pool = hb_footprints();
	u32 i, first = parent->sleep_off, behind = first + parent->nr_sleepers;

	for (i = first; i < behind; i++) {
		const struct sleeper s = sleepers[i];

		if (s.task == parent->task)
			continue;
		if ((s.bloom & parent->bloom) &&
		    footprints_conflict(pool + s.fp_off, s.fp_len, pool + parent->fp_off, parent->fp_len))
			continue;
		put_to_sleep(&s);
		node->nr_sleepers++;
	}
}

static u64 alternatives_asleep(const struct node *node, int task)
{
	u64 asleep = 0;
	u32 i;

	for (i = node->sleep_off; i < node->sleep_off + node->nr_sleepers; i++)
		if (sleepers[i].task == task)
			asleep |= 1ull << sleepers[i].alternative;
	return asleep;
}

unsigned int path_alternatives_of(int task)
{
	const struct op *op = &engine.tasks[task].pending;

	return op->class == &op_choice ? op->alternatives : 1;
}

static void find_asleep(struct node *node)
{
	u32 i;

	node->asleep = 0;
	for (i = node->sleep_off; i < node->sleep_off + node->nr_sleepers; i++) {
		int task = sleepers[i].task;
		unsigned int n;

		if (node->asleep >> task & 1)
			continue;
		n = path_alternatives_of(task);
		if (n == 1 || (alternatives_asleep(node, task) & ((1ull << n) - 1)) == (1ull << n) - 1)
			node->asleep |= 1ull << task;
	}
}

bool path_next_alternative(struct node *node)
{
	u64 taken = node->alternatives_done;
	unsigned int i;

	if (path_rules.sleep && node->alternatives > 1)
		taken |= alternatives_asleep(node, node->task);
	for (i = 0; i < node->alternatives; i++)
		if (!(taken >> i & 1)) {
			node->alternative = (u8)i;
			return true;
		}
	return false;
}

void path_take_share(struct node *node)
{
	int n = __builtin_popcountll(node->enabled & ~node->asleep & ~node->done);

	node->share = node->left / (n > 0 ? n : 1);
	node->left -= node->share;
}

static int begin_child(struct node *node)
{
	node->alternatives = (u8)path_alternatives_of(node->task);
	node->alternatives_done = 0;
	path_next_alternative(node);
	path_take_share(node);
	engine.alternative = node->alternative;
	return node->task;
}

static bool goes_on_without_asking(int previous)
{
	return path_rules.bounded && !path_rules.moments && previous >= 0 && engine.tasks[previous].pending.class->touches_nothing;
}

u64 path_enter(struct node *node, u64 enabled, int previous)
{
	u64 candidates;

	node->enabled = enabled;
	node->done = 0;
	node->sleep_off = sleepers_top;
	node->nr_sleepers = 0;
	node->left = engine.depth ? engine.nodes[engine.depth - 1].share : path_part.mass;
	node->asleep = 0;
	if (path_rules.sleep && engine.depth) {
		inherit(node, &engine.nodes[engine.depth - 1]);
		if (node->nr_sleepers)
			find_asleep(node);
	}
	candidates = enabled & ~node->asleep;
	if (goes_on_without_asking(previous)) {
		candidates &= 1ull << previous;
		node->enabled = candidates;
	}
	if (path_rules.bounded && previous >= 0 && engine.preemptions >= path_bound) {
		if (candidates & ~(1ull << previous))
			path_was_cut = true;
		candidates &= 1ull << previous;
		node->enabled = candidates;
	}
	return candidates;
}

int path_pick(u64 enabled, int previous)
{
	int depth = engine.depth;
	struct node *node = &engine.nodes[depth];
	u64 candidates;

	if (depth < path_part.given)
		return path_part.pick(node, enabled, previous);
	if (depth < path_kept) {
		/* The node where this execution leaves the one before. */
		if (!(enabled >> node->task & 1))
			finding_fatal(XP_K_EXPLORER, 0, NULL, "an execution did not repeat itself");
		if (!node->alternatives)
			return begin_child(node);
		engine.alternative = node->alternative;
		return node->task;
	}

	candidates = path_enter(node, enabled, previous);
	if (!candidates)
		return -1;
	node->task = (u8)(previous >= 0 && candidates >> previous & 1 ? previous : __builtin_ctzll(candidates));
	node->backtrack = path_rules.all ? candidates : 1ull << node->task;
	return begin_child(node);
}

void path_want(int n, u64 tasks)
{
	engine.nodes[n].backtrack |= tasks;
}

static bool takes_reference(const struct node *node, u64 addr)
{
	const struct footprint *pool = hb_footprints() + node->fp_off;
	u32 i;

	for (i = 0; i < node->fp_len; i++)
		if (pool[i].addr == addr && (pool[i].mode == MODE_DEC || pool[i].mode == MODE_DEC_TO_1))
			return true;
	return false;
}

/* Would the step wake the sleeping task, if what comes after the step at which it sleeps is left out, and that step? */
static bool would_wake(const struct node *node, const struct sleeper *s, const struct node *left_out)
{
	const struct footprint *steps = hb_footprints() + node->fp_off, *sleeps = hb_footprints() + s->fp_off;
	u32 i, k;

	if (!(s->bloom & node->bloom))
		return false;
	for (i = 0; i < node->fp_len; i++)
		for (k = 0; k < s->fp_len; k++) {
			if (!footprints_conflict(&steps[i], 1, &sleeps[k], 1))
				continue;
			/* It left 1 behind the decrement that is left out, so without that it leaves 2: no end is near. */
			if (steps[i].mode == MODE_DEC_TO_1 && sleeps[k].mode == MODE_DEC && takes_reference(left_out, steps[i].addr))
				continue;
			return true;
		}
	return false;
}

/*
 * Whoever has the newest step before that of node n begins with the steps in between that do not depend on the latter. Is
 * there a task that sleeps at n and goes on sleeping all along, up to a step of its own there? Then that is a beginning of
 * what was explored where it fell asleep, and to follow it would be to come to an end there.
 */
bool path_was_seen(int n)
{
	const struct node *first = &engine.nodes[n];
	int last = engine.depth - 1, j;
	u32 i;

	for (i = first->sleep_off; i < first->sleep_off + first->nr_sleepers; i++) {
		const struct sleeper *s = &sleepers[i];

		for (j = n + 1; j <= last; j++) {
			const struct node *node = &engine.nodes[j];

			/* The last one depends on the first by the race alone. */
			if (j < last && node->clock.at[first->task] >= (s16)first->ordinal)
				continue;
			if (node->task == s->task) {
				if (node->alternative == s->alternative)
					return true;
				break;
			}
			if (would_wake(node, s, first))
				break;
		}
	}
	return false;
}

static void fall_asleep(const struct node *node)
{
	const struct sleeper s = {
		.task = node->task, .alternative = node->alternative,
		.fp_off = node->fp_off, .fp_len = node->fp_len, .bloom = node->bloom,
	};

	put_to_sleep(&s);
}

void path_go_back(int depth)
{
	struct node *node = &engine.nodes[depth];

	sleepers_top = node->sleep_off + node->nr_sleepers;
	if (path_rules.sleep) {
		hb_footprint_top = node->fp_off + node->fp_len;
		fall_asleep(node);
		node->nr_sleepers++;
	} else {
		hb_footprint_top = node->fp_off;
	}
	path_kept = depth + 1;
	engine.fresh_from = depth;
}

bool path_next(void)
{
	int depth;

	path_part.given = 0;
	if (engine.depth > 0)
		path_mass += engine.nodes[engine.depth - 1].share;
	for (depth = engine.depth - 1; depth >= path_part.floor - path_part.alternatives; depth--) {
		struct node *node = &engine.nodes[depth];
		u64 next;

		path_go_back(depth);
		node->alternatives_done |= 1ull << node->alternative;
		if (path_next_alternative(node)) {
			path_take_share(node);
			return true;
		}
		node->done |= 1ull << node->task;
		next = depth < path_part.floor ? 0 : node->backtrack & ~node->done & ~node->asleep;
		if (next) {
			node->task = (u8)__builtin_ctzll(next);
			node->alternatives = 0;		/* its operation is known when it is its turn */
			return true;
		}
		path_mass += node->left;
	}
	return false;
}
