/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_EXPLORE_SPINLOCK_H
#define IOPF_EXPLORE_SPINLOCK_H

struct lock_class;

typedef struct spinlock {
	u64 owner;			/* as in struct mutex */
	const struct lock_class *class;
	u32 form;
} spinlock_t;

#define __SPIN_LOCK_UNLOCKED(name) { 0, NULL, SPIN_PLAIN }

KERNEL_API void __spin_lock_init(spinlock_t *lock, const struct lock_class *class);
KERNEL_API bool spin_is_locked(spinlock_t *lock);

#define spin_lock_init(lock) do {								\
	static const struct lock_class __lock_class = { #lock, __FILE__, __LINE__ };		\
	__spin_lock_init((lock), &__lock_class);						\
} while (0)

#endif
