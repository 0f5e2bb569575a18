// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for one item, and taking it back.
 *
 * Who cancels takes PENDING, as if to queue the item: meanwhile nobody else can, the item itself neither.
 */
#include <linux/bug.h>
#include <linux/kernel.h>
#include <one_work.h>
#include <sched.h>

/* The queue that it was queued on last, held; NULL: there is none, or none any more. */
static struct workqueue_struct *hold_queue(struct work_struct *work, struct live_queue **held)
{
	struct workqueue_struct *wq = __atomic_load_n(&work->wq, __ATOMIC_ACQUIRE);

	*held = wq ? live_queue_hold(wq) : NULL;
	return *held ? wq : NULL;
}

bool flush_work(struct work_struct *work)
{
	struct live_queue *held;
	struct workqueue_struct *wq;
	bool waited;

	might_sleep();
	if (WARN(work_is_current(work), "flush_work from the work itself"))
		return false;
	wq = hold_queue(work, &held);
	if (!wq)
		return false;
	waited = work_wait(wq, work, true);
	live_queue_let_go(held);
	return waited;
}

static bool take_off(struct work_struct *work)
{
	struct live_queue *held;
	struct workqueue_struct *wq = hold_queue(work, &held);
	bool taken = wq && work_take_off(wq, work);

	if (wq)
		live_queue_let_go(held);
	return taken;
}

/* Takes PENDING, until it is given back. True: the item was queued, and is not any more. */
bool work_grab(struct work_struct *work, struct timer_list *timer)
{
	for (;; sched_yield()) {	/* somebody is just queueing it, or cancels it, too */
		struct workqueue_struct *dropped = WORK_DROPPED;
		int idle = 0;

		if (__atomic_compare_exchange_n(&work->pending, &idle, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return false;
		if (timer && timer_delete(timer))
			return true;
		if (__atomic_compare_exchange_n(&work->wq, &dropped, NULL, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED) ||
		    take_off(work))
			return true;
	}
}

static void give_back(struct work_struct *work)
{
	__atomic_exchange_n(&work->pending, 0, __ATOMIC_SEQ_CST);
}

bool work_cancel(struct work_struct *work, struct timer_list *timer)
{
	bool was_pending;

	if (!work_pending(work))
		return false;
	was_pending = work_grab(work, timer);
	give_back(work);
	return was_pending;
}

bool work_cancel_sync(struct work_struct *work, struct timer_list *timer)
{
	struct live_queue *held;
	struct workqueue_struct *wq;
	bool was_pending;

	might_sleep();
	was_pending = work_grab(work, timer);
	if (!WARN(work_is_current(work), "cancel_work_sync from the work itself")) {
		wq = hold_queue(work, &held);
		if (wq) {
			work_wait(wq, work, false);
			live_queue_let_go(held);
		}
	}
	give_back(work);
	return was_pending;
}

bool cancel_work(struct work_struct *work)
{
	return work_cancel(work, NULL);
}

bool cancel_work_sync(struct work_struct *work)
{
	return work_cancel_sync(work, NULL);
}

unsigned int work_busy(struct work_struct *work)
{
	struct live_queue *held;
	struct workqueue_struct *wq = hold_queue(work, &held);
	unsigned int busy = work_pending(work) ? WORK_BUSY_PENDING : 0;

	if (wq) {
		busy |= work_is_running(wq, work) ? WORK_BUSY_RUNNING : 0;
		live_queue_let_go(held);
	}
	return busy;
}
