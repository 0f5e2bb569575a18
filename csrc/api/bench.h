/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The face of the benchmarks: hot loops over one core, with nothing of the other faces in them.
 *
 * A stand has a queue and bare devices, whose page_response only counts. One call is one experiment: the loop, the
 * threads and the clock are in C, and the clock is read outside the loop. What comes back are nanoseconds of the whole
 * experiment. One thread uses a stand at a time.
 */
#ifndef IOPF_API_BENCH_H
#define IOPF_API_BENCH_H

#include <stdint.h>

#include "run.h"

/* cdef-begin */
typedef struct iopf_bench iopf_bench;

#define IOPF_BENCH_DEVICES 8

/* A queue with so many devices on it, each alone in its iommu group. NULL: no memory. */
iopf_bench *iopf_bench_new(const iopf_core *core, unsigned int nr_devices, unsigned int workers);
void iopf_bench_delete(iopf_bench *bench);

/* The empty case: what driver and handler do for n groups when there is no framework between them. */
uint64_t iopf_bench_driver(iopf_bench *bench, uint64_t n);
/* n groups of so many pages on the first device, one after the other, answered and freed by the handler. */
uint64_t iopf_bench_groups(iopf_bench *bench, uint64_t n, unsigned int pages);
/*
 * As many threads, from a barrier to the last one's end, each with n one-page groups: all of them on the first device,
 * or each on its own.
 */
uint64_t iopf_bench_threads(iopf_bench *bench, unsigned int nr_threads, int own_devices, uint64_t n);

/* n groups that works answer, with at most window of them outstanding; until the last response. */
uint64_t iopf_bench_sustained(iopf_bench *bench, uint64_t n, uint64_t window);

struct iopf_bench_latency {
	uint64_t p50, p99, p999, max;	/* nanoseconds */
};
/*
 * From before a report to when its response is seen, for n groups that a work answers, one at a time with a busy pause
 * in between: none, and the worker is still awake; long enough, and it sleeps.
 */
void iopf_bench_latency(iopf_bench *bench, uint64_t n, uint64_t pause_ns, struct iopf_bench_latency *latency);

/* Leaves groups without an answer, and partial faults of groups that do not come, on the first device. -ENOMEM. */
int iopf_bench_hold(iopf_bench *bench, uint64_t nr_groups, uint64_t nr_partials);
void iopf_bench_release(iopf_bench *bench);

/*
 * Removes the first device while it has n groups without an answer, and adds it again. free_ns: what the owner's
 * freeing took afterwards; 0 where removal frees. Returns 0 for a core whose removal refuses.
 */
uint64_t iopf_bench_remove(iopf_bench *bench, uint64_t n, uint64_t *free_ns);
/* n times, on the first device. */
uint64_t iopf_bench_add_remove(iopf_bench *bench, uint64_t n);
uint64_t iopf_bench_flush(iopf_bench *bench, uint64_t n);
/* cdef-end */

#endif
