// SPDX-License-Identifier: GPL-2.0-only
/* Reader-writer semaphores, sleepable RCU, timers and delayed works. */
#include <linux/bug.h>
#include <linux/list.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <sched.h>

#include "primitives.h"
#include "threads.h"

/* --- reader-writer semaphores --- */

struct rw_semaphore *iopf_prim_rwsem_new(void)
{
	struct rw_semaphore *sem = kzalloc_obj(*sem);

	if (sem)
		init_rwsem(sem);
	return sem;
}

void iopf_prim_rwsem_free(struct rw_semaphore *sem)
{
	kfree(sem);
}

void iopf_prim_down_read(struct rw_semaphore *sem)
{
	down_read(sem);
}

bool iopf_prim_down_read_trylock(struct rw_semaphore *sem)
{
	return down_read_trylock(sem);
}

void iopf_prim_up_read(struct rw_semaphore *sem)
{
	up_read(sem);
}

void iopf_prim_down_write(struct rw_semaphore *sem)
{
	down_write(sem);
}

bool iopf_prim_down_write_trylock(struct rw_semaphore *sem)
{
	return down_write_trylock(sem);
}

void iopf_prim_up_write(struct rw_semaphore *sem)
{
	up_write(sem);
}

void iopf_prim_downgrade_write(struct rw_semaphore *sem)
{
	downgrade_write(sem);
}

bool iopf_prim_rwsem_is_locked(struct rw_semaphore *sem)
{
	return rwsem_is_locked(sem);
}

struct rwsem_race {
	struct rw_semaphore sem;
	unsigned int rounds;
	unsigned long value, copy, torn;
};

static void rwsem_main(void *arg, unsigned int index)
{
	struct rwsem_race *race = arg;
	unsigned int i;

	for (i = 0; i < race->rounds; i++) {
		if ((i + index) % 4) {
			down_read(&race->sem);
			if (race->value != race->copy)
				ADD(&race->torn, 1);
			up_read(&race->sem);
			continue;
		}
		down_write(&race->sem);
		race->value++;
		race->copy++;
		if (i % 8 == 0) {
			downgrade_write(&race->sem);
			if (race->value != race->copy)
				ADD(&race->torn, 1);
			up_read(&race->sem);
		} else {
			up_write(&race->sem);
		}
	}
}

unsigned long iopf_prim_rwsem_race(unsigned int nr_threads, unsigned int rounds)
{
	struct rwsem_race race = { .rounds = rounds };

	init_rwsem(&race.sem);
	run_parts(nr_threads, rwsem_main, &race);
	return race.torn ? ~0ul : race.value;
}

/* --- caches, and what cannot go on --- */

void iopf_prim_kmem_cache_misuse(int how)
{
	struct kmem_cache *one = KMEM_CACHE(list_head, 0), *other = KMEM_CACHE(list_head, 0);
	struct list_head *object = kmem_cache_alloc(one, GFP_KERNEL);

	if (how == 0)
		kmem_cache_free(other, object);
	if (how == 1) {
		kmem_cache_destroy(one);
		kfree(object);
	} else {
		kmem_cache_free(one, object);
		kmem_cache_destroy(one);
	}
	kmem_cache_destroy(other);
}

void iopf_prim_bug_on(bool condition)
{
	BUG_ON(condition);
}

/* --- sleepable RCU --- */

struct srcu_struct *iopf_prim_srcu_new(void)
{
	struct srcu_struct *ssp = kzalloc_obj(*ssp);

	if (ssp)
		init_srcu_struct(ssp);
	return ssp;
}

void iopf_prim_srcu_free(struct srcu_struct *ssp)
{
	cleanup_srcu_struct(ssp);
	kfree(ssp);
}

int iopf_prim_srcu_read_lock(struct srcu_struct *ssp)
{
	return srcu_read_lock(ssp);
}

void iopf_prim_srcu_read_unlock(struct srcu_struct *ssp, int index)
{
	srcu_read_unlock(ssp, index);
}

void iopf_prim_synchronize_srcu(struct srcu_struct *ssp)
{
	synchronize_srcu(ssp);
}

