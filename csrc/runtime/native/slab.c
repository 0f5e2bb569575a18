// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocation: a free list per thread and size class, magazines of 32 through a depot when threads differ.
 *
 * malloc() on one thread and free() on another costs 700 to 1,700 ns, and calloc() skips malloc's thread cache. Here an
 * object goes to the list of the thread that frees it; a list that has grown past two magazines gives one to the depot,
 * and an empty one takes one from there. Memory comes in chunks and stays with the runtime.
 *
 * Here is what happens seldom; slab.h has the rest, and what an object looks like.
 */
#include <linux/bug.h>
#include <linux/slab.h>
#include <runtime.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define CHUNK_BYTES 65536

static const u32 slab_class_bytes[SLAB_CLASSES] = { 64, 128, 192, 256, 320, 384, 512, 1024, 2048, SLAB_LARGEST };

static struct {
	pthread_mutex_t lock;
	struct free_object *magazines[SLAB_CLASSES];	/* chained through the first object's second word */
	char *chunk, *chunk_end;
	struct slab_site *sites[SLAB_SITES];
	int nr_sites;
	struct slab_site *first_site;
} depot = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A magazine on the shelf: the link to the next one lies behind the object's own link. */
struct magazine {
	struct free_object object;
	struct free_object *next;
};

/* There is room. */
static void slab_push(struct thread *self, struct free_object *object, unsigned int class)
{
	self->free[class][self->nr_free[class]++] = object;
}

/* Numbers a place when it is met. Past the table all further places share the last number. */
static noinline int slab_register_site(struct slab_site *site)
{
	pthread_mutex_lock(&depot.lock);
	if (!site->id) {
		int id = depot.nr_sites < SLAB_SITES - 1 ? ++depot.nr_sites : SLAB_SITES - 1;

		if (!depot.sites[id])
			depot.sites[id] = site;
		__atomic_store_n(&site->id, id, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&depot.lock);
	return site->id;
}

/* Under the depot's lock: a list of new objects of a class. */
static struct free_object *slab_carve(unsigned int class)
{
	struct free_object *list = NULL;
	int i;

	for (i = 0; i < SLAB_MAGAZINE; i++) {
		struct free_object *object;

		if ((size_t)(depot.chunk_end - depot.chunk) < slab_class_bytes[class]) {
			if (posix_memalign((void **)&depot.chunk, SLAB_LINE, CHUNK_BYTES)) {
				depot.chunk = depot.chunk_end = NULL;
				break;
			}
			depot.chunk_end = depot.chunk + CHUNK_BYTES;
		}
		object = (struct free_object *)depot.chunk;
		depot.chunk += slab_class_bytes[class];
		object->class = class;
		object->tag = SLAB_TAG_FREE;
		object->next = list;
		list = object;
	}
	return list;
}

/* False: no memory. */
static noinline bool slab_refill(struct thread *self, unsigned int class)
{
	struct free_object *list;

	pthread_mutex_lock(&depot.lock);
	list = depot.magazines[class];
	if (list)
		depot.magazines[class] = ((struct magazine *)list)->next;
	else
		list = slab_carve(class);
	pthread_mutex_unlock(&depot.lock);

	for (; list; list = list->next)
		slab_push(self, list, class);
	return self->nr_free[class];
}

/* One magazine from the thread's list to the depot. */
static noinline void slab_give(struct thread *self, unsigned int class)
{
	struct free_object *first = NULL;
	int n;

	for (n = 0; n < SLAB_MAGAZINE && self->nr_free[class]; n++) {
		struct free_object *object = self->free[class][--self->nr_free[class]];

		object->next = first;
		first = object;
	}

	pthread_mutex_lock(&depot.lock);
	((struct magazine *)first)->next = depot.magazines[class];
	depot.magazines[class] = first;
	pthread_mutex_unlock(&depot.lock);
}

static void *alloc_huge(struct thread *self, int site, size_t size, gfp_t gfp)
{
	struct free_object *object = size + SLAB_HEADER_BYTES > size ? malloc(size + SLAB_HEADER_BYTES) : NULL;

	if (!object)
		return NULL;
	object->class = SLAB_CLASS_HUGE;
	object->tag = SLAB_TAG_LIVE + (u32)site;
	slab_count_live(self, (u32)site, 1);
	if (gfp & __GFP_ZERO)
		memset(&object->next, 0, size);
	return &object->next;
}

noinline void *slab_alloc_slow(struct slab_site *site, size_t size, gfp_t gfp)
{
	struct thread *self = thread_current();
	int id = __atomic_load_n(&site->id, __ATOMIC_ACQUIRE);
	unsigned int class;
	void *pointer;

	if (!id)
		id = slab_register_site(site);
	if (gfp & GFP_KERNEL)
		might_sleep_in_reader();
	if (self->fail_nth && --self->fail_nth == 0)
		return NULL;
	if (SLAB_IS_MALLOC || size > SLAB_LARGEST - SLAB_HEADER_BYTES)
		return alloc_huge(self, id, size, gfp);

	class = slab_class(size + SLAB_HEADER_BYTES);
	if (!self->nr_free[class] && !slab_refill(self, class))
		return NULL;
	pointer = slab_pop(self, class, id);
	if (gfp & __GFP_ZERO)
		memset(pointer, 0, size);
	return pointer;
}

noinline void kfree_slow(const void *pointer)
{
	struct free_object *object = (struct free_object *)((uintptr_t)pointer - SLAB_HEADER_BYTES);
	struct thread *self = thread_current();

	if (WARN(slab_site_of(object) >= SLAB_SITES, "kfree of something that is not a live object"))
		return;
	slab_count_live(self, slab_site_of(object), -1);
	object->tag = SLAB_TAG_FREE;
	if (object->class == SLAB_CLASS_HUGE) {
		free(object);
		return;
	}
	if (self->nr_free[object->class] >= SLAB_FREE_MAX)
		slab_give(self, object->class);
	slab_push(self, object, object->class);
}

/* A thread ends: what it has on its lists goes to the depot, its counts stay with the record. */
void slab_thread_exit(struct thread *self)
{
	unsigned int class;

	for (class = 0; class < SLAB_CLASSES; class++)
		while (self->nr_free[class])
			slab_give(self, class);
}

/* The depot may have been in use by a thread that is no more: what lay there is forgotten, not trusted. */
void slab_after_fork(void)
{
	pthread_mutex_init(&depot.lock, NULL);
	memset(depot.magazines, 0, sizeof(depot.magazines));
	depot.chunk = depot.chunk_end = NULL;
}

void slab_fail_nth(unsigned long n)
{
	thread_current()->fail_nth = n;
}

unsigned long slab_fail_nth_left(void)
{
	return thread_current()->fail_nth;
}

static long slab_live_at(int site)
{
	struct thread *t;
	long live = 0;

	for_each_thread_record(t)
		live += __atomic_load_n(&t->live[site], __ATOMIC_RELAXED);
	return live;
}

long slab_live(void)
{
	long live = 0;
	int site;

	for (site = 1; site < SLAB_SITES; site++)
		live += slab_live_at(site);
	return live;
}

void slab_for_each_site(void (*visit)(const struct slab_site *site, long live, void *arg), void *arg)
{
	int site;

	for (site = 1; site < SLAB_SITES; site++) {
		long live = slab_live_at(site);
		struct slab_site *first;

		pthread_mutex_lock(&depot.lock);
		first = depot.sites[site];
		pthread_mutex_unlock(&depot.lock);
		if (live && first)
			visit(first, live, arg);
	}
}
