/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_EXPLORE_WORKQUEUE_H
#define IOPF_EXPLORE_WORKQUEUE_H

struct work_struct {
	u64 pending;
	work_func_t func;
};

#define __WORK_INITIALIZER(name, function) { .func = (function) }

static inline void INIT_WORK(struct work_struct *work, work_func_t func)
{
	work->pending = 0;
	work->func = func;
}

KERNEL_API bool work_pending(struct work_struct *work);

#endif
