// SPDX-License-Identifier: GPL-2.0-only
/* Queues: their life, and what goes onto them. */
#include <linux/bug.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <runtime.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "worker.h"

bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	if (__atomic_exchange_n(&work->pending, 1, __ATOMIC_SEQ_CST))
		return false;
	work_queue_taken(wq, work);
	return true;
}

void work_queue_taken(struct workqueue_struct *wq, struct work_struct *work)
{
	pthread_mutex_lock(&wq->lock);
	if (wq->drainers &&
	    WARN_ONCE(!current_work_on(wq), "workqueue: queueing on a queue that is draining")) {
		__atomic_store_n(&work->wq, WORK_DROPPED, __ATOMIC_RELEASE);
		goto out;	/* and never runs: so does the kernel */
	}
	work->ticket = ++wq->newest;
	__atomic_store_n(&work->wq, wq, __ATOMIC_RELEASE);
	list_add_tail(&work->entry, &wq->pending);
	if (++wq->nr_pending > wq->nr_idle && wq->nr_started < wq->nr_workers)
		start_worker(wq);
	if (wq->nr_idle)
		pthread_cond_signal(&wq->more);
out:
	pthread_mutex_unlock(&wq->lock);
}

static void init_conditions(struct workqueue_struct *wq)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&wq->more, &monotonic);
	pthread_cond_init(&wq->done, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static struct workqueue_struct *set_up(struct workqueue_struct *wq, unsigned int flags, int max_active)
{
	pthread_mutex_init(&wq->lock, NULL);
	init_conditions(wq);
	INIT_LIST_HEAD(&wq->pending);
	INIT_LIST_HEAD(&wq->runners);
	wq->ordered = flags & __WQ_ORDERED;
	wq->nr_workers = max_active > 0 && max_active < WORKERS_AT_MOST ? (unsigned int)max_active : WORKERS_AT_MOST;
	live_queue_add(&wq->live, wq);
	return wq;
}

struct workqueue_struct *alloc_workqueue(const char *format, unsigned int flags, int max_active, ...)
{
	struct workqueue_struct *wq = kzalloc(sizeof(*wq), GFP_KERNEL);
	va_list args;

	if (!wq)
		return NULL;
	va_start(args, max_active);
	vsnprintf(wq->name, sizeof(wq->name), format, args);
	va_end(args);
	return set_up(wq, flags, max_active);
}

struct workqueue_struct *workqueue_of_system(const char *name)
{
	struct workqueue_struct *wq = calloc(1, sizeof(*wq));

	if (!wq)
		return NULL;
	snprintf(wq->name, sizeof(wq->name), "%s", name);
	wq->of_system = true;
	return set_up(wq, WQ_UNBOUND, 0);
}

void workqueue_set_workers(struct workqueue_struct *wq, unsigned int nr_workers)
{
	pthread_mutex_lock(&wq->lock);
	if (!WARN(wq->newest, "workqueue: the number of workers is set before the first item"))
		wq->nr_workers = wq->ordered && nr_workers ? 1 : nr_workers;
	pthread_mutex_unlock(&wq->lock);
}

unsigned long workqueue_run(struct workqueue_struct *wq)
{
	unsigned long n = 0;

	pthread_mutex_lock(&wq->lock);
	if (!wq->nr_workers)
		n = run_items(wq, wq->newest);
	pthread_mutex_unlock(&wq->lock);
	return n;
}

void drain_workqueue(struct workqueue_struct *wq)
{
	might_sleep_in_reader();
	if (WARN(current_work_on(wq), "drain_workqueue from an item of the same queue"))
		return;
	pthread_mutex_lock(&wq->lock);
	wq->drainers++;
	wait_for_items(wq, EVERY_TICKET, false);
	wq->drainers--;
	pthread_mutex_unlock(&wq->lock);
}

void destroy_workqueue(struct workqueue_struct *wq)
{
	struct runner *worker, *next;

	might_sleep_in_reader();
	if (WARN(current_work_on(wq), "destroy_workqueue from an item of the same queue"))
		return;

	pthread_mutex_lock(&wq->lock);
	wq->drainers++;
	wait_for_items(wq, EVERY_TICKET, false);
	wq->stopping = true;
	pthread_cond_broadcast(&wq->more);
	pthread_mutex_unlock(&wq->lock);

	list_for_each_entry_safe(worker, next, &wq->runners, entry) {
		pthread_join(worker->thread, NULL);
		free(worker);
	}
	live_queue_remove(&wq->live);
	pthread_cond_destroy(&wq->more);
	pthread_cond_destroy(&wq->done);
	pthread_mutex_destroy(&wq->lock);
	kfree(wq);
}
