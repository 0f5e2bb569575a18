// SPDX-License-Identifier: GPL-2.0-only
/*
 * Workqueues: every item that is queued is a task of its own, which has seen what its queuer had seen.
 *
 * Without a limit on workers every item may run beside every other, as on an unbound queue; with one, items begin in
 * the order in which they were queued, so many at a time. Without any, an item is no task: whoever flushes runs it.
 *
 * A flush is two steps: which items it covers, and waiting for them. It comes after exactly those items. (A clock that
 * all finished items of a queue share would order it after others as well, and hide interleavings.)
 */
#include <linux/bug.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <runtime.h>

#include "items.h"

#define MAX_FLUSHES 256

/* What cores hold. */
struct workqueue_struct {
	u64 index;
};

struct flush {
	u64 items[MAX_ITEMS / 64];
	int queue;
	bool drain;		/* all there will be */
};

struct queue queues[MAX_QUEUES];
struct item items[MAX_ITEMS];
struct clock item_ends[MAX_ITEMS];
int nr_items;
static struct flush flushes[MAX_FLUSHES];
static int nr_queues, nr_flushes;
static int timers;			/* their queue, -1: none yet */

/* Of the system; in no heap, since nobody allocates or frees them. */
static struct {
	struct workqueue_struct wq;
	u32 execution;			/* in which it has its number */
} system_queues[NR_SYSTEM_WQS];

const struct lock_class workqueue_class = { "a work of the workqueue", __FILE__, __LINE__ };

/* --- operations --- */

static bool can_begin(const struct task *t)
{
	int index = t->pending.index, i;
	const struct item *item = &items[index];
	const struct queue *q = &queues[item->queue];

	for (i = 0; i < index; i++) {
		const struct item *other = &items[i];

		if (other->state == ITEM_RUNNING && other->work == item->work)
			return false;
		if (q->workers && other->queue == item->queue && other->state == ITEM_QUEUED)
			return false;
	}
	return !q->workers || q->running < q->workers;
}

static u64 begins_after(const struct task *t)
{
	int index = t->pending.index, i;
	const struct item *item = &items[index];
	u64 tasks = 0;

	for (i = 0; i < index; i++)
		if (items[i].state != ITEM_DONE && (items[i].work == item->work || items[i].queue == item->queue) &&
		    items[i].task >= 0)
			tasks |= 1ull << items[i].task;
	return tasks;
}

static bool is_done(const struct task *t)
{
	const struct flush *f = &flushes[t->pending.index];
	int i;

	for (i = 0; i < nr_items; i++)
		if (items[i].queue == f->queue && (f->drain || f->items[i / 64] >> (i % 64) & 1) &&
		    items[i].state != ITEM_DONE)
			return false;
	return true;
}

static u64 items_of(const struct task *t)
{
	const struct flush *f = &flushes[t->pending.index];
	u64 tasks = 0;
	int i;

	for (i = 0; i < nr_items; i++)
		if (items[i].queue == f->queue && (f->drain || f->items[i / 64] >> (i % 64) & 1) &&
		    items[i].state != ITEM_DONE && items[i].task >= 0)
			tasks |= 1ull << items[i].task;
	return tasks;
}

struct op_class op_queue_work = { .name = "queue_work", .pending_mode = PENDING_WRITE };
struct op_class op_work = { .name = "work begins", .ready = can_begin, .waits_for = begins_after, .pending_mode = PENDING_WRITE };
struct op_class op_work_end = { .name = "work ends" };
struct op_class op_timer = { .name = "timer expires", .ready = can_begin, .waits_for = begins_after, .pending_mode = PENDING_WRITE };
static struct op_class op_timer_end = { .name = "timer's function ends" };
static struct op_class op_flush = { .name = "flush_workqueue", .pending_mode = PENDING_WRITE };
struct op_class op_flush_wait = { .name = "flush_workqueue ends", .ready = is_done, .waits_for = items_of };
static struct op_class op_drain = { .name = "destroy_workqueue", .pending_mode = PENDING_WRITE };
struct op_class op_drain_wait = { .name = "destroy_workqueue drained", .ready = is_done, .waits_for = items_of };
static struct op_class op_drain_alone = { .name = "drain_workqueue", .pending_mode = PENDING_WRITE };
/* From then on others may queue again: what they find. */
static struct op_class op_drain_alone_wait = {
	.name = "drain_workqueue ends", .ready = is_done, .waits_for = items_of, .pending_mode = PENDING_WRITE,
};

void workqueue_reset(void)
{
	nr_queues = nr_items = nr_flushes = 0;
	timers = -1;
}

