// SPDX-License-Identifier: GPL-2.0-only
/* Memory of the shared objects that an execution is of: the extension itself, and the core's own. */
#define _GNU_SOURCE
#include <link.h>

#include "detect.h"

#define MAX_SEGMENTS 64

static struct { u64 begin, end; bool writable, code; } segments[MAX_SEGMENTS];
static int nr_segments;

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
		segments[nr_segments++].writable = h->p_flags & PF_W;
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
	nr_segments = 0;
	shadow_add_image(&engine);
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
