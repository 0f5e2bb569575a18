// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/processor.h>
#include <time.h>

ktime_t ktime_get(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ktime_set(t.tv_sec, (unsigned long)t.tv_nsec);
}

unsigned long __jiffies(void)
{
	static ktime_t begun;
	ktime_t now = ktime_get(), none = 0;

	__atomic_compare_exchange_n(&begun, &none, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return INITIAL_JIFFIES + nsecs_to_jiffies((u64)(now - __atomic_load_n(&begun, __ATOMIC_RELAXED)));
}

/* A signal ends the system's sleep, and not this. */
void __sleep_ns(u64 ns)
{
	struct timespec left = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };

	might_sleep();
	while (nanosleep(&left, &left))
		;
}

void __delay_ns(u64 ns)
{
	ktime_t end = ktime_get() + (ktime_t)ns;

	while (ktime_before(ktime_get(), end))
		cpu_relax();
}
