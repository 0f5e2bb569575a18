// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocation: a free list per thread and size class, magazines of 32 through a depot when threads differ.
 *
 * malloc() on one thread and free() on another costs 700 to 1,700 ns, and calloc() skips malloc's thread cache. Here an
 * object goes to the list of the thread that frees it; a list that has grown past two magazines gives one to the depot,
 * and an empty one takes one from there. Memory comes in chunks and stays with the runtime.
 *
 * A header of 16 bytes says what an object is: its class, and one word, the tag, for both whether it is live, so that a
 * double kfree() is a WARN and not a corrupted list, and which place allocated it, for the live counts.
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

#define TAG_LIVE 0x6c697600u		/* and the number of the place */
#define TAG_FREE 0x66726565u

struct free_object {
	u32 tag;
	u32 class;
	u64 unused;			/* objects are aligned as malloc's are */
	struct free_object *next;	/* the object begins here */
};

#define HEADER_BYTES offsetof(struct free_object, next)

/* With the header. Whole lines, so that objects of different classes never share one. */
#define LINE 64
static const u32 class_bytes[SLAB_CLASSES] = { 64, 128, 192, 256, 320, 384, 512, 1024, 2048, 4096 };
static const u8 class_of_lines[] = {
	0, 0, 1, 2, 3, 4, 5, [7 ... 8] = 6, [9 ... 16] = 7, [17 ... 32] = 8, [33 ... 64] = 9, CLASS_HUGE,
};
#define HUGE_LINES (sizeof(class_of_lines) - 1)

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

	for (i = 0; i < MAGAZINE; i++) {
		struct free_object *object;

		if ((size_t)(depot.chunk_end - depot.chunk) < class_bytes[class]) {
			if (posix_memalign((void **)&depot.chunk, LINE, CHUNK_BYTES)) {
				depot.chunk = depot.chunk_end = NULL;
				break;
			}
			depot.chunk_end = depot.chunk + CHUNK_BYTES;
		}
		object = (struct free_object *)depot.chunk;
		depot.chunk += class_bytes[class];
		object->class = class;
		object->tag = TAG_FREE;
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

/*
 * Clears a pooled object: what the header left of its line, and the lines behind. In 16-byte stores: gcc turns a memset
 * of this size into "rep stos", which costs 12 ns to start. The first four lines, a group or a partial fault, without a
 * loop: a jump costs as much as a line.
 */
static inline void clear(struct free_object *object, size_t lines)
{
	typedef long v2 __attribute__((vector_size(16), may_alias));
	typedef v2 line[LINE / sizeof(v2)];
	const v2 zero = { 0, 0 };
	line *p = (line *)object;
	size_t i;

	p[0][1] = p[0][2] = p[0][3] = zero;
	if (unlikely(lines < 2))
		return;
	p[1][0] = p[1][1] = p[1][2] = p[1][3] = zero;
	if (lines < 3)
		return;
	p[2][0] = p[2][1] = p[2][2] = p[2][3] = zero;
	if (unlikely(lines < 4))
		return;
	p[3][0] = p[3][1] = p[3][2] = p[3][3] = zero;
	for (i = 4; unlikely(i < lines); i++) {
		p[i][0] = p[i][1] = p[i][2] = p[i][3] = zero;
		barrier();
	}
}

static inline void *make_live(struct thread *self, struct free_object *object, int site)
{
	object->tag = TAG_LIVE + (u32)site;
	count_live(self, (u32)site, 1);
	return &object->next;
}

static void *alloc_huge(struct thread *self, int site, size_t size, gfp_t gfp)
{
	struct free_object *object = size + HEADER_BYTES > size ? malloc(size + HEADER_BYTES) : NULL;

	if (!object)
		return NULL;
	object->class = CLASS_HUGE;
	if (gfp & __GFP_ZERO)
		memset(&object->next, 0, size);
	return make_live(self, object, site);
}

/* A place's first time, a request that is to fail, one in the wrong context, an empty list, and what is no object. */
static noinline void *slab_alloc_slow(struct slab_site *site, size_t size, gfp_t gfp)
{
	struct thread *self = thread_current();
	size_t lines = size / LINE < HUGE_LINES ? (size + HEADER_BYTES + LINE - 1) / LINE : HUGE_LINES;
	int id = __atomic_load_n(&site->id, __ATOMIC_ACQUIRE);
	struct free_object *object;
	unsigned int class;

	if (!id)
		id = slab_register_site(site);
	if (gfp & GFP_KERNEL)
		might_sleep_in_reader();
	if (self->fail_nth && --self->fail_nth == 0)
		return NULL;
	class = SLAB_IS_MALLOC ? CLASS_HUGE : class_of_lines[lines < HUGE_LINES ? lines : HUGE_LINES];
	if (class == CLASS_HUGE)
		return alloc_huge(self, id, size, gfp);

	object = self->free[class] ? self->free[class] : slab_refill(self, class);
	if (!object)
		return NULL;
	self->free[class] = object->next;
	self->nr_free[class]--;
	if (gfp & __GFP_ZERO)
		clear(object, lines);
	return make_live(self, object, id);
}

/* Calls nothing that returns to it, so that it has no registers to save. */
void *slab_alloc(struct slab_site *site, size_t size, gfp_t gfp)
{
	struct thread *self = thread_self;
	int id = __atomic_load_n(&site->id, __ATOMIC_ACQUIRE);
	size_t lines = (size + HEADER_BYTES + LINE - 1) / LINE;
	struct free_object *object;
	unsigned int class;

	if (SLAB_IS_MALLOC || unlikely(!id || self->fail_nth || thread_in_reader_or_nobody(self) || size > 2048))
		return slab_alloc_slow(site, size, gfp);
	class = class_of_lines[lines];
	object = self->free[class];
	if (unlikely(!object))
		return slab_alloc_slow(site, size, gfp);

	self->free[class] = object->next;
	self->nr_free[class]--;
	if (likely(gfp & __GFP_ZERO))
		clear(object, lines);
	return make_live(self, object, id);
}

/* Which place has it; SLAB_SITES or more: it is no live object. */
static inline u32 site_of(const struct free_object *object)
{
	return object->tag - TAG_LIVE;
}

/* What is no live object, what is malloc's, a thread's first time, and a list that has grown too long. */
static noinline void kfree_slow(struct free_object *object)
{
	struct thread *self = thread_current();

	if (WARN(site_of(object) >= SLAB_SITES, "kfree of something that is not a live object"))
		return;
	count_live(self, site_of(object), -1);
	object->tag = TAG_FREE;
	if (object->class == CLASS_HUGE) {
		free(object);
		return;
	}
	if (self->nr_free[object->class] >= 2 * MAGAZINE - 1)
		slab_give(self, object->class);
	object->next = self->free[object->class];
	self->free[object->class] = object;
	self->nr_free[object->class]++;
}

void kfree(const void *pointer)
{
	struct thread *self = thread_self;
	struct free_object *object;
	u32 site, class;

	if (!pointer)
		return;
	object = (struct free_object *)((char *)pointer - HEADER_BYTES);
	site = site_of(object);
	class = object->class;
	if (unlikely(site >= SLAB_SITES || class == CLASS_HUGE || self->nr_free[class] >= 2 * MAGAZINE - 1)) {
		kfree_slow(object);
		return;
	}
	object->tag = TAG_FREE;
	count_live(self, site, -1);
	object->next = self->free[class];
	self->free[class] = object;
	self->nr_free[class]++;
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
