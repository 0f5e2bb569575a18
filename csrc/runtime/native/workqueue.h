/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_NATIVE_WORKQUEUE_H
#define IOPF_NATIVE_WORKQUEUE_H

struct work_struct {
	int pending;
	work_func_t func;
	struct list_head entry;
	struct workqueue_struct *wq;	/* that it was queued on last; NULL: none yet */
	u64 ticket;		/* the number of the item on its queue, for flush */
};

#define __WORK_INITIALIZER(name, function) { .func = (function), .entry = LIST_HEAD_INIT((name).entry) }

static inline void INIT_WORK(struct work_struct *work, work_func_t func)
{
	work->pending = 0;
	work->func = func;
	work->wq = NULL;
	INIT_LIST_HEAD(&work->entry);
}

static inline bool work_pending(struct work_struct *work)
{
	return __atomic_load_n(&work->pending, __ATOMIC_RELAXED) != 0;
}

#endif
