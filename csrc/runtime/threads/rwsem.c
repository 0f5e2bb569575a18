// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reader-writer semaphores: a queue of those who wait. Who unlocks hands over to the first of it, to a writer alone or to all
 * readers up to the next writer; they own it before they wake up.
 */
#include <futex.h>
#include <linux/bug.h>
#include <linux/rwsem.h>
#include <thread.h>

struct rwsem_waiter {
	struct rwsem_waiter *next;
	struct thread *thread;
	bool writes;
	u32 granted;		/* a futex word */
};

void init_rwsem(struct rw_semaphore *sem)
{
	*sem = (struct rw_semaphore){ .lock = PTHREAD_MUTEX_INITIALIZER };
}

/* All of these are under the lock. */

static struct thread **place_of(struct rw_semaphore *sem, struct thread *thread)
{
	int i;

	for (i = 0; i < RWSEM_KNOWN_READERS; i++)
		if (sem->who[i] == thread)
			return &sem->who[i];
	return NULL;
}

static void let_read(struct rw_semaphore *sem, struct thread *thread)
{
	struct thread **place = place_of(sem, NULL);

	sem->readers++;
	if (place)
		*place = thread;
	else
		sem->unknown++;
}

/* Where there are readers without a place, anybody may be one. */
static bool reads(struct rw_semaphore *sem, struct thread *thread)
{
	return place_of(sem, thread) || sem->unknown;
}

static void hand_over(struct rw_semaphore *sem)
{
	while (sem->waiters && !sem->writer && !(sem->waiters->writes && sem->readers)) {
		struct rwsem_waiter *waiter = sem->waiters;

		sem->waiters = waiter->next;
		if (waiter->writes)
			sem->writer = waiter->thread;
		else
			let_read(sem, waiter->thread);
		/* It may be gone as soon as it knows. */
		__atomic_store_n(&waiter->granted, 1, __ATOMIC_RELEASE);
		futex_wake(&waiter->granted, 1);
	}
}

/* Leaves the lock. */
static void wait_in_line(struct rw_semaphore *sem, struct thread *self, bool writes)
{
	struct rwsem_waiter waiter = { .thread = self, .writes = writes }, **at = &sem->waiters;

	while (*at)
		at = &(*at)->next;
	*at = &waiter;
	pthread_mutex_unlock(&sem->lock);
	while (!__atomic_load_n(&waiter.granted, __ATOMIC_ACQUIRE))
		futex_wait(&waiter.granted, 0, 0);
}

void down_read(struct rw_semaphore *sem)
{
	struct thread *self = thread_current();

	might_sleep();
	pthread_mutex_lock(&sem->lock);
	if (WARN(sem->writer == self, "down_read of a semaphore that the thread has as its writer")) {
		pthread_mutex_unlock(&sem->lock);
	} else if ((!sem->writer && !sem->waiters) ||
		   WARN(place_of(sem, self), "down_read by a reader while a writer waits: each would wait for the other")) {
		let_read(sem, self);
		pthread_mutex_unlock(&sem->lock);
	} else {
		wait_in_line(sem, self, false);
	}
}

bool __down_read_trylock(struct rw_semaphore *sem)
{
	bool taken;

	pthread_mutex_lock(&sem->lock);
	taken = !sem->writer && !sem->waiters;
	if (taken)
		let_read(sem, thread_current());
	pthread_mutex_unlock(&sem->lock);
	return taken;
}

void up_read(struct rw_semaphore *sem)
{
	struct thread *self = thread_current(), **place;

	pthread_mutex_lock(&sem->lock);
	if (!WARN(!reads(sem, self), "up_read by somebody who does not read")) {
		place = place_of(sem, self);
		if (place)
			*place = NULL;
		else
			sem->unknown--;
		if (!--sem->readers)
			hand_over(sem);
	}
	pthread_mutex_unlock(&sem->lock);
}

void down_write(struct rw_semaphore *sem)
{
	struct thread *self = thread_current();

	might_sleep();
	pthread_mutex_lock(&sem->lock);
	if (WARN(sem->writer == self || place_of(sem, self), "down_write of a semaphore that the thread has already")) {
		pthread_mutex_unlock(&sem->lock);
	} else if (!sem->writer && !sem->readers) {
		sem->writer = self;
		pthread_mutex_unlock(&sem->lock);
	} else {
		wait_in_line(sem, self, true);
	}
}

bool __down_write_trylock(struct rw_semaphore *sem)
{
	bool taken;

	pthread_mutex_lock(&sem->lock);
	taken = !sem->writer && !sem->readers && !sem->waiters;
	if (taken)
		sem->writer = thread_current();
	pthread_mutex_unlock(&sem->lock);
	return taken;
}

void up_write(struct rw_semaphore *sem)
{
	pthread_mutex_lock(&sem->lock);
	if (!WARN(sem->writer != thread_current(), "up_write by somebody who does not write")) {
		sem->writer = NULL;
		hand_over(sem);
	}
	pthread_mutex_unlock(&sem->lock);
}

void downgrade_write(struct rw_semaphore *sem)
{
	struct thread *self = thread_current();

	pthread_mutex_lock(&sem->lock);
	if (!WARN(sem->writer != self, "downgrade_write by somebody who does not write")) {
		sem->writer = NULL;
		let_read(sem, self);
		hand_over(sem);
	}
	pthread_mutex_unlock(&sem->lock);
}

bool __rwsem_is_locked(struct rw_semaphore *sem)
{
	bool locked;

	pthread_mutex_lock(&sem->lock);
	locked = sem->writer || sem->readers;
	pthread_mutex_unlock(&sem->lock);
	return locked;
}

bool rwsem_is_read_by_current(struct rw_semaphore *sem)
{
	bool found;

	pthread_mutex_lock(&sem->lock);
	found = reads(sem, thread_current());
	pthread_mutex_unlock(&sem->lock);
	return found;
}

bool rwsem_is_written_by_current(struct rw_semaphore *sem)
{
	bool found;

	pthread_mutex_lock(&sem->lock);
	found = sem->writer == thread_current();
	pthread_mutex_unlock(&sem->lock);
	return found;
}
