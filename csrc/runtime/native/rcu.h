/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Readers write the epoch in which they began into their own thread record and clear it on the way out: two plain
 * stores. The barrier that a reader would need after the first one is paid by whoever waits for readers, with
 * membarrier (rcu.c tells the whole protocol).
 */
#ifndef IOPF_NATIVE_RCU_H
#define IOPF_NATIVE_RCU_H

#include "thread.h"

KERNEL_API extern u64 rcu_epoch_now;	/* with the mark of a reader: what one notes down */

KERNEL_API void call_rcu(struct rcu_head *head, rcu_callback_t func);
KERNEL_API void __kfree_rcu(struct rcu_head *head, void *object);
KERNEL_API void synchronize_rcu(void);
KERNEL_API void rcu_barrier(void);
KERNEL_API __cold void rcu_read_lock_slow(void);
KERNEL_API __cold void rcu_read_unlock_slow(void);

/* WARN when the caller is inside an RCU reader, or must not lose its CPU, and say whether it is. */
KERNEL_API bool might_sleep_in_reader(void);

static inline void rcu_read_lock(void)
{
	struct thread *self = thread_stable();

	if (unlikely(thread_in_reader_or_nobody(self)))
		rcu_read_lock_slow();
	else
		/* Release: whoever sees this epoch sees all that the reader before it did. */
		__atomic_store_n(&self->rcu_epoch, __atomic_load_n(&rcu_epoch_now, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
	barrier();
}

static inline void rcu_read_unlock(void)
{
	struct thread *self = thread_stable();

	barrier();
	/* Not in a reader, nested, nobody: all of these have other marks. */
	if (unlikely((u8)__atomic_load_n(&self->rcu_epoch, __ATOMIC_RELAXED) != RCU_READER))
		rcu_read_unlock_slow();
	else
		__atomic_store_n(&self->rcu_epoch, 0, __ATOMIC_RELEASE);
}

static inline bool rcu_read_lock_held(void)
{
	return likely(thread_in_reader(thread_stable())) || thread_in_reader(thread_self);
}

#endif
