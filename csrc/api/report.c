// SPDX-License-Identifier: GPL-2.0-only
/* The way in: one request, or many. The way out of a group that Python owns is here too. */
#include <linux/iommu.h>
#include <runtime.h>
#include <string.h>

#include "api.h"

_Static_assert(sizeof(struct iopf_request) == sizeof(struct iommu_fault), "requests are struct iommu_fault");
_Static_assert(offsetof(struct iopf_request, addr) == offsetof(struct iommu_fault, prm.addr), "and look like it");

static int report(struct iopf_device *device, struct iopf_fault *evt)
{
	__atomic_fetch_add(&device->reported, 1, __ATOMIC_RELAXED);
	return device->core->report(&device->dev, evt);
}

int iopf_report(iopf_device *device, uint64_t addr, uint32_t perm, uint32_t grpid, uint32_t pasid, uint32_t flags)
{
	struct iopf_fault evt = {
		.fault = {
			.type = IOMMU_FAULT_PAGE_REQ,
			.prm = { .flags = flags, .pasid = pasid, .grpid = grpid, .perm = perm, .addr = addr },
		},
	};
	int ret = report(device, &evt);

	api_deliver();
	return ret;
}

#define POLL_EVERY 256

size_t iopf_report_many(iopf_device *device, const void *requests, size_t count, int32_t *results)
{
	u64 polled = clock_now_ns();
	size_t i, accepted = 0;

	for (i = 0; i < count; i++) {
		struct iopf_fault evt;
		int ret;

		memcpy(&evt.fault, (const char *)requests + i * sizeof(evt.fault), sizeof(evt.fault));
		ret = report(device, &evt);
		accepted += !ret;
		if (results)
			results[i] = ret;
		api_deliver();
		if (i % POLL_EVERY == POLL_EVERY - 1 && clock_now_ns() - polled > WAIT_SLICE_NS) {
			polled = clock_now_ns();
			if (api_callbacks.poll && api_callbacks.poll())
				break;
		}
	}
	return accepted;
}

size_t iopf_group_faults(iopf_group *group, size_t max, struct iopf_request *requests)
{
	struct iopf_fault *iopf;
	size_t n = 0;

	list_for_each_entry(iopf, &group->faults, list) {
		if (n < max)
			memcpy(&requests[n], &iopf->fault, sizeof(requests[n]));
		n++;
	}
	return n;
}

int iopf_group_finish(const iopf_core *core, iopf_group *group, int code)
{
	bool answered;

	api_answered_here = false;
	core->respond(group, code);
	answered = api_answered_here;
	core->free_group(group);
	api_deliver();
	return answered;
}
