/* SPDX-License-Identifier: GPL-2.0-only */
/* shared/futex.c: sleeping on a word, for the runtimes that run on threads. */
#ifndef IOPF_RUNTIME_FUTEX_H
#define IOPF_RUNTIME_FUTEX_H

#include <linux/compiler.h>

/* timeout 0: none. Wakes up early for no reason, too. */
void futex_wait(u32 *word, u32 expected, u64 timeout_ns);
/* The word is not looked at, and may be gone. */
void futex_wake(u32 *word, int nr);
/* Sleeps for at most so many jiffies while the word is as expected. Returns those that are left. */
unsigned long futex_wait_jiffies(u32 *word, u32 expected, unsigned long ticks);

#endif
