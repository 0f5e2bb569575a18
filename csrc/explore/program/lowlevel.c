// SPDX-License-Identifier: GPL-2.0-only
/*
 * Low-level operations: programs that are no core, over the primitives a core stands on, through the hooks that the
 * compiler puts into a core. Detectors are tried with them, and strategies against each other.
 */
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <runtime.h>

#include "program.h"

_Static_assert(sizeof(refcount_t) <= XP_SIZE_REFCOUNT, "the face tells programs how large a count is");
_Static_assert(sizeof(struct mutex) <= XP_SIZE_MUTEX, "the face tells programs how large a mutex is");
_Static_assert(sizeof(spinlock_t) <= XP_SIZE_SPINLOCK, "the face tells programs how large a spinlock is");
_Static_assert(sizeof(struct completion) <= XP_SIZE_COMPLETION, "the face tells programs how large a completion is");
_Static_assert(sizeof(wait_queue_head_t) <= XP_SIZE_WAITQUEUE, "the face tells programs how large a wait queue is");
_Static_assert(sizeof(struct work_struct) + 8 <= XP_SIZE_WORK, "the face tells programs how large a work is");
_Static_assert(sizeof(struct list_head) == XP_SIZE_LIST, "the face tells programs how large a list node is");
_Static_assert(sizeof(struct rcu_head) <= XP_SIZE_RCU_HEAD, "the face tells programs how large an rcu_head is");

/* A work of a program knows its body. */
struct program_work {
	struct work_struct work;
	u64 body;
};

/* The head's last word is the runtime's; what a callback's body is and where its object begins goes by the head. */
static struct { u64 head; int body; s64 object; } callbacks[64];
static int nr_callbacks;

static char *memory;
static struct workqueue_struct *wqs[XP_WORKQUEUES];

void lowlevel_begin(void)
{
	static struct slab_site site = { .file = __FILE__, .function = "shared memory", .line = __LINE__ };
	int i;

	memory = NULL;
	nr_callbacks = 0;
	for (i = 0; i < XP_WORKQUEUES; i++)
		wqs[i] = NULL;
	if (scenario.memory)
		memory = slab_alloc(&site, (size_t)scenario.memory, GFP_KERNEL | __GFP_ZERO);
	if (memory)
		heap_objects[heap_find((u64)memory)].is_static = true;
}

void lowlevel_end(void)
{
	if (memory)
		heap_free((u64)memory, &engine.current->race, NULL, false);
}

static u64 at(const s64 *registers, s32 base, s32 offset)
{
	return (base < 0 ? (u64)memory : (u64)registers[base]) + (u64)offset;
}

/* Wild pointers of a program meet the same questions as a core's. */
static void *object_at(const s64 *registers, s32 base, s32 offset, size_t size)
{
	u64 addr = at(registers, base, offset);

	shadow_check(addr, size, true, NULL);
	return (void *)addr;
}

static int memory_order(s32 order)
{
	switch (order) {
	case XP_PLAIN:
		return -1;
	case XP_ACQUIRE:
		return __ATOMIC_ACQUIRE;
	case XP_RELEASE:
		return __ATOMIC_RELEASE;
	case XP_ACQ_REL:
		return __ATOMIC_ACQ_REL;
	case XP_SEQ_CST:
		return __ATOMIC_SEQ_CST;
	default:
		return __ATOMIC_RELAXED;
	}
}

static s64 load(u64 addr)
{
	return hook_load(addr, 8, -1);
}

static void store(u64 addr, s64 value)
{
	hook_store(addr, 8, -1, value);
}

/* --- lists: next at 0, prev at 8, every access through the hooks --- */

static void list_unlink(u64 node)
{
	u64 next = (u64)load(node), prev = (u64)load(node + 8);

	store(next + 8, (s64)prev);
	store(prev, (s64)next);
}

