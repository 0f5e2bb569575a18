// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
/*
 * Unbound workqueues over a pool of threads of their own (worker.c).
 *
 * Every item gets a ticket, its number on its queue. Flush takes the newest ticket and waits until neither
 * the pending list nor any worker has one up to it.
 *
 * A queue without a thread, because it shall have none or because none could be started, is run by those who wait for it.
 */
#include <linux/bug.h>
#include <linux/slab.h>
#include <runtime.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"
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
	bool wake;

	raw_lock(&wq->lock);
	if (unlikely(wq->drainers) && WARN_ONCE(!current_work_on(wq), "workqueue: queueing on a queue that is draining")) {
		__atomic_store_n(&work->wq, WORK_DROPPED, __ATOMIC_RELEASE);
		raw_unlock(&wq->lock);
		return;		/* and never runs: so does the kernel */
	}
	__atomic_store_n(&work->wq, wq, __ATOMIC_RELEASE);
	work->ticket = wq->newest_ticket + 1;
	__atomic_store_n(&wq->newest_ticket, work->ticket, __ATOMIC_RELAXED);
	list_add_tail(&work->entry, &wq->pending);
	if (unlikely(wants_worker(wq)))
		start_worker(wq);
	wake = should_wake(wq);
	if (wake)
		__atomic_store_n(&wq->waker_cpu, sched_getcpu(), __ATOMIC_RELAXED);
	raw_unlock(&wq->lock);
	if (wake)
		futex_wake(&wq->pokes, 1);
}

static struct workqueue_struct *set_up(struct workqueue_struct *wq, unsigned int flags, int max_active)
{
	mutex_init(&wq->lock);
	INIT_LIST_HEAD(&wq->pending);
	INIT_LIST_HEAD(&wq->workers);
	wq->ordered = flags & __WQ_ORDERED;
	wq->nr_workers = max_active > 0 && max_active < WORKERS_AT_MOST ? (unsigned int)max_active : WORKERS_AT_MOST;
	wq->waker_cpu = -1;
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
	raw_lock(&wq->lock);
	if (!WARN(wq->newest_ticket, "workqueue: the number of workers is set before the first item"))
		wq->nr_workers = wq->ordered && nr_workers ? 1 : nr_workers;
	raw_unlock(&wq->lock);
}

static bool is_done(struct workqueue_struct *wq, const struct work_struct *any, u64 ticket)
{
	(void)any;
	return is_finished(wq, ticket);
}

bool wait_for(struct workqueue_struct *wq, is_done_t is_done, const struct work_struct *work, u64 ticket, u64 deadline,
	      bool polls)
{
	u64 slice_end = now_ns() + WAIT_SLICE_NS;
	bool done;

	while (!(done = is_done(wq, work, ticket))) {
		u64 now = now_ns(), until = deadline < slice_end ? deadline : slice_end;
		u32 progress;

		if (now >= deadline)
			break;

		__atomic_add_fetch(&wq->flushers, 1, __ATOMIC_SEQ_CST);
		progress = __atomic_load_n(&wq->progress, __ATOMIC_ACQUIRE);
		membarrier_all();
		done = is_done(wq, work, ticket);
		raw_unlock(&wq->lock);
		if (!done && until > now)
			futex_wait(&wq->progress, progress, until - now);
		if (now_ns() >= slice_end) {
			/* Without the lock: whoever answers may need the queue first. */
			if (polls && !done && wait_interrupted())
				deadline = 0;
			slice_end = now_ns() + WAIT_SLICE_NS;
		}
		raw_lock(&wq->lock);
		__atomic_sub_fetch(&wq->flushers, 1, __ATOMIC_SEQ_CST);
	}
	return done;
}

static bool wait_done(struct workqueue_struct *wq, u64 ticket, u64 deadline, bool polls)
{
	return wait_for(wq, is_done, NULL, ticket, deadline, polls);
}

unsigned long workqueue_run(struct workqueue_struct *wq)
{
	return wq->nr_workers ? 0 : run_here(wq);
}

bool workqueue_wait_idle(struct workqueue_struct *wq, u64 timeout_ns)
{
	u64 now = now_ns(), deadline = timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX;
	bool idle;

	raw_lock(&wq->lock);
	do {
		idle = wait_done(wq, wq->newest_ticket, deadline, false) && is_done(wq, NULL, wq->newest_ticket);
	} while (!idle && now_ns() < deadline);
	raw_unlock(&wq->lock);
	return idle;
}

void flush_workqueue(struct workqueue_struct *wq)
{
	u64 newest = __atomic_load_n(&wq->newest_ticket, __ATOMIC_ACQUIRE);

	might_sleep_in_reader();
	if (WARN(current_work_on(wq), "flush_workqueue from an item of the same queue"))
		return;		/* it would wait for itself */
	(void)WARN(wq->of_system, "flush_workqueue of one of the system's queues");
	/* Nothing was ever queued, or all of it is over. Acquire: what the items have done is seen. */
	if (__atomic_load_n(&wq->finished, __ATOMIC_ACQUIRE) >= newest)
		return;
	run_here(wq);
	raw_lock(&wq->lock);
	if (wait_done(wq, newest, UINT64_MAX, true))
		note_finished(wq, newest);
	raw_unlock(&wq->lock);
}

/* Under the lock, which it leaves meanwhile. Items may queue further ones of the same queue: until there are none. */
static void drain(struct workqueue_struct *wq)
{
	wq->drainers++;
	while (!is_done(wq, NULL, wq->newest_ticket)) {
		u64 newest = wq->newest_ticket;

		raw_unlock(&wq->lock);
		run_here(wq);
		raw_lock(&wq->lock);
		wait_done(wq, newest, UINT64_MAX, false);
	}
}

void drain_workqueue(struct workqueue_struct *wq)
{
	might_sleep_in_reader();
	if (WARN(current_work_on(wq), "drain_workqueue from an item of the same queue"))
		return;
	raw_lock(&wq->lock);
	drain(wq);
	wq->drainers--;
	raw_unlock(&wq->lock);
}

void destroy_workqueue(struct workqueue_struct *wq)
{
	struct worker *worker, *next;

	might_sleep_in_reader();
	if (WARN(current_work_on(wq), "destroy_workqueue from an item of the same queue"))
		return;

	raw_lock(&wq->lock);
	drain(wq);
	__atomic_store_n(&wq->stopping, true, __ATOMIC_RELAXED);
	__atomic_add_fetch(&wq->pokes, 1, __ATOMIC_RELAXED);
	raw_unlock(&wq->lock);
	futex_wake(&wq->pokes, INT32_MAX);

	/* Nobody else touches the list of workers any more. */
	list_for_each_entry_safe(worker, next, &wq->workers, node) {
		pthread_join(worker->thread, NULL);
		free(worker);
	}
	live_queue_remove(&wq->live);
	kfree(wq);
}
