// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleepable RCU, by the rules of RCU (rcu.c): beginning a reader reads the domain, beginning a grace period writes it; when
 * readers end is no choice of their own. Here each srcu_struct is a domain, and readers are sections, which a task may end in
 * any order. What srcu_read_lock() gives is which of its sections that is: it does not tell what others did.
 */
#include <linux/bug.h>
#include <linux/preempt.h>
#include <linux/srcu.h>

#include "primitives.h"

#define MAX_DOMAINS 16
#define MAX_SECTIONS 64
#define MAX_GRACES 256

static struct domain {
	u64 addr;
	int nr_sections;
	u64 active, ended;		/* sections */
	u8 task[MAX_SECTIONS], nth[MAX_SECTIONS];	/* whose, and which of his */
	s16 end_node[MAX_SECTIONS];
	struct clock all_ended, begun;	/* what sections that ended had done; what was before the grace periods that began */
} domains[MAX_DOMAINS];
static int nr_domains;

static struct grace {
	struct domain *domain;
	u64 waits_for;			/* sections that have to end */
	u64 began;			/* those that had begun before it */
	struct clock clock;
	struct rcu_head *head;		/* NULL: synchronize_srcu */
	int node, task;
	bool done;
} graces[MAX_GRACES];
static int nr_graces;

void srcu_reset(void)
{
	nr_domains = nr_graces = 0;
}

static u64 tasks_of(const struct domain *d, u64 sections)
{
	u64 tasks = 0;

	for (; sections; sections &= sections - 1)
		tasks |= 1ull << d->task[__builtin_ctzll(sections)];
	return tasks;
}

static bool is_over(const struct task *t)
{
	return !graces[t->pending.index].waits_for;
}

static u64 readers_of(const struct task *t)
{
	const struct grace *g = &graces[t->pending.index];

	return tasks_of(g->domain, g->waits_for);
}

/* Of a barrier: the callbacks of the domain among the graces before its number. */
static bool has_to_run(const struct task *t, int i)
{
	return graces[i].head && !graces[i].done && graces[i].domain->addr == t->pending.addr;
}

static bool all_have_run(const struct task *t)
{
	int i;

	for (i = 0; i < t->pending.index; i++)
		if (has_to_run(t, i))
			return false;
	return true;
}

static u64 callbacks_of(const struct task *t)
{
	u64 tasks = 0;
	int i;

	for (i = 0; i < t->pending.index; i++)
		if (has_to_run(t, i))
			tasks |= 1ull << graces[i].task | tasks_of(graces[i].domain, graces[i].waits_for);
	return tasks;
}

static struct op_class op_read_lock = { .name = "srcu_read_lock", .pending_mode = PENDING_READ };
static struct op_class op_read_unlock = { .name = "srcu_read_unlock" };
static struct op_class op_begin = { .name = "SRCU grace period begins", .pending_mode = PENDING_WRITE };
static struct op_class op_wait = { .name = "SRCU grace period ends", .ready = is_over, .waits_for = readers_of };
static struct op_class op_call = { .name = "call_srcu", .pending_mode = PENDING_WRITE };
static struct op_class op_callback = { .name = "SRCU callback", .ready = is_over, .waits_for = readers_of };
static struct op_class op_barrier = { .name = "srcu_barrier", .pending_mode = PENDING_READ };
static struct op_class op_barrier_wait = { .name = "srcu_barrier ends", .ready = all_have_run, .waits_for = callbacks_of };

static struct domain *domain_of(struct srcu_struct *ssp, const void *pc)
{
	struct domain *d;

	if (ssp->execution == engine.execution)
		return &domains[ssp->number];
	if (nr_domains == MAX_DOMAINS)
		finding_fatal(FINDING_EXPLORER, 0, pc, "more than 16 srcu_structs in one execution");
	ssp->execution = engine.execution;
	ssp->number = nr_domains;
	d = &domains[nr_domains++];
	*d = (struct domain){ .addr = (u64)ssp };
	return d;
}

