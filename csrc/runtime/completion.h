/* SPDX-License-Identifier: GPL-2.0-only */
/* What linux/completion.h includes on the runtimes that run on threads (threads/completion.c). */
#ifndef IOPF_RUNTIME_COMPLETION_H
#define IOPF_RUNTIME_COMPLETION_H

struct completion {
	u32 done;	/* waits that may go on; COMPLETION_ALL: every one. A futex word */
};

#define COMPLETION_ALL UINT32_MAX
#define COMPLETION_INITIALIZER(name) { 0 }

static inline void init_completion(struct completion *x)
{
	__atomic_store_n(&x->done, 0, __ATOMIC_RELAXED);
}

static inline void reinit_completion(struct completion *x)
{
	init_completion(x);
}

static inline bool completion_done(struct completion *x)
{
	return __atomic_load_n(&x->done, __ATOMIC_ACQUIRE) != 0;
}

#endif
