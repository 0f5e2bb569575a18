// SPDX-License-Identifier: GPL-2.0-only
/*
 * RCU under torture, after the kernel's rcutorture: updaters replace an object, readers hold it, and every reader looks
 * at its end how old the object has become. Replaced is fine, freed is not.
 */
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <runtime.h>
#include <sched.h>
#include <string.h>

#include "threads.h"
#include "primitives.h"

struct victim {
	unsigned long version;
	unsigned int age;
	struct rcu_head rcu;
};

struct torture {
	unsigned int how, nr_readers;
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

/*
 * A reader is preempted now and then, for longer than a grace period would be without it. Or never: then there are so
 * many grace periods that one meets the moment between a reader's note that it reads and its first look, which is what
 * the barriers are for.
 */
static void hold(u32 random, bool preempted)
{
	volatile unsigned int i;

	if (!preempted)
		;
	else if (random % 4096 == 0)
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
		hold(random >> 1, torture->nr_readers > 1);
		rcu_read_unlock();
	} else {
		hold(random >> 1, torture->nr_readers > 1);
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
	struct torture torture = { .how = how, .nr_readers = nr_readers, .result = result };
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
