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

/* All of a list that is not empty between two neighbours. The list's own head still points there. */
static inline void __list_splice_between(struct list_head *list, struct list_head *prev, struct list_head *next)
{
	struct list_head *first = list->next, *last = list->prev;

	first->prev = prev;
	last->next = next;
	next->prev = last;
	prev->next = first;
}

/* Puts all of list after head, or at its end. list is not to be used as a list any more; the _init forms leave it empty. */
static inline void list_splice(struct list_head *list, struct list_head *head)
{
	if (!list_empty(list))
		__list_splice_between(list, head, head->next);
}

static inline void list_splice_tail(struct list_head *list, struct list_head *head)
{
	if (!list_empty(list))
		__list_splice_between(list, head->prev, head);
}

static inline void list_splice_init(struct list_head *list, struct list_head *head)
{
	if (list_empty(list))
		return;
	__list_splice_between(list, head, head->next);
	INIT_LIST_HEAD(list);
}

static inline void list_splice_tail_init(struct list_head *list, struct list_head *head)
{
	list_splice_init(list, head->prev);
}

/* The new node in the place of the old one, which keeps its pointers; of an empty head the new one is no list. */
static inline void list_replace(struct list_head *old, struct list_head *new)
{
	new->next = old->next;
	new->next->prev = new;
	new->prev = old->prev;
	new->prev->next = new;
}

static inline void list_replace_init(struct list_head *old, struct list_head *new)
{
	list_replace(old, new);
	INIT_LIST_HEAD(old);
}

/* Exchanges the places of two nodes, of the same list or not, neighbours or not. */
static inline void list_swap(struct list_head *one, struct list_head *other)
{
	struct list_head *before = other->prev;

	list_del(other);
	list_replace(one, other);
	list_add(one, before == one ? other : before);
}

/* The nodes first to last, which are neighbours, to the end of head's list. */
static inline void list_bulk_move_tail(struct list_head *head, struct list_head *first, struct list_head *last)
{
	first->prev->next = last->next;
	last->next->prev = first->prev;

	head->prev->next = first;
	first->prev = head->prev;
	last->next = head;
	head->prev = last;
}

/* Of head's list everything up to node, that included, becomes list's, which had nothing; node may be head: nothing. */
static inline void list_cut_position(struct list_head *list, struct list_head *head, struct list_head *node)
{
	if (list_empty(head) || node == head) {
		INIT_LIST_HEAD(list);
		return;
	}
	list->next = head->next;
	list->next->prev = list;
	head->next = node->next;
	head->next->prev = head;
	list->prev = node;
	node->next = list;
}

static inline void list_rotate_left(struct list_head *head)
{
	if (!list_empty(head))
		list_move_tail(head->next, head);
}

static inline bool list_is_head(const struct list_head *node, const struct list_head *head)
{
	return node == head;
}

static inline bool list_is_first(const struct list_head *node, const struct list_head *head)
{
	return node->prev == head;
}

static inline bool list_is_last(const struct list_head *node, const struct list_head *head)
{
	return node->next == head;
}

/* For one that others delete with list_del_init(): what they wrote before is seen when it is empty. */
static inline bool list_empty_careful(const struct list_head *head)
{
	struct list_head *next = smp_load_acquire(&head->next);

	return next == head && next == READ_ONCE(head->prev);
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
#define list_prev_entry(pos, member) list_entry((pos)->member.prev, __typeof__(*(pos)), member)
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : list_first_entry(head, type, member))
#define list_last_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : list_last_entry(head, type, member))
#define list_entry_is_head(pos, head, member) (&(pos)->member == (head))

#define list_for_each(pos, head) for (pos = (head)->next; pos != (head); pos = pos->next)
#define list_for_each_prev(pos, head) for (pos = (head)->prev; pos != (head); pos = pos->prev)
#define list_for_each_safe(pos, n, head) \
	for (pos = (head)->next, n = pos->next; pos != (head); pos = n, n = pos->next)

#define list_for_each_entry(pos, head, member)							\
	for (pos = list_first_entry(head, __typeof__(*pos), member); &pos->member != (head);	\
	     pos = list_next_entry(pos, member))

#define list_for_each_entry_safe(pos, n, head, member)						\
	for (pos = list_first_entry(head, __typeof__(*pos), member),				\
	     n = list_next_entry(pos, member); &pos->member != (head);				\
	     pos = n, n = list_next_entry(n, member))

#define list_for_each_entry_reverse(pos, head, member)						\
	for (pos = list_last_entry(head, __typeof__(*pos), member); &pos->member != (head);	\
	     pos = list_prev_entry(pos, member))

/* Behind pos, and from pos on. */
#define list_for_each_entry_from(pos, head, member)						\
	for (; &pos->member != (head); pos = list_next_entry(pos, member))
#define list_for_each_entry_continue(pos, head, member)						\
	for (pos = list_next_entry(pos, member); &pos->member != (head);			\
	     pos = list_next_entry(pos, member))
