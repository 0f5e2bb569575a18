// SPDX-License-Identifier: GPL-2.0-only
#include <runtime.h>
#include <time.h>

static u64 fixed_now;

u64 clock_now_ns(void)
{
	u64 now = __atomic_load_n(&fixed_now, __ATOMIC_RELAXED);
	struct timespec t;

	if (now)
		return now;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

void clock_set_ns(u64 now)
{
	__atomic_store_n(&fixed_now, now, __ATOMIC_RELAXED);
}
