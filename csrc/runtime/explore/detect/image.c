// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the shared objects that an execution is of: the extension itself, and the core's own.
 *
 * What a core of its own has written to its static memory would be there in the next execution: each begins with what the
 * object was loaded with. (The cores of the extension have no variables.)
 */
#define _GNU_SOURCE
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "detect.h"

#define MAX_SEGMENTS 64
#define MAX_LOADED 4096

static struct { u64 begin, end; bool writable, code; } segments[MAX_SEGMENTS];
static int nr_segments, nr_own;		/* the extension's, which come first */

/* Variables of objects, as they were when the object was first met; which of them are this search's. */
static struct loaded { u64 begin; size_t size; void *as_loaded; } loaded[MAX_LOADED];
static int nr_loaded;
static struct loaded *restored[MAX_SEGMENTS];
static int nr_restored;

static void keep(u64 begin, u64 end)
{
	struct loaded *l = loaded;

	while (l < loaded + nr_loaded && l->begin != begin)
		l++;
	if (l == loaded + nr_loaded) {
		if (begin >= end || nr_loaded == MAX_LOADED || !(l->as_loaded = malloc(end - begin)))
			return;
		nr_loaded++;
		l->begin = begin;
		l->size = end - begin;
		memcpy(l->as_loaded, (const void *)begin, l->size);
	}
	if (nr_restored < MAX_SEGMENTS)
		restored[nr_restored++] = l;
}

/* What is written to once, when the object is loaded, can't be written to any more. */
static u64 end_of_constant(const struct dl_phdr_info *info)
{
	u64 page = (u64)sysconf(_SC_PAGESIZE), end = 0;
	int i;

	for (i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO)
			end = (info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz + page - 1) & ~(page - 1);
	return end;
}

void shadow_restore_images(void)
{
	int i;

	for (i = 0; i < nr_restored; i++)
		memcpy((void *)restored[i]->begin, restored[i]->as_loaded, restored[i]->size);
}

static int add_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	u64 addr = (u64)arg;
	bool has = false;
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		u64 begin = info->dlpi_addr + h->p_vaddr;

		has |= h->p_type == PT_LOAD && addr >= begin && addr < begin + h->p_memsz;
	}
	if (!has)
		return 0;
	for (i = 0; i < info->dlpi_phnum && nr_segments < MAX_SEGMENTS; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];

		if (h->p_type != PT_LOAD)
			continue;
		segments[nr_segments].begin = info->dlpi_addr + h->p_vaddr;
		segments[nr_segments].end = segments[nr_segments].begin + h->p_memsz;
		segments[nr_segments].code = h->p_flags & PF_X;
		segments[nr_segments].writable = h->p_flags & PF_W;
		if (segments[nr_segments].writable && nr_own) {
			u64 constant = end_of_constant(info), begin = segments[nr_segments].begin;

			keep(begin > constant ? begin : constant, segments[nr_segments].end);
		}
		nr_segments++;
	}
	return 1;
}

void shadow_add_image(const void *addr)
{
	int i;

	for (i = 0; i < nr_segments; i++)
		if ((u64)addr >= segments[i].begin && (u64)addr < segments[i].end)
			return;
	dl_iterate_phdr(add_segments, (void *)addr);
}

void shadow_forget_images(void)
{
	nr_segments = nr_restored = nr_own = 0;
	shadow_add_image(&engine);
	nr_own = nr_segments;
}

bool shadow_is_code(u64 addr)
{
	int i;

	for (i = 0; i < nr_segments; i++)
		if (segments[i].code && addr >= segments[i].begin && addr < segments[i].end)
			return true;
	return false;
}

bool shadow_is_image(u64 addr)
{
	int i;

	for (i = 0; i < nr_segments; i++)
		if (addr >= segments[i].begin && addr < segments[i].end)
			return true;
	return false;
}

bool shadow_may_use_image(u64 addr, size_t size, bool write)
{
	int i;

	for (i = 0; i < nr_segments; i++)
		if (addr >= segments[i].begin && addr + size <= segments[i].end && (!write || segments[i].writable))
			return true;
	return false;
}
