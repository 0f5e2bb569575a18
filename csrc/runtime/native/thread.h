/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the native runtime knows of a thread, behind one 8-byte initial-exec TLS pointer: half a nanosecond to reach
 * from a shared object, where the general model is a call. Eight bytes are what a late dlopen() can count on.
 *
 * Records are never freed: a thread that ends leaves its record to the next one, so that others may walk the list
 * without a lock. The states of a thread, by its record:
 *
 *	state			thread_self	rcu_epoch			rcu_nesting	nr_free
 *	has no record yet	thread_nobody	RCU_NOBODY			0		UINT32_MAX: neither object nor space
 *	outside of readers	its own		0				0		objects on each list
 *	in a reader		its own		epoch + RCU_READER		0		the same
 *	in a nested one		its own		epoch + RCU_READER + RCU_NESTED	sections inside	the same
 *	a request may fail	its own		as above			as above	+ SLAB_SHUT
 *	ended			(none)		0				0		0; in_use is 0
 *
 * Of thread_nobody every fast path fails: a lock is neither taken nor left, no reader begins or ends, nothing is handed out.
 * So the fast paths need not ask whether there is a record, and the slow ones, with thread_current(), make it.
 */
#ifndef IOPF_NATIVE_THREAD_H
#define IOPF_NATIVE_THREAD_H

#include <linux/compiler.h>
#include <pthread.h>

#define SLAB_CLASSES 10
#define SLAB_MAGAZINE 32
#define SLAB_FREE_MAX (2 * SLAB_MAGAZINE)	/* on a thread's list */

#define REFCOUNT_CELLS 64	/* a power of two */

/* How many references this thread has of one count (refcount.h). Written by the thread alone, but for the end of it. */
struct refcount_cell {
	u64 key;		/* of the count; 0: of none */
	u32 own;		/* references, and REFCOUNT_BUSY */
	u32 streak;		/* of a shared count: how often in a row the thread has put what it took, twice that */
};

struct rcu_head;
struct free_object;

struct thread {
	/* mutex.h, rcu.h, slab.h: the hot line */
	u64 rcu_epoch;			/* 0: no reader here. Else the epoch in which it began, and marks */
	u32 rcu_nesting;		/* how many are inside the outermost */
	u32 nr_free[SLAB_CLASSES];	/* objects on each list, and SLAB_SHUT */
	struct refcount_cell cells[REFCOUNT_CELLS] __attribute__((aligned(64)));	/* refcount.h; they stay with the record */
	struct free_object *free[SLAB_CLASSES][SLAB_FREE_MAX];

	/* rcu.c: what this thread deferred */
	pthread_mutex_t deferred_lock;
	struct rcu_head *deferred_first, **deferred_tail;
	unsigned long nr_deferred, nr_functions;	/* on the list now; those of call_rcu */
	u64 queued, invoked;
	int invoking;

	u32 unpreempted;		/* rcu.c: sections that must not lose the CPU */

	unsigned long fail_nth;		/* slab.c: which request fails; 0: none */
	u64 next_key;			/* refcount.c */

	int in_use;
	struct thread *next;
} __attribute__((aligned(64)));

KERNEL_API extern __thread struct thread *thread_self __attribute__((tls_model("initial-exec")));
#ifndef __clang__
extern __thread struct thread *const thread_self_const __asm__("thread_self") __attribute__((tls_model("initial-exec")));
#endif
KERNEL_API extern struct thread thread_nobody;
KERNEL_API struct thread *thread_attach(void);
KERNEL_API extern struct thread *thread_records;

/* What the low byte of rcu_epoch says; epochs are counted above it. */
#define RCU_READER 1u
#define RCU_NESTED 2u		/* sections inside the outermost one */
#define RCU_NOBODY 4u		/* no reader, and no thread that could be one */
#define RCU_UNPREEMPTED 8u	/* a section without preemption, which a grace period waits for, too */
#define RCU_EPOCH_STEP 256u

/*
 * The word of a mutex that says who has it: the low half of the record's address, which no other record shares and none
 * of the special words is (thread_new). So nothing needs to be loaded to know it.
 */
static inline u32 thread_id(const struct thread *self)
{
	return (u32)(uintptr_t)self;
}

/*
 * The same for a thread that may sleep, and the word of no thread for one that is in an RCU reader, or nobody: with any
 * of the marks of rcu_epoch it is no multiple of a record's alignment, and it is none of a mutex's special words either.
 */
static inline u32 thread_sleeper_id(const struct thread *self)
{
	return thread_id(self) + (u32)__atomic_load_n(&self->rcu_epoch, __ATOMIC_RELAXED);
}

static inline bool thread_id_is_somebody(u32 id)
{
	return !(id % __alignof__(struct thread));
}

/*
 * The caller's record, as it was at some moment of the function that asks. The name is a second one of thread_self, and
 * const: the compiler reads it once for all of a function, where it reads thread_self again after every barrier (what
 * the kernel does with const_current_task). So it may still be nobody when the caller has a record by now. Whoever fails
 * on what this returns asks thread_current().
 *
 * clang has one variable for both names, so that thread_self would be const, too: there it is read again.
 */
static inline struct thread *thread_stable(void)
{
#ifdef __clang__
	return thread_self;
#else
	return thread_self_const;
#endif
}

/* The caller's record, made if need be. Fast paths take it as it is, and write nothing to nobody's. */
static inline struct thread *thread_current(void)
{
	struct thread *self = thread_self;

	return likely(self != &thread_nobody) ? self : thread_attach();
}

/* Is the caller, whose record this is, inside an RCU reader? */
static inline bool thread_in_reader(const struct thread *self)
{
	return __atomic_load_n(&self->rcu_epoch, __ATOMIC_RELAXED) & RCU_READER;
}

/* The same, and nobody is too. */
static inline bool thread_in_reader_or_nobody(const struct thread *self)
{
	return __atomic_load_n(&self->rcu_epoch, __ATOMIC_RELAXED) != 0;
}

#define for_each_thread_record(t) \
	for (t = __atomic_load_n(&thread_records, __ATOMIC_ACQUIRE); t; t = t->next)

/* Starts a thread of the runtime: signals are for the program's own threads. Returns 0 or an error number. */
int thread_start(pthread_t *thread, void *(*main)(void *arg), void *arg);

#endif
