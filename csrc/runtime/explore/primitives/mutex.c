// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mutexes.
 *
 * Locking is a point; it is enabled while nobody owns the lock, so an attempt that would have to wait is no event.
 * Unlocking is an event inside the step (a point with points="unlock"). After it comes what the kernel's unlock still
 * does with the lock when the next owner may have it already: an access with a date that nobody who takes the lock has
 * seen, so that freeing a lock in that window is found.
 */
#include <linux/bug.h>
#include <linux/mutex.h>

#include "primitives.h"

static bool is_free(const struct task *t)
{
	return mutex_owner((const struct mutex *)t->pending.addr) < 0;
}

static u64 owner_of(const struct task *t)
{
	int owner = mutex_owner((const struct mutex *)t->pending.addr);

	return owner >= 0 ? 1ull << owner : 0;
}

struct op_class op_lock = {
	.name = "mutex_lock", .ready = is_free, .waits_for = owner_of, .pending_mode = PENDING_LOCK, .gates = GATES_ALWAYS,
};
static struct op_class op_trylock = { .name = "mutex_trylock", .pending_mode = PENDING_LOCK, .gates = GATES_ALWAYS };
static struct op_class op_unlock = { .name = "mutex_unlock" };
static struct op_class op_is_locked = { .name = "mutex_is_locked", .pending_mode = PENDING_LOOK };

static u64 owner_word(const struct task *t)
{
	return (u64)engine.execution << 32 | (u64)(t->id + 1);
}

void __mutex_init(struct mutex *lock, const struct lock_class *class)
{
	shadow_access((u64)lock, sizeof(*lock), PLAIN_WRITE, caller_pc());
	lock->owner = 0;
	lock->class = class;
}

static void hold(struct task *t, struct mutex *lock, const void *pc)
{
	lock->owner = owner_word(t);
	sync_acquire((u64)lock | ADDR_LOCK_BIT);
	if (t->nr_held < MAX_HELD) {
		t->held[t->nr_held].addr = (u64)lock;
		t->held[t->nr_held].class = lock->class;
		t->held[t->nr_held].pc = pc;
		t->nr_held++;
	}
}

static void let_go(struct task *t, struct mutex *lock)
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

void mutex_lock(struct mutex *lock)
{
	struct task *t = engine.current;
	const void *pc = caller_pc();

	shadow_check((u64)lock, sizeof(*lock), true, pc);
	if (t->rcu_nesting)
		might_sleep(pc, "mutex_lock inside an RCU reader");
	if (unlikely(!lock->class) && t->depth && heap_has((u64)lock))
		finding_add(FINDING_WARN, (u64)lock, pc, "mutex_lock of a mutex that was never initialised");
	if (mutex_owner(lock) == t->id) {
		struct finding *f = finding_add(FINDING_DEADLOCK, (u64)lock, pc, "the task already holds the lock");

		/* What it waits for, for whoever looks at the tasks. */
		t->pending.class = &op_lock;
		t->pending.addr = (u64)lock;
		t->pending.pc = pc;
		f->detail = 1ull << t->id;
		engine_stop(END_FAILED);
	}
	wait_op(&op_lock, (u64)lock, pc);
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_WRITE, pc);
	/* Who only tries waits for nobody. */
	if (engine.lock_order)
		engine.lock_order(t, lock->class, (u64)lock, pc);
	hold(t, lock, pc);
	commit(&op_lock, MODE_LOCK, (u64)lock | ADDR_LOCK_BIT, pc);
}

bool mutex_trylock(struct mutex *lock)
{
	struct task *t = engine.current;
	const void *pc = caller_pc();

	shadow_check((u64)lock, sizeof(*lock), true, pc);
	wait_op(&op_trylock, (u64)lock, pc);
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_WRITE, pc);
	if (mutex_owner(lock) >= 0) {
		commit_values(&op_trylock, MODE_READ, (u64)lock | ADDR_LOCK_BIT, pc, 0, 0);
		return false;
	}
	hold(t, lock, pc);
	commit_values(&op_trylock, MODE_TRYLOCK, (u64)lock | ADDR_LOCK_BIT, pc, 0, 1);
	return true;
}

void mutex_unlock(struct mutex *lock)
{
	struct task *t = engine.current;
	const void *pc = caller_pc();

	shadow_check((u64)lock, sizeof(*lock), true, pc);
	if (engine.points_unlock)
		wait_op(&op_unlock, (u64)lock, pc);
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_WRITE, pc);
	if (WARN(mutex_owner(lock) != t->id, "mutex_unlock by somebody who does not own it"))
		return;
	let_go(t, lock);
	commit(&op_unlock, MODE_UNLOCK, (u64)lock | ADDR_LOCK_BIT, pc);
	sync_release((u64)lock | ADDR_LOCK_BIT);
	/* The tail. */
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_WRITE, pc);
}

bool mutex_is_locked(struct mutex *lock)
{
	const void *pc = caller_pc();
	bool locked;

	shadow_check((u64)lock, sizeof(*lock), false, pc);
	wait_op(&op_is_locked, (u64)lock, pc);
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_READ, pc);
	locked = mutex_owner(lock) >= 0;
	commit_values(&op_is_locked, MODE_READ, (u64)lock | ADDR_LOCK_BIT, pc, locked, locked);
	return locked;
}

/* Nobody else can change the answer. */
bool mutex_is_held_by_current(struct mutex *lock)
{
	shadow_access((u64)lock, sizeof(lock->owner), MARKED_READ, caller_pc());
	return mutex_owner(lock) == engine.current->id;
}

void mutex_destroy(struct mutex *lock)
{
	shadow_access((u64)lock, sizeof(*lock), PLAIN_WRITE, caller_pc());
	(void)WARN(mutex_owner(lock) >= 0, "mutex_destroy of a held mutex");
}
