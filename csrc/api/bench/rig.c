// SPDX-License-Identifier: GPL-2.0-only
/* The rig of the benchmarks: devices, domains and handlers that do as little as they can. */
#include <linux/iommu.h>
#include <pthread.h>
#include <runtime.h>
#include <stdlib.h>
#include <string.h>

#include <driver.h>

#include "rig.h"

/* Under the fault param's lock: nobody else counts. Readers in other threads look without it. */
static int count_response(struct device *dev, struct iopf_fault *evt, struct iommu_page_response *msg)
{
	struct bench_device *device = container_of(dev, struct bench_device, dev);

	__atomic_store_n(&device->responses, device->responses + 1, __ATOMIC_RELEASE);
	return 0;
}

static const struct iommu_ops bench_ops = { .page_response = count_response };

static struct bench_domain *domain_of(struct iopf_group *group)
{
	return container_of(iopf_group_domain(group), struct bench_domain, domain);
}

/* It does not dequeue the group, where there is such a call: it does not keep it. */
static void answer(struct iopf_group *group)
{
	const struct iopf_core *core = domain_of(group)->core;

	core->respond(group, IOMMU_PAGE_RESP_SUCCESS);
	core->free_group(group);
}

static int handle_inline(struct iopf_group *group)
{
	answer(group);
	return 0;
}

static void work_answers(struct work_struct *work)
{
	answer(container_of(work, struct iopf_group, work));
}

static int handle_by_work(struct iopf_group *group)
{
	return domain_of(group)->core->queue_group_work(group, work_answers);
}

static void work_marks(struct work_struct *work)
{
	struct iopf_group *group = container_of(work, struct iopf_group, work);

	domain_of(group)->bench->mark = bench_usage();
	answer(group);
}

static int mark_by_work(struct iopf_group *group)
{
	return domain_of(group)->core->queue_group_work(group, work_marks);
}

static int hold(struct iopf_group *group)
{
	list_add_tail(&group->node, &domain_of(group)->bench->held);
	return 0;
}

static int (*const handlers[BENCH_PASIDS])(struct iopf_group *group) = {
	[BENCH_INLINE] = handle_inline,
	[BENCH_WORK] = handle_by_work,
	[BENCH_HOLD] = hold,
	[BENCH_MARK] = mark_by_work,
};

void bench_answer_by_work(struct iopf_bench *bench, bool by_work)
{
	bench->domains[BENCH_INLINE]->domain.iopf_handler = by_work ? handle_by_work : handle_inline;
}

/* Domains and devices are part of the rig. */
static void release_domain(struct iommu_domain *domain)
{
	(void)domain;
}

static void release_device(struct device *dev)
{
	(void)dev;
}

static bool domain_init(struct iopf_bench *bench, enum bench_pasid pasid)
{
	size_t size = offsetof(struct bench_domain, domain) + bench->core->hosted[IOPF_HOSTED_DOMAIN].size;
	struct bench_domain *d = calloc(1, size);

	bench->domains[pasid] = d;
	if (!d)
		return false;
	d->core = bench->core;
	d->bench = bench;
	driver_domain_init(&d->domain, IOMMU_DOMAIN_UNMANAGED, handlers[pasid], release_domain);
	return true;
}

static int attach(struct iopf_bench *bench, struct bench_device *device, enum bench_pasid pasid)
{
	struct iommu_attach_handle *handle = kzalloc(bench->core->hosted[IOPF_HOSTED_HANDLE].size, GFP_KERNEL);

	if (!handle)
		return -ENOMEM;
	if (pasid == BENCH_INLINE)
		device->handle = handle;
	return driver_attach_domain(bench->core, false, &bench->domains[pasid]->domain, &device->dev, pasid, handle);
}

