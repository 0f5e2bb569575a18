/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * strategy/: which task goes on, and which execution is next. A strategy is a struct that the scheduler asks.
 *
 * The room may use progress.h (the clock), names/ and the explorer's runtime; it knows nothing of scenarios and monitors.
 */
#ifndef IOPF_EXPLORE_STRATEGY_H
#define IOPF_EXPLORE_STRATEGY_H

#include "explore.h"
#include "detect/detect.h"
#include "names/names.h"
#include "progress.h"

#pragma GCC visibility push(hidden)

extern const struct strategy strategy_dpor, strategy_naive, strategy_sleep, strategy_bound, strategy_shortest,
	strategy_random, strategy_pct, strategy_walk, strategy_repeat, strategy_schedule;

/* path.c: the tree of choices that the exhaustive ones walk */
struct path_rules {
	bool sleep, all, bounded;
	bool moments;		/* are points within a bound, too */
};
void path_begin(struct path_rules rules);
int path_pick(u64 enabled, int previous);
bool path_next(void);
void path_want(int node, u64 tasks);
/* A race of the newest step with that of a node: was all in which they come the other way round explored before? */
bool path_was_seen(int node);
extern double path_mass;
extern int path_bound;		/* of preemptions */
extern bool path_was_cut;	/* the bound kept something out */

/* job.c: parts of that tree */
enum job_taken { JOB_TAKEN, JOB_DOES_NOT_FIT, JOB_STOPPED };
enum job_taken job_take(const struct xp_job *job);
int job_rest(int wanted);

/* random.c */
void random_seed(u64 seed);
u64 random_next(void);
double random_unit(void);
/* Chance of the last walk. */
extern double random_probability;
bool random_learn(void);
void random_forget(void);

/* pct.c */
#define PCT_DEPTH 16
void pct_depth(int depth);	/* of the bugs that are looked for, 1 to PCT_DEPTH */
void pct_forget(void);		/* how long executions are */

/* estimate.c */
struct estimate {
	double mean;		/* 0: none, and why */
	double low, high;	/* each with 99 in 100; 0: nobody knows */
	int walks;
	const char *why;
};
/* brief: ends sooner where there is little to explore. collect is asked after every walk, and may end it. */
struct estimate estimate_classes(double seconds, bool brief, bool (*collect)(int probe));

/* replay.c */
void replay_runs(const struct xp_run *runs, int nr_runs, struct xp_divergence *divergence);
struct choice {
	u8 task, alternative;
};

/* follow.c: a schedule of another time, as far as it fits */
#define MOST_AHEAD 30000
#define FOLLOW_TOLD 64
struct follow_way {
	int ahead;		/* a step may be taken for one of so many next ones of its task */
	bool at_the_end;	/* what is new there belongs to the stretch that it is at the end of */
	int stretch, more;	/* at the end of that one steps more are made, one less than more; 0: of none */
};
/* Ways of reading a schedule, from 0. False: there are no more. */
bool follow_way(const struct xp_schedule *schedule, int number, struct follow_way *way);
struct follow_fit {
	int nr_differences;	/* told are the first FOLLOW_TOLD */
	int nr_before_end;	/* those before the schedule was over: what comes behind is of interest where it fails there */
	struct xp_difference told[FOLLOW_TOLD];
};
/* One execution. False: its tasks cannot be those of any search, or there is no memory. */
bool follow_once(const struct xp_schedule *schedule, struct follow_way how, struct follow_fit *told);
extern const struct choice *schedule_choices;
extern int schedule_length, schedule_diverged;
extern bool schedule_free_after, schedule_lenient;	/* after its end: lowest task first, without preemption */

/* --- contention.c: which objects make the branches --- */
void contention_reset(void);
void contention_race(const struct node *earlier, const struct node *later);
void contention_finish(void);		/* names them */
int contention_shown(void);

#pragma GCC visibility pop

#endif
