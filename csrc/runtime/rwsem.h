/* SPDX-License-Identifier: GPL-2.0-only */
/* What linux/rwsem.h includes on the runtimes that run on threads (threads/rwsem.c). */
#ifndef IOPF_RUNTIME_RWSEM_H
#define IOPF_RUNTIME_RWSEM_H

#include <pthread.h>

struct thread;
struct rwsem_waiter;

#define RWSEM_KNOWN_READERS 8

struct rw_semaphore {
	pthread_mutex_t lock;		/* of what follows; held for moments */
	struct rwsem_waiter *waiters;	/* in the order in which they came */
	struct thread *writer;
	unsigned int readers;
	unsigned int unknown;		/* those of them who found no room */
	struct thread *who[RWSEM_KNOWN_READERS];
};

#define __RWSEM_INITIALIZER(name) { .lock = PTHREAD_MUTEX_INITIALIZER }

KERNEL_API void init_rwsem(struct rw_semaphore *sem);

#endif
