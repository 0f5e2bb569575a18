// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
/*
 * The threads of a workqueue: who takes which item, and when a thread spins, sleeps, wakes another, is started.
 *
 * Waking a sleeping worker costs 14 to 30 microseconds, whoever wrote the pool, so it is done at most once for a batch:
 * while one wake-up is on its way nobody sends another, and the worker that arrives wakes the next if there is more. An
 * idle worker spins for a moment before it sleeps, unless there are as many threads awake as CPUs, or it was woken from
 * the CPU that it runs on: then it would keep waiting the very thread that has work for it.
 *
 * Where items come faster than a worker runs them, one by one they would cost both sides every cache line that they have in
 * common each time. So a worker that has just run several in one go lets some more gather before it looks again.
 *
 * A worker shows the oldest ticket that it still has, so that several items may be taken at once: a queue with one worker
 * hands over all that is pending, since there is nobody else to run it. With more workers each takes one, and an item
 * that is queued again while it runs goes to the worker that runs it.
 */
#include <linux/bug.h>
#include <one_work.h>
#include <runtime.h>
#include <sched.h>
#include <stdlib.h>

#include "internal.h"
#include "worker.h"

#define SPIN_NS 20000
#define GATHER_NS 300	/* some ways of a cache line between two CPUs, and less than one wake-up */

void (*workqueue_after_item)(void);

static __thread struct worker *worker_here;
static int workers_awake;

/* Under the lock: nobody else runs items of the queue, and nobody will as long as this thread has some. */
static bool worker_is_alone(struct worker *worker)
{
	return worker->wq->nr_workers == 1 && worker->upto == NO_TICKET &&
	       list_is_singular(&worker->wq->workers);
}

/* Under the lock: moves the next items to run to the worker. False: there is nothing. */
static bool worker_take(struct worker *worker)
{
	struct workqueue_struct *wq = worker->wq;

	while (list_empty(&worker->taken) && !list_empty(&wq->pending)) {
		struct work_struct *work = list_first_entry(&wq->pending, struct work_struct, entry);
		struct worker *other;

		if (work->ticket > worker->upto)
			break;
		if (worker_is_alone(worker)) {
			list_splice_init(&wq->pending, &worker->taken);
			break;
		}
		list_for_each_entry(other, &wq->workers, node)
			if (other->current_item == work && other->current_func == work->func)
				break;
		list_move_tail(&work->entry, &other->node == &wq->workers ? &worker->taken : &other->taken);
	}
	if (list_empty(&worker->taken))
		return false;
	__atomic_store_n(&worker->oldest, list_first_entry(&worker->taken, struct work_struct, entry)->ticket,
			 __ATOMIC_RELEASE);
	return true;
}

/*
 * Off the list, so that its function may queue it again. The worker is where others look for a running item. NULL: there
 * is none left.
 */
static struct work_struct *worker_next(struct worker *worker)
{
	struct work_struct *work;

	if (list_empty(&worker->taken))
		return NULL;
	work = list_first_entry(&worker->taken, struct work_struct, entry);
	__atomic_store_n(&worker->oldest, work->ticket, __ATOMIC_RELEASE);
	list_del_init(&work->entry);
	worker->current_item = work;
	worker->current_func = work->func;
	return work;
}

/*
 * The same without the queue's lock, for who runs all items alone: its list is its own, but for an intruder, who takes
 * an item back. That one announces itself, makes every thread pass a barrier, and waits for the end of a move that it
 * may have missed; whoever moves later has seen the intruder and asks for the lock.
 */
static struct work_struct *worker_next_alone(struct worker *worker)
{
	struct workqueue_struct *wq = worker->wq;
	struct work_struct *work;

	__atomic_store_n(&worker->moves, 1, __ATOMIC_RELAXED);
	barrier();
	if (unlikely(__atomic_load_n(&wq->intruders, __ATOMIC_ACQUIRE))) {
		__atomic_store_n(&worker->moves, 0, __ATOMIC_RELEASE);
		raw_lock(&wq->lock);
		work = worker_next(worker);
		raw_unlock(&wq->lock);
		return work;
	}
	work = worker_next(worker);
	__atomic_store_n(&worker->moves, 0, __ATOMIC_RELEASE);
	return work;
}

static void run_item(struct worker *worker, struct work_struct *work)
{
	void (*after)(void) = __atomic_load_n(&workqueue_after_item, __ATOMIC_ACQUIRE);

	/*
	 * Before the function, which may queue the item again or free it. An exchange, so that the function sees what
	 * was written before every queue_work() that found the item still pending.
	 */
	__atomic_exchange_n(&work->pending, 0, __ATOMIC_SEQ_CST);
	worker->current_func(work);
	if (after)
		after();
}