struct deferred {
	struct rcu_head head;
	unsigned long *counter;
};

static void count_deferred(struct rcu_head *head)
{
	struct deferred *deferred = container_of(head, struct deferred, head);

	ADD(deferred->counter, 1);
	kfree(deferred);
}

void iopf_prim_call_srcu(struct srcu_struct *ssp, unsigned long *counter)
{
	struct deferred *deferred = kzalloc_obj(*deferred);

	if (!deferred)
		return;
	deferred->counter = counter;
	call_srcu(ssp, &deferred->head, count_deferred);
}

void iopf_prim_srcu_barrier(struct srcu_struct *ssp)
{
	srcu_barrier(ssp);
}

static void sleep_deferred(struct rcu_head *head)
{
	might_sleep();
	kfree(container_of(head, struct deferred, head));
}

/* Of ssp, NULL: of RCU. */
void iopf_prim_callback_sleeps(struct srcu_struct *ssp)
{
	struct deferred *deferred = kzalloc_obj(*deferred);

	if (!deferred)
		return;
	if (ssp) {
		call_srcu(ssp, &deferred->head, sleep_deferred);
		srcu_barrier(ssp);
	} else {
		call_rcu(&deferred->head, sleep_deferred);
		rcu_barrier();
	}
}

struct srcu_race {
	struct srcu_struct srcu;
	unsigned int rounds;
	unsigned long *slot, freed;
	unsigned long used_freed;
};

/* The first retracts and waits; the others read. */
static void srcu_main(void *arg, unsigned int index)
{
	struct srcu_race *race = arg;
	unsigned int i;

	for (i = 0; i < race->rounds; i++) {
		if (!index) {
			unsigned long *old, *new = kzalloc_obj(*new);

			old = rcu_replace_pointer(race->slot, new, true);
			synchronize_srcu(&race->srcu);
			if (old) {
				STORE(old, 1);
				kfree(old);
			}
		} else {
			int held = srcu_read_lock(&race->srcu);
			unsigned long *seen = srcu_dereference(race->slot, &race->srcu);

			if (i % 16 == 0)
				sched_yield();
			if (seen && LOAD(seen))
				ADD(&race->used_freed, 1);
			srcu_read_unlock(&race->srcu, held);
		}
	}
}

unsigned long iopf_prim_srcu_race(unsigned int nr_threads, unsigned int rounds)
{
	struct srcu_race race = { .rounds = rounds };

	init_srcu_struct(&race.srcu);
	run_parts(nr_threads, srcu_main, &race);
	kfree(race.slot);
	cleanup_srcu_struct(&race.srcu);
	return race.used_freed;
}

/* --- timers, and works that are queued by one --- */

struct iopf_prim_alarm {
	struct timer_list timer;
	struct delayed_work delayed;
	unsigned long runs;
	int gated, inside, sleeps, rearms;
};

static void ring(struct iopf_prim_alarm *alarm)
{
	STORE(&alarm->inside, 1);
	while (LOAD(&alarm->gated))
		sched_yield();
	if (alarm->sleeps)
		might_sleep();
	ADD(&alarm->runs, 1);
	STORE(&alarm->inside, 0);
}

static void alarm_timer(struct timer_list *timer)
{
	struct iopf_prim_alarm *alarm = timer_container_of(alarm, timer, timer);

	if (alarm->rearms && alarm->rearms--)
		mod_timer(timer, jiffies);
	ring(alarm);
}

static void alarm_work(struct work_struct *work)
{
	ring(container_of(to_delayed_work(work), struct iopf_prim_alarm, delayed));
}

struct iopf_prim_alarm *iopf_prim_alarm_new(void)
{
	struct iopf_prim_alarm *alarm = kzalloc_obj(*alarm);

	if (alarm) {
		timer_setup(&alarm->timer, alarm_timer, 0);
		INIT_DELAYED_WORK(&alarm->delayed, alarm_work);
	}
	return alarm;
}

void iopf_prim_alarm_free(struct iopf_prim_alarm *alarm)
{
	kfree(alarm);
}

