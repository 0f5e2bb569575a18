// SPDX-License-Identifier: GPL-2.0-only
/* Experiments without a worker: groups that the handler answers, and the life of a device on its queue. */
#include <linux/iommu.h>
#include <pthread.h>
#include <runtime.h>
#include <sched.h>
#include <stdlib.h>

#include "bench_stand.h"

/* Indices come round, as a device's do. */
#define NR_INDICES 16

/*
 * One request for each index, built before the clock is read: a load of what was stored a moment ago in another width
 * waits for the store, which is nobody's cost here.
 */
static void build_requests(struct iopf_fault *evts)
{
	u32 i;

	for (i = 0; i < NR_INDICES; i++) {
		evts[i] = bench_request(BENCH_INLINE);
		evts[i].fault.prm.grpid = i;
	}
}

static void one_page_groups(const struct iopf_core *core, struct bench_device *device, u64 n)
{
	struct iopf_fault evts[NR_INDICES];
	u64 i;

	build_requests(evts);
	for (i = 0; i < n; i++)
		core->report(&device->dev, &evts[i % NR_INDICES]);
}

static void many_page_groups(const struct iopf_core *core, struct bench_device *device, u64 n, unsigned int pages)
{
	struct iopf_fault evt = bench_request(BENCH_INLINE);
	unsigned int page;
	u64 i;

	for (i = 0; i < n; i++) {
		evt.fault.prm.grpid = i % NR_INDICES;
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
		one_page_groups(bench->core, &bench->devices[0], n);
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
	struct iopf_fault evts[NR_INDICES];
	u64 i, began;

	build_requests(evts);
	began = bench_now();
	for (i = 0; i < n; i++)
		report(&bench->devices[0].dev, &evts[i % NR_INDICES]);
	return bench_now() - began;
}

/* --- several threads --- */

struct together {
	unsigned int nr_threads;
	unsigned int nr_ready;
};

struct reporter {
	const struct iopf_core *core;
	struct bench_device *device;
	struct together *together;
	u64 n, began, ended;
	pthread_t thread;
};

/* They leave within a cache line's way of each other, where a sleeping barrier would let the first finish alone. */
static void meet(struct together *together)
{
	unsigned int tries = 0;

	__atomic_add_fetch(&together->nr_ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&together->nr_ready, __ATOMIC_ACQUIRE) < together->nr_threads)
		if (++tries % 1024 == 0)
			sched_yield();
}

static void *reporter_main(void *arg)
{
	struct reporter *self = arg;

	/* What a thread needs once, a record and its first objects, is not what is measured. */
	one_page_groups(self->core, self->device, 64);
	meet(self->together);
	self->began = bench_now();
	one_page_groups(self->core, self->device, self->n);
	self->ended = bench_now();
	return NULL;
}

uint64_t iopf_bench_threads(iopf_bench *bench, unsigned int nr_threads, int own_devices, uint64_t n)
{
	struct reporter reporters[IOPF_BENCH_DEVICES] = { 0 };
	struct together together = { .nr_threads = nr_threads };
	u64 began = UINT64_MAX, ended = 0;
	unsigned int i;

	if (!nr_threads || nr_threads > IOPF_BENCH_DEVICES || (own_devices && nr_threads > bench->nr_devices))
		return 0;
	for (i = 0; i < nr_threads; i++)
		reporters[i] = (struct reporter){
			.core = bench->core, .device = &bench->devices[own_devices ? i : 0],
			.together = &together, .n = n,
		};
	for (i = 1; i < nr_threads; i++)
		if (pthread_create(&reporters[i].thread, NULL, reporter_main, &reporters[i]))
			abort();	/* those that wait for it would wait forever */
	reporter_main(&reporters[0]);
	for (i = 0; i < nr_threads; i++) {
		if (i)
			pthread_join(reporters[i].thread, NULL);
		if (reporters[i].began < began)
			began = reporters[i].began;
		if (reporters[i].ended > ended)
			ended = reporters[i].ended;
	}
	return ended - began;
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
