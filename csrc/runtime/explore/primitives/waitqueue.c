// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wait queues. From __wait_begin() on every wake counts; sleeping is enabled once one has come. Who changes a condition
 * and wakes nobody leaves the sleeper where it is, which is found as a deadlock. A wake that finds nobody waiting changes
 * nothing, and commutes with others of its kind.
 *
 * Time is virtual: with a timeout, sleeping may be over at any moment without a wake, and then the time is.
 */
#include <linux/wait.h>

#include "primitives.h"

static bool was_woken(const struct task *t)
{
	return ((const struct wait_queue_head *)t->pending.addr)->wakes != (u32)t->pending.expected;
}

static struct op_class op_begin = { .name = "prepare_to_wait", .pending_mode = PENDING_WRITE };
static struct op_class op_sleep = { .name = "wait_event", .ready = was_woken, .pending_mode = PENDING_READ };
static struct op_class op_sleep_timeout = { .name = "wait_event_timeout", .pending_mode = PENDING_READ };
static struct op_class op_end = { .name = "finish_wait", .pending_mode = PENDING_WRITE };
static struct op_class op_wake = { .name = "wake_up", .pending_mode = PENDING_WRITE };
static struct op_class op_active = { .name = "waitqueue_active", .pending_mode = PENDING_READ };

void init_waitqueue_head(struct wait_queue_head *wq)
{
	shadow_access((u64)wq, sizeof(*wq), PLAIN_WRITE, caller_pc());
	wq->wakes = wq->waiters = 0;
}

static void count(struct wait_queue_head *wq, struct op_class *op, u32 difference, const void *pc)
{
	shadow_check((u64)wq, sizeof(*wq), true, pc);
	wait_op(op, (u64)wq, pc);
	shadow_access((u64)wq, sizeof(*wq), MARKED_WRITE, pc);
	wq->waiters += difference;
	sync_acquire((u64)wq);
	commit_values(op, MODE_WRITE, (u64)wq, pc, (s64)(wq->waiters - difference), (s64)wq->waiters);
	sync_release_join((u64)wq);
}

u32 __wait_begin(struct wait_queue_head *wq)
{
	count(wq, &op_begin, 1, caller_pc());
	return wq->wakes;
}

void __wait_end(struct wait_queue_head *wq)
{
	count(wq, &op_end, -1u, caller_pc());
}

unsigned long __wait_sleep(struct wait_queue_head *wq, u32 begun, unsigned long left)
{
	const void *pc = caller_pc();
	struct op_class *op = left < MAX_SCHEDULE_TIMEOUT ? &op_sleep_timeout : &op_sleep;
	bool woken;

	check_sleep(pc, "wait_event inside an RCU reader", "wait_event with a spinlock held");
	shadow_check((u64)wq, sizeof(*wq), false, pc);
	wait_for((struct op){ .class = op, .addr = (u64)wq, .expected = begun, .pc = pc });
	shadow_access((u64)wq, sizeof(*wq), MARKED_READ, pc);
	woken = wq->wakes != begun;
	if (woken)
		sync_acquire((u64)wq);
	commit_values(op, MODE_READ, (u64)wq, pc, woken, woken);
	return woken ? left : 0;
}

void wake_up(struct wait_queue_head *wq)
{
	const void *pc = caller_pc();
	bool any;

	shadow_check((u64)wq, sizeof(*wq), true, pc);
	wait_op(&op_wake, (u64)wq, pc);
	shadow_access((u64)wq, sizeof(*wq), MARKED_WRITE, pc);
	any = wq->waiters != 0;
	wq->wakes += any;
	commit_values(&op_wake, any ? MODE_WRITE : MODE_READ, (u64)wq, pc, 0, any);
	sync_release_join((u64)wq);
}

bool waitqueue_active(struct wait_queue_head *wq)
{
	const void *pc = caller_pc();
	bool any;

	shadow_check((u64)wq, sizeof(*wq), false, pc);
	wait_op(&op_active, (u64)wq, pc);
	shadow_access((u64)wq, sizeof(*wq), MARKED_READ, pc);
	any = wq->waiters != 0;
	commit_values(&op_active, MODE_READ, (u64)wq, pc, any, any);
	return any;
}
