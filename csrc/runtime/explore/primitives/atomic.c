// SPDX-License-Identifier: GPL-2.0-only
/*
 * Marked accesses of a core: atomics, whose hooks have to perform them, and volatile ones (READ_ONCE, WRITE_ONCE), which
 * come by names of their own since gcc's --param tsan-distinguish-volatile=1. Each is a scheduling point.
 *
 * Memory orders make the edges of the race clocks: a release store leaves its task's clock with the variable, an acquire
 * load takes what is there, a read-modify-write goes on with the release sequence, a relaxed store ends it. A fail of a
 * compare-and-exchange is a read.
 *
 * A fence is no point, since under sequential consistency no order of steps comes or goes with it. A release fence makes
 * releases of the relaxed stores behind it, of what was before the fence; an acquire fence takes what the relaxed loads before
 * it have found released. Of a pair of fences each needs an access of its own on the same variable (C11 7.17.4).
 */

#include "primitives.h"

struct op_class op_load = { .name = "atomic load", .pending_mode = PENDING_READ, .spins = true };
struct op_class op_store = { .name = "atomic store", .pending_mode = PENDING_WRITE, .gates = GATES_ALWAYS };
static struct op_class op_rmw = { .name = "atomic read-modify-write", .pending_mode = PENDING_WRITE, .gates = GATES_ALWAYS };
static struct op_class op_add = { .name = "atomic add", .pending_mode = PENDING_WRITE, .gates = GATES_UNLESS_COMMUTING };
static struct op_class op_cas = { .name = "compare-and-exchange", .pending_mode = PENDING_WRITE, .gates = GATES_ALWAYS };

static bool has_changed(const struct task *t)
{
	return hook_value(t->pending.addr, t->pending.index) != t->pending.expected;
}

struct op_class op_await = { .name = "await", .ready = has_changed, .pending_mode = PENDING_READ, .spins = true };

void hook_await(u64 addr, int bytes, s64 expected, const void *pc)
{
	wait_for((struct op){ .class = &op_await, .addr = addr, .index = (u16)bytes, .expected = expected, .pc = pc });
}

#define HOOK KERNEL_API __attribute__((used))

/* --- marked accesses --- */

static inline bool in_concurrency(u64 addr)
{
	struct task *t = engine.current;

	/* A variable on one's own stack is nobody else's. */
	return t && addr - (u64)t->fiber.stack >= FIBER_STACK_BYTES;
}

/* A loop may wait for one's own variable. */
static inline void own(const void *pc)
{
	if (unlikely(engine.closely) && engine.current)
		watch_access(engine.current, pc);
}

/* Of each task, in one execution: what its last release fence releases, and what its relaxed loads found. */
static struct {
	u32 execution;
	bool has_released;
	struct clock released, found;
} fences[MAX_TASKS];

static struct op_class op_fence = { .name = "fence" };

static noinline void fences_begin(int task)
{
	fences[task].execution = engine.execution;
	fences[task].has_released = false;
	clock_zero(&fences[task].found);
}

/* A load that is no acquire. */
static inline void relaxed_load(u64 addr)
{
	int task = engine.current->id;
	const struct var *v = var_of(addr);

	if (!v->has_sync)
		return;
	if (fences[task].execution != engine.execution)
		fences_begin(task);
	clock_join(&fences[task].found, &v->sync);
}

void fence_sees(u64 addr)
{
	relaxed_load(addr);
}

/* The clock that a release fence of the task has left for its relaxed stores, or NULL. */
static inline const struct clock *fenced(void)
{
	int task = engine.current->id;

	return fences[task].execution == engine.execution && fences[task].has_released ? &fences[task].released : NULL;
}

static inline void relaxed_store(u64 addr)
{
	const struct clock *clock = fenced();
	struct var *v = var_of(addr);

	v->has_sync = clock;
	if (unlikely(clock))
		clock_copy(&v->sync, clock);
}

/* The release sequence goes on. */
static inline void relaxed_rmw(u64 addr)
{
	const struct clock *clock = fenced();
	struct var *v = var_of(addr);

	if (likely(!clock))
		return;
	if (!v->has_sync)
		clock_zero(&v->sync);
	v->has_sync = true;
	clock_join(&v->sync, clock);
}

