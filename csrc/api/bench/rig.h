/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * api/bench/: what a core costs on a runtime: experiments over a rig of bare devices, timed in C. bench.h is the face; this
 * is the rig as its experiments see it.
 *
 * The room may use forms/ (a core, by its table), driver/, the histogram of api/, what a runtime offers (runtime.h) and the
 * kernel API: nothing that calls Python lies in what is timed.
 */
#ifndef IOPF_API_BENCH_RIG_H
#define IOPF_API_BENCH_RIG_H

#include <time.h>

#include "bench.h"
#include "core.h"

/* Which of the rig's domains resolves a fault, by its PASID. */
enum bench_pasid {
	BENCH_INLINE = 1,	/* the handler answers and frees */
	BENCH_WORK,		/* a work does */
	BENCH_HOLD,		/* the group waits on bench->held */
	BENCH_MARK,		/* a work does, and notes the worker's usage */
	BENCH_PASIDS,
};

/* What threads of different devices write is on lines, and pairs of lines, of its own. */
struct bench_device {
	struct device dev;
	struct dev_iommu iommu;			/* dev.iommu, but where the core's is longer */
	struct iommu_device iommu_device;
	struct iommu_attach_handle *handle;	/* of BENCH_INLINE */
	struct iommu_group group __attribute__((aligned(128)));
	u64 responses __attribute__((aligned(128)));
} __attribute__((aligned(128)));

/* A thread at one moment. */
struct bench_usage {
	u64 now, cpu, waited, slept, preempted;
};

struct bench_domain {
	const struct iopf_core *core;
	struct iopf_bench *bench;
	struct iommu_domain domain;	/* the last: a core's may be longer */
};

struct iopf_bench {
	const struct iopf_core *core;
	struct iopf_queue *queue;
	struct bench_domain *domains[BENCH_PASIDS];
	struct list_head held;		/* groups, by their owner's node */
	struct bench_usage mark;	/* the worker's, when the last BENCH_MARK was answered */
	unsigned int nr_devices;
	struct bench_device devices[];
};

/* A request as a driver builds it; the loops change what differs from one to the next. */
static inline struct iopf_fault bench_request(enum bench_pasid pasid)
{
	return (struct iopf_fault){
		.fault = {
			.type = IOMMU_FAULT_PAGE_REQ,
			.prm = {
				.flags = IOMMU_FAULT_PAGE_REQUEST_PASID_VALID | IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE,
				.pasid = pasid,
				.perm = IOMMU_FAULT_PERM_READ,
				.addr = 0x1000,
			},
		},
	};
}

static inline u64 bench_responses(const struct bench_device *device)
{
	return __atomic_load_n(&device->responses, __ATOMIC_ACQUIRE);
}

static inline u64 bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

struct bench_usage bench_usage(void);
/* All of it that is quickly asked: not how long the thread waited. */
void bench_usage_now(struct bench_usage *usage);
/* What the calling thread used between two moments. */
struct iopf_bench_thread bench_used(const struct bench_usage *began, const struct bench_usage *ended);

/* How a group of the inline domain is answered meanwhile; nothing of it may be out. */
void bench_answer_by_work(struct iopf_bench *bench, bool by_work);

/* Indices come round, as a device's do. */
#define BENCH_INDICES 16

/*
 * One request for each index, built before the clock is read: a load of what was stored a moment ago in another width
 * waits for the store, which is nobody's cost here.
 */
void bench_build_requests(struct iopf_fault *evts);
/* n one-page groups of the inline domain; the latter builds the requests itself. */
void bench_report(const struct iopf_core *core, struct bench_device *device, struct iopf_fault *evts, u64 n);
void bench_one_page_groups(const struct iopf_core *core, struct bench_device *device, u64 n);
/* Until so many responses have come since the start. */
void bench_wait_for_responses(const struct bench_device *device, u64 count);

#endif
