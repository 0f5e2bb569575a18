// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#if !__has_include(<linux/futex.h>) || !__has_include(<linux/membarrier.h>)
#error the headers of Linux are missing: linux-libc-dev (Debian), kernel-headers (Fedora), linux-headers (Alpine, musl)
#endif
#include <futex.h>
#include <linux/futex.h>
#include <linux/jiffies.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_OF_JIFFY (1000000000u / HZ)

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

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

unsigned long futex_wait_jiffies(u32 *word, u32 expected, unsigned long ticks)
{
	u64 ns = (u64)ticks * NS_OF_JIFFY, began, passed;

	if (ticks >= MAX_SCHEDULE_TIMEOUT / NS_OF_JIFFY) {
		futex_wait(word, expected, 0);
		return ticks;
	}
	began = now_ns();
	futex_wait(word, expected, ns);
	passed = now_ns() - began;
	return passed >= ns ? 0 : (unsigned long)((ns - passed + NS_OF_JIFFY - 1) / NS_OF_JIFFY);
}
