/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_PLAIN_WORKQUEUE_H
#define IOPF_PLAIN_WORKQUEUE_H

struct work_struct {
	int pending;
	work_func_t func;
	struct list_head entry;
	struct workqueue_struct *wq;	/* that it was queued on last; NULL: none yet */
	u64 ticket;		/* its number on its queue */
};

static inline void INIT_WORK(struct work_struct *work, work_func_t func)
{
	work->pending = 0;
	work->func = func;
	work->wq = NULL;
	INIT_LIST_HEAD(&work->entry);
}

KERNEL_API bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
KERNEL_API struct workqueue_struct * __printf(1, 4)
alloc_workqueue(const char *format, unsigned int flags, int max_active, ...);
KERNEL_API void flush_workqueue(struct workqueue_struct *wq);
KERNEL_API void destroy_workqueue(struct workqueue_struct *wq);
KERNEL_API bool current_work_on(struct workqueue_struct *wq);
KERNEL_API bool flush_work(struct work_struct *work);
KERNEL_API bool cancel_work(struct work_struct *work);
KERNEL_API bool cancel_work_sync(struct work_struct *work);
KERNEL_API unsigned int work_busy(struct work_struct *work);

static inline bool work_pending(struct work_struct *work)
{
	return __atomic_load_n(&work->pending, __ATOMIC_RELAXED) != 0;
}

#endif