static int device_start(struct iopf_bench *bench, struct bench_device *device)
{
	struct dev_iommu *iommu = driver_iommu_get(bench->core, &device->iommu);
	enum bench_pasid pasid;
	int ret = 0;

	device->iommu_device.ops = &bench_ops;
	driver_device_init(&device->dev, iommu, &device->iommu_device, "bench", release_device);
	device->dev.iommu_group = &device->group;
	bench->core->group_init(&device->group);
	if (!iommu)
		return -ENOMEM;

	for (pasid = BENCH_INLINE; pasid < BENCH_PASIDS && !ret; pasid++)
		ret = attach(bench, device, pasid);
	return ret ? ret : bench->core->add_device(bench->queue, &device->dev);
}

static void *second_thread(void *arg)
{
	return arg;
}

static bool has_run_threads(void)
{
	pthread_t thread;

	return !pthread_create(&thread, NULL, second_thread, NULL) && !pthread_join(thread, NULL);
}

static void rig_free(struct iopf_bench *bench)
{
	enum bench_pasid pasid;
	unsigned int i;

	for (i = 0; i < bench->nr_devices; i++)
		driver_iommu_put(bench->devices[i].dev.iommu, &bench->devices[i].iommu);
	for (pasid = BENCH_INLINE; pasid < BENCH_PASIDS; pasid++)
		free(bench->domains[pasid]);
	free(bench);
}

iopf_bench *iopf_bench_new(const iopf_core *core, unsigned int nr_devices, unsigned int workers)
{
	size_t bytes = sizeof(struct iopf_bench) + IOPF_BENCH_DEVICES * sizeof(struct bench_device);
	enum bench_pasid pasid;
	struct iopf_bench *bench;
	bool complete = true;

	if (nr_devices > IOPF_BENCH_DEVICES || !has_run_threads() ||
	    posix_memalign((void **)&bench, __alignof__(*bench), bytes))
		return NULL;
	memset(bench, 0, bytes);
	bench->core = core;
	INIT_LIST_HEAD(&bench->held);
	for (pasid = BENCH_INLINE; pasid < BENCH_PASIDS; pasid++)
		complete &= domain_init(bench, pasid);

	bench->queue = complete ? core->queue_alloc("bench") : NULL;
	if (!bench->queue) {
		rig_free(bench);
		return NULL;
	}
	workqueue_set_workers(bench->queue->wq, workers);
	while (bench->nr_devices < nr_devices)
		if (device_start(bench, &bench->devices[bench->nr_devices++])) {
			iopf_bench_delete(bench);
			return NULL;
		}
	return bench;
}

/* Afterwards nothing of the rig is in use: queue_free() has drained the works, the barrier what they deferred. */
void iopf_bench_delete(iopf_bench *bench)
{
	unsigned int i;

	iopf_bench_release(bench);
	bench->core->queue_free(bench->queue);
	for (i = 0; i < bench->nr_devices; i++)
		bench->core->group_destroy(&bench->devices[i].group);
	rcu_barrier();
	rig_free(bench);
}

int iopf_bench_answers_inline(const iopf_bench *bench)
{
	return bench->core->facts.group_handlers;
}

int iopf_bench_hold(iopf_bench *bench, uint64_t nr_groups, uint64_t nr_partials)
{
	struct iopf_fault group = bench_request(BENCH_HOLD), partial = bench_request(BENCH_INLINE);
	struct device *dev = &bench->devices[0].dev;
	int ret = 0;
	u64 i;

	/* Indices that no loop uses. */
	for (i = 0; i < nr_groups && !ret; i++) {
		group.fault.prm.grpid = 0x1000000 + (u32)i;
		ret = bench->core->report(dev, &group);
	}
	partial.fault.prm.flags = IOMMU_FAULT_PAGE_REQUEST_PASID_VALID;
	for (i = 0; i < nr_partials && !ret; i++) {
		partial.fault.prm.grpid = 0x2000000 + (u32)i;
		ret = bench->core->report(dev, &partial);
	}
	return ret;
}

void iopf_bench_release(iopf_bench *bench)
{
	struct iopf_group *group, *next;

	list_for_each_entry_safe(group, next, &bench->held, node)
		answer(group);
	INIT_LIST_HEAD(&bench->held);
	bench->core->discard_partial(bench->queue);
}
