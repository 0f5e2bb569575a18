/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reader counts the sections that its thread has begun and left, so an odd number says "inside", and a full fence
 * keeps what it reads behind that number. Whoever waits for readers unpublishes, passes a fence of its own, and looks
 * at every thread: the two fences have an order, so either the number is seen or the reader sees what was unpublished.
 */
#ifndef IOPF_PLAIN_RCU_H
#define IOPF_PLAIN_RCU_H

/* Never freed: a thread that ends leaves its record to the next one. */
struct rcu_reader {
	unsigned int nesting;		/* the thread's own */
	unsigned long sections;		/* odd: inside one */
	int in_use;
	struct rcu_reader *next;
} __attribute__((aligned(64)));

KERNEL_API extern __thread struct rcu_reader *rcu_reader_self __attribute__((tls_model("initial-exec")));
KERNEL_API struct rcu_reader *rcu_reader_attach(void);

KERNEL_API void call_rcu(struct rcu_head *head, rcu_callback_t func);
KERNEL_API void __kfree_rcu(struct rcu_head *head, void *object);
KERNEL_API void synchronize_rcu(void);
KERNEL_API void rcu_barrier(void);

/* WARN when the caller is inside an RCU reader, and say whether it is. */
KERNEL_API bool might_sleep_in_reader(void);

static inline struct rcu_reader *rcu_reader_current(void)
{
	return likely(rcu_reader_self) ? rcu_reader_self : rcu_reader_attach();
}

static inline void rcu_read_lock(void)
{
	struct rcu_reader *self = rcu_reader_current();

	if (self->nesting++ == 0) {
		/* Release: who sees this section has also the one before it behind. */
		__atomic_store_n(&self->sections, self->sections + 1, __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
}

static inline void rcu_read_unlock(void)
{
	struct rcu_reader *self = rcu_reader_current();

	if (!WARN(!self->nesting, "unbalanced rcu_read_unlock") && --self->nesting == 0)
		__atomic_store_n(&self->sections, self->sections + 1, __ATOMIC_RELEASE);
}

static inline bool rcu_read_lock_held(void)
{
	return rcu_reader_current()->nesting != 0;
}

#endif
