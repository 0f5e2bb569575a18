/* SPDX-License-Identifier: GPL-2.0-only */
/* workqueue.c: the queues of an execution and all that was ever queued on them, for who asks for one item (one_item.c). */
#ifndef IOPF_EXPLORE_ITEMS_H
#define IOPF_EXPLORE_ITEMS_H

#include <linux/workqueue.h>

#include "primitives.h"

#pragma GCC visibility push(hidden)

#define MAX_QUEUES 32
#define MAX_ITEMS 256

struct queue {
	u64 addr;
	unsigned int workers;	/* 0: no limit */
	unsigned int running;
	unsigned int drainers;
	bool ordered, of_system;
	void (*timer_begins)(u64 timer);	/* of no workqueue: its items are timers that were armed. In the step of one */
	bool by_hand;		/* no workers: whoever needs the items to be done runs them */
};

enum item_state { ITEM_QUEUED, ITEM_RUNNING, ITEM_DONE };

struct item {
	u64 work;
	int queue;
	int task;		/* -1: none yet, by hand */
	int state;
	bool taken_back;	/* done without having run */
	int begin_node, end_node;
};

extern struct queue queues[MAX_QUEUES];
extern struct item items[MAX_ITEMS];	/* in the order of queueing */
extern struct clock item_ends[MAX_ITEMS];	/* of one that no task of its own ran to its end: what was seen there */
extern int nr_items;

/* That a work is over: what who asks for one item looks at. An address inside of the work, and of nothing else. */
static inline u64 end_of_work(u64 work)
{
	return work + 1;
}

/* What its end comes after. */
const struct clock *item_end(const struct item *item);
/* Runs what is queued on a queue without workers, in the current task. */
void queue_run_all(struct queue *q, const void *pc);

/* In the step that runs: an item of what has the queue's number, for work, whose function is called when it begins. */
struct item *item_new(int queue, u64 work, struct op_class *begins, const void *pc);
/* The queue of the timers, in this execution. */
int timers_queue(void (*timer_begins)(u64 timer), const void *pc);
/*
 * queue_work() in the step that runs, of a work that is not PENDING, or is by its caller. False: the queue drains, and takes
 * none from here; the work is not PENDING then.
 */
bool queue_within(struct workqueue_struct *wq, struct work_struct *work, struct op_class *op, const void *pc);
/* In a step of its own. */
void queue_taken(struct workqueue_struct *wq, struct work_struct *work, const void *pc);

/* --- one_item.c, for timers and delayed works, too --- */

/* What the calls are named, of a work or a timer. */
struct cancel_names {
	struct op_class *cancel, *sync, *end, *wait;
};

/* What becomes of PENDING: it is not any more; it stays, and nobody else grabs it; it is again in the same step. */
enum grab_mode { GRAB_TAKES, GRAB_KEEPS, GRAB_CHANGES };

struct timer_list;
/* timer: of a delayed work, or NULL. True: it was PENDING. gone: a task that will not run, told by hb_would_race(). */
bool item_grab(u64 work, struct timer_list *timer, struct op_class *op, enum grab_mode mode, struct task **gone, const void *pc);
/* Takes it back where it is pending. */
bool item_cancel(u64 work, struct timer_list *timer, const struct cancel_names *names, const void *pc);
/* And waits while it runs. shuts: set in the same step, or NULL. */
bool item_cancel_sync(u64 work, struct timer_list *timer, const struct cancel_names *names, bool *shuts, const void *pc);
/* The item that waits to begin, or NULL. */
struct item *queued(u64 work);
/* Ready and waited for, of operations on a work or a timer: nobody cancels it, and none of it runs. */
bool nobody_else_cancels(const struct task *t);
bool none_runs(const struct task *t);
u64 those_that_run(const struct task *t);
bool item_is_pending(u64 work, struct op_class *op, const void *pc);

#pragma GCC visibility pop

#endif
