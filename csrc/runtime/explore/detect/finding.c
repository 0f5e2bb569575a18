// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an execution shows to be wrong, and its history.
 *
 * The fast pass only notes what and where. Names, sources and the history are for the repetition of an execution that
 * is worth telling, with engine.logging on.
 */
#include <explore/explore.h>
#include <linux/mutex.h>
#include <stdlib.h>
#include <string.h>

#include "machine/engine.h"
#include "heap.h"
#include "primitives/internal.h"

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

/*
 * Nobody can go on. The finding is of the first task in the cycle of those that wait for each other (of all that wait,
 * where there is no cycle: a group that nobody answers); the first by who started whom, since numbers are the search's.
 */
static u64 waits_for(const struct task *t)
{
	u64 tasks = 0;

	switch (t->pending.kind) {
	case OP_LOCK: {
		int owner = mutex_owner((const struct mutex *)t->pending.addr);

		return owner >= 0 ? 1ull << owner : 0;
	}
	case OP_RCU_WAIT:
	case OP_RCU_BARRIER_WAIT:
	case OP_RCU_CALLBACK:
		rcu_describe_wait(t, &tasks);
		return tasks;
	case OP_WORK:
		return work_waits_for(t->pending.index);
	case OP_FLUSH_WAIT:
	case OP_DRAIN_WAIT:
		return flush_waits_for(t->pending.index);
	default:
		return 0;
	}
}

u64 finding_waits_for(int task)
{
	return waits_for(&engine.tasks[task]);
}

/* The tasks on a cycle: those that can be reached from themselves. */
static u64 on_cycle(void)
{
	u64 reach[MAX_TASKS], cycle = 0, all = engine.live | 1;
	bool changed;
	int i;

	for (i = 0; i < MAX_TASKS; i++)
		reach[i] = all >> i & 1 ? waits_for(&engine.tasks[i]) : 0;
	do {
		changed = false;
		for (i = 0; i < MAX_TASKS; i++) {
			u64 left = reach[i], more = reach[i];

			while (left) {
				more |= reach[__builtin_ctzll(left)];
				left &= left - 1;
			}
			changed |= more != reach[i];
			reach[i] = more;
		}
	} while (changed);
	for (i = 0; i < MAX_TASKS; i++)
		if (reach[i] >> i & 1)
			cycle |= 1ull << i;
	return cycle;
}

static bool only_spinning(u64 tasks)
{
	for (; tasks; tasks &= tasks - 1) {
		const struct task *t = &engine.tasks[__builtin_ctzll(tasks)];

		if (t->pending.kind != OP_AWAIT || t->spin_count <= 3)
			return false;
	}
	return true;
}

static struct task *first_of(u64 tasks)
{
	struct task *first = &engine.tasks[__builtin_ctzll(tasks)];

	for (; tasks; tasks &= tasks - 1)
		if (task_precedes(&engine.tasks[__builtin_ctzll(tasks)], first))
			first = &engine.tasks[__builtin_ctzll(tasks)];
	return first;
}

void finding_deadlock(void)
{
	u64 cycle = on_cycle();
	struct task *t;
	struct finding *f;

	if (!cycle)
		cycle = engine.live ? engine.live : 1;
	t = first_of(cycle);
	if (only_spinning(cycle))
		f = finding_add(XP_K_LIVELOCK, t->pending.addr, t->pending.pc, "nobody is left to change what a loop waits for");
	else
		f = finding_add(XP_K_DEADLOCK, t->pending.addr, t->pending.pc, "tasks wait for each other");
	/* Its place, and not that of who ran last. */
	f->pc = place_of(t, t->pending.pc);
	f->task = t->id;
	f->detail = cycle;
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
