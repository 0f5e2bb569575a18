// SPDX-License-Identifier: GPL-2.0-only
/*
 * The devices of a trace, and the driver that they have: it reports groups and takes their answers.
 *
 * An answer comes under the fault param's lock, mostly on a worker. page_response does the least there: it takes the
 * time and pushes the group onto a list without a lock. The thread that performs the accesses takes the whole list at
 * once and draws the consequences. When it has to wait it spins first, because the answer of a worker that is awake
 * comes sooner than a sleeper would be back.
 */
#include <linux/iommu.h>
#include <runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

/* Longer than a worker that is awake takes, shorter than one that sleeps: and that one may be waiting for this CPU. */
#define SPIN_NS 5000
#define SPINS 64
#define LEAST_GROUPS 64

static inline void spin_hint(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	barrier();
#endif
}

static struct trace_group *group_at(struct iopf_trace *t, u32 index)
{
	return (struct trace_group *)((char *)t->groups + index * t->group_size);
}

static struct trace_device *to_trace_device(struct device *dev)
{
	return (struct trace_device *)(uintptr_t)container_of(dev, struct iopf_device, dev)->id;
}

/* --- answers --- */

static void push_answered(struct iopf_trace *t, struct trace_group *group)
{
	struct trace_group *first = __atomic_load_n(&t->answered, __ATOMIC_RELAXED);

	do {
		group->next = first;
	} while (!__atomic_compare_exchange_n(&t->answered, &first, group, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));

	/* Pairs with the sleeper's: it sets sleeping before it looks at the list for the last time. */
	if (__atomic_load_n(&t->sleeping, __ATOMIC_SEQ_CST)) {
		pthread_mutex_lock(&t->lock);
		pthread_cond_signal(&t->wake);
		pthread_mutex_unlock(&t->lock);
	}
}

/* A response counts for a group that is outstanding, and once. */
static int trace_page_response(struct device *dev, struct iopf_fault *evt, struct iommu_page_response *msg)
{
	struct trace_device *device = to_trace_device(dev);
	struct iopf_trace *t = device->trace;
	struct trace_group *group = msg->grpid < t->nr_groups ? group_at(t, msg->grpid) : NULL;
	int reported = TRACE_GROUP_REPORTED;

	(void)evt;
	/* Older forms send no PASID unless the device asks for it. */
	if (!group || msg->code > IOPF_FAILURE || (msg->pasid && msg->pasid != device->pasid) ||
	    !__atomic_compare_exchange_n(&group->state, &reported, TRACE_GROUP_ANSWERED, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED)) {
		__atomic_fetch_add(&t->strays, 1, __ATOMIC_RELAXED);
		return 0;
	}
	/* The state was ours to change, so the rest is, too. */
	if (group->device != device)
		__atomic_fetch_add(&t->strays, 1, __ATOMIC_RELAXED);
	group->answered_at = trace_now_ns();
	group->code = msg->code;
	push_answered(t, group);
	return 0;
}

int trace_poll(struct iopf_trace *t)
{
	t->polled = trace_now_ns();
	return api_callbacks.poll && api_callbacks.poll() ? -EINTR : 0;
}

static bool is_answered(struct iopf_trace *t)
{
	return __atomic_load_n(&t->answered, __ATOMIC_SEQ_CST) != NULL;
}

/* One slice of sleep. */
static void sleep_until_answered(struct iopf_trace *t)
{
	u64 end = trace_now_ns() + WAIT_SLICE_NS;
	struct timespec time = { .tv_sec = (time_t)(end / 1000000000u), .tv_nsec = (long)(end % 1000000000u) };
	int ret = 0;

	pthread_mutex_lock(&t->lock);
	__atomic_store_n(&t->sleeping, 1, __ATOMIC_SEQ_CST);
	while (!ret && !is_answered(t))
		ret = pthread_cond_timedwait(&t->wake, &t->lock, &time);
	__atomic_store_n(&t->sleeping, 0, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&t->lock);
}

int trace_wait(struct iopf_trace *t)
{
	u64 begin = trace_now_ns();
	int ret, i;

	do {
		for (i = 0; i < SPINS; i++) {
			if (is_answered(t))
				return 0;
			spin_hint();
		}
	} while (trace_now_ns() - begin < t->spin_ns);

	for (;;) {
		sleep_until_answered(t);
		if (is_answered(t))
			return 0;
		ret = trace_poll(t);
		if (ret)
			return ret;
		/* Nothing is reported meanwhile: an idle queue has given all the answers that it will give. */
		if (iopf_queue_wait_idle(t->queue, 0) && !is_answered(t))
			return IOPF_TRACE_LOST;
	}
}

/* --- requests --- */

struct trace_group *trace_group_take(struct iopf_trace *t, struct trace_device *device)
{
	struct trace_group *group = t->free_groups;

	t->free_groups = group->next;
	if (!t->free_groups)
		t->free_tail = &t->free_groups;
	group->device = device;
	group->nr = 0;
	return group;
}

