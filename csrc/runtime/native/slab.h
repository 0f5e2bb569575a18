/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fast half of slab.c: from and to the thread's free list. Inline, so that what the compiler knows of a request, its
 * size, whether it is cleared, is not asked when the request is made.
 *
 * A header of 16 bytes says what an object is: whether it is live, so that a double kfree() is a WARN and not a corrupted
 * list, its class, and which place allocated it. None is counted: whoever wants to know what is live looks at them all.
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
#define SLAB_SHUT (1u << 31)	/* in nr_free */

/* What an object is. 0: not made yet. */
#define SLAB_LIVE 0x6c697665u
#define SLAB_LIVE_ALONE 0x616c6f6eu	/* straight from malloc */
#define SLAB_INHERITED 0x696e6865u	/* was live before a fork: the parent's */
#define SLAB_FREE 0x66726565u

struct free_object {
	u32 state;
	u32 class;			/* of one that is alone: slab_generation */
	struct slab_site *site;		/* who allocated it last. Objects are aligned as malloc's are */
	struct free_object *next;	/* in a magazine of the depot. The object begins here */
};

#define SLAB_HEADER_BYTES offsetof(struct free_object, next)

/* The rest: an empty list, a full one, one that is shut, a thread without a record, large objects, mistakes. */
KERNEL_API __cold void *slab_alloc_slow(struct slab_site *site, size_t size, gfp_t gfp);
KERNEL_API __cold void kfree_slow(const void *pointer);

/* Of an object with its header, of SLAB_LARGEST at most; the sizes are those of slab_class_bytes[]. */
static inline unsigned int slab_class(size_t bytes)
{
	if (bytes <= 384)
		return (unsigned int)((bytes + SLAB_LINE - 1) / SLAB_LINE) - 1;
	return bytes <= 512 ? 6 : bytes <= 1024 ? 7 : bytes <= 2048 ? 8 : 9;
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

/* Whoever looks at all objects finds the place of a live one. */
static inline void *slab_make_live(struct free_object *object, struct slab_site *site, u32 state)
{
	__atomic_store_n(&object->site, site, __ATOMIC_RELAXED);
	__atomic_store_n(&object->state, state, __ATOMIC_RELEASE);
	return &object->next;
}

static inline __attribute__((always_inline)) void *slab_alloc(struct slab_site *site, size_t size, gfp_t gfp)
{
	struct thread *self = thread_stable();
	unsigned int class;
	void *pointer;
	u32 n;

	/* A size that is no constant is not worth inlining. */
	if (SLAB_IS_MALLOC || !__builtin_constant_p(size) || size > SLAB_LARGEST / 8)
		return slab_alloc_slow(site, size, gfp);

	class = slab_class(size + SLAB_HEADER_BYTES);
	n = self->nr_free[class] - 1;
	/* Out of range: there is none, the list is shut, or the caller is in a reader. */
	if (unlikely(n + __atomic_load_n(&self->rcu_epoch, __ATOMIC_RELAXED) >= SLAB_FREE_MAX))
		return slab_alloc_slow(site, size, gfp);
	self->nr_free[class] = n;
	pointer = slab_make_live(self->free[class][n], site, SLAB_LIVE);
	if (gfp & __GFP_ZERO)
		slab_clear(pointer, size);
	return pointer;
}

static inline void kfree(const void *pointer)
{
	struct free_object *object = (struct free_object *)((uintptr_t)pointer - SLAB_HEADER_BYTES);
	struct thread *self = thread_stable();
	u32 class, n;

	if (!pointer)
		return;
	if (SLAB_IS_MALLOC || unlikely(object->state != SLAB_LIVE ||
				       (n = self->nr_free[class = object->class]) >= SLAB_FREE_MAX)) {
		kfree_slow(pointer);
		return;
	}
	__atomic_store_n(&object->state, SLAB_FREE, __ATOMIC_RELAXED);
	self->free[class][n] = object;
	self->nr_free[class] = n + 1;
}

#endif
