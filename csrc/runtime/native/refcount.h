/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A count that is in pieces: each thread has its references in a cell of its own, and changes that by a load and a store
 * in place of an atomic read-modify-write. What is in no cell is in the count itself. The sum is what is counted:
 *
 *	references = refs + the cells of all threads
 *
 * While that is so, "apart", refs is never less than 1: the reference that the object was made with is there, in nobody's
 * cell. So a thread that takes a reference and puts it again need not ask whether it was the last: it was not. Who has
 * nothing in its cell puts from refs, and when that has but one, *collects* first: it makes every running thread of the
 * process pass a barrier (membarrier, 390 ns), adds the cells up in refs, and says SHARED. From then on
 * everybody counts in refs, with atomics, and the one that takes it to 0 knows that. A count that one thread alone
 * has changed needs no barrier: that thread knows its cell.
 *
 * Which cells are a count's own says its key, and whoever collects first takes that away. A thread may be anywhere in a
 * change of its cell meanwhile. So it marks the cell as busy, looks at the key again, and then stores the new value, which
 * ends the mark. If the key is still what it was, then by the barrier whoever collects sees the mark and waits for its
 * end; if not, the old value is put back and the change is made otherwise. The store is the last access: after a put the
 * object may be gone.
 *
 * References that one thread takes and another one puts, as with works, are counted in refs, after the first of them has
 * made somebody collect. A thread that puts what it took, so many times in a row, makes the count apart again, with
 * another key: no cell of the time before has anything to do with it. Each time that took a collection it has to
 * be twice as many, and the seventh is the last.
 *
 * A count and its mode are one word, so that every atomic change says in which mode it was made.
 *
 * After "Biased Reference Counting" (Choi, Shull, Torrellas, PACT 2018), where one thread has a cell, and the kernel's
 * percpu_ref, where somebody has to say when the first reference is put. Here the arithmetic says it.
 */
#ifndef IOPF_NATIVE_REFCOUNT_H
#define IOPF_NATIVE_REFCOUNT_H

#include "thread.h"

/*
 * The low half of the word; refs is the high one. Else it is the thread_id() of the one thread that has a cell, which is
 * a multiple of a record's alignment. Above the kind: how often it was collected, 7 at most.
 */
#define REFCOUNT_UNUSED 0u		/* nobody has a cell yet */
#define REFCOUNT_MANY 1u		/* several threads have cells */
#define REFCOUNT_REVOKED 2u		/* somebody collects, or makes it apart again: the key changes */
#define REFCOUNT_SHARED 3u		/* nobody has anything in a cell */
#define REFCOUNT_DEAD 4u		/* 0 references */
#define REFCOUNT_KINDS 7u
#define REFCOUNT_COLLECTED 8u		/* one time */
#define REFCOUNT_COLLECTED_MAX 7u

#define REFCOUNT_ONE (1ULL << 32)	/* reference, in the word */
#define REFCOUNT_WORD(refs, mode) ((u64)(u32)(refs) << 32 | (mode))

/* In a cell. */
#define REFCOUNT_BUSY (1u << 31)
#define REFCOUNT_CELL_MAX (1u << 20)

/* No two counts, and no two times of one, ever have the same key. Its bits above the mark choose the cell. */
#define REFCOUNT_NO_CELLS 1ull		/* a mark: it is not apart */
#define REFCOUNT_KEY_STEP sizeof(struct refcount_cell)

typedef struct refcount_struct {
	u64 word;
	u64 key;
} refcount_t;

/* It is shared from the first, and for good. */
#define REFCOUNT_INIT(n) { .word = REFCOUNT_WORD(n, (n) ? REFCOUNT_SHARED : REFCOUNT_DEAD), .key = REFCOUNT_NO_CELLS }

KERNEL_API void refcount_set(refcount_t *r, int n);
KERNEL_API int refcount_read(const refcount_t *r);
/* The rest of each: of a thread without a cell for it, of a count that is shared, or not good, and of the last reference. */
KERNEL_API void refcount_inc_slow(refcount_t *r);
KERNEL_API bool refcount_inc_not_zero_slow(refcount_t *r);
KERNEL_API void refcount_dec_slow(refcount_t *r);
KERNEL_API bool refcount_dec_and_test_slow(refcount_t *r);
/* More than one at a time: nobody does that often. */
KERNEL_API void refcount_add(int n, refcount_t *r);
/* Nothing was counted: somebody took the key away before the mark was made. */
KERNEL_API __cold void refcount_cell_lost(refcount_t *r, struct refcount_cell *cell, u32 own);

/* The one that the thread has, or would have, for a count of that key. */
static inline struct refcount_cell *refcount_cell(struct thread *self, u64 key)
{
	return &self->cells[key / REFCOUNT_KEY_STEP % REFCOUNT_CELLS];
}

/* n is 1 or -1. False: the thread has no cell for it, or cannot count there, and nothing was counted. */
static inline bool refcount_cell_add(refcount_t *r, struct thread *self, u32 n)
{
	u64 key = __atomic_load_n(&r->key, __ATOMIC_ACQUIRE);
	struct refcount_cell *cell = refcount_cell(self, key);
	u32 own = __atomic_load_n(&cell->own, __ATOMIC_RELAXED);

	if (unlikely(__atomic_load_n(&cell->key, __ATOMIC_RELAXED) != key) || unlikely(own + n >= REFCOUNT_CELL_MAX))
		return false;
	__atomic_store_n(&cell->own, own | REFCOUNT_BUSY, __ATOMIC_RELAXED);
	barrier();
	if (unlikely(__atomic_load_n(&r->key, __ATOMIC_ACQUIRE) != key)) {
		refcount_cell_lost(r, cell, own);
		return false;
	}
	__atomic_store_n(&cell->own, own + n, __ATOMIC_RELEASE);
	return true;
}

static inline void refcount_inc(refcount_t *r)
{
	if (unlikely(!refcount_cell_add(r, thread_stable(), 1)))
		refcount_inc_slow(r);
}

static inline bool refcount_inc_not_zero(refcount_t *r)
{
	return likely(refcount_cell_add(r, thread_stable(), 1)) || refcount_inc_not_zero_slow(r);
}

static inline void refcount_dec(refcount_t *r)
{
	if (unlikely(!refcount_cell_add(r, thread_stable(), -1u)))
		refcount_dec_slow(r);
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	return unlikely(!refcount_cell_add(r, thread_stable(), -1u)) && refcount_dec_and_test_slow(r);
}

#endif
