/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the plain runtime tell each other. */
#ifndef IOPF_PLAIN_INTERNAL_H
#define IOPF_PLAIN_INTERNAL_H

#include <pthread.h>

/* Starts a thread that gets no signals: those are for the program's own threads. Returns 0 or an error number. */
int start_thread(pthread_t *thread, void *(*main)(void *arg), void *arg);

void thread_after_fork(void);
void rcu_after_fork(void);
void slab_after_fork(void);

#endif
