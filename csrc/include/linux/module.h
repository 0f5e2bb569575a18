/* SPDX-License-Identifier: GPL-2.0-only */
/* What a module says of itself: nobody reads it here. An initcall would have nobody to run it: it is refused. */
#ifndef __LINUX_MODULE_H
#define __LINUX_MODULE_H

#include <linux/export.h>
#include <linux/init.h>
#include <linux/kernel.h>

#define __MODULE_SAYS(tag, value) _Static_assert(sizeof(value), #tag)
#define MODULE_LICENSE(license) __MODULE_SAYS(license, license)
#define MODULE_AUTHOR(author) __MODULE_SAYS(author, author)
#define MODULE_DESCRIPTION(description) __MODULE_SAYS(description, description)
#define MODULE_IMPORT_NS(ns) __MODULE_SAYS(import_ns, #ns)

#endif
