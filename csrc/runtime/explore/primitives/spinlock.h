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
KERNEL_API void __spin_lock(spinlock_t *lock, enum spin_form form);
KERNEL_API bool __spin_trylock(spinlock_t *lock, enum spin_form form);
KERNEL_API void __spin_unlock(spinlock_t *lock, enum spin_form form);
KERNEL_API bool spin_is_locked(spinlock_t *lock);
KERNEL_API bool spin_is_held_by_current(spinlock_t *lock);

#define spin_lock_init(lock) do {								\
	static const struct lock_class __lock_class = { #lock, __FILE__, __LINE__ };		\
	__spin_lock_init((lock), &__lock_class);						\
} while (0)

#endif
