// SPDX-License-Identifier: GPL-2.0-only
/* Lists and hash chains of nodes with a value. */
#include <linux/list.h>
#include <linux/slab.h>

#include "primitives.h"

struct iopf_prim_list {
	struct list_head nodes;
};

struct iopf_prim_hlist {
	struct hlist_head nodes;
};

struct iopf_prim_node {
	int value;
	struct list_head list;
	struct hlist_node chain;
};

struct iopf_prim_node *iopf_prim_node_new(int value)
{
	struct iopf_prim_node *node = kzalloc_obj(*node);

	if (node)
		node->value = value;
	return node;
}

void iopf_prim_node_free(struct iopf_prim_node *node)
{
	kfree(node);
}

struct iopf_prim_list *iopf_prim_list_new(void)
{
	struct iopf_prim_list *list = kzalloc_obj(*list);

	if (list)
		INIT_LIST_HEAD(&list->nodes);
	return list;
}

void iopf_prim_list_free(struct iopf_prim_list *list)
{
	struct iopf_prim_node *node, *next;

	list_for_each_entry_safe(node, next, &list->nodes, list)
		kfree(node);
	kfree(list);
}

void iopf_prim_list_add(struct iopf_prim_node *node, struct iopf_prim_list *list)
{
	list_add(&node->list, &list->nodes);
}

void iopf_prim_list_add_tail(struct iopf_prim_node *node, struct iopf_prim_list *list)
{
	list_add_tail(&node->list, &list->nodes);
}

void iopf_prim_list_del(struct iopf_prim_node *node)
{
	list_del(&node->list);
}

void iopf_prim_list_del_init(struct iopf_prim_node *node)
{
	list_del_init(&node->list);
}

void iopf_prim_list_move(struct iopf_prim_node *node, struct iopf_prim_list *list)
{
	list_move(&node->list, &list->nodes);
}

void iopf_prim_list_move_tail(struct iopf_prim_node *node, struct iopf_prim_list *list)
{
	list_move_tail(&node->list, &list->nodes);
}

void iopf_prim_list_splice_init(struct iopf_prim_list *from, struct iopf_prim_list *list)
{
	list_splice_init(&from->nodes, &list->nodes);
}

void iopf_prim_list_splice_tail_init(struct iopf_prim_list *from, struct iopf_prim_list *list)
{
	list_splice_tail_init(&from->nodes, &list->nodes);
}

bool iopf_prim_list_empty(struct iopf_prim_list *list)
{
	return list_empty(&list->nodes);
}

bool iopf_prim_list_is_singular(struct iopf_prim_list *list)
{
	return list_is_singular(&list->nodes);
}

size_t iopf_prim_list_count_nodes(struct iopf_prim_list *list)
{
	return list_count_nodes(&list->nodes);
}

int iopf_prim_list_read(struct iopf_prim_list *list, int *values, size_t max)
{
	struct list_head *back = list->nodes.prev;
	struct iopf_prim_node *node;
	size_t n = 0, i;

	list_for_each_entry(node, &list->nodes, list)
		if (n < max)
			values[n++] = node->value;
	for (i = n; i > 0; i--, back = back->prev)
		if (back == &list->nodes || list_entry(back, struct iopf_prim_node, list)->value != values[i - 1])
			return -1;
	return back == &list->nodes ? (int)n : -1;
}

int iopf_prim_list_first(struct iopf_prim_list *list)
{
	struct iopf_prim_node *node = list_first_entry_or_null(&list->nodes, struct iopf_prim_node, list);

	return node ? node->value : -1;
}

int iopf_prim_list_last(struct iopf_prim_list *list)
{
	return list_empty(&list->nodes) ? -1 : list_last_entry(&list->nodes, struct iopf_prim_node, list)->value;
}

int iopf_prim_list_next(struct iopf_prim_node *node)
{
	return list_next_entry(node, list)->value;
}

void iopf_prim_list_delete_odd(struct iopf_prim_list *list)
{
	struct iopf_prim_node *node, *next;

	list_for_each_entry_safe(node, next, &list->nodes, list) {
		if (node->value % 2 == 0)
			continue;
		list_del(&node->list);
		kfree(node);
	}
}

bool iopf_prim_node_is_poisoned(struct iopf_prim_node *node)
{
	return node->list.next == LIST_POISON1 && node->list.prev == LIST_POISON2;
}

bool iopf_prim_node_is_alone(struct iopf_prim_node *node)
{
	return list_empty(&node->list);
}

struct iopf_prim_hlist *iopf_prim_hlist_new(void)
{
	return kzalloc_obj(struct iopf_prim_hlist);
}

void iopf_prim_hlist_free(struct iopf_prim_hlist *list)
{
	struct iopf_prim_node *node;
	struct hlist_node *next;

	hlist_for_each_entry_safe(node, next, &list->nodes, chain)
		kfree(node);
	kfree(list);
}

void iopf_prim_hlist_add_head(struct iopf_prim_node *node, struct iopf_prim_hlist *list)
{
	hlist_add_head(&node->chain, &list->nodes);
}

void iopf_prim_hlist_del(struct iopf_prim_node *node)
{
	hlist_del(&node->chain);
}

int iopf_prim_hlist_read(struct iopf_prim_hlist *list, int *values, size_t max)
{
	struct hlist_node **link = &list->nodes.first;
	struct iopf_prim_node *node;
	size_t n = 0;

	hlist_for_each_entry(node, &list->nodes, chain) {
		if (node->chain.pprev != link)
			return -1;
		link = &node->chain.next;
		if (n < max)
			values[n++] = node->value;
	}
	return (int)n;
}

void iopf_prim_hlist_delete_odd(struct iopf_prim_hlist *list)
{
	struct iopf_prim_node *node;
	struct hlist_node *next;

	hlist_for_each_entry_safe(node, next, &list->nodes, chain) {
		if (node->value % 2 == 0)
			continue;
		hlist_del(&node->chain);
		kfree(node);
	}
}

bool iopf_prim_node_is_hpoisoned(struct iopf_prim_node *node)
{
	return (void *)node->chain.next == LIST_POISON1 && (void *)node->chain.pprev == LIST_POISON2;
}
