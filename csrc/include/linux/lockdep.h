/* SPDX-License-Identifier: GPL-2.0-only */
/* Locks know their owner in every runtime, so these are questions with an answer, not comments. */
#ifndef __LINUX_LOCKDEP_H
#define __LINUX_LOCKDEP_H

#include <linux/bug.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

#define lockdep_is_held(lock) _Generic((lock),						\
	struct mutex *: mutex_is_held_by_current, spinlock_t *: spin_is_held_by_current)(lock)
#define lockdep_assert_held(lock) ((void)WARN_ON(!lockdep_is_held(lock)))
#define lockdep_assert_not_held(lock) ((void)WARN_ON(lockdep_is_held(lock)))

#endif
