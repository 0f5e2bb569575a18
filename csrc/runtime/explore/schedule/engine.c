// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running one execution: tasks, points, and who goes on.
 *
 * The scheduler runs on the stack of whoever gives up the processor, so a step of another task costs one switch and a
 * step of the same task none. The host's stack is entered again only when the execution is over.
 *
 * Three parts: task 0 sets the scenario up, alone; the tasks run concurrently, each point a question to the strategy;
 * task 0 tears down, alone again. The concurrent part begins with the steps that the search repeats, which the nodes
 * have (engine.fresh_from): there the strategy is not asked. While task 0 is alone nothing is recorded as a step. Should
 * it have to wait (a flush for works), the others run without a choice, lowest number first.
 *
 * Enabledness is exact: an operation that would have to wait is not begun, so that a failed attempt at a lock is no
 * event. When no task can go on and some are not finished, that is a deadlock, unless it is the symmetry of identical
 * tasks that holds the rest back.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "schedule.h"

static bool all_are_over(const struct task *t)
{
	(void)t;
	return !engine.live;
}

struct op_class op_none = { .name = "nothing" };
struct op_class op_choice = { .name = "allocation may fail" };
struct op_class op_join = { .name = "join", .ready = all_are_over };

static struct clock finished;	/* what the tasks that are over have seen */

#define MOST_STEPS 30000	/* a date has 15 bits */
#define MOST_ALONE 4000000u	/* points outside of the concurrent part, where nobody counts steps */

