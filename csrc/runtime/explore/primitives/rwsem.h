/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_EXPLORE_RWSEM_H
#define IOPF_EXPLORE_RWSEM_H

#include <linux/mutex.h>	/* struct lock_class */

struct rw_semaphore {
	u64 readers;			/* tasks, as bits */
	const struct lock_class *class;
	u32 execution;			/* of which the rest is; of an old one nobody has it */
	int writer;			/* the task's number + 1 */
	int waiters;			/* how many wait */
};

#define __RWSEM_INITIALIZER(name) { .class = NULL }

KERNEL_API void __init_rwsem(struct rw_semaphore *sem, const struct lock_class *class);

#define init_rwsem(sem) do {									\
	static const struct lock_class __lock_class = { #sem, __FILE__, __LINE__ };		\
	__init_rwsem((sem), &__lock_class);							\
} while (0)

#endif
