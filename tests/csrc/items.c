// SPDX-License-Identifier: GPL-2.0-only
/* Workqueues, and items that do what a test tells them and report what they did. */
#define _GNU_SOURCE
#include <linux/container_of.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <pthread.h>
#include <runtime.h>
#include <stdlib.h>
#include <time.h>

#include "primitives.h"

/* What the workqueue frees, or the item itself. */
struct object {
	struct work_struct work;
	struct iopf_prim_item *item;
};

struct iopf_prim_item {
	struct workqueue_struct *wq;
	struct object *object;		/* NULL: it freed itself */
	struct iopf_prim_item *next;
	int flags, requeue, opened, inside;
	struct iopf_prim_item_report report;
};

/* Everything below, and who waits for it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int nr_starts;

unsigned long iopf_prim_this_thread(void)
{
	return (unsigned long)pthread_self();
}

static bool wait_for(int *what, int times, unsigned int timeout_ms)
{
	struct timespec end;
	int ret = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += timeout_ms / 1000;
	end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&lock);
	while (*what < times && !ret)
		ret = pthread_cond_timedwait(&changed, &lock, &end);
	ret = *what >= times;
	pthread_mutex_unlock(&lock);
	return ret;
}

static void begin(struct iopf_prim_item *item)
{
	struct iopf_prim_item_report *report = &item->report;

	pthread_mutex_lock(&lock);
	nr_starts++;
	if (!report->started++)
		report->first_start = nr_starts;
	if (++item->inside > report->most_inside)
		report->most_inside = item->inside;
	report->inside_said = current_work_on(item->wq);
	report->thread = iopf_prim_this_thread();
	pthread_cond_broadcast(&changed);
	while ((item->flags & IOPF_PRIM_ITEM_GATED) && !item->opened)
		pthread_cond_wait(&changed, &lock);
	item->opened -= !!(item->flags & IOPF_PRIM_ITEM_GATED);
	pthread_mutex_unlock(&lock);
}

static bool wants_requeue(struct iopf_prim_item *item)
{
	bool wants;

	pthread_mutex_lock(&lock);
	wants = item->requeue > 0;
	item->requeue -= wants;
	pthread_mutex_unlock(&lock);
	return wants;
}

static void end(struct iopf_prim_item *item, int requeue_said, int chain_said)
{
	pthread_mutex_lock(&lock);
	if (requeue_said >= 0)
		item->report.requeue_said = requeue_said;
	if (chain_said >= 0)
		item->report.chain_said = chain_said;
	item->inside--;
	item->report.finished++;
	if (item->flags & IOPF_PRIM_ITEM_FREES)
		item->object = NULL;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void reborn_main(struct work_struct *work)
{
	struct iopf_prim_item *item = container_of(work, struct object, work)->item;

	pthread_mutex_lock(&lock);
	item->report.reborn_ran = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void be_reborn(struct iopf_prim_item *item)
{
	pthread_mutex_lock(&lock);
	item->report.reborn_ran = 0;
	pthread_mutex_unlock(&lock);
	kfree(item->object);
	item->object = kzalloc_obj(*item->object);
	if (!item->object)
		return;
	item->object->item = item;
	INIT_WORK(&item->object->work, reborn_main);
	queue_work(item->wq, &item->object->work);
	wait_for(&item->report.reborn_ran, 1, 5000);
}

static void item_main(struct work_struct *work)
{
	struct object *object = container_of(work, struct object, work);
	struct iopf_prim_item *item = object->item;
	int requeue_said = -1, chain_said = -1;

	begin(item);
	if (item->flags & IOPF_PRIM_ITEM_REBORN)
		be_reborn(item);
	if (wants_requeue(item))
		requeue_said = queue_work(item->wq, work);
	if (item->next)
		chain_said = queue_work(item->wq, &item->next->object->work);
	if (item->flags & IOPF_PRIM_ITEM_FLUSHES)
		flush_workqueue(item->wq);
	if (item->flags & IOPF_PRIM_ITEM_DESTROYS)
		destroy_workqueue(item->wq);
	if (item->flags & IOPF_PRIM_ITEM_FLUSHES_ITSELF)
		flush_work(work);
	if (item->flags & IOPF_PRIM_ITEM_CANCELS_ITSELF)
		cancel_work_sync(work);
	if (item->flags & IOPF_PRIM_ITEM_FREES)
		kfree(object);
	end(item, requeue_said, chain_said);
}

struct iopf_prim_item *iopf_prim_item_new(struct workqueue_struct *wq, int flags)
{
	struct iopf_prim_item *item = calloc(1, sizeof(*item));

	if (!item)
		return NULL;
	item->object = kzalloc_obj(*item->object);
	if (!item->object) {
		free(item);
		return NULL;
	}
	item->object->item = item;
	item->wq = wq;
	item->flags = flags;
	item->report.inside_said = item->report.requeue_said = item->report.chain_said = item->report.reborn_ran = -1;
	INIT_WORK(&item->object->work, item_main);
	return item;
}

void iopf_prim_item_free(struct iopf_prim_item *item)
{
	kfree(item->object);
	free(item);
}

void iopf_prim_item_requeue(struct iopf_prim_item *item, int times)
{
	pthread_mutex_lock(&lock);
	item->requeue = times;
	pthread_mutex_unlock(&lock);
}

void iopf_prim_item_chain(struct iopf_prim_item *item, struct iopf_prim_item *next)
{
	item->next = next;
}

bool iopf_prim_item_queue(struct iopf_prim_item *item)
{
	return queue_work(item->wq, &item->object->work);
}

void iopf_prim_item_move(struct iopf_prim_item *item, struct workqueue_struct *wq)
{
	item->wq = wq;
}

bool iopf_prim_item_flush_work(struct iopf_prim_item *item)
{
	return flush_work(&item->object->work);
}

bool iopf_prim_item_cancel_work(struct iopf_prim_item *item)
{
	return cancel_work(&item->object->work);
}

bool iopf_prim_item_cancel_work_sync(struct iopf_prim_item *item)
{
	return cancel_work_sync(&item->object->work);
}

bool iopf_prim_item_pending(struct iopf_prim_item *item)
{
	return work_pending(&item->object->work);
}

unsigned int iopf_prim_item_busy(struct iopf_prim_item *item)
{
	return work_busy(&item->object->work);
}

void iopf_prim_item_open(struct iopf_prim_item *item, int times)
{
	pthread_mutex_lock(&lock);
	item->opened += times;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

bool iopf_prim_item_wait_started(struct iopf_prim_item *item, int times, unsigned int timeout_ms)
{
	return wait_for(&item->report.started, times, timeout_ms);
}

bool iopf_prim_item_wait_finished(struct iopf_prim_item *item, int times, unsigned int timeout_ms)
{
	return wait_for(&item->report.finished, times, timeout_ms);
}

void iopf_prim_item_report(struct iopf_prim_item *item, struct iopf_prim_item_report *report)
{
	pthread_mutex_lock(&lock);
	*report = item->report;
	pthread_mutex_unlock(&lock);
}

/* --- the hook after an item --- */

