// SPDX-License-Identifier: GPL-2.0-only
/* Queues and the calls on them. */
#include <linux/iommu.h>
#include <runtime.h>

#include "api.h"

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static long nr_open;

/* With the last queue the runtime gives back the memory that it keeps. */
static void count_open(long more)
{
	pthread_mutex_lock(&open_lock);
	nr_open += more;
	if (nr_open == (more > 0))
		slab_set_idle(!nr_open);
	pthread_mutex_unlock(&open_lock);
}

void api_queues_after_fork(void)
{
	pthread_mutex_init(&open_lock, NULL);
	nr_open = 0;
}

iopf_queue *iopf_queue_new(const iopf_core *core, const char *name, unsigned int workers)
{
	struct iopf_queue *queue = core->queue_alloc(name);

	if (!queue)
		return NULL;
	workqueue_set_workers(queue->wq, workers);
	count_open(1);
	return queue;
}

void iopf_queue_delete(const iopf_core *core, iopf_queue *queue)
{
	core->queue_free(queue);
	count_open(-1);
	api_deliver();
}

int iopf_queue_add(const iopf_core *core, iopf_queue *queue, iopf_device *device)
{
	return core->add_device(queue, &device->dev);
}

int iopf_queue_remove(const iopf_core *core, iopf_queue *queue, iopf_device *device)
{
	return core->remove_device(queue, &device->dev);
}

void iopf_deliver(void)
{
	api_deliver();
}

int iopf_queue_discard(const iopf_core *core, iopf_queue *queue)
{
	return core->discard_partial(queue);
}

/* Inside a work of the queue nothing is run: who runs that one goes on with what it queued, and nothing nests. */
unsigned long iopf_queue_run(iopf_queue *queue)
{
	unsigned long n, total = 0;

	if (current_work_on(queue->wq))
		return 0;
	while ((n = workqueue_run(queue->wq)))
		total += n;
	return total;
}

int iopf_queue_wait_idle(iopf_queue *queue, uint64_t timeout_ns)
{
	return workqueue_wait_idle(queue->wq, timeout_ns);
}

int iopf_queue_in_work(iopf_queue *queue)
{
	return current_work_on(queue->wq);
}

uint64_t iopf_queue_identity(iopf_queue *queue)
{
	return (uintptr_t)queue->wq;
}

int iopf_queue_has(iopf_queue *queue, iopf_device *device)
{
	return device->core->is_on_queue(&device->dev, queue);
}

int iopf_device_flush(iopf_device *device)
{
	int ret;

	wait_poll = api_callbacks.poll;
	wait_abandoned = false;
	ret = device->core->flush_dev(&device->dev);
	wait_poll = NULL;
	if (wait_abandoned) {
		wait_abandoned = false;
		ret = -EINTR;
	}
	api_deliver();
	return ret;
}
