/* SPDX-License-Identifier: GPL-2.0-only */
/* Functions, not inlines: an operation on a count is one step, whatever it takes on a processor. */
#ifndef IOPF_EXPLORE_REFCOUNT_H
#define IOPF_EXPLORE_REFCOUNT_H

typedef struct refcount_struct {
	int refs;
} refcount_t;

#define REFCOUNT_INIT(n) { .refs = (n) }

KERNEL_API void refcount_set(refcount_t *r, int n);
KERNEL_API int refcount_read(const refcount_t *r);
KERNEL_API void refcount_add(int n, refcount_t *r);
KERNEL_API void refcount_inc(refcount_t *r);
KERNEL_API bool refcount_inc_not_zero(refcount_t *r);
KERNEL_API void refcount_dec(refcount_t *r);
KERNEL_API bool refcount_dec_and_test(refcount_t *r);

#endif
