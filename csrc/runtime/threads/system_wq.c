// SPDX-License-Identifier: GPL-2.0-only
/* The system's queues: made when somebody first asks for one, and never gone. */
#include <linux/workqueue.h>
#include <pthread.h>
#include <runtime.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct workqueue_struct *queues[NR_SYSTEM_WQS];

struct workqueue_struct *__system_workqueue(enum system_workqueue which)
{
	static const char *const names[] = { "events", "events_highpri", "events_long", "events_unbound" };
	struct workqueue_struct *wq = __atomic_load_n(&queues[which], __ATOMIC_ACQUIRE);

	if (wq)
		return wq;
	pthread_mutex_lock(&lock);
	if (!queues[which])
		__atomic_store_n(&queues[which], workqueue_of_system(names[which]), __ATOMIC_RELEASE);
	wq = queues[which];
	pthread_mutex_unlock(&lock);
	return wq;
}

static void forget(void)
{
	int i;

	pthread_mutex_init(&lock, NULL);
	for (i = 0; i < NR_SYSTEM_WQS; i++)
		queues[i] = NULL;
}

static void __attribute__((constructor)) forget_in_children(void)
{
	pthread_atfork(NULL, NULL, forget);
}
