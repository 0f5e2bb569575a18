// SPDX-License-Identifier: GPL-2.0-only
/*
 * malloc() and a header of 16 bytes, which says where an object came from and whether it is one. Cleared by memset(),
 * since calloc() takes nothing from glibc's cache of the thread. Each thread counts for itself: a number of objects is a
 * sum, of what is allocated by one thread and freed by another meanwhile it may be one off.
 */
#include <linux/bug.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <malloc.h>
#include <pthread.h>
#include <runtime.h>
#include <stdlib.h>

#include "internal.h"

#define MAGIC_LIVE 0x4c495645u

struct header {
	u32 magic;
	int site;
	u64 generation;		/* and objects are aligned as malloc's are */
};

static const struct slab_site *sites[SLAB_SITES];
static int nr_sites;
static pthread_mutex_t sites_lock = PTHREAD_MUTEX_INITIALIZER;
static __thread unsigned long fail_nth;
/* Of the forks before this process: objects of a parent are not counted here. */
static u64 generation;

static int site_number(struct slab_site *site)
{
	int id;

	pthread_mutex_lock(&sites_lock);
	id = site->id;
	if (!id) {
		id = nr_sites < SLAB_SITES - 1 ? ++nr_sites : nr_sites;
		if (!sites[id])
			__atomic_store_n(&sites[id], site, __ATOMIC_RELEASE);
		__atomic_store_n(&site->id, id, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&sites_lock);
	return id;
}

static void count(struct thread *self, int site, long n)
{
	__atomic_store_n(&self->live[site], self->live[site] + n, __ATOMIC_RELAXED);
}

void *slab_alloc(struct slab_site *site, size_t size, gfp_t gfp)
{
	int id = __atomic_load_n(&site->id, __ATOMIC_ACQUIRE);
	struct thread *self = thread_current();
	struct header *header;

	if (unlikely(!id))
		id = site_number(site);
	if ((gfp & GFP_KERNEL) && unlikely(self->sections))
		might_sleep_in_reader();
	if ((fail_nth && !(gfp & __GFP_NOFAIL) && --fail_nth == 0) || size > SIZE_MAX - sizeof(*header))
		return NULL;
	header = malloc(sizeof(*header) + size);
	if (!header)
		return NULL;
	header->magic = MAGIC_LIVE;
	header->site = id;
	header->generation = generation;
	count(self, id, 1);
	return gfp & __GFP_ZERO ? memset(header + 1, 0, size) : header + 1;
}

/* Looks at memory that may be anybody's: a guess, so sanitizers look away. */
static noinline __attribute__((no_sanitize("address", "thread"))) bool is_live(const struct header *header)
{
	return !((uintptr_t)header % sizeof(*header)) && *(const volatile u32 *)&header->magic == MAGIC_LIVE;
}

static const struct header *header_of(const void *object)
{
	const struct header *header = object ? (const struct header *)object - 1 : NULL;

	return header && !WARN(!is_live(header), "asking about something that is not a live object") ? header : NULL;
}

size_t ksize(const void *object)
{
	const struct header *header = header_of(object);

	return header ? malloc_usable_size((void *)header) - sizeof(*header) : 0;
}

const struct slab_site *slab_site_of(const void *object)
{
	const struct header *header = header_of(object);

	return header ? __atomic_load_n(&sites[header->site], __ATOMIC_ACQUIRE) : NULL;
}

void kfree(const void *object)
{
	struct header *header = object ? (struct header *)object - 1 : NULL;

	if (!header || WARN(!is_live(header), "kfree of something that is not a live object"))
		return;
	/* Volatile, or the compiler leaves out a store to memory that is freed next. */
	WRITE_ONCE(header->magic, 0);
	if (header->generation == generation)
		count(thread_current(), header->site, -1);
	free(header);
}

void slab_fail_nth(unsigned long n)
{
	fail_nth = n;
}

unsigned long slab_fail_nth_left(void)
{
	return fail_nth;
}

static long live_at(int site)
{
	struct thread *t;
	long live = 0;

	for_each_thread_record(t)
		live += __atomic_load_n(&t->live[site], __ATOMIC_RELAXED);
	return live;
}

void slab_for_each_site(void (*visit)(const struct slab_site *site, long live, void *arg), void *arg)
{
	int id;

	for (id = 1; id < SLAB_SITES; id++) {
		long live = live_at(id);

		if (live > 0)
			visit(__atomic_load_n(&sites[id], __ATOMIC_ACQUIRE), live, arg);
	}
}

long slab_live(void)
{
	long live = 0;
	int id;

	for (id = 1; id < SLAB_SITES; id++)
		live += live_at(id);
	return live;
}

void slab_set_idle(bool idle)
{
	(void)idle;
}

size_t slab_bytes(void)
{
	return 0;
}

void slab_after_fork(void)
{
	struct thread *t;

	pthread_mutex_init(&sites_lock, NULL);
	generation++;
	for_each_thread_record(t)
		memset(t->live, 0, sizeof(t->live));
}
