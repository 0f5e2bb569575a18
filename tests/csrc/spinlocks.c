// SPDX-License-Identifier: GPL-2.0-only
#include <linux/lockdep.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <stdlib.h>

#include "primitives.h"
#include "threads.h"

struct spinlock *iopf_prim_spin_new(void)
{
	spinlock_t *lock = kzalloc_obj(*lock);

	if (lock)
		spin_lock_init(lock);
	return lock;
}

void iopf_prim_spin_free(struct spinlock *lock)
{
	kfree(lock);
}

void iopf_prim_spin_lock(struct spinlock *lock, int form)
{
	switch (form) {
	case SPIN_BH:
		spin_lock_bh(lock);
		break;
	case SPIN_IRQ:
		spin_lock_irq(lock);
		break;
	default:
		spin_lock(lock);
	}
}

bool iopf_prim_spin_trylock(struct spinlock *lock, int form)
{
	return form == SPIN_BH ? spin_trylock_bh(lock) : form == SPIN_IRQ ? spin_trylock_irq(lock) : spin_trylock(lock);
}

void iopf_prim_spin_unlock(struct spinlock *lock, int form)
{
	switch (form) {
	case SPIN_BH:
		spin_unlock_bh(lock);
		break;
	case SPIN_IRQ:
		spin_unlock_irq(lock);
		break;
	default:
		spin_unlock(lock);
	}
}

unsigned long iopf_prim_spin_lock_irqsave(struct spinlock *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	return flags;
}

void iopf_prim_spin_unlock_irqrestore(struct spinlock *lock, unsigned long flags)
{
	spin_unlock_irqrestore(lock, flags);
}

bool iopf_prim_spin_is_locked(struct spinlock *lock)
{
	return spin_is_locked(lock);
}

bool iopf_prim_spin_lockdep_is_held(struct spinlock *lock)
{
	return lockdep_is_held(lock);
}

void iopf_prim_assert_spin_locked(struct spinlock *lock)
{
	assert_spin_locked(lock);
}

struct spinlock *iopf_prim_spin_static(void)
{
	static DEFINE_SPINLOCK(lock);

	return &lock;
}

void iopf_prim_preempt_disable(void)
{
	preempt_disable();
}

void iopf_prim_preempt_enable(void)
{
	preempt_enable();
}

struct spin_race {
	spinlock_t lock;
	unsigned int rounds;
	unsigned long sum;	/* no atomic: the lock is what keeps it right */
};

static void spin_main(void *arg, unsigned int index)
{
	struct spin_race *race = arg;
	unsigned int i;

	(void)index;
	for (i = 0; i < race->rounds; i++) {
		if (i % 3)
			spin_lock(&race->lock);
		else
			while (!spin_trylock(&race->lock))
				;
		race->sum++;
		spin_unlock(&race->lock);
	}
}

unsigned long iopf_prim_spin_race(unsigned int nr_threads, unsigned int rounds)
{
	struct spin_race race = { .rounds = rounds };

	spin_lock_init(&race.lock);
	run_parts(nr_threads, spin_main, &race);
	return race.sum;
}
