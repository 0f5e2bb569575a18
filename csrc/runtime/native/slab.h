/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fast half of slab.c: from and to the thread's free list. Inline, so that what the compiler knows of a request, its
 * size, whether it is cleared, is not asked when the request is made.
 *
 * A header of 16 bytes says what an object is: its class, and one word, the tag, for both whether it is live, so that a
 * double kfree() is a WARN and not a corrupted list, and which place allocated it, for the live counts.
 *
 * Under a sanitizer every object is malloc's own, so that it can be poisoned.
 */
#ifndef IOPF_NATIVE_SLAB_H
#define IOPF_NATIVE_SLAB_H

#include "thread.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLAB_IS_MALLOC 1
#else
#define SLAB_IS_MALLOC 0
#endif

/* With the header objects are whole lines, so that those of different classes never share one. */
#define SLAB_LINE 64
#define SLAB_LARGEST 4096
#define SLAB_CLASS_HUGE SLAB_CLASSES	/* straight from malloc */

#define SLAB_TAG_LIVE 0x6c697600u	/* and the number of the place */
#define SLAB_TAG_FREE 0x66726565u

struct free_object {
	u32 tag;
	u32 class;
	u64 unused;			/* objects are aligned as malloc's are */
	struct free_object *next;	/* in a magazine of the depot. The object begins here */
};

#define SLAB_HEADER_BYTES offsetof(struct free_object, next)

/* The rest: a place's first time, an empty list, a full one, a thread without a record, requests that fail, mistakes. */
KERNEL_API __cold void *slab_alloc_slow(struct slab_site *site, size_t size, gfp_t gfp);
KERNEL_API __cold void kfree_slow(const void *pointer);

/* Of an object with its header; the sizes are those of slab_class_bytes[]. */
static inline unsigned int slab_class(size_t bytes)
{
	if (bytes <= 384)
		return (unsigned int)((bytes + SLAB_LINE - 1) / SLAB_LINE) - 1;
	return bytes <= 512 ? 6 : bytes <= 1024 ? 7 : bytes <= 2048 ? 8 : bytes <= SLAB_LARGEST ? 9 : SLAB_CLASS_HUGE;
}

static inline void slab_count_live(struct thread *self, u32 site, long n)
{
	__atomic_store_n(&self->live[site], __atomic_load_n(&self->live[site], __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* Which place has it; SLAB_SITES or more: it is no live object. */
static inline u32 slab_site_of(const struct free_object *object)
{
	return object->tag - SLAB_TAG_LIVE;
}

/*
 * Clears an object. A line at a time, so that a size that is known becomes plain stores: gcc turns the clearing of more
 * into "rep stos", which costs 12 ns to start. It may leave out those that the caller overwrites.
 */
static inline __attribute__((always_inline)) void slab_clear(void *pointer, size_t size)
{
#define SLAB_CLEAR_LINE(from)									\
	if (size > (from))									\
		__builtin_memset((char *)pointer + (from), 0,					\
				 size - (from) < SLAB_LINE ? size - (from) : SLAB_LINE)
	SLAB_CLEAR_LINE(0);
	SLAB_CLEAR_LINE(64);
	SLAB_CLEAR_LINE(128);
	SLAB_CLEAR_LINE(192);
	SLAB_CLEAR_LINE(256);
	SLAB_CLEAR_LINE(320);
	SLAB_CLEAR_LINE(384);
	SLAB_CLEAR_LINE(448);
#undef SLAB_CLEAR_LINE
}

/* There is one. */
static inline void *slab_pop(struct thread *self, u32 class, int site)
{
	u32 n = self->nr_free[class] - 1;
	struct free_object *object = self->free[class][n];

	self->nr_free[class] = n;
	object->tag = SLAB_TAG_LIVE + (u32)site;
	slab_count_live(self, (u32)site, 1);
	return &object->next;
}

static inline __attribute__((always_inline)) void *slab_alloc(struct slab_site *site, size_t size, gfp_t gfp)
{
	int id = __atomic_load_n(&site->id, __ATOMIC_ACQUIRE);
	unsigned int class = slab_class(size + SLAB_HEADER_BYTES);
	struct thread *self = thread_stable();
	void *pointer;

	/* A size that is no constant is not worth inlining. */
	if (SLAB_IS_MALLOC || !__builtin_constant_p(size) || size > SLAB_LARGEST / 8 ||
	    unlikely(!id || self->fail_nth || thread_in_reader_or_nobody(self) || !self->nr_free[class]))
		return slab_alloc_slow(site, size, gfp);
	pointer = slab_pop(self, class, id);
	if (gfp & __GFP_ZERO)
		slab_clear(pointer, size);
	return pointer;
}

static inline void kfree(const void *pointer)
{
	struct free_object *object = (struct free_object *)((uintptr_t)pointer - SLAB_HEADER_BYTES);
	struct thread *self = thread_stable();
	u32 site, class, n;

	if (!pointer)
		return;
	site = slab_site_of(object);
	class = object->class;
	if (SLAB_IS_MALLOC || unlikely(site >= SLAB_SITES || class == SLAB_CLASS_HUGE ||
				       (n = self->nr_free[class]) >= SLAB_FREE_MAX)) {
		kfree_slow(pointer);
		return;
	}
	object->tag = SLAB_TAG_FREE;
	slab_count_live(self, site, -1);
	self->free[class][n] = object;
	self->nr_free[class] = n + 1;
}

#endif