static void (*hook_before)(void);
static bool hook_is_set, hook_gated;
static int hook_opened, hook_count;

static void after_item(void)
{
	pthread_mutex_lock(&lock);
	hook_count++;
	pthread_cond_broadcast(&changed);
	while (hook_gated && !hook_opened)
		pthread_cond_wait(&changed, &lock);
	hook_opened -= hook_gated;
	pthread_mutex_unlock(&lock);
}

void iopf_prim_after_item_set(bool gated)
{
	pthread_mutex_lock(&lock);
	if (!hook_is_set)
		hook_before = workqueue_after_item;
	hook_is_set = true;
	hook_gated = gated;
	hook_opened = hook_count = 0;
	pthread_mutex_unlock(&lock);
	__atomic_store_n(&workqueue_after_item, after_item, __ATOMIC_RELEASE);
}

void iopf_prim_after_item_open(int times)
{
	pthread_mutex_lock(&lock);
	hook_opened += times;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

int iopf_prim_after_item_count(void)
{
	int n;

	pthread_mutex_lock(&lock);
	n = hook_count;
	pthread_mutex_unlock(&lock);
	return n;
}

void iopf_prim_after_item_reset(void)
{
	pthread_mutex_lock(&lock);
	if (hook_is_set)
		__atomic_store_n(&workqueue_after_item, hook_before, __ATOMIC_RELEASE);
	hook_is_set = hook_gated = false;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

/* --- waits that are given up --- */

static __thread int poll_countdown, poll_count;

static int poll_once(void)
{
	poll_count++;
	return --poll_countdown <= 0;
}

void iopf_prim_poll_set(int n)
{
	poll_countdown = n;
	poll_count = 0;
	wait_poll = n ? poll_once : NULL;
}

void iopf_prim_poll_call(int (*poll)(void))
{
	wait_poll = poll;
}

int iopf_prim_poll_count(void)
{
	return poll_count;
}

bool iopf_prim_wait_abandoned(void)
{
	bool abandoned = wait_abandoned;

	wait_abandoned = false;
	return abandoned;
}

/* --- queues --- */

struct workqueue_struct *iopf_prim_wq_alloc(const char *name)
{
	return alloc_workqueue("%s", WQ_UNBOUND, 0, name);
}

struct workqueue_struct *iopf_prim_wq_new(const char *name, unsigned int nr_workers)
{
	struct workqueue_struct *wq = iopf_prim_wq_alloc(name);

	if (wq)
		workqueue_set_workers(wq, nr_workers);
	return wq;
}

struct workqueue_struct *iopf_prim_wq_alloc_ordered(const char *name)
{
	return alloc_ordered_workqueue("%s", 0, name);
}

void iopf_prim_wq_drain(struct workqueue_struct *wq)
{
	drain_workqueue(wq);
}

void iopf_prim_wq_set_workers(struct workqueue_struct *wq, unsigned int nr_workers)
{
	workqueue_set_workers(wq, nr_workers);
}

void iopf_prim_wq_flush(struct workqueue_struct *wq)
{
	flush_workqueue(wq);
}

void iopf_prim_wq_destroy(struct workqueue_struct *wq)
{
	destroy_workqueue(wq);
}

unsigned long iopf_prim_wq_run(struct workqueue_struct *wq)
{
	return workqueue_run(wq);
}

bool iopf_prim_wq_wait_idle(struct workqueue_struct *wq, uint64_t timeout_ns)
{
	return workqueue_wait_idle(wq, timeout_ns);
}

bool iopf_prim_wq_current_work_on(struct workqueue_struct *wq)
{
	return current_work_on(wq);
}
