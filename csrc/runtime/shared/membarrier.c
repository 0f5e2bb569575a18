// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <linux/compiler.h>
#include <linux/membarrier.h>
#include <membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_membarrier;
static __thread unsigned long calls;
static unsigned long all_calls;

void membarrier_start(void)
{
	has_membarrier = !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
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

unsigned long membarrier_calls(void)
{
	return calls;
}

unsigned long membarrier_calls_of_all(void)
{
	return __atomic_load_n(&all_calls, __ATOMIC_RELAXED);
}

void membarrier_all(void)
{
	calls++;
	__atomic_fetch_add(&all_calls, 1, __ATOMIC_RELAXED);
	if (!has_membarrier || syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
		membarrier_by_shootdown();
}
