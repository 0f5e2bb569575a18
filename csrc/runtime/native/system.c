// SPDX-License-Identifier: GPL-2.0-only
/* What is asked of the system itself: sleeping and waking, and how many CPUs there are. (The barrier is shared/membarrier.c's.) */
#define _GNU_SOURCE
#if !__has_include(<linux/futex.h>) || !__has_include(<linux/membarrier.h>)
#error the headers of Linux are missing: linux-libc-dev (Debian), kernel-headers (Fedora), linux-headers (Alpine, musl)
#endif
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

unsigned int runtime_cpus = 1;

void cpus_count(void)
{
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof(set), &set))
		runtime_cpus = (unsigned int)CPU_COUNT(&set);
}

void futex_wait(u32 *word, u32 expected, u64 timeout_ns)
{
	struct timespec timeout = {
		.tv_sec = (time_t)(timeout_ns / 1000000000u),
		.tv_nsec = (long)(timeout_ns % 1000000000u),
	};

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns ? &timeout : NULL, NULL, 0);
}

void futex_wake(u32 *word, int nr)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, nr, NULL, NULL, 0);
}
