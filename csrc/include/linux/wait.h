/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wait queues: sleeping until a condition holds.
 *
 * The condition is tested with nothing held, before the first sleep and after each wake. Who makes it true has to wake:
 * a change without a wake is lost on who sleeps already. A wake orders what came before it with the test that follows.
 * waitqueue_active() orders nothing by itself: smp_mb() belongs before it.
 *
 * The runtime defines struct wait_queue_head and
 *	init_waitqueue_head(wq)
 *	__wait_begin(wq)		from now on a wake counts. Returns what __wait_sleep() is given
 *	__wait_sleep(wq, begun, left)	until a wake, or for so many jiffies: those that are left of them
 *	__wait_end(wq)
 *	wake_up(wq), waitqueue_active(wq)
 * Waiting sleeps; no signal interrupts it.
 */
#ifndef __LINUX_WAIT_H
#define __LINUX_WAIT_H

#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/spinlock.h>

#include <wait.h>	/* the runtime's */

KERNEL_API u32 __wait_begin(struct wait_queue_head *wq);
KERNEL_API unsigned long __wait_sleep(struct wait_queue_head *wq, u32 begun, unsigned long left);
KERNEL_API void __wait_end(struct wait_queue_head *wq);
KERNEL_API void wake_up(struct wait_queue_head *wq);

typedef struct wait_queue_head wait_queue_head_t;

#define DECLARE_WAIT_QUEUE_HEAD(name) wait_queue_head_t name = __WAIT_QUEUE_HEAD_INITIALIZER(name)

/* One wakes all who do not wait exclusively, and nobody here can. */
#define wake_up_all(wq) wake_up(wq)
#define wake_up_interruptible(wq) wake_up(wq)
#define wake_up_interruptible_all(wq) wake_up(wq)

/* The jiffies that were left when the condition held, at least 1; 0: it did not hold when the time was over. */
#define __wait_event(wq, condition, timeout, before, after) ({				\
	struct wait_queue_head *__wq = &(wq);						\
	unsigned long __left = (timeout);						\
	bool __held;									\
											\
	while (!(__held = (condition)) && __left) {					\
		u32 __begun = __wait_begin(__wq);					\
											\
		__held = (condition);							\
		if (!__held) {								\
			before;								\
			__left = __wait_sleep(__wq, __begun, __left);			\
			after;								\
		}									\
		__wait_end(__wq);							\
		if (__held)								\
			break;								\
	}										\
	__held ? __left ? __left : 1ul : 0ul; })

#define wait_event(wq, condition) (might_sleep(), (void)__wait_event(wq, condition, MAX_SCHEDULE_TIMEOUT, , ))
#define wait_event_timeout(wq, condition, timeout) (might_sleep(), (long)__wait_event(wq, condition, timeout, , ))
#define wait_event_interruptible(wq, condition) (wait_event(wq, condition), 0)
#define wait_event_killable(wq, condition) (wait_event(wq, condition), 0)
#define wait_event_interruptible_timeout(wq, condition, timeout) wait_event_timeout(wq, condition, timeout)
/* The condition is tested under the spinlock, which is not held while it sleeps. */
#define wait_event_lock_irq(wq, condition, lock)					\
	((void)__wait_event(wq, condition, MAX_SCHEDULE_TIMEOUT, spin_unlock_irq(&(lock)), spin_lock_irq(&(lock))))
#define wait_event_interruptible_lock_irq(wq, condition, lock) (wait_event_lock_irq(wq, condition, lock), 0)

#endif
