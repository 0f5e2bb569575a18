/* SPDX-License-Identifier: GPL-2.0-only */
/* Stacks to switch between. */
#ifndef IOPF_EXPLORE_FIBER_H
#define IOPF_EXPLORE_FIBER_H

#include <features.h>

#include <linux/compiler.h>

/* IOPF_FIBER_SETJMP, IOPF_FIBER_NONE: for tests of what other machines get. */
#if defined(__x86_64__) && !defined(IOPF_FIBER_SETJMP) && !defined(IOPF_FIBER_NONE)
#define FIBER_IS_SETJMP 0
#elif defined(__GLIBC__) && !defined(IOPF_FIBER_NONE)
#define FIBER_IS_SETJMP 1
#include <setjmp.h>
#include <ucontext.h>
#else
/* setup.py leaves the explorer out when it reads this; musl has no makecontext(). */
#error the fiber switch has no form for this machine
#endif

#define FIBER_STACK_BYTES 65536u
/* Closer to the end than this, func_entry calls it an overflow: what the explorer itself needs on a fiber's stack. */
#define FIBER_RESERVE_BYTES 12288u

struct fiber {
#if FIBER_IS_SETJMP
	jmp_buf registers;
	ucontext_t first;
	bool started;
#else
	void *sp;
#endif
	char *stack;		/* lowest byte; the page below it is never mapped */
	void (*main)(void *arg);
	void *arg;
};

/* Begins anew: whatever the fiber was doing is forgotten. main never returns. */
void fiber_start(struct fiber *fiber, char *stack, void (*main)(void *arg), void *arg);
/* Leaves from for to; comes back when somebody switches to from. */
void fiber_switch(struct fiber *from, struct fiber *to);

/* n stacks with guard pages between them, or NULL. Stack i begins at fiber_stack(base, i). */
char *fiber_map_stacks(unsigned int n);

#define FIBER_STRIDE (FIBER_STACK_BYTES + 4096u)

static inline char *fiber_stack(char *base, unsigned int i)
{
	return base + (size_t)i * FIBER_STRIDE + 4096u;
}

#endif
