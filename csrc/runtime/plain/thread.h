/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the plain runtime knows of a thread. Never freed: a thread that ends leaves its record to the next one, so that
 * others may walk the list without a lock.
 */
#ifndef IOPF_PLAIN_THREAD_H
#define IOPF_PLAIN_THREAD_H

#include <linux/compiler.h>

#define SLAB_SITES 512	/* places that allocate; the last number is for all places beyond */

struct thread {
	/* rcu.h */
	unsigned int sections;		/* the thread's own: of readers, and those that must not lose the CPU */
	unsigned int unpreempted;	/* the latter. A grace period waits for both */
	u64 since;			/* generation; 0: no reader here */
	/* slab.c: of each place, how many objects this thread allocated, less those that it freed, whoever allocated them */
	long live[SLAB_SITES];

	int in_use;
	struct thread *next;
} __attribute__((aligned(64)));

KERNEL_API extern __thread struct thread *thread_self __attribute__((tls_model("initial-exec")));
KERNEL_API extern struct thread *thread_records;
KERNEL_API struct thread *thread_attach(void);

static inline struct thread *thread_current(void)
{
	return likely(thread_self) ? thread_self : thread_attach();
}

#define for_each_thread_record(t) \
	for (t = __atomic_load_n(&thread_records, __ATOMIC_ACQUIRE); t; t = t->next)

#endif
