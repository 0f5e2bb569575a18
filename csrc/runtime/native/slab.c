// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocation: a free list per thread and size class, magazines of 32 through a depot when threads differ.
 *
 * malloc() on one thread and free() on another costs 700 to 1,700 ns, and calloc() skips malloc's thread cache. Here an
 * object goes to the list of the thread that frees it; a list that has grown past two magazines gives one to the depot,
 * and an empty one takes one from there. Memory comes in chunks and stays with the runtime.
 *
 * A header of 16 bytes says whose an object is: the place that allocated it, for the live counts, its class, and
 * whether it is live at all, so that a double kfree() is a WARN and not a corrupted list.
 *
 * Under a sanitizer every object is malloc's own, so that it can be poisoned.
 */
#include <linux/bug.h>
#include <linux/slab.h>
#include <runtime.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLAB_IS_MALLOC 1
#else
#define SLAB_IS_MALLOC 0
#endif

#define MAGAZINE 32
#define CHUNK_BYTES 65536
#define CLASS_HUGE SLAB_CLASSES	/* straight from malloc */

#define STATE_LIVE 0x6c697665u
#define STATE_FREE 0x66726565u

struct free_object {
	u32 site;
	u16 class;
	u16 unused;
	u32 state;
	u32 unused2;
	struct free_object *next;	/* the object begins here */
};

#define HEADER_BYTES offsetof(struct free_object, next)

/* With the header. Multiples of 64, so that the objects of a class never share a line with another class. */
static const u32 class_bytes[SLAB_CLASSES] = { 64, 128, 192, 256, 320, 384, 512, 1024, 2048, 4096 };
static u8 class_of_units[4096 / 64 + 1];

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

static pthread_once_t classes_once = PTHREAD_ONCE_INIT;

static void make_classes(void)
{
	unsigned int units, class = 0;

	for (units = 0; units <= 4096 / 64; units++) {
		while (class_bytes[class] < units * 64)
			class++;
		class_of_units[units] = (u8)class;
	}
}

/* Numbers a place when it is met. Past the table all further places share the last number. */
static noinline int slab_register_site(struct slab_site *site)
{
	pthread_once(&classes_once, make_classes);
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

	for (i = 0; i < MAGAZINE; i++) {
		struct free_object *object;

		if ((size_t)(depot.chunk_end - depot.chunk) < class_bytes[class]) {
			if (posix_memalign((void **)&depot.chunk, 64, CHUNK_BYTES)) {
				depot.chunk = depot.chunk_end = NULL;
				break;
			}
			depot.chunk_end = depot.chunk + CHUNK_BYTES;
		}
		object = (struct free_object *)depot.chunk;
		depot.chunk += class_bytes[class];
		object->class = (u16)class;
		object->state = STATE_FREE;
		object->next = list;
		list = object;
	}
	return list;
}

static noinline struct free_object *slab_refill(struct thread *self, unsigned int class)
{
	struct free_object *list;

	pthread_mutex_lock(&depot.lock);
	list = depot.magazines[class];
	if (list)
		depot.magazines[class] = ((struct magazine *)list)->next;
	else
		list = slab_carve(class);
	pthread_mutex_unlock(&depot.lock);

	self->free[class] = list;
	for (self->nr_free[class] = 0; list; list = list->next)
		self->nr_free[class]++;
	return self->free[class];
}

/* One magazine from the thread's list to the depot. */
static noinline void slab_give(struct thread *self, unsigned int class)
{
	struct free_object *first = self->free[class], *last = first;
	u32 n = 1;

	while (n < MAGAZINE && last->next) {
		last = last->next;
		n++;
	}
	self->free[class] = last->next;
	self->nr_free[class] -= n;
	last->next = NULL;

	pthread_mutex_lock(&depot.lock);
	((struct magazine *)first)->next = depot.magazines[class];
	depot.magazines[class] = first;
	pthread_mutex_unlock(&depot.lock);
}

static inline void count_live(struct thread *self, u32 site, long n)
{
	__atomic_store_n(&self->live[site], __atomic_load_n(&self->live[site], __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* In 16-byte stores: gcc turns a memset of this size into "rep stos", which costs 12 ns to start. */
static inline void clear(void *object, size_t bytes)
{
	typedef long v2 __attribute__((vector_size(16), may_alias));
	v2 *p = object, *end = (v2 *)((char *)object + bytes);

	do {
		*p++ = (v2){ 0, 0 };
		barrier();
	} while (p < end);
}

static noinline bool slab_fails(struct thread *self)
{
	return --self->fail_nth == 0;
}

void *slab_alloc(struct slab_site *site, size_t size, gfp_t gfp)
{
	struct thread *self = thread_current();
	int id = __atomic_load_n(&site->id, __ATOMIC_ACQUIRE);
	size_t bytes = (size + HEADER_BYTES + 15) & ~(size_t)15;
	struct free_object *object;
	unsigned int class;

	if (unlikely(!id))
		id = slab_register_site(site);
	if (unlikely(self->rcu_nesting) && (gfp & GFP_KERNEL))
		might_sleep_in_reader();
	if (unlikely(self->fail_nth) && slab_fails(self))
		return NULL;

	if (SLAB_IS_MALLOC || unlikely(bytes > class_bytes[SLAB_CLASSES - 1])) {
		object = bytes > size ? malloc(bytes) : NULL;
		if (!object)
			return NULL;
		object->class = CLASS_HUGE;
	} else {
		class = class_of_units[(bytes + 63) / 64];
		object = self->free[class];
		if (unlikely(!object)) {
			object = slab_refill(self, class);
			if (!object)
				return NULL;
		}
		self->free[class] = object->next;
		self->nr_free[class]--;
	}
	object->site = (u32)id;
	object->state = STATE_LIVE;
	count_live(self, object->site, 1);
	if (gfp & __GFP_ZERO)
		clear(&object->next, bytes - HEADER_BYTES);
	return &object->next;
}

void kfree(const void *pointer)
{
	struct thread *self = thread_current();
	struct free_object *object;
	unsigned int class;

	if (!pointer)
		return;
	object = (struct free_object *)((char *)pointer - HEADER_BYTES);
	if (WARN(object->state != STATE_LIVE, "kfree of something that is not a live object"))
		return;
	object->state = STATE_FREE;
	count_live(self, object->site, -1);
	class = object->class;
	if (class == CLASS_HUGE) {
		free(object);
		return;
	}
	object->next = self->free[class];
	self->free[class] = object;
	if (unlikely(++self->nr_free[class] >= 2 * MAGAZINE))
		slab_give(self, class);
}

/* A thread ends: what it has on its lists goes to the depot, its counts stay with the record. */
void slab_thread_exit(struct thread *self)
{
	unsigned int class;

	for (class = 0; class < SLAB_CLASSES; class++)
		while (self->free[class])
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
