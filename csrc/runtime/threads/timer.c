// SPDX-License-Identifier: GPL-2.0-only
/* Timers: a sorted list, and a thread that waits for the first of it. It is started with the first timer. */
#include <linux/preempt.h>
#include <linux/timer.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define TICK_NS (1000000000u / HZ)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sooner, done;	/* for the thread: look again; a function is over */
static struct timer_list *first, *running;
static bool started;
static pthread_t thread;

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* Under the lock, which it leaves meanwhile. */
static void expire(struct timer_list *timer)
{
	timer_func_t function = timer->function;

	first = timer->next;
	__atomic_store_n(&timer->pending, 0, __ATOMIC_RELAXED);
	running = timer;
	pthread_mutex_unlock(&lock);
	preempt_disable();
	function(timer);
	preempt_enable();
	pthread_mutex_lock(&lock);
	running = NULL;
	pthread_cond_broadcast(&done);
}

static void *timers_main(void *unused)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		struct timespec t;

		if (!first) {
			pthread_cond_wait(&sooner, &lock);
		} else if (first->when <= now_ns()) {
			expire(first);
		} else {
			t.tv_sec = (time_t)(first->when / 1000000000u);
			t.tv_nsec = (long)(first->when % 1000000000u);
			pthread_cond_timedwait(&sooner, &lock, &t);
		}
	}
	return unused;
}

/* Under the lock. Without a thread to run them no timer expires, which is late, and no more. */
static void start(void)
{
	sigset_t all, before;

	if (started)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	started = !pthread_create(&thread, NULL, timers_main, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (started)
		pthread_detach(thread);
}

static void begin(void)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&sooner, &monotonic);
	pthread_cond_init(&done, NULL);
	pthread_condattr_destroy(&monotonic);
	first = running = NULL;
	started = false;
}

/* The timers of a parent are the parent's. */
static void __attribute__((constructor)) begin_here_and_in_children(void)
{
	begin();
	pthread_atfork(NULL, NULL, begin);
}

void __timer_setup(struct timer_list *timer, timer_func_t function)
{
	*timer = (struct timer_list){ .function = function };
}

bool timer_pending(struct timer_list *timer)
{
	return __atomic_load_n(&timer->pending, __ATOMIC_RELAXED);
}

/* Under the lock. */
static bool take_off(struct timer_list *timer)
{
	struct timer_list **at = &first;

	if (!timer->pending)
		return false;
	while (*at != timer)
		at = &(*at)->next;
	*at = timer->next;
	__atomic_store_n(&timer->pending, 0, __ATOMIC_RELAXED);
	return true;
}

bool mod_timer(struct timer_list *timer, unsigned long expires)
{
	long ticks = (long)(expires - jiffies);
	struct timer_list **at = &first;
	bool was_pending;

	pthread_mutex_lock(&lock);
	was_pending = take_off(timer);
	if (timer->function) {
		timer->expires = expires;
		timer->when = now_ns() + (ticks > 0 ? (u64)ticks * TICK_NS : 0);
		while (*at && (*at)->when <= timer->when)
			at = &(*at)->next;
		timer->next = *at;
		*at = timer;
		__atomic_store_n(&timer->pending, 1, __ATOMIC_RELAXED);
		start();
		if (first == timer)
			pthread_cond_signal(&sooner);
	}
	pthread_mutex_unlock(&lock);
	return was_pending;
}

bool __timer_delete(struct timer_list *timer)
{
	bool was_pending;

	pthread_mutex_lock(&lock);
	was_pending = take_off(timer);
	pthread_mutex_unlock(&lock);
	return was_pending;
}

/* It may arm itself while it is waited for. */
static bool delete_sync(struct timer_list *timer, bool shut)
{
	bool was_pending;

	pthread_mutex_lock(&lock);
	was_pending = take_off(timer);
	if (shut)
		timer->function = NULL;
	if (!WARN(running == timer && pthread_equal(pthread_self(), thread), "timer_delete_sync from the timer itself"))
		while (running == timer)
			pthread_cond_wait(&done, &lock);
	was_pending |= take_off(timer);
	pthread_mutex_unlock(&lock);
	return was_pending;
}

bool timer_delete_sync(struct timer_list *timer)
{
	return delete_sync(timer, false);
}

bool timer_shutdown_sync(struct timer_list *timer)
{
	return delete_sync(timer, true);
}
