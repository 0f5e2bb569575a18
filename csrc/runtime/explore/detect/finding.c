// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an execution shows to be wrong, and its history.
 *
 * The fast pass only notes what and where. Names, sources and the history are for the repetition of an execution that
 * is worth telling, with engine.logging on.
 */
#include <linux/mutex.h>
#include <stdlib.h>
#include <string.h>

#include "detect.h"

bool event_point_next;
struct op_class op_note = { .name = "note" };
struct op_class op_read = { .name = "read" };
struct op_class op_write = { .name = "write" };

/* --- findings --- */

struct finding *finding_add(int kind, u64 addr, const void *pc, const char *text)
{
	struct finding *f;
	int i;

	if (engine.current)
		pc = place_of(engine.current, pc);
	for (i = 0; i < engine.nr_findings; i++) {
		f = &engine.findings[i];
		if (f->kind == kind && f->pc == pc && f->text == text)
			return f;
	}
	if (engine.nr_findings == MAX_FINDINGS)
		return &engine.findings[MAX_FINDINGS - 1];
	f = &engine.findings[engine.nr_findings++];
	*f = (struct finding){
		.kind = kind,
		.task = engine.current ? engine.current->id : 0,
		.other_task = -1,
		.addr = addr,
		.object = addr ? heap_find(addr) : -1,
		.pc = pc,
		.text = text,
		.node = engine.depth - 1,
		.event = engine.nr_events,
	};
	note(&op_note, addr, pc, "!", (u64)kind);
	return f;
}

void finding_fatal(int kind, u64 addr, const void *pc, const char *text)
{
	finding_add(kind, addr, pc, text);
	engine_stop(END_FAILED);
}

/* --- history --- */

#define MOST_EVENTS (1 << 20)
#define MOST_IN_A_STRETCH 20000		/* accesses and calls from one point to the next: a loop tells nothing new */

static void event_add(struct op_class *op, enum access_mode mode, u64 addr, const void *pc, struct event **out)
{
	struct task *t = engine.current;
	struct event *e;

	if (engine.nr_events >= MOST_EVENTS) {
		*out = NULL;
		return;
	}
	if (engine.nr_events == engine.room_events) {
		int room = engine.room_events ? 2 * engine.room_events : 1024;
		struct event *events = realloc(engine.events, (size_t)room * sizeof(*events));

		if (!events) {
			*out = NULL;
			return;
		}
		engine.events = events;
		engine.room_events = room;
	}
	e = &engine.events[engine.nr_events++];
	*e = (struct event){
		.node = engine.parallel ? engine.depth - 1 : NO_NODE,
		.task = (s16)t->id,
		.op = op,
		.mode = (u8)mode,
		.point = event_point_next,
		.nr_held = (u8)t->nr_held,
		.depth = (u8)(t->depth > 255 ? 255 : t->depth),
		.record = t->record,
		.addr = addr,
		.pc = place_of(t, pc),
	};
	event_point_next = false;
	*out = e;
}

static inline void mix(u64 value)
{
	engine.hash = (engine.hash ^ value) * 0x9e3779b97f4a7c15ull;
	engine.hash ^= engine.hash >> 29;
}

void commit_record(struct op_class *op, enum access_mode mode, u64 addr, const void *pc, bool has, s64 before, s64 after)
{
	struct event *e;

	if (engine.hashing) {
		mix((u64)engine.current->id << 16 | op_id(op) << 8 | (u64)mode);
		mix(address_identity(addr));
		if (has)
			mix(is_address((u64)after) ? address_identity((u64)after) : (u64)after);
	}
	if (!engine.logging)
		return;
	event_add(op, mode, addr, pc, &e);
	if (!e)
		return;
	e->has_values = has;
	e->before = before;
	e->after = after;
}

void note_record(struct op_class *op, u64 addr, const void *pc, const char *text, u64 detail)
{
	struct event *e;
	bool point = event_point_next;

	if (!text && (op == &op_read || op == &op_write || op == &op_note) &&
	    engine.nr_events - engine.turn_events > MOST_IN_A_STRETCH)
		return;
	/* A remark takes no point away from what it is about. */
	if (op == &op_note)
		event_point_next = false;
	event_add(op, MODE_READ, addr, pc, &e);
	if (e) {
		e->text = text;
		e->detail = detail;
	}
	if (op == &op_note)
		event_point_next = point;
}
