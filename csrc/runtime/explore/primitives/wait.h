/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_EXPLORE_WAIT_H
#define IOPF_EXPLORE_WAIT_H

struct wait_queue_head {
	u32 wakes, waiters;
};

#define __WAIT_QUEUE_HEAD_INITIALIZER(name) { 0, 0 }

KERNEL_API void init_waitqueue_head(struct wait_queue_head *wq);
KERNEL_API bool waitqueue_active(struct wait_queue_head *wq);

#endif
