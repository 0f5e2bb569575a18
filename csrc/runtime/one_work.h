/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the calls about one item (threads/one_item.c) need of a runtime, and which queues there are (shared/queues.c).
 *
 * An item remembers the queue that it was queued on last, and may outlive it. So nobody follows that pointer before it has
 * asked whether the queue is still there, and while it is held, it stays.
 */
#ifndef IOPF_RUNTIME_ONE_WORK_H
#define IOPF_RUNTIME_ONE_WORK_H

#include <linux/workqueue.h>

/* --- shared/queues.c; part of each queue --- */

struct live_queue {
	struct live_queue *next;
	const void *queue;
	unsigned int holders;
};

void live_queue_add(struct live_queue *live, const void *queue);
/* Waits for those who hold it. */
void live_queue_remove(struct live_queue *live);
/* The queue of that address, held; NULL: there is none any more. */
struct live_queue *live_queue_hold(const void *queue);
void live_queue_let_go(struct live_queue *live);
void live_queues_after_fork(void);

/* --- threads/one_item.c: with the timer of a delayed item, NULL: of another --- */

/* Takes PENDING from wherever it is, for who queues the item next. True: it was PENDING. */
bool work_grab(struct work_struct *work, struct timer_list *timer);
bool work_cancel(struct work_struct *work, struct timer_list *timer);
bool work_cancel_sync(struct work_struct *work, struct timer_list *timer);

/* --- the runtime's --- */

/* The caller has PENDING: queues the item. */
void work_queue_taken(struct workqueue_struct *wq, struct work_struct *work);

/* --- the runtime's; its caller holds the queue --- */

/* In place of the queue: the item was dropped by a queue that drains, and is PENDING for ever. */
#define WORK_DROPPED ((struct workqueue_struct *)-1l)

/* Takes the item off the queue. False: it is not queued there. */
bool work_take_off(struct workqueue_struct *wq, struct work_struct *work);
/* Waits until it does not run and, if queued_too, its last queueing so far has run. True: it had to wait. */
bool work_wait(struct workqueue_struct *wq, struct work_struct *work, bool queued_too);
bool work_is_running(struct workqueue_struct *wq, struct work_struct *work);
/* Is the current thread in it? */
bool work_is_current(const struct work_struct *work);

#endif
