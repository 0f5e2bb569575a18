/* SPDX-License-Identifier: GPL-2.0-only */
/* Locks know their owner in every runtime, so these are questions with an answer, not comments. */
#ifndef __LINUX_LOCKDEP_H
#define __LINUX_LOCKDEP_H

#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>

#define lockdep_is_held(lock) _Generic((lock),						\
	struct mutex *: mutex_is_held_by_current, spinlock_t *: spin_is_held_by_current,	\
	struct rw_semaphore *: rwsem_is_held_by_current)(lock)
#define lockdep_assert_held(lock) __WARN_RULE(!lockdep_is_held(lock), "!lockdep_is_held(" #lock ")")
#define lockdep_assert_not_held(lock) __WARN_RULE(lockdep_is_held(lock), "lockdep_is_held(" #lock ")")

#define lockdep_assert(condition) __WARN_RULE(!(condition), "!(" #condition ")")
#define lockdep_assert_once(condition) __WARN_RULE_ONCE(!(condition), "!(" #condition ")")

/*
 * Locks of one class are one to lock order; a lock is of the class of the place that initialises it, until it is given the
 * class of a key. Threads know no classes.
 */
struct lock_class_key {
	const char *name, *file;
	int line;
};

#include <lockdep-class.h>	/* the runtime's: __lockdep_set_class(lock, key), __note_lock_order(lock) */

/* As if it were taken: that may sleep, but for a spinlock, and has a place in the order of locks. */
#define might_lock(lock) do {									\
	might_sleep_if(_Generic((lock), spinlock_t *: false, default: true));			\
	__note_lock_order(lock);								\
} while (0)

#define lockdep_set_class(lock, key) do {							\
	struct lock_class_key *__key = (key);							\
	__key->name = #lock;									\
	__key->file = __FILE__;									\
	__key->line = __LINE__;									\
	__lockdep_set_class(lock, __key);							\
} while (0)
#define lockdep_set_class_and_name(lock, key, name) lockdep_set_class(lock, key)
/* Keys need no registration. */
#define lockdep_register_key(key) ((void)sizeof((key)->line))
#define lockdep_unregister_key(key) ((void)sizeof((key)->line))

#endif
