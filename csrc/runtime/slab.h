/* SPDX-License-Identifier: GPL-2.0-only */
/* What linux/slab.h includes where a runtime has nothing to say inline. */
#ifndef IOPF_RUNTIME_SLAB_H
#define IOPF_RUNTIME_SLAB_H

KERNEL_API void *slab_alloc(struct slab_site *site, size_t size, gfp_t gfp);
KERNEL_API void kfree(const void *object);

#endif
