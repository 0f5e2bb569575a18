// SPDX-License-Identifier: GPL-2.0-only
/* Programs with threads of their own: each returns how often a rule was broken. */
#include <linux/iommu.h>
#include <runtime.h>
#include <sched.h>
#include <string.h>

#include "threads.h"
#include "primitives.h"

/* --- warnings --- */

static void warn_main(void *race, unsigned int index)
{
	unsigned int i;

	(void)index;
	for (i = 0; i < *(unsigned int *)race; i++)
		(void)WARN(true, "a warning from many threads");
}

void iopf_prim_warn_race(unsigned int nr_threads, unsigned int rounds)
{
	run_parts(nr_threads, warn_main, &rounds);
}

/* --- refcount_t --- */

struct counted {
	refcount_t users;
	unsigned long released;
};

struct refcount_race {
	unsigned int nr_threads, nr_objects;
	struct counted *objects;
	pthread_barrier_t together;
};

static void put(struct counted *object)
{
	if (refcount_dec_and_test(&object->users))
		ADD(&object->released, 1);
}

/* Thread 0 owns the first reference and drops it in the middle of what the others do. */
static void refcount_main(void *arg, unsigned int index)
{
	struct refcount_race *race = arg;
	unsigned int i, k;

	for (i = 0; i < race->nr_objects; i++) {
		struct counted *object = &race->objects[i];

		if (i % 16 == 0)
			pthread_barrier_wait(&race->together);
		if (!index) {
			put(object);
			continue;
		}
		for (k = 0; k < 8 && refcount_inc_not_zero(&object->users); k++) {
			refcount_inc(&object->users);
			refcount_dec(&object->users);
			put(object);
		}
	}
}

unsigned long iopf_prim_refcount_race(unsigned int nr_threads, unsigned int nr_objects)
{
	struct refcount_race race = { .nr_threads = nr_threads, .nr_objects = nr_objects };
	unsigned long wrong = 0;
	unsigned int i;

	race.objects = calloc(nr_objects, sizeof(*race.objects));
	if (!race.objects)
		abort();
	for (i = 0; i < nr_objects; i++)
		refcount_set(&race.objects[i].users, 1);
	pthread_barrier_init(&race.together, NULL, nr_threads);
	run_parts(nr_threads, refcount_main, &race);
	pthread_barrier_destroy(&race.together);
	for (i = 0; i < nr_objects; i++)
		wrong += race.objects[i].released != 1 || refcount_read(&race.objects[i].users) != 0;
	free(race.objects);
	return wrong;
}

/* --- mutexes --- */

struct mutex_race {
	struct mutex lock;
	unsigned int rounds, sleep_every;
	unsigned long sum;	/* no atomic: the mutex is what keeps it right */
};

static void mutex_main(void *arg, unsigned int index)
{
	struct mutex_race *race = arg;
	unsigned int i;

	for (i = 0; i < race->rounds; i++) {
		unsigned long before;

		if (i % 4 == index % 4) {
			while (!mutex_trylock(&race->lock))
				sched_yield();
		} else {
			mutex_lock(&race->lock);
		}
		before = READ_ONCE(race->sum);
		if (race->sleep_every && i % race->sleep_every == 0)
			sleep_us(50);
		WRITE_ONCE(race->sum, before + 1);
		mutex_unlock(&race->lock);
	}
}

unsigned long iopf_prim_mutex_race(unsigned int nr_threads, unsigned int rounds, unsigned int sleep_every)
{
	struct mutex_race race = { .rounds = rounds, .sleep_every = sleep_every };

	mutex_init(&race.lock);
	run_parts(nr_threads, mutex_main, &race);
	mutex_destroy(&race.lock);
	return race.sum;
}

/*
 * The first thread to use a mutex or a count may be treated better than others, until the others come: once in the life
 * of each, so it takes many.
 */
struct newcomers {
	void (*use)(struct newcomers *race, unsigned int item, unsigned int me, unsigned int spins);
	struct mutex *locks;
	refcount_t *counts;
	unsigned int nr_newcomers, nr_items;
	u64 end;
	unsigned int current;		/* the item that is in use, counted from 1 */
	unsigned int through;		/* how many newcomers have used it */
	bool stop;
	unsigned int inside;		/* who has it */
	unsigned long broken;
};

