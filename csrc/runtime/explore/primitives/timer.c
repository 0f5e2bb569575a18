// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timers, and the works that wait for one. An armed timer is an item as a queued work is (workqueue.c), which begins at any
 * moment: time is virtual, whatever the timer's. Its function runs without preemption.
 */
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "items.h"

_Static_assert(offsetof(struct timer_list, pending) == offsetof(struct work_struct, pending) &&
	       offsetof(struct timer_list, function) == offsetof(struct work_struct, func), "a timer begins as a work does");

static struct op_class op_arm = { .name = "mod_timer", .pending_mode = PENDING_WRITE };
static struct op_class op_delete = { .name = "timer_delete", .ready = nobody_else_cancels, .pending_mode = PENDING_WRITE };
static struct op_class op_delete_end = { .name = "timer_delete ends" };
static struct op_class op_delete_sync = {
	.name = "timer_delete_sync", .ready = nobody_else_cancels, .pending_mode = PENDING_WRITE,
};
static struct op_class op_delete_wait = {
	.name = "timer_delete_sync ends", .ready = none_runs, .waits_for = those_that_run, .pending_mode = PENDING_WRITE,
};
static struct op_class op_pending = { .name = "timer_pending", .pending_mode = PENDING_READ };
static const struct cancel_names timers = {
	.cancel = &op_delete, .sync = &op_delete_sync, .end = &op_delete_end, .wait = &op_delete_wait,
};

void __timer_setup(struct timer_list *timer, timer_func_t function)
{
	shadow_access((u64)timer, sizeof(*timer), PLAIN_WRITE, caller_pc());
	*timer = (struct timer_list){ .function = function };
}

/*
 * In the step that runs. Of a delayed work nobody knows a time: who queues it says how long, and does not look at the clock.
 */
static void begins(u64 addr)
{
	const struct timer_list *timer = (const struct timer_list *)addr;

	if (timer->function != __delayed_work_timer)
		clock_reaches(timer->expires);
}

/* In the step that runs: it is not armed. */
static void arm_within(struct timer_list *timer, const void *pc)
{
	timer->pending = 1;
	item_new(timers_queue(begins, pc), (u64)timer, &op_timer, pc);
}

/* One that is armed expires at any moment already; but no earlier than its new time, on the clock. */
static bool arm(struct timer_list *timer, unsigned long expires, const void *pc)
{
	bool was_pending, arms;

	shadow_check((u64)timer, sizeof(*timer), true, pc);
	wait_op(&op_arm, (u64)timer, pc);
	shadow_access((u64)timer, sizeof(timer->pending), MARKED_WRITE, pc);
	was_pending = timer->pending;
	arms = !was_pending && !timer->shut;
	commit_values(&op_arm, timer->shut ? MODE_READ : MODE_WRITE, (u64)timer, pc, was_pending, was_pending || arms);
	if (!timer->shut)
		timer->expires = expires;
	if (arms) {
		arm_within(timer, pc);
	} else {
		sync_release_join((u64)timer);
	}
	return was_pending;
}

bool mod_timer(struct timer_list *timer, unsigned long expires)
{
	return arm(timer, expires, caller_pc());
}

bool timer_pending(struct timer_list *timer)
{
	return item_is_pending((u64)timer, &op_pending, caller_pc());
}

bool __timer_delete(struct timer_list *timer)
{
	return item_cancel((u64)timer, NULL, &timers, caller_pc());
}

bool timer_delete_sync(struct timer_list *timer)
{
	return item_cancel_sync((u64)timer, NULL, &timers, NULL, caller_pc());
}

bool timer_shutdown_sync(struct timer_list *timer)
{
	return item_cancel_sync((u64)timer, NULL, &timers, &timer->shut, caller_pc());
}

/* --- delayed works --- */

static u64 timer_of(const struct task *t)
{
	return (u64)&((const struct delayed_work *)t->pending.addr)->timer;
}

static u64 timer_that_runs(const struct task *t)
{
	u64 timer = timer_of(t), tasks = 0;
	int i;

	for (i = 0; i < nr_items; i++)
		if (items[i].work == timer && items[i].state == ITEM_RUNNING)
			tasks |= 1ull << items[i].task;
	return tasks;
}

/* Not while somebody is about to queue it: its timer whose function runs, or who flushes it. */
static bool can_grab(const struct task *t)
{
	const struct work_struct *work = (const struct work_struct *)t->pending.addr;

	return nobody_else_cancels(t) && !(work->pending && !queued(t->pending.addr) && !queued(timer_of(t)));
}

