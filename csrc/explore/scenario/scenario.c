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

static bool in(s32 value, s32 first, s32 behind)
{
	return value >= first && value < behind;
}

/* A request may carry any PASID. */
static bool is_attachable(s32 pasid)
{
	return in(pasid, 0, PASID_LIMIT);
}

/* number: of the address space, from 1; 0: none. */
static bool is_space_of(s32 handler, s32 number)
{
	return !number || (handler == XP_H_SVA && in(number, 1, scenario.nr_spaces + 1));
}

static bool is_range(const struct record *r)
{
	u64 start = record_u64(r->b, r->c), length = record_u64(r->e, r->f);

	return length && start + length > start;
}

static bool is_base(s32 base)
{
	return in(base, -1, XP_REGISTERS);
}

static bool is_offset(s32 offset)
{
	return in(offset, 0, 65536);
}

static bool is_bytes(s32 bytes)
{
	return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

static bool is_place(const struct record *r)
{
	return is_base(r->b) && is_offset(r->c) && (r->b >= 0 || scenario.memory);
}

/* The operands of one operation; i is its record, first the first one of its section. */
static const char *check(const struct record *r, int i, int first, int behind)
{
	const struct scenario *s = &scenario;

	switch (r->op) {
	case XP_REPORT:
		if (!in(r->a, 0, s->nr_devices) || (r->d & ~15) || !in(r->e, 0, 1 << 24))
			break;
		return NULL;
	case XP_RESPOND:
		if (!in(r->a, 0, s->nr_devices) || !in(r->d, 0, 3) || !in(r->e, 0, 2))
			break;
		return NULL;
	case XP_REMOVE:
	case XP_ADD:
		if (!in(r->a, 0, s->nr_queues) || !in(r->b, 0, s->nr_devices))
			break;
		return NULL;
	case XP_FLUSH:
	case XP_CLOSE:
		if (!in(r->a, 0, s->nr_devices))
			break;
		return NULL;
	case XP_DISCARD:
	case XP_FREE_QUEUE:
		if (!in(r->a, -1, s->nr_queues))
			break;
		return NULL;
	case XP_ATTACH:
	case XP_REPLACE:
		if (!in(r->a, 0, s->nr_devices) || !in(r->b, XP_H_SVA, XP_H_NONE + 1) || !is_attachable(r->c) ||
		    !is_space_of(r->b, r->d) || !in(r->e, 0, 2))
			break;
		return NULL;
	case XP_EXIT:
		if (!in(r->a, 0, s->nr_spaces))
			break;
		return NULL;
	case XP_MAP:
	case XP_UNMAP:
		if (!in(r->a, 0, s->nr_spaces) || !in(r->d, 0, 8) || !is_range(r))
			break;
		return NULL;
	case XP_BIND:
		if (!in(r->a, 0, s->nr_devices) || !in(r->b, 0, s->nr_spaces) || !is_attachable(r->c))
			break;
		return NULL;
	case XP_UNBIND:
	case XP_DETACH:
		if (!in(r->a, 0, s->nr_devices) || !is_attachable(r->c))
			break;
		return NULL;
	case XP_FAIL_ALLOC:
		if (r->a < 0)
			break;
		return NULL;
	case XP_LOCK:
	case XP_UNLOCK:
		if (!in(r->a, 0, s->nr_locks))
			break;
		return NULL;
	case XP_REPEAT:
		if (!in(r->a, 1, 1001) || !in(r->b, 1, i - first + 1))
			break;
		return NULL;
	case XP_LOAD:
	case XP_STORE:
		if (!in(r->a, -1, XP_REGISTERS) || !is_place(r) || !in(r->d, 0, 7) || !is_bytes(r->e))
			break;
		return NULL;
	case XP_RMW:
		if (!in(r->a, -1, XP_REGISTERS) || !is_place(r) || !in(r->d, XP_RELAXED, 7) || !is_bytes(r->e) ||
		    !in(r->g, 0, 2))
			break;
		return NULL;
	case XP_CAS:
		if (!in(r->a, -1, XP_REGISTERS) || !is_place(r) || !in(r->d, XP_RELAXED, 7) || !is_bytes(r->e))
			break;
		return NULL;
	case XP_REF:
		if (!in(r->a, -1, XP_REGISTERS) || !is_place(r) || !in(r->d, 0, 6))
			break;
		return NULL;
	case XP_MUTEX:
		if (!in(r->a, -1, XP_REGISTERS) || !is_place(r) || !in(r->d, 0, 7))
			break;
		return NULL;
	case XP_SPINLOCK:
		if (!in(r->a, -1, XP_REGISTERS) || !in(r->d, 0, 8) || !in(r->f, 0, 4) ||
		    (r->d < XP_SPINLOCK_PREEMPT_DISABLE && !is_place(r)))
			break;
		return NULL;
	case XP_COMPLETION:
		if (!in(r->a, -1, XP_REGISTERS) || !is_place(r) || !in(r->d, 0, 8))
			break;
		return NULL;
	case XP_WAITQUEUE:
		if (!in(r->a, -1, XP_REGISTERS) || !is_place(r) || !in(r->d, 0, 5) || !is_base(r->e) || !is_offset(r->f))
			break;
		return NULL;
	case XP_ONE_WORK:
		if (!in(r->a, -1, XP_REGISTERS) || !is_place(r) || !in(r->d, 0, 4))
			break;
		return NULL;
	case XP_RCU:
		if (!in(r->d, 0, 6))
			break;
		if (r->d >= XP_RCU_KFREE && (!in(r->a, 0, XP_REGISTERS) || !is_offset(r->c)))
			break;
		if (r->d == XP_RCU_CALL && !in(r->f, 0, s->nr_works))
			break;
		return NULL;
	case XP_ALLOC:
		if (!in(r->a, 0, XP_REGISTERS) || !in(r->f, 1, 65536))
			break;
		return NULL;
	case XP_FREE:
	case XP_SUM:
	case XP_OUT:
		if (!in(r->a, 0, XP_REGISTERS))
			break;
		return NULL;
	case XP_FREE_AT:
		if (!is_place(r))
			break;
		return NULL;
	case XP_MOVE:
		if (!in(r->a, 0, XP_REGISTERS) || !is_base(r->b))
			break;
		return NULL;
	case XP_ADDRESS:
	case XP_DEREF:
		if (!in(r->a, 0, XP_REGISTERS) || !is_place(r))
			break;
		return NULL;
	case XP_PUBLISH:
		if (!in(r->a, -1, XP_REGISTERS) || !is_place(r))
			break;
		return NULL;
	case XP_SKIP:
		if (!in(r->a, -1, XP_REGISTERS) || !in(r->f, 0, behind - i))
			break;
		return NULL;
	case XP_LIST:
		if (!is_place(r) || !in(r->d, 0, 7) || !is_base(r->e) || !is_offset(r->f) || !in(r->a, -1, XP_REGISTERS))
			break;
		return NULL;
	case XP_WORK_INIT:
		if (!is_place(r) || !in(r->f, 0, s->nr_works))
			break;
		return NULL;
	case XP_QUEUE_WORK:
		if (!in(r->a, -1, XP_REGISTERS) || !is_place(r) || !in(r->f, 0, 8))
			break;
		return NULL;
	case XP_WQ:
		if (!in(r->d, 0, 3) || !in(r->f, 0, 8) || r->g < 0)
			break;
		return NULL;
	case XP_AWAIT:
	case XP_SPIN:
		if (!in(r->a, -1, XP_REGISTERS) || !is_place(r) || !is_bytes(r->e))
			break;
		return NULL;
	case XP_RECURSE:
		if (r->f < 0)
			break;
		return NULL;
	case XP_NOTHING:
	case XP_WARN:
	case XP_TRY_QUEUE:
		return NULL;
	default:
		return wrong("record %d: there is no operation %d", i, r->op);
	}
	return wrong("record %d: an operand of operation %d names nothing", i, r->op);
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
		const char *why = check(&scenario.records[i], i, section->begin, section->end);

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
