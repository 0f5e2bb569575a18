/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reader notes in its thread's record since which generation it reads: two plain stores are all that it pays. Whoever
 * waits for readers unpublishes, begins a new generation, makes every running thread pass a full barrier (membarrier),
 * and looks at every thread. A reader whose note comes before that barrier is seen; one whose note comes after it looks
 * for what it reads after it as well, and does not find what was unpublished.
 */
#ifndef IOPF_PLAIN_RCU_H
#define IOPF_PLAIN_RCU_H

#include "thread.h"

KERNEL_API extern u64 rcu_generation;	/* never 0 */

KERNEL_API void call_rcu(struct rcu_head *head, rcu_callback_t func);
KERNEL_API void __kfree_rcu(struct rcu_head *head, void *object);
KERNEL_API void synchronize_rcu(void);
KERNEL_API void rcu_barrier(void);

/* WARN when the caller is inside an RCU reader, or must not lose its CPU, and say whether it is. */
KERNEL_API bool might_sleep_in_reader(void);

static inline void rcu_read_lock(void)
{
	struct thread *self = thread_current();

	if (self->sections++ == 0)
		/* Release: whoever sees this reader sees all that the one before it did. */
		__atomic_store_n(&self->since, __atomic_load_n(&rcu_generation, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
	barrier();
}

static inline void rcu_read_unlock(void)
{
	struct thread *self = thread_current();

	barrier();
	if (!WARN(self->sections == self->unpreempted, "unbalanced rcu_read_unlock") && --self->sections == 0)
		__atomic_store_n(&self->since, 0, __ATOMIC_RELEASE);
}

static inline bool rcu_read_lock_held(void)
{
	const struct thread *self = thread_current();

	return self->sections != self->unpreempted;
}

#endif