static struct queue *queue_of(const struct workqueue_struct *wq)
{
	return &queues[wq->index];
}

static int queue_new(struct queue q, const void *pc)
{
	if (nr_queues == MAX_QUEUES)
		finding_fatal(FINDING_EXPLORER, 0, pc, "too many workqueues in one execution");
	queues[nr_queues] = q;
	return nr_queues++;
}

struct workqueue_struct *alloc_workqueue(const char *format, unsigned int flags, int max_active, ...)
{
	static struct slab_site site = { .file = __FILE__, .function = "alloc_workqueue", .line = __LINE__ };
	struct workqueue_struct *wq = slab_alloc(&site, sizeof(*wq), GFP_KERNEL);

	(void)format;
	if (!wq)
		return NULL;
	wq->index = (u64)queue_new((struct queue){
		.addr = (u64)wq, .workers = max_active > 0 ? (unsigned int)max_active : 0, .ordered = flags & __WQ_ORDERED,
	}, caller_pc());
	return wq;
}

struct workqueue_struct *__system_workqueue(enum system_workqueue which)
{
	if (system_queues[which].execution != engine.execution) {
		system_queues[which].execution = engine.execution;
		system_queues[which].wq.index = (u64)queue_new((struct queue){
			.addr = (u64)&system_queues[which].wq, .of_system = true,
		}, caller_pc());
	}
	return &system_queues[which].wq;
}

int timers_queue(void (*expires)(struct timer_list *timer), const void *pc)
{
	if (timers < 0)
		timers = queue_new((struct queue){ .addr = (u64)&timers, .timers = true, .expires = expires }, pc);
	return timers;
}

void workqueue_set_workers(struct workqueue_struct *wq, unsigned int nr_workers)
{
	if (!queue_of(wq)->ordered)
		queue_of(wq)->workers = nr_workers;
}

void workqueue_by_hand(struct workqueue_struct *wq)
{
	queue_of(wq)->by_hand = true;
}

bool current_work_on(struct workqueue_struct *wq)
{
	return engine.current->work_queue == wq;
}

struct work_struct *current_work(void)
{
	return engine.current->work_queue == &timers ? NULL : (struct work_struct *)engine.current->work;
}

const struct clock *item_end(const struct item *item)
{
	return queues[item->queue].by_hand || item->taken_back ? &item_ends[item - items] : &engine.tasks[item->task].race;
}

/* The work was held as a lock is (lockorder.c). What it took and kept is above that, and stays. */
static void no_longer_in_work(struct task *t, const struct queue *q)
{
	int i;

	for (i = t->nr_held - 1; i >= 0 && t->held[i].addr != q->addr; i--)
		;
	for (t->nr_held -= i >= 0; i >= 0 && i < t->nr_held; i++)
		t->held[i] = t->held[i + 1];
}

/* In the step that runs. */
static void run_item(struct item *item)
{
	struct queue *q = &queues[item->queue];
	struct work_struct *work = (struct work_struct *)item->work;
	struct task *t = engine.current;
	void *outer_queue = t->work_queue;
	u64 outer_work = t->work;
	int nr_held = t->nr_held, i;

	t->work_queue = (void *)q->addr;
	t->work = item->work;
	shadow_access(item->work, sizeof(work->pending), MARKED_WRITE, NULL);
	shadow_access((u64)&work->func, sizeof(work->func), PLAIN_READ, NULL);
	if (!shadow_is_code((u64)work->func))
		finding_fatal(FINDING_BAD_ACCESS, item->work, NULL, "the work has no function");
	/* Before the function, which may queue the item again or free it. */
	work->pending = 0;
	item->state = ITEM_RUNNING;
	item->begin_node = engine.parallel ? t->last_node : NO_NODE;
	q->running++;
	sync_acquire(item->work);
	/* One byte on, as if called from there: places are looked up by return addresses. */
	commit(q->timers ? &op_timer : &op_work, MODE_WRITE, item->work, (const char *)work->func + 1);
	for (i = 0; i < (int)(item - items); i++) {
		/* What had to end, or to begin, before this could begin. */
		if (items[i].work == item->work && items[i].end_node >= 0)
			hb_after(items[i].end_node);
		if (q->workers && items[i].queue == item->queue) {
			if (items[i].end_node >= 0)
				hb_after(items[i].end_node);
			else if (items[i].begin_node >= 0)
				hb_after(items[i].begin_node);
		}
		/* What ran before it: the same work, or, one at a time, any of the queue. */
		if ((items[i].work == item->work || (q->workers == 1 && items[i].queue == item->queue)) &&
		    items[i].state == ITEM_DONE)
			clock_join(&t->race, item_end(&items[i]));
	}
	if (q->workers)
		commit(&op_note, MODE_WRITE, q->addr, NULL);
	if (q->timers) {
		q->expires((struct timer_list *)item->work);
		preemption_ends(NULL);
	} else if (engine.lock_order && t->nr_held < MAX_HELD) {
		t->held[t->nr_held].addr = q->addr;
		t->held[t->nr_held].class = &workqueue_class;
		t->held[t->nr_held++].pc = (const void *)work->func;
	}

	work->func(work);

	if (q->timers)
		preempt_enable();
	else if (engine.work_ends)
		engine.work_ends(item->work);
	if (q->workers)
		commit(&op_note, MODE_WRITE, q->addr, NULL);
	q->running--;
	item->state = ITEM_DONE;
	item->end_node = engine.parallel ? t->last_node : NO_NODE;
	if (engine.parallel)
		hb_commit(MODE_WRITE, end_of_work(item->work));
	note(q->timers ? &op_timer_end : &op_work_end, item->work, NULL, NULL, 0);
	if (!q->timers && engine.lock_order)
		no_longer_in_work(t, q);
	if (t->nr_held > nr_held)
		finding_kept_lock(t, "a work ended with a lock held");
	t->work_queue = outer_queue;
	t->work = outer_work;
}

