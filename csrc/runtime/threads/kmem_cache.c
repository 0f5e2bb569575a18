// SPDX-License-Identifier: GPL-2.0-only
/* Caches of objects: allocation sites of their own, by which an object's cache is known. */
#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <runtime.h>

struct kmem_cache *__kmem_cache_create(struct slab_site *site, struct slab_site *objects, const char *name, size_t size,
				       unsigned int flags, void (*ctor)(void *object))
{
	struct kmem_cache *cache = slab_alloc(site, sizeof(*cache), GFP_KERNEL | (flags & SLAB_PANIC ? __GFP_NOFAIL : 0));

	if (cache)
		*cache = (struct kmem_cache){ .site = objects, .name = name, .size = size, .ctor = ctor };
	return cache;
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	void *object = slab_alloc(cache->site, cache->size, gfp);

	if (!object)
		return NULL;
	__atomic_fetch_add(&cache->live, 1, __ATOMIC_RELAXED);
	if (cache->ctor)
		cache->ctor(object);
	return object;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	if (!object || WARN(slab_site_of(object) != cache->site, "kmem_cache_free of another cache's object"))
		return;
	__atomic_fetch_sub(&cache->live, 1, __ATOMIC_RELAXED);
	kfree(object);
}

struct count {
	const struct slab_site *site;
	long live;
};

static void count(const struct slab_site *site, long live, void *arg)
{
	struct count *c = arg;

	if (site == c->site)
		c->live += live;
}

long slab_live_of(const struct slab_site *site)
{
	struct count c = { .site = site };

	slab_for_each_site(count, &c);
	return c.live;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	if (!cache)
		return;
	might_sleep();
	if (__atomic_load_n(&cache->live, __ATOMIC_RELAXED) > 0) {
		rcu_barrier();
		(void)WARN(slab_live_of(cache->site) > 0, "kmem_cache_destroy while objects are live");
	}
	kfree(cache);
}
