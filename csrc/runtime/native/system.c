// SPDX-License-Identifier: GPL-2.0-only
/* What is asked of the system itself: how many CPUs there are. (Sleeping and waking, and the barrier, are of shared/.) */
#define _GNU_SOURCE
#include <sched.h>

#include "internal.h"

unsigned int runtime_cpus = 1;

void cpus_count(void)
{
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof(set), &set))
		runtime_cpus = (unsigned int)CPU_COUNT(&set);
}
