/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read-copy-update with readers that may sleep. Each srcu_struct is a world of its own: a grace period of one waits for its
 * readers alone, so who asks for it inside one of them waits for himself.
 *
 * srcu_read_lock() gives what the srcu_read_unlock() that belongs to it is given, by the same task.
 *
 * Readers may sleep, what call_srcu() was given may not.
 *
 * The runtime defines struct srcu_struct and the functions below.
 */
#ifndef __LINUX_SRCU_H
#define __LINUX_SRCU_H

#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include <srcu.h>		/* the runtime's */

KERNEL_API int init_srcu_struct(struct srcu_struct *ssp);
/* WARN while readers are in, or callbacks have yet to run. */
KERNEL_API void cleanup_srcu_struct(struct srcu_struct *ssp);
KERNEL_API int srcu_read_lock(struct srcu_struct *ssp);
KERNEL_API void srcu_read_unlock(struct srcu_struct *ssp, int index);
/* On threads: is anybody in one? */
KERNEL_API bool srcu_read_lock_held(struct srcu_struct *ssp);
KERNEL_API void synchronize_srcu(struct srcu_struct *ssp);
KERNEL_API void call_srcu(struct srcu_struct *ssp, struct rcu_head *head, rcu_callback_t func);
KERNEL_API void srcu_barrier(struct srcu_struct *ssp);

#define synchronize_srcu_expedited(ssp) synchronize_srcu(ssp)

#define DEFINE_SRCU(name) struct srcu_struct name = __SRCU_INITIALIZER(name)
#define DEFINE_STATIC_SRCU(name) static DEFINE_SRCU(name)

#define srcu_dereference_check(p, ssp, c) ({							\
	__WARN_RULE(!((c) || srcu_read_lock_held(ssp)), "suspicious srcu_dereference_check");	\
	__atomic_load_n(&(p), __ATOMIC_ACQUIRE); })
#define srcu_dereference(p, ssp) srcu_dereference_check(p, ssp, false)

DEFINE_LOCK_GUARD_1(srcu, struct srcu_struct, _T->index = srcu_read_lock(_T->lock), srcu_read_unlock(_T->lock, _T->index),
		    int index)

#endif
