// SPDX-License-Identifier: GPL-2.0-only
/* Items that are queued by a timer. Who has PENDING arms it, and who takes the timer off has PENDING. */
#include <linux/kernel.h>
#include <one_work.h>

void __delayed_work_timer(struct timer_list *timer)
{
	struct delayed_work *dwork = container_of(timer, struct delayed_work, timer);

	work_queue_taken(dwork->wq, &dwork->work);
}

static void arm(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay)
{
	if (!delay) {
		work_queue_taken(wq, &dwork->work);
		return;
	}
	dwork->wq = wq;
	mod_timer(&dwork->timer, jiffies + delay);
}

bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay)
{
	if (__atomic_exchange_n(&dwork->work.pending, 1, __ATOMIC_SEQ_CST))
		return false;
	arm(wq, dwork, delay);
	return true;
}

bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay)
{
	bool was_pending = work_grab(&dwork->work, &dwork->timer);

	arm(wq, dwork, delay);
	return was_pending;
}

bool flush_delayed_work(struct delayed_work *dwork)
{
	might_sleep();
	if (timer_delete_sync(&dwork->timer))
		work_queue_taken(dwork->wq, &dwork->work);
	return flush_work(&dwork->work);
}

bool cancel_delayed_work(struct delayed_work *dwork)
{
	return work_cancel(&dwork->work, &dwork->timer);
}

bool cancel_delayed_work_sync(struct delayed_work *dwork)
{
	return work_cancel_sync(&dwork->work, &dwork->timer);
}
