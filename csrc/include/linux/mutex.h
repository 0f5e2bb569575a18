/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sleeping locks with an owner. Not recursive; unlocked by their owner; never taken inside an RCU reader.
 *
 * mutex_unlock() is not an atomic last access: it may still look at the lock after the next owner got it, so the
 * memory of a lock has to outlive the call.
 *
 * The runtime (by include path) defines struct mutex and
 *	mutex_init(lock)	a macro: one lock class per place that initialises
 *	mutex_lock(lock), mutex_trylock(lock), mutex_unlock(lock)
 *	mutex_is_locked(lock), mutex_is_held_by_current(lock)
 *	mutex_destroy(lock)	WARN when it is held
 * Breaking the rules is a WARN: locking what one holds (and the caller goes on as the owner of one lock, since
 * sleeping forever would help nobody), unlocking what one does not hold (nothing happens).
 */
#ifndef __LINUX_MUTEX_H
#define __LINUX_MUTEX_H

#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <mutex.h>	/* the runtime's */

#define DEFINE_MUTEX(name) struct mutex name = __MUTEX_INITIALIZER(name)

DEFINE_GUARD(mutex, struct mutex *, mutex_lock(_T), mutex_unlock(_T))
DEFINE_GUARD_COND(mutex, _try, mutex_trylock(_T))

#endif
