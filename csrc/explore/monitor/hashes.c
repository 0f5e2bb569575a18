// SPDX-License-Identifier: GPL-2.0-only
/* Sets of hashes: open addressing, at most half full, 0 is empty. */
#include <stdlib.h>
#include <string.h>

#include "hashes.h"

#define FIRST_ROOM 1024
#define KEPT_ROOM (1u << 16)	/* larger ones are not cleared, but given back */

static size_t slot_of(const u64 *table, size_t room, u64 hash)
{
	size_t slot = (size_t)(hash * 0x9e3779b97f4a7c15ull) & (room - 1);

	while (table[slot] && table[slot] != hash)
		slot = (slot + 1) & (room - 1);
	return slot;
}

static bool grow(struct hashes *set)
{
	size_t room = set->room ? 2 * set->room : FIRST_ROOM, i;
	u64 *table = calloc(room, sizeof(*table));

	if (!table)
		return false;
	for (i = 0; i < set->room; i++)
		if (set->table[i])
			table[slot_of(table, room, set->table[i])] = set->table[i];
	free(set->table);
	set->table = table;
	set->room = room;
	return true;
}

bool hashes_have(const struct hashes *set, u64 hash)
{
	hash += !hash;
	return set->nr && set->table[slot_of(set->table, set->room, hash)];
}

bool hashes_add(struct hashes *set, u64 hash)
{
	size_t slot;

	hash += !hash;
	if (2 * set->nr >= set->room && !grow(set))
		return false;
	slot = slot_of(set->table, set->room, hash);
	set->nr += !set->table[slot];
	set->table[slot] = hash;
	return true;
}

void hashes_clear(struct hashes *set)
{
	if (set->room > KEPT_ROOM) {
		free(set->table);
		*set = (struct hashes){ 0 };
	} else if (set->nr) {
		memset(set->table, 0, set->room * sizeof(*set->table));
		set->nr = 0;
	}
}
