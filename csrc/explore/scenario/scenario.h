/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * scenario/: a scenario as data. Its records, what their operands mean, and the check that it is one; and which core it is
 * run on.
 *
 * The room may use the face (explore.h) and what everybody sees of a core (forms/core.h), and nothing that runs.
 */
#ifndef IOPF_EXPLORE_SCENARIO_H
#define IOPF_EXPLORE_SCENARIO_H

#include <core.h>
#include <linux/iommu.h>

#include "explore.h"

#pragma GCC visibility push(hidden)

#define MAX_DEVICES 16
#define MAX_QUEUES 8
#define MAX_LOCKS 16
#define MAX_PROCESSES 8		/* address spaces of a scenario's own */
#define MAX_SECTIONS 48
#define MAX_RECORDS 4096

/* A device has PASIDs below. */
#define PASID_LIMIT (1 << 20)

struct record {
	s32 op, a, b, c, d, e, f, g, h;
};

struct section {
	int begin, end;		/* records */
	int twins;		/* of a task: the number that identical ones share, -1 */
};

struct scenario {
	const struct record *records;
	int nr_records;
	int nr_queues, nr_devices, nr_locks, nr_tasks, nr_works, nr_spaces;
	int queues[MAX_QUEUES], devices[MAX_DEVICES];	/* their records */
	struct section setup, teardown, tasks[MAX_SECTIONS], works[MAX_SECTIONS];
	int memory;
	u32 expected;		/* kinds, as bits */
	bool alloc_may_fail, may_fail;	/* some task can meet a failed allocation */
	u8 dropped[MAX_RECORDS];	/* not executed: what shrinking took away */
};

extern struct scenario scenario;

static inline u64 record_u64(s32 lower, s32 upper)
{
	return (u64)(u32)upper << 32 | (u32)lower;
}

/* Of an XP_REPORT: its flags on the wire, and what they mean. */
static inline u32 request_flags(const struct record *r)
{
	if (r->e & XP_R_RAW)
		return (u32)r->e >> XP_R_FLAGS;
	return (r->c ? IOMMU_FAULT_PAGE_REQUEST_PASID_VALID : 0) | (r->e & XP_R_LAST ? IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE : 0);
}

/* Does it complete a group, and so get an answer. */
static inline bool request_is_last(const struct record *r)
{
	return request_flags(r) & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE && !(r->e & XP_R_OTHER);
}

/* The PASID that it is of, 0: none, whatever the field says. */
static inline u32 request_pasid(const struct record *r)
{
	return request_flags(r) & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID ? (u32)r->c : 0;
}

/* Checks and loads. NULL, or what is wrong with it. */
const char *scenario_load(const s32 *code, size_t nr_words);

/* It cannot be on a queue: nobody could tell it an answer. */
static inline bool driver_is_mute(int index)
{
	return scenario.records[scenario.devices[index]].e & (XP_D_NO_IOMMU | XP_D_NO_RESPONSE);
}

/* The core that it is run on. */
extern const struct iopf_core *core;

#pragma GCC visibility pop

#endif
