// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read-copy-update.
 *
 * Beginning a reader reads the RCU domain, beginning a grace period writes it: whether a reader began before it is what
 * a grace period depends on. When readers end is no choice of their own: a grace period that waits for some is enabled
 * by the last one's end.
 *
 * kfree_rcu() adds no interleavings: the object is freed at the earliest moment the kernel may free it, which is the
 * worst for whoever still uses it. The date of that free is what the caller had seen, and what the readers that began
 * before had done: an access that this does not cover could have overlapped.
 *
 * rcu_barrier() is two steps as synchronize_rcu() is: it reads what has been deferred, which call_rcu() and kfree_rcu()
 * write, and waits until all of that has run.
 */
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "primitives.h"

#define MAX_DEFERRED 1024

/* A grace period and what waits for it. */
struct grace {
	u64 readers;		/* that have to leave */
	u64 ended;		/* tasks with a reader that began before it; those that left, by */
	s16 end_node[MAX_TASKS];	/* the step in which they did */
	struct clock clock;
	struct rcu_head *head;	/* NULL: synchronize_rcu */
	rcu_callback_t func;	/* NULL: kfree_rcu */
	u64 object;
	const void *pc;
	int node;
	int task;		/* that waits, or runs the callback */
	bool done;
};

static struct grace graces[MAX_DEFERRED];
static int nr_graces;

static struct {
	u64 left;			/* tasks that ended a reader */
	s16 end_node[MAX_TASKS];
	struct clock ended;		/* what all readers that ended had done */
	struct clock begun;		/* what was before the grace periods that began */
} domain;

static bool have_left(const struct task *t)
{
	return !t->wait_mask;
}

static bool is_over(const struct task *t)
{
	return !graces[t->pending.index].readers;
}

static bool all_have_run(const struct task *t)
{
	int i;

	for (i = 0; i < t->pending.index; i++)
		if (graces[i].head && !graces[i].done)
			return false;
	return true;
}

static u64 readers_of(const struct task *t)
{
	return graces[t->pending.index].readers;
}

static u64 barrier_waits_for(const struct task *t)
{
	u64 tasks = 0;
	int i;

	for (i = 0; i < t->pending.index; i++)
		if (graces[i].head && !graces[i].done)
			tasks |= graces[i].readers | (graces[i].func ? 1ull << graces[i].task : 0);
	return tasks;
}

static struct op_class op_rcu_lock = { .name = "rcu_read_lock", .pending_mode = PENDING_READ };
static struct op_class op_rcu_unlock = { .name = "rcu_read_unlock" };
static struct op_class op_preempt_disable = { .name = "preempt_disable", .pending_mode = PENDING_READ };
static struct op_class op_preempt_enable = { .name = "preempt_enable" };
static struct op_class op_rcu_snapshot = { .name = "grace period begins", .pending_mode = PENDING_WRITE };
static struct op_class op_rcu_wait = { .name = "grace period ends", .ready = have_left, .waits_for = readers_of };
static struct op_class op_rcu_barrier = { .name = "rcu_barrier", .pending_mode = PENDING_READ };
static struct op_class op_rcu_barrier_wait = {
	.name = "rcu_barrier ends", .ready = all_have_run, .waits_for = barrier_waits_for,
};
static struct op_class op_kfree_rcu = { .name = "kfree_rcu" };
static struct op_class op_call_rcu = { .name = "call_rcu", .pending_mode = PENDING_WRITE };
static struct op_class op_rcu_callback = { .name = "RCU callback", .ready = is_over, .waits_for = readers_of };

void rcu_reset(void)
{
	nr_graces = 0;
	domain.left = 0;
	clock_zero(&domain.ended);
	clock_zero(&domain.begun);
}

/* What a grace period waits for, in the step that runs. */
static void section_begins(struct op_class *op, const void *pc)
{
	struct task *t = engine.current;

	engine.rcu_readers |= 1ull << t->id;
	clock_join(&t->race, &domain.begun);
	commit(op, MODE_READ, ADDR_RCU, pc);
}

