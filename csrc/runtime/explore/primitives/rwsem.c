// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reader-writer semaphores.
 *
 * That somebody waits is seen by others, who have to wait behind him. So an attempt is a step of its own, which takes the
 * semaphore or joins the queue; being served is another, enabled by who unlocked. Unlocking is a point, since it finds who
 * waits or does not.
 */
#include <linux/bug.h>
#include <linux/rwsem.h>

#include "primitives.h"

/* Of each task, while it waits. */
static struct waiter {
	u64 sem;
	bool writes, granted;
	u32 turn;
	int node;		/* of the step that granted */
} waiting[MAX_TASKS];
static u64 in_line;		/* tasks that wait and were not granted */
static u32 last_turn;

void rwsem_reset(void)
{
	in_line = 0;
	last_turn = 0;
}

static struct rw_semaphore *now(struct rw_semaphore *sem)
{
	if (sem->execution != engine.execution) {
		sem->execution = engine.execution;
		sem->readers = 0;
		sem->writer = sem->waiters = 0;
	}
	return sem;
}

static bool is_granted(const struct task *t)
{
	return waiting[t->id].granted;
}

/* Who has it, and who is before the task in the line. */
static u64 who_is_before(const struct task *t)
{
	const struct rw_semaphore *sem = (const struct rw_semaphore *)t->pending.addr;
	u64 tasks = sem->readers | (sem->writer ? 1ull << (sem->writer - 1) : 0), left;

	for (left = in_line; left; left &= left - 1) {
		int i = __builtin_ctzll(left);

		if (waiting[i].sem == (u64)sem && waiting[i].turn < waiting[t->id].turn)
			tasks |= 1ull << i;
	}
	/* A reader does not wait for what it reads itself, but for the writer before it. */
	if (!waiting[t->id].writes && sem->writer != t->id + 1)
		tasks &= ~(1ull << t->id);
	return tasks;
}

static struct op_class op_down_read = { .name = "down_read", .pending_mode = PENDING_WRITE };
static struct op_class op_down_read_wait = { .name = "down_read waits", .ready = is_granted, .waits_for = who_is_before };
static struct op_class op_down_read_trylock = { .name = "down_read_trylock", .pending_mode = PENDING_WRITE };
static struct op_class op_up_read = { .name = "up_read", .pending_mode = PENDING_WRITE };
static struct op_class op_down_write = { .name = "down_write", .pending_mode = PENDING_WRITE };
static struct op_class op_down_write_wait = { .name = "down_write waits", .ready = is_granted, .waits_for = who_is_before };
static struct op_class op_down_write_trylock = { .name = "down_write_trylock", .pending_mode = PENDING_WRITE };
static struct op_class op_up_write = { .name = "up_write", .pending_mode = PENDING_WRITE };
static struct op_class op_downgrade = { .name = "downgrade_write", .pending_mode = PENDING_WRITE };
static struct op_class op_is_locked = { .name = "rwsem_is_locked", .pending_mode = PENDING_READ };

void __init_rwsem(struct rw_semaphore *sem, const struct lock_class *class)
{
	shadow_access((u64)sem, sizeof(*sem), PLAIN_WRITE, caller_pc());
	*sem = (struct rw_semaphore){ .class = class };
}

static void hold(struct rw_semaphore *sem, const void *pc)
{
	struct task *t = engine.current;

	sync_acquire((u64)sem);
	if (t->nr_held == MAX_HELD)
		return;
	t->held[t->nr_held].addr = (u64)sem;
	t->held[t->nr_held].class = sem->class;
	t->held[t->nr_held++].pc = place_of(t, pc);
}

static int times_held(const struct rw_semaphore *sem)
{
	const struct task *t = engine.current;
	int i, n = 0;

	for (i = 0; i < t->nr_held; i++)
		n += t->held[i].addr == (u64)sem;
	return n;
}

static void let_go(struct rw_semaphore *sem)
{
	struct task *t = engine.current;
	int i;

	for (i = t->nr_held - 1; i >= 0 && t->held[i].addr != (u64)sem; i--)
		;
	if (i < 0)
		return;
	for (t->nr_held--; i < t->nr_held; i++)
		t->held[i] = t->held[i + 1];
}

/* The step begins; it may wait, or not. */
static void begin(struct rw_semaphore *sem, struct op_class *op, bool waits, const void *pc)
{
	shadow_check((u64)sem, sizeof(*sem), true, pc);
	if (unlikely(!sem->class) && waits && engine.current->depth && heap_has((u64)sem))
		finding_add(FINDING_WARN, (u64)sem, pc, "a reader-writer semaphore that was never initialised");
	wait_op(op, (u64)sem, pc);
	shadow_access((u64)sem, sizeof(sem->readers), MARKED_WRITE, pc);
	now(sem);
	if (waits && engine.lock_order)
		engine.lock_order(engine.current, sem->class, (u64)sem, pc);
}

static void take(struct rw_semaphore *sem, int task, bool writes)
{
	if (writes)
		sem->writer = task + 1;
	else
		sem->readers |= 1ull << task;
}

/* In the step that runs: to the first of the line, or the readers there. */
static void hand_over(struct rw_semaphore *sem)
{
	while (sem->waiters && !sem->writer) {
		int first = -1;
		u64 left;

		for (left = in_line; left; left &= left - 1) {
			int i = __builtin_ctzll(left);

			if (waiting[i].sem == (u64)sem && (first < 0 || waiting[i].turn < waiting[first].turn))
				first = i;
		}
		if (waiting[first].writes && sem->readers)
			return;
		take(sem, first, waiting[first].writes);
		waiting[first].granted = true;
		waiting[first].node = engine.parallel ? engine.current->last_node : NO_NODE;
		in_line &= ~(1ull << first);
		sem->waiters--;
	}
}

