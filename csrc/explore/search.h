/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of the search itself: search.c has the verdict, and may use everything. */
#ifndef IOPF_EXPLORE_SEARCH_H
#define IOPF_EXPLORE_SEARCH_H

#include "guard/guard.h"
#include "report/report.h"

#pragma GCC visibility push(hidden)

/* --- orders.c: the orders that the class of the execution that just ran leaves open --- */

void orders_reset(void);
/* Of every execution of a search: also those that are not judged. */
void orders_run(void);
const char *orders_judge(u64 execution, bool *news);
u64 orders_verdict(void);

/* --- aside.c --- */

struct aside {
	const struct strategy *strategy;
	struct node *nodes;
	int depth, fresh, end, preemptions;
	u64 hash;
	u32 footprint;
};

/* Between the two any schedule may run. What the execution before it found is to be collected first. False: no memory. */
bool aside_begin(struct aside *a);
void aside_end(struct aside *a);

/* --- oracle.c --- */

const char *oracle_run(u64 *exchanges);

#pragma GCC visibility pop

#endif