static s64 list_run(s32 how, u64 node, u64 head)
{
	u64 prev, next;

	switch (how) {
	case XP_LIST_INIT:
		store(node, (s64)node);
		store(node + 8, (s64)node);
		return 0;
	case XP_LIST_ADD:
	case XP_LIST_ADD_TAIL:
		prev = how == XP_LIST_ADD ? head : (u64)load(head + 8);
		next = how == XP_LIST_ADD ? (u64)load(head) : head;
		store(next + 8, (s64)node);
		store(node, (s64)next);
		store(node + 8, (s64)prev);
		store(prev, (s64)node);
		return 0;
	case XP_LIST_DEL:
		list_unlink(node);
		store(node, (s64)(u64)LIST_POISON1);
		store(node + 8, (s64)(u64)LIST_POISON2);
		return 0;
	case XP_LIST_DEL_INIT:
		list_unlink(node);
		store(node, (s64)node);
		store(node + 8, (s64)node);
		return 0;
	case XP_LIST_EMPTY:
		return (u64)load(node) == node;
	default:
		next = (u64)load(node);
		return next == node ? 0 : (s64)next;
	}
}

/* --- the primitives --- */

static s64 ref_run(s32 how, refcount_t *r, s32 n)
{
	switch (how) {
	case XP_REF_SET:
		refcount_set(r, n);
		return 0;
	case XP_REF_READ:
		return refcount_read(r);
	case XP_REF_INC:
		refcount_inc(r);
		return 0;
	case XP_REF_INC_NOT_ZERO:
		return refcount_inc_not_zero(r);
	case XP_REF_DEC:
		refcount_dec(r);
		return 0;
	default:
		return refcount_dec_and_test(r);
	}
}

/* Each place of the program that initialises is a lock class of its own, as in C. */
static struct lock_class classes[MAX_RECORDS];

static s64 mutex_run(s32 how, struct mutex *lock)
{
	int record = engine.current->record;

	switch (how) {
	case XP_MUTEX_INIT:
		classes[record] = (struct lock_class){ "lock", "scenario", record };
		__mutex_init(lock, &classes[record]);
		return 0;
	case XP_MUTEX_LOCK:
		mutex_lock(lock);
		return 0;
	case XP_MUTEX_TRYLOCK:
		return mutex_trylock(lock);
	case XP_MUTEX_UNLOCK:
		mutex_unlock(lock);
		return 0;
	case XP_MUTEX_IS_LOCKED:
		return mutex_is_locked(lock);
	case XP_MUTEX_DESTROY:
		mutex_destroy(lock);
		return 0;
	default:
		return WARN_ON(!mutex_is_held_by_current(lock));
	}
}

static s64 spinlock_run(s32 how, spinlock_t *lock, enum spin_form form)
{
	int record = engine.current->record;

	switch (how) {
	case XP_SPINLOCK_INIT:
		classes[record] = (struct lock_class){ "lock", "scenario", record };
		__spin_lock_init(lock, &classes[record]);
		return 0;
	case XP_SPINLOCK_LOCK:
		__spin_lock(lock, form);
		return 0;
	case XP_SPINLOCK_TRYLOCK:
		return __spin_trylock(lock, form);
	case XP_SPINLOCK_UNLOCK:
		__spin_unlock(lock, form);
		return 0;
	case XP_SPINLOCK_IS_LOCKED:
		return spin_is_locked(lock);
	case XP_SPINLOCK_PREEMPT_DISABLE:
		preempt_disable();
		return 0;
	case XP_SPINLOCK_PREEMPT_ENABLE:
		preempt_enable();
		return 0;
	default:
		return WARN_ON(!spin_is_held_by_current(lock));
	}
}

static s64 completion_run(s32 how, struct completion *x)
{
	switch (how) {
	case XP_COMPLETION_INIT:
		init_completion(x);
		return 0;
	case XP_COMPLETION_COMPLETE:
		complete(x);
		return 0;
	case XP_COMPLETION_COMPLETE_ALL:
		complete_all(x);
		return 0;
	case XP_COMPLETION_WAIT:
		wait_for_completion(x);
		return 0;
	case XP_COMPLETION_WAIT_TIMEOUT:
		return wait_for_completion_timeout(x, HZ) != 0;
	case XP_COMPLETION_TRY_WAIT:
		return try_wait_for_completion(x);
	case XP_COMPLETION_DONE:
		return completion_done(x);
	default:
		reinit_completion(x);
		return 0;
	}
}

static s64 waitqueue_run(s32 how, wait_queue_head_t *wq, u64 value, s32 expected)
{
	switch (how) {
	case XP_WAITQUEUE_INIT:
		init_waitqueue_head(wq);
		return 0;
	case XP_WAITQUEUE_WAKE_UP:
		wake_up(wq);
		return 0;
	case XP_WAITQUEUE_WAIT_EVENT:
		wait_event(*wq, hook_load(value, 8, __ATOMIC_RELAXED) != expected);
		return 0;
	case XP_WAITQUEUE_WAIT_EVENT_TIMEOUT:
		return wait_event_timeout(*wq, hook_load(value, 8, __ATOMIC_RELAXED) != expected, HZ) != 0;
	default:
		return waitqueue_active(wq);
	}
}

