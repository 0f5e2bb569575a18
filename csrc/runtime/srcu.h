/* SPDX-License-Identifier: GPL-2.0-only */
/* What linux/srcu.h includes on the runtimes that run on threads (threads/srcu.c). */
#ifndef IOPF_RUNTIME_SRCU_H
#define IOPF_RUNTIME_SRCU_H

#include <pthread.h>

struct srcu_struct {
	pthread_mutex_t lock;		/* of all but grace */
	pthread_mutex_t grace;		/* one grace period at a time */
	pthread_cond_t left;		/* the last of the readers that are waited for */
	unsigned int readers[2];
	int index;			/* where a reader that begins counts itself */
	struct rcu_head *first, **tail;	/* callbacks */
	unsigned long queued, invoked;
	struct work_struct work;	/* that runs them */
};

KERNEL_API void __srcu_work(struct work_struct *work);

#define __SRCU_INITIALIZER(name) {							\
	.lock = PTHREAD_MUTEX_INITIALIZER, .grace = PTHREAD_MUTEX_INITIALIZER,		\
	.left = PTHREAD_COND_INITIALIZER, .tail = &(name).first,			\
	.work = __WORK_INITIALIZER((name).work, __srcu_work),				\
}

#endif
