/* SPDX-License-Identifier: GPL-2.0-only */
/* What the monitors know: monitor.c (answers), contract.c (what a driver may do), results.c (returns, outcomes). */
#ifndef IOPF_EXPLORE_MONITOR_H
#define IOPF_EXPLORE_MONITOR_H

#include "search.h"

#define MAX_PASIDS 16

struct device_state {
	int queue;		/* -1: on none */
	bool closed;
	int changes;		/* that began; with busy: whether anything overlapped */
	int busy;		/* changes that run */
	int reports;		/* that run */
	int remove_began, removing, adding;	/* the last one's date; how many run */
	u32 removed;		/* stamp of the last removal's end */
	int removals;		/* so far */
	struct {
		int pasid, handler, changes, busy;
		int space, next_space;	/* the address space of the domain, and of one that is being attached */
		int leaving;		/* detach and replace that run */
		u32 left;		/* stamp of the last one's end */
	} attached[MAX_PASIDS];
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

int attached_index(struct device_state *s, int pasid);
/* Devices that share an iommu group share its attachments; the state is kept with the first of them. */
struct device_state *attachments(int device);
/* What is so when a call of the current task begins; is it still, and was nothing else going on. */
void monitor_see(int device, int pasid);
bool monitor_unchanged(int device, int pasid);
void results_reset(void);

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
