// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the compiler calls in a core: gcc's and clang's -fsanitize=thread, with ours in the place of its runtime.
 *
 * Hooks for plain accesses run before the access; they are here. Marked ones are in atomic.c.
 *
 * Everything has protected visibility, like the kernel's API: a core that is compiled later links against the file that
 * this is in. Where libtsan is in the process its functions win, and the explorer refuses to work (xp_unusable()).
 */
#include <string.h>

#include "primitives.h"

#define HOOK KERNEL_API __attribute__((used))

HOOK void __tsan_init(void);
HOOK void __tsan_func_entry(void *pc);
HOOK void __tsan_func_exit(void);

void __tsan_init(void)
{
}

static noinline void overflow(struct task *t, const void *pc)
{
	t->depth = 0;
	finding_fatal(FINDING_STACK_OVERFLOW, 0, pc, "the task's stack is used up");
}

void __tsan_func_entry(void *pc)
{
	struct task *t = engine.current;

	if (unlikely(!t))
		return;
	t->depth++;
	/* Who called: a remark without words, of nothing (csrc/explore/report/record.c). */
	if (unlikely(engine.logging || engine.closely)) {
		note(&op_note, 0, pc, NULL, 0);
		watch_call(t, pc);
	}
	if (unlikely((u64)__builtin_frame_address(0) - (u64)t->fiber.stack < FIBER_RESERVE_BYTES))
		overflow(t, pc);
}

void __tsan_func_exit(void)
{
	if (likely(engine.current != NULL))
		engine.current->depth--;
}

static noinline void plain_point(u64 addr, bool write, const void *pc)
{
	struct op_class *op = write ? &op_write : &op_read;

	if (!engine.parallel || !heap_has(addr))
		return;
	wait_op(op, addr, pc);
	commit(op, write ? MODE_WRITE : MODE_READ, addr & ~7ull, pc);
}

static inline void plain(u64 addr, size_t size, bool write, const void *pc)
{
	if (unlikely(engine.closely) && engine.current)
		watch_access(engine.current, pc);
	if (unlikely(engine.points_plain) && engine.current) {
		shadow_check(addr, size, write, pc);
		plain_point(addr, write, pc);
	}
	shadow_access(addr, size, write ? PLAIN_WRITE : PLAIN_READ, pc);
}

/* Out of line: what is common saves no registers for what is not. */
static noinline void plain_slow(u64 addr, unsigned int size, bool write, const void *pc)
{
	plain(addr, size, write, pc);
}

static __always_inline void plain_small(u64 addr, unsigned int size, bool write, const void *pc)
{
	struct task *t = engine.current;

	if (unlikely(!t || engine.closely || engine.logging))
		plain_slow(addr, size, write, pc);
	else
		shadow_small(t, addr, size, write ? PLAIN_WRITE : PLAIN_READ, pc);
}

#define PLAIN_HOOKS(n)									\
	HOOK void __tsan_read##n(void *p);						\
	HOOK void __tsan_write##n(void *p);						\
	void __tsan_read##n(void *p) { plain_small((u64)p, n, false, caller_pc()); }		\
	void __tsan_write##n(void *p) { plain_small((u64)p, n, true, caller_pc()); }
#define UNALIGNED_HOOKS(n)								\
	HOOK void __tsan_unaligned_read##n(void *p);					\
	HOOK void __tsan_unaligned_write##n(void *p);					\
	void __tsan_unaligned_read##n(void *p) { plain((u64)p, n, false, caller_pc()); }	\
	void __tsan_unaligned_write##n(void *p) { plain((u64)p, n, true, caller_pc()); }

PLAIN_HOOKS(1)
PLAIN_HOOKS(2)
PLAIN_HOOKS(4)
PLAIN_HOOKS(8)
UNALIGNED_HOOKS(2)
UNALIGNED_HOOKS(4)
UNALIGNED_HOOKS(8)
UNALIGNED_HOOKS(16)

HOOK void __tsan_read16(void *p);
HOOK void __tsan_write16(void *p);

void __tsan_read16(void *p)
{
	plain((u64)p, 16, false, caller_pc());
}

void __tsan_write16(void *p)
{
	plain((u64)p, 16, true, caller_pc());
}

HOOK void __tsan_read_range(void *p, unsigned long size);
HOOK void __tsan_write_range(void *p, unsigned long size);

void __tsan_read_range(void *p, unsigned long size)
{
	if (size)
		plain((u64)p, size, false, caller_pc());
}

void __tsan_write_range(void *p, unsigned long size)
{
	if (size)
		plain((u64)p, size, true, caller_pc());
}

/* --- copies and initialisations of structures, where clang makes calls of them (clang-copies.h) --- */

HOOK void *__tsan_memcpy(void *to, const void *from, unsigned long size);
HOOK void *__tsan_memmove(void *to, const void *from, unsigned long size);
HOOK void *__tsan_memset(void *to, int c, unsigned long size);

static void *copy(void *to, const void *from, unsigned long size, const void *pc)
{
	if (size) {
		plain((u64)from, size, false, pc);
		plain((u64)to, size, true, pc);
	}
	return memmove(to, from, size);
}

void *__tsan_memcpy(void *to, const void *from, unsigned long size)
{
	return copy(to, from, size, caller_pc());
}

void *__tsan_memmove(void *to, const void *from, unsigned long size)
{
	return copy(to, from, size, caller_pc());
}

void *__tsan_memset(void *to, int c, unsigned long size)
{
	if (size)
		plain((u64)to, size, true, caller_pc());
	return memset(to, c, size);
}

/* --- string functions, which a core calls by name because it is compiled with -fno-builtin --- */

KERNEL_API void *iopf_explore_memcpy(void *to, const void *from, size_t n);
KERNEL_API void *iopf_explore_memset(void *to, int c, size_t n);

void *iopf_explore_memcpy(void *to, const void *from, size_t n)
{
	if (n && engine.current) {
		shadow_access((u64)from, n, PLAIN_READ, caller_pc());
		shadow_access((u64)to, n, PLAIN_WRITE, caller_pc());
	}
	return memmove(to, from, n);
}

void *iopf_explore_memset(void *to, int c, size_t n)
{
	if (n && engine.current)
		shadow_access((u64)to, n, PLAIN_WRITE, caller_pc());
	return memset(to, c, n);
}

/* For the scenario's own low-level operations (atomic.c has the marked ones). */
void hook_plain(u64 addr, size_t size, bool write)
{
	plain(addr, size, write, NULL);
}
