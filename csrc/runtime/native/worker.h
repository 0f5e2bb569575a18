/* SPDX-License-Identifier: GPL-2.0-only */
/* Between workqueue.c, queues and those who wait for their items, and worker.c, the threads that run them. */
#ifndef IOPF_NATIVE_WORKER_H
#define IOPF_NATIVE_WORKER_H

#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <one_work.h>
#include <pthread.h>
#include <time.h>

#define NO_TICKET UINT64_MAX

struct worker {
	struct workqueue_struct *wq;
	struct list_head node;
	struct list_head taken;		/* items to run, before any that is pending */
	u64 upto;			/* takes no later ticket; NO_TICKET: a thread of the queue */
	struct work_struct *current_item;	/* by address: the item itself may be gone */
	work_func_t current_func;
	u64 oldest;			/* ticket; NO_TICKET: idle */
	u32 moves;			/* it takes an item off its list, without the lock */
	struct worker *outer;		/* the worker whose item this thread is in, if any */
	pthread_t thread;
};

struct workqueue_struct {
	struct mutex lock;
	struct list_head pending;
	struct list_head workers;
	u64 newest_ticket;
	u64 finished;			/* no item has a ticket up to this one any more. Read without the lock */
	u32 pokes;			/* futex word of sleeping workers */
	unsigned int nr_workers, nr_started, nr_asleep;
	bool wake_sent;
	int waker_cpu;			/* where the last one was who had to wake a worker */
	unsigned int drainers;
	bool ordered, of_system, stopping;
	u32 flushers, progress;		/* progress is the futex word of flushers */
	u32 intruders;			/* who looks into the lists of workers */
	struct live_queue live;
	char name[64];
};

static inline u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* Under the lock: is there somebody to wake for what is pending? Then the caller does, once it has dropped the lock. */
bool should_wake(struct workqueue_struct *wq);
/* Under the lock: are there more items than workers asleep? One that sleeps takes one, however often it is woken. */
bool wants_worker(struct workqueue_struct *wq);
/* Under the lock: one thread more, while there are items that the started ones are too busy for. */
void start_worker(struct workqueue_struct *wq);
/*
 * Under the lock, which it leaves meanwhile: waits until an item, or all up to a ticket, is done. False: given up, after
 * the deadline or because the thread's poll function says so.
 */
typedef bool (*is_done_t)(struct workqueue_struct *wq, const struct work_struct *work, u64 ticket);
bool wait_for(struct workqueue_struct *wq, is_done_t is_done, const struct work_struct *work, u64 ticket, u64 deadline,
	      bool polls);
/* Under the lock: does nobody have, and does nobody wait for, an item with a ticket up to this one? */
bool is_finished(struct workqueue_struct *wq, u64 ticket);
/* Under the lock, when that is so: whoever flushes need not ask for the lock. */
static inline void note_finished(struct workqueue_struct *wq, u64 ticket)
{
	if (wq->finished < ticket)
		__atomic_store_n(&wq->finished, ticket, __ATOMIC_RELEASE);
}
/* Runs what is pending, where no thread of the queue does. Returns how many times it took some. */
unsigned long run_here(struct workqueue_struct *wq);

#endif
