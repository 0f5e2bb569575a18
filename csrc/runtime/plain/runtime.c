// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <runtime.h>
#include <signal.h>

#include "internal.h"

const char runtime_name[] = "plain";

int start_thread(pthread_t *thread, void *(*main)(void *arg), void *arg)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(thread, NULL, main, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

enum runtime_regime mutex_regime(const struct mutex *lock)
{
	(void)lock;
	return REGIME_SHARED;
}

enum runtime_regime refcount_regime(const struct refcount_struct *r)
{
	(void)r;
	return REGIME_SHARED;
}

void runtime_after_fork(void)
{
	thread_after_fork();
	rcu_after_fork();
	slab_after_fork();
}
