// SPDX-License-Identifier: GPL-2.0-only
/* What a thread used: the clock, processor time, and how long others kept it from running. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "rig.h"

/*
 * How long the calling thread has waited for a CPU while it wanted one, by the kernel's own account: the second number
 * there. A thread that sleeps for a lock waits for nothing but the lock.
 */
static u64 waited_for_cpu(void)
{
	int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	unsigned long long ran, waited;
	char text[80];
	ssize_t n;

	if (fd < 0)
		return IOPF_BENCH_UNKNOWN;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return IOPF_BENCH_UNKNOWN;
	text[n] = 0;
	return sscanf(text, "%llu %llu", &ran, &waited) == 2 ? waited : IOPF_BENCH_UNKNOWN;
}

void bench_usage_now(struct bench_usage *usage)
{
	struct timespec cpu;
	struct rusage r;

	getrusage(RUSAGE_THREAD, &r);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	usage->cpu = (u64)cpu.tv_sec * 1000000000u + (u64)cpu.tv_nsec;
	usage->slept = (u64)r.ru_nvcsw;
	usage->preempted = (u64)r.ru_nivcsw;
	usage->now = bench_now();
}

struct bench_usage bench_usage(void)
{
	struct bench_usage usage = { .waited = waited_for_cpu() };

	bench_usage_now(&usage);
	return usage;
}

struct iopf_bench_thread bench_used(const struct bench_usage *began, const struct bench_usage *ended)
{
	bool known = began->waited != IOPF_BENCH_UNKNOWN && ended->waited != IOPF_BENCH_UNKNOWN;

	return (struct iopf_bench_thread){
		.wall_ns = ended->now - began->now,
		.cpu_ns = ended->cpu - began->cpu,
		.waited_ns = known ? ended->waited - began->waited : IOPF_BENCH_UNKNOWN,
		.slept = ended->slept - began->slept,
		.preempted = ended->preempted - began->preempted,
	};
}
