// SPDX-License-Identifier: GPL-2.0-only
/* Which threads there are, and waiting for the readers among them. */
#include <linux/kernel.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

u64 rcu_generation = 1;
__thread struct thread *thread_self __attribute__((tls_model("initial-exec")));
struct thread *thread_records;

static pthread_mutex_t records_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t detach_key;
static pthread_once_t start_once = PTHREAD_ONCE_INIT;

static void reader_forget(struct thread *t)
{
	t->sections = t->unpreempted = 0;
	__atomic_store_n(&t->since, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&t->in_use, 0, __ATOMIC_RELEASE);
}

/* What the thread counted stays. */
static void detach(void *arg)
{
	struct thread *self = arg;

	(void)WARN(self->sections != self->unpreempted, "a thread ended inside an RCU reader");
	(void)WARN(self->unpreempted, "a thread ended with a spinlock held");
	thread_self = NULL;
	reader_forget(self);
}

static void start(void)
{
	if (pthread_key_create(&detach_key, detach))
		abort();	/* all keys of the process are taken */
	membarrier_start();
}

struct thread *thread_attach(void)
{
	struct thread *self;

	pthread_once(&start_once, start);
	pthread_mutex_lock(&records_lock);
	for_each_thread_record(self)
		if (!__atomic_load_n(&self->in_use, __ATOMIC_ACQUIRE))
			break;
	if (!self) {
		if (posix_memalign((void **)&self, __alignof__(*self), sizeof(*self)))
			abort();	/* a reader without a record would be overlooked */
		memset(self, 0, sizeof(*self));
		self->next = thread_records;
		__atomic_store_n(&thread_records, self, __ATOMIC_RELEASE);
	}
	self->in_use = 1;
	pthread_mutex_unlock(&records_lock);
	pthread_setspecific(detach_key, self);
	thread_self = self;
	return self;
}

static bool is_older(struct thread *t, u64 generation)
{
	u64 since = __atomic_load_n(&t->since, __ATOMIC_ACQUIRE);

	return since && since < generation;
}

/* A reader that took the old generation and is slow to note it counts as older than it is: no harm. */
void synchronize_rcu(void)
{
	struct thread *t;
	u64 generation;

	if (might_sleep_in_reader())
		return;
	generation = __atomic_add_fetch(&rcu_generation, 1, __ATOMIC_SEQ_CST);
	membarrier_all();	/* the one that rcu_read_lock() leaves out */
	for_each_thread_record(t) {
		int tries;

		/* Readers are short: give way to them first, and sleep for the one that is not. */
		for (tries = 0; is_older(t, generation); tries++) {
			if (tries < 50)
				sched_yield();
			else
				usleep(100);
		}
	}
}

bool might_sleep_in_reader(void)
{
	return WARN(rcu_read_lock_held(), "sleeping function called from an RCU reader") ||
	       WARN(thread_current()->unpreempted, "sleeping function called with a spinlock held");
}

void __might_sleep(void)
{
	might_sleep_in_reader();
}

void preempt_disable(void)
{
	struct thread *self = thread_current();

	self->unpreempted++;
	if (self->sections++ == 0)
		__atomic_store_n(&self->since, __atomic_load_n(&rcu_generation, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
	barrier();
}

void preempt_enable(void)
{
	struct thread *self = thread_current();

	barrier();
	if (WARN(!self->unpreempted, "unbalanced preempt_enable"))
		return;
	self->unpreempted--;
	if (--self->sections == 0)
		__atomic_store_n(&self->since, 0, __ATOMIC_RELEASE);
}

void thread_after_fork(void)
{
	struct thread *t;

	pthread_mutex_init(&records_lock, NULL);
	for_each_thread_record(t)
		if (t != thread_self)
			reader_forget(t);
	membarrier_start();
}

int start_thread(pthread_t *thread, void *(*main)(void *arg), void *arg)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(thread, NULL, main, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}
