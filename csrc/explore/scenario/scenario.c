// SPDX-License-Identifier: GPL-2.0-only
/* Reading a scenario: everything that an interpreter must not be asked is refused here, with the record's number. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scenario.h"

struct scenario scenario;
const struct iopf_core *core;

static char error[200];

static const char *__printf(1, 2) wrong(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, sizeof(error), format, args);
	va_end(args);
	return error;
}

static bool in(s32 value, s32 first, s32 end)
{
	return value >= first && value < end;
}

/* number: of the address space, from 1; 0: none. */
static bool is_space_of(s32 handler, s32 number)
{
	return !number || (handler == XP_H_SVA && in(number, 1, scenario.nr_spaces + 1));
}

static bool is_attachable(s32 pasid)
{
	return in(pasid, 0, PASID_LIMIT);
}

static bool is_range(const struct record *r)
{
	u64 start = record_u64(r->b, r->c), length = record_u64(r->e, r->f);

	return length && start + length > start;
}

/* --- the kinds of operands.h: each has a rule for the value v of an operand of record r --- */

/* Where the record is: its number, and those of its section's first one and of the one after its last. */
struct place {
	int number, first, end;
};

#define KIND(name, rule)										\
static __maybe_unused inline bool is_##name(const struct record *r, s32 v, const struct place *at)	\
{													\
	return (rule);											\
}
KIND(DEVICE, in(v, 0, scenario.nr_devices))
KIND(QUEUE, in(v, 0, scenario.nr_queues))
KIND(QUEUE_OR_NULL, in(v, -1, scenario.nr_queues))
KIND(LOCK, in(v, 0, scenario.nr_locks))
KIND(SPACE, in(v, 0, scenario.nr_spaces))
KIND(SPACE_OF_SVA, is_space_of(r->b, v))
KIND(HANDLER, in(v, XP_H_SVA, XP_H_NONE + 1))
KIND(ID, true)				/* an index, or a PASID: a request may carry any */
KIND(PASID, is_attachable(v))
KIND(PERM, in(v, 0, 16))
KIND(MAPPED, in(v, 0, 8))
KIND(REQUEST, in(v, 0, 1 << 24))	/* and what else is in the same operand */
KIND(OTHER_TYPE, true)
KIND(RAW_FLAGS, true)
KIND(LOWER, true)
KIND(UPPER, true)
KIND(LENGTH, is_range(r))
KIND(RESULT, true)
KIND(CODE, in(v, 0, 3))
KIND(FLAG, in(v, 0, 2))
KIND(NATURAL, v >= 0)
KIND(NUMBER, true)
KIND(TIMES, in(v, 1, 1001))
KIND(REPEATED, in(v, 1, at->number - at->first + 1))
KIND(SKIPPED, in(v, 0, at->end - at->number))
KIND(REGISTER, in(v, 0, XP_REGISTERS))
KIND(REGISTER_OR_NONE, in(v, -1, XP_REGISTERS))
KIND(BASE, in(v, scenario.memory ? -1 : 0, XP_REGISTERS))
KIND(OFFSET, in(v, 0, 65536))
KIND(BYTES, v == 1 || v == 2 || v == 4 || v == 8)
KIND(ALLOCATED, in(v, 1, 65536))
KIND(ORDER, in(v, XP_PLAIN, XP_SEQ_CST + 1))
KIND(ATOMIC_ORDER, in(v, XP_RELAXED, XP_SEQ_CST + 1))
KIND(WORKQUEUE, in(v, 0, XP_WORKQUEUES))
KIND(BODY, in(v, 0, scenario.nr_works))
KIND(FORM, in(v, 0, 4))
KIND(HOW_RMW, in(v, 0, XP_RMW_XCHG + 1))
KIND(HOW_REF, in(v, 0, XP_REF_DEC_AND_TEST + 1))
KIND(HOW_MUTEX, in(v, 0, XP_MUTEX_ASSERT_HELD + 1))
KIND(HOW_RCU, in(v, 0, XP_RCU_CALL + 1))
KIND(HOW_LIST, in(v, 0, XP_LIST_FIRST + 1))
KIND(HOW_WQ, in(v, 0, XP_WQ_DESTROY + 1))
KIND(HOW_SPINLOCK, in(v, 0, XP_SPINLOCK_PREEMPT_ENABLE + 1))
KIND(HOW_COMPLETION, in(v, 0, XP_COMPLETION_REINIT + 1))
KIND(HOW_WAITQUEUE, in(v, 0, XP_WAITQUEUE_ACTIVE + 1))
KIND(HOW_ONE_WORK, in(v, 0, XP_ONE_WORK_PENDING + 1))
/* Of those that are about an object at all. */
KIND(RCU_REGISTER, r->d < XP_RCU_KFREE || is_REGISTER(r, v, at))
KIND(RCU_OFFSET, r->d < XP_RCU_KFREE || is_OFFSET(r, v, at))
KIND(RCU_BODY, r->d != XP_RCU_CALL || is_BODY(r, v, at))
KIND(SPINLOCK_BASE, r->d >= XP_SPINLOCK_PREEMPT_DISABLE || is_BASE(r, v, at))
KIND(SPINLOCK_OFFSET, r->d >= XP_SPINLOCK_PREEMPT_DISABLE || is_OFFSET(r, v, at))

