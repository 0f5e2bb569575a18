/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entries by index: pointers, or values (xa_mk_value()). xa_load() and the walks are RCU readers inside and take no lock, so
 * who follows what they give has a reader of his own around, or another reason why it stays. Stores take xa_lock, and may sleep
 * outside of it where gfp says so; those with two underscores are called with it held, and may drop it for that.
 *
 * xa_store() gives the old entry, or an error for xa_err(); xa_insert() -EBUSY where there is one; xa_erase() the old one;
 * xa_cmpxchg() what was there; xa_alloc() 0, -ENOMEM, -EBUSY: none is free within the limit; xa_alloc_cyclic() 1 after a wrap.
 * xa_destroy() frees what the array itself has, and no entry.
 *
 * An index may be reserved: it is in use, and there is nothing to be found. NULL that is inserted or allocated reserves; NULL
 * that is stored does so in an array that allocates, where xa_erase() frees the index.
 *
 * One implementation for all runtimes, over their spinlocks, RCU and slab: a sorted chain, which is right for tens of entries.
 * Marks, ranges and the advanced API are not here.
 */
#ifndef __LINUX_XARRAY_H
#define __LINUX_XARRAY_H

#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/refuse.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#define XA_FLAGS_LOCK_IRQ 1u
#define XA_FLAGS_LOCK_BH 2u
#define XA_FLAGS_ALLOC 4u
#define XA_FLAGS_ALLOC1 12u
#define __XA_FROM_1 8u
#define XA_PRESENT 8u		/* every entry: the one filter of xa_find() */

struct __xa_node {
	struct __xa_node __rcu *next;
	unsigned long index;
	void __rcu *entry;
	struct rcu_head rcu;
};

struct xarray {
	spinlock_t xa_lock;
	unsigned int xa_flags;
	bool xa_wrapped;		/* the last one of xa_alloc_cyclic() was the greatest there is */
	struct __xa_node __rcu *first;
};

struct xa_limit {
	u32 max, min;
};

#define XA_LIMIT(least, most) (struct xa_limit){ .min = (least), .max = (most) }
#define xa_limit_32b XA_LIMIT(0, UINT32_MAX)
#define xa_limit_31b XA_LIMIT(0, INT32_MAX)
#define xa_limit_16b XA_LIMIT(0, UINT16_MAX)

#define XARRAY_INIT(name, flags) { .xa_lock = __SPIN_LOCK_UNLOCKED((name).xa_lock), .xa_flags = (flags) }
#define DEFINE_XARRAY_FLAGS(name, flags) struct xarray name = XARRAY_INIT(name, flags)
#define DEFINE_XARRAY(name) DEFINE_XARRAY_FLAGS(name, 0)
#define DEFINE_XARRAY_ALLOC(name) DEFINE_XARRAY_FLAGS(name, XA_FLAGS_ALLOC)
#define DEFINE_XARRAY_ALLOC1(name) DEFINE_XARRAY_FLAGS(name, XA_FLAGS_ALLOC1)

#define xa_init_flags(xa, flags) do {								\
	struct xarray *__xa = (xa);								\
	spin_lock_init(&__xa->xa_lock);								\
	__xa->xa_flags = (flags);								\
	__xa->xa_wrapped = false;								\
	__xa->first = NULL;									\
} while (0)
#define xa_init(xa) xa_init_flags(xa, 0)

#define xa_trylock(xa) spin_trylock(&(xa)->xa_lock)
#define xa_lock(xa) spin_lock(&(xa)->xa_lock)
#define xa_unlock(xa) spin_unlock(&(xa)->xa_lock)
#define xa_lock_bh(xa) spin_lock_bh(&(xa)->xa_lock)
#define xa_unlock_bh(xa) spin_unlock_bh(&(xa)->xa_lock)
#define xa_lock_irq(xa) spin_lock_irq(&(xa)->xa_lock)
#define xa_unlock_irq(xa) spin_unlock_irq(&(xa)->xa_lock)
#define xa_lock_irqsave(xa, flags) spin_lock_irqsave(&(xa)->xa_lock, flags)
#define xa_unlock_irqrestore(xa, flags) spin_unlock_irqrestore(&(xa)->xa_lock, flags)

#define XA_STATE(name, xa, index) \
	__REFUSED("XA_STATE() is not here: use xa_load(), xa_store() and xa_for_each(), under xa_lock() where need be")
#define xa_set_mark(xa, index, mark) __REFUSED("xa_set_mark() is not here: keep the mark in the entry")
#define xa_store_range(xa, first, last, entry, gfp) \
	__REFUSED("xa_store_range() is not here: store each index by itself") NULL

/* --- entries that are no pointers: those have their lowest two bits clear --- */

static inline void *xa_mk_value(unsigned long v)
{
	(void)WARN_ON((long)v < 0);
	return (void *)(v << 1 | 1);
}

static inline unsigned long xa_to_value(const void *entry)
{
	return (unsigned long)entry >> 1;
}