static s64 one_work_run(s32 how, struct work_struct *work)
{
	switch (how) {
	case XP_ONE_WORK_FLUSH:
		return flush_work(work);
	case XP_ONE_WORK_CANCEL:
		return cancel_work(work);
	case XP_ONE_WORK_CANCEL_SYNC:
		return cancel_work_sync(work);
	default:
		return work_pending(work);
	}
}

static void run_body(int body, s64 first)
{
	s64 registers[XP_REGISTERS] = { first };

	program_records(&scenario.works[body], registers);
}

static void work_func(struct work_struct *work)
{
	struct program_work *w = (struct program_work *)work;

	shadow_check((u64)&w->body, 8, false, NULL);
	run_body((int)w->body, (s64)(u64)work);
}

static void rcu_func(struct rcu_head *head)
{
	int i;

	for (i = nr_callbacks - 1; i >= 0; i--)
		if (callbacks[i].head == (u64)head)
			break;
	if (i >= 0)
		run_body(callbacks[i].body, callbacks[i].object);
}

static void rcu_run(const struct record *r, s64 *registers)
{
	int i;

	switch (r->d) {
	case XP_RCU_READ_LOCK:
		rcu_read_lock();
		return;
	case XP_RCU_READ_UNLOCK:
		rcu_read_unlock();
		return;
	case XP_RCU_SYNCHRONIZE:
		synchronize_rcu();
		return;
	case XP_RCU_BARRIER:
		rcu_barrier();
		return;
	case XP_RCU_KFREE:
		__kfree_rcu((struct rcu_head *)(registers[r->a] + r->c), (void *)registers[r->a]);
		return;
	default:
		for (i = 0; i < nr_callbacks && callbacks[i].head != (u64)registers[r->a] + (u64)r->c; i++)
			;
		if (i == 64)
			finding_fatal(XP_K_EXPLORER, 0, NULL, "more than 64 callbacks");
		nr_callbacks = i == nr_callbacks ? i + 1 : nr_callbacks;
		callbacks[i].head = (u64)registers[r->a] + (u64)r->c;
		callbacks[i].body = r->f;
		callbacks[i].object = registers[r->a];
		call_rcu((struct rcu_head *)(registers[r->a] + r->c), rcu_func);
	}
}

static void wq_run(const struct record *r)
{
	switch (r->d) {
	case XP_WQ_NEW:
		wqs[r->f] = alloc_workqueue("%s", WQ_UNBOUND, r->g, "program");
		return;
	case XP_WQ_FLUSH:
		flush_workqueue(wqs[r->f]);
		return;
	default:
		destroy_workqueue(wqs[r->f]);
	}
}

void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);

static noinline int recurse(int n)
{
	volatile char frame[512];
	int value;

	__tsan_func_entry(NULL);
	frame[n % 512] = (char)n;
	value = n ? recurse(n - 1) + frame[n % 512] : 0;
	__tsan_func_exit();
	return value;
}

static noinline void warn_here(void)
{
	(void)WARN_ON(true);
}

static s64 dereference(u64 addr, bool excused)
{
	static struct warn_site site = {
		.file = "scenario", .function = "rcu_dereference", .reason = "suspicious rcu_dereference_check",
	};

	if (!rcu_read_lock_held() && !excused)
		warn_slowpath(&site);
	return hook_load(addr, 8, __ATOMIC_ACQUIRE);
}

