// SPDX-License-Identifier: GPL-2.0-only
#include <one_work.h>
#include <runtime.h>

#include "internal.h"

const char runtime_name[] = "plain";

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
	live_queues_after_fork();
}
