// SPDX-License-Identifier: GPL-2.0-only
/* What is asked of one item. */
#include <one_work.h>

#include "worker.h"

bool work_is_current(const struct work_struct *work)
{
	struct runner *runner;

	for (runner = innermost_runner; runner; runner = runner->outer)
		if (runner->work == work && runner->func == work->func)
			return true;
	return false;
}

/* Under the lock, as all of these. NULL: it is not queued here. */
static struct work_struct *find(struct workqueue_struct *wq, const struct work_struct *work)
{
	struct work_struct *other;

	list_for_each_entry(other, &wq->pending, entry)
		if (other == work)
			return other;
	return NULL;
}

static bool is_left(struct workqueue_struct *wq, const struct work_struct *work, u64 ticket, bool queued_too)
{
	const struct work_struct *queued = queued_too ? find(wq, work) : NULL;
	struct runner *runner;

	if (queued && queued->ticket <= ticket)
		return true;
	/* It may have freed itself: nothing but its address is asked about. */
	list_for_each_entry(runner, &wq->runners, entry)
		if (runner->work == work && runner->ticket <= ticket)
			return true;
	return false;
}

bool work_take_off(struct workqueue_struct *wq, struct work_struct *work)
{
	bool queued;

	pthread_mutex_lock(&wq->lock);
	queued = find(wq, work);
	if (queued) {
		list_del_init(&work->entry);
		wq->nr_pending--;
	}
	pthread_mutex_unlock(&wq->lock);
	return queued;
}

bool work_wait(struct workqueue_struct *wq, struct work_struct *work, bool queued_too)
{
	const struct work_struct *queued;
	bool waited = false;
	u64 ticket;

	pthread_mutex_lock(&wq->lock);
	queued = find(wq, work);
	ticket = queued_too && queued ? queued->ticket : wq->newest;
	while (is_left(wq, work, ticket, queued_too)) {
		waited = true;
		/* Nobody else would run it. */
		if (queued_too && !wq->nr_started && run_items(wq, ticket))
			continue;
		pthread_cond_wait(&wq->done, &wq->lock);
	}
	pthread_mutex_unlock(&wq->lock);
	return waited;
}

bool work_is_running(struct workqueue_struct *wq, struct work_struct *work)
{
	bool running;

	pthread_mutex_lock(&wq->lock);
	running = runner_of(work, wq);
	pthread_mutex_unlock(&wq->lock);
	return running;
}
