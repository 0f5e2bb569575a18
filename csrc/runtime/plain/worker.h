/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between workqueue.c (queues), worker.c (running) and flush.c (waiting).
 *
 * Items get tickets in the order of queueing. What a flush waits for is that neither the pending list nor anybody who
 * runs an item has a ticket up to the newest one of that moment.
 */
#ifndef IOPF_PLAIN_WORKER_H
#define IOPF_PLAIN_WORKER_H

#include <linux/workqueue.h>
#include <one_work.h>
#include <pthread.h>

/* A worker, or somebody who runs the items of a queue without workers. */
struct runner {
	struct workqueue_struct *wq;
	struct work_struct *work;	/* NULL: none. Not to be followed, the item may be gone */
	work_func_t func;
	u64 ticket;
	struct runner *outer;		/* the item, of whatever queue, that this thread was in already */
	struct list_head entry;
	pthread_t thread;
};

struct workqueue_struct {
	pthread_mutex_t lock;
	pthread_cond_t more;		/* for workers: look at pending */
	pthread_cond_t done;		/* for those who wait: an item is finished */
	struct list_head pending;
	struct list_head runners;
	unsigned int nr_pending, nr_idle, nr_workers, nr_started;
	u64 newest;			/* ticket */
	unsigned int drainers;
	bool ordered, of_system, stopping;
	struct live_queue live;
	char name[16];
};

/* Whose item this thread is in. */
extern __thread struct runner *innermost_runner;

#define EVERY_TICKET UINT64_MAX

/* Under the queue's lock; all but the last leave it meanwhile. */
bool run_one(struct runner *self, u64 upto);
unsigned long run_items(struct workqueue_struct *wq, u64 upto);
/* Who runs the item, if anybody does. */
struct runner *runner_of(struct work_struct *work, struct workqueue_struct *wq);
void wait_for_items(struct workqueue_struct *wq, u64 upto, bool may_give_up);
/* One more. If the system refuses, the next item tries again, and until then it is a queue without workers. */
void start_worker(struct workqueue_struct *wq);

#endif