static const char *check(const struct record *r, const struct place *at)
{
	bool fits = true;

	switch (r->op) {
#define V(operand, value, kind) && is_##kind(r, r->operand, at)
#define OPERATION(opcode, name, values...)		\
	case opcode:					\
		fits = true values;			\
		break;
#include "operands.h"
	case XP_NOTHING:
		break;
	default:
		return wrong("record %d: there is no operation %d", at->number, r->op);
	}
	return fits ? NULL : wrong("record %d: an operand of operation %d names nothing", at->number, r->op);
}

static const char *define(const struct record *r, int i)
{
	struct scenario *s = &scenario;

	switch (r->op) {
	case XP_NOTHING:
		return NULL;
	case XP_DEF_QUEUE:
		if (s->nr_queues == MAX_QUEUES)
			return wrong("more than %d queues", MAX_QUEUES);
		if (r->a < -1)
			return wrong("record %d: a queue has -1 (none), 0 (no limit) or more workers", i);
		s->queues[s->nr_queues++] = i;
		return NULL;
	case XP_DEF_DEVICE:
		if (s->nr_devices == MAX_DEVICES)
			return wrong("more than %d devices", MAX_DEVICES);
		s->devices[s->nr_devices++] = i;
		return NULL;
	case XP_DEF_SPACE:
		if (s->nr_spaces++ == MAX_PROCESSES)
			return wrong("more than %d address spaces", MAX_PROCESSES);
		return NULL;
	case XP_DEF_LOCK:
		if (s->nr_locks++ == MAX_LOCKS)
			return wrong("more than %d locks", MAX_LOCKS);
		return NULL;
	case XP_DEF_EXPECT:
		if (!in(r->a, 1, XP_KINDS))
			return wrong("record %d: there is no kind %d", i, r->a);
		s->expected |= 1u << r->a;
		return NULL;
	case XP_DEF_ALLOC_MAY_FAIL:
		s->alloc_may_fail = s->may_fail = true;
		return NULL;
	case XP_DEF_MEMORY:
		if (!in(r->a, 1, 4097))
			return wrong("record %d: 1 to 4096 bytes of shared memory", i);
		s->memory = (r->a + 7) & ~7;
		return NULL;
	default:
		return wrong("record %d: there is no definition %d", i, r->op);
	}
}

static const char *check_devices(void)
{
	int i;

	for (i = 0; i < scenario.nr_devices; i++) {
		const struct record *r = &scenario.records[scenario.devices[i]];

		if (!in(r->a, -1, scenario.nr_queues) || !in(r->b, -1, XP_H_NONE + 1) || !is_attachable(r->c) ||
		    !in(r->d, -1, scenario.nr_locks) || r->e < 0 || !in(r->f, -1, i) || !is_space_of(r->b, r->g) || !in(r->h, 0, 2))
			return wrong("record %d: an operand of device %d names nothing", scenario.devices[i], i);
	}
	return NULL;
}

static const char *check_section(const struct section *section)
{
	int i;

	for (i = section->begin; i < section->end; i++) {
		const char *why = check(&scenario.records[i], &(struct place){ i, section->begin, section->end });

		if (why)
			return why;
		if (scenario.records[i].op == XP_FAIL_ALLOC)
			scenario.may_fail = true;
	}
	return NULL;
}

const char *scenario_load(const s32 *code, size_t nr_words)
{
	struct scenario *s = &scenario;
	struct section *section = NULL;
	const char *why;
	int i;

	memset(s, 0, sizeof(*s));
	s->records = (const struct record *)code;
	if (!nr_words || nr_words % XP_WORDS || nr_words / XP_WORDS > MAX_RECORDS)
		return wrong("a scenario has 1 to %d records of %d numbers", MAX_RECORDS, XP_WORDS);
	s->nr_records = (int)(nr_words / XP_WORDS);
	if (s->records[s->nr_records - 1].op != XP_END)
		return wrong("the last record has to be the end");

	for (i = 0; i < s->nr_records; i++) {
		const struct record *r = &s->records[i];
		struct section *next = NULL;

		switch (r->op) {
		case XP_SETUP:
			next = &s->setup;
			break;
		case XP_TEARDOWN:
			next = &s->teardown;
			break;
		case XP_TASK:
			if (s->nr_tasks == MAX_SECTIONS)
				return wrong("more than %d tasks", MAX_SECTIONS);
			next = &s->tasks[s->nr_tasks++];
			break;
		case XP_WORK:
			if (s->nr_works == MAX_SECTIONS)
				return wrong("more than %d work bodies", MAX_SECTIONS);
			next = &s->works[s->nr_works++];
			break;
		case XP_END:
			if (i != s->nr_records - 1)
				return wrong("record %d: the end has to be the last record", i);
			break;
		default:
			if (!section) {
				why = define(r, i);
				if (why)
					return why;
			}
			continue;
		}
		if (section)
			section->end = i;
		if (next) {
			if (next->begin)
				return wrong("record %d: that section was there before", i);
			next->begin = next->end = i + 1;
			next->twins = r->op == XP_TASK ? r->a : -1;
		}
		section = next;
	}

	why = check_devices();
	if (!why)
		why = check_section(&s->setup);
	if (!why)
		why = check_section(&s->teardown);
	for (i = 0; !why && i < s->nr_tasks; i++)
		why = check_section(&s->tasks[i]);
	for (i = 0; !why && i < s->nr_works; i++)
		why = check_section(&s->works[i]);
	return why;
}