int engine_init(void)
{
	if (engine.nodes)
		return 0;
	engine_stacks = fiber_map_stacks(MAX_TASKS);
	/* Zero, and memory only as far as a path goes. */
	engine.nodes = mmap(NULL, (MOST_STEPS + 2) * sizeof(*engine.nodes), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (engine.nodes == MAP_FAILED)
		engine.nodes = NULL;
	if (!engine_stacks || !engine.nodes || heap_init() || shadow_init())
		return -ENOMEM;
	engine.max_steps = 4000;
	return 0;
}

/* --- tasks --- */

/*
 * Member by member, here and below: a structure that is made beside it and then copied is read back in larger pieces than
 * it was written in, which every processor waits for.
 */
static inline void announce(struct task *t, struct op_class *class, u64 addr, u16 index, u8 alternatives, const void *pc)
{
	u64 bit = 1ull << t->id;

	t->pending.class = class;
	t->pending.alternatives = alternatives;
	t->pending.index = index;
	t->pending.addr = addr;
	t->pending.pc = pc;
	t->pending.expected = 0;
	engine.waiting = (engine.waiting & ~bit) | (class->ready ? bit : 0);
}

static void task_begin(struct task *t, void (*main)(void *arg), void *arg)
{
	t->state = TASK_LIVE;
	t->last_node = NO_NODE;
	t->ordinal = 0;
	t->nr_children = 0;
	t->rcu_nesting = t->unpreempted = 0;
	t->depth = 0;
	t->nr_held = 0;
	t->fail_nth = 0;
	t->work_queue = NULL;
	t->work = 0;
	t->main = main;
	t->arg = arg;
	t->arena = 0;
	t->twin = -1;
	t->gate_node = NO_NODE;
	t->gate_done = false;
	t->gives_up = false;
	t->record = -1;
	t->nr_depends = 0;
	t->accesses = 0;
	t->spin_count = 0;
	t->wait_mask = 0;
	t->section = -1;
	fiber_start(&t->fiber, fiber_stack(engine_stacks, (unsigned int)t->id), main, arg);
	engine.used |= 1ull << t->id;
}

struct task *task_create(void (*main)(void *arg), void *arg, struct op_class *first, u64 addr, u16 index)
{
	struct task *parent = engine.current, *t;
	u8 *id;

	if (parent->nr_children >= MAX_CHILDREN)
		finding_fatal(FINDING_EXPLORER, 0, NULL, "a task started more than 63 works and callbacks");
	id = &engine.children[parent->id][parent->nr_children];
	if (!*id) {
		if (engine.nr_ids + 1 >= MAX_TASKS)
			finding_fatal(FINDING_EXPLORER, 0, NULL, "more than 63 tasks, works and callbacks");
		engine_number_task(parent->id, parent->nr_children);
	}
	t = &engine.tasks[*id];
	t->id = *id;
	task_begin(t, main, arg);
	t->parent = parent->id;
	t->nth = parent->nr_children++;
	announce(t, first, addr, index, 0, NULL);
	t->record = parent->record;
	t->last_node = engine.parallel ? parent->last_node : NO_NODE;
	clock_copy(&t->race, released());
	t->race.at[t->id] = (s16)(t->race.at[t->id] + 1);
	race_tick(parent);
	engine.live |= 1ull << t->id;
	return t;
}

void task_run_up(struct task *t)
{
	struct task *self = engine.current;

	engine.running_up = true;
	engine.current = t;
	fiber_switch(&self->fiber, &t->fiber);
	engine.running_up = false;
	engine.current = self;
}

static void schedule(void);

void task_finish(void)
{
	struct task *t = engine.current;

	engine.task_ends(t);
	watch_turn();
	if (unlikely(t->nr_depends))
		clock_join(&t->race, depend_release(t));
	t->state = TASK_FINISHED;
	engine.live &= ~(1ull << t->id);
	clock_join(&finished, &t->race);
	if (engine.running_up) {
		engine.current = &engine.tasks[0];
		fiber_switch(&t->fiber, &engine.tasks[0].fiber);
	}
	schedule();
	__builtin_unreachable();
}

/* --- who can go on --- */

static inline bool op_enabled(const struct task *t)
{
	return !t->pending.class->ready || t->pending.class->ready(t);
}

static inline bool op_is_gate(const struct op_class *class)
{
	return class->gates == GATES_ALWAYS || (class->gates == GATES_UNLESS_COMMUTING && !engine.commute);
}

static bool is_gated(const struct task *t)
{
	const struct task *twin;

	if (t->gate_done || !op_is_gate(t->pending.class))
		return false;
	twin = &engine.tasks[t->twin];
	return !twin->gate_done && twin->state != TASK_FINISHED;
}

static u64 enabled_tasks(bool *gated)
{
	u64 enabled = engine.live, left;

	for (left = enabled & engine.waiting; left; left &= left - 1)
		if (!op_enabled(&engine.tasks[__builtin_ctzll(left)]))
			enabled &= ~(left & -left);
	for (left = engine.symmetry ? enabled & engine.twins : 0; left; left &= left - 1)
		if (is_gated(&engine.tasks[__builtin_ctzll(left)])) {
			enabled &= ~(left & -left);
			*gated = true;
		}
	return enabled;
}

static u64 enabled_or_end(void)
{
	bool gated = false;
	u64 enabled = enabled_tasks(&gated);

	if (enabled)
		return enabled;
	if (gated)
		engine_stop(END_BLOCKED);
	if (engine.quiet) {
		engine.quiet();
		enabled = enabled_tasks(&gated);
	}
	if (!enabled)
		finding_deadlock();
	return enabled;
}

/* --- steps --- */

static void step_end(void)
{
	if (!engine.step_open)
		return;
	engine.step_open = false;
	hb_step_done();
}

/* A new node: who does what, and what came before it by what is known now. */
static void node_begin(struct node *node, struct task *t, int previous)
{
	if (t->last_node >= 0)
		clock_copy(&node->clock, &engine.nodes[t->last_node].clock);
	else
		clock_zero(&node->clock);
	node->ordinal = t->ordinal + 1;
	node->clock.at[t->id] = (s16)node->ordinal;
	node->task = (u8)t->id;
	node->previous = (s8)previous;
	node->preemptions = (u16)(engine.preemptions + (previous >= 0 && previous != t->id));
	node->op = t->pending.class;
	node->addr = t->pending.addr;
	node->fp_off = hb_footprint_top;
	node->fp_len = 0;
	node->bloom = 0;
}

static void step_begin(struct task *t, const struct node *node)
{
	t->ordinal = node->ordinal;
	engine.preemptions = node->preemptions;
	t->last_node = engine.depth++;
	engine.repeating = engine.depth <= engine.fresh_from;
	t->accesses = 0;
	engine.step_open = true;
	event_point_next = true;

	if (!t->gate_done && op_is_gate(t->pending.class)) {
		t->gate_done = true;
		engine.twins &= ~(1ull << t->id);
		t->gate_node = t->last_node;
		if (engine.symmetry && t->twin >= 0 && engine.tasks[t->twin].gate_node >= 0)
			hb_after(engine.tasks[t->twin].gate_node);
	}
}

/* The node says who goes on. The others are looked at only if that one seems unable to: they may be about to give up. */
static struct task *pick_again(const struct node *node)
{
	struct task *t = &engine.tasks[node->task];

	if (!(engine.live >> node->task & 1) || t->pending.class != node->op || t->pending.addr != node->addr ||
	    (engine.waiting >> t->id & 1 && !op_enabled(t) && !(enabled_or_end() >> t->id & 1)))
		finding_fatal(FINDING_EXPLORER, 0, NULL, "an execution did not repeat itself");
	engine.alternative = node->alternative;
	step_begin(t, node);
	return t;
}

static struct task *pick(void)
{
	struct task *t = engine.current;
	struct node *node = &engine.nodes[engine.depth];
	u64 enabled;
	int previous, picked;

	if (!engine.live)
		return &engine.tasks[0];
	if (engine.depth < engine.fresh_from)
		return pick_again(node);
	enabled = enabled_or_end();
	if (engine.depth >= engine.max_steps)
		finding_fatal(FINDING_LIVELOCK, 0, NULL, "the execution does not end");
	previous = enabled >> t->id & 1 ? t->id : -1;
	engine.alternative = 0;
	picked = engine.strategy->pick(enabled, previous);
	if (picked < 0)
		engine_stop(picked == -2 ? END_DIVERGED : END_BLOCKED);
	t = &engine.tasks[picked];
	node_begin(node, t, previous);
	step_begin(t, node);
	return t;
}

static struct task *pick_alone(void)
{
	bool gated = false;
	u64 enabled;

	if (op_enabled(&engine.tasks[0]))
		return &engine.tasks[0];
	if (!enabled_tasks(&gated) && engine.quiet) {
		engine.quiet();
		if (op_enabled(&engine.tasks[0]))
			return &engine.tasks[0];
	}
	enabled = enabled_or_end();
	return &engine.tasks[__builtin_ctzll(enabled)];
}

static void schedule(void)
{
	struct task *from = engine.current, *to;

	step_end();
	to = engine.parallel ? pick() : pick_alone();
	if (to != from) {
		engine.current = to;
		fiber_switch(&from->fiber, &to->fiber);
	}
}

static void wait_turn(struct task *t)
{
	watch_turn();
	if (engine.running_up) {
		engine.current = &engine.tasks[0];
		fiber_switch(&t->fiber, &engine.tasks[0].fiber);
		return;
	}
	if (!engine.parallel && (t->id == 0 || op_enabled(&engine.tasks[0]) == false) && op_enabled(t)) {
		/* alone */
		if (unlikely(++engine.alone > MOST_ALONE))
			finding_fatal(FINDING_LIVELOCK, t->pending.addr, t->pending.pc, "the execution does not end");
		t->accesses = 0;
		return;
	}
	schedule();
}

void wait_op_index(struct op_class *class, u64 addr, u16 index, const void *pc)
{
	struct task *t = engine.current;

	if (!class->spins)
		t->spin_count = 0;
	announce(t, class, addr, index, 0, pc);
	wait_turn(t);
}

void wait_op(struct op_class *class, u64 addr, const void *pc)
{
	wait_op_index(class, addr, 0, pc);
}

int wait_choice(int n, u64 addr, const void *pc)
{
	struct task *t = engine.current;

	if (!engine.parallel && !engine.running_up)
		return 0;
	announce(t, &op_choice, addr, 0, (u8)n, pc);
	wait_turn(t);
	return engine.alternative;
}

void wait_for(struct op op)
{
	struct task *t = engine.current;

	announce(t, op.class, op.addr, op.index, op.alternatives, op.pc);
	t->pending.expected = op.expected;
	wait_turn(t);
}

void engine_concurrent(void)
{
	struct task *t = engine.current;

	watch_turn();
	engine.parallel = true;
	announce(t, &op_join, 0, 0, 0, NULL);
	schedule();
	step_end();
	engine.parallel = engine.repeating = false;
	clock_join(&t->race, &finished);
}

void engine_join(void)
{
	struct task *t = engine.current;

	announce(t, &op_join, 0, 0, 0, NULL);
	wait_turn(t);
	clock_join(&t->race, &finished);
}

static void main_task(void *unused)
{
	engine.main();
	engine_stop(END_COMPLETE);
}

static void begin_anew(void)
{
	struct task *t = &engine.tasks[0];

	if (!++engine.execution) {
		/* The stamps have gone round: everything that bears one is old. */
		memset(heap_slots, 0, NR_SLOTS * sizeof(*heap_slots));
		hb_forget_all();
		engine.execution = 1;
	}
	engine.live = 0;
	engine.waiting = 0;
	engine.twins = 0;
	engine.used = 0;
	engine.depth = 0;
	engine.preemptions = 0;
	engine.alternative = 0;
	engine.parallel = engine.repeating = false;
	engine.running_up = false;
	engine.alone = 0;
	engine.turn_events = 0;
	engine.cut = false;
	watch_reset();
	engine.nr_findings = 0;
	engine.nr_events = 0;
	engine.rcu_readers = 0;
	engine.hash = 0x6a09e667f3bcc908ull;
	engine.end = END_COMPLETE;
	engine.step_open = false;
	clock_zero(&finished);
	heap_reset();
	shadow_reset();
	hb_reset();
	class_reset();
	engine.reset();

	t->id = 0;
	clock_zero(&t->race);
	task_begin(t, main_task, NULL);
	t->pending.class = &op_none;
	t->race.at[0] = 1;
	engine.current = t;
}

#define RESETS 64		/* each exploration measures them */

/* In time of this thread: what else runs on the machine is no part of it. */
double engine_measure_reset(void)
{
	struct timespec a, b;
	int i;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (i = 0; i < RESETS; i++)
		begin_anew();
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	engine.current = NULL;
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / RESETS;
}

int engine_run(void)
{
	begin_anew();
	fiber_switch(&engine.host, &engine.tasks[0].fiber);
	while (unlikely(engine.paused)) {
		struct task *t = engine.paused;
		int end = engine.look(t);

		engine.paused = NULL;
		if (!end) {
			fiber_switch(&engine.host, &engine.pause);
			continue;
		}
		engine.end = end;
		engine.step_open = false;
	}

	/* What did not come to run could have run before what did. */
	if (engine.end == END_FAILED && engine.depth)
		hb_pending_races();
	return engine.end;
}