void iopf_prim_alarm_gate(struct iopf_prim_alarm *alarm, int gated)
{
	STORE(&alarm->gated, gated);
}

void iopf_prim_alarm_sleeps(struct iopf_prim_alarm *alarm)
{
	alarm->sleeps = 1;
}

void iopf_prim_alarm_rearms(struct iopf_prim_alarm *alarm, int times)
{
	alarm->rearms = times;
}

int iopf_prim_alarm_inside(struct iopf_prim_alarm *alarm)
{
	return LOAD(&alarm->inside);
}

unsigned long iopf_prim_alarm_runs(struct iopf_prim_alarm *alarm)
{
	return LOAD(&alarm->runs);
}

bool iopf_prim_mod_timer(struct iopf_prim_alarm *alarm, unsigned long ticks)
{
	return mod_timer(&alarm->timer, jiffies + ticks);
}

bool iopf_prim_timer_pending(struct iopf_prim_alarm *alarm)
{
	return timer_pending(&alarm->timer);
}

bool iopf_prim_timer_delete(struct iopf_prim_alarm *alarm)
{
	return timer_delete(&alarm->timer);
}

bool iopf_prim_timer_delete_sync(struct iopf_prim_alarm *alarm)
{
	return timer_delete_sync(&alarm->timer);
}

bool iopf_prim_timer_shutdown_sync(struct iopf_prim_alarm *alarm)
{
	return timer_shutdown_sync(&alarm->timer);
}

bool iopf_prim_queue_delayed(struct workqueue_struct *wq, struct iopf_prim_alarm *alarm, unsigned long ticks)
{
	return queue_delayed_work(wq, &alarm->delayed, ticks);
}

bool iopf_prim_mod_delayed(struct workqueue_struct *wq, struct iopf_prim_alarm *alarm, unsigned long ticks)
{
	return mod_delayed_work(wq, &alarm->delayed, ticks);
}

bool iopf_prim_flush_delayed(struct iopf_prim_alarm *alarm)
{
	return flush_delayed_work(&alarm->delayed);
}

bool iopf_prim_cancel_delayed(struct iopf_prim_alarm *alarm)
{
	return cancel_delayed_work(&alarm->delayed);
}

bool iopf_prim_cancel_delayed_sync(struct iopf_prim_alarm *alarm)
{
	return cancel_delayed_work_sync(&alarm->delayed);
}

bool iopf_prim_delayed_pending(struct iopf_prim_alarm *alarm)
{
	return delayed_work_pending(&alarm->delayed);
}

struct delayed_race {
	struct workqueue_struct *wq;
	struct iopf_prim_alarm *alarm;
	unsigned int rounds;
	unsigned long ran_behind;
};

/* Two queue it, with all sorts of delays; one cancels, and looks whether it is idle. */
static void delayed_main(void *arg, unsigned int index)
{
	struct delayed_race *race = arg;
	u32 state = 17 * (index + 1);
	unsigned int i;

	for (i = 0; i < race->rounds; i++) {
		u32 n = next_random(&state);

		if (index == 0)
			cancel_delayed_work_sync(&race->alarm->delayed);
		else if (n % 3)
			queue_delayed_work(race->wq, &race->alarm->delayed, n % 2);
		else
			mod_delayed_work(race->wq, &race->alarm->delayed, n % 3);
	}
}

unsigned long iopf_prim_delayed_race(struct workqueue_struct *wq, unsigned int rounds)
{
	struct delayed_race race = { .wq = wq, .alarm = iopf_prim_alarm_new(), .rounds = rounds };
	unsigned long runs;

	if (!race.alarm)
		return 0;
	run_parts(3, delayed_main, &race);
	cancel_delayed_work_sync(&race.alarm->delayed);
	runs = LOAD(&race.alarm->runs);
	sleep_us(5000);
	race.ran_behind = runs != LOAD(&race.alarm->runs) || delayed_work_pending(&race.alarm->delayed);
	kfree(race.alarm);
	return race.ran_behind;
}
