/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocation. Every request names its place in the source and passes one entry point of the runtime, which can tell
 * what is live of each place, and can be told to fail the n-th request of a thread (the kernel's fail-nth).
 */
#ifndef __LINUX_SLAB_H
#define __LINUX_SLAB_H

#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/overflow.h>
#include <linux/refuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GFP_KERNEL 1u	/* may sleep: not inside an RCU reader */
#define GFP_ATOMIC 2u
#define GFP_NOWAIT 4u
#define __GFP_ZERO 8u
#define __GFP_NOFAIL 16u	/* is not made to fail, and waits until there is memory */
/* From where memory is taken, to whom it is charged, and what is said when there is none: the same here. */
#define GFP_KERNEL_ACCOUNT GFP_KERNEL
#define GFP_NOFS GFP_KERNEL
#define GFP_NOIO GFP_KERNEL
#define __GFP_ACCOUNT 0u
#define __GFP_NOWARN 0u
#define __GFP_NORETRY 0u
#define __GFP_RETRY_MAYFAIL 0u

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

/* Bytes that may be used, at least those that were asked for. */
KERNEL_API size_t ksize(const void *object);
/* Where a live object is from; NULL: it is none. And how many of such are live. */
KERNEL_API const struct slab_site *slab_site_of(const void *object);
KERNEL_API long slab_live_of(const struct slab_site *site);

#define kmalloc(size, gfp) __slab_alloc(size, gfp)
#define kzalloc(size, gfp) __slab_alloc(size, (gfp) | __GFP_ZERO)
#define kmalloc_array(n, size, gfp) ({							\
	size_t __bytes;									\
	__builtin_mul_overflow((size_t)(n), (size_t)(size), &__bytes) ?			\
		NULL : __slab_alloc(__bytes, gfp); })
#define kcalloc(n, size, gfp) kmalloc_array(n, size, (gfp) | __GFP_ZERO)

/* NULL: the object stays as it was. What is behind the old size is not cleared: how large it was asked for, nobody knows. */
#define krealloc(object, size, gfp) ({							\
	void *__old = (void *)(object), *__new;						\
	size_t __size = (size);								\
	BUILD_BUG_ON_MSG(__builtin_constant_p(gfp) && ((gfp) & __GFP_ZERO),		\
			 "krealloc with __GFP_ZERO is not here: use kzalloc() and memcpy()");	\
	__new = __size ? __slab_alloc(__size, gfp) : NULL;				\
	if (__new && __old)								\
		memcpy(__new, __old, __size < ksize(__old) ? __size : ksize(__old));	\
	if (__new || !__size)								\
		kfree(__old);								\
	__new; })
#define krealloc_array(object, n, size, gfp) ({						\
	size_t __bytes;									\
	__builtin_mul_overflow((size_t)(n), (size_t)(size), &__bytes) ? NULL : krealloc(object, __bytes, gfp); })

#define kmemdup(src, len, gfp) ({							\
	size_t __len = (len);								\
	void *__copy = kmalloc(__len, gfp);						\
	if (__copy)									\
		memcpy(__copy, (src), __len);						\
	__copy; })
#define kmemdup_nul(src, len, gfp) ({							\
	size_t __n = (len);								\
	char *__text = kmalloc(__n + 1, gfp);						\
	if (__text) {									\
		memcpy(__text, (src), __n);						\
		__text[__n] = '\0';							\
	}										\
	__text; })
#define kstrdup(text, gfp) ({								\
	const char *__s = (text);							\
	__s ? kmemdup_nul(__s, strlen(__s), gfp) : NULL; })
#define kstrndup(text, max, gfp) ({							\
	const char *__s = (text);							\
	__s ? kmemdup_nul(__s, strnlen(__s, max), gfp) : NULL; })
