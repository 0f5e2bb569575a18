// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices, and the driver that they have here: it counts, records and notes the responses that the core sends.
 *
 * A response arrives under the fault param's lock, so telling Python has to wait. It is noted for the thread that
 * caused it, and api_deliver() runs at the end of the call or of the work item.
 */
#include <driver.h>
#include <linux/iommu.h>
#include <runtime.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

struct note {
	struct note *next;
	struct iopf_device *device;	/* held */
	struct iopf_response response;
};

static __thread struct note *notes, **notes_tail;
__thread bool api_answered_here;

struct iopf_callbacks api_callbacks;

static struct iopf_device *to_device(struct device *dev)
{
	return container_of(dev, struct iopf_device, dev);
}

/* A note that finds no memory is lost: the record and the counts are what a test relies on. */
static void note_response(struct iopf_device *device, const struct iopf_response *response)
{
	struct note *note = malloc(sizeof(*note));

	if (WARN(!note, "no memory to note a response"))
		return;
	note->next = NULL;
	note->response = *response;
	note->device = device;
	get_device(&device->dev);
	if (!notes)
		notes_tail = &notes;
	*notes_tail = note;
	notes_tail = &note->next;
}

void api_deliver(void)
{
	/* The callback may call back in, and deliver the rest: one at a time, always from the front. */
	while (unlikely(notes)) {
		struct note *note = notes;

		notes = note->next;
		if (api_callbacks.response)
			api_callbacks.response(note->device->id, &note->response, (uintptr_t)current_workqueue());
		put_device(&note->device->dev);
		free(note);
	}
}

static void record_response(struct iopf_device *device, const struct iopf_response *response)
{
	if (device->nr_responses == device->capacity) {
		size_t capacity = device->capacity ? 2 * device->capacity : 16;
		struct iopf_response *responses = realloc(device->responses, capacity * sizeof(*responses));

		if (WARN(!responses, "no memory to record a response"))
			return;
		device->responses = responses;
		device->capacity = capacity;
	}
	device->responses[device->nr_responses++] = *response;
}

int api_page_response(struct device *dev, struct iopf_fault *evt, struct iommu_page_response *msg)
{
	struct iopf_device *device = to_device(dev);
	struct iopf_response response = {
		.pasid = msg->pasid,
		.grpid = msg->grpid,
		.code = msg->code,
		.flags = evt->fault.prm.flags,
	};

	api_answered_here = true;
	mutex_lock(&device->lock);
	if (msg->code < 3)
		device->answered[msg->code]++;
	if (device->flags & IOPF_DEVICE_RECORD)
		record_response(device, &response);
	mutex_unlock(&device->lock);
	if (device->flags & IOPF_DEVICE_NOTIFY)
		note_response(device, &response);
	return 0;
}

static void iommu_group_release(struct iommu_group *group)
{
	struct iopf_iommu_group *g = container_of(group, struct iopf_iommu_group, group);

	g->core->group_destroy(group);
	free(g);
}

iopf_iommu_group *iopf_iommu_group_new(const iopf_core *core)
{
	struct iopf_iommu_group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->core = core;
	driver_group_init(core, &g->group, iommu_group_release);
	return g;
}

void iopf_iommu_group_put(iopf_iommu_group *g)
{
	driver_group_put(&g->group);
}

static void device_release(struct device *dev)
{
	struct iopf_device *device = to_device(dev);

	mutex_destroy(&dev->iommu->lock);
	driver_iommu_put(dev->iommu, &device->iommu);
	mutex_destroy(&device->lock);
	iopf_iommu_group_put(device->group);
	free(device->responses);
	free(device);
}

iopf_device *iopf_device_new(const iopf_core *core, const char *name, iopf_iommu_group *group, uint64_t id, int flags)
{
	struct iopf_device *device = calloc(1, sizeof(*device));
	struct dev_iommu *iommu = device ? driver_iommu_get(core, &device->iommu) : NULL;

	if (!iommu) {
		free(device);
		return NULL;
	}
	strncpy(device->name, name, sizeof(device->name) - 1);
	device->core = core;
	device->group = group;
	device->id = id;
	device->flags = flags;
	mutex_init(&device->lock);

	device->ops.page_response = api_page_response;
	device->ops.user_pasid_table = !!(flags & IOPF_DEVICE_USER_PASID_TABLE);
	device->iommu_device.ops = &device->ops;
	driver_device_init(&device->dev, iommu, &device->iommu_device, device->name, device_release);
	refcount_inc(&group->group.users);
	device->dev.iommu_group = &group->group;
	return device;
}

void iopf_device_put(iopf_device *device)
{
	put_device(&device->dev);
}

size_t iopf_device_responses(iopf_device *device, size_t first, size_t max, struct iopf_response *responses)
{
	size_t n;

	mutex_lock(&device->lock);
	n = device->nr_responses;
	if (first < n && max)
		memcpy(responses, device->responses + first, (n - first < max ? n - first : max) * sizeof(*responses));
	mutex_unlock(&device->lock);
	return n;
}

void iopf_device_clear_responses(iopf_device *device)
{
	mutex_lock(&device->lock);
	device->nr_responses = 0;
	mutex_unlock(&device->lock);
}

void iopf_device_answered_again(iopf_device *device)
{
	atomic_long_inc(&device->dev.iommu->repeated_responses);
}

void iopf_device_statistics(iopf_device *device, struct iopf_statistics *statistics)
{
	memset(statistics, 0, sizeof(*statistics));
	statistics->reported = __atomic_load_n(&device->reported, __ATOMIC_RELAXED);
	statistics->dropped = (u64)atomic_long_read(&device->dev.iommu->dropped_responses);
	statistics->already_answered = (u64)atomic_long_read(&device->dev.iommu->repeated_responses);

	mutex_lock(&device->lock);
	statistics->success = device->answered[IOPF_SUCCESS];
	statistics->invalid = device->answered[IOPF_INVALID];
	statistics->failure = device->answered[IOPF_FAILURE];
	mutex_unlock(&device->lock);

	device->core->count_stored(&device->dev, &statistics->partials, &statistics->pending);
}
