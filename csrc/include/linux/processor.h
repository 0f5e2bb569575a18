/* SPDX-License-Identifier: GPL-2.0-only */
/* Told to the processor in a loop that waits for a change. It orders nothing but the compiler. */
#ifndef __LINUX_PROCESSOR_H
#define __LINUX_PROCESSOR_H

#include <linux/compiler.h>

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__asm__ __volatile__("pause" ::: "memory");
#else
	barrier();
#endif
}

#endif
