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
bool (*engine_respond_ready)(struct task *t);

static const char *const names[NR_OPS] = {
	[OP_NONE] = "nothing",
	[OP_LOCK] = "mutex_lock",
	[OP_TRYLOCK] = "mutex_trylock",
	[OP_UNLOCK] = "mutex_unlock",
	[OP_IS_LOCKED] = "mutex_is_locked",
	[OP_LOAD] = "atomic load",
	[OP_STORE] = "atomic store",
	[OP_RMW] = "atomic read-modify-write",
	[OP_CAS] = "compare-and-exchange",
	[OP_REF_SET] = "refcount_set",
	[OP_REF_READ] = "refcount_read",
	[OP_REF_INC] = "refcount_inc",
	[OP_REF_INZ] = "refcount_inc_not_zero",
	[OP_REF_DEC] = "refcount_dec",
	[OP_REF_DAT] = "refcount_dec_and_test",
	[OP_RCU_LOCK] = "rcu_read_lock",
	[OP_RCU_UNLOCK] = "rcu_read_unlock",
	[OP_RCU_SNAPSHOT] = "grace period begins",
	[OP_RCU_WAIT] = "grace period ends",
	[OP_RCU_BARRIER] = "rcu_barrier",
	[OP_RCU_BARRIER_WAIT] = "rcu_barrier ends",
	[OP_KFREE_RCU] = "kfree_rcu",
	[OP_CALL_RCU] = "call_rcu",
	[OP_RCU_CALLBACK] = "RCU callback",
	[OP_QUEUE_WORK] = "queue_work",
	[OP_WORK] = "work begins",
	[OP_WORK_END] = "work ends",
	[OP_FLUSH] = "flush_workqueue",
	[OP_FLUSH_WAIT] = "flush_workqueue ends",
	[OP_DRAIN] = "destroy_workqueue",
	[OP_DRAIN_WAIT] = "destroy_workqueue drained",
	[OP_ALLOC] = "allocate",
	[OP_FREE] = "kfree",
	[OP_CHOICE] = "allocation may fail",
	[OP_READ] = "read",
	[OP_WRITE] = "write",
	[OP_AWAIT] = "await",
	[OP_HOLD] = "handler keeps the group",
	[OP_RESPOND] = "take a held group",
	[OP_JOIN] = "join",
	[OP_MOMENT] = "call or answer",
	[OP_NOTE] = "note",
	[OP_MM_LOOKUP] = "vma_lookup",
	[OP_MM_MAP] = "map",
	[OP_MM_UNMAP] = "unmap",
	[OP_MM_EXIT] = "exit_mmap",
};

const char *op_name(enum op_kind kind)
{
	return names[kind];
}

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
	note(OP_NOTE, addr, pc, "!", (u64)kind);
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

static void event_add(enum op_kind kind, enum access_mode mode, u64 addr, const void *pc, struct event **out)
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
		.kind = (u8)kind,
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

void commit_record(enum op_kind kind, enum access_mode mode, u64 addr, const void *pc, bool has, s64 before, s64 after)
{
	struct event *e;

	if (engine.hashing) {
		mix((u64)engine.current->id << 16 | (u64)kind << 8 | (u64)mode);
		mix(address_identity(addr));
		if (has)
			mix(is_address((u64)after) ? address_identity((u64)after) : (u64)after);
	}
	if (!engine.logging)
		return;
	event_add(kind, mode, addr, pc, &e);
	if (!e)
		return;
	e->has_values = has;
	e->before = before;
	e->after = after;
}

void note_record(enum op_kind kind, u64 addr, const void *pc, const char *text, u64 detail)
{
	struct event *e;
	bool point = event_point_next;

	if (!text && (kind == OP_READ || kind == OP_WRITE || kind == OP_NOTE) &&
	    engine.nr_events - engine.turn_events > MOST_IN_A_STRETCH)
		return;
	/* A remark takes no point away from what it is about. */
	if (kind == OP_NOTE)
		event_point_next = false;
	event_add(kind, MODE_READ, addr, pc, &e);
	if (e) {
		e->text = text;
		e->detail = detail;
	}
	if (kind == OP_NOTE)
		event_point_next = point;
}
