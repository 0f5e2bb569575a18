/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Timers: a function that is called when the time has come, or later, in a context that must not sleep.
 *
 * A timer is pending from mod_timer() until its function is called, which may arm it again and may free it. timer_delete()
 * takes it back where it is pending (true) and waits for nothing; timer_delete_sync() waits while the function runs, too: not
 * from the function itself, nor with a lock that it takes. timer_shutdown_sync() does that, and arming it does nothing from
 * then on. Two timers expire in any order. A timer that nobody takes back expires.
 *
 * Under the explorer time is virtual: a pending timer expires at any moment, whatever its time.
 *
 * The runtime defines struct timer_list and the functions below.
 */
#ifndef __LINUX_TIMER_H
#define __LINUX_TIMER_H

#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <time.h>		/* has a timer_delete() of its own */

struct timer_list;

typedef void (*timer_func_t)(struct timer_list *timer);

#define TIMER_DEFERRABLE 1u
#define TIMER_PINNED 2u
#define TIMER_IRQSAFE 4u

#include <timer.h>		/* the runtime's */

KERNEL_API void __timer_setup(struct timer_list *timer, timer_func_t function);
/* False: it was not pending. */
KERNEL_API bool mod_timer(struct timer_list *timer, unsigned long expires);
KERNEL_API bool timer_pending(struct timer_list *timer);
KERNEL_API bool __timer_delete(struct timer_list *timer);
KERNEL_API bool timer_delete_sync(struct timer_list *timer);
KERNEL_API bool timer_shutdown_sync(struct timer_list *timer);

#define timer_delete(timer) __timer_delete(timer)
#define timer_setup(timer, function, flags) ((void)(flags), __timer_setup(timer, function))
#define timer_setup_on_stack(timer, function, flags) timer_setup(timer, function, flags)
#define timer_destroy_on_stack(timer) ((void)(timer))
#define DEFINE_TIMER(name, function) struct timer_list name = __TIMER_INITIALIZER(function)

static inline void add_timer(struct timer_list *timer)
{
	if (!WARN_ON(timer_pending(timer)))
		mod_timer(timer, timer->expires);
}

#define timer_container_of(var, timer, member) container_of(timer, __typeof__(*(var)), member)
#define from_timer(var, timer, member) timer_container_of(var, timer, member)
#define del_timer(timer) timer_delete(timer)
#define del_timer_sync(timer) timer_delete_sync(timer)

#endif