int init_srcu_struct(struct srcu_struct *ssp)
{
	shadow_access((u64)ssp, sizeof(*ssp), PLAIN_WRITE, caller_pc());
	ssp->execution = 0;
	domain_of(ssp, caller_pc());
	return 0;
}

static void begin(struct srcu_struct *ssp, struct op_class *op, const void *pc)
{
	shadow_check((u64)ssp, sizeof(*ssp), true, pc);
	wait_op(op, (u64)ssp, pc);
	shadow_access((u64)ssp, sizeof(*ssp), MARKED_READ, pc);
}

int srcu_read_lock(struct srcu_struct *ssp)
{
	const void *pc = caller_pc();
	struct task *t = engine.current;
	struct domain *d;
	int section, i;

	begin(ssp, &op_read_lock, pc);
	d = domain_of(ssp, pc);
	if (d->nr_sections == MAX_SECTIONS)
		finding_fatal(FINDING_EXPLORER, 0, pc, "more than 64 readers of one srcu_struct in one execution");
	section = d->nr_sections++;
	d->task[section] = (u8)t->id;
	for (i = 0; i < section; i++)
		d->nth[section] += d->task[i] == t->id;
	d->active |= 1ull << section;
	clock_join(&t->race, &d->begun);
	commit(&op_read_lock, MODE_READ, (u64)ssp, pc);
	return d->nth[section];
}

static void section_ends(struct domain *d, int section, const void *pc)
{
	struct task *t = engine.current;
	u64 bit = 1ull << section;
	int i;

	d->active &= ~bit;
	d->ended |= bit;
	d->end_node[section] = (s16)(engine.parallel ? t->last_node : NO_NODE);
	clock_join(&d->all_ended, released());
	note(&op_read_unlock, d->addr, pc, NULL, 0);
	for (i = 0; i < nr_graces; i++)
		if (graces[i].domain == d && graces[i].waits_for & bit) {
			graces[i].waits_for &= ~bit;
			clock_join(&graces[i].clock, released());
		}
	race_tick(t);
}

void srcu_read_unlock(struct srcu_struct *ssp, int index)
{
	const void *pc = caller_pc();
	struct domain *d;
	int i;

	shadow_access((u64)ssp, sizeof(*ssp), MARKED_READ, pc);
	d = domain_of(ssp, pc);
	for (i = 0; i < d->nr_sections; i++)
		if (d->active >> i & 1 && d->task[i] == engine.current->id && d->nth[i] == index) {
			section_ends(d, i, pc);
			return;
		}
	finding_add(FINDING_RCU, (u64)ssp, pc, "srcu_read_unlock of a reader that this task is not in");
}

bool srcu_read_lock_held(struct srcu_struct *ssp)
{
	const struct domain *d = domain_of(ssp, caller_pc());
	u64 left;

	for (left = d->active; left; left &= left - 1)
		if (d->task[__builtin_ctzll(left)] == engine.current->id)
			return true;
	return false;
}

static struct grace *grace_begin(struct domain *d, struct rcu_head *head, const void *pc)
{
	struct task *t = engine.current;
	struct grace *g = &graces[nr_graces];

	if (nr_graces++ == MAX_GRACES)
		finding_fatal(FINDING_EXPLORER, 0, pc, "too many grace periods in one execution");
	*g = (struct grace){
		.domain = d, .waits_for = d->active, .began = d->active | d->ended, .head = head,
		.node = engine.parallel ? t->last_node : NO_NODE, .task = t->id,
	};
	clock_copy(&g->clock, released());
	clock_join(&g->clock, &d->all_ended);
	clock_join(&d->begun, released());
	race_tick(t);
	return g;
}

