// SPDX-License-Identifier: GPL-2.0-only
/* Experiments of one thread: groups that the handler answers, and the life of a device on its queue. */
#include <linux/iommu.h>
#include <runtime.h>
#include <stdlib.h>

#include "rig.h"

void bench_build_requests(struct iopf_fault *evts)
{
	u32 i;

	for (i = 0; i < BENCH_INDICES; i++) {
		evts[i] = bench_request(BENCH_INLINE);
		evts[i].fault.prm.grpid = i;
	}
}

void bench_report(const struct iopf_core *core, struct bench_device *device, struct iopf_fault *evts, u64 n)
{
	u64 i;

	for (i = 0; i < n; i++)
		core->report(&device->dev, &evts[i % BENCH_INDICES]);
}

void bench_one_page_groups(const struct iopf_core *core, struct bench_device *device, u64 n)
{
	struct iopf_fault evts[BENCH_INDICES];

	bench_build_requests(evts);
	bench_report(core, device, evts, n);
}

static void many_page_groups(const struct iopf_core *core, struct bench_device *device, u64 n, unsigned int pages)
{
	struct iopf_fault evt = bench_request(BENCH_INLINE);
	unsigned int page;
	u64 i;

	for (i = 0; i < n; i++) {
		evt.fault.prm.grpid = i % BENCH_INDICES;
		evt.fault.prm.flags = IOMMU_FAULT_PAGE_REQUEST_PASID_VALID;
		for (page = 0; page < pages - 1; page++) {
			evt.fault.prm.addr = 0x1000 * page;
			core->report(&device->dev, &evt);
		}
		evt.fault.prm.flags |= IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE;
		evt.fault.prm.addr = 0x1000 * page;
		core->report(&device->dev, &evt);
	}
}

uint64_t iopf_bench_groups(iopf_bench *bench, uint64_t n, unsigned int pages)
{
	u64 began = bench_now();

	if (pages > 1)
		many_page_groups(bench->core, &bench->devices[0], n, pages);
	else
		bench_one_page_groups(bench->core, &bench->devices[0], n);
	return bench_now() - began;
}

static int answer_without_framework(struct device *dev, struct iopf_fault *evt)
{
	struct iommu_page_response msg = { .pasid = evt->fault.prm.pasid, .grpid = evt->fault.prm.grpid };

	return dev->iommu->iommu_dev->ops->page_response(dev, evt, &msg);
}

uint64_t iopf_bench_driver(iopf_bench *bench, uint64_t n)
{
	int (*volatile report)(struct device *dev, struct iopf_fault *evt) = answer_without_framework;
	struct iopf_fault evts[BENCH_INDICES];
	u64 i, began;

	bench_build_requests(evts);
	began = bench_now();
	for (i = 0; i < n; i++)
		report(&bench->devices[0].dev, &evts[i % BENCH_INDICES]);
	return bench_now() - began;
}

/* --- add, remove, flush --- */

uint64_t iopf_bench_remove(iopf_bench *bench, uint64_t n, uint64_t *free_ns)
{
	const struct iopf_core *core = bench->core;
	struct device *dev = &bench->devices[0].dev;
	struct iopf_group *group, *next;
	u64 began, removed;

	*free_ns = 0;
	if (core->facts.removal == IOPF_REMOVAL_REFUSES || iopf_bench_hold(bench, n, 0)) {
		iopf_bench_release(bench);
		return 0;
	}
	began = bench_now();
	core->remove_device(bench->queue, dev);
	removed = bench_now();
	if (core->facts.removal == IOPF_REMOVAL_ANSWERS) {
		list_for_each_entry_safe(group, next, &bench->held, node)
			core->free_group(group);
		*free_ns = bench_now() - removed;
	}
	INIT_LIST_HEAD(&bench->held);
	core->add_device(bench->queue, dev);
	return removed - began;
}

uint64_t iopf_bench_add_remove(iopf_bench *bench, uint64_t n)
{
	const struct iopf_core *core = bench->core;
	struct device *dev = &bench->devices[0].dev;
	u64 i, began;

	core->remove_device(bench->queue, dev);
	began = bench_now();
	for (i = 0; i < n; i++) {
		core->add_device(bench->queue, dev);
		core->remove_device(bench->queue, dev);
	}
	began = bench_now() - began;
	core->add_device(bench->queue, dev);
	return began;
}

uint64_t iopf_bench_flush(iopf_bench *bench, uint64_t n)
{
	u64 i, began = bench_now();

	for (i = 0; i < n; i++)
		bench->core->flush_dev(&bench->devices[0].dev);
	return bench_now() - began;
}
