/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * monitor/: what is promised to devices and drivers, checked in every execution, and what an execution came to.
 *
 * This is the door for whoever runs a scenario: what the monitors are told of an execution, and what they say of it.
 * monitor.h has what they know, for the files of the room and for orders.c, which judges the orders of a class.
 *
 * The room may use names/, scenario/ and the explorer's runtime.
 */
#ifndef IOPF_EXPLORE_TELL_H
#define IOPF_EXPLORE_TELL_H

#include "explore.h"
#include "names/names.h"
#include "primitives/primitives.h"

#pragma GCC visibility push(hidden)

#define MAX_TOKENS 512
#define NOT_TRIED (-1)
#define MAX_HELD_GROUPS 256
#define MAX_SPACES 4096		/* of domains: those of the scenario's own address spaces are the last ones */
/* What is attached: a handler; process: the address space of the scenario's that it resolves against, -1: any. */
struct attaching {
	int device, pasid, handler, process;
	bool nested, replace;
};

struct token {
	u64 number;
	s16 task, nth;		/* whose report, and which of its */
	s16 device;
	u16 members;		/* of the group that its handler got, itself included; 0: none yet */
	u16 in_group;		/* the number of the last request of the group that it was part of, 0: none */
	s16 perhaps_removals;	/* of the device, before the report */
	u16 queues;		/* that the device may have been on when report began, as bits */
	s16 space;		/* the PASID's address space, -1: it changed */
	s16 resolved;		/* the one that its work resolved against, -1: none yet */
	s16 removals, launched;	/* removals of the device before the report, and before its handler was called */
	bool queued;		/* its work, for certain, when report returned */
	bool by_removal;	/* answered, the first time */
	bool accepted;		/* for certain, when report returned */
	bool last, returned, flushed, readded;	/* readded: perhaps, beside report or that removal */
	bool has_work, may_have_work;	/* by the handler that it met: for certain, or not */
	bool given_up;		/* whoever had its group has answered it, or its work is over */
	s16 answers;
	s8 code;		/* of the first answer, -1: none */
	s8 fault_in;		/* what the address space says of its group's pages so far, NOT_TRIED: nothing */
	s8 handled;		/* by which kind of handler, -1: none */
	bool unsure;		/* of a page of its group nobody knows what the space says */
	s16 tried;		/* pages of its group that were looked for in a space of the scenario's */
	bool other;		/* no page request: nobody answers it */
	s8 report_code;		/* of the answer that its report gave, -1: none */
	u32 grpid, pasid;
	u64 group;		/* that its handler got, 0: none */
	int record;
	int begun, ended;	/* dates of the call */
	int removal_began, removal_ended;	/* dates of the removal that it belongs to, 0: none yet */
	u32 returned_at, answered_at, given_up_at;	/* stamps */
	s16 answered_by;	/* the first answer: task, place, event */
	const void *answer_pc, *resolved_at;
	int answer_event;
	s32 result;
};
/* What they note in the history: the number of the request; what report returned; both and its code. */
extern struct op_class op_report_begins, op_report_returns, op_response;
extern struct token tokens[MAX_TOKENS];
extern int nr_tokens;

extern unsigned int monitor_clauses;	/* broken so far */

