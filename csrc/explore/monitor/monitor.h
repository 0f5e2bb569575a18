/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files of the room, from above: moment.c, which is told of an execution and writes it down as a word of moments;
 * monitor.c, to whom each call of a moment goes, and who judges answers; contract.c (what a driver may do), groups.c (what a
 * handler gets), results.c (returns, outcomes); observed.c (what calls may have met); possible.c (a thing that several tasks
 * change); tokens.c; state.c, where all that they know of an execution is. None knows one above it: tests/test_rooms.py.
 * outcomes.c is what executions came to, and hashes.c the sets for that, and for whoever else has some.
 *
 * They judge every order in which a class could have come to them (orders.c): so nothing here asks the engine what is so
 * now, but for monitor_now, the moment that is being judged.
 */
#ifndef IOPF_EXPLORE_MONITOR_H
#define IOPF_EXPLORE_MONITOR_H

#include "possible.h"
#include "tell.h"

#define MAX_PASIDS 16

/* Of one PASID of an iommu group. */
struct attachment {
	int pasid;
	struct possible domain;	/* by the number of its address space */
	u64 readers;		/* tasks whose report is under way */
	int leaving;		/* detach and replace that run */
	u32 left;		/* stamp of the last one's end */
};

struct device_state {
	struct possible queue;
	u64 readers;		/* tasks whose report or flush is under way */
	bool closed;
	int closing;
	int reports;		/* that run */
	int adding;		/* adds that run */
	u32 removed;		/* stamp of the end of the last removal that may have been one */
	int removals;		/* so far, that are certain to have been ones */
	int perhaps_removals;	/* and those that may have been ones */
	struct attachment attached[MAX_PASIDS];
	int nr_attached;
};

struct queue_state {
	bool freed;
	int calls, freeing;	/* that run */
	int discard_began, discard_ended;	/* dates of the last one that is over */
};

extern struct device_state device_states[MAX_DEVICES];
extern struct queue_state queue_states[MAX_QUEUES];
extern int monitor_date;
extern u16 monitor_nth_report[MAX_TASKS];

/* Devices that share an iommu group share its attachments; the state is kept with the first of them. */
struct attachment *attachment(int device, int pasid);
int monitor_new_space(const struct attaching *a);
/* Some domain refuses what it gets. */
bool may_be_refused(void);
/* Does the request need what is attached there: its PASID's, or that of the guest's table. */
bool is_resolved_by(const struct token *t, const struct attachment *a);

/* Everything that was so at some time of a call: what it may have met. */
struct observed {
	int device;
	struct attachment *attachment, *nested;	/* nested: where the guest's PASIDs are resolved, if not here. Or NULL */
	u32 queues, handlers;	/* as bits, NOTHING is bit 0 */
	int space;		/* the only one, NOTHING: none or several */
	bool any_space;
};

/* A call of the current task that looks at these begins, and ends. */
const struct observed *monitor_observe(int device, int pasid);
const struct observed *monitor_observed(void);
/* A change of it began. */
void monitor_show_queue(const struct device_state *s);
void monitor_show_domain(const struct attachment *a);
void observed_reset(void);
void values_reset(void);
bool report_may(const struct token *t, const struct observed *seen, int result);

/* --- moments: what the monitors are told of an execution (moment.c) --- */

/* Who gives an answer: it says which code that may have. */
enum answerer {
	BY_NOBODY,		/* a call that answers no request */
	BY_OWNER,		/* of the group, with a code */
	BY_WORK,		/* an owner, too: the code is what became of the faults */
	BY_FREE,		/* the owner frees its group unanswered */
	BY_REPORT,
	BY_REMOVAL,
};

enum call_kind {
	CALL_REPORT_BEGIN, CALL_REPORT_END, CALL_HANDLER, CALL_MEMBER, CALL_GROUP, CALL_RESOLVE, CALL_RESPONSE,
	CALL_OWNER_BEGIN, CALL_OWNER_END, CALL_WORK_END, CALL_DROP, CALL_INSIDE,
	CALL_CHANGE_BEGIN, CALL_CHANGE_END, CALL_ATTACH_BEGIN, CALL_ATTACH_END,
	CALL_FLUSH_BEGIN, CALL_FLUSH_END, CALL_QUEUE_BEGIN, CALL_QUEUE_END,
	CALL_RESULT,
};

