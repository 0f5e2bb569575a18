// SPDX-License-Identifier: GPL-2.0-only
/* Which cores there are: those that were built in, and those of shared objects that were loaded later. */
#include <string.h>

#include "search.h"

#define MAX_LOADED 512

static const struct iopf_core *loaded[MAX_LOADED];
static int nr_loaded;

int xp_nr_cores(void)
{
	int n = 0;

	while (iopf_core_of_build(n))
		n++;
	return n + nr_loaded;
}

const void *xp_core(int index)
{
	int n = 0;

	if (index < 0)
		return NULL;
	while (iopf_core_of_build(n)) {
		if (n++ == index)
			return iopf_core_of_build(index);
	}
	return index - n < nr_loaded ? loaded[index - n] : NULL;
}

const void *xp_find_core(const char *name)
{
	int i;

	/* The latest of a name: a core may be compiled and loaded again. */
	for (i = xp_nr_cores() - 1; i >= 0; i--)
		if (!strcmp(((const struct iopf_core *)xp_core(i))->name, name))
			return xp_core(i);
	return NULL;
}

const char *xp_core_name(const void *table)
{
	return ((const struct iopf_core *)table)->name;
}

int xp_register_core(const void *table)
{
	int i;

	if (!table)
		return -EINVAL;
	for (i = 0; i < nr_loaded; i++)
		if (loaded[i] == table)
			return 0;
	if (nr_loaded == MAX_LOADED)
		return -ENOSPC;
	loaded[nr_loaded++] = table;
	return 0;
}
