/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks for short sections in which nobody sleeps. Not recursive; unlocked by their owner, with the form that locked.
 *
 * A section is one without preemption: a grace period waits for it as it does for a reader, and yet rcu_dereference()
 * in it wants a reader or its condition. There is no interrupt context here, so _bh, _irq and _irqsave lock as the plain
 * form does; that the forms of a pair belong together, and that the flags are those of the lock, is checked.
 *
 * The runtime defines spinlock_t and
 *	spin_lock_init(lock)	a macro: one lock class per place that initialises
 *	__spin_lock(lock, form), __spin_trylock(lock, form), __spin_unlock(lock, form)
 *	spin_is_locked(lock), spin_is_held_by_current(lock)
 * Breaking the rules is a WARN: locking what one holds (and the caller goes on as the owner of one lock), unlocking what
 * one does not hold (nothing happens), another form or other flags, and whatever sleeps inside.
 */
#ifndef __LINUX_SPINLOCK_H
#define __LINUX_SPINLOCK_H

#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/preempt.h>

enum spin_form { SPIN_PLAIN, SPIN_BH, SPIN_IRQ, SPIN_IRQSAVE };

#include <spinlock.h>	/* the runtime's */

KERNEL_API void __spin_lock(spinlock_t *lock, enum spin_form form);
KERNEL_API bool __spin_trylock(spinlock_t *lock, enum spin_form form);
KERNEL_API void __spin_unlock(spinlock_t *lock, enum spin_form form);
KERNEL_API bool spin_is_held_by_current(spinlock_t *lock);

typedef spinlock_t raw_spinlock_t;

#define DEFINE_SPINLOCK(name) spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define DEFINE_RAW_SPINLOCK(name) raw_spinlock_t name = __SPIN_LOCK_UNLOCKED(name)

#define spin_lock(lock) __spin_lock((lock), SPIN_PLAIN)
#define spin_unlock(lock) __spin_unlock((lock), SPIN_PLAIN)
#define spin_trylock(lock) __spin_trylock((lock), SPIN_PLAIN)
#define spin_lock_bh(lock) __spin_lock((lock), SPIN_BH)
#define spin_unlock_bh(lock) __spin_unlock((lock), SPIN_BH)
#define spin_trylock_bh(lock) __spin_trylock((lock), SPIN_BH)
#define spin_lock_irq(lock) __spin_lock((lock), SPIN_IRQ)
#define spin_unlock_irq(lock) __spin_unlock((lock), SPIN_IRQ)
#define spin_trylock_irq(lock) __spin_trylock((lock), SPIN_IRQ)

/* What the flags of a lock are: those of no other, so that a mistaken pair is seen. */
static inline unsigned long __spin_flags(const spinlock_t *lock)
{
	return (unsigned long)lock | 1;
}

#define spin_lock_irqsave(lock, flags) do {						\
	spinlock_t *__spin = (lock);							\
	__spin_lock(__spin, SPIN_IRQSAVE);						\
	(flags) = __spin_flags(__spin);							\
} while (0)
#define spin_trylock_irqsave(lock, flags) ({						\
	spinlock_t *__spin = (lock);							\
	bool __taken = __spin_trylock(__spin, SPIN_IRQSAVE);				\
	if (__taken)									\
		(flags) = __spin_flags(__spin);						\
	__taken; })
#define spin_unlock_irqrestore(lock, flags) do {					\
	spinlock_t *__spin = (lock);							\
	__WARN_RULE((flags) != __spin_flags(__spin), "spin_unlock_irqrestore with the flags of another lock");	\
	__spin_unlock(__spin, SPIN_IRQSAVE);						\
} while (0)

#define assert_spin_locked(lock) __WARN_RULE(!spin_is_locked(lock), "!spin_is_locked(" #lock ")")

#define raw_spin_lock_init(lock) spin_lock_init(lock)
#define raw_spin_lock(lock) spin_lock(lock)
#define raw_spin_unlock(lock) spin_unlock(lock)
#define raw_spin_trylock(lock) spin_trylock(lock)
#define raw_spin_lock_irq(lock) spin_lock_irq(lock)
#define raw_spin_unlock_irq(lock) spin_unlock_irq(lock)
#define raw_spin_lock_irqsave(lock, flags) spin_lock_irqsave(lock, flags)
#define raw_spin_unlock_irqrestore(lock, flags) spin_unlock_irqrestore(lock, flags)

#define raw_spin_lock_bh(lock) spin_lock_bh(lock)
#define raw_spin_unlock_bh(lock) spin_unlock_bh(lock)

#define __DEFINE_SPIN_GUARDS(name, type)						\
	DEFINE_LOCK_GUARD_1(name, type, spin_lock(_T->lock), spin_unlock(_T->lock))	\
	DEFINE_LOCK_GUARD_1_COND(name, _try, spin_trylock(_T->lock))			\
	DEFINE_LOCK_GUARD_1(name##_bh, type, spin_lock_bh(_T->lock), spin_unlock_bh(_T->lock))	\
	DEFINE_LOCK_GUARD_1_COND(name##_bh, _try, spin_trylock_bh(_T->lock))		\
	DEFINE_LOCK_GUARD_1(name##_irq, type, spin_lock_irq(_T->lock), spin_unlock_irq(_T->lock))	\
	DEFINE_LOCK_GUARD_1_COND(name##_irq, _try, spin_trylock_irq(_T->lock))		\
	DEFINE_LOCK_GUARD_1(name##_irqsave, type, spin_lock_irqsave(_T->lock, _T->flags),	\
			    spin_unlock_irqrestore(_T->lock, _T->flags), unsigned long flags)	\
	DEFINE_LOCK_GUARD_1_COND(name##_irqsave, _try, spin_trylock_irqsave(_T->lock, _T->flags))

__DEFINE_SPIN_GUARDS(spinlock, spinlock_t)
__DEFINE_SPIN_GUARDS(raw_spinlock, raw_spinlock_t)

#endif
