// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names for people: "param#1.users" in the place of an address.
 *
 * An object is called by what the core's table of types says of its size (forms/core.h), and numbered in the order of
 * allocation; those of the driver by the tables below. Objects that only a core knows are called by the function that
 * allocated them. A name means the same thing in every run of a schedule: none is made of an address.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/workqueue.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "primitives/mm.h"
#include "names.h"

/* --- text that lives until the next search --- */

struct chunk {
	struct chunk *next;
	size_t used;
	char text[65536 - 16];
};

static struct chunk *chunks;

void record_reset(void)
{
	while (chunks) {
		struct chunk *next = chunks->next;

		free(chunks);
		chunks = next;
	}
}

const char *record_text(const char *format, ...)
{
	char text[2048], *copy;
	va_list args;
	size_t n;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	n = strlen(text) + 1;
	if (!chunks || chunks->used + n > sizeof(chunks->text)) {
		struct chunk *c = malloc(sizeof(*c));

		if (!c)
			return "";
		c->next = chunks;
		c->used = 0;
		chunks = c;
	}
	copy = chunks->text + chunks->used;
	memcpy(copy, text, n);
	chunks->used += n;
	return copy;
}

/* --- objects --- */

#define MEMBER IOPF_CORE_MEMBER

static const struct iopf_core_member device_members[] = {
	MEMBER(struct driver_device, dev.users), MEMBER(struct driver_device, iommu.lock),
	MEMBER(struct driver_device, iommu.fault_param), MEMBER(struct driver_device, iommu.iopf_param),
	MEMBER(struct driver_device, iommu), { NULL, 0, 0 },
};
static const struct iopf_core_member domain_members[] = {
	MEMBER(struct iommu_domain, users), MEMBER(struct iommu_domain, iopf_handler), { NULL, 0, 0 },
};
static const struct iopf_core_member handle_members[] = {
	MEMBER(struct iommu_attach_handle, domain), MEMBER(struct iommu_attach_handle, users),
	MEMBER(struct iommu_attach_handle, node), { NULL, 0, 0 },
};
static const struct iopf_core_member iommu_group_members[] = {
	MEMBER(struct iommu_group, lock), MEMBER(struct iommu_group, handles), MEMBER(struct iommu_group, users),
	{ NULL, 0, 0 },
};

static const struct iopf_core_member space_members[] = {
	MEMBER(struct mm_struct, count), MEMBER(struct mm_struct, users), MEMBER(struct mm_struct, areas),
	MEMBER(struct mm_struct, number), { NULL, 0, 0 },
};

/* Of the driver and the runtime, by the function of the site. */
static const struct {
	const char *function;
	struct iopf_core_type type;
} driver_types[] = {
	{ "device", { "device", 0, device_members, IOPF_FORBIDS_PUT } },
	{ "domain", { "domain", 0, domain_members, 0 } },
	{ "handle", { "handle", 0, handle_members, 0 } },
	{ "iommu_group", { "iommu_group", 0, iommu_group_members, 0 } },
	{ "driver lock", { "lock", 0, NULL, 0 } },
	{ "space", { "space", 0, space_members, 0 } },
	{ "alloc_workqueue", { "wq", 0, NULL, 0 } },
	{ "shared memory", { "memory", 0, NULL, 0 } },
	{ "object", { "object", 0, NULL, 0 } },
};

/* Which of them a tree's headers may lengthen, and where in the object that struct is. */
static const struct {
	const char *name, *prefix;
	size_t offset;
} hosted[IOPF_HOSTED_NR] = {
	[IOPF_HOSTED_DOMAIN] = { "domain", "", 0 },
	[IOPF_HOSTED_IOMMU] = { "device", "iommu.", offsetof(struct driver_device, iommu) },
	[IOPF_HOSTED_HANDLE] = { "handle", "", 0 },
};

static const struct iopf_core_type *find_type(const struct slab_site *site, size_t size)
{
	const struct iopf_core_type *type, *found = NULL;
	size_t i;

	for (i = 0; i < sizeof(driver_types) / sizeof(*driver_types); i++)
		if (!strcmp(driver_types[i].function, site->function))
			return &driver_types[i].type;
	for (type = core->types; type->name; type++) {
		if (type->size != size)
			continue;
		if (found)
			return NULL;
		found = type;
	}
	return found;
}

/* It is asked at each put and allocation under a lock: what a search has asked before is remembered. */
#define REMEMBERED 256		/* eight bits */
static struct { const struct slab_site *site; size_t size; const struct iopf_core_type *type; } remembered[REMEMBERED];

static const struct iopf_core_type *type_of(const struct object *o)
{
	u64 i = ((u64)o->site ^ (u64)o->size << 32) * 0x9e3779b97f4a7c15ull >> 56;

	if (remembered[i].site != o->site || remembered[i].size != o->size) {
		remembered[i].site = o->site;
		remembered[i].size = o->size;
		remembered[i].type = find_type(o->site, o->size);
	}
	return remembered[i].type;
}

/* Cores come and go, and another's sites may lie where one's were. */
void names_reset(void)
{
	memset(remembered, 0, sizeof(remembered));
}

/* "iopf_report_partial" gives "partial", as its words go. */
static const char *name_by_function(const struct object *o)
{
	return strstr(o->site->function, "partial") ? "partial" : strstr(o->site->function, "fault") ? "fault" : "object";
}

static const char *name_of(const struct object *o)
{
	const struct iopf_core_type *type = type_of(o);

	return type ? type->name : name_by_function(o);
}

