// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
/* Waiting for one item, and taking it back. */
#include <linux/bug.h>
#include <linux/rcupdate.h>
#include <runtime.h>
#include <sched.h>

#include "internal.h"
#include "worker.h"

static struct workqueue_struct *queue_of(struct work_struct *work)
{
	return __atomic_load_n(&work->wq, __ATOMIC_ACQUIRE);
}

/* Under the lock: until intrude_end() the lists of the workers change under the lock only (worker.c). */
static void intrude(struct workqueue_struct *wq)
{
	struct worker *worker;

	__atomic_store_n(&wq->intruders, wq->intruders + 1, __ATOMIC_RELAXED);
	membarrier_all();
	list_for_each_entry(worker, &wq->workers, node)
		while (__atomic_load_n(&worker->moves, __ATOMIC_ACQUIRE))
			sched_yield();
}

static void intrude_end(struct workqueue_struct *wq)
{
	__atomic_store_n(&wq->intruders, wq->intruders - 1, __ATOMIC_RELEASE);
}

static bool is_in(const struct work_struct *work, struct list_head *list, u64 ticket)
{
	struct work_struct *other;

	list_for_each_entry(other, list, entry)
		if (other == work && other->ticket <= ticket)
			return true;
	return false;
}

/* An intruder asks. It may be gone by now: nothing but its address is asked about. */
static bool is_running(struct workqueue_struct *wq, const struct work_struct *work, u64 ticket)
{
	struct worker *worker;

	list_for_each_entry(worker, &wq->workers, node)
		if (worker->current_item == work && __atomic_load_n(&worker->oldest, __ATOMIC_ACQUIRE) <= ticket)
			return true;
	return false;
}

static bool is_over(struct workqueue_struct *wq, const struct work_struct *work, u64 ticket)
{
	struct worker *worker;
	bool over;

	intrude(wq);
	over = !is_running(wq, work, ticket) && !is_in(work, &wq->pending, ticket);
	list_for_each_entry(worker, &wq->workers, node)
		over = over && !is_in(work, &worker->taken, ticket);
	intrude_end(wq);
	return over;
}

static bool is_idle(struct workqueue_struct *wq, const struct work_struct *work, u64 ticket)
{
	bool idle;

	intrude(wq);
	idle = !is_running(wq, work, ticket);
	intrude_end(wq);
	return idle;
}

bool flush_work(struct work_struct *work)
{
	struct workqueue_struct *wq = queue_of(work);
	bool waited;
	u64 ticket;

	might_sleep_in_reader();
	if (WARN(current_work_is(work), "flush_work from the work itself") || !wq)
		return false;
	raw_lock(&wq->lock);
	ticket = work->ticket == NO_TICKET ? 0 : work->ticket;
	waited = !is_over(wq, work, ticket);
	raw_unlock(&wq->lock);
	if (!waited)
		return false;
	run_here(wq);		/* where nobody else would */
	raw_lock(&wq->lock);
	wait_for(wq, is_over, work, ticket, UINT64_MAX, false);
	raw_unlock(&wq->lock);
	return true;
}

/* Under the lock. True: it was queued, or dropped, and is on no list any more. */
static bool unlink(struct workqueue_struct *wq, struct work_struct *work)
{
	bool linked;

	intrude(wq);
	linked = !list_empty(&work->entry);
	if (linked)
		list_del_init(&work->entry);
	linked |= work->ticket == NO_TICKET;
	if (linked)
		work->ticket = 0;
	intrude_end(wq);
	return linked;
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
		raw_lock(&wq->lock);
		taken = work_pending(work) && unlink(wq, work);
		raw_unlock(&wq->lock);
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
	if (wq && !WARN(current_work_is(work), "cancel_work_sync from the work itself")) {
		raw_lock(&wq->lock);
		wait_for(wq, is_idle, work, NO_TICKET, UINT64_MAX, false);
		raw_unlock(&wq->lock);
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
	raw_lock(&wq->lock);
	busy |= is_idle(wq, work, NO_TICKET) ? 0 : WORK_BUSY_RUNNING;
	raw_unlock(&wq->lock);
	return busy;
}
