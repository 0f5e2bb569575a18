// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bug.h>
#include <linux/refcount.h>

void refcount_warn_saturate(enum refcount_saturation_type why)
{
	switch (why) {
	case REFCOUNT_ADD_NOT_ZERO_OVF:
		(void)WARN(true, "refcount_t: saturated; leaking memory (conditional)");
		break;
	case REFCOUNT_ADD_OVF:
		(void)WARN(true, "refcount_t: saturated; leaking memory");
		break;
	case REFCOUNT_ADD_UAF:
		(void)WARN(true, "refcount_t: addition on 0; use-after-free");
		break;
	case REFCOUNT_SUB_UAF:
		(void)WARN(true, "refcount_t: underflow; use-after-free");
		break;
	case REFCOUNT_DEC_LEAK:
		(void)WARN(true, "refcount_t: decrement hit 0; leaking memory");
		break;
	}
}
