// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocation: a free list per thread and size class, magazines of 32 through a depot when threads differ.
 *
 * malloc() on one thread and free() on another costs 700 to 1,700 ns, and calloc() skips malloc's thread cache. Here an
 * object goes to the list of the thread that frees it; a list that has grown past two magazines gives one to the depot,
 * and an empty one takes one from there. Memory comes in chunks and stays with the runtime; what is live is found by
 * looking through them.
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

struct chunk {
	struct chunk *next;
} __attribute__((aligned(SLAB_LINE)));	/* then the objects */

static struct {
	pthread_mutex_t lock;
	struct free_object *magazines[SLAB_CLASSES];	/* chained through the first object's second word */
	struct chunk *chunks;
	char *fresh, *fresh_end;	/* what is left of the newest chunk */
	struct slab_site *sites;
} depot = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A magazine on the shelf: the link to the next one lies behind the object's own link. */
struct magazine {
	struct free_object object;
	struct free_object *next;
};

static u32 slab_nr_free(const struct thread *self, unsigned int class)
{
	return self->nr_free[class] & ~SLAB_SHUT;
}

/* There is room. */
static void slab_push(struct thread *self, struct free_object *object, unsigned int class)
{
	self->free[class][slab_nr_free(self, class)] = object;
	self->nr_free[class]++;
}

/* There is one. */
static struct free_object *slab_pop(struct thread *self, unsigned int class)
{
	self->nr_free[class]--;
	return self->free[class][slab_nr_free(self, class)];
}

/* Cleared: behind the first object that has no state nothing has been made yet, also for the child of a fork. */
static bool slab_add_chunk(void)
{
	struct chunk *chunk;

	if (posix_memalign((void **)&chunk, SLAB_LINE, CHUNK_BYTES))
		return false;
	memset(chunk, 0, CHUNK_BYTES);
	chunk->next = depot.chunks;
	depot.chunks = chunk;
	depot.fresh = (char *)(chunk + 1);
	depot.fresh_end = (char *)chunk + CHUNK_BYTES;
	return true;
}

/* Under the depot's lock: a list of new objects of a class. */
static struct free_object *slab_carve(unsigned int class)
{
	struct free_object *list = NULL;
	int i;

