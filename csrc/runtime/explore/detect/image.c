// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is not the heap's.
 *
 * A task's own stack is not looked at. Another task's may be used as long as its frame lives, without dates. Static
 * memory of the extension and of the core's own shared object may be read; cores have no variables in it.
 */
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

void shadow_elsewhere(u64 addr, size_t size, bool write, const void *pc)
{
	struct task *t = engine.current;
	int i, other;

	if (addr - (u64)t->fiber.stack < FIBER_STACK_BYTES)
		return;
	other = engine_stack_owner(addr);
	if (other >= 0) {
		const struct task *owner = &engine.tasks[other];

		if (!(engine.used >> other & 1) || owner->state != TASK_LIVE || engine_stack_is_dead(owner, addr))
			finding_fatal(FINDING_USE_AFTER_FREE, addr, pc, "the stack frame is gone");
		return;
	}
	for (i = 0; i < nr_segments; i++)
		if (addr >= segments[i].begin && addr + size <= segments[i].end && (!write || segments[i].writable))
			return;
	finding_fatal(FINDING_BAD_ACCESS, addr, pc, addr < 65536 ? "NULL pointer" :
		      addr >= 0xdead000000000000ull && addr < 0xdead000000001000ull ? "a deleted list node's pointer" :
		      "no object is there");
}
