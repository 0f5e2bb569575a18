/* SPDX-License-Identifier: GPL-2.0-only */
/* Refused: its growing in the background is a subsystem of its own. */
#ifndef __LINUX_RHASHTABLE_H
#define __LINUX_RHASHTABLE_H

#include <linux/refuse.h>

#define rhashtable __no_rhashtable \
	__REFUSED("struct rhashtable is not here: use an xarray (linux/xarray.h), or hlist buckets under a lock")
#define rhltable __no_rhltable \
	__REFUSED("struct rhltable is not here: use an xarray (linux/xarray.h), or hlist buckets under a lock")
#define rhashtable_init(table, params) \
	__REFUSED("rhashtable_init() is not here: use an xarray (linux/xarray.h), or hlist buckets under a lock") 0
#define rhashtable_destroy(table) \
	__REFUSED("rhashtable_destroy() is not here: use an xarray (linux/xarray.h), or hlist buckets under a lock")
#define rhashtable_insert_fast(table, object, params) \
	__REFUSED("rhashtable_insert_fast() is not here: use xa_insert() (linux/xarray.h), or hlist_add_head_rcu()") 0
#define rhashtable_remove_fast(table, object, params) \
	__REFUSED("rhashtable_remove_fast() is not here: use xa_erase() (linux/xarray.h), or hlist_del_rcu()") 0
#define rhashtable_lookup_fast(table, key, params) \
	__REFUSED("rhashtable_lookup_fast() is not here: use xa_load() (linux/xarray.h), or hlist_for_each_entry_rcu()") NULL

#endif
