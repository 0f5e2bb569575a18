// SPDX-License-Identifier: GPL-2.0-only
/* Completions and wait queues. */
#include <linux/completion.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <stdlib.h>

#include "primitives.h"
#include "threads.h"

/* --- completions --- */

struct completion *iopf_prim_completion_new(void)
{
	struct completion *x = kzalloc_obj(*x);

	if (x)
		init_completion(x);
	return x;
}

void iopf_prim_completion_free(struct completion *x)
{
	kfree(x);
}

void iopf_prim_complete(struct completion *x)
{
	complete(x);
}

void iopf_prim_complete_all(struct completion *x)
{
	complete_all(x);
}

void iopf_prim_wait_for_completion(struct completion *x)
{
	wait_for_completion(x);
}

unsigned long iopf_prim_wait_for_completion_timeout(struct completion *x, unsigned long ticks)
{
	return wait_for_completion_timeout(x, ticks);
}

int iopf_prim_wait_for_completion_killable(struct completion *x)
{
	return wait_for_completion_killable(x);
}

bool iopf_prim_try_wait_for_completion(struct completion *x)
{
	return try_wait_for_completion(x);
}

bool iopf_prim_completion_done(struct completion *x)
{
	return completion_done(x);
}

void iopf_prim_reinit_completion(struct completion *x)
{
	reinit_completion(x);
}

struct completion_race {
	struct completion *waited_for;	/* on the stack of thread 0, in its round */
	unsigned int rounds;
	unsigned long written, missed;
};

static void wait_on_stack(struct completion_race *race, unsigned long round)
{
	DECLARE_COMPLETION_ONSTACK(done);

	__atomic_store_n(&race->waited_for, &done, __ATOMIC_RELEASE);
	wait_for_completion(&done);
	race->missed += race->written != round;
}

static void completion_main(void *arg, unsigned int index)
{
	struct completion_race *race = arg;
	unsigned long round;

	for (round = 1; round <= race->rounds; round++) {
		struct completion *done;

		if (!index) {
			wait_on_stack(race, round);
			continue;
		}
		while (!(done = __atomic_exchange_n(&race->waited_for, NULL, __ATOMIC_ACQUIRE)))
			;
		race->written = round;
		complete(done);
	}
}

unsigned long iopf_prim_completion_race(unsigned int rounds)
{
	struct completion_race race = { .rounds = rounds };

	run_parts(2, completion_main, &race);
	return race.missed;
}

/* --- wait queues --- */

struct iopf_prim_gate {
	wait_queue_head_t wq;
	spinlock_t lock;
	int value, tests;
};

struct iopf_prim_gate *iopf_prim_gate_new(void)
{
	struct iopf_prim_gate *gate = kzalloc_obj(*gate);

	if (gate) {
		init_waitqueue_head(&gate->wq);
		spin_lock_init(&gate->lock);
	}
	return gate;
}

void iopf_prim_gate_free(struct iopf_prim_gate *gate)
{
	kfree(gate);
}

void iopf_prim_gate_set(struct iopf_prim_gate *gate, int value, bool wakes)
{
	STORE(&gate->value, value);
	if (wakes)
		wake_up(&gate->wq);
}

static bool is_open(struct iopf_prim_gate *gate, int minimum)
{
	ADD(&gate->tests, 1);
	return LOAD(&gate->value) >= minimum;
}

void iopf_prim_gate_wait(struct iopf_prim_gate *gate, int minimum)
{
	wait_event(gate->wq, is_open(gate, minimum));
}

long iopf_prim_gate_wait_timeout(struct iopf_prim_gate *gate, int minimum, unsigned long ticks)
{
	return wait_event_timeout(gate->wq, is_open(gate, minimum), ticks);
}

static bool is_open_under(struct iopf_prim_gate *gate, int minimum, int *without)
{
	*without += !spin_is_held_by_current(&gate->lock);
	return is_open(gate, minimum);
}

int iopf_prim_gate_wait_locked(struct iopf_prim_gate *gate, int minimum)
{
	int without = 0;

	spin_lock_irq(&gate->lock);
	wait_event_lock_irq(gate->wq, is_open_under(gate, minimum, &without), gate->lock);
	without += !spin_is_held_by_current(&gate->lock);
	spin_unlock_irq(&gate->lock);
	return without;
}

int iopf_prim_gate_tests(struct iopf_prim_gate *gate)
{
	return LOAD(&gate->tests);
}

bool iopf_prim_gate_active(struct iopf_prim_gate *gate)
{
	return waitqueue_active(&gate->wq);
}

struct gate_race {
	wait_queue_head_t wq;
	unsigned long rounds, turn;
};

static void gate_main(void *arg, unsigned int index)
{
	struct gate_race *race = arg;
	unsigned long round;

	for (round = 0; round < race->rounds; round++) {
		wait_event(race->wq, __atomic_load_n(&race->turn, __ATOMIC_ACQUIRE) == 2 * round + index);
		__atomic_store_n(&race->turn, 2 * round + index + 1, __ATOMIC_RELEASE);
		wake_up(&race->wq);
	}
}

unsigned long iopf_prim_gate_race(unsigned int rounds)
{
	struct gate_race race = { .rounds = rounds };

	init_waitqueue_head(&race.wq);
	run_parts(2, gate_main, &race);
	return race.turn / 2;
}
