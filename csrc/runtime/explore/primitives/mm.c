// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces.
 *
 * Most scenarios are not about them: there a space is a mere name, any address resolves with any permission, and nothing
 * is a step. A space that a scenario made is an object with the kernel's two counts. The process holds one user; when it
 * exits and the last user is gone, so are the areas; when the last who knows it is gone, so is the object. Looking up an
 * area is one step with what follows of it, since the mmap lock is held from the lookup to the fault: a step that reads
 * the areas, as map, unmap and the end of the last user are steps that write them.
 */
#include <linux/mutex.h>
#include <linux/slab.h>

#include "primitives.h"
#include "mm.h"
#include "refcount.h"

static struct op_class op_mm_lookup = { .name = "vma_lookup", .pending_mode = PENDING_READ };
static struct op_class op_mm_map = { .name = "map" };
static struct op_class op_mm_unmap = { .name = "unmap" };
static struct op_class op_mm_exit = { .name = "exit_mmap" };

void (*mm_resolves)(struct mm_struct *mm, const struct vm_area_struct *vma, u64 addr, const void *pc);
void (*mm_faults)(unsigned long addr, unsigned int flags, bool failed, const void *pc);

static struct vm_area_struct everywhere = {
	.vm_start = 0, .vm_end = ~0ul, .vm_flags = VM_READ | VM_WRITE | VM_EXEC,
};

/* What each task looked up: an area may be gone as soon as the lock is dropped. */
static struct vm_area_struct found[MAX_TASKS];
/* Whose it is, and whether there is no memory for a page of it: chosen before the lookup, nothing comes between the two. */
static struct { const struct mm_struct *mm; bool no_memory; } lookups[MAX_TASKS];

static const struct lock_class mmap_class = { "mmap_lock", __FILE__, __LINE__ };

bool mm_is_object(const struct mm_struct *mm)
{
	return heap_has((u64)mm);
}

/* Beside the areas' own address, where readers leave their clocks: a writer takes them, and another reader does not. */
static u64 readers_of(const struct mm_struct *mm)
{
	return (u64)&mm->nr_areas;
}

static int held_at(const struct task *t, const struct mm_struct *mm)
{
	int i;

	for (i = t->nr_held - 1; i >= 0 && t->held[i].addr != (u64)mm; i--)
		;
	return i;
}

/* --- counts --- */

void mmgrab(struct mm_struct *mm)
{
	if (mm_is_object(mm))
		refcount_add_from(1, &mm->count, caller_pc());
}

static void drop(struct mm_struct *mm, const void *pc)
{
	if (refcount_dec_and_test_from(&mm->count, pc))
		kfree(mm);
}

void mmdrop(struct mm_struct *mm)
{
	if (mm_is_object(mm))
		drop(mm, caller_pc());
}

bool mmget_not_zero(struct mm_struct *mm)
{
	if (!mm_is_object(mm) || refcount_inc_not_zero_from(&mm->users, caller_pc()))
		return true;
	if (mm_resolves)
		mm_resolves(mm, NULL, 0, caller_pc());
	return false;
}

void mmput(struct mm_struct *mm)
{
	const void *pc = caller_pc();

	if (mm_is_object(mm) && held_at(engine.current, mm) >= 0)
		finding_add(FINDING_WARN, (u64)mm, pc, "mmput with the mmap lock held, which the last one takes for writing");
	if (!mm_is_object(mm) || !refcount_dec_and_test_from(&mm->users, pc))
		return;
	shadow_access((u64)&mm->areas, sizeof(mm->areas), MARKED_WRITE, pc);
	commit(&op_mm_exit, MODE_WRITE, (u64)&mm->areas, pc);
	mm->nr_areas = 0;
	drop(mm, pc);
}

/* --- areas, as a fault sees them --- */

void mmap_read_lock(struct mm_struct *mm)
{
	struct task *t = engine.current;
	const void *pc = caller_pc();

	check_sleep(pc, "mmap_read_lock inside an RCU reader", "mmap_read_lock with a spinlock held");
	if (!mm_is_object(mm))
		return;
	shadow_check((u64)mm, sizeof(*mm), true, pc);
	if (t->nr_held < MAX_HELD) {
		t->held[t->nr_held].addr = (u64)mm;
		t->held[t->nr_held].class = &mmap_class;
		t->held[t->nr_held++].pc = place_of(t, pc);
	}
}

void mmap_read_unlock(struct mm_struct *mm)
{
	struct task *t = engine.current;
	const void *pc = caller_pc();
	int i;

	if (!mm_is_object(mm))
		return;
	shadow_check((u64)mm, sizeof(*mm), true, pc);
	i = held_at(t, mm);
	if (i < 0) {
		finding_add(FINDING_WARN, (u64)mm, pc, "mmap_read_unlock by somebody who does not hold it");
		return;
	}
	for (t->nr_held--; i < t->nr_held; i++)
		t->held[i] = t->held[i + 1];
	sync_release_join(readers_of(mm));
}

