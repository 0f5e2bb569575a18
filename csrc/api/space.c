// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched/mm.h>
#include <runtime.h>

#include "run.h"

iopf_space *iopf_space_new(void)
{
	return mm_new();
}

/* The owner is gone: nobody can change the space any more, and it goes with its last domain. */
void iopf_space_put(iopf_space *space)
{
	mmdrop(space);
}

int iopf_space_map(iopf_space *space, uint64_t start, uint64_t length, uint32_t perm)
{
	return mm_map(space, start, length, perm);
}

int iopf_space_unmap(iopf_space *space, uint64_t start, uint64_t length)
{
	return mm_unmap(space, start, length);
}

int iopf_space_protect(iopf_space *space, uint64_t start, uint64_t length, uint32_t perm)
{
	return mm_protect(space, start, length, perm);
}

void iopf_space_exit(iopf_space *space)
{
	mm_exit(space);
}

int iopf_space_exited(iopf_space *space)
{
	return mm_exited(space);
}

size_t iopf_space_areas(iopf_space *space, size_t max, uint64_t (*areas)[3])
{
	return mm_areas(space, max, areas);
}