void rcu_read_lock(void)
{
	struct task *t = engine.current;

	if (t->rcu_nesting || t->unpreempted) {
		t->rcu_nesting++;
		return;
	}
	wait_op(&op_rcu_lock, ADDR_RCU, caller_pc());
	t->rcu_nesting = 1;
	section_begins(&op_rcu_lock, caller_pc());
}

void preemption_ends(const void *pc)
{
	struct task *t = engine.current;

	if (!t->unpreempted++ && !t->rcu_nesting)
		section_begins(&op_preempt_disable, pc);
}

void preempt_disable(void)
{
	struct task *t = engine.current;

	if (!t->unpreempted && !t->rcu_nesting)
		wait_op(&op_preempt_disable, ADDR_RCU, caller_pc());
	preemption_ends(caller_pc());
}

static void grace_over(struct grace *g)
{
	if (!g->head)
		return;
	if (!g->func) {
		g->done = true;
		heap_free(g->object, &g->clock, g->pc, true);
	}
}

static void section_ends(struct op_class *op, const void *pc)
{
	struct task *t = engine.current;
	u64 bit = 1ull << t->id;
	int i;

	engine.rcu_readers &= ~bit;
	domain.left |= bit;
	domain.end_node[t->id] = (s16)(engine.parallel ? t->last_node : NO_NODE);
	clock_join(&domain.ended, released());
	note(op, ADDR_RCU, pc, NULL, 0);

	for (i = 0; i < nr_graces; i++) {
		struct grace *g = &graces[i];

		if (!(g->readers & bit))
			continue;
		g->readers &= ~bit;
		g->ended |= bit;
		g->end_node[t->id] = domain.end_node[t->id];
		clock_join(&g->clock, released());
		if (!g->head)
			engine.tasks[g->task].wait_mask &= ~bit;
		if (!g->readers)
			grace_over(g);
	}
	race_tick(t);
}

void rcu_read_unlock(void)
{
	struct task *t = engine.current;

	if (!t->rcu_nesting)
		finding_add(FINDING_RCU, ADDR_RCU, caller_pc(), "unbalanced rcu_read_unlock");
	else if (!--t->rcu_nesting && !t->unpreempted)
		section_ends(&op_rcu_unlock, caller_pc());
}

void preempt_enable(void)
{
	struct task *t = engine.current;

	if (!t->unpreempted)
		finding_add(FINDING_WARN, 0, caller_pc(), "unbalanced preempt_enable");
	else if (!--t->unpreempted && !t->rcu_nesting)
		section_ends(&op_preempt_enable, caller_pc());
}

bool rcu_read_lock_held(void)
{
	return engine.current->rcu_nesting != 0;
}

static struct grace *grace_begin(struct rcu_head *head, rcu_callback_t func, u64 object, const void *pc)
{
	struct task *t = engine.current;
	struct grace *g;
	u64 left;

	if (nr_graces == MAX_DEFERRED)
		finding_fatal(FINDING_EXPLORER, 0, pc, "too many grace periods in one execution");
	g = &graces[nr_graces++];
	g->readers = engine.rcu_readers;
	g->ended = domain.left;
	for (left = domain.left; left; left &= left - 1) {
		int i = __builtin_ctzll(left);

		g->end_node[i] = domain.end_node[i];
	}
	g->head = head;
	g->func = func;
	g->object = object;
	g->pc = pc;
	g->node = engine.parallel ? t->last_node : NO_NODE;
	g->task = t->id;
	g->done = false;
	clock_copy(&g->clock, released());
	clock_join(&g->clock, &domain.ended);
	clock_join(&domain.begun, released());
	race_tick(t);
	return g;
}

/* The current step comes after what its grace period waited for. */
static void grace_join(const struct grace *g)
{
	u64 left;

	for (left = g->ended; left; left &= left - 1) {
		int node = g->end_node[__builtin_ctzll(left)];

		if (node >= 0)
			hb_after(node);
	}
	clock_join(&engine.current->race, &g->clock);
}