static struct op_class op_delay = { .name = "queue_delayed_work", .pending_mode = PENDING_WRITE };
static struct op_class op_mod = {
	.name = "mod_delayed_work", .ready = can_grab, .waits_for = timer_that_runs, .pending_mode = PENDING_WRITE,
};
static struct op_class op_mod_end = { .name = "mod_delayed_work ends" };
static struct op_class op_cancel = {
	.name = "cancel_delayed_work", .ready = can_grab, .waits_for = timer_that_runs, .pending_mode = PENDING_WRITE,
};
static struct op_class op_cancel_end = { .name = "cancel_delayed_work ends" };
static struct op_class op_cancel_sync = {
	.name = "cancel_delayed_work_sync", .ready = can_grab, .waits_for = timer_that_runs, .pending_mode = PENDING_WRITE,
};
static struct op_class op_cancel_wait = {
	.name = "cancel_delayed_work_sync ends", .ready = none_runs, .waits_for = those_that_run, .pending_mode = PENDING_WRITE,
};
static const struct cancel_names delayed = {
	.cancel = &op_cancel, .sync = &op_cancel_sync, .end = &op_cancel_end, .wait = &op_cancel_wait,
};

_Static_assert(!offsetof(struct delayed_work, work), "an address is that of both");

void __delayed_work_timer(struct timer_list *timer)
{
	struct delayed_work *dwork = container_of(timer, struct delayed_work, timer);

	shadow_access((u64)&dwork->wq, sizeof(dwork->wq), MARKED_READ, NULL);
	queue_taken(dwork->wq, &dwork->work, NULL);
}

bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay)
{
	struct work_struct *work = &dwork->work;
	const void *pc = caller_pc();

	if (!delay)
		return queue_work(wq, work);
	shadow_check((u64)dwork, sizeof(*dwork), true, pc);
	wait_op(&op_delay, (u64)work, pc);
	shadow_access((u64)work, sizeof(work->pending), MARKED_WRITE, pc);
	if (work->pending) {
		commit_values(&op_delay, MODE_READ, (u64)work, pc, 1, 1);
		sync_release_join((u64)work);
		return false;
	}
	work->pending = 1;
	shadow_access((u64)&dwork->wq, sizeof(dwork->wq), MARKED_WRITE, pc);
	dwork->wq = wq;
	commit_values(&op_delay, MODE_WRITE, (u64)work, pc, 0, 1);
	commit(&op_note, MODE_WRITE, (u64)&dwork->timer, pc);
	sync_release_join((u64)work);
	arm_within(&dwork->timer, pc);
	return true;
}

/* One step: nobody finds it between the one and the other. */
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay)
{
	const void *pc = caller_pc();
	struct task *gone;
	bool was_pending;

	shadow_check((u64)dwork, sizeof(*dwork), true, pc);
	was_pending = item_grab((u64)&dwork->work, &dwork->timer, &op_mod, GRAB_CHANGES, &gone, pc);
	if (delay) {
		dwork->work.pending = 1;
		shadow_access((u64)&dwork->wq, sizeof(dwork->wq), MARKED_WRITE, pc);
		dwork->wq = wq;
		commit(&op_note, MODE_WRITE, (u64)&dwork->timer, pc);
		arm_within(&dwork->timer, pc);
	} else {
		queue_within(wq, &dwork->work, &op_mod, pc);
	}
	if (gone) {
		wait_op(&op_mod_end, (u64)&dwork->work, pc);
		hb_would_race(gone);
	}
	return was_pending;
}

bool flush_delayed_work(struct delayed_work *dwork)
{
	const void *pc = caller_pc();

	check_sleep(pc, "flush_delayed_work inside an RCU reader", "flush_delayed_work with a spinlock held");
	if (item_cancel_sync((u64)&dwork->timer, NULL, &timers, NULL, pc)) {
		shadow_access((u64)&dwork->wq, sizeof(dwork->wq), MARKED_READ, pc);
		queue_taken(dwork->wq, &dwork->work, pc);
	}
	return flush_work(&dwork->work);
}

bool cancel_delayed_work(struct delayed_work *dwork)
{
	return item_cancel((u64)&dwork->work, &dwork->timer, &delayed, caller_pc());
}

bool cancel_delayed_work_sync(struct delayed_work *dwork)
{
	const void *pc = caller_pc();

	check_sleep(pc, "cancel_delayed_work_sync inside an RCU reader", "cancel_delayed_work_sync with a spinlock held");
	return item_cancel_sync((u64)&dwork->work, &dwork->timer, &delayed, NULL, pc);
}