/* Returns how many records to skip. */
static inline int run(const struct record *r, s64 *registers)
{
	s64 value = 0;

	switch (r->op) {
	case XP_LOAD:
		value = hook_load(at(registers, r->b, r->c), r->e, memory_order(r->d));
		break;
	case XP_STORE:
		hook_store(at(registers, r->b, r->c), r->e, memory_order(r->d), r->a < 0 ? r->f : registers[r->a]);
		return 0;
	case XP_RMW:
		value = hook_rmw((u64)object_at(registers, r->b, r->c, (size_t)r->e), r->e, memory_order(r->d),
				 r->g == XP_RMW_ADD, r->f);
		break;
	case XP_CAS:
		value = hook_cas((u64)object_at(registers, r->b, r->c, (size_t)r->e), r->e, memory_order(r->d), r->f,
				 r->g);
		break;
	case XP_REF:
		value = ref_run(r->d, object_at(registers, r->b, r->c, sizeof(refcount_t)), r->f);
		break;
	case XP_MUTEX:
		value = mutex_run(r->d, object_at(registers, r->b, r->c, sizeof(struct mutex)));
		break;
	case XP_RCU:
		rcu_run(r, registers);
		return 0;
	case XP_ALLOC: {
		static struct slab_site site = { .file = "scenario", .function = "object", .line = 0 };

		value = (s64)(u64)slab_alloc(&site, (size_t)r->f, GFP_KERNEL | __GFP_ZERO);
		break;
	}
	case XP_FREE:
		kfree((void *)registers[r->a]);
		return 0;
	case XP_FREE_AT:
		kfree((void *)at(registers, r->b, r->c));
		return 0;
	case XP_MOVE:
		value = r->b < 0 ? r->f : registers[r->b];
		break;
	case XP_SUM:
		value = registers[r->a] + r->f;
		break;
	case XP_ADDRESS:
		value = (s64)at(registers, r->b, r->c);
		break;
	case XP_SKIP:
		return r->a < 0 || (registers[r->a] != 0) == (r->g != 0) ? r->f : 0;
	case XP_LIST:
		value = list_run(r->d, at(registers, r->b, r->c), at(registers, r->e, r->f));
		break;
	case XP_WORK_INIT: {
		struct program_work *w = object_at(registers, r->b, r->c, sizeof(*w));

		store((u64)&w->work.pending, 0);
		store((u64)&w->work.func, (s64)(u64)work_func);
		store((u64)&w->body, r->f);
		return 0;
	}
	case XP_QUEUE_WORK:
		value = queue_work(wqs[r->f], (struct work_struct *)at(registers, r->b, r->c));
		break;
	case XP_WQ:
		wq_run(r);
		return 0;
	case XP_OUT:
		monitor_value(registers[r->a]);
		return 0;
	case XP_AWAIT: {
		u64 addr = (u64)object_at(registers, r->b, r->c, (size_t)r->e);

		hook_await(addr, r->e, r->f, NULL);
		shadow_access(addr, (size_t)r->e, MARKED_READ, NULL);
		commit(&op_await, MODE_READ, addr, NULL);
		sync_acquire(addr);
		value = hook_value(addr, r->e);
		break;
	}
	case XP_SPIN:
		while ((value = hook_load(at(registers, r->b, r->c), r->e, __ATOMIC_RELAXED)) == r->f)
			;
		break;
	case XP_SPINLOCK:
		value = spinlock_run(r->d, r->d >= XP_SPINLOCK_PREEMPT_DISABLE ? NULL :
				     object_at(registers, r->b, r->c, sizeof(spinlock_t)), (enum spin_form)r->f);
		break;
	case XP_COMPLETION:
		value = completion_run(r->d, object_at(registers, r->b, r->c, sizeof(struct completion)));
		break;
	case XP_WAITQUEUE:
		value = waitqueue_run(r->d, object_at(registers, r->b, r->c, sizeof(wait_queue_head_t)),
				      at(registers, r->e, r->f), r->g);
		break;
	case XP_ONE_WORK:
		value = one_work_run(r->d, object_at(registers, r->b, r->c, sizeof(struct work_struct)));
		break;
	case XP_RECURSE:
		recurse(r->f);
		return 0;
	case XP_WARN:
		warn_here();
		return 0;
	case XP_DEREF:
		value = dereference(at(registers, r->b, r->c), r->d);
		break;
	case XP_PUBLISH:
		hook_store(at(registers, r->b, r->c), 8, __ATOMIC_RELEASE, r->a < 0 ? 0 : registers[r->a]);
		return 0;
	default:
		return 0;
	}
	if (r->a >= 0)
		registers[r->a] = value;
	return 0;
}

/* Records from i on, until one comes that is no low-level operation; returns its index. */
int lowlevel_run(int i, int end, s64 *registers)
{
	struct task *t = engine.current;

	for (; i < end; i++) {
		const struct record *r = &scenario.records[i];

		if (scenario.dropped[i])
			continue;
		if (r->op < XP_LOAD)
			break;
		t->record = i;
		i += run(r, registers);
	}
	return i;
}
