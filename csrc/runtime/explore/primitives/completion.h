/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOPF_EXPLORE_COMPLETION_H
#define IOPF_EXPLORE_COMPLETION_H

struct completion {
	u32 done;
};

#define COMPLETION_INITIALIZER(name) { 0 }

KERNEL_API void init_completion(struct completion *x);
KERNEL_API void reinit_completion(struct completion *x);
KERNEL_API bool completion_done(struct completion *x);

#endif
