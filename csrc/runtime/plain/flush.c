// SPDX-License-Identifier: GPL-2.0-only
/* Where items run, and waiting for them. */
#include <linux/bug.h>
#include <linux/rcupdate.h>
#include <runtime.h>
#include <time.h>

#include "worker.h"

struct work_struct *current_work(void)
{
	return innermost_runner ? innermost_runner->work : NULL;
}

struct workqueue_struct *current_workqueue(void)
{
	return innermost_runner ? innermost_runner->wq : NULL;
}

bool current_work_on(struct workqueue_struct *wq)
{
	struct runner *runner;

	for (runner = innermost_runner; runner; runner = runner->outer)
		if (runner->wq == wq)
			return true;
	return false;
}

static bool is_left(struct workqueue_struct *wq, u64 upto)
{
	struct runner *runner;

	if (wq->nr_pending && list_first_entry(&wq->pending, struct work_struct, entry)->ticket <= upto)
		return true;
	list_for_each_entry(runner, &wq->runners, entry)
		if (runner->work && runner->ticket <= upto)
			return true;
	return false;
}

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* False: the time is over. */
static bool wait_until(struct workqueue_struct *wq, u64 ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };

	return pthread_cond_timedwait(&wq->done, &wq->lock, &t) == 0;
}

void wait_for_items(struct workqueue_struct *wq, u64 upto, bool may_give_up)
{
	u64 slice_end = 0;

	while (is_left(wq, upto)) {
		bool given_up;

		if (!slice_end)
			slice_end = now_ns() + WAIT_SLICE_NS;
		/* Nobody else would run them. */
		if (!wq->nr_started && run_items(wq, upto))
			continue;
		if (wait_until(wq, slice_end))
			continue;
		pthread_mutex_unlock(&wq->lock);
		given_up = may_give_up && wait_interrupted();
		pthread_mutex_lock(&wq->lock);
		if (given_up)
			return;
		slice_end = 0;
	}
}

void flush_workqueue(struct workqueue_struct *wq)
{
	might_sleep_in_reader();
	if (WARN(current_work_on(wq), "flush_workqueue from an item of the same queue"))
		return;		/* it would wait for itself */
	(void)WARN(wq->of_system, "flush_workqueue of one of the system's queues");
	pthread_mutex_lock(&wq->lock);
	wait_for_items(wq, wq->newest, true);
	pthread_mutex_unlock(&wq->lock);
}

bool workqueue_wait_idle(struct workqueue_struct *wq, u64 timeout_ns)
{
	u64 now = now_ns(), end = timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX;
	bool left;

	pthread_mutex_lock(&wq->lock);
	while (is_left(wq, EVERY_TICKET) && wait_until(wq, end))
		;
	left = is_left(wq, EVERY_TICKET);
	pthread_mutex_unlock(&wq->lock);
	return !left;
}
