// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow memory: who touched which bytes, when.
 *
 * Two questions before every access. May it happen at all: is there a live object? And is it ordered with the accesses
 * of other tasks by the memory model's clocks? The second is FastTrack (Flanagan and Freund, PLDI 2009): the last date of
 * an access for each cell, a vector of dates only where several tasks touched it without an order between them.
 *
 * Deviations: four classes of access instead of two, since plain accesses race with marked ones (atomics, volatiles,
 * the primitives' own) and those do not race with each other; and freeing is an access to the whole object that races
 * with everything. So an access that this order of events shows before the free, and another order could show after it,
 * is reported as a use after free without having to find that order.
 *
 * A cell stands for eight bytes. Cells with accesses to different parts of them are split, into halves or bytes, so that
 * neighbours of a variable are never mistaken for it. A cell belongs to one object's life by the object's serial number:
 * nothing is cleared when memory is handed out or an execution begins.
 *
 * Memory that is not the heap's has no dates; image.c says which of it may be used.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "detect.h"

#define CLASSES SHADOW_CLASSES
#define MAX_SHARED 2048
#define MAX_SPLITS 1024

/* Of each task the place and, in the low 16 bits, the clock: so few lines of the cache that most fit into one. */
struct shared {
	u64 tasks;
	u64 last[MAX_TASKS];
};

static inline u64 place_and_clock(const void *pc, s16 clock)
{
	return (u64)pc << 16 | (u16)clock;
}

struct cell *shadow_cells;
static struct shared shared[MAX_SHARED];
static struct cell splits[MAX_SPLITS][8];
static unsigned int nr_shared, nr_splits;

int shadow_init(void)
{
	size_t bytes = HEAP_BYTES / 8 * sizeof(*shadow_cells);

	if (shadow_cells)
		return madvise(shadow_cells, bytes, MADV_DONTNEED);
	shadow_cells = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shadow_cells == MAP_FAILED) {
		shadow_cells = NULL;
		return -ENOMEM;
	}
	shadow_forget_images();
	return 0;
}

void shadow_reset(void)
{
	nr_shared = 1;
	nr_splits = 1;
	shadow_restore_images();
}

static noinline void bad(const struct slot *slot, u64 addr, const void *pc)
{
	if (slot->execution != engine.execution)
		finding_fatal(FINDING_BAD_ACCESS, addr, pc, "memory that was never allocated");
	if (slot->state == OBJECT_FREED)
		finding_fatal(FINDING_USE_AFTER_FREE, addr, pc, "the object was freed");
	finding_fatal(FINDING_BAD_ACCESS, addr, pc, "outside of the object");
}

static inline const struct slot *slot_for(u64 addr, u64 offset, size_t size, const void *pc)
{
	const struct slot *slot = &heap_slots[offset / SLOT_BYTES];

	if (unlikely(!slot_is_live(slot) || !slot_has(slot, offset, size)))
		bad(slot, addr, pc);
	return slot;
}

void shadow_check_any(u64 addr, size_t size, bool write, const void *pc)
{
	u64 offset = addr - (u64)heap_base;

	if (!engine.current)
		return;
	if (offset >= HEAP_BYTES)
		shadow_elsewhere(addr, size, write, pc);
	else
		slot_for(addr, offset, size, pc);
}

/* The access of a class that the clock does not cover, of the first task by who started whom: its task and place. */
static bool find_unordered(const struct cell *c, int class, const struct clock *clock, int self, int *task, u64 *pc)
{
	if (c->shared[class]) {
		const struct shared *s = &shared[c->shared[class]];
		u64 left = s->tasks & ~(self >= 0 ? 1ull << self : 0);
		bool found = false;

		while (left) {
			int t = __builtin_ctzll(left);

			left &= left - 1;
			if ((s16)s->last[t] > clock->at[t] && (!found || task_precedes(&engine.tasks[t], &engine.tasks[*task]))) {
				*task = t;
				*pc = s->last[t] >> 16;
				found = true;
			}
		}
		return found;
	}
	if (!c->date[class] || (int)(c->date[class] >> 16) == self || is_ordered(clock, c->date[class]))
		return false;
	*task = (int)(c->date[class] >> 16);
	*pc = c->pc[class];
	return true;
}

static const bool races[CLASSES][CLASSES] = {
	[PLAIN_READ] = { [PLAIN_WRITE] = true, [MARKED_WRITE] = true },
	[PLAIN_WRITE] = { true, true, true, true },
	[MARKED_READ] = { [PLAIN_WRITE] = true },
	[MARKED_WRITE] = { [PLAIN_READ] = true, [PLAIN_WRITE] = true },
};

static noinline void report_race(u64 addr, int class, int other_class, int other_task, u64 other_pc, const void *pc)
{
	struct finding *f = finding_add(FINDING_DATA_RACE, addr, pc, "nothing orders them");

	if (f->other_pc)
		return;
	f->other_pc = (const void *)other_pc;
	f->other_task = other_task;
	f->detail = (u64)class << 8 | (u64)other_class;
}

