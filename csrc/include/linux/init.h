/* SPDX-License-Identifier: GPL-2.0-only */
/* Sections of code that the kernel throws away. Initcalls are refused: a core is no module, and nobody would run them. */
#ifndef __LINUX_INIT_H
#define __LINUX_INIT_H

#include <linux/compiler.h>
#include <linux/refuse.h>

#define module_init(function) \
	__REFUSED("module_init() is not here: nobody runs it, set up in iopf_queue_alloc() what is needed")
#define module_exit(function) \
	__REFUSED("module_exit() is not here: nobody runs it, set up in iopf_queue_alloc() what is needed")
#define core_initcall(function) \
	__REFUSED("core_initcall() is not here: nobody runs it, set up in iopf_queue_alloc() what is needed")
#define subsys_initcall(function) \
	__REFUSED("subsys_initcall() is not here: nobody runs it, set up in iopf_queue_alloc() what is needed")

#endif
