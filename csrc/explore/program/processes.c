// SPDX-License-Identifier: GPL-2.0-only
/*
 * The address spaces that a scenario's domains resolve against, and what they say of the pages that are asked for: that is
 * what the answers have to be.
 *
 * A process of the scenario's own has a space with areas. Any other domain has no more than an address, and every page
 * resolves in it.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "primitives/mm.h"
#include "program.h"

/* Only addresses, one for each domain: nobody looks inside (csrc/runtime/explore/primitives/mm.c). */
static char address_spaces[MAX_SPACES];

/* Those that the scenario made. The process has a reference until it exits; who exits, binds or maps asks it first. */
static struct {
	struct mm_struct *mm;
	bool exited;
} processes[MAX_PROCESSES];

static u64 process_addr(int process)
{
	return ADDR_PROCESS + 8 * (u64)process;
}

/*
 * What is wanted of a page, by the request of the group that it is of. Where two of the group are of the same page and want
 * different things, nobody knows which one it is: -1. Forms whose groups the table makes: of any group of that key.
 */
static int wanted_of(u64 addr, u64 number)
{
	const struct token *last = &tokens[number - 1];
	int wanted = -1, i;

	for (i = 0; i < nr_tokens; i++) {
		const struct record *r = &scenario.records[tokens[i].record];

		if (core->facts.group_handlers ? tokens[i].in_group != last->in_group :
		    tokens[i].device != last->device || tokens[i].grpid != last->grpid || tokens[i].pasid != last->pasid)
			continue;
		if (record_u64(r->f, r->h) != addr)
			continue;
		if (wanted >= 0 && wanted != r->d)
			return -1;
		wanted = r->d;
	}
	return wanted;
}

/* What the space says of the page: more may be wanted than what the area allows. */
static int code_of(const struct vm_area_struct *vma, u64 addr, u64 number)
{
	int wanted = wanted_of(addr, number);

	if (!vma)
		return IOMMU_PAGE_RESP_INVALID;
	if (wanted < 0)
		return -1;
	wanted &= XP_PERM_READ | XP_PERM_WRITE | XP_PERM_EXEC;
	return (unsigned long)wanted & ~vma->vm_flags ? IOMMU_PAGE_RESP_INVALID : IOMMU_PAGE_RESP_SUCCESS;
}

void process_resolves(struct mm_struct *mm, const struct vm_area_struct *vma, u64 addr, const void *pc)
{
	u64 number = monitor_request(pc);

	if (!number || number > (u64)nr_tokens)
		return;
	/* A request without a PASID is of no process, whatever it asks for. */
	if (!tokens[number - 1].pasid)
		vma = NULL;
	if (mm_is_object(mm))
		monitor_resolve((int)mm->number, code_of(vma, addr, number), pc);
	else
		monitor_resolve((int)((char *)mm - address_spaces), vma ? -1 : IOMMU_PAGE_RESP_INVALID, pc);
}

/* The access that the request asks for, by the process whose the page is: so it is said. */
void process_faulted_in(unsigned long addr, unsigned int flags, bool failed, const void *pc)
{
	u64 number = monitor_request(pc);
	unsigned int right = FAULT_FLAG_REMOTE;
	int wanted;

	if (!number || number > (u64)nr_tokens)
		return;
	monitor_faulted();
	if (failed)
		monitor_not_resolved(pc);
	wanted = wanted_of(addr, number);
	if (wanted < 0)
		return;
	right |= wanted & IOMMU_FAULT_PERM_WRITE ? FAULT_FLAG_WRITE : 0;
	right |= wanted & IOMMU_FAULT_PERM_EXEC ? FAULT_FLAG_INSTRUCTION : 0;
	right |= wanted & IOMMU_FAULT_PERM_PRIV ? 0 : FAULT_FLAG_USER;
	if (flags != right)
		finding_add(XP_K_WARN, 0, pc, "a page is faulted in with other flags than its request asks for");
}

void process_new(int process, struct mm_struct *mm)
{
	processes[process].mm = mm;
	processes[process].exited = false;
	mm_init(mm, (u32)(MAX_SPACES - 1 - process));
}

void driver_exit(int process)
{
	u64 addr = process_addr(process);

	wait_op(&op_store, addr, NULL);
	commit(&op_store, MODE_WRITE, addr, NULL);
	sync_acquire(addr);
	if (processes[process].exited)
		return;
	processes[process].exited = true;
	mmput(processes[process].mm);
}

void driver_end_processes(void)
{
	int i;

	for (i = 0; i < scenario.nr_spaces; i++)
		driver_exit(i);
}

/* The space, for what is done inside this step; NULL: the process has exited. Whoever got it calls process_done(). */
static struct mm_struct *process_step(int process)
{
	u64 addr = process_addr(process);

	wait_op(&op_load, addr, NULL);
	commit(&op_load, MODE_READ, addr, NULL);
	return processes[process].exited ? NULL : processes[process].mm;
}

static void process_done(int process)
{
	sync_release_join(process_addr(process));
}

void driver_map(const struct record *r)
{
	u64 start = record_u64(r->b, r->c), end = start + record_u64(r->e, r->f);
	struct mm_struct *mm = process_step(r->a);
	bool fits;

	if (!mm)
		return;
	fits = r->op == XP_MAP ? mm_map_within(mm, start, end, (unsigned long)r->d) : mm_unmap_within(mm, start, end);
	if (!fits)
		finding_fatal(XP_K_EXPLORER, 0, NULL, "too many areas in one address space");
	process_done(r->a);
}

struct mm_struct *process_mm(const struct attaching *a, int space)
{
	struct mm_struct *mm = (struct mm_struct *)&address_spaces[space];

	if (a->process < 0)
		return mm;
	mm = process_step(a->process);
	if (!mm)
		return NULL;
	mm_grab_within(mm);
	process_done(a->process);
	return mm;
}
