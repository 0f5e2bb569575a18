/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __LINUX_ARRAY_SIZE_H
#define __LINUX_ARRAY_SIZE_H

#include <linux/build_bug.h>

/* A pointer does not compile. */
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]) +				\
	BUILD_BUG_ON_ZERO(__builtin_types_compatible_p(__typeof__(array), __typeof__(&(array)[0]))))

#endif
