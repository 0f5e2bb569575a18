/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report/: what a search tells of a failure: one of each signature, its shortest schedule, its trace with names and places.
 *
 * The room may use strategy/, program/, monitor/, names/, scenario/ and the explorer's runtime.
 */
#ifndef IOPF_EXPLORE_REPORT_H
#define IOPF_EXPLORE_REPORT_H

#include "monitor/tell.h"
#include "program/program.h"
#include "strategy/strategy.h"

#pragma GCC visibility push(hidden)

/* kinds.c. The larger the graver */
int kind_rank(int kind);

/* --- signature.c: what makes two failures the same --- */

void signatures_reset(void);
/* Equal where the words are, but for what the driver broke of its contract. Of the execution that just ran. */
u64 finding_signature(const struct finding *f);
const char *signature_text(const struct finding *f, unsigned int clauses);

/* --- failures: failure.c, record.c, places.c, shrink.c --- */

struct found {
	struct finding finding;
	u64 signature;
	u64 count, execution;
	unsigned int clauses;
	const char *type;	/* of its object */
	int rank, order;	/* order: in which they were found */
	int length;
	struct choice *choices;
	int preemptions;
	bool minimal, is_note;
	int culprit[2];
	int nr_dropped;
	s32 *dropped;
	int whole_length;	/* the schedule before anything of the scenario was dropped; NULL: nothing is */
	struct choice *whole;
	struct xp_failure face;
};

#define MAX_FOUND 64
extern struct found found[MAX_FOUND];
extern int nr_found;

void failures_reset(void);
/* Notes what the execution that just ended showed. True: something that was not known. */
bool failures_collect(u64 execution);
/* Of it, what is closed by the order in which it took locks. */
void failures_collect_orders(u64 execution);
void failures_merge_predictions(void);
/* What the execution that just ended shows of that kind is noted, and is no failure. */
void failures_note(int kind);
bool failures_know(u64 signature);
/* Whether the execution that just ran shows what no other has shown with the contract kept. */
bool failures_tell_more(void);
/* In the execution that just ran. */
bool failure_shows(const struct found *f);
/* Runs a schedule; true when the same failure shows. */
bool failure_reproduces(const struct choice *choices, int length, u64 signature);
struct choice *copy_schedule(int *length);
/* Writes the trace of a failure, from its schedule. */
void record_failure(struct found *f);
extern bool record_repeats;	/* a schedule that showed its failure before: a loop in it is known at once */
void record_site(struct xp_site *sites, int *n, int task, int step, const void *pc, const char *what, const char *object);
/* The calls that led to an event of the history, inside the core. */
#define MAX_SITES 40
void record_callers(struct xp_site *sites, int *n, int event);
void record_sites(struct found *f, const struct finding *finding, const int *index_of);
/* Which steps had to come before which. */
void record_order(struct found *f, const int *step_of);
void shrink(struct found *f, double deadline);
void failures_finish(void);

/* leaks.c */
void leak_sites(struct xp_site *sites, int *n, const struct finding *f, const int *index_of);
const char *leak_message(const struct finding *f);

#pragma GCC visibility pop

#endif