static bool acquires(int order)
{
	return order == __ATOMIC_CONSUME || order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/*
 * A loop that waits for a variable to change reads it again and again, and no strategy gets past that. The fourth load
 * in a row that could only find the same value waits until there is another one. When nobody is left to write it, that is
 * the livelock.
 */
#define SPURIOUS_LOADS 3

static bool spins(struct task *t, u64 addr, size_t size)
{
	s64 value = hook_value(addr, (int)size);

	if (t->spin_addr != addr || t->spin_value != value)
		t->spin_count = 0;
	t->spin_addr = addr;
	t->spin_value = value;
	return t->spin_count++ >= SPURIOUS_LOADS;
}

static void load_begin(u64 addr, size_t size, const void *pc)
{
	shadow_check(addr, size, false, pc);
	if (spins(engine.current, addr, size)) {
		int count = engine.current->spin_count;

		hook_await(addr, (int)size, engine.current->spin_value, pc);
		engine.current->spin_count = count;
	} else {
		wait_op(&op_load, addr, pc);
	}
	shadow_access(addr, size, MARKED_READ, pc);
}

/* By the pointer that it found, if that is one. */
static inline void depends(u64 addr, s64 value)
{
	if (unlikely(heap_has((u64)value)))
		depend_on(addr, (u64)value);
}

/* What a load, or the load of a read-modify-write, takes; an acquire at once, another with a fence or by its pointer. */
static inline void acquire_or_note(u64 addr, int order, s64 value)
{
	if (acquires(order)) {
		sync_acquire(addr);
	} else {
		relaxed_load(addr);
		depends(addr, value);
	}
}

static void load_end(u64 addr, int order, s64 value, const void *pc)
{
	commit_values(&op_load, MODE_READ, addr, pc, value, value);
	acquire_or_note(addr, order, value);
}

static void store_begin(u64 addr, size_t size, const void *pc)
{
	shadow_check(addr, size, true, pc);
	wait_op(&op_store, addr, pc);
	shadow_access(addr, size, MARKED_WRITE, pc);
}

static void store_end(u64 addr, int order, s64 before, s64 after, const void *pc)
{
	commit_values(&op_store, MODE_WRITE, addr, pc, before, after);
	if (releases(order))
		sync_release(addr);
	else
		relaxed_store(addr);
}

static void rmw_begin(struct op_class *op, u64 addr, size_t size, const void *pc)
{
	shadow_check(addr, size, true, pc);
	wait_op(op, addr, pc);
	shadow_access(addr, size, MARKED_WRITE, pc);
}

static void rmw_end(struct op_class *op, u64 addr, int order, s64 before, s64 after, const void *pc)
{
	commit_values(op, MODE_WRITE, addr, pc, before, after);
	acquire_or_note(addr, order, before);
	if (releases(order))
		sync_release_join(addr);
	else
		relaxed_rmw(addr);
}

/* --- for the scenario's own low-level operations --- */

static void set_value(u64 addr, int bytes, s64 value)
{
	switch (bytes) {
	case 1:
		*(u8 *)addr = (u8)value;
		return;
	case 2:
		*(u16 *)addr = (u16)value;
		return;
	case 4:
		*(s32 *)addr = (s32)value;
		return;
	default:
		*(s64 *)addr = value;
	}
}

s64 hook_load_marked(u64 addr, int bytes, int order)
{
	s64 value;

	load_begin(addr, (size_t)bytes, NULL);
	value = hook_value(addr, bytes);
	load_end(addr, order, value, NULL);
	return value;
}

void hook_store(u64 addr, int bytes, int order, s64 value)
{
	s64 before;

	if (order < 0) {
		hook_plain(addr, (size_t)bytes, true);
		set_value(addr, bytes, value);
		return;
	}
	store_begin(addr, (size_t)bytes, NULL);
	before = hook_value(addr, bytes);
	set_value(addr, bytes, value);
	store_end(addr, order, before, value, NULL);
}

s64 hook_rmw(u64 addr, int bytes, int order, bool add, s64 value)
{
	s64 before;

	rmw_begin(&op_rmw, addr, (size_t)bytes, NULL);
	before = hook_value(addr, bytes);
	set_value(addr, bytes, add ? before + value : value);
	rmw_end(&op_rmw, addr, order, before, hook_value(addr, bytes), NULL);
	return before;
}

bool hook_cas(u64 addr, int bytes, int order, s64 expected, s64 value)
{
	s64 before;

	shadow_check(addr, (size_t)bytes, true, NULL);
	wait_op(&op_cas, addr, NULL);
	before = hook_value(addr, bytes);
	shadow_access(addr, (size_t)bytes, before == expected ? MARKED_WRITE : MARKED_READ, NULL);
	if (before != expected) {
		commit_values(&op_cas, MODE_READ, addr, NULL, before, before);
		acquire_or_note(addr, order, before);
		return false;
	}
	set_value(addr, bytes, value);
	rmw_end(&op_cas, addr, order, before, value, NULL);
	return true;
}

#define VOLATILE_HOOKS(n, type)								\
	HOOK void __tsan_volatile_read##n(void *p);					\
	HOOK void __tsan_volatile_write##n(void *p);					\
	void __tsan_volatile_read##n(void *p)						\
	{										\
		if (!in_concurrency((u64)p)) {						\
			own(caller_pc());						\
			return;								\
		}									\
		load_begin((u64)p, n, caller_pc());					\
		load_end((u64)p, __ATOMIC_RELAXED, (s64)*(type *)p, caller_pc());	\
	}										\
	void __tsan_volatile_write##n(void *p)						\
	{										\
		if (!in_concurrency((u64)p))						\
			return;								\
		store_begin((u64)p, n, caller_pc());					\
		/* The value is not here yet. */					\
		commit(&op_store, MODE_WRITE, (u64)p, caller_pc());			\
		relaxed_store((u64)p);							\
	}

VOLATILE_HOOKS(1, u8)
VOLATILE_HOOKS(2, u16)
VOLATILE_HOOKS(4, s32)
VOLATILE_HOOKS(8, s64)

#define RMW_HOOK(bits, type, name, expression)						\
	HOOK type __tsan_atomic##bits##_##name(volatile type *p, type v, int order);	\
	type __tsan_atomic##bits##_##name(volatile type *p, type v, int order)		\
	{										\
		type before, after;							\
											\
		if (in_concurrency((u64)p))						\
			rmw_begin(&op_rmw, (u64)p, sizeof(type), caller_pc());		\
		before = *p;								\
		after = (type)(expression);						\
		*p = after;								\
		if (in_concurrency((u64)p))						\
			rmw_end(&op_rmw, (u64)p, order, (s64)before, (s64)after, caller_pc());	\
		return before;								\
	}

/*
 * A change of a number that tells nobody what it was. Two of them commute, unless one passes on what a fence before it releases,
 * or what another one has: who takes that, with a fence behind it, goes by their order.
 */
static void add_end(u64 addr, s64 before, s64 after, const void *pc)
{
	bool passes_on = fenced() || var_of(addr)->has_sync;

	commit_values(&op_add, passes_on ? MODE_WRITE : MODE_INC, addr, pc, before, after);
	relaxed_load(addr);
	relaxed_rmw(addr);
}

#define ADD(bits, signed_type)								\
	HOOK void iopf_explore_add##bits(u##bits *p, u##bits i);			\
	void iopf_explore_add##bits(u##bits *p, u##bits i)				\
	{										\
		u##bits before;								\
											\
		if (in_concurrency((u64)p))						\
			rmw_begin(&op_add, (u64)p, sizeof(*p), caller_pc());		\
		before = *p;								\
		*p += i;								\
		if (in_concurrency((u64)p))						\
			add_end((u64)p, (signed_type)before, (signed_type)*p, caller_pc());	\
	}

ADD(32, s32)
ADD(64, s64)

#define ATOMIC_HOOKS(bits, type)							\
	HOOK type __tsan_atomic##bits##_load(const volatile type *p, int order);	\
	HOOK void __tsan_atomic##bits##_store(volatile type *p, type v, int order);	\
	HOOK int __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected, type v, int order, int fail);	\
	HOOK int __tsan_atomic##bits##_compare_exchange_weak(volatile type *p, type *expected, type v, int order, int fail);	\
	HOOK type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v, int order, int fail);	\
	type __tsan_atomic##bits##_load(const volatile type *p, int order)		\
	{										\
		type v;									\
											\
		if (!in_concurrency((u64)p)) {						\
			own(caller_pc());						\
			return *p;							\
		}									\
		load_begin((u64)p, sizeof(type), caller_pc());				\
		v = *p;									\
		load_end((u64)p, order, (s64)v, caller_pc());				\
		return v;								\
	}										\
	void __tsan_atomic##bits##_store(volatile type *p, type v, int order)		\
	{										\
		type before;								\
											\
		if (!in_concurrency((u64)p)) {						\
			*p = v;								\
			return;								\
		}									\
		store_begin((u64)p, sizeof(type), caller_pc());				\
		before = *p;								\
		*p = v;									\
		store_end((u64)p, order, (s64)before, (s64)v, caller_pc());		\
	}										\
	static bool cas##bits(volatile type *p, type *expected, type v, int order, int fail, const void *pc)	\
	{										\
		bool concurrent = in_concurrency((u64)p), swapped;			\
		type before;								\
											\
		if (concurrent) {							\
			shadow_check((u64)p, sizeof(type), true, pc);			\
			wait_op(&op_cas, (u64)p, pc);					\
		}									\
		before = *p;								\
		swapped = before == *expected;						\
		if (concurrent)								\
			shadow_access((u64)p, sizeof(type), swapped ? MARKED_WRITE : MARKED_READ, pc);	\
		if (swapped)								\
			*p = v;								\
		else									\
			*expected = before;						\
		if (concurrent && swapped)						\
			rmw_end(&op_cas, (u64)p, order, (s64)before, (s64)v, pc);	\
		else if (concurrent) {							\
			commit_values(&op_cas, MODE_READ, (u64)p, pc, (s64)before, (s64)before);	\
			acquire_or_note((u64)p, fail, (s64)before);			\
		}									\
		return swapped;								\
	}										\
	int __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected, type v, int order, int fail)	\
	{										\
		return cas##bits(p, expected, v, order, fail, caller_pc());		\
	}										\
	int __tsan_atomic##bits##_compare_exchange_weak(volatile type *p, type *expected, type v, int order, int fail)	\
	{										\
		return cas##bits(p, expected, v, order, fail, caller_pc());		\
	}										\
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v, int order, int fail)	\
	{										\
		cas##bits(p, &expected, v, order, fail, caller_pc());			\
		return expected;							\
	}										\
	RMW_HOOK(bits, type, exchange, v)						\
	RMW_HOOK(bits, type, fetch_add, before + v)					\
	RMW_HOOK(bits, type, fetch_sub, before - v)					\
	RMW_HOOK(bits, type, fetch_and, before & v)					\
	RMW_HOOK(bits, type, fetch_or, before | v)					\
	RMW_HOOK(bits, type, fetch_xor, before ^ v)					\
	RMW_HOOK(bits, type, fetch_nand, ~(before & v))

ATOMIC_HOOKS(8, u8)
ATOMIC_HOOKS(16, u16)
ATOMIC_HOOKS(32, u32)
ATOMIC_HOOKS(64, u64)

HOOK void __tsan_atomic_thread_fence(int order);
HOOK void __tsan_atomic_signal_fence(int order);

void __tsan_atomic_thread_fence(int order)
{
	struct task *t = engine.current;

	if (!t || order == __ATOMIC_RELAXED)
		return;
	if (fences[t->id].execution != engine.execution)
		fences_begin(t->id);
	if (acquires(order))
		clock_join(&t->race, &fences[t->id].found);
	if (releases(order)) {
		fences[t->id].has_released = true;
		clock_copy(&fences[t->id].released, released());
		race_tick(t);
	}
	note(&op_fence, 0, caller_pc(), NULL, 0);
}

void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}
