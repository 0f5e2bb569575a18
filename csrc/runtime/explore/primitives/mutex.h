/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_EXPLORE_MUTEX_H
#define IOPF_EXPLORE_MUTEX_H

#include <linux/compiler.h>

/* One place that initialises locks. Constant: nothing of an execution stays in it. */
struct lock_class {
	const char *name;
	const char *file;
	int line;
};

struct mutex {
	u64 owner;			/* the execution's number, and the task's + 1; 0, or an old execution: free */
	const struct lock_class *class;
};

#define __MUTEX_INITIALIZER(name) { 0, NULL }

KERNEL_API void __mutex_init(struct mutex *lock, const struct lock_class *class);
KERNEL_API void mutex_lock(struct mutex *lock);
KERNEL_API bool mutex_trylock(struct mutex *lock);
KERNEL_API void mutex_unlock(struct mutex *lock);
KERNEL_API bool mutex_is_locked(struct mutex *lock);
KERNEL_API bool mutex_is_held_by_current(struct mutex *lock);
KERNEL_API void mutex_destroy(struct mutex *lock);

#define mutex_init(lock) do {									\
	static const struct lock_class __lock_class = { #lock, __FILE__, __LINE__ };		\
	__mutex_init((lock), &__lock_class);							\
} while (0)

#endif
