/* SPDX-License-Identifier: GPL-2.0-only */
/* Sections of code that the kernel throws away. Initcalls are refused: a core is no module, and nobody would run them. */
#ifndef __LINUX_INIT_H
#define __LINUX_INIT_H

#include <linux/compiler.h>
#include <linux/refuse.h>

#define __NO_INITCALL(name) __REFUSED(name, "nobody runs it, set up in iopf_queue_alloc() what is needed")
#define module_init(function) __NO_INITCALL("module_init")
#define module_exit(function) __NO_INITCALL("module_exit")
#define core_initcall(function) __NO_INITCALL("core_initcall")
#define subsys_initcall(function) __NO_INITCALL("subsys_initcall")

#endif
