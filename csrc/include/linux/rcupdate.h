/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read-copy-update.
 *
 * A reader (rcu_read_lock to rcu_read_unlock, nestable) never waits and must not sleep. A grace period ends when
 * every reader that had begun before it has left; kfree_rcu() and call_rcu() act after one, synchronize_rcu() waits
 * for one, rcu_barrier() for everything that was deferred before it.
 *
 * The runtime defines
 *	rcu_read_lock(), rcu_read_unlock(), rcu_read_lock_held()
 *	call_rcu(head, func), synchronize_rcu(), rcu_barrier()
 *	__kfree_rcu(head, object)
 */
#ifndef __LINUX_RCUPDATE_H
#define __LINUX_RCUPDATE_H

#include <linux/bug.h>
#include <linux/compiler.h>

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);	/* NULL: a kfree_rcu, object says of what */
	void *object;
	u64 epoch;				/* the runtime's: from which grace period on func may run */
};

typedef void (*rcu_callback_t)(struct rcu_head *head);

#include <rcu.h>

/* Publishing is a release, so that who follows the pointer finds what was written before it. */
#define rcu_assign_pointer(p, v) smp_store_release(&(p), (v))
#define RCU_INIT_POINTER(p, v) __atomic_store_n(&(p), (v), __ATOMIC_RELAXED)

/*
 * Dereferences demand a reader, or the condition that makes one unnecessary (a lock held, or true: the caller knows).
 * An acquire load: C has no usable consume, and on x86 it is the same instruction.
 */
#define rcu_dereference_check(p, c) ({							\
	(void)WARN(!((c) || rcu_read_lock_held()), "suspicious rcu_dereference_check");	\
	__atomic_load_n(&(p), __ATOMIC_ACQUIRE); })
#define rcu_dereference(p) rcu_dereference_check(p, false)
#define rcu_dereference_protected(p, c) ({						\
	(void)WARN(!(c), "suspicious rcu_dereference_protected");			\
	__atomic_load_n(&(p), __ATOMIC_RELAXED); })
/* For comparing, not for following. */
#define rcu_access_pointer(p) __atomic_load_n(&(p), __ATOMIC_RELAXED)

/* member is the name of the object's struct rcu_head. */
#define kfree_rcu(ptr, member) do {							\
	__typeof__(ptr) __object = (ptr);						\
	if (__object)									\
		__kfree_rcu(&__object->member, __object);				\
} while (0)

#endif
