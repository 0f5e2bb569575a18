/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * native/: the kernel's primitives made fast, on real threads. A header by the name of each primitive is what a core gets
 * inline; this is what the files of the room tell each other.
 *
 * The room may use shared/ and the headers beside it (runtime.h says which), the system, and nothing of a core.
 */
#ifndef IOPF_NATIVE_INTERNAL_H
#define IOPF_NATIVE_INTERNAL_H

#include <futex.h>
#include <linux/processor.h>
#include <linux/rcupdate.h>
#include <membarrier.h>

#include "thread.h"

/* system.c */
extern unsigned int runtime_cpus;
extern unsigned int runtime_pauses;	/* how many cpu_relax() take a microsecond, about */
void cpus_count(void);

/* thread.c: what else is done with a thread that comes, and with one that goes. Set before there is one (runtime.c). */
extern struct thread_hooks {
	void (*attached)(struct thread *self);
	void (*exits)(struct thread *self);
} thread_hooks;

/* refcount.c: a lost thread may have been in the middle of a change. */
void refcount_after_fork(void);
void thread_after_fork(void);
void slab_after_fork(void);
void rcu_after_fork(void);
void slab_start(void);
void slab_thread_start(struct thread *self);
void slab_thread_exit(struct thread *self);

/*
 * For the runtime's own short sections: a mutex as the kernel's raw spinlocks are used, inside RCU readers too.
 * Included after linux/mutex.h.
 */
#define raw_lock(lock) do {								\
	struct mutex *__lock = (lock);							\
	u32 __id = thread_id(thread_current());						\
											\
	if (unlikely(!__mutex_take(__lock, __id)))					\
		mutex_lock_contended(__lock, __id);					\
} while (0)
#define raw_unlock(lock) mutex_unlock(lock)

#endif