static inline bool xa_is_value(const void *entry)
{
	return (unsigned long)entry & 1;
}

static inline void *__xa_error(long error)
{
	return (void *)((unsigned long)error << 2 | 2);
}

static inline bool xa_is_err(const void *entry)
{
	return ((unsigned long)entry & 3) == 2 && (unsigned long)entry >= (unsigned long)__xa_error(-MAX_ERRNO);
}

static inline int xa_err(void *entry)
{
	return xa_is_err(entry) ? (int)((long)entry >> 2) : 0;
}

/* What is stored at an index that is reserved. */
#define XA_ZERO_ENTRY ((void *)(257ul << 2 | 2))

static inline void *__xa_found(void *entry)
{
	return entry == XA_ZERO_ENTRY ? NULL : entry;
}

/* --- reading --- */

static inline struct __xa_node *__xa_follow(struct __xa_node *const *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

/* The entry at *index or the next one behind it, up to max; *index is where. */
static inline void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, unsigned int filter)
{
	struct __xa_node *node;
	void *entry = NULL;

	(void)WARN_ON(filter != XA_PRESENT);
	rcu_read_lock();
	for (node = __xa_follow(&xa->first); node && node->index < *index; node = __xa_follow(&node->next))
		;
	for (; node && node->index <= max && !entry; node = __xa_follow(&node->next)) {
		entry = __xa_found(__atomic_load_n(&node->entry, __ATOMIC_ACQUIRE));
		if (entry)
			*index = node->index;
	}
	rcu_read_unlock();
	return entry;
}

static inline void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max, unsigned int filter)
{
	unsigned long next = *index + 1;
	void *entry = next ? xa_find(xa, &next, max, filter) : NULL;

	if (entry)
		*index = next;
	return entry;
}

static inline void *xa_load(struct xarray *xa, unsigned long index)
{
	return xa_find(xa, &index, index, XA_PRESENT);
}

static inline bool xa_empty(const struct xarray *xa)
{
	return !__xa_follow(&xa->first);
}

#define xa_for_each_range(xa, index, entry, start, last)					\
	for ((index) = (start), (entry) = xa_find(xa, &(index), last, XA_PRESENT); (entry);	\
	     (entry) = xa_find_after(xa, &(index), last, XA_PRESENT))
#define xa_for_each_start(xa, index, entry, start) xa_for_each_range(xa, index, entry, start, ~0ul)
#define xa_for_each(xa, index, entry) xa_for_each_start(xa, index, entry, 0)

/* --- writing, with xa_lock held --- */

/* Where the pointer is to the first node that is not before index. */
static inline struct __xa_node **__xa_place(struct xarray *xa, unsigned long index)
{
	struct __xa_node **at = &xa->first;

	while (*at && (*at)->index < index)
		at = &(*at)->next;
	return at;
}

static inline void __xa_relock(struct xarray *xa, bool locks)
{
	if (xa->xa_flags & XA_FLAGS_LOCK_IRQ)
		locks ? xa_lock_irq(xa) : xa_unlock_irq(xa);
	else if (xa->xa_flags & XA_FLAGS_LOCK_BH)
		locks ? xa_lock_bh(xa) : xa_unlock_bh(xa);
	else
		locks ? xa_lock(xa) : xa_unlock(xa);
}

/*
 * One more node for who stores: true, and what he looked at is to be looked at again. False: there is no memory. Where gfp lets
 * it sleep, the lock is dropped.
 */
static inline bool __xa_nomem(struct xarray *xa, struct __xa_node **spare, gfp_t gfp)
{
	if (gfp & GFP_KERNEL)
		__xa_relock(xa, false);
	*spare = kzalloc(sizeof(**spare), gfp);
	if (gfp & GFP_KERNEL)
		__xa_relock(xa, true);
	return *spare;
}

/* Puts entry, or nothing, in the place of what is at the index. The node is spare's where there was none. */
static inline void __xa_put(struct __xa_node **at, unsigned long index, void *entry, struct __xa_node **spare)
{
	struct __xa_node *node = *at;

	if (!node || node->index != index) {
		if (!entry)
			return;
		(*spare)->next = node;
		(*spare)->index = index;
		(*spare)->entry = entry;
		rcu_assign_pointer(*at, *spare);
		*spare = NULL;
	} else if (entry) {
		rcu_assign_pointer(node->entry, entry);
	} else {
		rcu_assign_pointer(node->entry, NULL);
		rcu_assign_pointer(*at, node->next);
		kfree_rcu(node, rcu);
	}
}

/* Stores entry if what is there is "expected", or whatever is there. Gives what was stored there, or an error. */
static inline void *__xa_exchange(struct xarray *xa, unsigned long index, bool any, void *expected, void *entry, gfp_t gfp)
{
	struct __xa_node *spare = NULL, **at;
	void *was;

	if (WARN_ON(xa_is_err(entry)))
		return __xa_error(-EINVAL);
	for (;;) {
		at = __xa_place(xa, index);
		was = *at && (*at)->index == index ? (*at)->entry : NULL;
		if (!any && was != expected)
			break;
		if (was || !entry || spare) {
			__xa_put(at, index, entry, &spare);
			break;
		}
		if (!__xa_nomem(xa, &spare, gfp))
			return __xa_error(-ENOMEM);
	}
	kfree(spare);
	return was;
}

