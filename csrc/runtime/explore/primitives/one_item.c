// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for one item, and taking it back.
 *
 * An item that is taken back was a task with a first operation to come, and is none any more. That it could have begun
 * before is a race that no later step of its shows, so it is told here, once the step that took it back is complete.
 */
#include "items.h"

#define MAX_CANCELLED 16

static u64 cancelled[MAX_CANCELLED];	/* works that nobody can queue: cancel_work_sync() waits for them */
static int nr_cancelled;

void one_item_reset(void)
{
	nr_cancelled = 0;
}

static bool is_being_cancelled(u64 work)
{
	int i;

	for (i = 0; i < nr_cancelled; i++)
		if (cancelled[i] == work)
			return true;
	return false;
}

/* The last one that was queued, or runs; -1: none. */
static int last_of(u64 work)
{
	int i;

	for (i = nr_items - 1; i >= 0; i--)
		if (items[i].work == work && items[i].state != ITEM_DONE)
			return i;
	return -1;
}

static bool is_over(const struct task *t)
{
	return items[t->pending.index].state == ITEM_DONE;
}

static u64 its_task(const struct task *t)
{
	const struct item *item = &items[t->pending.index];

	return item->state != ITEM_DONE && item->task >= 0 ? 1ull << item->task : 0;
}

bool nobody_else_cancels(const struct task *t)
{
	return !is_being_cancelled(t->pending.addr);
}

static u64 running(u64 work)
{
	u64 tasks = 0;
	int i;

	for (i = 0; i < nr_items; i++)
		if (items[i].work == work && items[i].state == ITEM_RUNNING)
			tasks |= 1ull << items[i].task;
	return tasks;
}

bool none_runs(const struct task *t)
{
	return !running(t->pending.addr);
}

u64 those_that_run(const struct task *t)
{
	return running(t->pending.addr);
}

static struct op_class op_flush_work = { .name = "flush_work", .pending_mode = PENDING_WRITE };
static struct op_class op_flush_work_wait = { .name = "flush_work ends", .ready = is_over, .waits_for = its_task };
static struct op_class op_cancel = { .name = "cancel_work", .ready = nobody_else_cancels, .pending_mode = PENDING_WRITE };
static struct op_class op_cancel_sync = {
	.name = "cancel_work_sync", .ready = nobody_else_cancels, .pending_mode = PENDING_WRITE,
};
static struct op_class op_cancel_end = { .name = "cancel_work ends" };
static struct op_class op_cancel_wait = {
	.name = "cancel_work_sync ends", .ready = none_runs, .waits_for = those_that_run, .pending_mode = PENDING_WRITE,
};
static const struct cancel_names works = {
	.cancel = &op_cancel, .sync = &op_cancel_sync, .end = &op_cancel_end, .wait = &op_cancel_wait,
};
static struct op_class op_busy = { .name = "work_busy", .pending_mode = PENDING_READ };

static void join_end(const struct item *item)
{
	if (item->end_node >= 0 && engine.parallel)
		hb_after(item->end_node);
	clock_join(&engine.current->race, item_end(item));
}

/* Those that are over. */
static void join_ends(u64 work)
{
	int i;

	for (i = 0; i < nr_items; i++)
		if (items[i].work == work && items[i].state == ITEM_DONE)
			join_end(&items[i]);
}

/* Whether one runs, or has run, is what comes next. */
static void look_at_end(u64 work)
{
	if (engine.parallel)
		hb_commit(MODE_READ, end_of_work(work));
}

bool flush_work(struct work_struct *work)
{
	const void *pc = caller_pc();
	int index;

	check_sleep(pc, "flush_work inside an RCU reader", "flush_work with a spinlock held");
	shadow_check((u64)work, sizeof(*work), true, pc);
	wait_op(&op_flush_work, (u64)work, pc);
	shadow_access((u64)work, sizeof(work->pending), MARKED_READ, pc);
	commit(&op_flush_work, MODE_READ, (u64)work, pc);
	look_at_end((u64)work);
	index = last_of((u64)work);
	if (index < 0) {
		join_ends((u64)work);
		return false;
	}
	if (queues[items[index].queue].by_hand)
		queue_run_all(&queues[items[index].queue], pc);
	wait_op_index(&op_flush_work_wait, (u64)work, (u16)index, pc);
	note(&op_flush_work_wait, (u64)work, pc, NULL, 0);
	join_end(&items[index]);
	return true;
}

/* In the step that runs: the item that waits will not run. Its task, or NULL where it has none. */
static struct task *take_back(struct item *item)
{
	struct queue *q = &queues[item->queue];
	struct task *t = item->task >= 0 ? &engine.tasks[item->task] : NULL;

	item->state = ITEM_DONE;
	item->taken_back = true;
	item->end_node = engine.parallel ? engine.current->last_node : NO_NODE;
	clock_copy(&item_ends[item - items], &engine.current->race);
	if (q->workers || q->by_hand)
		commit(&op_note, MODE_WRITE, q->addr, NULL);
	if (t) {
		t->state = TASK_FINISHED;
		engine.live &= ~(1ull << t->id);
	}
	return t;
}

