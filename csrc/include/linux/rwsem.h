/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Semaphores for one writer or many readers, who sleep while they wait. Fair: who waits is served in order, so a writer that
 * waits stops the readers that come later, and who reads twice may wait for a writer that waits for him. Unlocked by who
 * locked.
 *
 * The runtime defines struct rw_semaphore and init_rwsem(sem), a macro: one lock class per place that initialises.
 * Breaking the rules is a WARN: unlocking what one does not hold (nothing happens). What would wait for oneself is a deadlock
 * under the explorer; on threads a WARN, and the caller goes on.
 */
#ifndef __LINUX_RWSEM_H
#define __LINUX_RWSEM_H

#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/kernel.h>

#include <rwsem.h>		/* the runtime's */

KERNEL_API void down_read(struct rw_semaphore *sem);
KERNEL_API bool __down_read_trylock(struct rw_semaphore *sem);
KERNEL_API void up_read(struct rw_semaphore *sem);
KERNEL_API void down_write(struct rw_semaphore *sem);
KERNEL_API bool __down_write_trylock(struct rw_semaphore *sem);
KERNEL_API void up_write(struct rw_semaphore *sem);
/* From the writer to a reader, with nobody in between. */
KERNEL_API void downgrade_write(struct rw_semaphore *sem);
KERNEL_API bool __rwsem_is_locked(struct rw_semaphore *sem);
KERNEL_API bool rwsem_is_read_by_current(struct rw_semaphore *sem);
KERNEL_API bool rwsem_is_written_by_current(struct rw_semaphore *sem);

#define DECLARE_RWSEM(name) struct rw_semaphore name = __RWSEM_INITIALIZER(name)

#define down_read_trylock(sem) ((int)__down_read_trylock(sem))
#define down_write_trylock(sem) ((int)__down_write_trylock(sem))
#define rwsem_is_locked(sem) ((int)__rwsem_is_locked(sem))
/* No signal ends a wait. */
#define down_read_interruptible(sem) (down_read(sem), 0)
#define down_read_killable(sem) (down_read(sem), 0)
#define down_write_killable(sem) (down_write(sem), 0)

static inline bool rwsem_is_held_by_current(struct rw_semaphore *sem)
{
	return rwsem_is_written_by_current(sem) || rwsem_is_read_by_current(sem);
}

#define lockdep_assert_held_write(sem) __WARN_RULE(!rwsem_is_written_by_current(sem), "!rwsem_is_written_by_current(" #sem ")")
#define lockdep_assert_held_read(sem) __WARN_RULE(!rwsem_is_read_by_current(sem), "!rwsem_is_read_by_current(" #sem ")")
#define rwsem_assert_held(sem) __WARN_RULE(!rwsem_is_held_by_current(sem), "!rwsem_is_held_by_current(" #sem ")")
#define rwsem_assert_held_write(sem) lockdep_assert_held_write(sem)

DEFINE_GUARD(rwsem_read, struct rw_semaphore *, down_read(_T), up_read(_T))
DEFINE_GUARD_COND(rwsem_read, _try, down_read_trylock(_T))
DEFINE_GUARD(rwsem_write, struct rw_semaphore *, down_write(_T), up_write(_T))
DEFINE_GUARD_COND(rwsem_write, _try, down_write_trylock(_T))

#endif
