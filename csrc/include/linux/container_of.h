/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __LINUX_CONTAINER_OF_H
#define __LINUX_CONTAINER_OF_H

#include <linux/compiler.h>

/* The object around a member. A pointer to something else than that member (or void) does not compile. */
#define container_of(ptr, type, member) ({						\
	_Static_assert(									\
		__builtin_types_compatible_p(__typeof__(*(ptr)),			\
					     __typeof__(((type *)0)->member)) ||	\
		__builtin_types_compatible_p(__typeof__(*(ptr)), void),			\
		"container_of: the pointer is not to that member");			\
	(type *)((char *)(ptr) - offsetof(type, member)); })

/* The same; a pointer to const gives one to const. */
#define container_of_const(ptr, type, member) _Generic(ptr,					\
	const __typeof__(*(ptr)) *: ((const type *)container_of(ptr, type, member)),		\
	default: container_of(ptr, type, member))

#endif
