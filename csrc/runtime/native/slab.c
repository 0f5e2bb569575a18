// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
/*
 * Allocation: a free list per thread and size class, magazines of 32 through a depot when threads differ.
 *
 * malloc() on one thread and free() on another costs 700 to 1,700 ns, and calloc() skips malloc's thread cache. Here an
 * object goes to the list of the thread that frees it; a list that has grown past two magazines gives one to the depot,
 * and an empty one takes one from there. Memory comes in chunks; what is live is found by looking through them.
 *
 * While there is a queue chunks stay. With the last one those go back to the system of which the depot has every object,
 * and so do those that are complete later. Only the pages go, the addresses are kept: whoever frees something much too
 * late still finds that there is no object.
 *
 * With IOPF_POISON=1 in the environment an object is used again only after 1024 others were freed. Meanwhile it is full
 * of 0x6b, and when it is not any more, somebody wrote to it who had no right to: a WARN. All of this is on the slow
 * paths, which are taken as they are for a request that is to fail: every list is shut.
 *
 * Here is what happens seldom; slab.h has the rest, and what an object looks like.
 */
#include <linux/bug.h>
#include <linux/slab.h>
#include <malloc.h>
#include <runtime.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

#define CHUNK_BYTES 65536
#define REGION_CHUNKS 16
#define REGION_BYTES (REGION_CHUNKS * CHUNK_BYTES)
#define TRIM_MAGAZINES 1024	/* so many come to the depot before it looks for complete chunks again */
#define QUARANTINE 1024
#define POISON 0x6b

static const u32 slab_class_bytes[SLAB_CLASSES] = { 64, 128, 192, 256, 320, 384, 512, 1024, 2048, SLAB_LARGEST };

/* A part of a region, as long as it has objects. */
struct chunk {
	struct chunk *next;		/* that has none */
	u32 made;			/* objects so far */
	u32 found;			/* by a trim: those that the depot has */
	bool in_use;
};

/* Aligned to its size, so that an object finds it. The first chunk has what is left after this. */
struct region {
	struct region *next;
	struct chunk chunks[REGION_CHUNKS];
} __attribute__((aligned(SLAB_LINE)));

static struct {
	pthread_mutex_t lock;
	struct free_object *magazines[SLAB_CLASSES];	/* chained through the first object's second word */
	struct region *regions;
	struct chunk *empty;
	struct chunk *newest;
	char *fresh, *fresh_end;	/* what is left of it */
	size_t bytes;			/* of chunks that have objects */
	bool idle;			/* there is no queue */
	unsigned int given;		/* magazines, since the last trim */
	struct slab_site *sites;
} depot = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Of the forks before this process: objects of a parent are not counted here. */
static u32 slab_generation;

static bool slab_poisons;
static struct {
	pthread_mutex_t lock;
	struct free_object *objects[QUARANTINE];
	unsigned int at;
} quarantine = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A magazine on the shelf, as its first object. Where there is room for it, it says which the others are. */
struct magazine {
	struct free_object object;
	struct free_object *next;
	struct free_object *objects[SLAB_MAGAZINE];
	unsigned int nr_objects;
};

static bool slab_magazine_lists(unsigned int class)
{
	return slab_class_bytes[class] >= sizeof(struct magazine);
}

/* Under the depot's lock. */
static void slab_shelve(struct free_object *first, unsigned int class)
{
	struct magazine *magazine = (struct magazine *)first;

	magazine->next = depot.magazines[class];
	depot.magazines[class] = first;
	if (!slab_magazine_lists(class))
		return;
	for (magazine->nr_objects = 0; first; first = first->next)
		magazine->objects[magazine->nr_objects++] = first;
}

/*
 * Asks for the lines of all its objects at once. They are in the cache of who freed them, and one after the other, each
 * when it is written to, they take longer than all that is done with them.
 */
static void slab_fetch(const struct free_object *first, unsigned int class)
{
	const struct magazine *magazine = (const struct magazine *)first;
	unsigned int i, at, bytes = slab_class_bytes[class] < 512 ? slab_class_bytes[class] : 512;

	if (!slab_magazine_lists(class))
		return;
	for (i = 0; i < magazine->nr_objects; i++)
		for (at = 0; at < bytes; at += SLAB_LINE)
			__builtin_prefetch((const char *)magazine->objects[i] + at, 1);
}

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