/* To the end: an index comes round as late as can be, so that a response that came twice is not taken for the next. */
void trace_group_give_back(struct iopf_trace *t, struct trace_group *group)
{
	__atomic_store_n(&group->state, TRACE_GROUP_IDLE, __ATOMIC_RELAXED);
	group->next = NULL;
	*t->free_tail = group;
	t->free_tail = &group->next;
}

int trace_report(struct iopf_trace *t, struct trace_group *group)
{
	struct trace_device *device = group->device;
	struct iopf_fault evt = {
		.fault = {
			.type = IOMMU_FAULT_PAGE_REQ,
			.prm = {
				.flags = IOMMU_FAULT_PAGE_REQUEST_PASID_VALID,
				.pasid = device->pasid,
				.grpid = group->index,
			},
		},
	};
	u32 i, nr = group->nr;
	int ret;

	for (i = 0; i < nr; i++) {
		const struct trace_request *request = &group->requests[i];
		bool last = i == nr - 1;

		evt.fault.prm.addr = t->pages.array[request->page].number << TRACE_PAGE_SHIFT;
		evt.fault.prm.perm = request->want;
		if (last) {
			evt.fault.prm.flags |= IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE;
			group->reported_at = trace_now_ns();
			__atomic_store_n(&group->state, TRACE_GROUP_REPORTED, __ATOMIC_RELEASE);
		}
		ret = t->core->report(&device->device->dev, &evt);
		/* Whatever report says of a last request, it is answered. A lost partial one leaves a group with a hole. */
		if (ret && !last)
			return ret;
	}
	t->counts.requests += nr;
	t->counts.groups++;
	t->in_flight++;
	if (!t->options.workers)
		iopf_queue_run(t->queue);
	return 0;
}

/* --- life --- */

void trace_put(struct iopf_trace *t)
{
	if (__atomic_sub_fetch(&t->users, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	trace_pages_destroy(&t->pages);
	free(t->groups);
	free(t->alone);
	free(t->areas);
	free(t);
}

/* The trace lives as long as a device does: as long as a response may come. */
static void trace_device_release(struct device *dev)
{
	struct trace_device *device = to_trace_device(dev);
	struct iopf_trace *t = device->trace;

	device->release(dev);
	trace_put(t);
}

static int device_init(struct iopf_trace *t, struct trace_device *device, u32 index, iopf_space *space)
{
	struct iopf_handler handler = { .kind = IOPF_SVA, .space = space };
	iopf_iommu_group *group = iopf_iommu_group_new(t->core);
	char name[32];
	int ret;

	if (!group)
		return -ENOMEM;
	snprintf(name, sizeof(name), "trace-%u", index);
	device->trace = t;
	device->pasid = index + 1;
	device->device = iopf_device_new(t->core, name, group, (uintptr_t)device, 0);
	iopf_iommu_group_put(group);
	if (!device->device)
		return -ENOMEM;
	device->release = device->device->dev.release;
	device->device->dev.release = trace_device_release;
	device->device->ops.page_response = trace_page_response;
	__atomic_add_fetch(&t->users, 1, __ATOMIC_RELAXED);

	ret = iopf_attach(device->device, device->pasid, &handler);
	if (!ret)
		ret = iopf_queue_add(t->core, t->queue, device->device);
	device->on_queue = !ret;
	return ret;
}

static int groups_init(struct iopf_trace *t)
{
	size_t size = sizeof(struct trace_group) + t->options.group * sizeof(struct trace_request);
	u32 i;

	/* One for each that may be outstanding, and one for each device to put together; more delay their return. */
	t->nr_groups = t->options.outstanding + t->options.devices;
	if (t->nr_groups < LEAST_GROUPS)
		t->nr_groups = LEAST_GROUPS;
	t->group_size = (size + 63) / 64 * 64;
	t->groups = aligned_alloc(64, t->nr_groups * t->group_size);
	t->alone_room = t->options.outstanding * t->options.group;
	t->alone = calloc(t->alone_room, sizeof(*t->alone));
	if (!t->groups || !t->alone)
		return -ENOMEM;
	t->free_tail = &t->free_groups;
	for (i = 0; i < t->nr_groups; i++) {
		struct trace_group *group = group_at(t, i);

		memset(group, 0, sizeof(*group));
		group->index = i;
		trace_group_give_back(t, group);
	}
	return 0;
}

int trace_devices_init(struct iopf_trace *t, iopf_space *space)
{
	pthread_condattr_t monotonic;
	u32 i;
	int ret;

	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	t->spin_ns = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? SPIN_NS : 0;

	ret = groups_init(t);
	for (i = 0; !ret && i < t->options.devices; i++)
		ret = device_init(t, &t->devices[i], i, space);
	return ret;
}

void trace_devices_remove(struct iopf_trace *t)
{
	u32 i;

	for (i = 0; i < t->options.devices; i++) {
		struct trace_device *device = &t->devices[i];

		if (device->on_queue)
			iopf_queue_remove(t->core, t->queue, device->device);
		device->on_queue = false;
		if (device->device)
			iopf_device_put(device->device);
		device->device = NULL;
	}
}
