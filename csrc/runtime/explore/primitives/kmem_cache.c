// SPDX-License-Identifier: GPL-2.0-only
/* Caches of objects: allocation sites of their own (slab.c). Nothing of a cache is looked at that a step could change. */
#include <linux/bug.h>
#include <linux/slab.h>

#include "primitives.h"

struct kmem_cache *__kmem_cache_create(struct slab_site *site, struct slab_site *objects, const char *name, size_t size,
				       unsigned int flags, void (*ctor)(void *object))
{
	struct kmem_cache *cache = slab_alloc_from(site, sizeof(*cache), GFP_KERNEL | (flags & SLAB_PANIC ? __GFP_NOFAIL : 0),
						   caller_pc());

	if (!cache)
		return NULL;
	shadow_access((u64)cache, sizeof(*cache), PLAIN_WRITE, caller_pc());
	*cache = (struct kmem_cache){ .site = objects, .name = name, .size = size, .ctor = ctor };
	return cache;
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	const void *pc = caller_pc();
	void *object;

	shadow_access((u64)cache, offsetof(struct kmem_cache, live), PLAIN_READ, pc);
	object = slab_alloc_from(cache->site, cache->size, gfp, pc);
	if (!object)
		return NULL;
	cache->live++;
	if (cache->ctor)
		cache->ctor(object);
	return object;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	const void *pc = caller_pc();

	if (!object)
		return;
	shadow_access((u64)cache, offsetof(struct kmem_cache, live), PLAIN_READ, pc);
	heap_to_free((u64)object, pc);
	if (slab_site_of(object) != cache->site) {
		finding_add(FINDING_INVALID_FREE, (u64)object, pc, "kmem_cache_free of another cache's object");
		return;
	}
	cache->live--;
	kfree_from(object, pc);
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	const void *pc = caller_pc();

	if (!cache)
		return;
	check_sleep(pc, "kmem_cache_destroy inside an RCU reader", "kmem_cache_destroy with a spinlock held");
	shadow_access((u64)cache, sizeof(*cache), PLAIN_WRITE, pc);
	(void)WARN(cache->live > 0 && slab_live_of(cache->site), "kmem_cache_destroy while objects are live");
	kfree_from(cache, pc);
}
