// SPDX-License-Identifier: GPL-2.0-only
/* Programs with threads of their own: each returns how often a rule was broken. */
#define _GNU_SOURCE
#include <linux/iommu.h>
#include <pthread.h>
#include <runtime.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "primitives.h"

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

static void *part_main(void *arg)
{
	struct part *part = arg;

	part->main(part->race, part->index);
	return NULL;
}

static void part_start(struct part *part, void (*main)(void *race, unsigned int index), void *race, unsigned int index)
{
	*part = (struct part){ .main = main, .race = race, .index = index };
	if (pthread_create(&part->thread, NULL, part_main, part))
		abort();	/* a race without its threads would prove nothing */
}

static void run_parts(unsigned int n, void (*main)(void *race, unsigned int index), void *race)
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
static u32 next_random(u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void sleep_us(long us)
{
	struct timespec t = { .tv_nsec = us * 1000 };

	nanosleep(&t, NULL);
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

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

/* --- RCU --- */

struct victim {
	unsigned long version;
	unsigned int age;
	struct rcu_head rcu;
};

struct torture {
	unsigned int how, ms, nr_readers;
	unsigned long updates;
	struct victim __rcu *victim;
	bool stop;
	struct iopf_prim_torture *result;
};

struct look {
	unsigned long version;
	unsigned int age;
};

static void look(struct victim *victim, struct look *look)
{
	look->version = LOAD(&victim->version);
	look->age = LOAD(&victim->age);
}

/* The control reads what was freed, on purpose. */
static noinline __attribute__((no_sanitize("address", "thread"))) void
look_at_freed(struct victim *victim, struct look *look)
{
	look->version = READ_ONCE(victim->version);
	look->age = READ_ONCE(victim->age);
}

/* A reader is preempted now and then, for longer than a grace period would be without it. */
static void hold(u32 random)
{
	volatile unsigned int i;

	if (random % 4096 == 0)
		sleep_us(100);
	else if (random % 64 == 0)
		sched_yield();
	for (i = 0; i < random % 128; i++)
		;
}

static void torture_read(struct torture *torture, u32 random, unsigned long *ages)
{
	void (*see)(struct victim *victim, struct look *look) =
		torture->how == IOPF_PRIM_FREE_AT_ONCE ? look_at_freed : look;
	struct look first, last;
	struct victim *victim;

	rcu_read_lock();
	victim = rcu_dereference(torture->victim);
	see(victim, &first);
	if (random & 1) {
		rcu_read_lock();
		hold(random >> 1);
		rcu_read_unlock();
	} else {
		hold(random >> 1);
	}
	see(victim, &last);
	rcu_read_unlock();

	if (last.version != first.version || last.age >= IOPF_PRIM_AGES)
		last.age = IOPF_PRIM_AGES - 1;
	ages[last.age]++;
}

static void reader_main(void *arg, unsigned int index)
{
	struct torture *torture = arg;
	unsigned long ages[IOPF_PRIM_AGES] = { 0 }, reads = 0;
	u32 random = 2463534242u + index;
	unsigned int age;

	while (!LOAD(&torture->stop)) {
		torture_read(torture, next_random(&random), ages);
		reads++;
	}
	ADD(&torture->result->reads, reads);
	for (age = 0; age < IOPF_PRIM_AGES; age++)
		ADD(&torture->result->ages[age], ages[age]);
}

static void free_victim(struct rcu_head *head)
{
	struct victim *victim = container_of(head, struct victim, rcu);

	STORE(&victim->age, 2);
	kfree(victim);
}

static void free_somehow(struct victim *victim, unsigned int how)
{
	STORE(&victim->age, 1);
	switch (how) {
	case IOPF_PRIM_FREE_KFREE_RCU:
		kfree_rcu(victim, rcu);
		break;
	case IOPF_PRIM_FREE_CALL_RCU:
		call_rcu(&victim->rcu, free_victim);
		break;
	case IOPF_PRIM_FREE_SYNCHRONIZE:
		synchronize_rcu();
		free_victim(&victim->rcu);
		break;
	default:
		free_victim(&victim->rcu);
		break;
	}
}

static struct victim *new_victim(unsigned long version)
{
	struct victim *victim = kzalloc_obj(*victim);

	if (!victim)
		abort();
	STORE(&victim->version, version);
	return victim;
}

void iopf_prim_rcu_torture(unsigned int how, unsigned int nr_readers, unsigned int ms, unsigned long updates,
			   struct iopf_prim_torture *result)
{
	struct torture torture = { .how = how, .result = result };
	struct part readers[MAX_THREADS];
	unsigned long n = 0;
	u64 end = now_ms() + ms;
	unsigned int i;

	if (nr_readers > MAX_THREADS)
		nr_readers = MAX_THREADS;
	memset(result, 0, sizeof(*result));
	rcu_assign_pointer(torture.victim, new_victim(++n));
	for (i = 0; i < nr_readers; i++)
		part_start(&readers[i], reader_main, &torture, i);

	while (n <= updates || now_ms() < end) {
		for (i = 0; i < 64; i++) {
			struct victim *victim = new_victim(++n), *before = rcu_access_pointer(torture.victim);

			rcu_assign_pointer(torture.victim, victim);
			free_somehow(before, how);
		}
		/* Otherwise what is deferred could outgrow the memory, where freeing is slower than this. */
		if (n % 65536 < 64)
			rcu_barrier();
	}
	STORE(&torture.stop, true);
	for (i = 0; i < nr_readers; i++)
		pthread_join(readers[i].thread, NULL);
	kfree(torture.victim);
	rcu_barrier();
	result->updates = n - 1;
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

/* --- fork --- */

struct fork_test {
	int in_reader;
	bool leave;
};

static void stay_in_reader(void *arg, unsigned int index)
{
	struct fork_test *test = arg;

	(void)index;
	rcu_read_lock();
	ADD(&test->in_reader, 1);
	while (!LOAD(&test->leave))
		sleep_us(100);
	rcu_read_unlock();
}

static void wait_for_reader(void *arg, unsigned int index)
{
	(void)arg;
	(void)index;
	synchronize_rcu();
}

static void set_flag(struct rcu_head *head)
{
	head->object = head;
}

/* Returns the number of the step that failed. */
static int use_everything(void)
{
	struct iopf_prim_item_report report;
	struct workqueue_struct *wq;
	struct iopf_prim_item *item;
	struct rcu_head head = { .object = NULL };
	struct victim *victim;
	struct mutex lock;

	runtime_after_fork();
	mutex_init(&lock);
	mutex_lock(&lock);
	if (!lockdep_is_held(&lock))
		return 1;
	mutex_unlock(&lock);
	victim = kzalloc_obj(*victim);
	if (!victim)
		return 2;
	synchronize_rcu();
	call_rcu(&head, set_flag);
	kfree_rcu(victim, rcu);
	rcu_barrier();
	if (head.object != &head)
		return 3;
	wq = iopf_prim_wq_new("child", 2);
	item = wq ? iopf_prim_item_new(wq, 0) : NULL;
	if (!item || !iopf_prim_item_queue(item))
		return 4;
	flush_workqueue(wq);
	iopf_prim_item_report(item, &report);
	if (report.finished != 1)
		return 5;
	destroy_workqueue(wq);
	iopf_prim_item_free(item);
	return 0;
}

static void child_main(void)
{
	sigset_t all;

	signal(SIGALRM, SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	alarm(10);
	_exit(use_everything());
}

int iopf_prim_fork(void)
{
	struct workqueue_struct *wq = iopf_prim_wq_new("parent", 1);
	struct iopf_prim_item *item = wq ? iopf_prim_item_new(wq, IOPF_PRIM_ITEM_GATED) : NULL;
	struct fork_test test = { 0 };
	struct part reader, waiter;
	struct victim *victim;
	int status;
	pid_t child;

	if (!item)
		return 101;
	part_start(&reader, stay_in_reader, &test, 0);
	while (!LOAD(&test.in_reader))
		sleep_us(100);
	part_start(&waiter, wait_for_reader, NULL, 0);
	victim = new_victim(1);
	kfree_rcu(victim, rcu);		/* waits for the reader, too */
	iopf_prim_item_queue(item);
	iopf_prim_item_wait_started(item, 1, 10000);

	child = fork();
	if (!child)
		child_main();
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	STORE(&test.leave, true);
	pthread_join(reader.thread, NULL);
	pthread_join(waiter.thread, NULL);
	iopf_prim_item_open(item, 1);
	destroy_workqueue(wq);
	iopf_prim_item_free(item);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}
