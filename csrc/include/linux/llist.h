/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stacks without a lock: anybody may add, and take all. One at a time may take the first, unless somebody keeps others
 * from taking. What was taken is the taker's, newest first.
 */
#ifndef __LINUX_LLIST_H
#define __LINUX_LLIST_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/container_of.h>

struct llist_node {
	struct llist_node *next;
};

struct llist_head {
	struct llist_node *first;
};

#define LLIST_HEAD_INIT(name) { NULL }
#define LLIST_HEAD(name) struct llist_head name = LLIST_HEAD_INIT(name)

static inline void init_llist_head(struct llist_head *head)
{
	head->first = NULL;
}

static inline bool llist_empty(const struct llist_head *head)
{
	return !READ_ONCE(head->first);
}

/* From first to last, which are linked already. True: it was empty. */
static inline bool llist_add_batch(struct llist_node *first, struct llist_node *last, struct llist_head *head)
{
	struct llist_node *old = READ_ONCE(head->first);

	do
		last->next = old;
	while (!try_cmpxchg(&head->first, &old, first));
	return !old;
}

static inline bool llist_add(struct llist_node *node, struct llist_head *head)
{
	return llist_add_batch(node, node, head);
}

static inline struct llist_node *llist_del_all(struct llist_head *head)
{
	return xchg(&head->first, NULL);
}

static inline struct llist_node *llist_del_first(struct llist_head *head)
{
	struct llist_node *first = smp_load_acquire(&head->first);

	while (first && !try_cmpxchg(&head->first, &first, READ_ONCE(first->next)))
		;
	return first;
}

static inline struct llist_node *llist_next(struct llist_node *node)
{
	return node->next;
}

static inline struct llist_node *llist_reverse_order(struct llist_node *first)
{
	struct llist_node *reversed = NULL;

	while (first) {
		struct llist_node *next = first->next;

		first->next = reversed;
		reversed = first;
		first = next;
	}
	return reversed;
}

#define llist_entry(ptr, type, member) container_of(ptr, type, member)
#define __llist_entry_or_null(ptr, type, member) ({					\
	struct llist_node *__node = (ptr);						\
	__node ? llist_entry(__node, type, member) : NULL; })

#define llist_for_each(pos, node) for (pos = (node); pos; pos = pos->next)
#define llist_for_each_safe(pos, n, node) for (pos = (node); pos && ({ n = pos->next; 1; }); pos = n)
#define llist_for_each_entry(pos, node, member)						\
	for (pos = __llist_entry_or_null(node, __typeof__(*pos), member); pos;		\
	     pos = __llist_entry_or_null(pos->member.next, __typeof__(*pos), member))
#define llist_for_each_entry_safe(pos, n, node, member)					\
	for (pos = __llist_entry_or_null(node, __typeof__(*pos), member);		\
	     pos && ({ n = __llist_entry_or_null(pos->member.next, __typeof__(*pos), member); 1; });	\
	     pos = n)

#endif
