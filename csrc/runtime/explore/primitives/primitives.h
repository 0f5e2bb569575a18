/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * primitives/: the kernel's primitives under the scheduler, one file for each, and the calls that the compiler puts into a
 * core. Its headers without "internal" in them (mutex.h, rcu.h ...) are the runtime's part of the kernel API.
 *
 * The room may use schedule/, detect/, machine/ and the kernel API. A primitive says what its operations are (struct op_class), and
 * nothing below knows one by its name.
 */
#ifndef IOPF_EXPLORE_PRIMITIVES_H
#define IOPF_EXPLORE_PRIMITIVES_H

#include <linux/mutex.h>

#include "schedule/schedule.h"

#pragma GCC visibility push(hidden)

/* All of them begin anew; and one of the tasks is over. A primitive that has to says so in primitives.c. */
void primitives_reset(void);
void primitives_task_ends(struct task *t);

/* From here on, in the step that runs, the current task is not preempted. preempt_enable() is the other end. (rcu.c) */
void preemption_ends(const void *pc);

/* mutex.c */
extern struct op_class op_lock;
/* The task that has it, or -1. */
static inline int mutex_owner(const struct mutex *lock)
{
	return lock->owner >> 32 == engine.execution ? (int)(u32)lock->owner - 1 : -1;
}

/* hooks.c: what an instrumented core would have done; order: __ATOMIC_*, -1: a plain access */
void hook_plain(u64 addr, size_t size, bool write);
s64 hook_load_marked(u64 addr, int bytes, int order);
void hook_store(u64 addr, int bytes, int order, s64 value);
s64 hook_rmw(u64 addr, int bytes, int order, bool add, s64 value);
/* Waits for the value at addr to differ from expected. */
void hook_await(u64 addr, int bytes, s64 expected, const void *pc);
extern struct op_class op_load, op_store, op_await;
bool hook_cas(u64 addr, int bytes, int order, s64 expected, s64 value);

/* As it is, no access. */
static inline s64 hook_value(u64 addr, int bytes)
{
	switch (bytes) {
	case 1:
		return *(u8 *)addr;
	case 2:
		return *(u16 *)addr;
	case 4:
		return *(s32 *)addr;
	default:
		return *(s64 *)addr;
	}
}

static inline s64 hook_load(u64 addr, int bytes, int order)
{
	if (order >= 0)
		return hook_load_marked(addr, bytes, order);
	hook_plain(addr, (size_t)bytes, false);
	return hook_value(addr, bytes);
}

/* atomic.c: a load of the current task that is no acquire, for a fence behind it */
void fence_sees(u64 addr);

/* refcount.c */
extern struct op_class op_ref_set, op_ref_inc;
/* Is it an operation that may change a count? */
bool refcount_changes(const struct op_class *op);
void refcount_reset(void);
/* As if called from there. */
struct refcount_struct;
void refcount_add_from(int n, struct refcount_struct *r, const void *pc);
bool refcount_inc_not_zero_from(struct refcount_struct *r, const void *pc);
bool refcount_dec_and_test_from(struct refcount_struct *r, const void *pc);
/* An object is freed: a count inside it that is not zero is reported. */
void refcount_freeing(u64 addr, u32 size, const void *pc);

/* rcu.c */
void rcu_reset(void);
void rcu_task_ends(struct task *t);

/* one_item.c */
void one_item_reset(void);

/* rwsem.c, srcu.c */
void rwsem_reset(void);
void srcu_reset(void);
void srcu_task_ends(struct task *t);

/* clock.c */
#define ADDR_CLOCK 0x20u
void clock_reset(void);
/* In the step that runs: a timer expires, so it is no earlier than that. */
void clock_reaches(unsigned long expires);

/* workqueue.c */
void workqueue_reset(void);
/* Without workers: items run in whoever asks for it, flushes or destroys the queue. */
struct workqueue_struct;
void workqueue_by_hand(struct workqueue_struct *wq);
/* Runs what is queued on such queues, in the current task. */
void workqueue_run_by_hand(void);
extern struct op_class op_queue_work, op_work, op_work_end, op_timer, op_flush_wait, op_drain_wait;
/* Held by a work that runs, and taken by who waits for it. */
extern const struct lock_class workqueue_class;

/* slab.c: as if called from there */
struct slab_site;
void *slab_alloc_from(struct slab_site *site, size_t size, gfp_t gfp, const void *pc);
void kfree_from(const void *pointer, const void *pc);

/* context.c */
/* Was sleeping wrong where the current task is? Then it is a finding, with the text that fits. */
void sleeps_wrongly(const void *pc, const char *in_reader, const char *with_spinlock);
static inline void check_sleep(const void *pc, const char *in_reader, const char *with_spinlock)
{
	if (unlikely(engine.current->rcu_nesting || engine.current->unpreempted))
		sleeps_wrongly(pc, in_reader, with_spinlock);
}
/* Told of what is not to be done under every lock; may be NULL. */
enum under_lock { UNDER_LOCK_ALLOC, UNDER_LOCK_FREE, UNDER_LOCK_PUT };
extern void (*under_lock)(enum under_lock what, const void *pc);

/* printk.c: its format */
extern struct op_class op_message;

/* warn.c */
extern struct op_class op_warn;
struct warn_site;
#define MAX_WARNS 32
struct warn_hit {
	const struct warn_site *site;
	unsigned int hits;
};
extern struct warn_hit warn_hits[MAX_WARNS];
extern int nr_warn_hits;
void warn_reset(void);
extern unsigned int caller_warns[];	/* of each task: the WARNs so far that blame a caller */
/* One of the WARNs that blame the caller, which fail no run. */
bool warn_is_callers(const struct warn_site *site);

#pragma GCC visibility pop

#endif
