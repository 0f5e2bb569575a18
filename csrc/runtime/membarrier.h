/* SPDX-License-Identifier: GPL-2.0-only */
/* shared/membarrier.c: the full barrier that a reader is spared, for the runtimes. */
#ifndef IOPF_RUNTIME_MEMBARRIER_H
#define IOPF_RUNTIME_MEMBARRIER_H

#include <linux/compiler.h>

/* Once in the life of a process, and in the child of a fork: before the first membarrier_all(). */
void membarrier_start(void);
/* Every running thread of the process has passed a full barrier when this returns. */
void membarrier_all(void);
/* How often the calling thread has called it: a barrier that is left out loses one race in millions, and is seen here. */
KERNEL_API unsigned long membarrier_calls(void);
KERNEL_API unsigned long membarrier_calls_of_all(void);		/* threads */

#endif
