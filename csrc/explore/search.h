/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore/: the search itself, over all rooms of the explorer: the face (explore.h), the strategies in turn and the verdict
 * (search.c), the orders of a class (orders.c, with commute.c and predictions.c), the oracle, the list of cores.
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
/* Where executions are a sample: so many orders of each, and that these are not all is no reason. 0: all. */
extern unsigned int orders_most;
extern unsigned int orders_judged;	/* of the last execution: how long that took */
extern const char orders_too_many[];	/* why: nothing is wrong, and nothing proved */
/* Of every execution of a search: also those that are not judged. */
void orders_run(void);
const char *orders_judge(u64 execution, bool *news);
u64 orders_verdict(void);

/* --- commute.c: of the concurrent moments, which may change places --- */

void commute_prepare(int first, int behind, bool (*comes_before)(int i, int other));
bool commute(int i, int other);

/* --- predictions.c --- */

/* told: they are told as they are, and not executed. */
void predictions_begin(bool told);
/* The monitors called the concurrent moments wrong in this order. */
void prediction_keep(int kind, const void *pc, const char *text, const s16 *order, int nr);
/* NULL, or why that proves nothing; what shows is collected. */
const char *predictions_execute(u64 execution, bool *news);
/* A number for all of them, contract included. */
u64 predictions_verdict(void);

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

/* --- given.c: failures of another time --- */

void given_reset(void);
/* collect is asked after every execution, and may end it. */
void given_try(bool (*collect)(int probe));

/* --- oracle.c --- */

const char *oracle_run(u64 *exchanges);

#pragma GCC visibility pop

#endif
