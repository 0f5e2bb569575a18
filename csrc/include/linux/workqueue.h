/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unbound workqueues.
 *
 * An item is PENDING from queue_work() until a worker takes it; PENDING is cleared before the function runs, so a
 * function may queue its item again and may free it. One item never runs on two workers at once. flush_workqueue()
 * waits for what was queued on the whole queue before the call; drain_workqueue() until nothing is left, and
 * destroy_workqueue() drains: items may only queue further items of the same queue meanwhile, others are dropped with a
 * WARN although queue_work() says true.
 *
 * So many items of a queue run at once as max_active says, 0: as many as there are (on threads no more than 32 in any case); of
 * an ordered queue one, in the order in which they were queued. On a processor, in a hurry, without memory, frozen: those flags change no order.
 *
 * Of one item: flush_work() waits until its last queueing so far has run, and for nothing else; true: it had to wait.
 * cancel_work() takes it back where it is PENDING (true) and waits for nothing. cancel_work_sync() does that, waits while
 * it runs, and keeps it from being queued meanwhile, by itself too: afterwards it is idle, unless somebody queues it anew.
 * Neither may be called by the item itself for itself, which would wait for its own end.
 *
 * A delayed item is PENDING from queue_delayed_work() on, and is queued when its timer expires. The calls for items alone
 * (flush_work() and so on) do not see that timer: those with delayed in their names do.
 *
 * The runtime defines struct work_struct, struct workqueue_struct, and the functions below.
 */
#ifndef __LINUX_WORKQUEUE_H
#define __LINUX_WORKQUEUE_H

#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/refuse.h>
#include <linux/timer.h>

struct work_struct;
struct workqueue_struct;

typedef void (*work_func_t)(struct work_struct *work);

#define WQ_UNBOUND 2u
#define WQ_FREEZABLE 4u
#define WQ_MEM_RECLAIM 8u
#define WQ_HIGHPRI 16u
#define WQ_CPU_INTENSIVE 32u
#define WQ_SYSFS 64u
#define WQ_POWER_EFFICIENT 128u
#define WQ_PERCPU 256u
#define __WQ_ORDERED 0x20000u
#define WQ_BH \
	__REFUSED("WQ_BH is not here: there is no softirq to run works in, use a timer (linux/timer.h) or an ordinary queue") 0u

#define WORK_CPU_UNBOUND 64

/* work_busy() */
#define WORK_BUSY_PENDING 1u
#define WORK_BUSY_RUNNING 2u

#include <workqueue.h>

struct delayed_work {
	struct work_struct work;
	struct timer_list timer;
	struct workqueue_struct *wq;	/* that it goes to when the timer expires */
};

KERNEL_API bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
KERNEL_API struct workqueue_struct * __printf(1, 4)
alloc_workqueue(const char *format, unsigned int flags, int max_active, ...);
#define alloc_ordered_workqueue(format, flags, args...) \
	alloc_workqueue(format, WQ_UNBOUND | __WQ_ORDERED | (flags), 1, ##args)
KERNEL_API void flush_workqueue(struct workqueue_struct *wq);
KERNEL_API void drain_workqueue(struct workqueue_struct *wq);
KERNEL_API void destroy_workqueue(struct workqueue_struct *wq);
/* Is the caller inside an item of wq? */
KERNEL_API bool current_work_on(struct workqueue_struct *wq);
KERNEL_API bool flush_work(struct work_struct *work);
KERNEL_API bool cancel_work(struct work_struct *work);
KERNEL_API bool cancel_work_sync(struct work_struct *work);
/* What was so a moment ago; work_pending() likewise. */
KERNEL_API unsigned int work_busy(struct work_struct *work);
/* The item that the caller is in, NULL: none. */
KERNEL_API struct work_struct *current_work(void);

#define INIT_WORK_ONSTACK(work, func) INIT_WORK(work, func)
#define destroy_work_on_stack(work) ((void)(work))
#define DECLARE_WORK(name, func) struct work_struct name = __WORK_INITIALIZER(name, func)
#define queue_work_on(cpu, wq, work) ((void)(cpu), queue_work(wq, work))
#define queue_work_node(node, wq, work) ((void)(node), queue_work(wq, work))

/* --- delayed --- */

KERNEL_API void __delayed_work_timer(struct timer_list *timer);

static inline void INIT_DELAYED_WORK(struct delayed_work *dwork, work_func_t func)
{
	INIT_WORK(&dwork->work, func);
	timer_setup(&dwork->timer, __delayed_work_timer, 0);
	dwork->wq = NULL;
}
#define INIT_DELAYED_WORK_ONSTACK(dwork, func) INIT_DELAYED_WORK(dwork, func)
#define destroy_delayed_work_on_stack(dwork) ((void)(dwork))
/* Its timer may be late, which any may be. */
#define INIT_DEFERRABLE_WORK(dwork, func) INIT_DELAYED_WORK(dwork, func)
#define DECLARE_DELAYED_WORK(name, func) struct delayed_work name = {			\
	.work = __WORK_INITIALIZER((name).work, func),					\
	.timer = __TIMER_INITIALIZER(__delayed_work_timer),				\
}

static inline struct delayed_work *to_delayed_work(struct work_struct *work)
{
	return container_of(work, struct delayed_work, work);
}

/* False: it was PENDING already. Without a delay it is queued at once. */
KERNEL_API bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay);
/* PENDING or not, it is queued after so long from now. True: it was PENDING. */
KERNEL_API bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay);
/* Queues it at once if its timer runs, and flushes it. */
KERNEL_API bool flush_delayed_work(struct delayed_work *dwork);
KERNEL_API bool cancel_delayed_work(struct delayed_work *dwork);
KERNEL_API bool cancel_delayed_work_sync(struct delayed_work *dwork);
#define delayed_work_pending(dwork) work_pending(&(dwork)->work)
#define queue_delayed_work_on(cpu, wq, dwork, delay) ((void)(cpu), queue_delayed_work(wq, dwork, delay))
#define mod_delayed_work_on(cpu, wq, dwork, delay) ((void)(cpu), mod_delayed_work(wq, dwork, delay))

/* --- the system's queues: everybody's, so nobody flushes one --- */

enum system_workqueue { SYSTEM_WQ, SYSTEM_HIGHPRI_WQ, SYSTEM_LONG_WQ, SYSTEM_UNBOUND_WQ, NR_SYSTEM_WQS };

KERNEL_API struct workqueue_struct *__system_workqueue(enum system_workqueue which);

#define system_wq __system_workqueue(SYSTEM_WQ)
#define system_percpu_wq __system_workqueue(SYSTEM_WQ)
#define system_highpri_wq __system_workqueue(SYSTEM_HIGHPRI_WQ)
#define system_long_wq __system_workqueue(SYSTEM_LONG_WQ)
#define system_unbound_wq __system_workqueue(SYSTEM_UNBOUND_WQ)
#define system_dfl_wq __system_workqueue(SYSTEM_UNBOUND_WQ)
#define system_freezable_wq __system_workqueue(SYSTEM_WQ)
#define system_power_efficient_wq __system_workqueue(SYSTEM_WQ)
#define schedule_work(work) queue_work(system_wq, work)
#define schedule_work_on(cpu, work) queue_work_on(cpu, system_wq, work)
#define schedule_delayed_work(dwork, delay) queue_delayed_work(system_wq, dwork, delay)

#endif
