/* SPDX-License-Identifier: GPL-2.0-only */
/* What path.c, which walks the tree of choices, shares with job.c, which takes a part of it up and puts it down. */
#ifndef IOPF_EXPLORE_PATH_H
#define IOPF_EXPLORE_PATH_H

#include "strategy.h"

#pragma GCC visibility push(hidden)

extern struct path_rules path_rules;
extern int path_kept;		/* nodes that the next execution begins with; the last one's step is new */

/* A node that was not there: what is enabled and what sleeps. Returns what may be picked. */
u64 path_enter(struct node *node, u64 enabled, int previous);
unsigned int path_alternatives_of(int task);
/* The first alternative of the node's task that is neither done nor asleep; false: none. */
bool path_next_alternative(struct node *node);
void path_take_share(struct node *node);
/* The step at that depth is over and goes to sleep there, and what lies deeper is forgotten. */
void path_go_back(int depth);

/* The part of the tree that is walked, if not all of it: job.c says which. */
extern struct path_part {
	int given;		/* nodes that the next execution takes as they were given, */
	int (*pick)(struct node *node, u64 enabled, int previous);	/* by whom */
	int floor;		/* nodes below it are others', */
	int alternatives;	/* 1: but for the alternatives of the last one of them */
	double mass;		/* of the part; all of the tree has 1 */
} path_part;

#pragma GCC visibility pop

#endif
