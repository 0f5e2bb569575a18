/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is remembered of each object that steps depend on (hb.c says why), and what is done with it at every operation:
 * recording the access, and handing on the clocks of the race order. In line, as far as that is short.
 */
#ifndef IOPF_EXPLORE_HB_H
#define IOPF_EXPLORE_HB_H

#include "machine/engine.h"

#pragma GCC visibility push(hidden)

/* Accesses that commute with each other: of each task its last step with one. */
struct group {
	u64 tasks;
	u16 node[MAX_TASKS];
};

struct var {
	u64 addr;
	u8 current_mode;
	u8 which;		/* of groups: the current one */
	bool has_sync;
	int last_lock, last_unlock;
	struct group groups[2];
	struct clock sync;
};

extern struct var *hb_recent;	/* the one asked for last: an operation asks several times */

struct var *hb_find(u64 addr);

static inline struct var *var_of(u64 addr)
{
	if (!hb_recent || hb_recent->addr != addr)
		hb_recent = hb_find(addr);
	return hb_recent;
}

/* depend.c: a marked load of what is at addr found this pointer into the heap */
void depend_on(u64 addr, u64 value);
/* What the task's access to addr comes after, made in joined where a dependency adds to it. */
const struct clock *depend_clock(const struct task *t, u64 addr, struct clock *joined);
/* What it hands on. */
const struct clock *depend_release(const struct task *t);

static inline const struct clock *released(void)
{
	const struct task *t = engine.current;

	return likely(!t->nr_depends) ? &t->race : depend_release(t);
}

/* --- the race order: the clock that a release leaves and an acquire takes --- */

static inline void sync_acquire(u64 addr)
{
	const struct var *v = var_of(addr);

	if (v->has_sync)
		clock_join(&engine.current->race, &v->sync);
}

/* A store: what was there is gone. */
static inline void sync_release(u64 addr)
{
	struct var *v = var_of(addr);

	v->has_sync = true;
	clock_copy(&v->sync, released());
	race_tick(engine.current);
}

/* A read-modify-write: the release sequence goes on. */
static inline void sync_release_join(u64 addr)
{
	struct var *v = var_of(addr);

	if (!v->has_sync)
		clock_zero(&v->sync);
	v->has_sync = true;
	clock_join(&v->sync, released());
	race_tick(engine.current);
}

/* A relaxed store. */
static inline void sync_forget(u64 addr)
{
	var_of(addr)->has_sync = false;
}

/* --- the step order --- */

/* The current step's access: its conflicts and their order. */
void hb_commit(enum access_mode mode, u64 addr);

/* --- for primitives --- */

/* For the history, and for the hash of the events (history.c). */
void commit_record(struct op_class *op, enum access_mode mode, u64 addr, const void *pc, bool has, s64 before, s64 after);
void note_record(struct op_class *op, u64 addr, const void *pc, const char *text, u64 detail);

/* Records what the current task did, with the object's value before and after; for the history. */
static inline void commit_values(struct op_class *op, enum access_mode mode, u64 addr, const void *pc, s64 before, s64 after)
{
	if (engine.parallel)
		hb_commit(mode, addr);
	if (unlikely(engine.logging || engine.hashing))
		commit_record(op, mode, addr, pc, true, before, after);
}

static inline void commit(struct op_class *op, enum access_mode mode, u64 addr, const void *pc)
{
	if (engine.parallel)
		hb_commit(mode, addr);
	if (unlikely(engine.logging || engine.hashing))
		commit_record(op, mode, addr, pc, false, 0, 0);
}

/* An event without an effect on other tasks. */
static inline void note(struct op_class *op, u64 addr, const void *pc, const char *text, u64 detail)
{
	if (unlikely(engine.logging))
		note_record(op, addr, pc, text, detail);
}

#pragma GCC visibility pop

#endif
