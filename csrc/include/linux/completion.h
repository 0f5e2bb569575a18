/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waiting for something to be done by others.
 *
 * complete() lets one waiter on, whether it waits already or comes later: they are counted. complete_all() lets all on,
 * for good, until reinit_completion(). What came before complete() is seen after the wait that it ended. The memory may go
 * as soon as the wait has returned: complete() does not look at it any more.
 *
 * The runtime defines struct completion and
 *	init_completion(x), reinit_completion(x), complete(x), complete_all(x)
 *	try_wait_for_completion(x), completion_done(x)
 *	__wait_for_completion(x, timeout)	the jiffies that were left, at least 1; 0: the time is over
 * Waiting sleeps. Nothing here can be interrupted by a signal, so the forms that could never are.
 */
#ifndef __LINUX_COMPLETION_H
#define __LINUX_COMPLETION_H

#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>

#include <completion.h>		/* the runtime's */

KERNEL_API void complete(struct completion *x);
KERNEL_API void complete_all(struct completion *x);
KERNEL_API unsigned long __wait_for_completion(struct completion *x, unsigned long timeout);
KERNEL_API bool try_wait_for_completion(struct completion *x);

#define DECLARE_COMPLETION(name) struct completion name = COMPLETION_INITIALIZER(name)
#define DECLARE_COMPLETION_ONSTACK(name) DECLARE_COMPLETION(name)

#define wait_for_completion(x) ((void)__wait_for_completion((x), MAX_SCHEDULE_TIMEOUT))
#define wait_for_completion_timeout(x, timeout) __wait_for_completion((x), (timeout))
#define wait_for_completion_interruptible(x) (wait_for_completion(x), 0)
#define wait_for_completion_killable(x) (wait_for_completion(x), 0)
#define wait_for_completion_interruptible_timeout(x, timeout) ((long)__wait_for_completion((x), (timeout)))
#define wait_for_completion_killable_timeout(x, timeout) ((long)__wait_for_completion((x), (timeout)))

#endif