static void be_alone(struct newcomers *race, unsigned int lock, unsigned int me, unsigned int spins)
{
	volatile unsigned int i;

	mutex_lock(&race->locks[lock]);
	STORE(&race->inside, me);
	for (i = 0; i < spins; i++)
		;
	if (LOAD(&race->inside) != me)
		ADD(&race->broken, 1);
	mutex_unlock(&race->locks[lock]);
}

/* It is 1 between any two of these, and more in one. */
static void go_up_and_down(struct newcomers *race, unsigned int count, unsigned int me, unsigned int spins)
{
	refcount_t *users = &race->counts[count];
	volatile unsigned int i;

	if (me % 2)
		refcount_inc(users);
	else if (!refcount_inc_not_zero(users))
		ADD(&race->broken, 1);
	for (i = 0; i < spins % 64; i++)
		;
	if (refcount_dec_and_test(users))
		ADD(&race->broken, 1);
}

static void old_owner(struct newcomers *race)
{
	u32 random = 362436069u;
	unsigned int i;

	for (i = 0; i < race->nr_items && now_ms() < race->end; i++) {
		/* Now and then long enough for the newcomers to go to sleep. */
		unsigned int long_section = next_random(&random) % 64 ? 0 : 50000;

		race->use(race, i, 1, 0);
		STORE(&race->through, 0);
		__atomic_store_n(&race->current, i + 1, __ATOMIC_RELEASE);
		do {
			race->use(race, i, 1, long_section ? long_section : next_random(&random) % 16);
			long_section = 0;
		} while (__atomic_load_n(&race->through, __ATOMIC_ACQUIRE) < race->nr_newcomers);
	}
	STORE(&race->stop, true);
}

static void newcomer(struct newcomers *race, unsigned int index)
{
	u32 random = 362436069u + index;
	unsigned int i, spins;

	for (i = 0; !LOAD(&race->stop); i++) {
		volatile unsigned int delay;

		for (spins = 1; __atomic_load_n(&race->current, __ATOMIC_ACQUIRE) <= i; spins++) {
			if (LOAD(&race->stop))
				return;
			if (spins % 1024 == 0)
				sched_yield();
		}
		for (delay = next_random(&random) % (200 * index); delay; delay--)
			;
		race->use(race, i, 1 + index, 16);
		__atomic_add_fetch(&race->through, 1, __ATOMIC_RELEASE);
	}
}

static void newcomers_main(void *race, unsigned int index)
{
	if (index)
		newcomer(race, index);
	else
		old_owner(race);
}

unsigned long iopf_prim_mutex_newcomers(unsigned int nr_newcomers, unsigned int nr_mutexes, unsigned int ms)
{
	struct newcomers race = {
		.use = be_alone, .nr_newcomers = nr_newcomers, .nr_items = nr_mutexes, .end = now_ms() + ms,
	};
	unsigned int i;

	race.locks = calloc(nr_mutexes, sizeof(*race.locks));
	if (!race.locks)
		abort();
	for (i = 0; i < nr_mutexes; i++)
		mutex_init(&race.locks[i]);
	run_parts(nr_newcomers + 1, newcomers_main, &race);
	for (i = 0; i < nr_mutexes; i++)
		mutex_destroy(&race.locks[i]);
	free(race.locks);
	return race.broken;
}

unsigned long iopf_prim_refcount_newcomers(unsigned int nr_newcomers, unsigned int nr_counts, unsigned int ms)
{
	struct newcomers race = {
		.use = go_up_and_down, .nr_newcomers = nr_newcomers, .nr_items = nr_counts, .end = now_ms() + ms,
	};
	unsigned int i;

	race.counts = calloc(nr_counts, sizeof(*race.counts));
	if (!race.counts)
		abort();
	for (i = 0; i < nr_counts; i++)
		refcount_set(&race.counts[i], 1);
	run_parts(nr_newcomers + 1, newcomers_main, &race);
	for (i = 0; i < nr_counts; i++)
		race.broken += refcount_read(&race.counts[i]) != 1;
	free(race.counts);
	return race.broken;
}