static noinline void wake_flushers(struct workqueue_struct *wq)
{
	__atomic_add_fetch(&wq->progress, 1, __ATOMIC_SEQ_CST);
	futex_wake(&wq->progress, INT32_MAX);
}

/*
 * Runs what the worker took, and says how far it is. A flusher that sleeps has made every thread pass a barrier after
 * it counted itself, so that either it sees the new ticket or this sees the flusher. Returns how many items that were.
 */
static unsigned int worker_run_batch(struct worker *worker)
{
	struct workqueue_struct *wq = worker->wq;
	struct work_struct *work;
	unsigned int n = 0;

	/* The last ticket is handed in under the lock. */
	while ((work = worker_next_alone(worker))) {
		barrier();
		if (unlikely(__atomic_load_n(&wq->flushers, __ATOMIC_RELAXED)))
			wake_flushers(wq);
		run_item(worker, work);
		n++;
	}
	return n;
}

/* With several workers others may add to what this one took: one item at a time, under the lock in between. */
static void worker_run_one(struct worker *worker)
{
	struct workqueue_struct *wq = worker->wq;
	struct work_struct *work = worker_next(worker);

	raw_unlock(&wq->lock);
	run_item(worker, work);
	raw_lock(&wq->lock);
}

bool is_finished(struct workqueue_struct *wq, u64 ticket)
{
	struct worker *worker;

	if (!list_empty(&wq->pending) && list_first_entry(&wq->pending, struct work_struct, entry)->ticket <= ticket)
		return false;
	list_for_each_entry(worker, &wq->workers, node)
		if (__atomic_load_n(&worker->oldest, __ATOMIC_ACQUIRE) <= ticket)
			return false;
	return true;
}

static unsigned long spins;

unsigned long workqueue_spins(void)
{
	return __atomic_load_n(&spins, __ATOMIC_RELAXED);
}

static bool cpu_is_wanted(const struct workqueue_struct *wq)
{
	return __atomic_load_n(&workers_awake, __ATOMIC_RELAXED) >= (int)runtime_cpus ||
	       __atomic_load_n(&wq->waker_cpu, __ATOMIC_RELAXED) == sched_getcpu();
}

/* Under the lock, which it leaves meanwhile. Looks at nothing that those write who queue. */
static void worker_gather(struct workqueue_struct *wq)
{
	u64 end;

	if (cpu_is_wanted(wq))
		return;
	raw_unlock(&wq->lock);
	__atomic_add_fetch(&spins, 1, __ATOMIC_RELAXED);
	end = now_ns() + GATHER_NS;
	do {
		cpu_relax();
	} while (now_ns() < end);
	raw_lock(&wq->lock);
}

/* Under the lock, which it leaves meanwhile: runs items until there are none. Returns how many times it took some. */
static unsigned long worker_drain(struct worker *worker)
{
	struct workqueue_struct *wq = worker->wq;
	unsigned long rounds = 0;

	while (worker_take(worker)) {
		unsigned int n = 1;

		if (worker_is_alone(worker)) {
			raw_unlock(&wq->lock);
			n = worker_run_batch(worker);
			raw_lock(&wq->lock);
		} else {
			worker_run_one(worker);
		}
		worker->current_item = NULL;
		__atomic_store_n(&worker->oldest, NO_TICKET, __ATOMIC_RELEASE);
		if (wq->flushers)
			wake_flushers(wq);
		if (n > 1)
			worker_gather(wq);
		rounds++;
	}
	if (rounds && is_finished(wq, wq->newest_ticket))
		note_finished(wq, wq->newest_ticket);
	return rounds;
}

static void worker_begin(struct worker *worker, struct workqueue_struct *wq)
{
	*worker = (struct worker){
		.wq = wq, .upto = wq->newest_ticket, .oldest = NO_TICKET, .outer = worker_here,
	};
	INIT_LIST_HEAD(&worker->taken);
	list_add(&worker->node, &wq->workers);
	worker_here = worker;
}

static void worker_end(struct worker *worker)
{
	list_del(&worker->node);
	worker_here = worker->outer;
}