static void work_main(void *arg)
{
	run_item(arg);
	task_finish();
}

/* One by one, in the order in which they were queued. Who takes one, and who finds none, has looked at the queue. */
void queue_run_all(struct queue *q, const void *pc)
{
	for (;;) {
		struct item *item = items;

		wait_op(&op_flush, q->addr, pc);
		commit(&op_flush, MODE_WRITE, q->addr, pc);
		while (item < items + nr_items && (item->queue != (int)(q - queues) || item->state != ITEM_QUEUED))
			item++;
		if (item == items + nr_items)
			return;
		item->task = engine.current->id;
		sync_acquire(item->work);
		run_item(item);
		clock_copy(&item_ends[item - items], &engine.current->race);
		race_tick(engine.current);
	}
}

void workqueue_run_by_hand(void)
{
	int i;

	for (i = 0; i < nr_queues; i++)
		if (queues[i].by_hand && !queues[i].drainers)
			queue_run_all(&queues[i], NULL);
}

struct item *item_new(int queue, u64 work, struct op_class *begins, const void *pc)
{
	struct item *item = &items[nr_items];

	if (nr_items == MAX_ITEMS)
		finding_fatal(FINDING_EXPLORER, 0, pc, "too many works in one execution");
	*item = (struct item){
		.work = work, .queue = queue, .state = ITEM_QUEUED, .begin_node = NO_NODE, .end_node = NO_NODE,
	};
	item->task = -1;
	if (queues[queue].by_hand) {
		nr_items++;
		sync_release_join(work);
	} else {
		item->task = task_create(work_main, item, begins, work, (u16)nr_items++)->id;
	}
	return item;
}

bool queue_within(struct workqueue_struct *wq, struct work_struct *work, struct op_class *op, const void *pc)
{
	struct queue *q;

	shadow_access((u64)wq, sizeof(*wq), MARKED_READ, pc);
	q = queue_of(wq);
	if (WARN(q->drainers && !current_work_on(wq), "queue_work on a workqueue that is being destroyed")) {
		/* Dropped, because it came after destroy_workqueue. */
		commit_values(op, work->pending ? MODE_WRITE : MODE_READ, (u64)work, pc, 0, 0);
		work->pending = 0;
		commit(&op_note, MODE_READ, (u64)wq, pc);
		return false;
	}
	work->pending = 1;
	commit_values(op, MODE_WRITE, (u64)work, pc, 0, 1);
	commit(&op_note, q->workers || q->by_hand ? MODE_WRITE : MODE_ADD, (u64)wq, pc);
	item_new((int)wq->index, (u64)work, &op_work, pc);
	return true;
}

static void queue_begin(struct workqueue_struct *wq, struct work_struct *work, const void *pc)
{
	shadow_check((u64)wq, sizeof(*wq), false, pc);
	shadow_check((u64)work, sizeof(*work), true, pc);
	wait_op(&op_queue_work, (u64)work, pc);
	shadow_access((u64)wq, sizeof(*wq), MARKED_READ, pc);
	shadow_access((u64)work, sizeof(work->pending), MARKED_WRITE, pc);
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	const void *pc = caller_pc();

	queue_begin(wq, work, pc);
	if (work->pending) {
		commit_values(&op_queue_work, MODE_READ, (u64)work, pc, 1, 1);
		sync_release_join((u64)work);
		return false;
	}
	queue_within(wq, work, &op_queue_work, pc);
	return true;
}

