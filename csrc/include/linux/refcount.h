/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reference counts that saturate instead of wrapping.
 *
 * A count that was misused goes to REFCOUNT_SATURATED, the middle of the negative range, and stays there: the object
 * leaks, which is the safe way to be wrong. Each of the kernel's five reasons is a WARN of its own. Increments are
 * relaxed, decrements release, the decrement to zero acquires.
 *
 * The runtime (by include path) defines refcount_t, REFCOUNT_INIT(n), and these functions:
 *	refcount_set(r, n)		a plain store, no check
 *	refcount_read(r)
 *	refcount_inc(r), refcount_add(n, r)
 *	refcount_inc_not_zero(r)	false for 0 alone; a saturated count says true, and warns
 *	refcount_dec(r)			WARN when that was the last one
 *	refcount_dec_and_test(r)	true for the caller that took it from 1 to 0
 */
#ifndef __LINUX_REFCOUNT_H
#define __LINUX_REFCOUNT_H

#include <limits.h>
#include <linux/compiler.h>

#define REFCOUNT_MAX INT_MAX
#define REFCOUNT_SATURATED (INT_MIN / 2)

enum refcount_saturation_type {
	REFCOUNT_ADD_NOT_ZERO_OVF,	/* saturated; leaking memory (from a conditional increment) */
	REFCOUNT_ADD_OVF,		/* saturated; leaking memory */
	REFCOUNT_ADD_UAF,		/* addition on 0; use-after-free */
	REFCOUNT_SUB_UAF,		/* underflow; use-after-free */
	REFCOUNT_DEC_LEAK,		/* decrement hit 0; leaking memory */
};

struct refcount_struct;

/* Counts the reason; the runtime has saturated the count. Out of line: nobody should come here. */
KERNEL_API __cold void refcount_warn_saturate(enum refcount_saturation_type why);

#include <refcount.h>	/* the runtime's */

#endif
