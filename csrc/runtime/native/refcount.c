// SPDX-License-Identifier: GPL-2.0-only
/* The slow half of refcount.h: cells, collecting them, shared counts, and misuse. */
#include <linux/refcount.h>
#include <runtime.h>

#include "internal.h"

#define SPINS 100
#define NAP_NS 50000u
#define STREAK 128u			/* 64 references that a thread took and put */
#define APART_MAX (1 << 30)		/* one that may be misused any moment is not apart */
#define KEYS_AT_A_TIME (1ULL << 32)

static u32 refcount_kind(u64 word)
{
	return (u32)word & REFCOUNT_KINDS;
}

static int refcount_refs(u64 word)
{
	return (int)(word >> 32);
}

static u32 refcount_collected(u64 word)
{
	return (u32)word / REFCOUNT_COLLECTED & REFCOUNT_COLLECTED_MAX;
}

/* May the caller have references in its cell? */
static bool refcount_is_apart(u64 word, const struct thread *self)
{
	return (u32)word == thread_id(self) || refcount_kind(word) == REFCOUNT_MANY;
}

static u64 refcount_word(const refcount_t *r)
{
	return __atomic_load_n(&r->word, __ATOMIC_ACQUIRE);
}

static bool refcount_change(refcount_t *r, u64 *from, u64 to)
{
	return __atomic_compare_exchange_n(&r->word, from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* --- waiting for one another --- */

static u32 *refcount_futex(refcount_t *r)
{
	return (u32 *)&r->word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* For somebody who takes a barrier or a few instructions, unless it was preempted. */
static void refcount_relax(refcount_t *r, int *spins)
{
	if (runtime_cpus > 1 && (*spins)++ < SPINS)
		cpu_relax();
	else
		futex_wait(refcount_futex(r), (u32)refcount_word(r), NAP_NS);
}

static void refcount_wait_collected(refcount_t *r)
{
	int spins = 0;

	while (refcount_kind(refcount_word(r)) == REFCOUNT_REVOKED)
		refcount_relax(r, &spins);
}

/* Ends REVOKED. What was counted in refs meanwhile stays. */
static void refcount_publish(refcount_t *r, u32 refs, u64 mode)
{
	__atomic_fetch_add(&r->word, REFCOUNT_WORD(refs, 0) + mode - REFCOUNT_REVOKED, __ATOMIC_ACQ_REL);
	futex_wake(refcount_futex(r), INT32_MAX);
}

/* --- cells --- */

/*
 * Never that of no count, and never the same again. Of several it is one in whose cell the caller has no references: one that
 * a thread keeps for long keeps its cell. A streak keeps none: it may be that of a count that is long gone, and a thread that
 * lives for long has one of those in each of its cells.
 */
static u64 refcount_new_key(struct thread *self)
{
	static u64 given = KEYS_AT_A_TIME;
	int tries;

	for (tries = 0; tries < REFCOUNT_CELLS; tries++) {
		if (self->next_key % KEYS_AT_A_TIME == 0)
			self->next_key = __atomic_fetch_add(&given, KEYS_AT_A_TIME, __ATOMIC_RELAXED);
		self->next_key += REFCOUNT_KEY_STEP;
		if (!__atomic_load_n(&refcount_cell(self, self->next_key)->own, __ATOMIC_RELAXED))
			break;
	}
	return self->next_key;
}

/* The caller's cell for a key. One without references can be had from another count. NULL: it cannot. */
static struct refcount_cell *refcount_take_cell(struct thread *self, u64 key)
{
	struct refcount_cell *cell = refcount_cell(self, key);

	if (key & REFCOUNT_NO_CELLS)
		return NULL;
	if (cell->key == key)
		return cell;
	if (__atomic_load_n(&cell->own, __ATOMIC_RELAXED))
		return NULL;
	__atomic_store_n(&cell->key, key, __ATOMIC_RELAXED);
	cell->streak = 0;
	return cell;
}

/*
 * What a thread has in its cell; from now on nothing. A cell goes to another count when there is nothing in it: then its
 * key is another one behind the value, which was not meant. The caller has made everybody pass a barrier, so the
 * thread does not take the cell back.
 */
static u32 refcount_empty_cell(refcount_t *r, u64 key, struct thread *owner)
{
	struct refcount_cell *cell = refcount_cell(owner, key);
	int spins = 0;
	u32 own;

	for (;;) {
		own = __atomic_load_n(&cell->own, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&cell->key, __ATOMIC_ACQUIRE) != key || !own)
			return 0;
		if (!(own & REFCOUNT_BUSY))
			break;
		refcount_relax(r, &spins);
	}
	__atomic_store_n(&cell->own, 0, __ATOMIC_RELAXED);
	return own;
}

/* Afterwards the count is shared, or dead. */
static void refcount_collect(refcount_t *r)
{
	struct thread *self = thread_current(), *t;
	u64 word = refcount_word(r), key;
	u32 collected, refs = 0;

	do {
		if (refcount_kind(word) == REFCOUNT_REVOKED) {
			refcount_wait_collected(r);
			word = refcount_word(r);
		}
		if (refcount_kind(word) >= REFCOUNT_SHARED)
			return;
	} while (!refcount_change(r, &word, REFCOUNT_WORD(refcount_refs(word), REFCOUNT_REVOKED)));

	key = __atomic_load_n(&r->key, __ATOMIC_RELAXED);
	__atomic_store_n(&r->key, refcount_new_key(self) | REFCOUNT_NO_CELLS, __ATOMIC_SEQ_CST);
	if ((u32)word == thread_id(self)) {
		refs = refcount_empty_cell(r, key, self);
	} else if ((u32)word != REFCOUNT_UNUSED) {
		membarrier_all();
		for_each_thread_record(t)
			refs += refcount_empty_cell(r, key, t);
	}
	collected = refcount_kind(word) == REFCOUNT_MANY ? refcount_collected(word) : 0;
	collected += collected < REFCOUNT_COLLECTED_MAX;
	refcount_publish(r, refs, REFCOUNT_SHARED + collected * REFCOUNT_COLLECTED);
}

/* Threads put what they take: they may have cells again. The caller has a reference, and it is not the only one. */
static void refcount_part(refcount_t *r, u64 word)
{
	u32 collected = refcount_collected(word) * REFCOUNT_COLLECTED;
	u64 key;

	if (!refcount_change(r, &word, REFCOUNT_WORD(refcount_refs(word), REFCOUNT_REVOKED)))
		return;
	key = __atomic_load_n(&r->key, __ATOMIC_RELAXED);
	__atomic_store_n(&r->key, key & ~REFCOUNT_NO_CELLS, __ATOMIC_RELEASE);
	refcount_publish(r, 0, REFCOUNT_MANY + collected);
}

/* Whoever collects may have seen the mark, and adds up what is put back, or came before. In either case nothing is left. */
noinline void refcount_cell_lost(refcount_t *r, struct refcount_cell *cell, u32 own)
{
	__atomic_store_n(&cell->own, own, __ATOMIC_RELEASE);
	refcount_wait_collected(r);
	__atomic_store_n(&cell->own, 0, __ATOMIC_RELAXED);
}

/* A lost thread's change has not happened. */
void refcount_after_fork(void)
{
	struct thread *lost;
	int i;

	for_each_thread_record(lost)
		if (lost != thread_current())
			for (i = 0; i < REFCOUNT_CELLS; i++)
				lost->cells[i].own &= ~REFCOUNT_BUSY;
}

/* --- counts that are shared --- */

/*
 * The caller's cell for the time when the count is apart again. It is found by the key that is then valid; when the caller
 * has that cell for something else, the count gets another key.
 */
static struct refcount_cell *refcount_cell_of_shared(refcount_t *r)
{
	u64 key = __atomic_load_n(&r->key, __ATOMIC_ACQUIRE), new;
	struct thread *self = thread_current();
	struct refcount_cell *cell = refcount_cell(self, key);

	if (likely(cell->key == (key & ~REFCOUNT_NO_CELLS)))
		return cell;
	if (!(key & REFCOUNT_NO_CELLS) || key == REFCOUNT_NO_CELLS)
		return NULL;
	if (__atomic_load_n(&cell->own, __ATOMIC_RELAXED) || cell->streak) {
		new = refcount_new_key(self) | REFCOUNT_NO_CELLS;
		if (!__atomic_compare_exchange_n(&r->key, &key, new, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return NULL;
		key = new;
	}
	return refcount_take_cell(self, key & ~REFCOUNT_NO_CELLS);
}

static void refcount_note_get(refcount_t *r)
{
	struct refcount_cell *cell = refcount_cell_of_shared(r);

	if (cell)
		cell->streak = cell->streak & 1 ? 1 : cell->streak + 1;
}

/* Has the thread put what it took for long enough? */
static bool refcount_note_put(refcount_t *r, u64 word)
{
	u32 collected = refcount_collected(word);
	struct refcount_cell *cell = collected < REFCOUNT_COLLECTED_MAX ? refcount_cell_of_shared(r) : NULL;

	if (!cell)
		return false;
	cell->streak = cell->streak & 1 ? cell->streak + 1 : 0;
	if (cell->streak < STREAK << collected)
		return false;
	cell->streak = 0;
	return true;
}

/* --- one more --- */

/* What there was before, where it is known: of a count that is apart there was 1 at least. */
static int refcount_get(refcount_t *r)
{
	struct thread *self = thread_current();
	u64 word = refcount_word(r);

	for (;;) {
		int refs = refcount_refs(word);

		switch (refcount_kind(word)) {
		case REFCOUNT_SHARED:
			/* Before it is counted: then the line may be another processor's again. */
			if (refcount_collected(word) < REFCOUNT_COLLECTED_MAX)
				refcount_note_get(r);
			word = __atomic_fetch_add(&r->word, REFCOUNT_ONE, __ATOMIC_RELAXED);
			if (refcount_kind(word) == REFCOUNT_DEAD)
				return 0;
			return refcount_kind(word) == REFCOUNT_SHARED ? refcount_refs(word) : 1;
		case REFCOUNT_DEAD:
			return 0;
		case REFCOUNT_REVOKED:
			refcount_wait_collected(r);
			word = refcount_word(r);
			continue;
		}
		if (refs > APART_MAX || refs <= 0) {
			refcount_collect(r);
			word = refcount_word(r);
		} else if (!refcount_is_apart(word, self)) {
			u32 mode = (u32)word == REFCOUNT_UNUSED ? thread_id(self) : REFCOUNT_MANY;

			if (refcount_change(r, &word, REFCOUNT_WORD(refs, mode)))
				word = REFCOUNT_WORD(refs, mode);
		} else if ((refcount_take_cell(self, __atomic_load_n(&r->key, __ATOMIC_ACQUIRE)) &&
			    refcount_cell_add(r, self, 1)) ||
			   refcount_change(r, &word, word + REFCOUNT_ONE)) {
			return 1;
		}
	}
}

static noinline __cold void went_wrong(refcount_t *r, enum refcount_saturation_type why)
{
	refcount_collect(r);
	__atomic_store_n(&r->word, REFCOUNT_WORD(REFCOUNT_SATURATED, REFCOUNT_SHARED +
			 REFCOUNT_COLLECTED_MAX * REFCOUNT_COLLECTED), __ATOMIC_RELAXED);
	refcount_warn_saturate(why);
}

void refcount_inc_slow(refcount_t *r)
{
	int old = refcount_get(r);

	if (unlikely(old <= 0 || old == REFCOUNT_MAX))
		went_wrong(r, old ? REFCOUNT_ADD_OVF : REFCOUNT_ADD_UAF);
}

bool refcount_inc_not_zero_slow(refcount_t *r)
{
	int old = refcount_get(r);

	if (unlikely(old < 0 || old == REFCOUNT_MAX))
		went_wrong(r, REFCOUNT_ADD_NOT_ZERO_OVF);
	return old;
}

/* --- one less --- */

/* What there was before, where it is known: more than 1 where a reference is left. At 1 the object is the caller's alone. */
static int refcount_put(refcount_t *r)
{
	struct thread *self = thread_current();
	u64 word = refcount_word(r);

	for (;;) {
		int refs = refcount_refs(word);
		u32 kind = refcount_kind(word);
		bool apart = refcount_is_apart(word, self);

		if (kind == REFCOUNT_DEAD || (kind == REFCOUNT_SHARED && refs <= 0))
			return kind == REFCOUNT_DEAD ? 0 : refs;
		if (kind == REFCOUNT_REVOKED) {
			refcount_wait_collected(r);
			word = refcount_word(r);
			continue;
		}
		if (apart && refcount_cell_add(r, self, -1u))
			return 2;
		if (kind == REFCOUNT_SHARED && refs > 1 && unlikely(refcount_note_put(r, word)))
			refcount_part(r, word);

		if (refs > 1) {
			if (refcount_change(r, &word, word - REFCOUNT_ONE))
				return refs;
		} else if (refs == 1 && (kind == REFCOUNT_SHARED || (u32)word == REFCOUNT_UNUSED)) {
			if (refcount_change(r, &word, REFCOUNT_WORD(0, REFCOUNT_DEAD)))
				return 1;
		} else {
			refcount_collect(r);
			word = refcount_word(r);
		}
	}
}

void refcount_dec_slow(refcount_t *r)
{
	if (unlikely(refcount_put(r) <= 1))
		went_wrong(r, REFCOUNT_DEC_LEAK);
}

bool refcount_dec_and_test_slow(refcount_t *r)
{
	int old = refcount_put(r);

	if (unlikely(old <= 0))
		went_wrong(r, REFCOUNT_SUB_UAF);
	return old == 1;
}

/* --- the rest --- */

void refcount_add(int n, refcount_t *r)
{
	int old;

	refcount_collect(r);
	if (refcount_kind(refcount_word(r)) == REFCOUNT_DEAD) {
		went_wrong(r, REFCOUNT_ADD_UAF);
		return;
	}
	old = refcount_refs(__atomic_fetch_add(&r->word, REFCOUNT_WORD(n, 0), __ATOMIC_RELAXED));
	if (unlikely(old <= 0 || (int)((u32)old + (u32)n) < 0))
		went_wrong(r, REFCOUNT_ADD_OVF);
}

void refcount_set(refcount_t *r, int n)
{
	__atomic_store_n(&r->key, refcount_new_key(thread_current()), __ATOMIC_RELAXED);
	__atomic_store_n(&r->word, REFCOUNT_WORD(n, n ? REFCOUNT_UNUSED : REFCOUNT_DEAD), __ATOMIC_RELAXED);
}

int refcount_read(const refcount_t *r)
{
	u64 word = refcount_word(r), key = __atomic_load_n(&r->key, __ATOMIC_RELAXED);
	u32 refs = (u32)refcount_refs(word);
	struct thread *t;

	if (refcount_kind(word) == REFCOUNT_DEAD)
		return 0;
	if (refcount_kind(word) == REFCOUNT_SHARED)
		return (int)refs;
	for_each_thread_record(t) {
		const struct refcount_cell *cell = refcount_cell(t, key);

		if (__atomic_load_n(&cell->key, __ATOMIC_ACQUIRE) == key)
			refs += __atomic_load_n(&cell->own, __ATOMIC_ACQUIRE) & ~REFCOUNT_BUSY;
	}
	return (int)refs;
}

enum runtime_regime refcount_regime(const refcount_t *r)
{
	u32 mode = (u32)refcount_word(r);

	switch (mode & REFCOUNT_KINDS) {
	case REFCOUNT_UNUSED:
		return mode ? REGIME_OWNED : REGIME_UNUSED;
	case REFCOUNT_MANY:
		return REGIME_APART;
	default:
		return REGIME_SHARED;
	}
}