/* Looks for work without the lock for a while. False: none came, or the CPU is wanted. */
static bool worker_spin(struct workqueue_struct *wq, u64 seen)
{
	u64 end;

	if (cpu_is_wanted(wq))
		return false;
	__atomic_add_fetch(&spins, 1, __ATOMIC_RELAXED);
	end = now_ns() + SPIN_NS;
	do {
		int i;

		for (i = 0; i < 50; i++) {
			/* Whoever queues has the lock a moment longer, and to find it taken costs more than to wait. */
			if ((__atomic_load_n(&wq->newest_ticket, __ATOMIC_RELAXED) != seen &&
			     !mutex_is_locked(&wq->lock)) || __atomic_load_n(&wq->stopping, __ATOMIC_RELAXED))
				return true;
			cpu_relax();
		}
	} while (!cpu_is_wanted(wq) && now_ns() < end);
	return false;
}

/* Under the lock, which it leaves meanwhile. */
static void worker_sleep(struct workqueue_struct *wq)
{
	u32 pokes = __atomic_load_n(&wq->pokes, __ATOMIC_RELAXED);

	wq->nr_asleep++;
	raw_unlock(&wq->lock);
	__atomic_sub_fetch(&workers_awake, 1, __ATOMIC_RELAXED);
	futex_wait(&wq->pokes, pokes, 0);
	__atomic_add_fetch(&workers_awake, 1, __ATOMIC_RELAXED);
	raw_lock(&wq->lock);
	wq->nr_asleep--;
	wq->wake_sent = false;
}

bool should_wake(struct workqueue_struct *wq)
{
	if (list_empty(&wq->pending) || !wq->nr_asleep || wq->wake_sent)
		return false;
	wq->wake_sent = true;
	__atomic_add_fetch(&wq->pokes, 1, __ATOMIC_RELAXED);
	return true;
}

static void *worker_main(void *arg)
{
	struct worker *self = arg;
	struct workqueue_struct *wq = self->wq;

	__atomic_add_fetch(&workers_awake, 1, __ATOMIC_RELAXED);
	raw_lock(&wq->lock);
	worker_here = self;
	while (!wq->stopping || !list_empty(&wq->pending)) {
		u64 seen;

		if (should_wake(wq)) {
			raw_unlock(&wq->lock);
			futex_wake(&wq->pokes, 1);
			raw_lock(&wq->lock);
		}
		if (worker_drain(self))
			continue;
		seen = wq->newest_ticket;
		raw_unlock(&wq->lock);
		if (worker_spin(wq, seen)) {
			raw_lock(&wq->lock);
			continue;
		}
		raw_lock(&wq->lock);
		if (wq->newest_ticket == seen && !wq->stopping)
			worker_sleep(wq);
	}
	raw_unlock(&wq->lock);
	__atomic_sub_fetch(&workers_awake, 1, __ATOMIC_RELAXED);
	return NULL;
}

void start_worker(struct workqueue_struct *wq)
{
	struct worker *worker = malloc(sizeof(*worker));

	if (WARN(!worker, "workqueue: no memory for a worker"))
		return;		/* the next item tries again */
	*worker = (struct worker){ .wq = wq, .upto = NO_TICKET, .oldest = NO_TICKET };
	INIT_LIST_HEAD(&worker->taken);
	list_add(&worker->node, &wq->workers);
	if (WARN(thread_start(&worker->thread, worker_main, worker), "workqueue: no thread for a worker")) {
		list_del(&worker->node);
		free(worker);
		return;
	}
	wq->nr_started++;
}

bool wants_worker(struct workqueue_struct *wq)
{
	struct work_struct *work;
	unsigned int n = 0;

	if (wq->nr_started == wq->nr_workers)
		return false;
	list_for_each_entry(work, &wq->pending, entry)
		if (++n > wq->nr_asleep)
			return true;
	return false;
}

unsigned long run_here(struct workqueue_struct *wq)
{
	struct worker here;
	unsigned long n = 0;

	raw_lock(&wq->lock);
	if (!wq->nr_started && !list_empty(&wq->pending)) {
		worker_begin(&here, wq);
		n = worker_drain(&here);
		worker_end(&here);
	}
	raw_unlock(&wq->lock);
	return n;
}

bool work_is_current(const struct work_struct *work)
{
	struct worker *worker;

	for (worker = worker_here; worker; worker = worker->outer)
		if (worker->current_item == work && worker->current_func == work->func)
			return true;
	return false;
}

bool current_work_on(struct workqueue_struct *wq)
{
	struct worker *worker;

	for (worker = worker_here; worker; worker = worker->outer)
		if (worker->wq == wq && worker->current_item)
			return true;
	return false;
}

struct work_struct *current_work(void)
{
	return worker_here ? worker_here->current_item : NULL;
}

struct workqueue_struct *current_workqueue(void)
{
	return worker_here && worker_here->current_item ? worker_here->wq : NULL;
}
