// SPDX-License-Identifier: GPL-2.0-only
/* What the pieces cost of which every form is made, so that a reader can judge a baseline; and a measure for noise. */
#include <linux/iommu.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <pthread.h>
#include <stdlib.h>

#include "rig.h"

/* The compiler may not know what becomes of it. */
#define KEEP(pointer) __asm__ __volatile__("" : : "r"(pointer) : "memory")

#define PRICE(n, piece) ({					\
	u64 __i, __began = bench_now();				\
								\
	for (__i = 0; __i < (n); __i++) {			\
		piece;						\
		barrier();					\
	}							\
	bench_now() - __began; })

static void allocate(void)
{
	struct iopf_group *group = kzalloc(sizeof(*group), GFP_KERNEL);

	KEEP(group);
	kfree(group);
}

static void allocate_without_runtime(void)
{
	void *group = calloc(1, sizeof(struct iopf_group));

	KEEP(group);
	free(group);
}

static void get_and_put(refcount_t *count)
{
	if (refcount_inc_not_zero(count) && refcount_dec_and_test(count))
		abort();	/* there was one more */
}

void iopf_bench_prices(uint64_t n, struct iopf_bench_prices *prices)
{
	pthread_mutex_t pthread_mutex = PTHREAD_MUTEX_INITIALIZER;
	struct mutex mutex;
	refcount_t count;
	int number = 0;

	mutex_init(&mutex);
	refcount_set(&count, 1);
	prices->allocation = PRICE(n, allocate());
	prices->mutex = PRICE(n, mutex_lock(&mutex); mutex_unlock(&mutex));
	prices->refcount = PRICE(n, get_and_put(&count));
	prices->rcu = PRICE(n, rcu_read_lock(); rcu_read_unlock());
	prices->calloc = PRICE(n, allocate_without_runtime());
	prices->pthread_mutex = PRICE(n, pthread_mutex_lock(&pthread_mutex); pthread_mutex_unlock(&pthread_mutex));
	prices->atomic = PRICE(n, __atomic_add_fetch(&number, 1, __ATOMIC_SEQ_CST));
	mutex_destroy(&mutex);
	pthread_mutex_destroy(&pthread_mutex);
}

uint64_t iopf_bench_spin(uint64_t n)
{
	u64 i, x = 1, began = bench_now();

	for (i = 0; i < n; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		__asm__ __volatile__("" : "+r"(x));	/* one after the other, and all of them */
	}
	return bench_now() - began;
}
