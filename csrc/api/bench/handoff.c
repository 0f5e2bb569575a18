// SPDX-License-Identifier: GPL-2.0-only
/*
 * How far apart two CPUs are: what it takes until a cache line that one has written is at the other.
 *
 * It is the price of everything that threads have in common, and it is not a figure of the machine alone: where a hypervisor
 * moves a guest's CPUs to other cores, it goes from 45 ns to 215 and back within seconds, and with it what two threads at one
 * device cost.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>

#include "rig.h"

struct line {
	u64 turn __attribute__((aligned(128)));
	u64 n;
};

/* The two take turns; one of them may have to be let on the CPU first. */
static void wait_for_turn(const struct line *line, u64 turn)
{
	unsigned int tries = 0;

	while (__atomic_load_n(&line->turn, __ATOMIC_ACQUIRE) != turn)
		if (++tries % 16384 == 0)
			sched_yield();
}

static void pass(struct line *line, u64 first)
{
	u64 turn;

	for (turn = first; turn < 2 * line->n; turn += 2) {
		wait_for_turn(line, turn);
		__atomic_store_n(&line->turn, turn + 1, __ATOMIC_RELEASE);
	}
}

static void *other(void *line)
{
	pass(line, 1);
	return NULL;
}

uint64_t iopf_bench_handoff(uint64_t n)
{
	struct line line = { .turn = 0, .n = n + 1 };
	pthread_t thread;
	u64 began;

	if (!n || pthread_create(&thread, NULL, other, &line))
		return 0;
	/* The first turns are the other's beginning. */
	__atomic_store_n(&line.turn, 1, __ATOMIC_RELEASE);
	wait_for_turn(&line, 2);
	began = bench_now();
	pass(&line, 2);
	wait_for_turn(&line, 2 * line.n);
	began = bench_now() - began;
	pthread_join(thread, NULL);
	return began;
}
