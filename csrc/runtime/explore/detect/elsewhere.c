// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses to memory that is not the heap's.
 *
 * A task's own stack is not looked at. Another task's may be used as long as its frame lives, without dates. Static
 * memory of the extension and of the core's own shared object may be read; cores have no variables in it.
 */
#include "detect.h"

void shadow_elsewhere(u64 addr, size_t size, bool write, const void *pc)
{
	struct task *t = engine.current;
	int other;

	if (addr - (u64)t->fiber.stack < FIBER_STACK_BYTES)
		return;
	other = engine_stack_owner(addr);
	if (other >= 0) {
		const struct task *owner = &engine.tasks[other];

		if (!(engine.used >> other & 1) || owner->state != TASK_LIVE || engine_stack_is_dead(owner, addr))
			finding_fatal(FINDING_USE_AFTER_FREE, addr, pc, "the stack frame is gone");
		return;
	}
	if (shadow_may_use_image(addr, size, write))
		return;
	finding_fatal(FINDING_BAD_ACCESS, addr, pc, addr < 65536 ? "NULL pointer" :
		      addr >= 0xdead000000000000ull && addr < 0xdead000000001000ull ? "a deleted list node's pointer" :
		      "no object is there");
}
