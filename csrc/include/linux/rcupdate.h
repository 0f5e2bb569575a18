/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read-copy-update.
 *
 * A reader (rcu_read_lock to rcu_read_unlock, nestable) never waits and must not sleep. A grace period ends when
 * every reader that had begun before it has left; kfree_rcu() and call_rcu() act after one, synchronize_rcu() waits
 * for one, rcu_barrier() for everything that was deferred before it. A function that was given to call_rcu() must not sleep.
 *
 * The runtime defines
 *	rcu_read_lock(), rcu_read_unlock(), rcu_read_lock_held()
 *	call_rcu(head, func), synchronize_rcu(), rcu_barrier()
 *	__kfree_rcu(head, object)
 */
#ifndef __LINUX_RCUPDATE_H
#define __LINUX_RCUPDATE_H

#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/slab.h>

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
	__WARN_RULE(!((c) || rcu_read_lock_held()), "suspicious rcu_dereference_check");	\
	__atomic_load_n(&(p), __ATOMIC_ACQUIRE); })
#define rcu_dereference(p) rcu_dereference_check(p, false)
#define rcu_dereference_protected(p, c) ({						\
	__WARN_RULE(!(c), "suspicious rcu_dereference_protected");			\
	__atomic_load_n(&(p), __ATOMIC_RELAXED); })
#define rcu_dereference_raw(p) __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
/* Given on to who is protected by something else from here on. */
#define rcu_pointer_handoff(p) (p)
/* The old one. */
#define rcu_replace_pointer(p, v, c) ({							\
	__typeof__(p) __old_pointer = rcu_dereference_protected(p, c);			\
	rcu_assign_pointer(p, v);							\
	__old_pointer; })
/* For comparing, not for following. */
#define rcu_access_pointer(p) __atomic_load_n(&(p), __ATOMIC_RELAXED)

/* member is the name of the object's struct rcu_head. */
#define kfree_rcu(ptr, member) do {							\
	__typeof__(ptr) __object = (ptr);						\
	if (__object)									\
		__kfree_rcu(&__object->member, __object);				\
} while (0)

#define kvfree_rcu(ptr, member) kfree_rcu(ptr, member)
/* Of an object without a head: may wait for a grace period, and does. */
#define kfree_rcu_mightsleep(ptr) do {							\
	const void *__object = (ptr);							\
	if (__object) {									\
		synchronize_rcu();							\
		kfree(__object);							\
	}										\
} while (0)
#define kvfree_rcu_mightsleep(ptr) kfree_rcu_mightsleep(ptr)

/* Heads need no preparation: this is for debugobjects. */
static inline void init_rcu_head(struct rcu_head *head)
{
	(void)head;
}
#define destroy_rcu_head(head) init_rcu_head(head)
#define init_rcu_head_on_stack(head) init_rcu_head(head)
#define destroy_rcu_head_on_stack(head) init_rcu_head(head)

/* A mark by which one knows whether a head has been given to call_rcu(). */
static inline void rcu_head_init(struct rcu_head *head)
{
	head->func = (rcu_callback_t)~0ul;
}

static inline bool rcu_head_after_call_rcu(struct rcu_head *head, rcu_callback_t func)
{
	rcu_callback_t now = READ_ONCE(head->func);

	(void)WARN_ON(now != func && now != (rcu_callback_t)~0ul);
	return now == func;
}

DEFINE_LOCK_GUARD_0(rcu, rcu_read_lock(), rcu_read_unlock())

#endif
