/* SPDX-License-Identifier: GPL-2.0-only */
/* What belongs to no subsystem. might_sleep() says that what follows may: a WARN where nobody must. */
#ifndef __LINUX_KERNEL_H
#define __LINUX_KERNEL_H

#include <linux/compiler.h>

KERNEL_API void __might_sleep(void);
#define might_sleep() __might_sleep()

#endif
