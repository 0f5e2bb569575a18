// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages are present, and in which order they were used: a hash table whose present entries are on a list.
 *
 * A page that nothing is known of has no entry, so that memory follows what is resident and in flight and not how long
 * the trace is.
 */
#include <linux/compiler.h>
#include <stdlib.h>

#include "internal.h"

#define FIRST_CAPACITY 1024

int trace_pages_init(struct trace_pages *pages, u64 limit)
{
	pages->limit = limit;
	pages->capacity = FIRST_CAPACITY;
	pages->nr = 1;		/* index 0 is none */
	pages->mask = FIRST_CAPACITY - 1;
	pages->array = malloc(pages->capacity * sizeof(*pages->array));
	pages->chains = calloc(FIRST_CAPACITY, sizeof(*pages->chains));
	return pages->array && pages->chains ? 0 : -ENOMEM;
}

void trace_pages_destroy(struct trace_pages *pages)
{
	free(pages->array);
	free(pages->chains);
}

static bool grow_array(struct trace_pages *pages)
{
	u32 capacity = 2 * pages->capacity;
	struct trace_page *array;

	if (capacity < pages->capacity)
		return false;
	array = realloc(pages->array, capacity * sizeof(*array));
	if (!array)
		return false;
	pages->array = array;
	pages->capacity = capacity;
	return true;
}

/* Without memory the chains get longer: slower, and that is all. */
static void grow_chains(struct trace_pages *pages)
{
	u32 old_mask = pages->mask, mask = 2 * old_mask + 1, chain, i, next;
	u32 *old = pages->chains, *chains;

	if (mask == UINT32_MAX)
		return;
	chains = calloc((size_t)mask + 1, sizeof(*chains));
	if (!chains)
		return;
	pages->chains = chains;
	pages->mask = mask;
	for (chain = 0; chain <= old_mask; chain++)
		for (i = old[chain]; i; i = next) {
			u32 *head = &chains[trace_page_chain(pages, pages->array[i].number)];

			next = pages->array[i].next;
			pages->array[i].next = *head;
			*head = i;
		}
	free(old);
}

u32 trace_page_get(struct trace_pages *pages, u64 number)
{
	u32 i = trace_page_find(pages, number), *head;

	if (i)
		return i;
	if (pages->first_free) {
		i = pages->first_free;
		pages->first_free = pages->array[i].next;
	} else if (pages->nr < pages->capacity || grow_array(pages)) {
		i = pages->nr++;
	} else {
		return 0;
	}
	if (++pages->used > pages->mask)
		grow_chains(pages);
	head = &pages->chains[trace_page_chain(pages, number)];
	pages->array[i] = (struct trace_page){ .number = number, .next = *head };
	*head = i;
	return i;
}

void trace_page_settle(struct trace_pages *pages, u32 index)
{
	struct trace_page *page = &pages->array[index];
	u32 *link;

	if (page->present || page->in_flight || page->resumes || page->asked || page->first_waiter)
		return;
	for (link = &pages->chains[trace_page_chain(pages, page->number)]; *link != index;
	     link = &pages->array[*link].next)
		;
	*link = page->next;
	page->next = pages->first_free;
	pages->first_free = index;
	pages->used--;
}

static void unlink_used(struct trace_pages *pages, struct trace_page *page)
{
	*(page->newer ? &pages->array[page->newer].older : &pages->newest) = page->older;
	*(page->older ? &pages->array[page->older].newer : &pages->oldest) = page->newer;
}

static void link_newest(struct trace_pages *pages, u32 index)
{
	struct trace_page *page = &pages->array[index];

	page->newer = 0;
	page->older = pages->newest;
	*(pages->newest ? &pages->array[pages->newest].newer : &pages->oldest) = index;
	pages->newest = index;
}

void trace_page_make_newest(struct trace_pages *pages, u32 index)
{
	unlink_used(pages, &pages->array[index]);
	link_newest(pages, index);
}

static void drop_oldest(struct trace_pages *pages)
{
	u32 index = pages->oldest;

	unlink_used(pages, &pages->array[index]);
	pages->array[index].present = false;
	trace_page_changed(&pages->array[index]);
	pages->present--;
	pages->dropped++;
	trace_page_settle(pages, index);
}

void trace_page_arrive(struct trace_pages *pages, u32 index, u8 perm)
{
	struct trace_page *page = &pages->array[index];

	page->perm = perm;
	if (page->present) {
		trace_page_use(pages, index);
		return;
	}
	page->present = true;
	link_newest(pages, index);
	pages->present++;
	if (pages->limit && pages->present > pages->limit)
		drop_oldest(pages);
}
