// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fibers.
 *
 * A switch saves what a called function has to preserve and swaps the stack pointer: 9 ns, where swapcontext() takes
 * 180 because it also asks the kernel about signal masks, and threads on futexes take microseconds. The explorer switches
 * several times for each microsecond of a search, so the portable way is only for machines without the other: there,
 * the first entry is swapcontext() and all others are _setjmp() and _longjmp().
 *
 * Fibers are not unwound. An execution that ends in the middle leaves them where they are, and the next one starts
 * them again from the top: what runs on them is kernel-style C, whose only resources are the runtime's own.
 *
 * A debugger's or valgrind's idea of the stack is not told. Python never has a frame on a fiber.
 */
#undef _FORTIFY_SOURCE
#define _GNU_SOURCE
#include <sys/mman.h>

#include "fiber.h"

char *fiber_map_stacks(unsigned int n)
{
	char *base = mmap(NULL, (size_t)n * FIBER_STRIDE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned int i;

	if (base == MAP_FAILED)
		return NULL;
	for (i = 0; i < n; i++) {
		if (mprotect(fiber_stack(base, i), FIBER_STACK_BYTES, PROT_READ | PROT_WRITE)) {
			munmap(base, (size_t)n * FIBER_STRIDE);
			return NULL;
		}
	}
	return base;
}

#if FIBER_IS_SETJMP

static struct fiber *entering;

static void fiber_enter(void)
{
	struct fiber *fiber = entering;

	fiber->main(fiber->arg);
}

void fiber_start(struct fiber *fiber, char *stack, void (*main)(void *arg), void *arg)
{
	fiber->stack = stack;
	fiber->main = main;
	fiber->arg = arg;
	fiber->started = false;
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	if (_setjmp(from->registers))
		return;
	if (to->started || !to->stack)
		_longjmp(to->registers, 1);
	to->started = true;
	getcontext(&to->first);
	to->first.uc_stack.ss_sp = to->stack;
	to->first.uc_stack.ss_size = FIBER_STACK_BYTES;
	to->first.uc_link = NULL;
	entering = to;
	makecontext(&to->first, fiber_enter, 0);
	setcontext(&to->first);
}

#else

/*
 * rdi: where to save the stack pointer, rsi: the one to load. The six registers that a callee preserves are on the
 * stack between. The control words of the floating-point units are the same for all fibers and stay as they are.
 */
void fiber_swap(void **save, void *load);
__asm__(
	".text\n"
	".p2align 4\n"
	".type fiber_swap, @function\n"
	".hidden fiber_swap\n"
	".globl fiber_swap\n"
	"fiber_swap:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size fiber_swap, . - fiber_swap\n"
	/* The first thing on a new stack: r12 is the function, r13 its argument. */
	".p2align 4\n"
	".type fiber_boot, @function\n"
	".hidden fiber_boot\n"
	".globl fiber_boot\n"
	"fiber_boot:\n"
	"	xorl %ebp, %ebp\n"
	"	movq %r13, %rdi\n"
	"	callq *%r12\n"
	"	ud2\n"
	".size fiber_boot, . - fiber_boot\n");
void fiber_boot(void);

void fiber_start(struct fiber *fiber, char *stack, void (*main)(void *arg), void *arg)
{
	/* Not all at the same distance from a page: they would share the few lines of the cache that such addresses have. */
	unsigned int colour = (unsigned int)((size_t)stack / FIBER_STRIDE % 16) * 320;
	void **sp = (void **)(stack + FIBER_STACK_BYTES - colour);

	/* The boot code is entered by "ret" with the stack aligned to 16, as at a call site. */
	*--sp = NULL;
	*--sp = NULL;
	*--sp = (void *)fiber_boot;
	*--sp = NULL;		/* rbp */
	*--sp = NULL;		/* rbx */
	*--sp = (void *)main;	/* r12 */
	*--sp = arg;		/* r13 */
	*--sp = NULL;		/* r14 */
	*--sp = NULL;		/* r15 */
	fiber->sp = sp;
	fiber->stack = stack;
	fiber->main = main;
	fiber->arg = arg;
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	fiber_swap(&from->sp, to->sp);
}

#endif
