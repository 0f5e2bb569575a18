/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Circular doubly linked lists with the head as one of the nodes, and hash chains.
 *
 * As in the kernel, list_del() leaves poison behind and list_del_init() an empty list: code that asks list_empty()
 * of a deleted node, or deletes twice, meets an address that no object has.
 */
#ifndef __LINUX_LIST_H
#define __LINUX_LIST_H

#include <linux/compiler.h>
#include <linux/container_of.h>

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

/* Non-canonical on x86-64, so a dereference faults instead of finding a mapping. */
#define LIST_POISON1 ((void *)0xdead000000000100ULL)
#define LIST_POISON2 ((void *)0xdead000000000122ULL)

#define LIST_HEAD_INIT(name) { &(name), &(name) }
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

static inline void __list_link(struct list_head *node, struct list_head *prev, struct list_head *next)
{
	next->prev = node;
	node->next = next;
	node->prev = prev;
	prev->next = node;
}

static inline void list_add(struct list_head *node, struct list_head *head)
{
	__list_link(node, head, head->next);
}

static inline void list_add_tail(struct list_head *node, struct list_head *head)
{
	__list_link(node, head->prev, head);
}

static inline void __list_unlink(struct list_head *node)
{
	struct list_head *next = node->next, *prev = node->prev;

	next->prev = prev;
	prev->next = next;
}

static inline void list_del(struct list_head *node)
{
	__list_unlink(node);
	node->next = LIST_POISON1;
	node->prev = LIST_POISON2;
}

static inline void list_del_init(struct list_head *node)
{
	__list_unlink(node);
	INIT_LIST_HEAD(node);
}

static inline void list_move(struct list_head *node, struct list_head *head)
{
	__list_unlink(node);
	list_add(node, head);
}

static inline void list_move_tail(struct list_head *node, struct list_head *head)
{
	__list_unlink(node);
	list_add_tail(node, head);
}

/* Puts all of list after head and leaves list empty. */
static inline void list_splice_init(struct list_head *list, struct list_head *head)
{
	struct list_head *first = list->next, *last = list->prev;

	if (list_empty(list))
		return;
	first->prev = head;
	last->next = head->next;
	head->next->prev = last;
	head->next = first;
	INIT_LIST_HEAD(list);
}

static inline void list_splice_tail_init(struct list_head *list, struct list_head *head)
{
	list_splice_init(list, head->prev);
}

static inline bool list_is_singular(const struct list_head *head)
{
	return !list_empty(head) && head->next == head->prev;
}

static inline size_t list_count_nodes(struct list_head *head)
{
	struct list_head *node;
	size_t count = 0;

	for (node = head->next; node != head; node = node->next)
		count++;
	return count;
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_last_entry(head, type, member) list_entry((head)->prev, type, member)
#define list_next_entry(pos, member) list_entry((pos)->member.next, __typeof__(*(pos)), member)
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : list_first_entry(head, type, member))

#define list_for_each_entry(pos, head, member)							\
	for (pos = list_first_entry(head, __typeof__(*pos), member); &pos->member != (head);	\
	     pos = list_next_entry(pos, member))

#define list_for_each_entry_safe(pos, n, head, member)						\
	for (pos = list_first_entry(head, __typeof__(*pos), member),				\
	     n = list_next_entry(pos, member); &pos->member != (head);				\
	     pos = n, n = list_next_entry(n, member))

static inline void hlist_add_head(struct hlist_node *node, struct hlist_head *head)
{
	node->next = head->first;
	if (node->next)
		node->next->pprev = &node->next;
	head->first = node;
	node->pprev = &head->first;
}

static inline void hlist_del(struct hlist_node *node)
{
	*node->pprev = node->next;
	if (node->next)
		node->next->pprev = node->pprev;
	node->next = LIST_POISON1;
	node->pprev = LIST_POISON2;
}

#define hlist_entry_safe(ptr, type, member) ({						\
	__typeof__(ptr) __node = (ptr);							\
	__node ? container_of(__node, type, member) : NULL; })

#define hlist_for_each_entry(pos, head, member)							\
	for (pos = hlist_entry_safe((head)->first, __typeof__(*(pos)), member); pos;		\
	     pos = hlist_entry_safe((pos)->member.next, __typeof__(*(pos)), member))

#define hlist_for_each_entry_safe(pos, n, head, member)						\
	for (pos = hlist_entry_safe((head)->first, __typeof__(*(pos)), member);			\
	     pos && ({ n = (pos)->member.next; 1; });						\
	     pos = hlist_entry_safe(n, __typeof__(*(pos)), member))

#endif
