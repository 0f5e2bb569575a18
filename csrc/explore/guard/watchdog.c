// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coming back from a loop that never comes to a scheduling point.
 *
 * A timer of our own on the processor time of the searching thread sends it a signal of our own, a hundred times a second
 * of work. An execution of the usual kind comes to a point in microseconds, so the handler finds that there was one and is
 * done. Where there was none since the last signal, it puts the execution aside: it switches to the host's stack, as a task
 * would, with its own frame left as it is, and the host does what it does between executions, the callback (which is where
 * Ctrl-C shows) and the budget. Then it switches back and the handler returns, or it does not, and the execution is over:
 * when somebody said stop, or when the task has been at it for half a second of processor time. That is a finding. It
 * is ten thousand times what an honest stretch takes, and processor time, so a slow or a busy machine finds no more of them.
 * A loop that this search has found before is not waited for so long again.
 *
 * Only code of the core or of the explorer is put aside. In a library somebody may hold a lock that the host needs; the next
 * signal comes soon. So do the handlers of others that run on a task's stack. No signal comes while the execution is being put
 * aside; while it is, the host has another stack for signals, since the frame of ours lies on the usual one.
 *
 * Nothing of the user's is used: no interval timer, no alarm, no thread. The signal is the highest real-time signal without a
 * handler. Where there is no timer to be had, or on a machine whose registers we cannot read, nothing is watched.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "detect/detect.h"
#include "guard.h"
#include "progress.h"
#include "report/report.h"

#undef timer_delete	/* POSIX's is meant here, and not linux/timer.h's */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define TICK_NS 10000000	/* of processor time */
#define TICKS_TO_END 50
#define TICKS_IF_KNOWN 10
#define TICKS_TO_REPEAT 2	/* of a schedule that showed it already */

static timer_t timer;
static bool has_timer;
static int signal_number;
static struct sigaction before;
static sigset_t mask_before, everything;
static pthread_t searcher;
static char stack[65536];
static u32 turn;
static int ticks;		/* since it changed */
static sigset_t mask;		/* of what the signal met */
static const void *met;

static bool place(const ucontext_t *context, u64 *pc, u64 *sp)
{
#if defined(__x86_64__)
	*pc = (u64)context->uc_mcontext.gregs[REG_RIP];
	*sp = (u64)context->uc_mcontext.gregs[REG_RSP];
	return true;
#elif defined(__aarch64__)
	*pc = context->uc_mcontext.pc;
	*sp = context->uc_mcontext.sp;
	return true;
#else
	(void)context;
	(void)pc;
	(void)sp;
	return false;
#endif
}

static void on_tick(int number, siginfo_t *info, void *context)
{
	const ucontext_t *c = context;
	struct task *t = engine.current;
	u64 pc, sp;

	(void)number;
	(void)info;
	if (!t || !pthread_equal(pthread_self(), searcher))
		return;
	if (engine.turns != turn) {
		turn = engine.turns;
		ticks = 0;
		return;
	}
	ticks++;
	if (!place(c, &pc, &sp) || sp - (u64)t->fiber.stack >= FIBER_STACK_BYTES || !shadow_is_code(pc))
		return;
	met = (const void *)(pc + 1);
	mask = c->uc_sigmask;
	engine_pause();
}

static int decide(struct task *t)
{
	struct finding f;

	watch_met(t, met);
	if (progress_gives_up())
		return END_STOPPED;
	f = watch_finding(t);
	if (ticks < TICKS_TO_END &&
	    (ticks < (record_repeats ? TICKS_TO_REPEAT : TICKS_IF_KNOWN) || !failures_know(finding_signature(&f)))) {
		watch_begin(t);
		return 0;
	}
	engine.current = t;
	watch_conclude(t);
	engine.current = NULL;
	return END_FAILED;
}

/* On the host's stack, with all signals blocked, and the frame of the one that came on the stack for signals. */
static int look(struct task *t)
{
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) }, usual;
	int end;

	sigaltstack(&alternate, &usual);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	end = decide(t);
	pthread_sigmask(SIG_SETMASK, &everything, NULL);
	/* After the handler's return it is the usual one again by itself. */
	sigaltstack(&usual, NULL);
	if (end)
		pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return end;
}

static bool take_signal(void)
{
	struct sigaction action;

	for (signal_number = SIGRTMAX; signal_number > SIGRTMIN; signal_number--)
		if (!sigaction(signal_number, NULL, &before) && !(before.sa_flags & SA_SIGINFO) &&
		    before.sa_handler == SIG_DFL)
			break;
	if (signal_number <= SIGRTMIN)
		return false;
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_tick;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
	action.sa_mask = everything;
	return !sigaction(signal_number, &action, &before);
}

static void give_signal_back(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	/* One that is still on its way is lost here, and not delivered to who was before. */
	sigaction(signal_number, &ignore, NULL);
	sigaction(signal_number, &before, NULL);
}

void watchdog_begin(void)
{
	const struct itimerspec every = { .it_value = { 0, TICK_NS }, .it_interval = { 0, TICK_NS } };
	struct sigevent event;
	sigset_t ours;

	searcher = pthread_self();
	engine.look = look;
	ticks = 0;
	record_repeats = false;
	/* What the processor itself says of an instruction cannot wait. */
	sigfillset(&everything);
	sigdelset(&everything, SIGSEGV);
	sigdelset(&everything, SIGBUS);
	sigdelset(&everything, SIGILL);
	sigdelset(&everything, SIGFPE);
	has_timer = false;
	if (!take_signal())
		return;
	sigemptyset(&ours);
	sigaddset(&ours, signal_number);
	pthread_sigmask(SIG_UNBLOCK, &ours, &mask_before);
	memset(&event, 0, sizeof(event));
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = signal_number;
	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer)) {
		pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
		give_signal_back();
		return;
	}
	has_timer = true;
	timer_settime(timer, 0, &every, NULL);
}

void watchdog_end(void)
{
	if (!has_timer)
		return;
	timer_delete(timer);
	give_signal_back();
	if (sigismember(&mask_before, signal_number)) {
		sigset_t ours;

		sigemptyset(&ours);
		sigaddset(&ours, signal_number);
		pthread_sigmask(SIG_BLOCK, &ours, NULL);
	}
	has_timer = false;
}
