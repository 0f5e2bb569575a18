// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtual time. Who has looked at the clock has begun an hour that will pass: a task of one step, at any moment. Between two
 * looks it has passed or not, which is a matter of the order of steps as any other. A task that has found the same time again
 * and again waits until it passes, as a loop of loads waits for another value: time does not stand still.
 */
#include <linux/delay.h>
#include <linux/ktime.h>
#include <string.h>

#include "primitives.h"

#define HOUR_NS (3600 * NSEC_PER_SEC)
#define SAME_TIMES 3

static s64 now;			/* since the execution began */
static bool hour_begun;
static struct { s64 seen; int times; } looks[MAX_TASKS];

static bool may_look(const struct task *t)
{
	return looks[t->id].times < SAME_TIMES || looks[t->id].seen != now;
}

static struct op_class op_look = { .name = "look at the clock", .ready = may_look, .pending_mode = PENDING_WRITE };
static struct op_class op_hour = { .name = "an hour passes", .pending_mode = PENDING_WRITE };
static struct op_class op_pass = { .name = "time passes", .pending_mode = PENDING_WRITE };

/* For the trace. */
static s64 seconds(void)
{
	return now / NSEC_PER_SEC;
}

void clock_reset(void)
{
	now = 0;
	hour_begun = false;
	forget_tasks(looks);
}

static void hour_main(void *unused)
{
	(void)unused;
	commit_values(&op_hour, MODE_WRITE, ADDR_CLOCK, NULL, seconds(), seconds() + HOUR_NS / NSEC_PER_SEC);
	now += HOUR_NS;
	hour_begun = false;
	task_finish();
}

static s64 look(const void *pc)
{
	int task = engine.current->id;

	/* Alone nobody looks for long: what waits for time has its hour at once. */
	if (!engine.parallel && !engine.running_up)
		return looks[task].times++ < SAME_TIMES ? now : (looks[task].times = 0, now += HOUR_NS);
	wait_op(&op_look, ADDR_CLOCK, pc);
	looks[task].times = looks[task].seen == now ? looks[task].times + 1 : 1;
	looks[task].seen = now;
	commit_values(&op_look, hour_begun ? MODE_READ : MODE_WRITE, ADDR_CLOCK, pc, seconds(), seconds());
	if (!hour_begun) {
		hour_begun = true;
		task_create(hour_main, NULL, &op_hour, ADDR_CLOCK, 0);
	}
	return now;
}

ktime_t ktime_get(void)
{
	return look(caller_pc());
}

unsigned long __jiffies(void)
{
	return INITIAL_JIFFIES + nsecs_to_jiffies((u64)look(caller_pc()));
}

static void pass(u64 ns, const void *pc)
{
	wait_op(&op_pass, ADDR_CLOCK, pc);
	commit_values(&op_pass, MODE_WRITE, ADDR_CLOCK, pc, seconds(), (now + (s64)ns) / NSEC_PER_SEC);
	now += (s64)ns;
}

void __sleep_ns(u64 ns)
{
	check_sleep(caller_pc(), "msleep inside an RCU reader", "msleep with a spinlock held");
	pass(ns, caller_pc());
}

void __delay_ns(u64 ns)
{
	pass(ns, caller_pc());
}

void clock_reaches(unsigned long expires)
{
	s64 then = (s64)(expires - INITIAL_JIFFIES) * (NSEC_PER_SEC / HZ), before = now;

	if (then > now)
		now = then;
	commit_values(&op_pass, now > before ? MODE_WRITE : MODE_READ, ADDR_CLOCK, NULL, before / NSEC_PER_SEC, seconds());
}
