// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one thread takes away from another that is stopped in the middle.
 *
 * A mutex or a count serves a thread faster that has it to itself, until a second one comes, and again after a while. What
 * can go wrong then lies between two neighbouring instructions of the first one, and two threads that run beside each other
 * meet there once in millions of rounds. So a signal stops the first thread, wherever it is, and its handler waits until
 * the second is through: every round is such a meeting, at another instruction. In every other round the second has been
 * there before, and the first has had it to itself again.
 */
#include <errno.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "threads.h"
#include "primitives.h"

#define NAPS 60		/* of 50 us: so long the one that is stopped waits for a newcomer that waits for it */
#define ALONE 400	/* so often the first uses it in a row: it has it to itself then */
#define STAY 20		/* how often a newcomer looks around while it is inside and the other goes on */

struct stops {
	void (*use)(struct stops *stops);
	void (*visit)(struct stops *stops);	/* what the second does before the round */
	void (*begin)(struct stops *stops);	/* what the first does then */
	void (*come)(struct stops *stops);
	bool (*is_right)(struct stops *stops);
	unsigned int rounds;
	struct iopf_prim_stops *result;
	struct mutex lock;
	refcount_t users;
	pthread_t first;
	unsigned int inside;		/* who */
	/* The round in which that was last: it has begun; the first is stopped, the newcomer through or inside; and so on. */
	u32 made, visited, round, stopped, through, let_go, over;
};

/* What the signal is about: one such program at a time. */
static struct stops *current;

static void stop_here(int number)
{
	struct stops *stops = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
	u32 round = LOAD(&stops->round);
	int saved = errno, i;

	(void)number;
	__atomic_store_n(&stops->stopped, round, __ATOMIC_RELEASE);
	for (i = 0; i < NAPS && __atomic_load_n(&stops->through, __ATOMIC_ACQUIRE) != round; i++)
		sleep_us(50);
	ADD(i < NAPS ? &stops->result->met : &stops->result->waited, 1);
	__atomic_store_n(&stops->let_go, round, __ATOMIC_RELEASE);
	errno = saved;
}

static void wait_round(const u32 *what, u32 round)
{
	while (__atomic_load_n(what, __ATOMIC_ACQUIRE) != round)
		sched_yield();
}

/* --- mutexes --- */

static void mutex_use(struct stops *stops)
{
	mutex_lock(&stops->lock);
	STORE(&stops->inside, 1);
	if (LOAD(&stops->inside) != 1)
		ADD(&stops->result->broken, 1);
	mutex_unlock(&stops->lock);
}

static void mutex_visit(struct stops *stops)
{
	mutex_lock(&stops->lock);
	mutex_unlock(&stops->lock);
}

static void mutex_begin(struct stops *stops)
{
}

static void mutex_come(struct stops *stops)
{
	int i;

	/* In every fourth round the second has it to itself afterwards, whatever the first was about to write there. */
	for (i = 0; stops->round % 4 == 2 && i < ALONE; i++)
		mutex_visit(stops);
	/* In another it does not wait for its turn. */
	if (stops->round % 4) {
		mutex_lock(&stops->lock);
	} else if (!mutex_trylock(&stops->lock)) {
		__atomic_store_n(&stops->through, stops->round, __ATOMIC_RELEASE);
		return;
	}
	STORE(&stops->inside, 2);
	__atomic_store_n(&stops->through, stops->round, __ATOMIC_RELEASE);
	wait_round(&stops->let_go, stops->round);
	for (i = 0; i < STAY; i++) {
		sched_yield();
		if (LOAD(&stops->inside) != 2) {
			ADD(&stops->result->broken, 1);
			break;
		}
	}
	mutex_unlock(&stops->lock);
}

static bool mutex_is_right(struct stops *stops)
{
	return !mutex_is_locked(&stops->lock);
}

/* --- reference counts --- */

#define REFERENCES 2	/* the one that it was made with, and the first thread's */

static void refcount_use(struct stops *stops)
{
	refcount_inc(&stops->users);
	if (refcount_dec_and_test(&stops->users))
		ADD(&stops->result->broken, 1);
}

