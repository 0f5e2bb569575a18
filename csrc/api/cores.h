/* SPDX-License-Identifier: GPL-2.0-only */
/* The cores of an extension, in the order in which they are listed. */
CORE(iopf)
CORE(v5_14)
CORE(locking)
CORE(lkml_v8)
CORE(refcount)
CORE(remove_void)
CORE(track_group)
CORE(void_response)
CORE(v6_9)
CORE(v6_12)
CORE(v6_14)
CORE(v7_2)