static struct region *region_of(const void *pointer)
{
	return (struct region *)((uintptr_t)pointer & ~(uintptr_t)(REGION_BYTES - 1));
}

static struct chunk *chunk_of(const void *object)
{
	return &region_of(object)->chunks[((uintptr_t)object % REGION_BYTES) / CHUNK_BYTES];
}

static char *chunk_begin(const struct chunk *chunk)
{
	struct region *region = region_of(chunk);
	size_t i = (size_t)(chunk - region->chunks);

	return (char *)region + (i ? i * CHUNK_BYTES : sizeof(*region));
}

static char *chunk_end(const struct chunk *chunk)
{
	struct region *region = region_of(chunk);

	return (char *)region + (size_t)(chunk - region->chunks + 1) * CHUNK_BYTES;
}

static bool slab_add_region(void)
{
	char *mapped = mmap(NULL, 2 * REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct region *region;
	size_t before;
	int i;

	if (mapped == MAP_FAILED)
		return false;
	before = -(uintptr_t)mapped % REGION_BYTES;
	region = (struct region *)(mapped + before);
	if (before)
		munmap(mapped, before);
	munmap((char *)region + REGION_BYTES, REGION_BYTES - before);
	region->next = depot.regions;
	depot.regions = region;
	for (i = REGION_CHUNKS - 1; i >= 0; i--) {
		region->chunks[i].next = depot.empty;
		depot.empty = &region->chunks[i];
	}
	return true;
}

/* All 0: after the first object that has no state nothing has been made yet, also for the child of a fork. */
static bool slab_add_chunk(void)
{
	struct chunk *chunk;

	if (!depot.empty && !slab_add_region())
		return false;
	chunk = depot.empty;
	depot.empty = chunk->next;
	chunk->made = 0;
	chunk->in_use = true;
	depot.bytes += CHUNK_BYTES;
	depot.newest = chunk;
	depot.fresh = chunk_begin(chunk);
	depot.fresh_end = chunk_end(chunk);
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
		depot.newest->made++;
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
	if (list) {
		depot.magazines[class] = ((struct magazine *)list)->next;
		slab_fetch(list, class);
	} else {
		list = slab_carve(class);
	}
	pthread_mutex_unlock(&depot.lock);

	for (; list; list = list->next)
		slab_push(self, list, class);
	return slab_nr_free(self, class);
}

/* The objects of the depot's magazines of a class, one after the other, and the list as it was. */
#define for_each_magazine(magazine, class) \
	for (magazine = depot.magazines[class]; magazine; magazine = ((struct magazine *)magazine)->next)

static bool chunk_is_complete(const struct chunk *chunk)
{
	return chunk->in_use && chunk->found == chunk->made;
}

/* The magazines of a class without the objects of complete chunks, filled up again. */
static void slab_sort_out(unsigned int class)
{
	struct free_object *magazine = depot.magazines[class], *first = NULL;
	int n = 0;

	depot.magazines[class] = NULL;
	while (magazine) {
		struct free_object *object = magazine, *next;

		magazine = ((struct magazine *)magazine)->next;
		for (; object; object = next) {
			next = object->next;
			if (chunk_is_complete(chunk_of(object)))
				continue;
			object->next = n ? first : NULL;
			first = object;
			if (++n < SLAB_MAGAZINE)
				continue;
			slab_shelve(first, class);
			n = 0;
		}
	}
	if (n)
		slab_shelve(first, class);
}

static void chunk_give_back(struct chunk *chunk)
{
	uintptr_t begin = ((uintptr_t)chunk_begin(chunk) + 4095) & ~(uintptr_t)4095;

	/* The first chunk of a region begins within a page, whose objects are taken off by hand. */
	memset(chunk_begin(chunk), 0, begin - (uintptr_t)chunk_begin(chunk));
	/* Where pages cannot be given back they have to be cleared. */
	if (madvise((void *)begin, (uintptr_t)chunk_end(chunk) - begin, MADV_DONTNEED))
		memset((void *)begin, 0, (uintptr_t)chunk_end(chunk) - begin);
	chunk->in_use = false;
	chunk->next = depot.empty;
	depot.empty = chunk;
	depot.bytes -= CHUNK_BYTES;
	if (chunk == depot.newest) {
		depot.newest = NULL;
		depot.fresh = depot.fresh_end = NULL;
	}
}

/* Under the depot's lock: gives back the chunks of which it has every object. */
static void slab_trim(void)
{
	struct free_object *magazine, *object;
	struct region *region;
	unsigned int class;
	int i;

	depot.given = 0;
	for (region = depot.regions; region; region = region->next)
		for (i = 0; i < REGION_CHUNKS; i++)
			region->chunks[i].found = 0;
	for (class = 0; class < SLAB_CLASSES; class++)
		for_each_magazine(magazine, class)
			for (object = magazine; object; object = object->next)
				chunk_of(object)->found++;
	for (class = 0; class < SLAB_CLASSES; class++)
		slab_sort_out(class);
	for (region = depot.regions; region; region = region->next)
		for (i = 0; i < REGION_CHUNKS; i++)
			if (chunk_is_complete(&region->chunks[i]))
				chunk_give_back(&region->chunks[i]);
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
	slab_shelve(first, class);
	if (++depot.given >= TRIM_MAGAZINES && depot.idle)
		slab_trim();
	pthread_mutex_unlock(&depot.lock);
}

/* The queues are gone, or there is one again. What this thread has on its lists is given, too. */
void slab_set_idle(bool idle)
{
	struct thread *self = thread_current();
	unsigned int class;

	for (class = 0; idle && class < SLAB_CLASSES; class++)
		while (slab_nr_free(self, class))
			slab_give(self, class);
	pthread_mutex_lock(&depot.lock);
	depot.idle = idle;
	if (idle)
		slab_trim();
	pthread_mutex_unlock(&depot.lock);
}

size_t slab_bytes(void)
{
	size_t bytes;

	pthread_mutex_lock(&depot.lock);
	bytes = depot.bytes;
	pthread_mutex_unlock(&depot.lock);
	return bytes;
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
	object->class = slab_generation;
	return slab_make_live(object, site, SLAB_LIVE_ALONE);
}

static void slab_poison(struct free_object *object, size_t bytes)
{
	memset(&object->next, POISON, bytes - SLAB_HEADER_BYTES);
}

static bool slab_is_poisoned(const struct free_object *object)
{
	const unsigned char *at = (const unsigned char *)&object->next;
	const unsigned char *end = (const unsigned char *)object + slab_class_bytes[object->class];

	while (at < end && *at == POISON)
		at++;
	return at == end;
}

/* Puts a free object in, and takes the oldest one out. NULL: none has been in there for long enough. */
static struct free_object *slab_quarantine(struct free_object *object)
{
	struct free_object *oldest;

	slab_poison(object, slab_class_bytes[object->class]);
	pthread_mutex_lock(&quarantine.lock);
	oldest = quarantine.objects[quarantine.at];
	quarantine.objects[quarantine.at] = object;
	quarantine.at = (quarantine.at + 1) % QUARANTINE;
	pthread_mutex_unlock(&quarantine.lock);
	(void)WARN(oldest && !slab_is_poisoned(oldest), "an object was written to after kfree()");
	return oldest;
}

void slab_start(void)
{
	const char *wanted = getenv("IOPF_POISON");

	slab_poisons = !SLAB_IS_MALLOC && wanted && strcmp(wanted, "1") == 0;
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
	slab_shut(self, n || slab_poisons);
}

void slab_thread_start(struct thread *self)
{
	slab_shut(self, slab_poisons);
}

noinline void *slab_alloc_slow(struct slab_site *site, size_t size, gfp_t gfp)
{
	struct thread *self = thread_current();
	unsigned int class;
	void *pointer;

	if (gfp & GFP_KERNEL)
		might_sleep_in_reader();
	if (self->fail_nth && !(gfp & __GFP_NOFAIL) && --self->fail_nth == 0) {
		slab_shut(self, slab_poisons);
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

static const struct free_object *slab_live_object(const void *pointer)
{
	const struct free_object *object =
		(const struct free_object *)((uintptr_t)pointer - SLAB_HEADER_BYTES);

	if (!pointer || WARN(object->state != SLAB_LIVE && object->state != SLAB_INHERITED &&
			     object->state != SLAB_LIVE_ALONE, "asking about something that is not a live object"))
		return NULL;
	return object;
}

size_t ksize(const void *pointer)
{
	const struct free_object *object = slab_live_object(pointer);

	if (!object)
		return 0;
	return (object->state == SLAB_LIVE_ALONE ? malloc_usable_size((void *)object) : slab_class_bytes[object->class]) -
	       SLAB_HEADER_BYTES;
}

const struct slab_site *slab_site_of(const void *pointer)
{
	const struct free_object *object = slab_live_object(pointer);

	return object ? object->site : NULL;
}

noinline void kfree_slow(const void *pointer)
{
	struct free_object *object = (struct free_object *)((uintptr_t)pointer - SLAB_HEADER_BYTES);
	struct thread *self = thread_current();
	bool alone = object->state == SLAB_LIVE_ALONE;

	if (WARN(object->state != SLAB_LIVE && object->state != SLAB_INHERITED && !alone,
		 "kfree of something that is not a live object"))
		return;
	__atomic_store_n(&object->state, SLAB_FREE, __ATOMIC_RELAXED);
	if (alone) {
		if (object->class == slab_generation)
			__atomic_fetch_sub(&object->site->live, 1, __ATOMIC_RELAXED);
		if (slab_poisons)
			slab_poison(object, malloc_usable_size(object));
		free(object);
		return;
	}
	if (unlikely(slab_poisons)) {
		object = slab_quarantine(object);
		if (!object)
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
		while (slab_nr_free(self, class))
			slab_give(self, class);
}

/* Calls visit for each object that has been made. Under the depot's lock, or where nobody else is. */
static void slab_for_each_object(void (*visit)(struct free_object *object, u32 state, void *arg), void *arg)
{
	struct region *region;
	int i;

	for (region = depot.regions; region; region = region->next)
		for (i = 0; i < REGION_CHUNKS; i++) {
			char *at = chunk_begin(&region->chunks[i]), *end = chunk_end(&region->chunks[i]);

			while (region->chunks[i].in_use && end - at >= SLAB_LINE) {
				struct free_object *object = (struct free_object *)at;
				u32 state = __atomic_load_n(&object->state, __ATOMIC_ACQUIRE);

				if (!state)
					break;
				visit(object, state, arg);
				at += slab_class_bytes[object->class];
			}
		}
}

static void slab_inherit(struct free_object *object, u32 state, void *unused)
{
	if (state == SLAB_LIVE)
		object->state = SLAB_INHERITED;
}

/*
 * The depot may have been in use by a thread that is no more: what lay there is forgotten, not trusted. What the parent
 * had allocated may still be freed here, by the thread that forked from the middle of a call, but it is not counted.
 */
void slab_after_fork(void)
{
	struct slab_site *site;

	pthread_mutex_init(&depot.lock, NULL);
	pthread_mutex_init(&quarantine.lock, NULL);
	memset(quarantine.objects, 0, sizeof(quarantine.objects));
	memset(depot.magazines, 0, sizeof(depot.magazines));
	depot.empty = depot.newest = NULL;
	depot.fresh = depot.fresh_end = NULL;
	depot.idle = false;
	slab_generation++;
	slab_for_each_object(slab_inherit, NULL);
	/* One may have been put on the list and not marked. */
	for (site = depot.sites; site; site = site->next) {
		site->id = 1;
		site->live = 0;
	}
}

void slab_fail_nth(unsigned long n)
{
	slab_set_fail_nth(thread_current(), n);
}

unsigned long slab_fail_nth_left(void)
{
	return thread_current()->fail_nth;
}

static void slab_count_one(struct free_object *unused, u32 state, void *live)
{
	*(long *)live += state == SLAB_LIVE;
}

/* What was live at some moment of the walk. */
long slab_live(void)
{
	struct slab_site *site;
	long live = 0;

	pthread_mutex_lock(&depot.lock);
	slab_for_each_object(slab_count_one, &live);
	for (site = depot.sites; site; site = site->next)
		live += __atomic_load_n(&site->live, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&depot.lock);
	return live;
}

static void slab_count_at_site(struct free_object *object, u32 state, void *unused)
{
	struct slab_site *site = __atomic_load_n(&object->site, __ATOMIC_RELAXED);

	if (state != SLAB_LIVE)
		return;
	slab_note_site(site);
	site->found++;
}

void slab_for_each_site(void (*visit)(const struct slab_site *site, long live, void *arg), void *arg)
{
	struct slab_site *site;

	pthread_mutex_lock(&depot.lock);
	for (site = depot.sites; site; site = site->next)
		site->found = 0;
	slab_for_each_object(slab_count_at_site, NULL);
	for (site = depot.sites; site; site = site->next) {
		long live = site->found + __atomic_load_n(&site->live, __ATOMIC_RELAXED);

		if (live)
			visit(site, live, arg);
	}
	pthread_mutex_unlock(&depot.lock);
}
