/* SPDX-License-Identifier: GPL-2.0-only */
/* What has to be known to be so when the file is compiled. */
#ifndef __LINUX_BUILD_BUG_H
#define __LINUX_BUILD_BUG_H

#include <linux/compiler.h>

#undef static_assert			/* C's own, which takes no fewer than two */
#define __static_assert(expr, message, ...) _Static_assert(expr, message)
#define static_assert(expr, ...) __static_assert(expr, ##__VA_ARGS__, #expr)

/* A condition that the optimiser has to find out: one that stays is an error. */
#define __BUILD_BUG_ON(condition, message, name) do {					\
	extern void name(void) __attribute__((error(message)));				\
	if (condition)									\
		name();									\
} while (0)
#define BUILD_BUG_ON_MSG(condition, message) __BUILD_BUG_ON(condition, message, __UNIQUE_ID(build_bug))
#define BUILD_BUG_ON(condition) BUILD_BUG_ON_MSG(condition, "BUILD_BUG_ON failed: " #condition)
#define BUILD_BUG() BUILD_BUG_ON_MSG(1, "BUILD_BUG failed")
/* 0, in an expression. */
#define BUILD_BUG_ON_ZERO(condition) ((int)(sizeof(struct { int : (-!!(condition)); })))

#endif
