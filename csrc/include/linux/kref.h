/* SPDX-License-Identifier: GPL-2.0-only */
/* A reference count that releases its object. */
#ifndef __LINUX_KREF_H
#define __LINUX_KREF_H

#include <linux/refcount.h>
#include <linux/refuse.h>

struct kref {
	refcount_t refcount;
};

#define KREF_INIT(n) { .refcount = REFCOUNT_INIT(n) }

static inline void kref_init(struct kref *kref)
{
	refcount_set(&kref->refcount, 1);
}

static inline unsigned int kref_read(const struct kref *kref)
{
	return (unsigned int)refcount_read(&kref->refcount);
}

static inline void kref_get(struct kref *kref)
{
	refcount_inc(&kref->refcount);
}

/* False: it was 0, whoever took the last one is about to release. */
static inline __attribute__((warn_unused_result)) bool kref_get_unless_zero(struct kref *kref)
{
	return refcount_inc_not_zero(&kref->refcount);
}

/* 1: that was the last one, and release has run. */
static inline int kref_put(struct kref *kref, void (*release)(struct kref *kref))
{
	if (!refcount_dec_and_test(&kref->refcount))
		return 0;
	release(kref);
	return 1;
}

#define kref_put_mutex(kref, release, mutex) \
	__REFUSED("kref_put_mutex() is not here: take the mutex around kref_put()") 0
#define kref_put_lock(kref, release, lock) \
	__REFUSED("kref_put_lock() is not here: take the lock around kref_put()") 0

#endif
