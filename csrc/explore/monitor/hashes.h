/* SPDX-License-Identifier: GPL-2.0-only */
/* hashes.c: a set of hashes that grows. All zeroes is an empty one. */
#ifndef IOPF_EXPLORE_HASHES_H
#define IOPF_EXPLORE_HASHES_H

#include <linux/compiler.h>

struct hashes {
	u64 *table;
	size_t nr, room;
};

bool hashes_have(const struct hashes *set, u64 hash);
/* False: there is no memory for it, and the set is what it was. */
bool hashes_add(struct hashes *set, u64 hash);
void hashes_clear(struct hashes *set);

#endif
