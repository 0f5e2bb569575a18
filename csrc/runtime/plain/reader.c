// SPDX-License-Identifier: GPL-2.0-only
/* Which threads there are, and waiting for the readers among them. */
#include <linux/rcupdate.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

u64 rcu_generation = 1;
__thread struct rcu_reader *rcu_reader_self __attribute__((tls_model("initial-exec")));

static struct rcu_reader *readers;
static pthread_mutex_t readers_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t detach_key;
static pthread_once_t detach_once = PTHREAD_ONCE_INIT;

static void reader_forget(struct rcu_reader *reader)
{
	reader->nesting = 0;
	__atomic_store_n(&reader->since, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&reader->in_use, 0, __ATOMIC_RELEASE);
}

static void detach(void *arg)
{
	struct rcu_reader *self = arg;

	(void)WARN(self->nesting, "a thread ended inside an RCU reader");
	rcu_reader_self = NULL;
	reader_forget(self);
}

static void make_detach_key(void)
{
	if (pthread_key_create(&detach_key, detach))
		abort();	/* all keys of the process are taken */
}

struct rcu_reader *rcu_reader_attach(void)
{
	struct rcu_reader *self;

	pthread_once(&detach_once, make_detach_key);
	pthread_mutex_lock(&readers_lock);
	for (self = readers; self && __atomic_load_n(&self->in_use, __ATOMIC_ACQUIRE); self = self->next)
		;
	if (!self) {
		if (posix_memalign((void **)&self, __alignof__(*self), sizeof(*self)))
			abort();	/* a reader without a record would be overlooked */
		memset(self, 0, sizeof(*self));
		self->next = readers;
		__atomic_store_n(&readers, self, __ATOMIC_RELEASE);
	}
	self->in_use = 1;
	pthread_mutex_unlock(&readers_lock);
	pthread_setspecific(detach_key, self);
	rcu_reader_self = self;
	return self;
}

static bool is_older(struct rcu_reader *reader, u64 generation)
{
	u64 since = __atomic_load_n(&reader->since, __ATOMIC_ACQUIRE);

	return since && since < generation;
}

/* A reader that took the old generation and is slow to note it counts as older than it is: no harm. */
void synchronize_rcu(void)
{
	struct rcu_reader *reader;
	u64 generation;

	if (might_sleep_in_reader())
		return;
	generation = __atomic_add_fetch(&rcu_generation, 1, __ATOMIC_SEQ_CST);
	/* Pairs with the fence in rcu_read_lock(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (reader = __atomic_load_n(&readers, __ATOMIC_ACQUIRE); reader; reader = reader->next) {
		int tries;

		/* Readers are short: give way to them first, and sleep for the one that is not. */
		for (tries = 0; is_older(reader, generation); tries++) {
			if (tries < 50)
				sched_yield();
			else
				usleep(100);
		}
	}
}

bool might_sleep_in_reader(void)
{
	return WARN(rcu_read_lock_held(), "sleeping function called from an RCU reader");
}

void reader_after_fork(void)
{
	struct rcu_reader *reader;

	pthread_mutex_init(&readers_lock, NULL);
	for (reader = readers; reader; reader = reader->next)
		if (reader != rcu_reader_self)
			reader_forget(reader);
}
