/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists that RCU readers walk while one at a time changes them. A reader on a node that is deleted goes on forward: its next
 * pointer stays, so the node may be freed after a grace period, and put on another list no sooner.
 *
 * Each change of a pointer that readers follow is a release. The kernel's deletions are not; there the lock of who changes
 * orders what was published before. In C it is the store itself that has to.
 *
 * Walking wants a reader, or the condition that makes one unnecessary.
 */
#ifndef __LINUX_RCULIST_H
#define __LINUX_RCULIST_H

#include <linux/list.h>
#include <linux/rcupdate.h>

static inline void __list_link_rcu(struct list_head *node, struct list_head *prev, struct list_head *next)
{
	node->next = next;
	node->prev = prev;
	rcu_assign_pointer(prev->next, node);
	next->prev = node;
}

static inline void list_add_rcu(struct list_head *node, struct list_head *head)
{
	__list_link_rcu(node, head, head->next);
}

static inline void list_add_tail_rcu(struct list_head *node, struct list_head *head)
{
	__list_link_rcu(node, head->prev, head);
}

static inline void list_del_rcu(struct list_head *node)
{
	node->next->prev = node->prev;
	rcu_assign_pointer(node->prev->next, node->next);
	node->prev = LIST_POISON2;
}

static inline void list_replace_rcu(struct list_head *old, struct list_head *new)
{
	new->next = old->next;
	new->prev = old->prev;
	rcu_assign_pointer(new->prev->next, new);
	new->next->prev = new;
	old->prev = LIST_POISON2;
}

static inline void INIT_LIST_HEAD_RCU(struct list_head *list)
{
	WRITE_ONCE(list->next, list);
	WRITE_ONCE(list->prev, list);
}

/* Readers on old's nodes see new's behind them; sync is the grace period after which old is empty for all. */
static inline void list_splice_init_rcu(struct list_head *list, struct list_head *head, void (*sync)(void))
{
	struct list_head *first = list->next, *last = list->prev, *at = head->next;

	if (list_empty(list))
		return;
	INIT_LIST_HEAD_RCU(list);
	sync();
	last->next = at;
	rcu_assign_pointer(head->next, first);
	first->prev = head;
	at->prev = last;
}

/* Is somebody entitled to walk? Nothing more than the condition counts beside a reader. */
#define __rcu_walk_check(...)									\
	__WARN_RULE(!(rcu_read_lock_held() __VA_OPT__(|| (__VA_ARGS__))), "suspicious walk of an RCU list")
#define __list_entry_rcu(ptr, type, member) container_of(__atomic_load_n(&(ptr), __ATOMIC_ACQUIRE), type, member)

#define list_entry_rcu(ptr, type, member) container_of(READ_ONCE(ptr), type, member)
#define list_next_rcu(list) (*((struct list_head __rcu **)(&(list)->next)))
/* Of one that may be empty: it is looked at once. */
#define list_first_or_null_rcu(ptr, type, member) ({						\
	struct list_head *__head = (ptr), *__first = __atomic_load_n(&__head->next, __ATOMIC_ACQUIRE);	\
	__first != __head ? container_of(__first, type, member) : NULL; })

#define __list_for_each_entry_rcu(pos, head, member)						\
	pos = __list_entry_rcu((head)->next, __typeof__(*pos), member); &pos->member != (head);	\
	pos = __list_entry_rcu(pos->member.next, __typeof__(*pos), member)
#define list_for_each_entry_rcu(pos, head, member, ...)						\
	for (__rcu_walk_check(__VA_ARGS__), __list_for_each_entry_rcu(pos, head, member))
#define list_for_each_entry_srcu(pos, head, member, condition)					\
	for (__WARN_RULE(!(condition), "suspicious walk of an SRCU list"),			\
	     __list_for_each_entry_rcu(pos, head, member))
#define list_for_each_entry_continue_rcu(pos, head, member)					\
	for (pos = __list_entry_rcu(pos->member.next, __typeof__(*pos), member);		\
	     &pos->member != (head);								\
	     pos = __list_entry_rcu(pos->member.next, __typeof__(*pos), member))

/* --- hash chains --- */

static inline void hlist_add_head_rcu(struct hlist_node *node, struct hlist_head *head)
{
	struct hlist_node *first = head->first;

	node->next = first;
	node->pprev = &head->first;
	rcu_assign_pointer(head->first, node);
	if (first)
		first->pprev = &node->next;
}

static inline void hlist_del_rcu(struct hlist_node *node)
{
	struct hlist_node *next = node->next;

	rcu_assign_pointer(*node->pprev, next);
	if (next)
		next->pprev = node->pprev;
	node->pprev = LIST_POISON2;
}

static inline void hlist_del_init_rcu(struct hlist_node *node)
{
	if (hlist_unhashed(node))
		return;
	hlist_del_rcu(node);
	node->pprev = NULL;
}

static inline void hlist_replace_rcu(struct hlist_node *old, struct hlist_node *new)
{
	struct hlist_node *next = old->next;

	new->next = next;
	new->pprev = old->pprev;
	rcu_assign_pointer(*new->pprev, new);
	if (next)
		next->pprev = &new->next;
	old->pprev = LIST_POISON2;
}

#define __hlist_entry_rcu(ptr, type, member)							\
	hlist_entry_safe(__atomic_load_n(&(ptr), __ATOMIC_ACQUIRE), type, member)
#define hlist_for_each_entry_rcu(pos, head, member, ...)					\
	for (__rcu_walk_check(__VA_ARGS__),							\
	     pos = __hlist_entry_rcu((head)->first, __typeof__(*(pos)), member); pos;		\
	     pos = __hlist_entry_rcu((pos)->member.next, __typeof__(*(pos)), member))

#endif
