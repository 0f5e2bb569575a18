/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * schedule/: points, who can go on, and one execution from its beginning to its end.
 *
 * The room may use detect/ and machine/: the end of a step is what happens-before is told, and what is found may end an
 * execution. So it stands above detect/, and the state that both need below.
 */
#ifndef IOPF_EXPLORE_SCHEDULE_H
#define IOPF_EXPLORE_SCHEDULE_H

#include "detect/detect.h"

#pragma GCC visibility push(hidden)

/* The scheduler's own: nothing yet, a choice of the search, task 0 waits for all others. */
extern struct op_class op_none, op_choice, op_join;

/* Memory for everything, once. 0 or -ENOMEM. */
int engine_init(void);
/* One execution. Returns engine.end. */
int engine_run(void);
/* What beginning anew costs, in ns. */
double engine_measure_reset(void);

/* --- for primitives --- */

/* Announces an operation and returns when it is this task's turn to do it. */
void wait_op(struct op_class *class, u64 addr, const void *pc);
void wait_op_index(struct op_class *class, u64 addr, u16 index, const void *pc);
/* One of n, the strategy says which. 0 outside of the concurrent part. */
int wait_choice(int n, u64 addr, const void *pc);
/* As it stands. */
void wait_for(struct op op);

/* A task for what the current one started; runs nothing yet. */
struct task *task_create(void (*main)(void *arg), void *arg, struct op_class *first, u64 addr, u16 index);
/* Runs a new task up to its first operation. Only before the concurrent part. */
void task_run_up(struct task *t);
/* The current task is over. */
void __attribute__((noreturn)) task_finish(void);
/* Runs what was created, and comes back when all of it is over. */
void engine_concurrent(void);
/* Task 0 waits for all others, without a choice. */
void engine_join(void);

#pragma GCC visibility pop

#endif
