/* SPDX-License-Identifier: GPL-2.0-only */
/* Refused: its growing in the background is a subsystem of its own. */
#ifndef __LINUX_RHASHTABLE_H
#define __LINUX_RHASHTABLE_H

#include <linux/refuse.h>

#define __NO_RHASHTABLE(name) __REFUSED(name, "use an xarray (linux/xarray.h), or hlist buckets under a lock (linux/list.h)")
#define rhashtable __no_rhashtable __NO_RHASHTABLE("struct rhashtable")
#define rhltable __no_rhltable __NO_RHASHTABLE("struct rhltable")
#define rhashtable_init(table, params) __NO_RHASHTABLE("rhashtable_init()") 0
#define rhashtable_destroy(table) __NO_RHASHTABLE("rhashtable_destroy()")
#define rhashtable_insert_fast(table, object, params) __NO_RHASHTABLE("rhashtable_insert_fast()") 0
#define rhashtable_remove_fast(table, object, params) __NO_RHASHTABLE("rhashtable_remove_fast()") 0
#define rhashtable_lookup_fast(table, key, params) __NO_RHASHTABLE("rhashtable_lookup_fast()") NULL

#endif