/* In a buffer first: what is written into an object is written by code that is looked at. */
static inline __printf(3, 4) char *__kasprintf(struct slab_site *site, gfp_t gfp, const char *format, ...)
{
	va_list args;
	int length;
	char *text;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0)
		return NULL;

	char printed[length + 1];

	va_start(args, format);
	vsnprintf(printed, sizeof(printed), format, args);
	va_end(args);
	text = slab_alloc(site, sizeof(printed), gfp);
	if (text)
		memcpy(text, printed, sizeof(printed));
	return text;
}
#define kasprintf(gfp, format, args...) ({						\
	static struct slab_site __slab_site = {						\
		.file = __FILE__, .function = __func__, .line = __LINE__,		\
	};										\
	__kasprintf(&__slab_site, (gfp), format, ##args); })

static inline void kfree_sensitive(const void *object)
{
	if (object)
		memset((void *)object, 0, ksize(object));
	kfree(object);
}

DEFINE_FREE(kfree, void *, if (!IS_ERR_OR_NULL(_T)) kfree(_T))
DEFINE_FREE(kfree_sensitive, void *, if (!IS_ERR_OR_NULL(_T)) kfree_sensitive(_T))

/* Memory that need not be contiguous: it is, which nobody can tell. */
#define kvmalloc(size, gfp) kmalloc(size, gfp)
#define kvzalloc(size, gfp) kzalloc(size, gfp)
#define kvmalloc_array(n, size, gfp) kmalloc_array(n, size, gfp)
#define kvcalloc(n, size, gfp) kcalloc(n, size, gfp)
#define kvfree(object) kfree(object)
DEFINE_FREE(kvfree, void *, if (!IS_ERR_OR_NULL(_T)) kvfree(_T))

/* P is a type, or an expression of the object's type that may not have a value yet. */
#define __alloc_gfp(unused, gfp, ...) gfp
#define kmalloc_obj(P, ...) \
	((__typeof__(P) *)kmalloc(sizeof(__typeof__(P)), __alloc_gfp(0, ##__VA_ARGS__, GFP_KERNEL)))
#define kzalloc_obj(P, ...) \
	((__typeof__(P) *)kzalloc(sizeof(__typeof__(P)), __alloc_gfp(0, ##__VA_ARGS__, GFP_KERNEL)))
#define kmalloc_objs(P, n, ...) \
	((__typeof__(P) *)kmalloc_array(n, sizeof(__typeof__(P)), __alloc_gfp(0, ##__VA_ARGS__, GFP_KERNEL)))
#define kzalloc_objs(P, n, ...) \
	((__typeof__(P) *)kcalloc(n, sizeof(__typeof__(P)), __alloc_gfp(0, ##__VA_ARGS__, GFP_KERNEL)))
#define kmalloc_flex(P, member, n, ...) \
	((__typeof__(P) *)kmalloc(struct_size_t(__typeof__(P), member, n), __alloc_gfp(0, ##__VA_ARGS__, GFP_KERNEL)))
#define kzalloc_flex(P, member, n, ...) \
	((__typeof__(P) *)kzalloc(struct_size_t(__typeof__(P), member, n), __alloc_gfp(0, ##__VA_ARGS__, GFP_KERNEL)))

/*
 * --- caches of objects of one type ---
 *
 * Each place that creates has an allocation site of its own, by which an object's cache is known: giving it back to another
 * one is a WARN. Two caches of one place are not told apart. A constructor runs at each allocation, which is one of the
 * things that the kernel may do. An object may be freed by kfree() and kfree_rcu(), too.
 */
struct kmem_cache {
	struct slab_site *site;
	const char *name;
	size_t size;
	void (*ctor)(void *object);
	long live;		/* those that kfree() took included */
};

#define SLAB_HWCACHE_ALIGN 0u
#define SLAB_ACCOUNT 0u
#define SLAB_RECLAIM_ACCOUNT 0u
#define SLAB_PANIC 1u		/* creating it does not fail */
#define SLAB_TYPESAFE_BY_RCU \
	__REFUSED("SLAB_TYPESAFE_BY_RCU is not here: free the objects with kfree_rcu(), readers keep them then") 0u

KERNEL_API struct kmem_cache *__kmem_cache_create(struct slab_site *site, struct slab_site *objects, const char *name,
						  size_t size, unsigned int flags, void (*ctor)(void *object));
KERNEL_API void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp);
KERNEL_API void kmem_cache_free(struct kmem_cache *cache, void *object);
/* Waits for what kfree_rcu() has yet to free. WARN while objects are live; the cache goes in any case. */
KERNEL_API void kmem_cache_destroy(struct kmem_cache *cache);

#define kmem_cache_zalloc(cache, gfp) kmem_cache_alloc(cache, (gfp) | __GFP_ZERO)

#define kmem_cache_create(name, size, align, flags, ctor) ({				\
	static struct slab_site __cache = {						\
		.file = __FILE__, .function = __func__, .line = __LINE__,		\
	}, __objects = {								\
		.file = __FILE__, .function = __func__, .line = __LINE__,		\
	};										\
	BUILD_BUG_ON_MSG((align) > 16, "kmem_cache_create: objects are aligned to 16 bytes here, no more");	\
	__kmem_cache_create(&__cache, &__objects, name, size, flags, ctor); })
#define KMEM_CACHE(type, flags) \
	kmem_cache_create(#type, sizeof(struct type), __alignof__(struct type), flags, NULL)

#endif