static noinline void make_shared(struct cell *c, int class, struct task *t, const void *pc)
{
	struct shared *s;
	int other = (int)(c->date[class] >> 16);

	if (nr_shared == MAX_SHARED)
		finding_fatal(FINDING_EXPLORER, 0, NULL, "too many places that many tasks read");
	s = &shared[nr_shared];
	c->shared[class] = (u16)nr_shared++;
	s->tasks = 1ull << other | 1ull << t->id;
	s->last[other] = place_and_clock((const void *)c->pc[class], (s16)c->date[class]);
	s->last[t->id] = place_and_clock(pc, t->race.at[t->id]);
}

static inline void find_races(const struct cell *c, u64 addr, int class, const struct task *t, const void *pc)
{
	struct clock joined;
	int i, task;
	u64 other_pc;

	for (i = 0; i < CLASSES; i++)
		if (races[class][i] && c->date[i] && find_unordered(c, i, &t->race, t->id, &task, &other_pc) &&
		    (!t->nr_depends || find_unordered(c, i, depend_clock(t, addr, &joined), t->id, &task, &other_pc)))
			report_race(addr, class, i, task, other_pc, pc);
}

static inline void record(struct cell *c, int class, struct task *t, const void *pc)
{
	if (c->shared[class]) {
		struct shared *s = &shared[c->shared[class]];

		s->tasks |= 1ull << t->id;
		s->last[t->id] = place_and_clock(pc, t->race.at[t->id]);
	} else if (unlikely(class != PLAIN_WRITE && !is_ordered(&t->race, c->date[class]))) {
		make_shared(c, class, t, pc);
	} else {
		c->date[class] = date_of(t);
		c->pc[class] = (u64)pc;
	}
}

static noinline void find_races_and_record(struct cell *c, u64 addr, int class, struct task *t, const void *pc)
{
	find_races(c, addr, class, t, pc);
	record(c, class, t, pc);
}

/* In the repeated part of the path races were looked for when it was new. */
static inline void touch(struct cell *c, u64 addr, int class, struct task *t, const void *pc)
{
	if (c->date[class] == date_of(t) && !c->shared[class])
		return;
	if (!engine.repeating && unlikely(c->any_shared || races_unshared(c, class, &t->race)))
		find_races_and_record(c, addr, class, t, pc);
	else
		record(c, class, t, pc);
}

static inline void begin_cell(struct cell *c, u32 serial, u8 mask)
{
	c->serial = serial;
	c->mask = mask;
	c->unit = 0;
	memset(c->date, 0, sizeof(c->date));
	c->any_shared = 0;
}

static noinline void split_cell(struct cell *c, u8 mask)
{
	u8 unit = (mask == 0x0f || mask == 0xf0) && (c->mask == 0x0f || c->mask == 0xf0 || c->mask == 0xff) ? 4 : 1;
	struct cell *parts;
	unsigned int split;
	int i;

	if (!c->unit) {
		if (nr_splits == MAX_SPLITS)
			finding_fatal(FINDING_EXPLORER, 0, NULL, "too many variables that share eight bytes");
		split = nr_splits++;
		parts = splits[split];
		for (i = 0; i < 8; i += unit) {
			if (c->mask >> i & 1)
				parts[i] = *c;
			else
				begin_cell(&parts[i], c->serial, 1);
			parts[i].unit = 0;
			parts[i].owner = SHADOW_SEVERAL;
		}
		c->owner = SHADOW_SEVERAL;
		c->mask = 0;
		c->any_shared = 0;
		c->shared[0] = (u16)split;
	} else {
		/* From halves to bytes: a byte begins with what is known of its half. */
		parts = splits[c->shared[0]];
		for (i = 0; i < 8; i++)
			if (i % 4)
				parts[i] = parts[i & 4];
		unit = 1;
	}
	c->unit = unit;
}

static noinline void access_parts(struct cell *c, u8 mask, u64 addr, int class, struct task *t, const void *pc)
{
	struct cell *parts;
	int i;

	if (!c->unit)
		split_cell(c, mask);
	else if (c->unit == 4 && mask != 0x0f && mask != 0xf0 && mask != 0xff)
		split_cell(c, mask);
	parts = splits[c->shared[0]];
	for (i = 0; i < 8; i += c->unit)
		if (mask >> i & 1)
			touch(&parts[i], (addr & ~7ull) + (u64)i, class, t, pc);
}

static inline void access_cell(struct cell *c, u32 serial, u8 mask, u64 addr, int class, struct task *t, const void *pc)
{
	if (c->serial != serial) {
		begin_cell(c, serial, mask);
		c->owner = (u8)t->id;
	} else if (unlikely(c->mask != mask)) {
		access_parts(c, mask, addr, class, t, pc);
		return;
	} else if (c->owner != t->id) {
		c->owner = SHADOW_SEVERAL;
		touch(c, addr, class, t, pc);
		return;
	}
	c->date[class] = date_of(t);
	c->pc[class] = (u64)pc;
}

