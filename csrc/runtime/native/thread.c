// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <linux/kernel.h>
#include <linux/bug.h>
#include <linux/rcupdate.h>
#include <runtime.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct thread thread_nobody = {
	.rcu_epoch = RCU_NOBODY,
	.nr_free = { [0 ... SLAB_CLASSES - 1] = UINT32_MAX },
};
__thread struct thread *thread_self __attribute__((tls_model("initial-exec"))) = &thread_nobody;
struct thread *thread_records;
struct thread_hooks thread_hooks;

static pthread_mutex_t records_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t detach_key;
static pthread_once_t detach_once = PTHREAD_ONCE_INIT;

/* The record stays, with what the thread deferred; the next new thread takes it over. */
static void thread_detach(void *arg)
{
	struct thread *self = arg;

	(void)WARN(thread_in_reader(self), "a thread ended inside an RCU reader");
	(void)WARN(self->unpreempted, "a thread ended with a spinlock held");
	self->unpreempted = 0;
	__atomic_store_n(&self->rcu_epoch, 0, __ATOMIC_RELEASE);
	thread_hooks.exits(self);
	thread_self = &thread_nobody;
	__atomic_store_n(&self->in_use, 0, __ATOMIC_RELEASE);
}

static void make_detach_key(void)
{
	if (pthread_key_create(&detach_key, thread_detach))
		abort();	/* 1024 keys are taken: nothing of the runtime can work */
}

static struct thread *thread_reuse(void)
{
	struct thread *t;

	for_each_thread_record(t) {
		int unused = 0;

		if (__atomic_compare_exchange_n(&t->in_use, &unused, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return t;
	}
	return NULL;
}

/* Under the lock. The special words of a mutex are no addresses of records, which are aligned; but for 0. */
static bool thread_id_is_good(const struct thread *new)
{
	struct thread *t;

	for_each_thread_record(t)
		if (thread_id(t) == thread_id(new))
			return false;
	return thread_id(new) && thread_id(new) != thread_id(&thread_nobody);
}

static struct thread *thread_new(void)
{
	struct thread *t;

	pthread_mutex_lock(&records_lock);
	do {	/* one that is no good is kept, so that it does not come again */
		if (posix_memalign((void **)&t, __alignof__(*t), sizeof(*t)))
			abort();	/* no thread record, no locks */
	} while (!thread_id_is_good(t));
	memset(t, 0, sizeof(*t));
	pthread_mutex_init(&t->deferred_lock, NULL);
	t->deferred_tail = &t->deferred_first;
	t->in_use = 1;
	t->next = thread_records;
	__atomic_store_n(&thread_records, t, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&records_lock);
	return t;
}

noinline struct thread *thread_attach(void)
{
	struct thread *self;

	pthread_once(&detach_once, make_detach_key);
	self = thread_reuse();
	if (!self)
		self = thread_new();
	self->rcu_nesting = 0;
	thread_hooks.attached(self);
	__atomic_store_n(&self->rcu_epoch, 0, __ATOMIC_RELEASE);
	pthread_setspecific(detach_key, self);
	thread_self = self;
	return self;
}

int thread_start(pthread_t *thread, void *(*main)(void *arg), void *arg)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(thread, NULL, main, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

bool might_sleep_in_reader(void)
{
	return WARN(thread_in_reader(thread_current()), "sleeping function called from an RCU reader") ||
	       WARN(thread_current()->unpreempted, "sleeping function called with a spinlock held");
}

void __might_sleep(void)
{
	might_sleep_in_reader();
}

/* Only the caller is left: what the other threads held, they hold no longer. */
void thread_after_fork(void)
{
	struct thread *t;

	pthread_mutex_init(&records_lock, NULL);
	for_each_thread_record(t) {
		pthread_mutex_init(&t->deferred_lock, NULL);
		t->invoking = 0;
		if (t == thread_self)
			continue;
		t->rcu_epoch = 0;
		t->rcu_nesting = 0;
		t->unpreempted = 0;
		t->fail_nth = 0;
		/* Its lists may have been in the middle of a change: forgotten, not trusted. */
		memset(t->nr_free, 0, sizeof(t->nr_free));
		t->in_use = 0;
	}
}
