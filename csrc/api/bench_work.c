// SPDX-License-Identifier: GPL-2.0-only
/* Experiments with workers: how many groups they get through, and how long one takes. */
#include <linux/iommu.h>
#include <runtime.h>
#include <sched.h>

#include "bench_stand.h"
#include "histogram.h"

/* Until so many responses have come since the start. The other side may need this CPU. */
static void wait_for_responses(const struct bench_device *device, u64 count)
{
	unsigned int tries = 0;

	while (bench_responses(device) < count)
		if (++tries % 16384 == 0)
			sched_yield();
}

uint64_t iopf_bench_sustained(iopf_bench *bench, uint64_t n, uint64_t window)
{
	struct iopf_fault evt = bench_request(BENCH_WORK);
	struct bench_device *device = &bench->devices[0];
	u64 seen = bench_responses(device), start = seen;
	u64 i, began = bench_now();

	for (i = 0; i < n; i++) {
		/* The count is the worker's line: it is asked only when what was seen of it no longer suffices. */
		if (start + i >= seen + window) {
			wait_for_responses(device, start + i - window + 1);
			seen = bench_responses(device);
		}
		evt.fault.prm.grpid = (u32)i;
		bench->core->report(&device->dev, &evt);
	}
	wait_for_responses(device, start + n);
	began = bench_now() - began;
	bench->core->flush_dev(&device->dev);
	return began;
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
		wait_for_responses(device, start + i + 1);
		histogram_add(&histogram, bench_now() - began);
	}
	bench->core->flush_dev(&device->dev);

	latency->p50 = histogram_quantile(&histogram, 500000);
	latency->p99 = histogram_quantile(&histogram, 990000);
	latency->p999 = histogram_quantile(&histogram, 999000);
	latency->max = histogram.max;
}
