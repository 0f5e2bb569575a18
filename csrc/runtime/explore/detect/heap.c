// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map of the memory of the code under test: which object an address belongs to.
 *
 * An object takes whole slots of 256 bytes with at least 16 unused ones after it: one look at the slot's entry tells.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "detect.h"

char *heap_base;
struct slot *heap_slots;
struct object heap_objects[MAX_OBJECTS];
int heap_nr_objects, heap_live;

int heap_init(void)
{
	heap_base = mmap(NULL, HEAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	heap_slots = mmap(NULL, NR_SLOTS * sizeof(*heap_slots), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return heap_base == MAP_FAILED || heap_slots == MAP_FAILED ? -ENOMEM : 0;
}

void heap_reset(void)
{
	heap_nr_objects = 0;
	heap_live = 0;
}

u64 address_identity(u64 addr)
{
	u64 plain = addr & ~ADDR_LOCK_BIT, bit = addr & ADDR_LOCK_BIT;

	if (heap_has(plain))
		return (plain - (u64)heap_base + 0x1000) | bit;
	return plain < 0x1000 ? addr : bit | 0x800;
}

bool is_address(u64 value)
{
	return heap_has(value) || engine_stack_owner(value) >= 0 || shadow_is_image(value);
}
