// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domains and their handlers: who resolves a group.
 *
 * SVA, INLINE and REFUSE are C from end to end. CALL asks Python in the thread that reports, as the kernel calls
 * iopf_handler; WORK asks Python from the queue's workqueue, as SVA resolves.
 */
#include <linux/iommu.h>
#include <linux/sched/mm.h>
#include <runtime.h>
#include <stdlib.h>
#include <string.h>

#include <driver.h>

#include "api.h"

/* The last put of a domain may happen anywhere, so Python is not called: it collects the ids. */
static struct {
	pthread_mutex_t lock;
	u64 *ids;
	size_t n, capacity;
} released = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct iopf_domain *to_domain(struct iopf_group *group)
{
	return container_of(iopf_group_domain(group), struct iopf_domain, domain);
}

static void domain_release(struct iommu_domain *domain)
{
	struct iopf_domain *d = container_of(domain, struct iopf_domain, domain);

	if (domain->mm)
		mmdrop(domain->mm);
	if (d->handler) {
		pthread_mutex_lock(&released.lock);
		if (released.n == released.capacity) {
			size_t capacity = 2 * released.capacity + 16;
			u64 *ids = realloc(released.ids, capacity * sizeof(*ids));

			if (ids) {
				released.ids = ids;
				released.capacity = capacity;
			}
		}
		/* Without memory the Python handler lives on: a leak, no crash. */
		if (released.n < released.capacity)
			released.ids[released.n++] = d->handler;
		pthread_mutex_unlock(&released.lock);
	}
	free(d);
}

size_t iopf_released_handlers(uint64_t *ids, size_t max)
{
	size_t n;

	pthread_mutex_lock(&released.lock);
	n = released.n < max ? released.n : max;
	released.n -= n;
	if (n)
		memcpy(ids, released.ids + released.n, n * sizeof(*ids));
	pthread_mutex_unlock(&released.lock);
	return n;
}

void api_handlers_after_fork(void)
{
	pthread_mutex_init(&released.lock, NULL);
	released.n = 0;
}

static int inline_handler(struct iopf_group *group)
{
	const struct iopf_domain *d = to_domain(group);
	const struct iopf_core *core = d->core;
	int code = d->code;

	core->dequeue_group(group);
	core->respond(group, code);
	core->free_group(group);
	return 0;
}

static int refuse_handler(struct iopf_group *group)
{
	(void)group;
	return -EINVAL;
}

/*
 * 0: Python has the group, and may have answered and freed it by now, so it is not touched again. It asks in the
 * thread that reported, or in a work.
 */
static int ask_python(struct iopf_group *group)
{
	const struct iopf_domain *d = to_domain(group);
	struct device *dev = d->core->group_device(group);
	u64 device = container_of(dev, struct iopf_device, dev)->id;

	if (!api_callbacks.handle)
		return -EINVAL;
	return api_callbacks.handle(d->handler, device, d->core, group, iopf_group_faults(group, 0, NULL),
				    (uintptr_t)current_workqueue());
}

static int call_handler(struct iopf_group *group)
{
	to_domain(group)->core->dequeue_group(group);
	return ask_python(group);
}

static void work_function(struct work_struct *work)
{
	struct iopf_group *group = container_of(work, struct iopf_group, work);
	const struct iopf_core *core = to_domain(group)->core;

	if (!ask_python(group))
		return;
	core->respond(group, IOMMU_PAGE_RESP_FAILURE);
	core->free_group(group);
}

static int work_handler(struct iopf_group *group)
{
	return to_domain(group)->core->queue_group_work(group, work_function);
}

struct iommu_domain *api_domain_new(struct iopf_device *device, u32 pasid, const struct iopf_handler *handler)
{
	size_t size = device->core->hosted[IOPF_HOSTED_DOMAIN].size;
	struct iopf_domain *d = calloc(1, offsetof(struct iopf_domain, domain) + size);
	struct iommu_domain *domain;

	if (!d)
		return NULL;
	d->core = device->core;
	d->code = handler->code;
	d->handler = handler->id;
	domain = &d->domain;
	/* A guest that owns the PASID table has a nested domain for the whole device. */
	driver_domain_init(domain, pasid == IOMMU_NO_PASID && device->ops.user_pasid_table ? IOMMU_DOMAIN_NESTED :
			   handler->kind == IOPF_SVA ? IOMMU_DOMAIN_SVA : IOMMU_DOMAIN_UNMANAGED, NULL, domain_release);

	switch (handler->kind) {
	case IOPF_SVA:
		mmgrab(handler->space);
		domain->mm = handler->space;
		domain->iopf_handler = d->core->sva_handler;
		break;
	case IOPF_INLINE:
		domain->iopf_handler = inline_handler;
		break;
	case IOPF_REFUSE:
		domain->iopf_handler = refuse_handler;
		break;
	case IOPF_CALL:
		domain->iopf_handler = call_handler;
		break;
	case IOPF_WORK:
		domain->iopf_handler = work_handler;
		break;
	}
	return domain;
}

static int attach_or_replace(iopf_device *device, u32 pasid, struct iopf_handler *handler, bool replace)
{
	struct iommu_attach_handle *handle = kzalloc(device->core->hosted[IOPF_HOSTED_HANDLE].size, GFP_KERNEL);
	struct iommu_domain *domain;
	int ret;

	if (!handle)
		return -ENOMEM;
	domain = api_domain_new(device, pasid, handler);
	if (!domain) {
		kfree(handle);
		return -ENOMEM;
	}
	ret = driver_attach_domain(device->core, replace, domain, &device->dev, pasid, handle);
	/* An attached domain is held by its handle. */
	device->core->domain_put(domain);
	return ret;
}

int iopf_attach(iopf_device *device, uint32_t pasid, struct iopf_handler *handler)
{
	return attach_or_replace(device, pasid, handler, false);
}

int iopf_replace(iopf_device *device, uint32_t pasid, struct iopf_handler *handler)
{
	return attach_or_replace(device, pasid, handler, true);
}

void iopf_detach(iopf_device *device, uint32_t pasid)
{
	device->core->detach(&device->dev, pasid);
}