/* The current step comes after what its grace period waited for. */
static void grace_join(const struct grace *g)
{
	u64 left;

	for (left = g->began; left; left &= left - 1) {
		int node = g->domain->end_node[__builtin_ctzll(left)];

		if (node >= 0)
			hb_after(node);
	}
	clock_join(&engine.current->race, &g->clock);
}

void synchronize_srcu(struct srcu_struct *ssp)
{
	const void *pc = caller_pc();
	struct grace *g;

	check_sleep(pc, "synchronize_srcu inside an RCU reader", "synchronize_srcu with a spinlock held");
	begin(ssp, &op_begin, pc);
	commit(&op_begin, MODE_WRITE, (u64)ssp, pc);
	g = grace_begin(domain_of(ssp, pc), NULL, pc);
	wait_op_index(&op_wait, (u64)ssp, (u16)(g - graces), pc);
	note(&op_wait, (u64)ssp, pc, NULL, 0);
	grace_join(g);
	g->done = true;
}

static void callback_main(void *arg)
{
	struct grace *g = arg;

	note(&op_callback, (u64)g->head, NULL, NULL, 0);
	if (g->node >= 0)
		hb_after(g->node);
	grace_join(g);
	shadow_access((u64)g->head, sizeof(*g->head), PLAIN_READ, NULL);
	preemption_ends(NULL);
	g->head->func(g->head);
	g->done = true;
	preempt_enable();
	task_finish();
}

void call_srcu(struct srcu_struct *ssp, struct rcu_head *head, rcu_callback_t func)
{
	const void *pc = caller_pc();
	struct grace *g;

	shadow_access((u64)head, sizeof(*head), PLAIN_WRITE, pc);
	head->func = func;
	begin(ssp, &op_call, pc);
	commit(&op_call, MODE_WRITE, (u64)ssp, pc);
	g = grace_begin(domain_of(ssp, pc), head, pc);
	g->task = task_create(callback_main, g, &op_callback, (u64)head, (u16)(g - graces))->id;
}

void srcu_barrier(struct srcu_struct *ssp)
{
	const void *pc = caller_pc();
	int i, n;

	check_sleep(pc, "srcu_barrier inside an RCU reader", "srcu_barrier with a spinlock held");
	begin(ssp, &op_barrier, pc);
	commit(&op_barrier, MODE_READ, (u64)ssp, pc);
	n = nr_graces;
	wait_op_index(&op_barrier_wait, (u64)ssp, (u16)n, pc);
	note(&op_barrier_wait, (u64)ssp, pc, NULL, 0);
	for (i = 0; i < n; i++) {
		const struct task *callback = &engine.tasks[graces[i].task];

		if (!graces[i].head || graces[i].domain->addr != (u64)ssp)
			continue;
		grace_join(&graces[i]);
		clock_join(&engine.current->race, &callback->race);
		if (engine.parallel && callback->last_node >= 0)
			hb_after(callback->last_node);
	}
}

void cleanup_srcu_struct(struct srcu_struct *ssp)
{
	const void *pc = caller_pc();
	struct domain *d;
	bool runs = false;
	int i;

	shadow_access((u64)ssp, sizeof(*ssp), PLAIN_WRITE, pc);
	d = domain_of(ssp, pc);
	for (i = 0; i < nr_graces; i++)
		runs |= graces[i].domain == d && graces[i].head && !graces[i].done;
	(void)WARN(d->active, "cleanup_srcu_struct while readers are in");
	(void)WARN(runs, "cleanup_srcu_struct while callbacks have yet to run");
}

void srcu_task_ends(struct task *t)
{
	int i;

	for (i = 0; i < nr_domains; i++) {
		u64 left;

		for (left = domains[i].active; left; left &= left - 1) {
			int section = __builtin_ctzll(left);

			if (domains[i].task[section] != t->id)
				continue;
			finding_add(FINDING_RCU, domains[i].addr, NULL, "a task ended inside an SRCU reader");
			section_ends(&domains[i], section, NULL);
		}
	}
}