/* Puts what it has not taken: nobody can do that for himself alone. */
static void refcount_visit(struct stops *stops)
{
	refcount_inc(&stops->users);
	refcount_dec(&stops->users);
	refcount_dec(&stops->users);
}

static void refcount_begin(struct stops *stops)
{
	if (refcount_read(&stops->users) < REFERENCES)
		refcount_inc(&stops->users);
}

/* One more, none more, one less: by the round. Who puts what he did not take may be the one who has it to himself next. */
static void refcount_come(struct stops *stops)
{
	int i;

	if (stops->round % 3 > 0) {
		refcount_dec(&stops->users);
		for (i = 0; i < ALONE; i++)
			refcount_use(stops);
	}
	if (stops->round % 3 < 2 && !refcount_inc_not_zero(&stops->users))
		ADD(&stops->result->broken, 1);
	__atomic_store_n(&stops->through, stops->round, __ATOMIC_RELEASE);
}

static bool refcount_is_right(struct stops *stops)
{
	return refcount_read(&stops->users) == REFERENCES + 1 - (int)(stops->round % 3);
}

/* --- the rounds --- */

static void first_main(struct stops *stops)
{
	u32 round, i;

	for (round = 1; round <= stops->rounds; round++) {
		mutex_init(&stops->lock);
		refcount_set(&stops->users, 1);
		stops->begin(stops);
		stops->use(stops);
		__atomic_store_n(&stops->made, round, __ATOMIC_RELEASE);
		wait_round(&stops->visited, round);
		for (i = 0; i < (round % 2 ? ALONE : 1); i++)
			stops->use(stops);
		stops->begin(stops);
		__atomic_store_n(&stops->round, round, __ATOMIC_RELEASE);
		while (__atomic_load_n(&stops->through, __ATOMIC_ACQUIRE) != round)
			stops->use(stops);
		wait_round(&stops->over, round);
		if (!stops->is_right(stops))
			ADD(&stops->result->broken, 1);
		refcount_add(0, &stops->users);		/* nothing of it is left in this thread */
	}
}

static void second_main(struct stops *stops)
{
	u32 random = 362436069u, round;

	for (round = 1; round <= stops->rounds; round++) {
		volatile unsigned int delay;

		wait_round(&stops->made, round);
		if (round % 2)
			stops->visit(stops);
		__atomic_store_n(&stops->visited, round, __ATOMIC_RELEASE);
		wait_round(&stops->round, round);
		for (delay = next_random(&random) % 512; delay; delay--)
			;
		if (pthread_kill(stops->first, SIGURG))
			abort();
		wait_round(&stops->stopped, round);
		stops->come(stops);
		__atomic_store_n(&stops->over, round, __ATOMIC_RELEASE);
	}
}

static void stops_main(void *arg, unsigned int index)
{
	struct stops *stops = arg;

	if (index) {
		while (!__atomic_load_n(&stops->made, __ATOMIC_ACQUIRE))
			sched_yield();
		second_main(stops);
	} else {
		stops->first = pthread_self();
		first_main(stops);
	}
}

static void run_stops(struct stops *stops)
{
	struct sigaction action = { .sa_handler = stop_here, .sa_flags = SA_RESTART }, before;

	memset(stops->result, 0, sizeof(*stops->result));
	__atomic_store_n(&current, stops, __ATOMIC_RELEASE);
	sigaction(SIGURG, &action, &before);
	run_parts(2, stops_main, stops);
	sigaction(SIGURG, &before, NULL);
}

void iopf_prim_mutex_stops(unsigned int rounds, struct iopf_prim_stops *result)
{
	struct stops stops = {
		.use = mutex_use, .visit = mutex_visit, .begin = mutex_begin, .come = mutex_come,
		.is_right = mutex_is_right, .rounds = rounds, .result = result,
	};

	run_stops(&stops);
}

void iopf_prim_refcount_stops(unsigned int rounds, struct iopf_prim_stops *result)
{
	struct stops stops = {
		.use = refcount_use, .visit = refcount_visit, .begin = refcount_begin, .come = refcount_come,
		.is_right = refcount_is_right, .rounds = rounds, .result = result,
	};

	run_stops(&stops);
}
