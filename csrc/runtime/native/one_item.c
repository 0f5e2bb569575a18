// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
/* What is asked of one item: of the lists of the queue's workers, too, which those change without the queue's lock. */
#include <linux/bug.h>
#include <one_work.h>
#include <sched.h>

#include "internal.h"
#include "worker.h"

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

static struct work_struct *find_in(struct list_head *list, const struct work_struct *work)
{
	struct work_struct *other;

	list_for_each_entry(other, list, entry)
		if (other == work)
			return other;
	return NULL;
}

/* Of an intruder, as the next. NULL: it is not queued here. */
static struct work_struct *find(struct workqueue_struct *wq, const struct work_struct *work)
{
	struct work_struct *found = find_in(&wq->pending, work);
	struct worker *worker;

	list_for_each_entry(worker, &wq->workers, node)
		found = found ? found : find_in(&worker->taken, work);
	return found;
}

/* It may have freed itself: nothing but its address is asked about. */
static bool runs(struct workqueue_struct *wq, const struct work_struct *work, u64 ticket)
{
	struct worker *worker;

	list_for_each_entry(worker, &wq->workers, node)
		if (worker->current_item == work && __atomic_load_n(&worker->oldest, __ATOMIC_ACQUIRE) <= ticket)
			return true;
	return false;
}

static bool is_over(struct workqueue_struct *wq, const struct work_struct *work, u64 ticket)
{
	const struct work_struct *queued;
	bool over;

	intrude(wq);
	queued = find(wq, work);
	over = !runs(wq, work, ticket) && !(queued && queued->ticket <= ticket);
	intrude_end(wq);
	return over;
}

static bool is_idle(struct workqueue_struct *wq, const struct work_struct *work, u64 ticket)
{
	bool idle;

	intrude(wq);
	idle = !runs(wq, work, ticket);
	intrude_end(wq);
	return idle;
}

bool work_take_off(struct workqueue_struct *wq, struct work_struct *work)
{
	bool queued;

	raw_lock(&wq->lock);
	intrude(wq);
	queued = find(wq, work);
	if (queued)
		list_del_init(&work->entry);
	intrude_end(wq);
	raw_unlock(&wq->lock);
	return queued;
}

bool work_wait(struct workqueue_struct *wq, struct work_struct *work, bool queued_too)
{
	is_done_t is_done = queued_too ? is_over : is_idle;
	const struct work_struct *queued;
	bool waits;
	u64 ticket;

	raw_lock(&wq->lock);
	intrude(wq);
	queued = find(wq, work);
	ticket = queued_too && queued ? queued->ticket : wq->newest_ticket;
	intrude_end(wq);
	waits = !is_done(wq, work, ticket);
	raw_unlock(&wq->lock);
	if (!waits)
		return false;
	if (queued_too)
		run_here(wq);		/* where nobody else would */
	raw_lock(&wq->lock);
	wait_for(wq, is_done, work, ticket, UINT64_MAX, false);
	raw_unlock(&wq->lock);
	return true;
}

bool work_is_running(struct workqueue_struct *wq, struct work_struct *work)
{
	bool running;

	raw_lock(&wq->lock);
	running = !is_idle(wq, work, wq->newest_ticket);
	raw_unlock(&wq->lock);
	return running;
}
