/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs with threads of their own share. */
#ifndef IOPF_TESTS_THREADS_H
#define IOPF_TESTS_THREADS_H

#include <linux/compiler.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define MAX_THREADS 16

#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define STORE(p, value) __atomic_store_n((p), (value), __ATOMIC_RELAXED)
#define ADD(p, n) __atomic_add_fetch((p), (n), __ATOMIC_RELAXED)

struct part {
	void (*main)(void *race, unsigned int index);
	void *race;
	unsigned int index;
	pthread_t thread;
};

static inline void *part_main(void *arg)
{
	struct part *part = arg;

	part->main(part->race, part->index);
	return NULL;
}

static inline void part_start(struct part *part, void (*main)(void *race, unsigned int index), void *race,
			      unsigned int index)
{
	*part = (struct part){ .main = main, .race = race, .index = index };
	if (pthread_create(&part->thread, NULL, part_main, part))
		abort();	/* a race without its threads would prove nothing */
}

static inline void run_parts(unsigned int n, void (*main)(void *race, unsigned int index), void *race)
{
	struct part parts[MAX_THREADS];
	unsigned int i;

	if (n > MAX_THREADS)
		n = MAX_THREADS;
	for (i = 0; i < n; i++)
		part_start(&parts[i], main, race, i);
	for (i = 0; i < n; i++)
		pthread_join(parts[i].thread, NULL);
}

/* xorshift: every thread its own sequence, the same in every run. */
static inline u32 next_random(u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static inline void sleep_us(long us)
{
	struct timespec t = { .tv_nsec = us * 1000 };

	nanosleep(&t, NULL);
}

static inline u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

#endif