static inline void *__xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	if (!entry && xa->xa_flags & XA_FLAGS_ALLOC)
		entry = XA_ZERO_ENTRY;
	return __xa_found(__xa_exchange(xa, index, true, NULL, entry, gfp));
}

static inline void *__xa_erase(struct xarray *xa, unsigned long index)
{
	return __xa_found(__xa_exchange(xa, index, true, NULL, NULL, 0));
}

static inline void *__xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry, gfp_t gfp)
{
	return __xa_found(__xa_exchange(xa, index, false, old, entry, gfp));
}

static inline int __xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	void *was = __xa_exchange(xa, index, false, NULL, entry ? entry : XA_ZERO_ENTRY, gfp);

	return xa_is_err(was) ? xa_err(was) : was ? -EBUSY : 0;
}

static inline int __xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp)
{
	struct __xa_node *spare = NULL, **at;
	unsigned long index;

	if (WARN_ON(!(xa->xa_flags & XA_FLAGS_ALLOC)) || WARN_ON(xa_is_err(entry)))
		return -EINVAL;
	if (!entry)
		entry = XA_ZERO_ENTRY;
	if (xa->xa_flags & __XA_FROM_1 && !limit.min)
		limit.min = 1;
	for (;;) {
		index = limit.min;
		for (at = __xa_place(xa, index); *at && (*at)->index == index; at = &(*at)->next)
			index++;
		if (index > limit.max) {
			kfree(spare);
			return -EBUSY;
		}
		if (spare)
			break;
		if (!__xa_nomem(xa, &spare, gfp))
			return -ENOMEM;
	}
	__xa_put(at, index, entry, &spare);
	*id = (u32)index;
	return 0;
}

/* From *next on, and then from the limit's beginning: 1. */
static inline int __xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, u32 *next, gfp_t gfp)
{
	struct xa_limit behind = limit;
	int ret;

	behind.min = *next > limit.min ? *next : limit.min;
	ret = behind.min <= limit.max ? __xa_alloc(xa, id, entry, behind, gfp) : -EBUSY;
	if (ret == -EBUSY && behind.min > limit.min) {
		ret = __xa_alloc(xa, id, entry, limit, gfp);
		ret = ret ? ret : 1;
	}
	if (ret < 0)
		return ret;
	if (xa->xa_wrapped)
		ret = 1;
	*next = *id + 1;
	xa->xa_wrapped = !*next;
	return ret;
}

/* --- the same, with the lock taken inside; where gfp says so they may sleep, whether or not there is a need to --- */

#define __XA_LOCKED(form, type, gfp, call) ({						\
	type __result;										\
	might_sleep_if((gfp) & GFP_KERNEL);							\
	xa_lock##form(xa);									\
	__result = call;									\
	xa_unlock##form(xa);									\
	__result; })

#define __XA_FORMS(form)									\
	static inline void *xa_store##form(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)	\
	{											\
		return __XA_LOCKED(form, void *, gfp, __xa_store(xa, index, entry, gfp));		\
	}											\
	static inline void *xa_erase##form(struct xarray *xa, unsigned long index)		\
	{											\
		return __XA_LOCKED(form, void *, 0u, __xa_erase(xa, index));			\
	}											\
	static inline void *xa_cmpxchg##form(struct xarray *xa, unsigned long index, void *old, void *entry, gfp_t gfp)	\
	{											\
		return __XA_LOCKED(form, void *, gfp, __xa_cmpxchg(xa, index, old, entry, gfp));	\
	}											\
	static inline int xa_insert##form(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)	\
	{											\
		return __XA_LOCKED(form, int, gfp, __xa_insert(xa, index, entry, gfp));		\
	}											\
	static inline int xa_alloc##form(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp)	\
	{											\
		return __XA_LOCKED(form, int, gfp, __xa_alloc(xa, id, entry, limit, gfp));		\
	}											\
	static inline int xa_alloc_cyclic##form(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit,	\
						u32 *next, gfp_t gfp)				\
	{											\
		return __XA_LOCKED(form, int, gfp, __xa_alloc_cyclic(xa, id, entry, limit, next, gfp));	\
	}

__XA_FORMS()
__XA_FORMS(_bh)
__XA_FORMS(_irq)

static inline void xa_destroy(struct xarray *xa)
{
	struct __xa_node *node, *next;

	__xa_relock(xa, true);
	node = xa->first;
	rcu_assign_pointer(xa->first, NULL);
	for (; node; node = next) {
		next = node->next;
		kfree_rcu(node, rcu);
	}
	__xa_relock(xa, false);
}

#endif
