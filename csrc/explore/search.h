/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore/: the search itself, over all rooms of the explorer: the face (explore.h), the strategies in turn and the verdict
 * (search.c), the orders of a class (orders.c), the oracle, the list of cores.
 *
 * The room may use every other one of the explorer; none uses it, but for its clock (progress.h) and the numbers of its face.
 */
#ifndef IOPF_EXPLORE_SEARCH_H
#define IOPF_EXPLORE_SEARCH_H

#include "guard/guard.h"
#include "report/report.h"

#pragma GCC visibility push(hidden)

/* --- orders.c: the orders that the class of the execution that just ran leaves open --- */

void orders_reset(void);
/* Of every execution of a search: also those that are not judged. */
void orders_run(void);
/* What the part of that search before it judged, which was right, need not be judged again. */
void orders_keep(u64 search);
const char *orders_judge(u64 execution, bool *news);
u64 orders_verdict(void);
/*
 * A prediction that does not come true says nothing where there is a data race. Of a part of a search: others may have found
 * that race, so whether it says something is asked at the end (orders_why()), of all parts together.
 */
extern bool orders_put_off, orders_unproved;
const char *orders_why(void);

/* --- aside.c --- */

struct aside {
	const struct strategy *strategy;
	void *nodes;		/* a copy, wherever it lies */
	int depth, fresh, end, preemptions;
	u64 hash;
	u32 footprint;
};

/* Between the two any schedule may run. What the execution before it found is to be collected first. False: no memory. */
bool aside_begin(struct aside *a);
void aside_end(struct aside *a);

/* --- search.c: what the parts of a search are made with --- */

extern struct xp_result result;
extern int strategy_now;
extern const char *why_not;	/* nothing can be said any more, and that is why */

int search_enter(const s32 *code, size_t nr_words, const struct xp_options *wanted);
void search_leave(void);
extern const struct xp_job *search_job;	/* the part that is searched; NULL: all of it */
extern const char search_does_not_fit[];
/* 1: the strategy came to its end. */
int search_run(const struct strategy *strategy, double seconds);
/* Up to a search that may take long: which one, or XP_S_AUTO: it is over, and *out is its result. */
int search_plan(struct xp_result *out);
/* Since the first failure, as executions. */
u64 search_further(void);
void search_walk_after_races(void);
/* What objects are called, of the next execution on. */
void search_name_objects(void);
void search_conclude(bool exhausted, struct xp_result *out);

/* --- witness.c --- */

extern bool witnesses_wanted;	/* of the search that has begun */
void witnesses_reset(void);
void witnesses_forget_outcomes(void);
/* The execution that just ran is the first one with what lock_order_news has, or with its outcome. */
void witness_orders(u64 execution);
void witness_outcome(u64 execution);
/* How many there are, or -1: there was no memory for one. */
int witnesses_finish(void);

/* --- oracle.c --- */

const char *oracle_run(u64 *exchanges);

#pragma GCC visibility pop

#endif
