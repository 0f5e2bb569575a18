// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parts of the runtime, where what each has to do is called in order: when the first thread comes, for each thread
 * that comes and goes, and in the child of a fork.
 */
#include <membarrier.h>
#include <one_work.h>
#include <runtime.h>

#include "internal.h"

const char runtime_name[] = "native";

static pthread_once_t started = PTHREAD_ONCE_INIT;

static void start(void)
{
	cpus_count();
	membarrier_start();
	slab_start();
}

static void attached(struct thread *self)
{
	pthread_once(&started, start);
	slab_thread_start(self);
}

/* Threads come and go below: they are told whom to ask before there is one. */
static void __attribute__((constructor)) register_hooks(void)
{
	thread_hooks = (struct thread_hooks){ .attached = attached, .exits = slab_thread_exit };
}

void runtime_after_fork(void)
{
	thread_after_fork();
	refcount_after_fork();
	slab_after_fork();
	rcu_after_fork();
	live_queues_after_fork();
	start();
}
