// SPDX-License-Identifier: GPL-2.0-only
/*
 * Experiments of several threads. On a machine that does other things, too, they may take turns on one CPU, and then never
 * meet at anything: usage.c says whether they did.
 */
#define _GNU_SOURCE
#include <linux/iommu.h>
#include <pthread.h>
#include <runtime.h>
#include <sched.h>
#include <stdlib.h>

#include "rig.h"
#include "histogram.h"

/* Of groups, between two looks at whether another thread is through. */
#define BATCH 64

struct together {
	unsigned int nr_threads;
	unsigned int nr_ready, nr_set;
	int over __attribute__((aligned(128)));	/* written once */
};

struct reporter {
	const struct iopf_core *core;
	struct bench_device *device;
	struct together *together;
	u64 n, done, ended;
	struct histogram *histogram;	/* of each report; NULL: they are not timed one by one */
	struct bench_usage before, after;
	pthread_t thread;
};

/* They leave within a cache line's way of each other, where a sleeping barrier would let the first finish alone. */
static void meet(struct together *together, unsigned int *nr_here)
{
	unsigned int tries = 0;

	__atomic_add_fetch(nr_here, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(nr_here, __ATOMIC_ACQUIRE) < together->nr_threads)
		if (++tries % 1024 == 0)
			sched_yield();
}

static void report_timed(struct reporter *self, struct iopf_fault *evts, u64 n)
{
	u64 before = bench_now(), i;

	for (i = 0; i < n; i++) {
		u64 after;

		bench_report(self->core, self->device, evts + i % BENCH_INDICES, 1);
		after = bench_now();
		histogram_add(self->histogram, after - before);
		before = after;
	}
}

/* The first one that is through ends it for all: what one would do alone is not what is measured. */
static void report_together(struct reporter *self, struct iopf_fault *evts)
{
	while (self->done < self->n && !__atomic_load_n(&self->together->over, __ATOMIC_RELAXED)) {
		u64 n = self->n - self->done < BATCH ? self->n - self->done : BATCH;

		if (self->histogram)
			report_timed(self, evts, n);
		else
			bench_report(self->core, self->device, evts, n);
		self->done += n;
	}
	__atomic_store_n(&self->together->over, 1, __ATOMIC_RELAXED);
}

static void *reporter_main(void *arg)
{
	struct iopf_fault evts[BENCH_INDICES];
	struct reporter *self = arg;

	/* What a thread needs once, a record and its first objects, is not what is measured. */
	bench_build_requests(evts);
	bench_report(self->core, self->device, evts, 64);
	meet(self->together, &self->together->nr_ready);
	self->before = bench_usage();	/* takes its time, and not the same for all */
	meet(self->together, &self->together->nr_set);
	bench_usage_now(&self->before);	/* its last look is at the clock */
	report_together(self, evts);
	self->ended = bench_now();
	self->after = bench_usage();
	self->after.now = self->ended;
	return NULL;
}

/* histograms: one for each thread, or NULL. */
static void run_reporters(iopf_bench *bench, unsigned int nr_threads, bool own_devices, uint64_t n,
			  struct histogram *histograms, struct iopf_bench_parallel *parallel)
{
	struct reporter reporters[IOPF_BENCH_DEVICES] = { 0 };
	struct together together = { .nr_threads = nr_threads };
	u64 first_start = UINT64_MAX, last_start = 0, first_end = UINT64_MAX, last_end = 0;
	unsigned int i;

	*parallel = (struct iopf_bench_parallel){ 0 };
	if (!nr_threads || nr_threads > IOPF_BENCH_DEVICES || (own_devices && nr_threads > bench->nr_devices))
		return;
	for (i = 0; i < nr_threads; i++)
		reporters[i] = (struct reporter){
			.core = bench->core, .device = &bench->devices[own_devices ? i : 0],
			.together = &together, .n = n, .histogram = histograms ? &histograms[i] : NULL,
		};
	for (i = 1; i < nr_threads; i++)
		if (pthread_create(&reporters[i].thread, NULL, reporter_main, &reporters[i]))
			abort();	/* those that wait for it would wait forever */
	reporter_main(&reporters[0]);
	for (i = 0; i < nr_threads; i++) {
		u64 began, ended;

		if (i)
			pthread_join(reporters[i].thread, NULL);
		began = reporters[i].before.now;
		ended = reporters[i].ended;
		first_start = began < first_start ? began : first_start;
		last_start = began > last_start ? began : last_start;
		first_end = ended < first_end ? ended : first_end;
		last_end = ended > last_end ? ended : last_end;
		parallel->threads[i] = bench_used(&reporters[i].before, &reporters[i].after);
		parallel->groups += reporters[i].done;
	}
	parallel->nr_threads = nr_threads;
	parallel->ns = last_end - first_start;
	parallel->overlap_ns = first_end > last_start ? first_end - last_start : 0;
}