void queue_taken(struct workqueue_struct *wq, struct work_struct *work, const void *pc)
{
	queue_begin(wq, work, pc);
	queue_within(wq, work, &op_queue_work, pc);
}

/* --- waiting --- */

static u16 flush_begin(const struct workqueue_struct *wq, bool drain)
{
	struct flush *f;
	int i;

	if (nr_flushes == MAX_FLUSHES)
		finding_fatal(FINDING_EXPLORER, 0, NULL, "too many flushes in one execution");
	f = &flushes[nr_flushes];
	*f = (struct flush){ .queue = (int)wq->index, .drain = drain };
	for (i = 0; i < nr_items; i++)
		if (items[i].queue == f->queue)
			f->items[i / 64] |= 1ull << (i % 64);
	return (u16)nr_flushes++;
}

static void flush_end(u16 index)
{
	const struct flush *f = &flushes[index];
	int i;

	for (i = 0; i < nr_items; i++) {
		if (items[i].queue != f->queue || !(f->drain || f->items[i / 64] >> (i % 64) & 1))
			continue;
		if (items[i].end_node >= 0 && engine.parallel)
			hb_after(items[i].end_node);
		clock_join(&engine.current->race, item_end(&items[i]));
	}
}

void flush_workqueue(struct workqueue_struct *wq)
{
	struct task *t = engine.current;
	const void *pc = caller_pc();
	u16 index;

	check_sleep(pc, "flush_workqueue inside an RCU reader", "flush_workqueue with a spinlock held");
	shadow_check((u64)wq, sizeof(*wq), false, pc);
	(void)WARN(queue_of(wq)->of_system, "flush_workqueue of one of the system's queues");
	if (engine.lock_order)
		engine.lock_order(t, &workqueue_class, (u64)wq, pc);
	wait_op(&op_flush, (u64)wq, pc);
	shadow_access((u64)wq, sizeof(*wq), MARKED_READ, pc);
	commit(&op_flush, MODE_READ, (u64)wq, pc);
	index = flush_begin(wq, false);
	if (queue_of(wq)->by_hand)
		queue_run_all(queue_of(wq), pc);
	wait_op_index(&op_flush_wait, (u64)wq, index, pc);
	shadow_access((u64)wq, sizeof(*wq), MARKED_READ, pc);
	note(&op_flush_wait, (u64)wq, pc, NULL, 0);
	flush_end(index);
}

/* Up to where it is drained; the end is the caller's. */
static u16 drain_begin(struct workqueue_struct *wq, struct op_class *op, const void *pc)
{
	u16 index;

	shadow_check((u64)wq, sizeof(*wq), true, pc);
	if (engine.lock_order)
		engine.lock_order(engine.current, &workqueue_class, (u64)wq, pc);
	wait_op(op, (u64)wq, pc);
	shadow_access((u64)wq, sizeof(*wq), MARKED_WRITE, pc);
	commit(op, MODE_WRITE, (u64)wq, pc);
	queue_of(wq)->drainers++;
	index = flush_begin(wq, true);
	if (queue_of(wq)->by_hand)
		queue_run_all(queue_of(wq), pc);
	return index;
}

void drain_workqueue(struct workqueue_struct *wq)
{
	const void *pc = caller_pc();
	u16 index;

	check_sleep(pc, "drain_workqueue inside an RCU reader", "drain_workqueue with a spinlock held");
	index = drain_begin(wq, &op_drain_alone, pc);
	wait_op_index(&op_drain_alone_wait, (u64)wq, index, pc);
	shadow_access((u64)wq, sizeof(*wq), MARKED_WRITE, pc);
	queue_of(wq)->drainers--;
	commit(&op_drain_alone_wait, MODE_WRITE, (u64)wq, pc);
	flush_end(index);
}

void destroy_workqueue(struct workqueue_struct *wq)
{
	const void *pc = caller_pc();
	u16 index;

	check_sleep(pc, "destroy_workqueue inside an RCU reader", "destroy_workqueue with a spinlock held");
	index = drain_begin(wq, &op_drain, pc);
	wait_op_index(&op_drain_wait, (u64)wq, index, pc);
	note(&op_drain_wait, (u64)wq, pc, NULL, 0);
	flush_end(index);
	kfree(wq);
}
