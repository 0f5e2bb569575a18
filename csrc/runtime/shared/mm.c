// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces: sorted areas under a reader-writer lock, in whole pages.
 *
 * Plain pthreads, the same in every run runtime: a space is no part of what a runtime does differently, and devices of
 * different runtimes may share one. So its counts are no refcount_t, whose form is the runtime's; nor are they in the
 * kernel.
 */
#include <linux/mm.h>
#include <pthread.h>
#include <runtime.h>
#include <stdlib.h>
#include <string.h>

struct mm_struct {
	pthread_rwlock_t lock;
	int structs;			/* mmgrab */
	int users;			/* mmget */
	int exited;
	struct vm_area_struct *areas;	/* sorted, not overlapping */
	size_t nr_areas, capacity;
};

struct mm_struct *mm_new(void)
{
	struct mm_struct *mm = calloc(1, sizeof(*mm));

	if (!mm)
		return NULL;
	pthread_rwlock_init(&mm->lock, NULL);
	mm->structs = 1;
	mm->users = 1;
	return mm;
}

void mmgrab(struct mm_struct *mm)
{
	__atomic_fetch_add(&mm->structs, 1, __ATOMIC_RELAXED);
}

void mmdrop(struct mm_struct *mm)
{
	if (__atomic_sub_fetch(&mm->structs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_rwlock_destroy(&mm->lock);
	free(mm->areas);
	free(mm);
}

bool mmget_not_zero(struct mm_struct *mm)
{
	int users = __atomic_load_n(&mm->users, __ATOMIC_RELAXED);

	while (users && !__atomic_compare_exchange_n(&mm->users, &users, users + 1, true, __ATOMIC_ACQUIRE,
						     __ATOMIC_RELAXED))
		;
	return users;
}

/* The last user takes the areas with it. */
void mmput(struct mm_struct *mm)
{
	if (__atomic_sub_fetch(&mm->users, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_rwlock_wrlock(&mm->lock);
	mm->nr_areas = 0;
	pthread_rwlock_unlock(&mm->lock);
}

void mm_exit(struct mm_struct *mm)
{
	if (!__atomic_exchange_n(&mm->exited, 1, __ATOMIC_ACQ_REL))
		mmput(mm);
}

bool mm_exited(struct mm_struct *mm)
{
	return __atomic_load_n(&mm->exited, __ATOMIC_ACQUIRE);
}

void mmap_read_lock(struct mm_struct *mm)
{
	pthread_rwlock_rdlock(&mm->lock);
}

void mmap_read_unlock(struct mm_struct *mm)
{
	pthread_rwlock_unlock(&mm->lock);
}

/* The first area that ends after addr; nr_areas when there is none. */
static size_t area_behind(struct mm_struct *mm, unsigned long addr)
{
	size_t low = 0, high = mm->nr_areas;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (mm->areas[middle].vm_end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct vm_area_struct *vma_lookup(struct mm_struct *mm, unsigned long addr)
{
	size_t i = area_behind(mm, addr);

	return i < mm->nr_areas && mm->areas[i].vm_start <= addr ? &mm->areas[i] : NULL;
}

vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long addr, unsigned int flags, struct pt_regs *regs)
{
	unsigned long wanted = 0;

	(void)addr;
	(void)regs;
	if (flags & FAULT_FLAG_WRITE)
		wanted |= VM_WRITE;
	if (flags & FAULT_FLAG_INSTRUCTION)
		wanted |= VM_EXEC;
	return wanted & ~vma->vm_flags ? VM_FAULT_SIGSEGV : 0;
}

static int make_room(struct mm_struct *mm, size_t more)
{
	size_t capacity = 2 * mm->capacity + more;
	struct vm_area_struct *areas;

	if (mm->nr_areas + more <= mm->capacity)
		return 0;
	areas = realloc(mm->areas, capacity * sizeof(*areas));
	if (!areas)
		return -ENOMEM;
	mm->areas = areas;
	mm->capacity = capacity;
	return 0;
}

static void insert_area(struct mm_struct *mm, size_t i, u64 start, u64 end, unsigned long perm)
{
	memmove(&mm->areas[i + 1], &mm->areas[i], (mm->nr_areas - i) * sizeof(*mm->areas));
	mm->areas[i] = (struct vm_area_struct){ .vm_start = start, .vm_end = end, .vm_flags = perm };
	mm->nr_areas++;
}

/* Cuts the area that addr lies inside of, so that one begins at addr. There is room. */
static void split_at(struct mm_struct *mm, u64 addr)
{
	size_t i = area_behind(mm, addr);
	u64 end;

	if (i == mm->nr_areas || mm->areas[i].vm_start >= addr)
		return;
	end = mm->areas[i].vm_end;
	mm->areas[i].vm_end = addr;
	insert_area(mm, i + 1, addr, end, mm->areas[i].vm_flags);
}

int mm_map(struct mm_struct *mm, u64 start, u64 length, unsigned long perm)
{
	u64 end = start + length;
	int ret = -EEXIST;
	size_t i;

	pthread_rwlock_wrlock(&mm->lock);
	i = area_behind(mm, start);
	if (i == mm->nr_areas || mm->areas[i].vm_start >= end) {
		ret = make_room(mm, 1);
		if (!ret)
			insert_area(mm, i, start, end, perm);
	}
	pthread_rwlock_unlock(&mm->lock);
	return ret;
}

int mm_unmap(struct mm_struct *mm, u64 start, u64 length)
{
	u64 end = start + length;
	size_t first, last;
	int ret;

	pthread_rwlock_wrlock(&mm->lock);
	ret = make_room(mm, 2);
	if (!ret) {
		split_at(mm, start);
		split_at(mm, end);
		first = area_behind(mm, start);
		for (last = first; last < mm->nr_areas && mm->areas[last].vm_start < end; last++)
			;
		memmove(&mm->areas[first], &mm->areas[last], (mm->nr_areas - last) * sizeof(*mm->areas));
		mm->nr_areas -= last - first;
	}
	pthread_rwlock_unlock(&mm->lock);
	return ret;
}

int mm_protect(struct mm_struct *mm, u64 start, u64 length, unsigned long perm)
{
	u64 end = start + length, next = start;
	size_t first, i;
	int ret;

	pthread_rwlock_wrlock(&mm->lock);
	/* All of it is mapped, or nothing changes. */
	first = area_behind(mm, start);
	for (i = first; i < mm->nr_areas && mm->areas[i].vm_start <= next && next < end; i++)
		next = mm->areas[i].vm_end;
	ret = next < end ? -ENOENT : make_room(mm, 2);
	if (!ret) {
		split_at(mm, start);
		split_at(mm, end);
		for (i = area_behind(mm, start); i < mm->nr_areas && mm->areas[i].vm_start < end; i++)
			mm->areas[i].vm_flags = perm;
	}
	pthread_rwlock_unlock(&mm->lock);
	return ret;
}

size_t mm_areas(struct mm_struct *mm, size_t max, u64 (*areas)[3])
{
	size_t i, n;

	pthread_rwlock_rdlock(&mm->lock);
	n = mm->nr_areas;
	for (i = 0; i < n && i < max; i++) {
		areas[i][0] = mm->areas[i].vm_start;
		areas[i][1] = mm->areas[i].vm_end;
		areas[i][2] = mm->areas[i].vm_flags;
	}
	pthread_rwlock_unlock(&mm->lock);
	return n;
}