void __kfree_rcu(struct rcu_head *head, void *object)
{
	const void *pc = caller_pc();
	struct grace *g;

	shadow_access((u64)head, sizeof(*head), PLAIN_WRITE, pc);
	heap_defer((u64)object, pc);
	refcount_freeing((u64)object, heap_objects[heap_find((u64)object)].size, pc);
	commit(&op_kfree_rcu, MODE_WRITE, ADDR_RCU, pc);
	g = grace_begin(head, NULL, (u64)object, pc);
	if (!g->readers)
		grace_over(g);
}

static void callback_main(void *arg)
{
	struct grace *g = arg;

	note(&op_rcu_callback, (u64)g->head, NULL, NULL, 0);
	if (g->node >= 0)
		hb_after(g->node);
	grace_join(g);
	shadow_access((u64)g->head, sizeof(*g->head), PLAIN_READ, NULL);
	/* Softirqs do not sleep. */
	preemption_ends(NULL);
	g->func(g->head);
	g->done = true;
	preempt_enable();
	task_finish();
}

void call_rcu(struct rcu_head *head, rcu_callback_t func)
{
	const void *pc = caller_pc();
	struct grace *g;

	shadow_access((u64)head, sizeof(*head), PLAIN_WRITE, pc);
	/* A point: whether a barrier of others came before is a choice. */
	wait_op(&op_call_rcu, ADDR_RCU, pc);
	commit(&op_call_rcu, MODE_WRITE, ADDR_RCU, pc);
	g = grace_begin(head, func, 0, pc);
	g->task = task_create(callback_main, g, &op_rcu_callback, (u64)head, (u16)(g - graces))->id;
}

void synchronize_rcu(void)
{
	struct task *t = engine.current;
	const void *pc = caller_pc();
	struct grace *g;

	check_sleep(pc, "synchronize_rcu inside an RCU reader", "synchronize_rcu with a spinlock held");
	if (t->rcu_nesting || t->unpreempted)
		return;		/* it would wait for itself */
	wait_op(&op_rcu_snapshot, ADDR_RCU, pc);
	commit(&op_rcu_snapshot, MODE_WRITE, ADDR_RCU, pc);
	g = grace_begin(NULL, NULL, 0, pc);
	t->wait_mask = g->readers;
	wait_op_index(&op_rcu_wait, ADDR_RCU, (u16)(g - graces), pc);
	note(&op_rcu_wait, ADDR_RCU, pc, NULL, 0);
	grace_join(g);
	g->done = true;
}

void rcu_barrier(void)
{
	struct task *t = engine.current;
	const void *pc = caller_pc();
	int i, n;

	check_sleep(pc, "rcu_barrier inside an RCU reader", "rcu_barrier with a spinlock held");
	if (t->rcu_nesting || t->unpreempted)
		return;
	wait_op(&op_rcu_barrier, ADDR_RCU, pc);
	commit(&op_rcu_barrier, MODE_READ, ADDR_RCU, pc);
	n = nr_graces;
	wait_op_index(&op_rcu_barrier_wait, ADDR_RCU, (u16)n, pc);
	note(&op_rcu_barrier_wait, ADDR_RCU, pc, NULL, 0);
	for (i = 0; i < n; i++) {
		if (!graces[i].head)
			continue;
		grace_join(&graces[i]);
		if (graces[i].func) {
			const struct task *callback = &engine.tasks[graces[i].task];

			clock_join(&t->race, &callback->race);
			if (engine.parallel && callback->last_node >= 0)
				hb_after(callback->last_node);
		}
	}
}

void rcu_task_ends(struct task *t)
{
	if (t->rcu_nesting)
		finding_add(FINDING_RCU, ADDR_RCU, NULL, "a task ended inside an RCU reader");
	if (t->unpreempted)
		finding_add(FINDING_SLEEP, 0, NULL, "a task ended with a spinlock held, or without preemption");
	while (t->rcu_nesting)
		rcu_read_unlock();
	while (t->unpreempted)
		preempt_enable();
}
