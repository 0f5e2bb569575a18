/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocation. Every request names its place in the source and passes one entry point of the runtime, which can tell
 * what is live of each place, and can be told to fail the n-th request of a thread (the kernel's fail-nth).
 */
#ifndef __LINUX_SLAB_H
#define __LINUX_SLAB_H

#include <linux/compiler.h>
#include <string.h>

#define GFP_KERNEL 1u	/* may sleep: not inside an RCU reader */
#define GFP_ATOMIC 2u
#define GFP_NOWAIT 4u
#define __GFP_ZERO 8u

/* One place that allocates. All but its name is the runtime's, and 0 until the runtime has met the place. */
struct slab_site {
	const char *file;
	const char *function;
	int line;

	int id;
	struct slab_site *next;
	long live, found;
};

/*
 * The runtime defines slab_alloc(site, size, gfp), and kfree(object): NULL is fine, anything else that is not a live object
 * is a WARN and stays as it is.
 */
#include <slab.h>

#define __slab_alloc(size, gfp) ({							\
	static struct slab_site __slab_site = {						\
		.file = __FILE__, .function = __func__, .line = __LINE__,		\
	};										\
	slab_alloc(&__slab_site, (size), (gfp)); })

#define kmalloc(size, gfp) __slab_alloc(size, gfp)
#define kzalloc(size, gfp) __slab_alloc(size, (gfp) | __GFP_ZERO)
#define kcalloc(n, size, gfp) ({							\
	size_t __bytes;									\
	__builtin_mul_overflow((size_t)(n), (size_t)(size), &__bytes) ?			\
		NULL : __slab_alloc(__bytes, (gfp) | __GFP_ZERO); })

#define kmemdup(src, len, gfp) ({							\
	size_t __len = (len);								\
	void *__copy = kmalloc(__len, gfp);						\
	if (__copy)									\
		memcpy(__copy, (src), __len);						\
	__copy; })

/* P is a type, or an expression of the object's type that may not have a value yet. */
#define __kzalloc_gfp(unused, gfp, ...) gfp
#define kzalloc_obj(P, ...) \
	((__typeof__(P) *)kzalloc(sizeof(__typeof__(P)), __kzalloc_gfp(0, ##__VA_ARGS__, GFP_KERNEL)))

#endif
