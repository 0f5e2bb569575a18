// SPDX-License-Identifier: GPL-2.0-only
/* What is deferred goes to one thread, which waits for a grace period per batch. Readers: reader.c. */
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <pthread.h>

#include "internal.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;
static struct rcu_head *first, **tail = &first;
static u64 nr_queued, nr_invoked;
static bool has_thread;

static u64 invoke(struct rcu_head *head)
{
	u64 count = 0;

	while (head) {
		struct rcu_head *next = head->next;

		if (head->func)
			head->func(head);
		else
			kfree(head->object);
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

static void *rcu_main(void *unused)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		while (!first)
			pthread_cond_wait(&more, &lock);
		run_batch();
	}
	return unused;
}

static void defer(struct rcu_head *head)
{
	pthread_t thread;

	head->next = NULL;
	pthread_mutex_lock(&lock);
	if (!has_thread && !start_thread(&thread, rcu_main, NULL)) {
		has_thread = true;
		pthread_detach(thread);
	}
	if (!first)
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
	while (nr_invoked < upto) {
		if (has_thread || !first)
			pthread_cond_wait(&done, &lock);
		else
			run_batch();	/* the system refused a thread */
	}
	pthread_mutex_unlock(&lock);
}

void rcu_after_fork(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&more, NULL);
	pthread_cond_init(&done, NULL);
	first = NULL;
	tail = &first;
	nr_queued = nr_invoked = 0;
	has_thread = false;
}
