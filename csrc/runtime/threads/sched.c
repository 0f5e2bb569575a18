// SPDX-License-Identifier: GPL-2.0-only
#include <barrier.h>
#include <linux/sched.h>
#include <sched.h>

#ifdef __SANITIZE_THREAD__
int barrier_word;
#endif

int cond_resched(void)
{
	might_sleep();
	sched_yield();
	return 1;
}