struct vm_area_struct *vma_lookup(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma = NULL;
	const void *pc = caller_pc();
	u32 i;

	if (!mm_is_object(mm)) {
		if (mm_resolves)
			mm_resolves(mm, &everywhere, addr, pc);
		return &everywhere;
	}
	shadow_check((u64)mm, sizeof(*mm), false, pc);
	lookups[engine.current->id].mm = mm;
	lookups[engine.current->id].no_memory = engine.alloc_may_fail && wait_choice(2, 0, pc);
	wait_op(&op_mm_lookup, (u64)&mm->areas, pc);
	shadow_access((u64)&mm->areas, sizeof(mm->areas), MARKED_READ, pc);
	commit(&op_mm_lookup, MODE_READ, (u64)&mm->areas, pc);
	sync_acquire((u64)&mm->areas);
	if (held_at(engine.current, mm) < 0)
		finding_add(FINDING_WARN, (u64)mm, pc, "an area is looked up without the mmap lock");
	for (i = 0; i < mm->nr_areas && !vma; i++)
		if (addr >= mm->areas[i].vm_start && addr < mm->areas[i].vm_end) {
			vma = &found[engine.current->id];
			*vma = mm->areas[i];
		}
	if (mm_resolves)
		mm_resolves(mm, vma, addr, pc);
	return vma;
}

vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long addr, unsigned int flags, struct pt_regs *regs)
{
	bool failed = false, is_object = vma != &everywhere;
	const void *pc = caller_pc();
	unsigned long wanted = 0;
	int id = engine.current->id;

	(void)regs;
	if (is_object && (vma != &found[id] || held_at(engine.current, lookups[id].mm) < 0)) {
		finding_add(FINDING_WARN, (u64)vma, pc, "a page is faulted in without the mmap lock under which its area was found");
		return VM_FAULT_SIGSEGV;
	}
	if (addr < vma->vm_start || addr >= vma->vm_end)
		finding_add(FINDING_WARN, (u64)vma, pc, "a page is faulted in that is not of its area");
	if (flags & FAULT_FLAG_WRITE)
		wanted |= VM_WRITE;
	if (flags & FAULT_FLAG_INSTRUCTION)
		wanted |= VM_EXEC;
	/* The kernel's looks at protection keys, and leaves what the area allows to its callers. */
	if (wanted & ~vma->vm_flags) {
		finding_add(FINDING_WARN, (u64)vma, pc, "a page is faulted in for an access that its area does not allow");
		return VM_FAULT_SIGSEGV;
	}
	failed = is_object && lookups[id].no_memory;
	if (mm_faults)
		mm_faults(addr, flags, failed, pc);
	return failed ? VM_FAULT_OOM : 0;
}

/* --- the process' side --- */

void mm_init(struct mm_struct *mm, u32 number)
{
	mm->number = number;
	refcount_set(&mm->count, 1);
	refcount_set(&mm->users, 1);
}

void mm_grab_within(struct mm_struct *mm)
{
	int old = mm->count.refs;

	shadow_access((u64)&mm->count, sizeof(mm->count), MARKED_WRITE, NULL);
	mm->count.refs = old + 1;
	commit_values(&op_ref_inc, MODE_INC, (u64)&mm->count, NULL, old, old + 1);
}

static void change_areas(struct mm_struct *mm, struct op_class *op)
{
	shadow_access((u64)&mm->areas, sizeof(mm->areas), MARKED_WRITE, NULL);
	commit(op, MODE_WRITE, (u64)&mm->areas, NULL);
	sync_acquire(readers_of(mm));
	sync_acquire((u64)&mm->areas);
	sync_release((u64)&mm->areas);
}

/* What of the areas is inside goes; what sticks out at either end stays. */
static bool cut(struct mm_struct *mm, u64 start, u64 end)
{
	u32 i, n = mm->nr_areas;

	for (i = 0; i < n; i++) {
		struct vm_area_struct *a = &mm->areas[i];
		u64 old_end = a->vm_end;

		if (a->vm_start >= end || old_end <= start)
			continue;
		if (a->vm_start < start && old_end > end) {
			if (mm->nr_areas == MM_AREAS)
				return false;
			mm->areas[mm->nr_areas++] = (struct vm_area_struct){ end, old_end, a->vm_flags };
		}
		if (a->vm_start < start)
			a->vm_end = start;
		else if (old_end > end)
			a->vm_start = end;
		else
			a->vm_end = a->vm_start;	/* empty: no address is inside */
	}
	return true;
}

bool mm_unmap_within(struct mm_struct *mm, u64 start, u64 end)
{
	change_areas(mm, &op_mm_unmap);
	return cut(mm, start, end);
}

bool mm_map_within(struct mm_struct *mm, u64 start, u64 end, unsigned long flags)
{
	u32 i;

	change_areas(mm, &op_mm_map);
	if (!cut(mm, start, end))
		return false;
	for (i = 0; i < mm->nr_areas && mm->areas[i].vm_start != mm->areas[i].vm_end; i++)
		;
	if (i == MM_AREAS)
		return false;
	mm->nr_areas = i == mm->nr_areas ? i + 1 : mm->nr_areas;
	mm->areas[i] = (struct vm_area_struct){ start, end, flags };
	return true;
}
