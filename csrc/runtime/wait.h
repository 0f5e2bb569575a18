/* SPDX-License-Identifier: GPL-2.0-only */
/* What linux/wait.h includes on the runtimes that run on threads (threads/waitqueue.c). */
#ifndef IOPF_RUNTIME_WAIT_H
#define IOPF_RUNTIME_WAIT_H

struct wait_queue_head {
	u32 wakes;	/* so far; a futex word */
	u32 waiters;
};

#define __WAIT_QUEUE_HEAD_INITIALIZER(name) { 0, 0 }

static inline void init_waitqueue_head(struct wait_queue_head *wq)
{
	__atomic_store_n(&wq->wakes, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&wq->waiters, 0, __ATOMIC_RELAXED);
}

static inline bool waitqueue_active(struct wait_queue_head *wq)
{
	return __atomic_load_n(&wq->waiters, __ATOMIC_RELAXED) != 0;
}

#endif