struct call {
	u8 kind;
	bool known;		/* RESPONSE: to a request that was made; MEMBER: with the fields that it was reported with;
				 * RESOLVE: code is what the address space says */
	bool warned;		/* a WARN blamed the caller of what ends; RESPONSE: since the call began */
	u8 by;			/* RESPONSE: enum answerer */
	u8 given;		/* by an owner: the code that it gave */
	u16 resolved, faulted;	/* by a work: faults that it has looked up, and faulted in */
	u64 report;		/* by a report: the number of its own request */
	s16 op, device, queue;
	int held;
	s32 result;		/* attach: the new address space; RESPONSE: 1 a work gives it */
	u64 number, expected;	/* of requests; expected: which its owner gave the answer for */
	u32 grpid, pasid, answer_pasid, code;	/* pasid 0: none */
	const struct record *record;
	const void *pc;		/* in the core, where it is called from there, or the operation; NULL: neither */
	int event;		/* of the history, when there is one */
};

/* From one scheduling point to the next: calls that nothing can come between. */
struct moment {
	s16 task;
	u16 ordinal;		/* of its step */
	int node, record;
	int first, nr;		/* of calls */
	/* What it comes after: by dependence, and by memory order. A count for each of the first nr_tasks tasks. */
	int nr_tasks;
	const s16 *step, *race;
};

static inline int seen_by(const s16 *clock, int task, const struct moment *m)
{
	return task < m->nr_tasks ? clock[task] : 0;
}

#define MAX_MOMENTS 4096
#define MAX_CALLS 16384
extern struct moment moments[MAX_MOMENTS];
extern struct call calls[MAX_CALLS];
extern int nr_moments, nr_calls;
extern const struct moment *monitor_now;

/* The monitors forget all: before an execution, and before each order that it might have had. */
void monitors_reset(void);
/* What the monitors make of a call. */
void judge(const struct call *c);
extern bool ended_well;		/* the call that was judged last ended with a result that is allowed there */
/* Where orders are tried that were not executed, what is wrong in one goes there; NULL: it is a finding. */
extern void (*monitor_alarm)(int kind, const void *pc, const char *text, u64 detail);
void __attribute__((cold)) monitor_wrong(int kind, const void *pc, const char *text, u64 detail);
/* More than a monitor can follow. */
void __attribute__((cold)) monitor_overflow(const char *text);

bool judge_change_begin(const struct call *c);
bool judge_change_end(const struct call *c);
bool judge_flush_begin(const struct call *c);
bool judge_flush_end(const struct call *c);
bool judge_attach_begin(const struct call *c);
bool judge_attach_end(const struct call *c);
/* groups.c */
void groups_reset(void);
bool judge_member(const struct call *c);
bool judge_group(const struct call *c);
void groups_handler(void);
void judge_membership(const struct token *t, const void *pc);

/* A step of a hash. */
static inline u64 mix(u64 a, u64 b)
{
	a = (a ^ b) * 0x9e3779b97f4a7c15ull;
	return a ^ a >> 31;
}

static inline bool same_key(const struct token *a, const struct token *b)
{
	return a->device == b->device && a->grpid == b->grpid && a->pasid == b->pasid;
}

/* A WARN has to blame the caller, or must not; on forms that say when. */
void judge_warn(const struct call *c, bool must, bool may);

bool judge_queue_begin(const struct call *c);
bool judge_queue_end(const struct call *c);
bool judge_owner_begin(const struct call *c);
bool judge_owner_end(const struct call *c);
bool judge_work_end(const struct call *c);
bool judge_drop(const struct call *c);
bool judge_inside(const struct call *c);
bool judge_result(const struct call *c);
void contract_reset(void);

/* --- what came before what --- */

static inline bool demands(unsigned int demand)
{
	return core->facts.demands & demand;
}

/* This moment, to ask later whether it is certain to have been before. */
static inline u32 stamp(void)
{
	return (u32)monitor_now->task << 16 | (u16)seen_by(monitor_now->race, monitor_now->task, monitor_now);
}

static inline bool is_before(u32 then)
{
	return (int)(then >> 16) == monitor_now->task || (s16)(then & 0xffff) <= seen_by(monitor_now->race, (int)(then >> 16), monitor_now);
}

/* The report has returned, for certain. */
static inline bool is_over(const struct token *t)
{
	return t->returned && is_before(t->returned_at);
}

/*
 * Nobody has its group any more, for certain, whom a driver could wait for: its owner has answered, its work is over, or it
 * came to no owner. If the device got no answer all the same, the core has lost it, and the driver is not to blame.
 */
static inline bool is_given_up(const struct token *t)
{
	if (t->given_up && is_before(t->given_up_at))
		return true;
	return core->facts.group_handlers && is_over(t) && t->handled != XP_H_SVA && t->handled != XP_H_HELD;
}

static inline bool is_answered(const struct token *t)
{
	return !t->last || t->flushed || (t->answers && is_before(t->answered_at)) || is_given_up(t);
}

#endif