	for (i = 0; i < SLAB_MAGAZINE; i++) {
		struct free_object *object;

		if ((size_t)(depot.fresh_end - depot.fresh) < slab_class_bytes[class] && !slab_add_chunk())
			break;
		object = (struct free_object *)depot.fresh;
		depot.fresh += slab_class_bytes[class];
		object->class = class;
		__atomic_store_n(&object->state, SLAB_FREE, __ATOMIC_RELEASE);
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
	return slab_nr_free(self, class);
}

/* One magazine from the thread's list to the depot. */
static noinline void slab_give(struct thread *self, unsigned int class)
{
	struct free_object *first = NULL;
	int n;

	for (n = 0; n < SLAB_MAGAZINE && slab_nr_free(self, class); n++) {
		struct free_object *object = slab_pop(self, class);

		object->next = first;
		first = object;
	}

	pthread_mutex_lock(&depot.lock);
	((struct magazine *)first)->next = depot.magazines[class];
	depot.magazines[class] = first;
	pthread_mutex_unlock(&depot.lock);
}

/* Under the depot's lock. */
static void slab_note_site(struct slab_site *site)
{
	if (site->id)
		return;
	site->next = depot.sites;
	depot.sites = site;
	__atomic_store_n(&site->id, 1, __ATOMIC_RELEASE);
}

/* An object that is in no chunk is counted with its place. */
static void *slab_alloc_alone(struct slab_site *site, size_t size, gfp_t gfp)
{
	struct free_object *object = size + SLAB_HEADER_BYTES > size ? malloc(size + SLAB_HEADER_BYTES) : NULL;

	if (!object)
		return NULL;
	if (!__atomic_load_n(&site->id, __ATOMIC_ACQUIRE)) {
		pthread_mutex_lock(&depot.lock);
		slab_note_site(site);
		pthread_mutex_unlock(&depot.lock);
	}
	__atomic_fetch_add(&site->live, 1, __ATOMIC_RELAXED);
	if (gfp & __GFP_ZERO)
		memset(&object->next, 0, size);
	return slab_make_live(object, site, SLAB_LIVE_ALONE);
}

/* While one is to fail, every request of the thread comes here, and so does every kfree(). */
static void slab_shut(struct thread *self, bool shut)
{
	unsigned int class;

	for (class = 0; class < SLAB_CLASSES; class++)
		self->nr_free[class] = slab_nr_free(self, class) | (shut ? SLAB_SHUT : 0);
}

static void slab_set_fail_nth(struct thread *self, unsigned long n)
{
	self->fail_nth = n;
	slab_shut(self, n);
}

noinline void *slab_alloc_slow(struct slab_site *site, size_t size, gfp_t gfp)
{
	struct thread *self = thread_current();
	unsigned int class;
	void *pointer;

	if (gfp & GFP_KERNEL)
		might_sleep_in_reader();
	if (self->fail_nth && --self->fail_nth == 0) {
		slab_shut(self, false);
		return NULL;
	}
	if (SLAB_IS_MALLOC || size > SLAB_LARGEST - SLAB_HEADER_BYTES)
		return slab_alloc_alone(site, size, gfp);

	class = slab_class(size + SLAB_HEADER_BYTES);
	if (!slab_nr_free(self, class) && !slab_refill(self, class))
		return NULL;
	pointer = slab_make_live(slab_pop(self, class), site, SLAB_LIVE);
	if (gfp & __GFP_ZERO)
		memset(pointer, 0, size);
	return pointer;
}

noinline void kfree_slow(const void *pointer)
{
	struct free_object *object = (struct free_object *)((uintptr_t)pointer - SLAB_HEADER_BYTES);
	struct thread *self = thread_current();
	bool alone = object->state == SLAB_LIVE_ALONE;

	if (WARN(object->state != SLAB_LIVE && !alone, "kfree of something that is not a live object"))
		return;
	__atomic_store_n(&object->state, SLAB_FREE, __ATOMIC_RELAXED);
	if (alone) {
		__atomic_fetch_sub(&object->site->live, 1, __ATOMIC_RELAXED);
		free(object);
		return;
	}
	if (slab_nr_free(self, object->class) >= SLAB_FREE_MAX)
		slab_give(self, object->class);
	slab_push(self, object, object->class);
}

/* A thread ends: what it has on its lists goes to the depot. */
void slab_thread_exit(struct thread *self)
{
	unsigned int class;

	slab_set_fail_nth(self, 0);
	for (class = 0; class < SLAB_CLASSES; class++)
		while (self->nr_free[class])
			slab_give(self, class);
}

/* The depot may have been in use by a thread that is no more: what lay there is forgotten, not trusted. */
void slab_after_fork(void)
{
	struct slab_site *site;

	pthread_mutex_init(&depot.lock, NULL);
	memset(depot.magazines, 0, sizeof(depot.magazines));
	depot.fresh = depot.fresh_end = NULL;
	/* One may have been put on the list and not marked. */
	for (site = depot.sites; site; site = site->next)
		site->id = 1;
}

void slab_fail_nth(unsigned long n)
{
	slab_set_fail_nth(thread_current(), n);
}

unsigned long slab_fail_nth_left(void)
{
	return thread_current()->fail_nth;
}

/* Under the depot's lock: what was live at some moment of the walk. */
static void slab_for_each_live(void (*visit)(struct slab_site *site, void *arg), void *arg)
{
	struct chunk *chunk;

	for (chunk = depot.chunks; chunk; chunk = chunk->next) {
		char *at = (char *)(chunk + 1), *end = (char *)chunk + CHUNK_BYTES;

		while (end - at >= SLAB_LINE) {
			struct free_object *object = (struct free_object *)at;
			u32 state = __atomic_load_n(&object->state, __ATOMIC_ACQUIRE);

			if (!state)
				break;
			if (state == SLAB_LIVE)
				visit(__atomic_load_n(&object->site, __ATOMIC_RELAXED), arg);
			at += slab_class_bytes[object->class];
		}
	}
}

static void slab_count_one(struct slab_site *unused, void *live)
{
	++*(long *)live;
}

long slab_live(void)
{
	struct slab_site *site;
	long live = 0;

	pthread_mutex_lock(&depot.lock);
	slab_for_each_live(slab_count_one, &live);
	for (site = depot.sites; site; site = site->next)
		live += __atomic_load_n(&site->live, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&depot.lock);
	return live;
}

static void slab_count_at_site(struct slab_site *site, void *unused)
{
	slab_note_site(site);
	site->found++;
}

void slab_for_each_site(void (*visit)(const struct slab_site *site, long live, void *arg), void *arg)
{
	struct slab_site *site;

	pthread_mutex_lock(&depot.lock);
	for (site = depot.sites; site; site = site->next)
		site->found = 0;
	slab_for_each_live(slab_count_at_site, NULL);
	for (site = depot.sites; site; site = site->next) {
		long live = site->found + __atomic_load_n(&site->live, __ATOMIC_RELAXED);

		if (live)
			visit(site, live, arg);
	}
	pthread_mutex_unlock(&depot.lock);
}