static noinline void access_range(u64 offset, size_t size, u32 serial, int class, struct task *t, const void *pc)
{
	u64 end = offset + size;

	for (; offset < end; offset = (offset | 7) + 1) {
		unsigned int first = offset & 7, n = end - offset < 8 - first ? (unsigned int)(end - offset) : 8 - first;

		access_cell(&shadow_cells[offset >> 3], serial, (u8)(((1u << n) - 1) << first), (u64)heap_base + offset,
			    class, t, pc);
	}
}

/* Whatever the access is of; the history gets it, too. */
noinline void shadow_any(u64 addr, size_t size, enum access_class class, const void *pc)
{
	struct task *t = engine.current;
	u64 offset = addr - (u64)heap_base;
	const struct slot *o;
	struct clock joined;

	if (!t)
		return;
	pc = place_of(t, pc);
	if (t->accesses > MOST_ACCESSES)
		watch_accesses(t);
	if (offset >= HEAP_BYTES) {
		shadow_elsewhere(addr, size, class == PLAIN_WRITE || class == MARKED_WRITE, pc);
		return;
	}
	o = slot_for(addr, offset, size, pc);
	if (is_unpublished(o, t) &&
	    (!t->nr_depends || o->clock > depend_clock(t, addr, &joined)->at[o->task])) {
		report_race(addr, class, PLAIN_WRITE, o->task, (u64)heap_objects[o->object].pc, pc);
		return;
	}
	access_range(offset, size, o->serial, class, t, pc);
	if (engine.logging)
		note(class == PLAIN_READ ? &op_read : class == PLAIN_WRITE ? &op_write : &op_note, addr, pc, NULL, size);
}

/* The cell stands for another life of the memory, or for none. */
noinline void shadow_begin(struct cell *c, u64 addr, size_t size, enum access_class class, const void *pc)
{
	struct task *t = engine.current;
	u64 offset = addr - (u64)heap_base;
	const struct slot *o = &heap_slots[offset / SLOT_BYTES];

	if (unlikely(!slot_has(o, offset, size) || is_unpublished(o, t))) {
		shadow_any(addr, size, class, pc);
		return;
	}
	begin_cell(c, o->serial, (u8)(((1u << size) - 1) << (offset & 7)));
	c->owner = (u8)t->id;
	c->date[class] = date_of(t);
	c->pc[class] = (u64)place_of(t, pc);
}

noinline void shadow_parts(struct cell *c, u64 addr, size_t size, enum access_class class, const void *pc)
{
	struct task *t = engine.current;
	u64 offset = addr - (u64)heap_base;
	const struct slot *o = &heap_slots[offset / SLOT_BYTES];

	if (unlikely(!slot_has(o, offset, size) || is_unpublished(o, t)))
		shadow_any(addr, size, class, pc);
	else
		access_parts(c, (u8)(((1u << size) - 1) << (offset & 7)), addr, class, t, place_of(t, pc));
}

noinline void shadow_contended(struct cell *c, u64 addr, enum access_class class, const void *pc)
{
	touch(c, addr, class, engine.current, place_of(engine.current, pc));
}

void shadow_access(u64 addr, size_t size, enum access_class class, const void *pc)
{
	struct task *t = engine.current;

	if (likely(t && size <= 8 && !engine.logging))
		shadow_small(t, addr, size, class, pc);
	else
		shadow_any(addr, size, class, pc);
}

static bool unordered_cell(const struct cell *c, const struct clock *clock, int *task, u64 *pc)
{
	int class;

	/* What one task alone touched has no other dates. */
	if (c->owner != SHADOW_SEVERAL) {
		u32 ab = c->date[0] > c->date[1] ? c->date[0] : c->date[1], cd = c->date[2] > c->date[3] ? c->date[2] : c->date[3];

		if (likely(is_ordered(clock, ab > cd ? ab : cd)))
			return false;
	}
	/* A plain write races with all. */
	if (likely(!c->any_shared && !races_unshared(c, PLAIN_WRITE, clock)))
		return false;
	for (class = 0; class < CLASSES; class++)
		if (c->date[class] && find_unordered(c, class, clock, -1, task, pc))
			return true;
	return false;
}

void shadow_freeing(struct object *o, const struct clock *clock, const void *pc)
{
	u32 granule, i;
	int task;
	u64 other;

	for (granule = o->base / 8; granule < (o->base + o->size + 7) / 8; granule++) {
		const struct cell *c = &shadow_cells[granule];
		struct finding *f;
		bool found;

		if (c->serial != o->serial)
			continue;
		if (!c->unit) {
			found = unordered_cell(c, clock, &task, &other);
		} else {
			for (found = false, i = 0; i < 8 && !found; i += c->unit)
				found = unordered_cell(&splits[c->shared[0]][i], clock, &task, &other);
		}
		if (!found)
			continue;
		f = finding_add(FINDING_USE_AFTER_FREE, (u64)heap_base + granule * 8ull, pc,
				"nothing orders the access before the free");
		f->other_pc = (const void *)other;
		f->other_task = task;
		f->by_order = true;
		engine_stop(END_FAILED);
	}
}
