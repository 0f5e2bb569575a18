// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bug.h>
#include <runtime.h>
#include <stdlib.h>

#include "internal.h"
#include "worker.h"

void (*workqueue_after_item)(void);

unsigned long workqueue_spins(void)
{
	return 0;
}

__thread struct runner *innermost_runner;

/* The function is compared too: an item that freed itself may have left its address to another one. */
struct runner *runner_of(struct work_struct *work, struct workqueue_struct *wq)
{
	struct runner *runner;

	list_for_each_entry(runner, &wq->runners, entry)
		if (runner->work == work && runner->func == work->func)
			return runner;
	return NULL;
}

/* The oldest item that nobody runs already. */
static bool take(struct runner *self, u64 upto)
{
	struct workqueue_struct *wq = self->wq;
	struct work_struct *work;

	list_for_each_entry(work, &wq->pending, entry) {
		if (work->ticket > upto)
			break;
		if (runner_of(work, wq))
			continue;
		list_del_init(&work->entry);
		wq->nr_pending--;
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
	self->outer = innermost_runner;
	innermost_runner = self;
	self->func(self->work);
	if (after)
		after();
	innermost_runner = self->outer;
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

static void *worker_main(void *arg)
{
	struct runner *self = arg;
	struct workqueue_struct *wq = self->wq;

	pthread_mutex_lock(&wq->lock);
	while (!wq->stopping) {
		if (run_one(self, EVERY_TICKET))
			continue;
		wq->nr_idle++;
		pthread_cond_wait(&wq->more, &wq->lock);
		wq->nr_idle--;
	}
	pthread_mutex_unlock(&wq->lock);
	return NULL;
}

void start_worker(struct workqueue_struct *wq)
{
	struct runner *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return;
	worker->wq = wq;
	if (start_thread(&worker->thread, worker_main, worker)) {
		free(worker);
		return;
	}
	list_add(&worker->entry, &wq->runners);
	wq->nr_started++;
}
