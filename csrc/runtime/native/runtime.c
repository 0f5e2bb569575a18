// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#if !__has_include(<linux/futex.h>) || !__has_include(<linux/membarrier.h>)
#error the headers of Linux are missing: linux-libc-dev (Debian), kernel-headers (Fedora), linux-headers (Alpine, musl)
#endif
#include <linux/bug.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <runtime.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

const char runtime_name[] = "native";
unsigned int runtime_cpus = 1;

static bool has_membarrier;
static pthread_once_t started = PTHREAD_ONCE_INIT;

static void start(void)
{
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof(set), &set))
		runtime_cpus = (unsigned int)CPU_COUNT(&set);
	has_membarrier = !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

void runtime_start(void)
{
	pthread_once(&started, start);
}

/*
 * Where the expedited command is refused (a seccomp filter, a kernel before 4.14), changing the protection of a page
 * does the same: it has to interrupt every CPU that runs a thread of the process.
 */
static void membarrier_by_shootdown(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static char *page;

	pthread_mutex_lock(&lock);
	if (!page)
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_WRITE))
		abort();
	__atomic_fetch_add(page, 1, __ATOMIC_SEQ_CST);
	if (mprotect(page, 4096, PROT_READ))
		abort();
	pthread_mutex_unlock(&lock);
}

void membarrier_all(void)
{
	if (!has_membarrier || syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
		membarrier_by_shootdown();
}

bool might_sleep_in_reader(void)
{
	return WARN(thread_in_reader(thread_current()), "sleeping function called from an RCU reader");
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

void runtime_after_fork(void)
{
	thread_after_fork();
	slab_after_fork();
	rcu_after_fork();
	start();
}
