/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unbound workqueues.
 *
 * An item is PENDING from queue_work() until a worker takes it; PENDING is cleared before the function runs, so a
 * function may queue its item again and may free it. One item never runs on two workers at once. flush_workqueue()
 * waits for what was queued on the whole queue before the call; destroy_workqueue() drains, items may only queue
 * further items of the same queue meanwhile, then the queue is gone.
 *
 * Of one item: flush_work() waits until its last queueing so far has run, and for nothing else; true: it had to wait.
 * cancel_work() takes it back where it is PENDING (true) and waits for nothing. cancel_work_sync() does that, waits while
 * it runs, and keeps it from being queued meanwhile, by itself too: afterwards it is idle, unless somebody queues it anew.
 * Neither may be called by the item itself for itself, which would wait for its own end.
 *
 * The runtime defines struct work_struct, struct workqueue_struct and
 *	INIT_WORK(work, func)
 *	queue_work(wq, work)		false when it was PENDING already
 *	alloc_workqueue(fmt, flags, max_active, ...)
 *	flush_workqueue(wq), destroy_workqueue(wq)
 *	flush_work(work), cancel_work(work), cancel_work_sync(work)
 *	work_pending(work), work_busy(work)	what was so a moment ago
 *	current_work_on(wq)		is the caller inside an item of wq
 */
#ifndef __LINUX_WORKQUEUE_H
#define __LINUX_WORKQUEUE_H

#include <linux/compiler.h>
#include <linux/list.h>

struct work_struct;
struct workqueue_struct;

typedef void (*work_func_t)(struct work_struct *work);

#define WQ_UNBOUND 2u

/* work_busy() */
#define WORK_BUSY_PENDING 1u
#define WORK_BUSY_RUNNING 2u

#include <workqueue.h>

KERNEL_API bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
KERNEL_API struct workqueue_struct * __printf(1, 4)
alloc_workqueue(const char *format, unsigned int flags, int max_active, ...);
KERNEL_API void flush_workqueue(struct workqueue_struct *wq);
KERNEL_API void destroy_workqueue(struct workqueue_struct *wq);
KERNEL_API bool current_work_on(struct workqueue_struct *wq);
KERNEL_API bool flush_work(struct work_struct *work);
KERNEL_API bool cancel_work(struct work_struct *work);
KERNEL_API bool cancel_work_sync(struct work_struct *work);
KERNEL_API unsigned int work_busy(struct work_struct *work);

#define INIT_WORK_ONSTACK(work, func) INIT_WORK(work, func)
#define destroy_work_on_stack(work) ((void)(work))

#endif
