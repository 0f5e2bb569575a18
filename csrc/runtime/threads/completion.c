// SPDX-License-Identifier: GPL-2.0-only
#include <futex.h>
#include <linux/completion.h>

/* More than can wait are as good as all of them. */
void complete(struct completion *x)
{
	u32 done = __atomic_load_n(&x->done, __ATOMIC_RELAXED);

	while (done != COMPLETION_ALL &&
	       !__atomic_compare_exchange_n(&x->done, &done, done + 1, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	futex_wake(&x->done, 1);
}

void complete_all(struct completion *x)
{
	__atomic_store_n(&x->done, COMPLETION_ALL, __ATOMIC_RELEASE);
	futex_wake(&x->done, INT32_MAX);
}

bool try_wait_for_completion(struct completion *x)
{
	u32 done = __atomic_load_n(&x->done, __ATOMIC_ACQUIRE);

	while (done && done != COMPLETION_ALL)
		if (__atomic_compare_exchange_n(&x->done, &done, done - 1, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
			return true;
	return done;
}

unsigned long __wait_for_completion(struct completion *x, unsigned long timeout)
{
	might_sleep();
	while (!try_wait_for_completion(x)) {
		if (!timeout)
			return 0;
		timeout = futex_wait_jiffies(&x->done, 0, timeout);
	}
	return timeout ? timeout : 1;
}