/* --- workqueues --- */

struct raced {
	struct work_struct work;
	struct work_race *race;
	unsigned long told, seen, runs;
	int inside;
};

struct work_race {
	struct workqueue_struct *wq;
	struct raced *items;
	unsigned int nr_items, rounds;
	struct iopf_prim_work_race *result;
};

static void raced_main(struct work_struct *work)
{
	struct raced *item = container_of(work, struct raced, work);

	if (ADD(&item->inside, 1) != 1)
		ADD(&item->race->result->overlaps, 1);
	STORE(&item->seen, LOAD(&item->told));
	ADD(&item->runs, 1);
	ADD(&item->inside, -1);
}

static void work_main(void *arg, unsigned int index)
{
	struct work_race *race = arg;
	unsigned long queued = 0;
	u32 random = 88172645u + index;
	unsigned int i;

	for (i = 0; i < race->rounds; i++) {
		struct raced *item = &race->items[next_random(&random) % race->nr_items];
		unsigned long told = ADD(&item->told, 1);
		bool said = queue_work(race->wq, &item->work);

		queued += said;
		/* Said it false, somebody else's queue_work() may not have come to its end: nothing to be sure of. */
		if (next_random(&random) % 16 || !said)
			continue;
		flush_workqueue(race->wq);
		if (LOAD(&item->seen) < told)
			ADD(&race->result->uncovered, 1);
	}
	ADD(&race->result->queued, queued);
}

void iopf_prim_work_race(unsigned int nr_workers, unsigned int nr_threads, unsigned int nr_items, unsigned int rounds,
			 struct iopf_prim_work_race *result)
{
	struct work_race race = { .nr_items = nr_items, .rounds = rounds, .result = result };
	unsigned int i;

	memset(result, 0, sizeof(*result));
	race.wq = iopf_prim_wq_new("race", nr_workers);
	race.items = calloc(nr_items, sizeof(*race.items));
	if (!race.wq || !race.items)
		abort();
	for (i = 0; i < nr_items; i++) {
		INIT_WORK(&race.items[i].work, raced_main);
		race.items[i].race = &race;
	}
	run_parts(nr_threads, work_main, &race);
	destroy_workqueue(race.wq);
	for (i = 0; i < nr_items; i++) {
		result->runs += race.items[i].runs;
		result->stale += race.items[i].seen != race.items[i].told;
	}
	free(race.items);
}

/* --- allocation --- */

#define SLOTS 64

struct parcel {
	u32 size;
	u32 seed;
	u8 bytes[];
};

struct slab_race {
	unsigned int rounds;
	struct parcel *slots[SLOTS];
	unsigned long spoiled;
};

static bool is_spoiled(const struct parcel *parcel)
{
	u32 i;

	for (i = 0; i < parcel->size; i++)
		if (parcel->bytes[i] != (u8)(parcel->seed + i))
			return true;
	return false;
}

static void slab_main(void *arg, unsigned int index)
{
	struct slab_race *race = arg;
	u32 random = 521288629u + index, i, k;

	for (i = 0; i < race->rounds; i++) {
		u32 size = next_random(&random) % (i % 32 ? 300 : 9000);
		struct parcel *parcel = kmalloc(sizeof(*parcel) + size, GFP_KERNEL);

		if (!parcel)
			abort();
		parcel->size = size;
		parcel->seed = random;
		for (k = 0; k < size; k++)
			parcel->bytes[k] = (u8)(random + k);
		parcel = __atomic_exchange_n(&race->slots[next_random(&random) % SLOTS], parcel, __ATOMIC_ACQ_REL);
		if (!parcel)
			continue;
		if (is_spoiled(parcel))
			ADD(&race->spoiled, 1);
		kfree(parcel);
	}
}

unsigned long iopf_prim_slab_race(unsigned int nr_threads, unsigned int rounds)
{
	struct slab_race race = { .rounds = rounds };
	unsigned int i;

	run_parts(nr_threads, slab_main, &race);
	for (i = 0; i < SLOTS; i++)
		kfree(race.slots[i]);
	return race.spoiled;
}
