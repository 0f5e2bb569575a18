// SPDX-License-Identifier: GPL-2.0-only
/*
 * The history of an execution, and the hash of its operations.
 *
 * It is for the repetition of an execution that is worth telling, with engine.logging on.
 */
#include <stdlib.h>

#include "detect.h"

bool event_point_next;
struct op_class op_note = { .name = "note", .remark = REMARK };
struct op_class op_read = { .name = "read" };
struct op_class op_write = { .name = "write" };

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
	if (engine.nr_events == engine.events_capacity) {
		int capacity = engine.events_capacity ? 2 * engine.events_capacity : 1024;
		struct event *events = realloc(engine.events, (size_t)capacity * sizeof(*events));

		if (!events) {
			*out = NULL;
			return;
		}
		engine.events = events;
		engine.events_capacity = capacity;
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
	if (op->remark)
		event_point_next = false;
	event_add(op, MODE_READ, addr, pc, &e);
	if (e) {
		e->text = text;
		e->detail = detail;
	}
	if (op->remark)
		event_point_next = point;
}
