/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a runtime offers beside the kernel's API: to csrc/api and to tests, never to a core.
 *
 * The headers beside this one are those of two rooms that both runtimes on threads link:
 *
 * shared/: what does not depend on how a lock is taken: warnings, messages, clock, address spaces, futexes, the barrier that
 * RCU readers are spared (futex.h, membarrier.h, one_work.h). The room may use the system.
 *
 * threads/: primitives of which one implementation does for both: spinlocks, completions, wait queues, the calls about one
 * item (spinlock.h, completion.h, wait.h). The room may use shared/ and the kernel API of the runtime that it is compiled for.
 */
#ifndef IOPF_RUNTIME_H
#define IOPF_RUNTIME_H

#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

KERNEL_API extern const char runtime_name[];

/* In the child of a fork: no other thread is left, nor what it held. Everything older is dead, the runtime is new. */
KERNEL_API void runtime_after_fork(void);

/* --- workqueues --- */

/*
 * How many workers a queue has, before the first item is queued; alloc_workqueue() gives WORKERS_AT_MOST, or fewer where its
 * max_active says so. They are started when there are items for them. An ordered queue has one, whatever is said. With 0 the items wait for
 * somebody to call workqueue_run(), flush_workqueue() or destroy_workqueue(), and run in that thread.
 */
KERNEL_API void workqueue_set_workers(struct workqueue_struct *wq, unsigned int nr_workers);
#define WORKERS_AT_MOST 32
/* One of the system's, which is no object that anybody allocated. NULL: no memory. */
struct workqueue_struct *workqueue_of_system(const char *name);
/* Runs what is pending on a queue without workers, in this thread. Returns how many items that were. */
KERNEL_API unsigned long workqueue_run(struct workqueue_struct *wq);
/* Waits until nothing is pending or running. False: the time is over first. Runs nothing. */
KERNEL_API bool workqueue_wait_idle(struct workqueue_struct *wq, u64 timeout_ns);
/* The queue in whose item the caller is, the innermost; NULL: in none. */
KERNEL_API struct workqueue_struct *current_workqueue(void);
/* Called in the thread that ran an item, before the item counts as finished. One for all queues; NULL: none. */
KERNEL_API extern void (*workqueue_after_item)(void);

/* How often a worker that had nothing to do has looked for an item for a while before it went to sleep. */
KERNEL_API unsigned long workqueue_spins(void);

/* --- what a lock or a count has become: for benchmarks --- */

enum runtime_regime {
	REGIME_UNUSED,	/* nobody took or changed it yet */
	REGIME_OWNED,	/* it serves the one thread that uses it */
	REGIME_SHARED,	/* it serves all threads alike, for good. A runtime that knows no other way always says so */
	REGIME_APART,	/* several use it, and each for itself */
};

struct mutex;
struct refcount_struct;

KERNEL_API enum runtime_regime mutex_regime(const struct mutex *lock);
KERNEL_API enum runtime_regime refcount_regime(const struct refcount_struct *r);

/* --- waiting (shared/wait.c) --- */

/*
 * A flush by a thread that set a poll function asks it every 50 ms, and gives up when the answer is not 0. Giving up is
 * no kernel semantics: who sets the function looks at wait_abandoned afterwards and reports -EINTR instead of success.
 */
KERNEL_API extern __thread int (*wait_poll)(void);
KERNEL_API extern __thread bool wait_abandoned;
#define WAIT_SLICE_NS 50000000ULL
/* Between two slices of a wait: true when the wait is to be given up. */
KERNEL_API bool wait_interrupted(void);

/* --- allocation --- */

/* The n-th request of this thread from here on fails, n >= 1; 0: none does. */
KERNEL_API void slab_fail_nth(unsigned long n);
/* What is left of it: 0 once it fired. */
KERNEL_API unsigned long slab_fail_nth_left(void);
/* Objects that are allocated now. After a fork: by the child. */
KERNEL_API long slab_live(void);
/*
 * Is there no queue? Then memory that the runtime keeps for the next object goes back to the system, now and as soon as
 * more of it is not used any more.
 */
KERNEL_API void slab_set_idle(bool idle);
/* What it has from the system for objects, used or kept; 0 where each object is the C library's. */
KERNEL_API size_t slab_bytes(void);
/* Calls visit for each place with live objects. It neither allocates nor frees. */
KERNEL_API void slab_for_each_site(void (*visit)(const struct slab_site *site, long live, void *arg), void *arg);

/* --- warnings and messages (shared/warn.c, shared/printk.c) --- */

/* A reference count's reason has no place of its own: it is counted at the call. Used by runtimes. */
KERNEL_API void warn_clear(void);
KERNEL_API void warn_for_each(void (*visit)(const struct warn_site *site, unsigned long hits, void *arg), void *arg);
KERNEL_API unsigned long warn_total(void);
void warn_after_fork(void);
void printk_after_fork(void);

struct kernel_message {
	int level;		/* 4 warning */
	char text[240];
};

/* The oldest message that was not fetched. False: there is none. */
KERNEL_API bool printk_fetch(struct kernel_message *message);
/* How many were dropped because nobody fetched, since the last call. */
KERNEL_API unsigned long printk_dropped(void);
/* May be read at any time: is there something to fetch? */
KERNEL_API extern int printk_waiting;
KERNEL_API void __printf(2, 3) printk_emit(int level, const char *format, ...);

/* --- time (shared/clock.c) --- */

/* CLOCK_MONOTONIC, or the time that a test set. */
KERNEL_API u64 clock_now_ns(void);
/* A fixed time for the rate limits; 0: the real one again. */
KERNEL_API void clock_set_ns(u64 now);

/* --- address spaces (shared/mm.c); pages are the granularity, perm is VM_READ | VM_WRITE | VM_EXEC --- */

KERNEL_API struct mm_struct *mm_new(void);		/* NULL: no memory. mmdrop() frees it */
KERNEL_API int mm_map(struct mm_struct *mm, u64 start, u64 length, unsigned long perm);	/* -EEXIST, -ENOMEM */
KERNEL_API int mm_unmap(struct mm_struct *mm, u64 start, u64 length);			/* -ENOMEM */
KERNEL_API int mm_protect(struct mm_struct *mm, u64 start, u64 length, unsigned long perm);	/* -ENOENT: holes */
KERNEL_API void mm_exit(struct mm_struct *mm);		/* once is enough, more is fine */
KERNEL_API bool mm_exited(struct mm_struct *mm);
KERNEL_API size_t mm_areas(struct mm_struct *mm, size_t max, u64 (*areas)[3]);	/* start, end, perm; the count */

#endif
