/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_EXPLORE_LOCKDEP_CLASS_H
#define IOPF_EXPLORE_LOCKDEP_CLASS_H

_Static_assert(sizeof(struct lock_class_key) == sizeof(struct lock_class) &&
	       offsetof(struct lock_class_key, line) == offsetof(struct lock_class, line), "a key is a class");

KERNEL_API void might_take(const void *lock, const struct lock_class *class);

#define __note_lock_order(lock) might_take((lock), (lock)->class)
#define __lockdep_set_class(lock, key) ((void)((lock)->class = (const struct lock_class *)(key)))

#endif
