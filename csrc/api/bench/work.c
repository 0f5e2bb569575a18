// SPDX-License-Identifier: GPL-2.0-only
/* Experiments with workers: how many groups they get through, and how long one takes. */
#include <linux/iommu.h>
#include <runtime.h>
#include <sched.h>

#include "rig.h"
#include "histogram.h"

/* The other side may need this CPU. */
void bench_wait_for_responses(const struct bench_device *device, u64 count)
{
	unsigned int tries = 0;

	while (bench_responses(device) < count)
		if (++tries % 16384 == 0)
			sched_yield();
}

/* The worker's usage, from within one of its works. */
static struct bench_usage worker_usage(struct iopf_bench *bench)
{
	struct iopf_fault evt = bench_request(BENCH_MARK);
	struct bench_device *device = &bench->devices[0];
	u64 seen = bench_responses(device);

	bench->core->report(&device->dev, &evt);
	bench_wait_for_responses(device, seen + 1);
	return bench->mark;
}

static void sustain(struct iopf_bench *bench, u64 n, u64 window)
{
	struct iopf_fault evt = bench_request(BENCH_WORK);
	struct bench_device *device = &bench->devices[0];
	u64 seen = bench_responses(device), start = seen;
	u64 i;

	for (i = 0; i < n; i++) {
		/* The count is the worker's line: it is asked only when what was seen of it no longer suffices. */
		if (start + i >= seen + window) {
			bench_wait_for_responses(device, start + i - window + 1);
			seen = bench_responses(device);
		}
		evt.fault.prm.grpid = (u32)i;
		bench->core->report(&device->dev, &evt);
	}
	bench_wait_for_responses(device, start + n);
}

void iopf_bench_sustained(iopf_bench *bench, uint64_t n, uint64_t window, struct iopf_bench_parallel *parallel)
{
	struct bench_usage worker_before = worker_usage(bench), worker_after;
	struct bench_usage before = bench_usage(), after;

	*parallel = (struct iopf_bench_parallel){ .nr_threads = 2, .groups = n };
	sustain(bench, n, window);
	parallel->ns = bench_now() - before.now;
	parallel->overlap_ns = parallel->ns;
	after = bench_usage();
	worker_after = worker_usage(bench);
	bench->core->flush_dev(&bench->devices[0].dev);
	parallel->threads[0] = bench_used(&before, &after);
	parallel->threads[1] = bench_used(&worker_before, &worker_after);
}

static void pause_busily(u64 ns)
{
	u64 end = bench_now() + ns;

	while (bench_now() < end)
		;
}

void iopf_bench_latency(iopf_bench *bench, uint64_t n, uint64_t pause_ns, struct iopf_bench_latency *latency)
{
	struct iopf_fault evt = bench_request(BENCH_WORK);
	struct bench_device *device = &bench->devices[0];
	u64 i, start = bench_responses(device);
	struct histogram histogram = { 0 };

	for (i = 0; i < n; i++) {
		u64 began;

		if (pause_ns)
			pause_busily(pause_ns);
		evt.fault.prm.grpid = (u32)i;
		began = bench_now();
		bench->core->report(&device->dev, &evt);
		bench_wait_for_responses(device, start + i + 1);
		histogram_add(&histogram, bench_now() - began);
	}
	bench->core->flush_dev(&device->dev);

	latency->p50 = histogram_quantile(&histogram, 500000);
	latency->p99 = histogram_quantile(&histogram, 990000);
	latency->p999 = histogram_quantile(&histogram, 999000);
	latency->max = histogram.max;
}
