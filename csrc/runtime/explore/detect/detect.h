/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * detect/: what an execution shows. Objects and what is known of every byte of them, the two orders of happens-before,
 * findings, deadlocks, loops that come to no point, and the history.
 *
 * The room may use machine/ alone: of the primitives it knows what their operations say of themselves.
 */
#ifndef IOPF_EXPLORE_DETECT_H
#define IOPF_EXPLORE_DETECT_H

#include "hb.h"
#include "heap.h"
#include "machine/engine.h"

#pragma GCC visibility push(hidden)

/* --- finding.c --- */

/* Reports; an execution in which going on would do harm ends here. */
struct finding *__attribute__((cold)) finding_add(int kind, u64 addr, const void *pc, const char *text);
void __attribute__((cold)) finding_kept_lock(const struct task *t, const char *text);
void __attribute__((noreturn, cold)) finding_fatal(int kind, u64 addr, const void *pc, const char *text);

/* --- history.c --- */

/* Of the history alone: a remark without words, accesses. */
extern struct op_class op_note, op_read, op_write;
/* A finding, by its kind. */
extern struct op_class op_finding;
extern bool event_point_next;	/* the next event of the history is a scheduling point */

/* --- deadlock.c --- */

void __attribute__((noreturn)) finding_deadlock(void);
u64 finding_waits_for(int task);

/* --- hb.c; what is done at every operation is in hb.h --- */

void hb_reset(void);
void hb_forget_all(void);
/* The current step comes after that one, and could not have come before it. */
void hb_after(int node);
/* It comes after all that the clock has seen. */
void hb_after_all(const struct clock *clock);
/* The step is complete: its races go to the strategy. */
void hb_step_done(void);
/* As if the pending operations of all tasks ran now: for an execution that ends with some. */
void hb_pending_races(void);
/* The same of one task, which will not come to it. Between the end of a step and the first access of the next. */
void hb_would_race(struct task *t);
/* class.c */
bool footprints_conflict(const struct footprint *a, unsigned int na, const struct footprint *b, unsigned int nb);
struct footprint *hb_footprints(void);	/* the pool that nodes and sleepers index */
extern u32 hb_footprint_top;
/* The class of the execution that just ran: equal for executions that differ in the order of independent steps. */
u64 hb_class(void);

/* Nodes that are no repetition have another hash than they had. */
void class_reset(void);

/* --- names for addresses, the same in every run and every process (heap.c) --- */
u64 address_identity(u64 addr);
/* Is a value an address, of the heap, a stack, or a shared object: another number in every process. */
bool is_address(u64 value);

/* --- watch.c: a task that comes to no scheduling point --- */

#define MOST_ACCESSES SHADOW_MOST_FAST
void watch_reset(void);
/* From now on what the task does is looked at. Once for each stretch without a point. */
void watch_begin(const struct task *t);
/* It is in that function of the core: the call that it makes, or the access, or where it was met. */
void watch_call(const struct task *t, const void *pc);
void watch_access(const struct task *t, const void *pc);
void watch_met(const struct task *t, const void *pc);
/* What it would be as a finding, and that it is one. The execution has to end then. */
struct finding watch_finding(const struct task *t);
void watch_conclude(struct task *t);
/* So many accesses without a point. Comes back once: it is looked at a while longer. */
void watch_accesses(struct task *t);

#pragma GCC visibility pop

#endif
