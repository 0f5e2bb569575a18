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
	bool draining;
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

#pragma GCC visibility pop

#endif
