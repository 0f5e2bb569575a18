/* SPDX-License-Identifier: GPL-2.0-only */
/* Giving up the processor. cond_resched() sleeps: not in an RCU reader, not with a spinlock held. */
#ifndef __LINUX_SCHED_H
#define __LINUX_SCHED_H

#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/processor.h>

/* 1: others may have run meanwhile. */
KERNEL_API int cond_resched(void);

#endif