/* Among all of that name. */
static int number_of(int index)
{
	const char *name = name_of(&heap_objects[index]);
	int i, n = 1;

	for (i = 0; i < index; i++)
		n += !strcmp(name_of(&heap_objects[i]), name);
	return n;
}

/* The first that has the offset; a struct that begins at base is looked at. */
static bool find_member(const struct iopf_core_member *m, size_t base, const char *prefix, u32 offset, char *text,
			size_t capacity)
{
	for (; m && m->name; m++) {
		size_t begin = base + m->offset;

		if (offset < begin || offset >= begin + m->size)
			continue;
		if (offset == begin)
			snprintf(text, capacity, ".%s%s", prefix, m->name);
		else
			snprintf(text, capacity, ".%s%s+%zu", prefix, m->name, offset - begin);
		return true;
	}
	return false;
}

static const char *member_of(const struct object *o, u32 offset, char *text, size_t capacity)
{
	const struct iopf_core_type *type = type_of(o);
	size_t i;

	for (i = 0; type && i < IOPF_HOSTED_NR; i++)
		if (!strcmp(type->name, hosted[i].name) &&
		    find_member(core->hosted[i].members, hosted[i].offset, hosted[i].prefix, offset, text, capacity))
			return text;
	if (type && find_member(type->members, 0, "", offset, text, capacity))
		return text;
	if (!offset && !(type && type->members))
		return "";
	snprintf(text, capacity, "+%u", offset);
	return text;
}

const char *record_object(u64 addr)
{
	u64 plain = addr & ~ADDR_LOCK_BIT;
	const struct object *o;
	char member[80];
	int index, stack;

	if (!plain)
		return NULL;
	if (plain == ADDR_RCU)
		return "RCU";
	if (plain >= ADDR_HELD && plain < ADDR_HELD + ADDRS_HELD)
		return "held groups";
	if (plain >= ADDR_PROCESS && plain < ADDR_PROCESS + 8 * MAX_PROCESSES)
		return record_text("process %llu", (unsigned long long)(plain - ADDR_PROCESS) / 8 + 1);
	index = heap_find(plain);
	if (index < 0) {
		stack = engine_stack_owner(plain);
		if (stack >= 0)
			return record_text("stack of %s", record_task(stack));
		if (plain < ADDR_FIRST)
			return "NULL";
		return heap_has(plain) ? "unused memory" : plain >> 48 == 0xdead ? "list poison" : "static memory";
	}
	o = &heap_objects[index];
	return record_text("%s#%d%s", name_of(o), number_of(index),
			   member_of(o, (u32)(plain - (u64)heap_base) - o->base, member, sizeof(member)));
}

const char *record_type(int object)
{
	return name_of(&heap_objects[object]);
}

bool record_forbids(int object, enum under_lock what)
{
	const struct iopf_core_type *type = type_of(&heap_objects[object]);

	static const unsigned int bits[] = {
		[UNDER_LOCK_ALLOC] = IOPF_FORBIDS_ALLOC, [UNDER_LOCK_FREE] = IOPF_FORBIDS_FREE, [UNDER_LOCK_PUT] = IOPF_FORBIDS_PUT,
	};

	return type && type->forbids & bits[what];
}

/* ".users", without where in it; of what has no members by name "[8]", and of shared memory "[0]", as the caller has it. */
const char *record_field(int object, u64 addr, char *text, size_t capacity)
{
	const struct object *o = &heap_objects[object];
	const struct iopf_core_type *type = type_of(o);
	u32 offset = (u32)((addr & ~ADDR_LOCK_BIT) - (u64)heap_base) - o->base;

	if (!(type && type->members)) {
		text[0] = '\0';
		if (offset || (type && !strcmp(type->name, "memory")))
			snprintf(text, capacity, "[%u]", offset);
		return text;
	}
	member_of(o, offset, text, capacity);
	text[strcspn(text, "+")] = '\0';
	return text;
}

const char *record_whole(int object)
{
	return record_text("%s#%d", name_of(&heap_objects[object]), number_of(object));
}

/* --- tasks --- */

/* Counted among its parent's works and callbacks, from 1; the scenario's tasks, all of them main's, do not count. */
static int nth_work(const struct task *t)
{
	int nth = 0, i;

	for (i = 0; i <= t->nth; i++)
		nth += engine.tasks[engine.children[t->parent][i]].section < 0;
	return nth;
}

const char *record_task(int task)
{
	const struct task *t = &engine.tasks[task];

	if (!task)
		return "main";
	if (t->section >= 0)
		return record_text("task %d", t->section);
	return record_text("work %d of %s", nth_work(t), record_task(t->parent));
}

const char *xp_task_name(int task, int *section)
{
	int index;

	if (section)
		*section = -1;
	if (task < 0 || task > engine.nr_ids)
		return NULL;
	index = engine.tasks[task].section;
	if (section && index >= 0)
		*section = scenario.tasks[index].begin - 1;
	return record_task(task);
}

/* --- places --- */

struct xp_place record_place(const void *pc)
{
	struct xp_place place = { NULL, 0, NULL };
	Dl_info info;

	if (!place_is_code(pc) || !dladdr(pc, &info))
		return place;
	place.file = record_text("%s", info.dli_fname);
	/* A return address: the call is before it. */
	place.offset = (u64)pc - (u64)info.dli_fbase - 1;
	place.symbol = info.dli_sname ? record_text("%s", info.dli_sname) : NULL;
	return place;
}
