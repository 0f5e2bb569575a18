/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Readers write the epoch in which they began into their own thread record and clear it on the way out: two plain
 * stores. The barrier that a reader would need after the first one is paid by whoever waits for readers, with
 * membarrier (rcu.c tells the whole protocol).
 */
#ifndef IOPF_NATIVE_RCU_H
#define IOPF_NATIVE_RCU_H

#include "thread.h"

KERNEL_API extern u64 rcu_epoch_now;	/* never 0 */

KERNEL_API void call_rcu(struct rcu_head *head, rcu_callback_t func);
KERNEL_API void __kfree_rcu(struct rcu_head *head, void *object);
KERNEL_API void synchronize_rcu(void);
KERNEL_API void rcu_barrier(void);

static inline void rcu_read_lock(void)
{
	struct thread *self = thread_current();

	if (unlikely(thread_in_reader(self))) {
		self->rcu_nesting++;
		return;
	}
	/* Release: who sees this epoch has also everything of the reader before it behind. */
	__atomic_store_n(&self->rcu_epoch, __atomic_load_n(&rcu_epoch_now, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
	barrier();
}

static inline void rcu_read_unlock(void)
{
	struct thread *self = thread_current();

	barrier();
	if (unlikely(self->rcu_nesting))
		self->rcu_nesting--;
	else if (!WARN(!thread_in_reader(self), "unbalanced rcu_read_unlock"))
		__atomic_store_n(&self->rcu_epoch, 0, __ATOMIC_RELEASE);
}

static inline bool rcu_read_lock_held(void)
{
	return thread_in_reader(thread_current());
}

#endif
