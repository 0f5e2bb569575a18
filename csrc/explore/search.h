/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * explore/: the search itself, over all rooms of the explorer: the face (explore.h, search.c), the strategies in turn (auto.c),
 * the executions, the verdict, the orders of a class (orders.c, with lanes.c, commute.c and predictions.c), the oracle, the list of cores.
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

/* --- commute.c: of the concurrent moments, which may change places --- */

void commute_prepare(int first, int behind, bool (*comes_before)(int i, int other));
/* tags: also what says whether the driver kept its contract tells no difference. */
bool commute(int i, int other, bool tags);
/* Moments of requests that are never compared with each other, nor by one question, have different ones; 0: of no request. */
u64 commute_subject(int i);
/* That is so of this execution. */
bool commute_subjects(void);

/* --- predictions.c --- */

/* told: they are told as they are, and not executed. */
void predictions_begin(bool told);
/* Would that be kept, whatever the order? */
bool prediction_is_news(int kind, const void *pc, const char *text);
/* The monitors called the concurrent moments wrong in this order. */
void prediction_keep(int kind, const void *pc, const char *text, const s16 *order, int nr);
bool predictions_any(void);
/* One of them with the driver's contract broken. */
bool predictions_broken(void);
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

/* --- executions.c --- */

extern struct xp_result result;
extern int strategy_now;
extern const char *why_not;	/* nothing can be said any more, and that is why */

void search_begin(void);
void search_progress(struct xp_progress *p);
extern const struct xp_job *search_job;	/* the part that is searched; NULL: all of it */
extern const char search_does_not_fit[];
extern bool search_looks_first;		/* at few executions, before it is known what all would take */
extern double search_latest;		/* DPOR gets until then, if it gets on well; 0: what it was given */
/* 1: the strategy came to its end. */
int search_run(const struct strategy *strategy, double seconds);
int search_bounds(double seconds);
bool search_enough(void);
/* The execution that just ran, whoever ran it; count: it is one of the search. True: it showed something new. */
bool search_account(bool count);
/* Since the first failure, as executions. */
u64 search_further(void);

/* --- auto.c --- */

/* By the strategy that was asked for. True: nothing is left. */
bool search_all(void);
void search_walk_after_races(void);
/* Of an execution that is none of a strategy's, what shows in it. True: stop. */
bool search_collect(int probe);
extern bool search_only_plans;		/* what may take long is not begun */
extern int search_planned;		/* but that is what it would be by */

/* --- verdict.c --- */

/* Was there one, so that other orders of plain accesses may do other harm? */
bool search_has_race(void);
/* What objects are called, of the next execution on. */
void search_name_objects(void);
void search_conclude(bool exhausted, struct xp_result *out);

/* --- search.c: what the parts of a search are made with --- */

int search_enter(const s32 *code, size_t nr_words, const struct xp_options *wanted);
void search_leave(void);
/* Up to a search that may take long: which one, or XP_S_AUTO: it is over, and *out is its result. */
int search_plan(struct xp_result *out);

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
