// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks with an owner.
 *
 * Locking is a point; it is enabled while nobody owns the lock, so an attempt that would have to wait is no event.
 * Unlocking is an event inside the step (a point with points="unlock"). After it comes what the kernel's unlock still
 * does with the lock when the next owner may have it already: an access with a date that nobody who takes the lock has
 * seen, so that freeing a lock in that window is found.
 */
#include <linux/bug.h>
#include <linux/lockdep.h>

#include "lock.h"

bool lock_is_free(const struct task *t)
{
	return lock_owner((const struct lock *)t->pending.addr) < 0;
}

u64 lock_owner_of(const struct task *t)
{
	int owner = lock_owner((const struct lock *)t->pending.addr);

	return owner >= 0 ? 1ull << owner : 0;
}

void lock_init(struct lock *lock, size_t size, const struct lock_class *class, const void *pc)
{
	shadow_access((u64)lock, size, PLAIN_WRITE, pc);
	lock->owner = 0;
	lock->class = class;
}

static void hold(struct task *t, struct lock *lock, const void *pc)
{
	lock->owner = (u64)engine.execution << 32 | (u64)(t->id + 1);
	sync_acquire((u64)lock | ADDR_LOCK_BIT);
	if (t->nr_held < MAX_HELD) {
		t->held[t->nr_held].addr = (u64)lock;
		t->held[t->nr_held].class = lock->class;
		t->held[t->nr_held].pc = place_of(t, pc);
		t->nr_held++;
	}
}

static void let_go(struct task *t, struct lock *lock)
{
	int i;

	lock->owner = 0;
	for (i = t->nr_held - 1; i >= 0; i--)
		if (t->held[i].addr == (u64)lock)
			break;
	if (i < 0)
		return;
	for (t->nr_held--; i < t->nr_held; i++)
		t->held[i] = t->held[i + 1];
}

static void __attribute__((noreturn)) wait_for_oneself(const struct lock_kind *kind, struct lock *lock, const void *pc)
{
	struct task *t = engine.current;
	struct finding *f = finding_add(FINDING_DEADLOCK, (u64)lock, pc, "the task already holds the lock");

	/* What it waits for, for whoever looks at the tasks. */
	t->pending.class = kind->lock;
	t->pending.addr = (u64)lock;
	t->pending.pc = pc;
	f->detail = 1ull << t->id;
	engine_stop(END_FAILED);
}

void lock_take(const struct lock_kind *kind, struct lock *lock, size_t size, const void *pc)
{
	struct task *t = engine.current;

	shadow_check((u64)lock, size, true, pc);
	if (unlikely(!lock->class) && t->depth && heap_has((u64)lock))
		finding_add(FINDING_WARN, (u64)lock, pc, kind->never_initialised);
	if (lock_owner(lock) == t->id)
		wait_for_oneself(kind, lock, pc);
	wait_op(kind->lock, (u64)lock, pc);
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_WRITE, pc);
	/* Who only tries waits for nobody. */
	if (engine.lock_order)
		engine.lock_order(t, lock->class, (u64)lock, pc);
	hold(t, lock, pc);
	commit(kind->lock, MODE_LOCK, (u64)lock | ADDR_LOCK_BIT, pc);
}

void might_take(const void *lock, const struct lock_class *class)
{
	if (engine.lock_order)
		engine.lock_order(engine.current, class, (u64)lock, caller_pc());
}

bool lock_try(const struct lock_kind *kind, struct lock *lock, size_t size, const void *pc)
{
	shadow_check((u64)lock, size, true, pc);
	wait_op(kind->trylock, (u64)lock, pc);
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_WRITE, pc);
	if (lock_owner(lock) >= 0) {
		commit_values(kind->trylock, MODE_READ, (u64)lock | ADDR_LOCK_BIT, pc, 0, 0);
		return false;
	}
	hold(engine.current, lock, pc);
	commit_values(kind->trylock, MODE_TRYLOCK, (u64)lock | ADDR_LOCK_BIT, pc, 0, 1);
	return true;
}

bool lock_drop(const struct lock_kind *kind, struct lock *lock, size_t size, const void *pc)
{
	struct task *t = engine.current;

	shadow_check((u64)lock, size, true, pc);
	if (engine.points_unlock)
		wait_op(kind->unlock, (u64)lock, pc);
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_WRITE, pc);
	if (lock_owner(lock) != t->id)
		return false;
	let_go(t, lock);
	commit(kind->unlock, MODE_UNLOCK, (u64)lock | ADDR_LOCK_BIT, pc);
	sync_release((u64)lock | ADDR_LOCK_BIT);
	/* The tail. */
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_WRITE, pc);
	return true;
}

bool lock_is_locked(const struct lock_kind *kind, struct lock *lock, size_t size, const void *pc)
{
	bool locked;

	shadow_check((u64)lock, size, false, pc);
	wait_op(kind->is_locked, (u64)lock, pc);
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_READ, pc);
	locked = lock_owner(lock) >= 0;
	commit_values(kind->is_locked, MODE_READ, (u64)lock | ADDR_LOCK_BIT, pc, locked, locked);
	return locked;
}
