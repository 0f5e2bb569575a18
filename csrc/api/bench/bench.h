/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The face of the benchmarks: hot loops over one core, with nothing of the other faces in them.
 *
 * A rig has a queue and bare devices, whose page_response only counts. One call is one experiment: the loop, the
 * threads and the clock are in C, and the clock is read outside the loop. What comes back are nanoseconds of the whole
 * experiment. One thread uses a rig at a time.
 */
#ifndef IOPF_API_BENCH_H
#define IOPF_API_BENCH_H

#include <stdint.h>

#include "../run.h"

/* cdef-begin */
typedef struct iopf_bench iopf_bench;

#define IOPF_BENCH_DEVICES 8

/*
 * A queue with so many devices on it, each alone in its iommu group. NULL: no memory. The process has had a second
 * thread when it returns: glibc leaves out atomics before that, and no user of a queue meets it so.
 */
iopf_bench *iopf_bench_new(const iopf_core *core, unsigned int nr_devices, unsigned int workers);
void iopf_bench_delete(iopf_bench *bench);

/* Has the form handlers that answer in the thread that reports? Without, a work answers every group. */
int iopf_bench_answers_inline(const iopf_bench *bench);

/*
 * What has been done on every device of a rig. Locks and counts that several threads have used may cost more, for a while
 * after the others have gone, or for good.
 */
#define IOPF_BENCH_OWNED 0	/* this thread reported, and answered in the handler: no other one has touched it */
#define IOPF_BENCH_WORKED 1	/* and a work of the queue answered what this thread reported, of the same PASID: as SVA */
#define IOPF_BENCH_SHARED 2	/* this thread and another one reported, and answered in the handler. No work ran */
#define IOPF_BENCH_WORN 3	/* all of that again and again, until nothing becomes cheaper by it being one thread's for long */
/* Does that. -EINVAL, -EAGAIN: the system refused a thread. */
int iopf_bench_reach(iopf_bench *bench, int state);

/* Of the first device: 0 not used yet, 1 its one thread's, 2 shared by all threads, 3 in pieces (runtime.h, enum runtime_regime). */
struct iopf_bench_regimes {
	int lock, users;	/* the fault param's; 0 where the form has none */
	int handle;		/* the count of the attach handle that groups of this state are reported to */
	int group_lock;		/* the iommu group's */
};
void iopf_bench_regimes(iopf_bench *bench, struct iopf_bench_regimes *regimes);

/* The empty case: what driver and handler do for n groups when there is no framework between them. */
uint64_t iopf_bench_driver(iopf_bench *bench, uint64_t n);
/* n groups of so many pages on the first device, one after the other, answered and freed by the handler. */
uint64_t iopf_bench_groups(iopf_bench *bench, uint64_t n, unsigned int pages);
#define IOPF_BENCH_UNKNOWN 0xffffffffffffffff

/* One thread of an experiment, from its start to its end. */
struct iopf_bench_thread {
	uint64_t wall_ns, cpu_ns;
	uint64_t waited_ns;		/* that it wanted a CPU and had none; IOPF_BENCH_UNKNOWN: this kernel does not say */
	uint64_t slept, preempted;	/* how often it left its CPU: for a lock or to wait, and because it had to */
};

struct iopf_bench_parallel {
	uint64_t ns;		/* from the first start to the last end */
	uint64_t overlap_ns;	/* of it, from the last start to the first end */
	uint64_t groups;	/* of all threads */
	unsigned int nr_threads;
	struct iopf_bench_thread threads[IOPF_BENCH_DEVICES];
};
/*
 * As many threads, from a barrier until one of them has been through n one-page groups: all of them on the first device,
 * or each on its own.
 */
void iopf_bench_threads(iopf_bench *bench, unsigned int nr_threads, int own_devices, uint64_t n,
			struct iopf_bench_parallel *parallel);

/*
 * The same on the first device, and how long each call of report took. Threads that wait for one another pay each other's
 * way: the mean of all says nothing of what the last one waits for.
 */
struct iopf_bench_latency {
	uint64_t p50, p99, p999, max;	/* nanoseconds */
};
void iopf_bench_contended(iopf_bench *bench, unsigned int nr_threads, uint64_t n, struct iopf_bench_latency *latency,
			  struct iopf_bench_parallel *parallel);

/*
 * n groups that works answer, with at most window of them outstanding; until the last response. The threads are the one
 * that reports, and the worker; from a work before the first group to one after the last, so a little longer.
 */
void iopf_bench_sustained(iopf_bench *bench, uint64_t n, uint64_t window, struct iopf_bench_parallel *parallel);

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

/* Fixed work that touches no memory: how long it takes tells what else the CPU does. */
uint64_t iopf_bench_spin(uint64_t n);

/* A cache line goes to another thread's CPU and back, n times, on a machine with two of them: in nanoseconds for all. 0: not. */
uint64_t iopf_bench_handoff(uint64_t n);

/* What a piece costs of which forms are made: n of each, one after the other, in nanoseconds for all. */
struct iopf_bench_prices {
	uint64_t allocation;	/* kzalloc and kfree of a group */
	uint64_t mutex;		/* mutex_lock and mutex_unlock */
	uint64_t refcount;	/* refcount_inc_not_zero and refcount_dec_and_test */
	uint64_t rcu;		/* rcu_read_lock and rcu_read_unlock */
	/* The same without a runtime, for comparison. */
	uint64_t calloc;	/* calloc and free of as much */
	uint64_t pthread_mutex;	/* pthread_mutex_lock and pthread_mutex_unlock */
	uint64_t atomic;	/* one atomic addition */
};
void iopf_bench_prices(uint64_t n, struct iopf_bench_prices *prices);
/* cdef-end */

#endif
