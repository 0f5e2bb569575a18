// SPDX-License-Identifier: GPL-2.0-only
/*
 * The net under the detectors: a fault of the processor in the code under test is a finding, not the end of the user's
 * Python.
 *
 * Accesses are looked at before they happen, so little gets here: a call through a pointer to no function, a stack that
 * grew into its guard page in code that is not instrumented. For the length of a search SIGSEGV, SIGBUS, SIGILL and SIGFPE
 * are ours, on a stack of their own. The handler leaves by a switch to the host's stack, as every execution that ends
 * early does; SA_NODEFER keeps the signal from being blocked for that. A fault elsewhere, in another thread or in the
 * explorer itself, goes to whoever was there before.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "guard.h"
#include "detect/detect.h"
#include "explore.h"

static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
#define NR_SIGNALS (sizeof(signals) / sizeof(*signals))

static struct sigaction before[NR_SIGNALS];
static stack_t stack_before;
static char stack[65536];
static pthread_t searcher;

static const void *place(const ucontext_t *context)
{
#if defined(__x86_64__)
	u64 ip = (u64)context->uc_mcontext.gregs[REG_RIP], sp = (u64)context->uc_mcontext.gregs[REG_RSP];

	/* A call to nowhere: the place is where it was made. */
	if (!shadow_is_code(ip))
		return engine_stack_owner(sp) >= 0 ? *(const void *const *)sp : NULL;
	return (const void *)(ip + 1);
#else
	(void)context;
	return NULL;
#endif
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	struct task *t = engine.current;
	u64 addr = (u64)info->si_addr;
	size_t i;

	if (t && pthread_equal(pthread_self(), searcher)) {
		const void *pc = place(context);

		if (addr - ((u64)t->fiber.stack - 4096) < 4096)
			finding_fatal(XP_K_STACK_OVERFLOW, 0, pc, "the task's stack is used up");
		finding_fatal(XP_K_BAD_ACCESS, addr, pc, number == SIGFPE ? "an impossible division" :
			      "the processor refused the access, or there is no function to call");
	}
	/* Not ours: the instruction runs again, and faults for those who were here before. */
	for (i = 0; i < NR_SIGNALS; i++)
		if (signals[i] == number)
			sigaction(number, &before[i], NULL);
}

void crash_guard_begin(void)
{
	struct sigaction action;
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	size_t i;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_fault;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	sigemptyset(&action.sa_mask);
	searcher = pthread_self();
	sigaltstack(&alternate, &stack_before);
	for (i = 0; i < NR_SIGNALS; i++)
		sigaction(signals[i], &action, &before[i]);
}

void crash_guard_end(void)
{
	size_t i;

	for (i = 0; i < NR_SIGNALS; i++)
		sigaction(signals[i], &before[i], NULL);
	sigaltstack(&stack_before, NULL);
}