void iopf_bench_threads(iopf_bench *bench, unsigned int nr_threads, int own_devices, uint64_t n,
			struct iopf_bench_parallel *parallel)
{
	run_reporters(bench, nr_threads, own_devices, n, NULL, parallel);
}

void iopf_bench_contended(iopf_bench *bench, unsigned int nr_threads, uint64_t n, struct iopf_bench_latency *latency,
			  struct iopf_bench_parallel *parallel)
{
	struct histogram *histograms = calloc(IOPF_BENCH_DEVICES, sizeof(*histograms));
	unsigned int i;

	if (!histograms)
		abort();	/* what is not measured must not look as if it was */
	run_reporters(bench, nr_threads, false, n, histograms, parallel);
	for (i = 1; i < nr_threads && i < IOPF_BENCH_DEVICES; i++)
		histogram_merge(&histograms[0], &histograms[i]);
	*latency = (struct iopf_bench_latency){
		.p50 = histogram_quantile(&histograms[0], 500000), .p99 = histogram_quantile(&histograms[0], 990000),
		.p999 = histogram_quantile(&histograms[0], 999000), .max = histograms[0].max,
	};
	free(histograms);
}

/* --- states --- */

static void *report_on_all(void *arg)
{
	struct iopf_bench *bench = arg;
	unsigned int i;

	for (i = 0; i < bench->nr_devices; i++)
		bench_one_page_groups(bench->core, &bench->devices[i], 64);
	return NULL;
}

static void work_on_all(struct iopf_bench *bench)
{
	unsigned int i;

	bench_answer_by_work(bench, true);
	for (i = 0; i < bench->nr_devices; i++) {
		struct bench_device *device = &bench->devices[i];
		u64 seen = bench_responses(device);

		bench_one_page_groups(bench->core, device, 64);
		bench_wait_for_responses(device, seen + 64);
		bench->core->flush_dev(&device->dev);
	}
	bench_answer_by_work(bench, false);
}

static int report_by_another(iopf_bench *bench)
{
	pthread_t other;

	if (pthread_create(&other, NULL, report_on_all, bench))
		return -EAGAIN;
	pthread_join(other, NULL);
	return 0;
}

/* How often, and up to how many groups in a row: more than any lock or count is patient with. */
#define WORN_TIMES 9
#define WORN_GROUPS 20000

static int wear_out(iopf_bench *bench)
{
	unsigned int i, times;

	for (times = 0; times < WORN_TIMES; times++) {
		if (report_by_another(bench))
			return -EAGAIN;
		work_on_all(bench);
		for (i = 0; i < bench->nr_devices; i++)
			bench_one_page_groups(bench->core, &bench->devices[i], WORN_GROUPS >> (WORN_TIMES - 1 - times));
	}
	if (report_by_another(bench))
		return -EAGAIN;
	work_on_all(bench);
	return 0;
}

int iopf_bench_reach(iopf_bench *bench, int state)
{
	if (state < IOPF_BENCH_OWNED || state > IOPF_BENCH_WORN)
		return -EINVAL;
	report_on_all(bench);
	switch (state) {
	case IOPF_BENCH_WORKED:
		work_on_all(bench);
		break;
	case IOPF_BENCH_SHARED:
		if (report_by_another(bench))
			return -EAGAIN;
		report_on_all(bench);
		break;
	case IOPF_BENCH_WORN:
		return wear_out(bench);
	}
	return 0;
}

void iopf_bench_regimes(iopf_bench *bench, struct iopf_bench_regimes *regimes)
{
	struct bench_device *device = &bench->devices[0];
	struct mutex *lock;
	refcount_t *users;

	bench->core->contended(&device->dev, &lock, &users);
	*regimes = (struct iopf_bench_regimes){
		.lock = lock ? (int)mutex_regime(lock) : 0,
		.users = users ? (int)refcount_regime(users) : 0,
		.handle = (int)refcount_regime(&device->handle->users),
		.group_lock = (int)mutex_regime(&device->group.lock),
	};
}
