// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bug.h>
#include <runtime.h>
#include <stdlib.h>
#include <time.h>

#include "internal.h"
#include "worker.h"

void (*workqueue_after_item)(void);

static __thread struct runner *innermost;

bool current_work_on(struct workqueue_struct *wq)
{
	struct runner *runner;

	for (runner = innermost; runner; runner = runner->outer)
		if (runner->wq == wq)
			return true;
	return false;
}

/* The function is compared too: an item that freed itself may have left its address to another one. */
static bool is_running(struct work_struct *work, struct workqueue_struct *wq)
{
	struct runner *runner;

	list_for_each_entry(runner, &wq->runners, entry)
		if (runner->work == work && runner->func == work->func)
			return true;
	return false;
}

/* The oldest item that nobody runs already. */
static bool take(struct runner *self, u64 upto)
{
	struct workqueue_struct *wq = self->wq;
	struct work_struct *work;

	list_for_each_entry(work, &wq->pending, entry) {
		if (work->ticket > upto)
			break;
		if (is_running(work, wq))
			continue;
		list_del_init(&work->entry);
		if (--wq->nr_pending && wq->nr_idle)
			pthread_cond_signal(&wq->more);
		self->work = work;
		self->func = work->func;
		self->ticket = work->ticket;
		/* Who finds it still pending knows that the function will see what was written before. */
		__atomic_exchange_n(&work->pending, 0, __ATOMIC_SEQ_CST);
		return true;
	}
	return false;
}

bool run_one(struct runner *self, u64 upto)
{
	void (*after)(void) = __atomic_load_n(&workqueue_after_item, __ATOMIC_ACQUIRE);

	if (!take(self, upto))
		return false;
	pthread_mutex_unlock(&self->wq->lock);
	self->outer = innermost;
	innermost = self;
	self->func(self->work);
	if (after)
		after();
	innermost = self->outer;
	pthread_mutex_lock(&self->wq->lock);
	self->work = NULL;
	pthread_cond_broadcast(&self->wq->done);
	return true;
}

unsigned long run_items(struct workqueue_struct *wq, u64 upto)
{
	struct runner self = { .wq = wq };
	unsigned long n = 0;

	list_add(&self.entry, &wq->runners);
	while (run_one(&self, upto))
		n++;
	list_del(&self.entry);
	return n;
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

bool wait_for_items(struct workqueue_struct *wq, u64 upto, u64 deadline_ns, bool may_give_up)
{
	u64 slice_end = now_ns() + WAIT_SLICE_NS;

	while (is_left(wq, upto)) {
		bool interrupted;

		if (deadline_ns) {
			if (!wait_until(wq, deadline_ns))
				return !is_left(wq, upto);
			continue;
		}
		if (!wq->nr_started && run_items(wq, upto))
			continue;
		if (wait_until(wq, slice_end))
			continue;
		pthread_mutex_unlock(&wq->lock);
		interrupted = may_give_up && wait_interrupted();
		pthread_mutex_lock(&wq->lock);
		if (interrupted)
			return false;
		slice_end = now_ns() + WAIT_SLICE_NS;
	}
	return true;
}