#define list_for_each_entry_continue_reverse(pos, head, member)					\
	for (pos = list_prev_entry(pos, member); &pos->member != (head);			\
	     pos = list_prev_entry(pos, member))
#define list_for_each_entry_from_reverse(pos, head, member)					\
	for (; &pos->member != (head); pos = list_prev_entry(pos, member))
#define list_for_each_entry_safe_from(pos, n, head, member)					\
	for (n = list_next_entry(pos, member); &pos->member != (head);				\
	     pos = n, n = list_next_entry(n, member))
#define list_for_each_entry_safe_continue(pos, n, head, member)					\
	for (pos = list_next_entry(pos, member), n = list_next_entry(pos, member);		\
	     &pos->member != (head); pos = n, n = list_next_entry(n, member))
#define list_for_each_entry_safe_reverse(pos, n, head, member)					\
	for (pos = list_last_entry(head, __typeof__(*pos), member),				\
	     n = list_prev_entry(pos, member); &pos->member != (head);				\
	     pos = n, n = list_prev_entry(n, member))

/* --- hash chains; a node without pprev is on none --- */

#define HLIST_HEAD_INIT { .first = NULL }
#define HLIST_HEAD(name) struct hlist_head name = HLIST_HEAD_INIT
#define INIT_HLIST_HEAD(head) ((void)((head)->first = NULL))

static inline void INIT_HLIST_NODE(struct hlist_node *node)
{
	node->next = NULL;
	node->pprev = NULL;
}

static inline bool hlist_unhashed(const struct hlist_node *node)
{
	return !node->pprev;
}

static inline bool hlist_empty(const struct hlist_head *head)
{
	return !head->first;
}

static inline void hlist_add_head(struct hlist_node *node, struct hlist_head *head)
{
	node->next = head->first;
	if (node->next)
		node->next->pprev = &node->next;
	head->first = node;
	node->pprev = &head->first;
}

static inline void hlist_add_before(struct hlist_node *node, struct hlist_node *next)
{
	node->pprev = next->pprev;
	node->next = next;
	next->pprev = &node->next;
	*node->pprev = node;
}

static inline void hlist_add_behind(struct hlist_node *node, struct hlist_node *prev)
{
	node->next = prev->next;
	node->pprev = &prev->next;
	prev->next = node;
	if (node->next)
		node->next->pprev = &node->next;
}

static inline void __hlist_unlink(struct hlist_node *node)
{
	*node->pprev = node->next;
	if (node->next)
		node->next->pprev = node->pprev;
}

static inline void hlist_del(struct hlist_node *node)
{
	__hlist_unlink(node);
	node->next = LIST_POISON1;
	node->pprev = LIST_POISON2;
}

static inline void hlist_del_init(struct hlist_node *node)
{
	if (hlist_unhashed(node))
		return;
	__hlist_unlink(node);
	INIT_HLIST_NODE(node);
}

/* All of old's chain becomes new's, and old is empty. */
static inline void hlist_move_list(struct hlist_head *old, struct hlist_head *new)
{
	new->first = old->first;
	if (new->first)
		new->first->pprev = &new->first;
	old->first = NULL;
}

static inline bool hlist_is_singular_node(const struct hlist_node *node, const struct hlist_head *head)
{
	return !node->next && node->pprev == &head->first;
}

#define hlist_entry(ptr, type, member) container_of(ptr, type, member)
#define hlist_for_each(pos, head) for (pos = (head)->first; pos; pos = pos->next)
#define hlist_for_each_safe(pos, n, head) for (pos = (head)->first; pos && ({ n = pos->next; 1; }); pos = n)

#define hlist_entry_safe(ptr, type, member) ({						\
	__typeof__(ptr) __node = (ptr);							\
	__node ? container_of(__node, type, member) : NULL; })

#define hlist_for_each_entry(pos, head, member)							\
	for (pos = hlist_entry_safe((head)->first, __typeof__(*(pos)), member); pos;		\
	     pos = hlist_entry_safe((pos)->member.next, __typeof__(*(pos)), member))

#define hlist_for_each_entry_continue(pos, member)						\
	for (pos = hlist_entry_safe((pos)->member.next, __typeof__(*(pos)), member); pos;	\
	     pos = hlist_entry_safe((pos)->member.next, __typeof__(*(pos)), member))
#define hlist_for_each_entry_from(pos, member)							\
	for (; pos; pos = hlist_entry_safe((pos)->member.next, __typeof__(*(pos)), member))

#define hlist_for_each_entry_safe(pos, n, head, member)						\
	for (pos = hlist_entry_safe((head)->first, __typeof__(*(pos)), member);			\
	     pos && ({ n = (pos)->member.next; 1; });						\
	     pos = hlist_entry_safe(n, __typeof__(*(pos)), member))

#endif