struct item *queued(u64 work)
{
	int i;

	for (i = nr_items - 1; i >= 0; i--)
		if (items[i].work == work && items[i].state == ITEM_QUEUED)
			return &items[i];
	return NULL;
}

/* True: it was queued, or the timer was that would have queued it. gone: the task that will not run, NULL: it has none. */
bool item_grab(u64 addr, struct timer_list *timer, struct op_class *op, enum grab_mode mode, struct task **gone, const void *pc)
{
	struct work_struct *work = (struct work_struct *)addr;
	struct item *item;

	shadow_check(addr, sizeof(*work), true, pc);
	wait_op(op, addr, pc);
	shadow_access(addr, sizeof(work->pending), MARKED_WRITE, pc);
	/* One at a time, as with a lock: who comes second could have come first. Said before what orders it after the other. */
	commit(&op_note, MODE_LOCK, addr | ADDR_LOCK_BIT, pc);
	sync_acquire(addr);
	item = queued(addr);
	if (timer) {
		shadow_access((u64)timer, sizeof(timer->pending), MARKED_WRITE, pc);
		item = item ? item : queued((u64)timer);
		commit(&op_note, item && item->work == (u64)timer ? MODE_WRITE : MODE_READ, (u64)timer, pc);
		if (item && item->work == (u64)timer)
			timer->pending = 0;
		join_ends((u64)timer);
	}
	/* Who keeps it changes what others find, whether or not it was queued. */
	commit_values(op, item || mode != GRAB_TAKES ? MODE_WRITE : MODE_READ, addr, pc, item != NULL, 0);
	if (mode != GRAB_KEEPS)
		commit(&op_note, MODE_UNLOCK, addr | ADDR_LOCK_BIT, pc);
	*gone = item ? take_back(item) : NULL;
	sync_release_join(addr);
	return item;
}

bool item_cancel(u64 work, struct timer_list *timer, const struct cancel_names *names, const void *pc)
{
	struct task *gone;

	if (!item_grab(work, timer, names->cancel, GRAB_TAKES, &gone, pc))
		return false;
	((struct work_struct *)work)->pending = 0;
	wait_op(names->end, work, pc);
	if (gone)
		hb_would_race(gone);
	return true;
}

bool item_cancel_sync(u64 addr, struct timer_list *timer, const struct cancel_names *names, bool *shuts, const void *pc)
{
	struct work_struct *work = (struct work_struct *)addr;
	struct task *gone;
	bool was_queued;
	int i;

	was_queued = item_grab(addr, timer, names->sync, GRAB_KEEPS, &gone, pc);
	if (nr_cancelled == MAX_CANCELLED)
		finding_fatal(FINDING_EXPLORER, 0, pc, "too many works are cancelled at once");
	if (shuts)
		*shuts = true;
	work->pending = 1;
	cancelled[nr_cancelled++] = addr;
	wait_op(names->wait, addr, pc);
	if (gone)
		hb_would_race(gone);
	for (i = 0; cancelled[i] != addr; i++)
		;
	cancelled[i] = cancelled[--nr_cancelled];
	work->pending = 0;
	commit(names->wait, MODE_WRITE, addr, pc);
	commit(&op_note, MODE_UNLOCK, addr | ADDR_LOCK_BIT, pc);
	join_ends(addr);
	sync_release_join(addr);
	return was_queued;
}

bool cancel_work(struct work_struct *work)
{
	return item_cancel((u64)work, NULL, &works, caller_pc());
}

bool cancel_work_sync(struct work_struct *work)
{
	const void *pc = caller_pc();

	check_sleep(pc, "cancel_work_sync inside an RCU reader", "cancel_work_sync with a spinlock held");
	return item_cancel_sync((u64)work, NULL, &works, NULL, pc);
}

static unsigned int look(struct work_struct *work, struct op_class *op, const void *pc)
{
	unsigned int busy;

	shadow_check((u64)work, sizeof(*work), false, pc);
	wait_op(op, (u64)work, pc);
	shadow_access((u64)work, sizeof(work->pending), MARKED_READ, pc);
	busy = (work->pending ? WORK_BUSY_PENDING : 0) | (running((u64)work) ? WORK_BUSY_RUNNING : 0);
	commit_values(op, MODE_READ, (u64)work, pc, busy, busy);
	look_at_end((u64)work);
	return busy;
}

bool work_pending(struct work_struct *work)
{
	return look(work, &op_busy, caller_pc()) & WORK_BUSY_PENDING;
}

unsigned int work_busy(struct work_struct *work)
{
	return look(work, &op_busy, caller_pc());
}

bool item_is_pending(u64 work, struct op_class *op, const void *pc)
{
	return look((struct work_struct *)work, op, pc) & WORK_BUSY_PENDING;
}
