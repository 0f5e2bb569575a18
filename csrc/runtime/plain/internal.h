/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plain/: the same primitives as somebody would write them today over glibc: the baseline of every ratio, and the reference
 * of every semantic test. A header by the name of each primitive is what a core gets inline; this is what the files of the
 * room tell each other.
 *
 * The room may use shared/ and the headers beside it (runtime.h says which), the system, and nothing of a core.
 */
#ifndef IOPF_PLAIN_INTERNAL_H
#define IOPF_PLAIN_INTERNAL_H

#include <pthread.h>

/* Starts a thread that gets no signals: those are for the program's own threads. Returns 0 or an error number. */
int start_thread(pthread_t *thread, void *(*main)(void *arg), void *arg);

void thread_after_fork(void);
void rcu_after_fork(void);
void slab_after_fork(void);

#endif