/* An execution begins. */
void monitor_reset(void);
int monitor_report_begin(int device, const struct record *r);
void monitor_report_end(int token, int result);
void monitor_response(int device, u64 private_0, u64 private_1, const struct iommu_page_response *msg, const void *pc);
/* Calls that change what a device is: begin, end. queue may be -1. */
void monitor_change_begin(int op, int device, int queue);
void monitor_change_end(int op, int device, int queue, int result);
void monitor_flush_begin(int device);
void monitor_flush_end(int device, int result);
/* Returns the number of the address space of the domain that is attached. */
int monitor_attach_begin(int op, const struct attaching *a);
void monitor_attach_end(int op, int device, int pasid, int result);
void monitor_call_begin(int queue);
void monitor_call_end(int queue, int result);
/* The result of the operation that ended just now: the one that is demanded, or one that the contract allows. */
void monitor_result(const struct record *r, int result);
void monitor_end(void);
bool monitor_is_added(int device, int *queue);
bool monitor_is_closed(int device);
bool monitor_queue_is_freed(int queue);
/* The outcome of the execution that just ran. */
u64 monitor_outcome(void);
/* The words of an outcome: *o is otherwise made already. What it gets is freed by outcomes_reset(). */
void monitor_outcome_words(struct xp_outcome *o);
/* The group that the current task is about to answer, by its token; 0: nobody said. */
void monitor_answering(u64 token, enum iommu_page_response_code code);
void monitor_freeing(u64 token);
void monitor_answered(void);
void monitor_work_of(u64 work, u64 token);
void monitor_work_ends(u64 work);
void monitor_handler(u64 token, int handler);
/* The owner of a held group answers it: the call begins, and ends. Of the request with that token; 0: nobody knows. */
void monitor_owner_begin(int held);
void monitor_owner_end(int held, u64 token);
void monitor_drop(void);
void monitor_inside(void);	/* page_response calls back */
/* Of a fault against it, the address space says code; -1: anything resolves there. */
void monitor_resolve(int space, int code, const void *pc);
void monitor_faulted(void);
void monitor_not_resolved(const void *pc);
/* Which request the current task is answering; 0: nobody said. */
u64 monitor_request(const void *pc);
/* Looks at all requests of a group, as its handler does, and tells which they are. */
void monitor_look_at(struct iopf_group *group, const void *pc);
void monitor_group(u64 last, u64 count, const void *pc);	/* after that */
void monitor_value(s64 value);	/* XP_OUT */

/* --- tokens.c: which request is which, by the token that it carries in its private data --- */

/* The second word, after the token's number. */
#define TOKEN_MAGIC 0x70726771746f6b65ull
/* The request carries that token from here on, and is remembered as it is. */
void token_give(struct iommu_fault *fault, int token);
/* By the last request of the group; 0: it has none. */
u64 token_of(const struct iopf_group *group, const void *pc);
/* The group that its handler got is that token's. */
void token_has_group(u64 token, const struct iopf_group *group);
/* The number that one request carries; 0: none that was ever given. And whether it is as it was reported with that. */
u64 token_of_fault(const struct iommu_fault *fault, bool *as_reported);

/* --- leak.c --- */

void leak_find(void);
/* Some word of one object lies in the other. */
bool leak_points_to(const struct object *from, const struct object *to);

/* --- lockorder.c --- */

void lock_order_reset(void);
/* An execution begins; it is over, and the driver broke these clauses. */
void lock_order_begin(void);
void lock_order_end(unsigned int clauses);
/* The execution that just ended came to a deadlock of these tasks. */
void lock_order_deadlock(u64 tasks, bool kept);
void lock_order_taken(struct task *t, const struct lock_class *class, u64 addr, const void *pc);
extern bool lock_order_new;		/* a cycle that was not there before */
/* What of the execution that just ended was not known, by keys that are the same in every process. */
extern u64 lock_order_news[];
extern int nr_lock_order_news;
#define MAX_CYCLES 8
struct lock_cycle {
	int length;
	const struct lock_class *classes[8];
	const void *held_pc[8], *pc[8];
	s16 tasks[8];
	unsigned int clauses;
};
extern struct lock_cycle lock_cycles[MAX_CYCLES];
/* A deadlock of these locks was found. */
bool lock_order_came_true(const struct lock_cycle *c);
extern int nr_lock_cycles;

/* What upstream chose against its own documentation is no failure (monitor.c). */
extern bool monitor_as_upstream;

/* --- outcomes.c: distinct outcomes and classes --- */
void outcomes_reset(void);
/* The outcome of the execution that just ran, which so many had. True: it is new. */
bool outcomes_collect(u64 times);
void outcomes_collect_class(void);
u64 outcomes_nr_classes(void);
int outcomes_finish(void);

#pragma GCC visibility pop

#endif