static void wait_in_line(struct rw_semaphore *sem, struct op_class *op, bool writes, const void *pc)
{
	struct waiter *w = &waiting[engine.current->id];

	*w = (struct waiter){ .sem = (u64)sem, .writes = writes, .turn = ++last_turn };
	in_line |= 1ull << engine.current->id;
	sem->waiters++;
	wait_op(op, (u64)sem, pc);
	if (w->node >= 0 && engine.parallel)
		hb_after(w->node);
	note(op, (u64)sem, pc, NULL, 0);
}

void down_read(struct rw_semaphore *sem)
{
	const void *pc = caller_pc();
	bool free;

	check_sleep(pc, "down_read inside an RCU reader", "down_read with a spinlock held");
	begin(sem, &op_down_read, true, pc);
	free = !sem->writer && !sem->waiters;
	commit_values(&op_down_read, free ? MODE_INC : MODE_WRITE, (u64)sem, pc, 0, free);
	if (free)
		take(sem, engine.current->id, false);
	else
		wait_in_line(sem, &op_down_read_wait, false, pc);
	hold(sem, pc);
}

void down_write(struct rw_semaphore *sem)
{
	const void *pc = caller_pc();
	bool free;

	check_sleep(pc, "down_write inside an RCU reader", "down_write with a spinlock held");
	begin(sem, &op_down_write, true, pc);
	free = !sem->writer && !sem->readers;
	commit_values(&op_down_write, MODE_WRITE, (u64)sem, pc, 0, free);
	if (free)
		take(sem, engine.current->id, true);
	else
		wait_in_line(sem, &op_down_write_wait, true, pc);
	hold(sem, pc);
}

static bool try(struct rw_semaphore *sem, struct op_class *op, bool writes, const void *pc)
{
	bool free;

	begin(sem, op, false, pc);
	free = !sem->writer && !sem->waiters && !(writes && sem->readers);
	commit_values(op, !free ? MODE_READ : writes ? MODE_WRITE : MODE_INC, (u64)sem, pc, 0, free);
	if (!free)
		return false;
	take(sem, engine.current->id, writes);
	hold(sem, pc);
	return true;
}

bool __down_read_trylock(struct rw_semaphore *sem)
{
	return try(sem, &op_down_read_trylock, false, caller_pc());
}

bool __down_write_trylock(struct rw_semaphore *sem)
{
	return try(sem, &op_down_write_trylock, true, caller_pc());
}

/* The step that lets go. False: the task has nothing to let go of. */
static bool end(struct rw_semaphore *sem, struct op_class *op, bool has, const void *pc)
{
	if (!has) {
		commit_values(op, MODE_READ, (u64)sem, pc, 0, 0);
		return false;
	}
	commit_values(op, MODE_WRITE, (u64)sem, pc, 1, 0);
	sync_release_join((u64)sem);
	return true;
}

void up_read(struct rw_semaphore *sem)
{
	const void *pc = caller_pc();
	u64 self = 1ull << engine.current->id;

	begin(sem, &op_up_read, false, pc);
	if (WARN(!end(sem, &op_up_read, sem->readers & self, pc), "up_read by somebody who does not read"))
		return;
	let_go(sem);
	if (!times_held(sem))
		sem->readers &= ~self;
	if (!sem->readers)
		hand_over(sem);
}

void up_write(struct rw_semaphore *sem)
{
	const void *pc = caller_pc();

	begin(sem, &op_up_write, false, pc);
	if (WARN(!end(sem, &op_up_write, sem->writer == engine.current->id + 1, pc), "up_write by somebody who does not write"))
		return;
	let_go(sem);
	sem->writer = 0;
	hand_over(sem);
}

void downgrade_write(struct rw_semaphore *sem)
{
	const void *pc = caller_pc();

	begin(sem, &op_downgrade, false, pc);
	if (WARN(!end(sem, &op_downgrade, sem->writer == engine.current->id + 1, pc),
		 "downgrade_write by somebody who does not write"))
		return;
	sem->writer = 0;
	take(sem, engine.current->id, false);
	hand_over(sem);
}

bool __rwsem_is_locked(struct rw_semaphore *sem)
{
	const void *pc = caller_pc();
	bool locked;

	shadow_check((u64)sem, sizeof(*sem), false, pc);
	wait_op(&op_is_locked, (u64)sem, pc);
	shadow_access((u64)sem, sizeof(sem->readers), MARKED_READ, pc);
	locked = now(sem)->writer || sem->readers;
	commit_values(&op_is_locked, MODE_READ, (u64)sem, pc, locked, locked);
	return locked;
}

/* Nobody else can change the answers. */
bool rwsem_is_read_by_current(struct rw_semaphore *sem)
{
	shadow_access((u64)sem, sizeof(sem->readers), MARKED_READ, caller_pc());
	return now(sem)->readers >> engine.current->id & 1;
}

bool rwsem_is_written_by_current(struct rw_semaphore *sem)
{
	shadow_access((u64)sem, sizeof(sem->readers), MARKED_READ, caller_pc());
	return now(sem)->writer == engine.current->id + 1;
}
