// SPDX-License-Identifier: GPL-2.0-only
/* The trace device's life, and what it tells. */
#include <linux/iommu.h>
#include <runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static int copy_areas(struct iopf_trace *t, iopf_space *space)
{
	size_t n = iopf_space_areas(space, 0, NULL), i;
	u64 (*areas)[3] = malloc((n + 1) * sizeof(*areas));

	t->areas = malloc((n + 1) * sizeof(*t->areas));
	if (!areas || !t->areas) {
		free(areas);
		return -ENOMEM;
	}
	t->nr_areas = iopf_space_areas(space, n, areas);
	if (t->nr_areas > n)
		t->nr_areas = n;
	for (i = 0; i < t->nr_areas; i++)
		t->areas[i] = (struct trace_area){
			.start = areas[i][0], .end = areas[i][1], .perm = (u32)areas[i][2],
		};
	free(areas);
	return 0;
}

static bool are_valid(const struct iopf_trace_options *options)
{
	return options->group >= 1 && options->group <= IOPF_TRACE_MAX_GROUP &&
	       options->outstanding >= 1 && options->outstanding <= IOPF_TRACE_MAX_OUTSTANDING &&
	       options->devices >= 1 && options->devices <= IOPF_TRACE_MAX_DEVICES;
}

int iopf_trace_new(const iopf_core *core, iopf_queue *queue, iopf_space *space,
		   const struct iopf_trace_options *options, iopf_trace **trace)
{
	size_t size = sizeof(struct iopf_trace) + options->devices * sizeof(struct trace_device);
	struct iopf_trace *t;
	int ret;
	u32 i;

	if (!are_valid(options))
		return -EINVAL;
	t = aligned_alloc(64, (size + 63) / 64 * 64);
	if (!t)
		return -ENOMEM;
	memset(t, 0, size);
	t->core = core;
	t->queue = queue;
	t->options = *options;
	t->users = 1;
	t->polled = trace_now_ns();
	for (i = IOPF_TRACE_WINDOW; i; i--) {
		t->waiters[i].next = t->free_waiter;
		t->free_waiter = i;
	}

	ret = trace_devices_init(t, space);
	if (!ret)
		ret = trace_pages_init(&t->pages, options->resident);
	if (!ret)
		ret = copy_areas(t, space);
	if (ret)
		iopf_trace_delete(t);
	else
		*trace = t;
	return ret;
}

int iopf_trace_feed(iopf_trace *t, const char *text, size_t length)
{
	if (t->ended)
		return -ENODEV;
	if (!t->error)
		t->error = trace_lines(t, text, length);
	return t->error;
}

int iopf_trace_finish(iopf_trace *t)
{
	if (t->ended)
		return -ENODEV;
	if (!t->error)
		t->error = trace_last_line(t);
	if (!t->error)
		t->error = trace_drain(t);
	return t->error;
}

void iopf_trace_end(iopf_trace *t)
{
	if (t->ended)
		return;
	t->ended = true;

	/* A form that trusts its driver wants its works to be through before it removes a device. */
	while (t->in_flight && !trace_wait(t))
		trace_collect(t);
	if (t->devices[0].on_queue)
		iopf_device_flush(t->devices[0].device);
	trace_devices_remove(t);
	trace_collect(t);
}

void iopf_trace_orphan(iopf_trace *t)
{
	u32 i;

	if (t->ended)
		return;
	t->ended = true;
	for (i = 0; i < t->options.devices; i++)
		t->devices[i].on_queue = false;
	trace_devices_remove(t);
	trace_collect(t);
}

void iopf_trace_delete(iopf_trace *t)
{
	iopf_trace_end(t);
	trace_put(t);
}

void iopf_trace_count(iopf_trace *t, struct iopf_trace_counts *counts)
{
	*counts = t->counts;
	counts->strays = __atomic_load_n(&t->strays, __ATOMIC_RELAXED);
	counts->present = t->pages.present;
	counts->dropped = t->pages.dropped;
	counts->unanswered = t->in_flight;
	counts->latencies = t->latency.count;
}

size_t iopf_trace_latencies(iopf_trace *trace, size_t max, uint64_t (*values)[2])
{
	return histogram_values(&trace->latency, max, values);
}

void iopf_trace_measure(iopf_trace *t, struct iopf_trace_latency *latency)
{
	latency->p50 = histogram_quantile(&t->latency, 500000);
	latency->p99 = histogram_quantile(&t->latency, 990000);
	latency->p999 = histogram_quantile(&t->latency, 999000);
	latency->max = t->latency.max;
}

uint64_t iopf_trace_malformed(iopf_trace *t, unsigned int index, char *text, size_t capacity)
{
	if (index >= IOPF_TRACE_SAMPLES || index >= t->counts.malformed)
		return 0;
	snprintf(text, capacity, "%s", t->sample[index]);
	return t->sample_line[index];
}
