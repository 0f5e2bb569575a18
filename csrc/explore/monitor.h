/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the monitors know: monitor.c (answers), contract.c (what a driver may do), results.c (returns, outcomes), over
 * variable.c (a thing that several tasks change) and sight.c (what calls may have met).
 */
#ifndef IOPF_EXPLORE_MONITOR_H
#define IOPF_EXPLORE_MONITOR_H

#include "search.h"
#include "variable.h"

#define MAX_PASIDS 16

/* Of one PASID of an iommu group. */
struct attachment {
	int pasid;
	struct variable domain;	/* by the number of its address space */
	u64 readers;		/* tasks whose report is under way */
	int leaving;		/* detach and replace that run */
	u32 left;		/* stamp of the last one's end */
};

struct device_state {
	struct variable queue;
	u64 readers;		/* tasks whose report or flush is under way */
	bool closed;
	int closing;
	int reports;		/* that run */
	int adding;		/* adds that run */
	u32 removed;		/* stamp of the end of the last removal that may have been one */
	int removals;		/* so far, that are certain to have been ones */
	struct attachment attached[MAX_PASIDS];
	int nr_attached;
};

struct queue_state {
	bool freed;
	int calls, freeing;	/* that run */
};

extern struct device_state device_states[MAX_DEVICES];
extern struct queue_state queue_states[MAX_QUEUES];
extern int monitor_date;
extern u16 monitor_nth_report[MAX_TASKS];

/* Devices that share an iommu group share its attachments; the state is kept with the first of them. */
struct attachment *attachment(int device, int pasid);
int monitor_new_space(int handler);

/* Everything that was so at some time of a call: what it may have met. */
struct sight {
	int device;
	struct attachment *attachment;
	u32 queues, handlers;	/* as bits, NOTHING is bit 0 */
	int space;		/* the only one, NOTHING: none or several */
	bool any_space;
};

/* A call of the current task that looks at these begins, and ends. */
const struct sight *monitor_see(int device, int pasid);
const struct sight *monitor_seen(void);
/* A change of it began. */
void monitor_show_queue(const struct device_state *s);
void monitor_show_domain(const struct attachment *a);
void sight_reset(void);
void results_reset(void);
bool report_may(const struct token *t, const struct sight *seen, int result);

/* --- what came before what --- */

static inline bool demands(unsigned int demand)
{
	return core->facts.demands & demand;
}

/* A moment of the current task, to ask later whether it is certain to have been before. */
static inline u32 stamp(void)
{
	struct task *t = engine.current;

	return (u32)t->id << 16 | (u16)t->race.at[t->id];
}

static inline bool is_before(u32 then)
{
	struct task *t = engine.current;

	return (int)(then >> 16) == t->id || (s16)(then & 0xffff) <= t->race.at[then >> 16];
}

/* The report has returned, for certain. */
static inline bool is_over(const struct token *t)
{
	return t->returned && is_before(t->returned_at);
}

/* Nobody has its group any more, for certain. */
static inline bool is_answered(const struct token *t)
{
	return !t->last || t->flushed || (t->answers && is_before(t->answered_at));
}

#endif
