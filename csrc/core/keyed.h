/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nodes by a 64-bit key: a hash table that grows, for what must stay flat however much is stored beside it.
 *
 * The caller's lock covers a table. Growing allocates, and nothing is allocated under F.lock, so the caller brings the
 * larger array: when keyed_crowded() says so it allocates without the lock, locks again, and hands the array in. A table
 * that could not grow is slower and no less right. The first few buckets are part of the table.
 */
#ifndef IOPF_CORE_KEYED_H
#define IOPF_CORE_KEYED_H

#include <linux/iommu.h>

static inline void keyed_init(struct keyed_table *table)
{
	unsigned int i;

	for (i = 0; i < KEYED_FIRST_BUCKETS; i++)
		table->first[i].first = NULL;
	table->buckets = table->first;
	table->nr_buckets = KEYED_FIRST_BUCKETS;
	table->nr_nodes = 0;
}

static inline unsigned int keyed_slot(unsigned int nr_buckets, u64 key)
{
	/* Fibonacci hashing: the high bits of the product depend on all bits of the key. */
	return (unsigned int)((key * 0x9e3779b97f4a7c15ULL) >> 32) & (nr_buckets - 1);
}

static inline struct hlist_head *keyed_chain(struct keyed_table *table, u64 key)
{
	return &table->buckets[keyed_slot(table->nr_buckets, key)];
}

/* The size that the table should have by now, or 0 when it is large enough. */
static inline unsigned int keyed_crowded(const struct keyed_table *table)
{
	return table->nr_nodes > table->nr_buckets ? 2 * table->nr_buckets : 0;
}

static inline void keyed_add(struct keyed_table *table, u64 key, struct hlist_node *node)
{
	hlist_add_head(node, keyed_chain(table, key));
	table->nr_nodes++;
}

static inline void keyed_del(struct keyed_table *table, struct hlist_node *node)
{
	hlist_del(node);
	table->nr_nodes--;
}

/* The array to kfree() with the table, or NULL. */
static inline struct hlist_head *keyed_array(struct keyed_table *table)
{
	return table->buckets == table->first ? NULL : table->buckets;
}

/*
 * Moves every node to the larger array, which the caller allocated zeroed; NULL, it could not, is fine. key_of tells a
 * node's key. Returns the array that is no longer in use, for the caller to kfree() without the lock: the old one, or
 * the new one when somebody else was faster.
 */
static inline struct hlist_head *
keyed_grow(struct keyed_table *table, struct hlist_head *buckets, unsigned int nr_buckets,
	   u64 (*key_of)(struct hlist_node *node))
{
	struct hlist_head *old = keyed_array(table);
	unsigned int i;

	if (!buckets || nr_buckets <= table->nr_buckets)
		return buckets;

	for (i = 0; i < table->nr_buckets; i++) {
		struct hlist_node *node = table->buckets[i].first;

		while (node) {
			struct hlist_node *next = node->next;

			hlist_add_head(node, &buckets[keyed_slot(nr_buckets, key_of(node))]);
			node = next;
		}
	}
	table->buckets = buckets;
	table->nr_buckets = nr_buckets;
	return old;
}

#endif
