// SPDX-License-Identifier: GPL-2.0-only
/*
 * Completions. Waiting is a point, enabled while somebody may go on. Time is virtual: a wait with a timeout is over at
 * once, with what it finds, and whether that is before or after complete() is a choice of the search.
 */
#include <linux/completion.h>

#include "primitives.h"

#define ALL UINT32_MAX

static struct completion *completion_of(const struct task *t)
{
	return (struct completion *)t->pending.addr;
}

static bool is_done(const struct task *t)
{
	return completion_of(t)->done != 0;
}

static struct op_class op_complete = { .name = "complete", .pending_mode = PENDING_WRITE };
static struct op_class op_complete_all = { .name = "complete_all", .pending_mode = PENDING_WRITE };
static struct op_class op_wait = { .name = "wait_for_completion", .ready = is_done, .pending_mode = PENDING_WRITE };
static struct op_class op_try = { .name = "try_wait_for_completion", .pending_mode = PENDING_WRITE };
static struct op_class op_is_done = { .name = "completion_done", .pending_mode = PENDING_READ };

void init_completion(struct completion *x)
{
	shadow_access((u64)x, sizeof(*x), PLAIN_WRITE, caller_pc());
	x->done = 0;
}

void reinit_completion(struct completion *x)
{
	shadow_access((u64)x, sizeof(*x), PLAIN_WRITE, caller_pc());
	x->done = 0;
}

static void add(struct completion *x, struct op_class *op, u32 done, const void *pc)
{
	u32 before;

	shadow_check((u64)x, sizeof(*x), true, pc);
	wait_op(op, (u64)x, pc);
	shadow_access((u64)x, sizeof(*x), MARKED_WRITE, pc);
	before = x->done;
	x->done = done == ALL || before == ALL ? ALL : before + done;
	commit_values(op, MODE_WRITE, (u64)x, pc, before, x->done);
	sync_release_join((u64)x);
}

void complete(struct completion *x)
{
	add(x, &op_complete, 1, caller_pc());
}

void complete_all(struct completion *x)
{
	add(x, &op_complete_all, ALL, caller_pc());
}

static bool take(struct completion *x, struct op_class *op, const void *pc)
{
	u32 before;

	shadow_check((u64)x, sizeof(*x), true, pc);
	wait_op(op, (u64)x, pc);
	shadow_access((u64)x, sizeof(*x), MARKED_WRITE, pc);
	before = x->done;
	if (!before) {
		commit_values(op, MODE_READ, (u64)x, pc, 0, 0);
		return false;
	}
	x->done = before == ALL ? ALL : before - 1;
	sync_acquire((u64)x);
	commit_values(op, MODE_WRITE, (u64)x, pc, before, x->done);
	return true;
}

bool try_wait_for_completion(struct completion *x)
{
	return take(x, &op_try, caller_pc());
}

unsigned long __wait_for_completion(struct completion *x, unsigned long timeout)
{
	const void *pc = caller_pc();

	check_sleep(pc, "wait_for_completion inside an RCU reader", "wait_for_completion with a spinlock held");
	if (timeout < MAX_SCHEDULE_TIMEOUT)
		return take(x, &op_try, pc) ? timeout ? timeout : 1 : 0;
	take(x, &op_wait, pc);
	return timeout;
}

bool completion_done(struct completion *x)
{
	const void *pc = caller_pc();
	bool done;

	shadow_check((u64)x, sizeof(*x), false, pc);
	wait_op(&op_is_done, (u64)x, pc);
	shadow_access((u64)x, sizeof(*x), MARKED_READ, pc);
	done = x->done != 0;
	if (done)
		sync_acquire((u64)x);
	commit_values(&op_is_done, MODE_READ, (u64)x, pc, done, done);
	return done;
}
