// SPDX-License-Identifier: GPL-2.0-only
/*
 * A task that comes to no scheduling point.
 *
 * Two things say so. The number of its accesses, where it makes some that are looked at: the same in every run. And, for a
 * loop that the compiler left without any hook, the processor time, which csrc/explore/guard/watchdog.c counts.
 *
 * Either way the question is where it is, and the answer has to be the same each time: not the instruction that it was met
 * at, which may be in whatever the loop calls. So the task is watched for a while before it is ended: calls and accesses
 * say how deep in the core they are, and the loop is in the outermost function that still does something. There the lowest
 * address is taken. Only in a loop without calls and accesses it is where the task was met, the lowest again.
 */
#include <limits.h>

#include "detect.h"

/* More accesses, of a task that is being watched: long enough to see the whole of a loop. */
#define WATCHED_ACCESSES 200000u

static struct {
	u32 turn;		/* engine.turns: of what stretch this is */
	bool on;
	int frame;		/* C calls deep, INT_MAX: nothing was seen */
	const void *pc, *met;
} watch;

void watch_reset(void)
{
	watch.on = false;
	engine.closely = engine.points_plain;
}

static bool is_watched(void)
{
	return watch.on && watch.turn == engine.turns;
}

void watch_begin(const struct task *t)
{
	(void)t;
	if (is_watched())
		return;
	watch.on = engine.closely = true;
	watch.turn = engine.turns;
	watch.frame = INT_MAX;
	watch.pc = watch.met = NULL;
}

static void seen(int frame, const void *pc)
{
	if (!is_watched() || frame > watch.frame || (frame == watch.frame && (u64)pc >= (u64)watch.pc))
		return;
	watch.frame = frame;
	watch.pc = pc;
}

void watch_call(const struct task *t, const void *pc)
{
	seen(t->depth - 1, pc);
}

void watch_access(const struct task *t, const void *pc)
{
	seen(t->depth, pc);
}

void watch_met(const struct task *t, const void *pc)
{
	(void)t;
	if (is_watched() && (!watch.met || (u64)pc < (u64)watch.met))
		watch.met = pc;
}

static const void *place(const struct task *t)
{
	if (!is_watched())
		return place_of(t, NULL);
	if (watch.frame == INT_MAX && watch.met)
		return watch.met;	/* also of a function that is nothing but the loop, whose call no hook told */
	return watch.frame > 0 && watch.frame < INT_MAX ? watch.pc : place_of_record(t->record);
}

#define TEXT "a loop that never comes to a scheduling point"

struct finding watch_finding(const struct task *t)
{
	return (struct finding){
		.kind = FINDING_LIVELOCK, .task = t->id, .other_task = -1, .object = -1, .pc = place(t), .text = TEXT,
	};
}

void watch_conclude(struct task *t)
{
	const void *pc = place(t);

	/* The calls below the loop are not what it is about. */
	if (is_watched() && watch.frame < t->depth)
		t->depth = watch.frame;
	finding_add(FINDING_LIVELOCK, 0, pc, TEXT)->pc = pc;
	engine.cut = true;
	engine.hash = engine.turn_hash;
}

void watch_accesses(struct task *t)
{
	if (!is_watched()) {
		watch_begin(t);
		t->accesses = MOST_ACCESSES - WATCHED_ACCESSES;
		return;
	}
	watch_conclude(t);
	engine_stop(END_FAILED);
}
