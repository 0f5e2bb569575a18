// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reference counts, each operation one step, with the kernel's orders: increments relaxed, decrements release, the one to
 * zero acquires. A count that is misused saturates as the kernel's does, and is reported: what follows from it (a leak,
 * a use after free) is reported, too, if it comes to that.
 */
#include <linux/refcount.h>

#include "primitives.h"

#define MAX_COUNTS 1024

static u64 counts[MAX_COUNTS];	/* set in this execution */
static int nr_counts;

struct op_class op_ref_set = { .name = "refcount_set", .pending_mode = PENDING_WRITE, .gates = GATES_ALWAYS };
static struct op_class op_ref_read = { .name = "refcount_read", .pending_mode = PENDING_READ };
struct op_class op_ref_inc = { .name = "refcount_inc", .pending_mode = PENDING_WRITE, .gates = GATES_UNLESS_COMMUTING };
static struct op_class op_ref_inz = {
	.name = "refcount_inc_not_zero", .pending_mode = PENDING_WRITE, .gates = GATES_UNLESS_COMMUTING,
};
static struct op_class op_ref_dec = { .name = "refcount_dec", .pending_mode = PENDING_WRITE, .gates = GATES_ALWAYS };
static struct op_class op_ref_dat = { .name = "refcount_dec_and_test", .pending_mode = PENDING_WRITE, .gates = GATES_ALWAYS };

bool refcount_changes(const struct op_class *op)
{
	return op == &op_ref_set || op == &op_ref_inc || op == &op_ref_inz || op == &op_ref_dec || op == &op_ref_dat;
}

void refcount_reset(void)
{
	nr_counts = 0;
}

static const char *const reasons[] = {
	[REFCOUNT_ADD_NOT_ZERO_OVF] = "refcount_t: saturated; leaking memory",
	[REFCOUNT_ADD_OVF] = "refcount_t: saturated; leaking memory",
	[REFCOUNT_ADD_UAF] = "refcount_t: addition on 0; use-after-free",
	[REFCOUNT_SUB_UAF] = "refcount_t: underflow; use-after-free",
	[REFCOUNT_DEC_LEAK] = "refcount_t: decrement hit 0; leaking memory",
};

static void saturate(refcount_t *r, enum refcount_saturation_type why, const void *pc)
{
	r->refs = REFCOUNT_SATURATED;
	finding_add(FINDING_REFCOUNT, (u64)r, pc, reasons[why]);
}

/*
 * A count of 1 that is freed is an object that was given up before anybody else knew it; more is a reference that somebody
 * holds.
 */
void refcount_freeing(u64 addr, u32 size, const void *pc)
{
	int i;

	for (i = nr_counts - 1; i >= 0; i--) {
		const refcount_t *r = (const refcount_t *)counts[i];

		if (counts[i] - addr < size && r->refs > 1)
			finding_add(FINDING_REFCOUNT, counts[i], pc, "freed while somebody holds a reference");
	}
}

/* Not a point: nobody else knows the object yet. Where somebody does, the accesses conflict all the same. */
void refcount_set(refcount_t *r, int n)
{
	const void *pc = caller_pc();
	int before;

	shadow_access((u64)r, sizeof(*r), MARKED_WRITE, pc);
	before = r->refs;
	r->refs = n;
	if (nr_counts < MAX_COUNTS)
		counts[nr_counts++] = (u64)r;
	commit_values(&op_ref_set, MODE_WRITE, (u64)r, pc, before, n);
	sync_forget((u64)r);
}

int refcount_read(const refcount_t *r)
{
	const void *pc = caller_pc();

	shadow_check((u64)r, sizeof(*r), false, pc);
	wait_op(&op_ref_read, (u64)r, pc);
	shadow_access((u64)r, sizeof(*r), MARKED_READ, pc);
	commit_values(&op_ref_read, MODE_READ, (u64)r, pc, r->refs, r->refs);
	fence_sees((u64)r);
	return r->refs;
}

static inline void begin(struct op_class *op, refcount_t *r, const void *pc)
{
	shadow_check((u64)r, sizeof(*r), true, pc);
	wait_op(op, (u64)r, pc);
	shadow_access((u64)r, sizeof(*r), MARKED_WRITE, pc);
}

static inline void add(int n, refcount_t *r, const void *pc)
{
	int old;

	begin(&op_ref_inc, r, pc);
	old = r->refs;
	r->refs = (int)((unsigned int)old + (unsigned int)n);
	if (!old)
		saturate(r, REFCOUNT_ADD_UAF, pc);
	else if (old < 0 || r->refs < 0)
		saturate(r, REFCOUNT_ADD_OVF, pc);
	commit_values(&op_ref_inc, MODE_INC, (u64)r, pc, old, r->refs);
	fence_sees((u64)r);
}

void refcount_add(int n, refcount_t *r)
{
	add(n, r, caller_pc());
}

void refcount_inc(refcount_t *r)
{
	add(1, r, caller_pc());
}

void refcount_add_from(int n, refcount_t *r, const void *pc)
{
	add(n, r, pc);
}

static inline bool inc_not_zero(refcount_t *r, const void *pc)
{
	int old;

	begin(&op_ref_inz, r, pc);
	old = r->refs;
	if (!old) {
		commit_values(&op_ref_inz, MODE_READ, (u64)r, pc, 0, 0);
		fence_sees((u64)r);
		return false;
	}
	r->refs = (int)((unsigned int)old + 1u);
	if (old < 0 || old == REFCOUNT_MAX)
		saturate(r, REFCOUNT_ADD_NOT_ZERO_OVF, pc);
	commit_values(&op_ref_inz, MODE_INC, (u64)r, pc, old, r->refs);
	fence_sees((u64)r);
	return true;
}

bool refcount_inc_not_zero(refcount_t *r)
{
	return inc_not_zero(r, caller_pc());
}

bool refcount_inc_not_zero_from(refcount_t *r, const void *pc)
{
	return inc_not_zero(r, pc);
}

void refcount_dec(refcount_t *r)
{
	const void *pc = caller_pc();
	int old;

	begin(&op_ref_dec, r, pc);
	old = r->refs;
	r->refs = old - 1;
	if (old <= 1)
		saturate(r, REFCOUNT_DEC_LEAK, pc);
	commit_values(&op_ref_dec, old > 2 ? MODE_DEC : old > 1 ? MODE_DEC_TO_1 : MODE_WRITE, (u64)r, pc, old, r->refs);
	sync_release_join((u64)r);
}

/*
 * Two decrements that happened one after the other commute where neither ended the count. Two that have yet to happen
 * commute where neither could: from 3 on, since of two from 2 the second ends it. (engine.h, MODE_DEC_TO_1)
 */
static inline bool dec_and_test(refcount_t *r, const void *pc)
{
	int old;

	if (unlikely(engine.current->nr_held) && under_lock)
		under_lock(UNDER_LOCK_PUT, pc);
	begin(&op_ref_dat, r, pc);
	old = r->refs;
	r->refs = (int)((unsigned int)old - 1u);
	if (old <= 0)
		saturate(r, REFCOUNT_SUB_UAF, pc);
	commit_values(&op_ref_dat, old > 2 ? MODE_DEC : old > 1 ? MODE_DEC_TO_1 : MODE_WRITE, (u64)r, pc, old, r->refs);
	if (old == 1)
		sync_acquire((u64)r);
	sync_release_join((u64)r);
	return old == 1;
}

bool refcount_dec_and_test(refcount_t *r)
{
	return dec_and_test(r, caller_pc());
}

bool refcount_dec_and_test_from(refcount_t *r, const void *pc)
{
	return dec_and_test(r, pc);
}
