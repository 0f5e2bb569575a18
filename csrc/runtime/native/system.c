// SPDX-License-Identifier: GPL-2.0-only
/* What is asked of the system itself: how many CPUs there are, and what a pause is. (Sleeping and waking are of shared/.) */
#define _GNU_SOURCE
#include <linux/processor.h>
#include <sched.h>
#include <time.h>

#include "internal.h"

#define TRIES 8
#define PAUSES 32

unsigned int runtime_cpus = 1;
unsigned int runtime_pauses = PAUSES;

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* By the CPU 5 to 150 cycles each; the shortest time is one in which nothing else ran. */
static void pauses_measure(void)
{
	u64 shortest = UINT64_MAX;
	int try, i;

	for (try = 0; try < TRIES; try++) {
		u64 began = now_ns(), took;

		for (i = 0; i < PAUSES; i++)
			cpu_relax();
		took = now_ns() - began;
		shortest = took < shortest ? took : shortest;
	}
	runtime_pauses = 1 + (unsigned int)(PAUSES * 1000 / (shortest + 1));
}

void cpus_count(void)
{
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof(set), &set))
		runtime_cpus = (unsigned int)CPU_COUNT(&set);
	pauses_measure();
}
