/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_NATIVE_WORKQUEUE_H
#define IOPF_NATIVE_WORKQUEUE_H

struct work_struct {
	int pending;
	work_func_t func;
	struct list_head entry;
	u64 ticket;		/* the number of the item on its queue, for flush */
};

static inline void INIT_WORK(struct work_struct *work, work_func_t func)
{
	work->pending = 0;
	work->func = func;
	INIT_LIST_HEAD(&work->entry);
}

KERNEL_API bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
KERNEL_API struct workqueue_struct * __printf(1, 4)
alloc_workqueue(const char *format, unsigned int flags, int max_active, ...);
KERNEL_API void flush_workqueue(struct workqueue_struct *wq);
KERNEL_API void destroy_workqueue(struct workqueue_struct *wq);
KERNEL_API bool current_work_on(struct workqueue_struct *wq);

#endif
