/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sections in which nobody sleeps, and for which a grace period waits as it does for a reader. They nest. A thread may
 * lose its CPU in one all the same: nothing here depends on that.
 */
#ifndef __LINUX_PREEMPT_H
#define __LINUX_PREEMPT_H

#include <linux/cleanup.h>
#include <linux/compiler.h>

KERNEL_API void preempt_disable(void);
KERNEL_API void preempt_enable(void);

DEFINE_LOCK_GUARD_0(preempt, preempt_disable(), preempt_enable())

#endif
