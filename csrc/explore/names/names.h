/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * names/: names for people, of objects, their members, tasks and places. None is made of an address, so that a name means
 * the same thing in every run of a schedule.
 *
 * The room may use scenario/ and the explorer's runtime, whose tables it reads.
 */
#ifndef IOPF_EXPLORE_NAMES_H
#define IOPF_EXPLORE_NAMES_H

#include "primitives/primitives.h"
#include "scenario/scenario.h"

#pragma GCC visibility push(hidden)

/* A device of the scenario's driver, as the names of its members need to know it. */
struct driver_device {
	struct device dev;
	s64 index;
	s64 response_lock;
	s64 inside;		/* the index of the group that page_response answers, -1: none */
	u32 inside_pasid;
	struct dev_iommu iommu;	/* the last: a core's may be longer */
};

/* Text that lives until the next search. */
void record_reset(void);
const char *record_text(const char *format, ...) __printf(1, 2);
const char *record_object(u64 addr);
const char *record_whole(int object);	/* without a member */
const char *record_type(int object);	/* without a number */
/* Under the object's lock, where the form promises not to. */
bool record_forbids(int object, enum under_lock what);
void names_reset(void);
const char *record_field(int object, u64 addr, char *text, size_t capacity);
const char *record_task(int task);
struct xp_place record_place(const void *pc);

#pragma GCC visibility pop

#endif
