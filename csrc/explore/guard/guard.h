/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard/: what keeps a search from taking its process along: a crash of the core, a loop that never comes back, a parent
 * that is gone. For the length of a search.
 *
 * The room may use report/ (which failures are known), progress.h and the explorer's runtime.
 */
#ifndef IOPF_EXPLORE_GUARD_H
#define IOPF_EXPLORE_GUARD_H


#pragma GCC visibility push(hidden)

/* --- crash.c: for the length of a search --- */
void crash_guard_begin(void);
void crash_guard_end(void);

/* --- watchdog.c: likewise --- */
void watchdog_begin(void);
void watchdog_end(void);

#pragma GCC visibility pop

#endif
