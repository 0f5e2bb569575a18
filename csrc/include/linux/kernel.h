/* SPDX-License-Identifier: GPL-2.0-only */
/* What belongs to no subsystem. might_sleep() says that what follows may: a WARN where nobody must. */
#ifndef __LINUX_KERNEL_H
#define __LINUX_KERNEL_H

#include <linux/array_size.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/minmax.h>
#include <linux/printk.h>

KERNEL_API void __might_sleep(void);
#define might_sleep() __might_sleep()
#define might_sleep_if(condition) do {							\
	if (condition)									\
		might_sleep();								\
} while (0)

#endif
