// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who sleeps counted itself before it tested the condition for the last time, and who wakes counts the wake before it
 * looks for sleepers. Both with full order: one of them sees the other.
 */
#include <futex.h>
#include <linux/wait.h>

u32 __wait_begin(struct wait_queue_head *wq)
{
	__atomic_add_fetch(&wq->waiters, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&wq->wakes, __ATOMIC_SEQ_CST);
}

unsigned long __wait_sleep(struct wait_queue_head *wq, u32 begun, unsigned long left)
{
	might_sleep();
	return futex_wait_jiffies(&wq->wakes, begun, left);
}

void __wait_end(struct wait_queue_head *wq)
{
	__atomic_sub_fetch(&wq->waiters, 1, __ATOMIC_SEQ_CST);
}

void wake_up(struct wait_queue_head *wq)
{
	__atomic_add_fetch(&wq->wakes, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&wq->waiters, __ATOMIC_SEQ_CST))
		futex_wake(&wq->wakes, INT32_MAX);
}
