/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reader notes in its thread's record since which generation it reads, and a full fence keeps what it reads behind
 * that note. Whoever waits for readers unpublishes, begins a new generation, passes a fence of its own, and looks at
 * every thread: the two fences have an order, so either the note is seen or the reader sees what was unpublished.
 */
#ifndef IOPF_PLAIN_RCU_H
#define IOPF_PLAIN_RCU_H

/* Never freed: a thread that ends leaves its record to the next one. */
struct rcu_reader {
	unsigned int nesting;		/* the thread's own */
	u64 since;			/* generation; 0: no reader here */
	int in_use;
	struct rcu_reader *next;
} __attribute__((aligned(64)));

KERNEL_API extern u64 rcu_generation;	/* never 0 */
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
		/* Release: who sees this reader has also the one before it behind. */
		__atomic_store_n(&self->since, __atomic_load_n(&rcu_generation, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
}

static inline void rcu_read_unlock(void)
{
	struct rcu_reader *self = rcu_reader_current();

	if (!WARN(!self->nesting, "unbalanced rcu_read_unlock") && --self->nesting == 0)
		__atomic_store_n(&self->since, 0, __ATOMIC_RELEASE);
}

static inline bool rcu_read_lock_held(void)
{
	return rcu_reader_current()->nesting != 0;
}

#endif
