// SPDX-License-Identifier: GPL-2.0-only
/* Waiting for one item, and taking it back. */
#include <linux/bug.h>
#include <linux/rcupdate.h>
#include <sched.h>

#include "worker.h"

static struct workqueue_struct *queue_of(struct work_struct *work)
{
	return __atomic_load_n(&work->wq, __ATOMIC_ACQUIRE);
}

/* Is this thread in it? */
static bool is_inside(struct work_struct *work)
{
	struct runner *runner;

	for (runner = innermost_runner; runner; runner = runner->outer)
		if (runner->work == work && runner->func == work->func)
			return true;
	return false;
}

/* Under the lock. It may be gone by now: nothing but its address is asked about. */
static bool is_left(struct workqueue_struct *wq, const struct work_struct *work, u64 ticket)
{
	struct work_struct *other;
	struct runner *runner;

	list_for_each_entry(other, &wq->pending, entry)
		if (other == work && other->ticket <= ticket)
			return true;
	list_for_each_entry(runner, &wq->runners, entry)
		if (runner->work == work && runner->ticket <= ticket)
			return true;
	return false;
}

bool flush_work(struct work_struct *work)
{
	struct workqueue_struct *wq = queue_of(work);
	bool waited = false;
	u64 ticket;

	might_sleep_in_reader();
	if (WARN(is_inside(work), "flush_work from the work itself") || !wq)
		return false;
	pthread_mutex_lock(&wq->lock);
	ticket = work->ticket == DROPPED ? 0 : work->ticket;
	while (is_left(wq, work, ticket)) {
		waited = true;
		/* Nobody else would run it. */
		if (!wq->nr_started && run_items(wq, ticket))
			continue;
		pthread_cond_wait(&wq->done, &wq->lock);
	}
	pthread_mutex_unlock(&wq->lock);
	return waited;
}

/* Takes PENDING, so that nobody can queue the item until it is given back. True: the item was queued. */
static bool grab(struct work_struct *work)
{
	for (;; sched_yield()) {
		struct workqueue_struct *wq;
		int idle = 0;
		bool taken;

		if (__atomic_compare_exchange_n(&work->pending, &idle, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return false;
		wq = queue_of(work);
		if (!wq)
			continue;	/* somebody is just queueing it */
		pthread_mutex_lock(&wq->lock);
		taken = __atomic_load_n(&work->pending, __ATOMIC_RELAXED) &&
			(!list_empty(&work->entry) || work->ticket == DROPPED);
		if (taken && work->ticket != DROPPED) {
			list_del_init(&work->entry);
			wq->nr_pending--;
		}
		if (taken)
			work->ticket = 0;
		pthread_mutex_unlock(&wq->lock);
		if (taken)
			return true;
	}
}

static void give_back(struct work_struct *work)
{
	__atomic_exchange_n(&work->pending, 0, __ATOMIC_SEQ_CST);
}

bool cancel_work(struct work_struct *work)
{
	bool was_pending;

	if (!work_pending(work))
		return false;
	was_pending = grab(work);
	give_back(work);
	return was_pending;
}

bool cancel_work_sync(struct work_struct *work)
{
	struct workqueue_struct *wq;
	bool was_pending;

	might_sleep_in_reader();
	was_pending = grab(work);
	wq = queue_of(work);
	if (wq && !WARN(is_inside(work), "cancel_work_sync from the work itself")) {
		pthread_mutex_lock(&wq->lock);
		while (runner_of(work, wq))
			pthread_cond_wait(&wq->done, &wq->lock);
		pthread_mutex_unlock(&wq->lock);
	}
	give_back(work);
	return was_pending;
}

unsigned int work_busy(struct work_struct *work)
{
	struct workqueue_struct *wq = queue_of(work);
	unsigned int busy = work_pending(work) ? WORK_BUSY_PENDING : 0;

	if (!wq)
		return busy;
	pthread_mutex_lock(&wq->lock);
	busy |= runner_of(work, wq) ? WORK_BUSY_RUNNING : 0;
	pthread_mutex_unlock(&wq->lock);
	return busy;
}
