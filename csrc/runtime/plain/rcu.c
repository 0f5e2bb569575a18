// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is deferred goes to one thread, which lets a batch grow for 10 ms, unless somebody waits for it, and then waits
 * for one grace period for all of it. Readers: thread.c.
 */
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <pthread.h>
#include <time.h>

#include "internal.h"

#define TICK_NS 10000000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more;	/* for the thread, and begun with it */
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;
static struct rcu_head *first, **tail = &first;
static u64 nr_queued, nr_invoked;
static unsigned int nr_waiting;
static bool has_thread;

static u64 invoke(struct rcu_head *head)
{
	u64 count = 0;

	while (head) {
		struct rcu_head *next = head->next;

		if (head->func) {
			/* Softirqs do not sleep. */
			preempt_disable();
			head->func(head);
			preempt_enable();
		} else {
			kfree(head->object);
		}
		head = next;
		count++;
	}
	return count;
}

/* Everything that is deferred now, under the lock, which is not held meanwhile. */
static void run_batch(void)
{
	struct rcu_head *batch = first;
	u64 count;

	first = NULL;
	tail = &first;
	pthread_mutex_unlock(&lock);
	synchronize_rcu();
	count = invoke(batch);
	pthread_mutex_lock(&lock);
	nr_invoked += count;
	pthread_cond_broadcast(&done);
}

/* Under the lock, which is not held meanwhile. */
static void let_batch_grow(void)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += TICK_NS;
	if (end.tv_nsec >= 1000000000) {
		end.tv_nsec -= 1000000000;
		end.tv_sec++;
	}
	while (!nr_waiting && !pthread_cond_timedwait(&more, &lock, &end))
		;
}

static void *rcu_main(void *unused)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		while (!first)
			pthread_cond_wait(&more, &lock);
		let_batch_grow();
		run_batch();
	}
	return unused;
}

/* Under the lock. If the system refuses a thread, the next one that defers tries again. */
static void start_rcu_thread(void)
{
	pthread_condattr_t monotonic;
	pthread_t thread;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&more, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (start_thread(&thread, rcu_main, NULL))
		return;
	has_thread = true;
	pthread_detach(thread);
}

static void defer(struct rcu_head *head)
{
	head->next = NULL;
	pthread_mutex_lock(&lock);
	if (!has_thread)
		start_rcu_thread();
	if (has_thread && !first)
		pthread_cond_signal(&more);
	*tail = head;
	tail = &head->next;
	nr_queued++;
	pthread_mutex_unlock(&lock);
}

void call_rcu(struct rcu_head *head, rcu_callback_t func)
{
	head->func = func;
	defer(head);
}

void __kfree_rcu(struct rcu_head *head, void *object)
{
	head->func = NULL;
	head->object = object;
	defer(head);
}

void rcu_barrier(void)
{
	u64 upto;

	if (might_sleep_in_reader())
		return;
	pthread_mutex_lock(&lock);
	upto = nr_queued;
	nr_waiting++;
	if (has_thread)
		pthread_cond_signal(&more);
	while (nr_invoked < upto) {
		if (has_thread || !first)
			pthread_cond_wait(&done, &lock);
		else
			run_batch();	/* the system refused a thread */
	}
	nr_waiting--;
	pthread_mutex_unlock(&lock);
}

void rcu_after_fork(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&done, NULL);
	first = NULL;
	tail = &first;
	nr_queued = nr_invoked = 0;
	nr_waiting = 0;
	has_thread = false;
}
