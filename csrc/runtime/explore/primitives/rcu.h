/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_EXPLORE_RCU_H
#define IOPF_EXPLORE_RCU_H

KERNEL_API void rcu_read_lock(void);
KERNEL_API void rcu_read_unlock(void);
KERNEL_API bool rcu_read_lock_held(void);
KERNEL_API void call_rcu(struct rcu_head *head, rcu_callback_t func);
KERNEL_API void __kfree_rcu(struct rcu_head *head, void *object);
KERNEL_API void synchronize_rcu(void);
KERNEL_API void rcu_barrier(void);

#endif
