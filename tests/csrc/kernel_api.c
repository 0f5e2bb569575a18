// SPDX-License-Identifier: GPL-2.0-only
/*
 * The names that patches use, each doing what it is for, by one thread: on native and plain as it is, and under the explorer
 * as a part of a kernel file (tests/test_kernel_api.py). So everything here is kernel code, and nothing else is included.
 * A check gives 0, or the line of what was wrong.
 */
#include <linux/array_size.h>
#include <linux/atomic.h>
#include <linux/barrier.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/container_of.h>
#include <linux/delay.h>
#include <linux/dev_printk.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kconfig.h>
#include <linux/kernel.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/printk.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <trace/events/iommu.h>

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("what patches use");
MODULE_AUTHOR("nobody");
MODULE_IMPORT_NS("IOMMUFD");

#define CHECK(condition) do {								\
	if (!(condition))								\
		return __LINE__;							\
} while (0)

struct thing {
	int value;
	struct list_head list;
	struct hlist_node hash;
	struct llist_node lockless;
	struct rcu_head rcu;
	struct kref ref;
	int *released;
};

/* --- cleanup.h --- */

static int order_of_ends[4], nr_ends;

static void begin_ends(void)
{
	nr_ends = 0;
}

DEFINE_FREE(note_end, int, order_of_ends[nr_ends++] = _T)

static int leave_in_the_middle(int where)
{
	int first __free(note_end) = 1;
	int second __free(note_end) = 2;

	if (where == 2)
		return 10;
	{
		int third __free(note_end) = 3;

		if (where == 3)
			return 11;
		third = 4;
	}
	return 12;
}

/* DEFINE_FREE, __free: in reverse order, with the value at the end, whichever way the scope is left. */
static int check_free_order(void)
{
	begin_ends();
	CHECK(leave_in_the_middle(2) == 10 && nr_ends == 2 && order_of_ends[0] == 2 && order_of_ends[1] == 1);
	begin_ends();
	CHECK(leave_in_the_middle(3) == 11 && nr_ends == 3 && order_of_ends[0] == 3 && order_of_ends[2] == 1);
	begin_ends();
	CHECK(leave_in_the_middle(0) == 12 && nr_ends == 3 && order_of_ends[0] == 4);
	return 0;
}

static struct thing *returned(int how)
{
	struct thing *thing __free(kfree) = kzalloc(sizeof(*thing), GFP_KERNEL);

	if (!thing)
		return NULL;
	thing->value = 7;
	if (how == 0)
		return NULL;		/* freed */
	if (how == 1)
		return_ptr(thing);
	return no_free_ptr(thing);
}

/* __free(kfree), no_free_ptr, return_ptr, retain_and_null_ptr: what is left is freed, NULL and errors are left alone. */
static int check_free_kfree(void)
{
	struct thing *none __free(kfree) = NULL;
	struct thing *error __free(kfree) = ERR_PTR(-ENOMEM);
	struct thing *given __free(kfree) = kzalloc_obj(*given);
	struct thing *to, *one, *other;

	CHECK(!none && IS_ERR(error));
	CHECK(!returned(0));
	one = returned(1);
	other = returned(2);
	CHECK(one && other && one->value == 7 && other->value == 7);
	kfree(one);
	kfree(other);
	to = given;
	retain_and_null_ptr(given);
	CHECK(!given);
	kfree(to);
	return 0;
}

/* guard(mutex), scoped_guard(mutex): held to the end of the scope. */
static int check_guard_mutex(void)
{
	struct mutex lock;

	mutex_init(&lock);
	{
		guard(mutex)(&lock);
		CHECK(mutex_is_locked(&lock));
		lockdep_assert_held(&lock);
	}
	CHECK(!mutex_is_locked(&lock));
	scoped_guard(mutex, &lock)
		CHECK(mutex_is_locked(&lock));
	CHECK(!mutex_is_locked(&lock));
	scoped_guard(mutex, &lock) {
		if (mutex_is_locked(&lock))
			break;
	}
	CHECK(!mutex_is_locked(&lock));
	mutex_destroy(&lock);
	return 0;
}

static int taken_or(struct mutex *lock, int *inside)
{
	scoped_cond_guard(mutex_try, return -EBUSY, lock) {
		*inside = mutex_is_locked(lock);
	}
	return 0;
}

/* scoped_cond_guard, guard(mutex_try): what to do when it is not taken. */
static int check_cond_guard(void)
{
	struct mutex lock;
	int inside = 0, ran = 0;

	mutex_init(&lock);
	CHECK(taken_or(&lock, &inside) == 0 && inside);
	mutex_lock(&lock);
	CHECK(taken_or(&lock, &inside) == -EBUSY);
	scoped_guard(mutex_try, &lock)
		ran++;
	CHECK(!ran);
	mutex_unlock(&lock);
	scoped_guard(mutex_try, &lock)
		ran++;
	CHECK(ran == 1 && !mutex_is_locked(&lock));
	mutex_destroy(&lock);
	return 0;
}

/* guard(spinlock) and its forms, guard(raw_spinlock), guard(rcu), guard(preempt). */
static int check_guard_spinlock(void)
{
	spinlock_t lock;
	raw_spinlock_t raw;

	spin_lock_init(&lock);
	raw_spin_lock_init(&raw);
	{
		guard(spinlock)(&lock);
		CHECK(spin_is_locked(&lock));
		guard(raw_spinlock)(&raw);
		CHECK(spin_is_locked(&raw));
	}
	CHECK(!spin_is_locked(&lock) && !spin_is_locked(&raw));
	scoped_guard(spinlock_irqsave, &lock)
		CHECK(spin_is_locked(&lock));
	scoped_guard(spinlock_irq, &lock)
		CHECK(spin_is_locked(&lock));
	scoped_guard(spinlock_bh, &lock)
		CHECK(spin_is_locked(&lock));
	scoped_cond_guard(spinlock_try, return __LINE__, &lock)
		assert_spin_locked(&lock);
	CHECK(!spin_is_locked(&lock));
	{
		guard(rcu)();
		CHECK(rcu_read_lock_held());
	}
	CHECK(!rcu_read_lock_held());
	scoped_guard(rcu)
		CHECK(rcu_read_lock_held());
	CHECK(!rcu_read_lock_held());
	scoped_guard(preempt)
		;
	spin_lock(&lock);
	spin_unlock(&lock);
	might_sleep();
	return 0;
}

struct opened {
	int *count;
};

DEFINE_CLASS(opened, struct opened, --*_T.count, ({ ++*count; (struct opened){ count }; }), int *count)
EXTEND_CLASS(opened, _twice, ({ *count += 1; (struct opened){ count }; }), int *count)
DEFINE_GUARD(thing, struct thing *, _T->value++, _T->value--)
DEFINE_GUARD_COND(thing, _try, _T->value == 0 && ++_T->value)
DEFINE_LOCK_GUARD_1(counted, struct thing, _T->before = _T->lock->value++, _T->lock->value = _T->before, int before)

/* CLASS, DEFINE_CLASS, EXTEND_CLASS, DEFINE_GUARD, DEFINE_GUARD_COND, DEFINE_LOCK_GUARD_1: of one's own. */
static int check_class(void)
{
	struct thing thing = { .value = 0 };
	int count = 0;

	{
		CLASS(opened, one)(&count);
		CLASS(opened_twice, other)(&count);
		CHECK(count == 2 && one.count == &count);
	}
	CHECK(count == 0);
	{
		guard(thing)(&thing);
		CHECK(thing.value == 1);
		scoped_cond_guard(thing_try, count = 5, &thing)
			count = 6;
		CHECK(count == 5);
	}
	CHECK(thing.value == 0);
	scoped_guard(counted, &thing)
		CHECK(thing.value == 1);
	CHECK(thing.value == 0);
	return 0;
}

/* --- lists --- */

#define NR_THINGS 5

static void chain(struct thing *things, int n, struct list_head *head)
{
	int i;

	INIT_LIST_HEAD(head);
	for (i = 0; i < n; i++) {
		things[i].value = i;
		list_add_tail(&things[i].list, head);
	}
}

/* The values as one number, forwards and backwards alike; -1: a pointer is wrong. */
static long spelt(struct list_head *head)
{
	struct list_head *node;
	long number = 0, n = 0;

	list_for_each(node, head) {
		if (node->next->prev != node || node->prev->next != node || n++ > 20)
			return -1;
		number = 10 * number + list_entry(node, struct thing, list)->value + 1;
	}
	return number;
}

/* list_splice, _tail, _init; list_replace, _init; list_swap; list_bulk_move_tail; list_cut_position; list_rotate_left. */
static int check_list_moves(void)
{
	struct thing a[3], b[3];
	struct list_head one, other, cut;

	chain(a, 3, &one), chain(b, 2, &other);
	list_splice(&other, &one);
	CHECK(spelt(&one) == 12123);
	chain(a, 3, &one), chain(b, 2, &other);
	list_splice_tail(&other, &one);
	CHECK(spelt(&one) == 12312);
	chain(a, 3, &one), chain(b, 2, &other);
	list_splice_init(&other, &one);
	CHECK(spelt(&one) == 12123 && list_empty(&other));
	list_splice_init(&other, &one);
	list_splice(&other, &one);
	list_splice_tail(&other, &one);
	CHECK(spelt(&one) == 12123);
	chain(a, 3, &one), chain(b, 2, &other);
	list_splice_tail_init(&other, &one);
	CHECK(spelt(&one) == 12312 && list_empty(&other) && list_count_nodes(&one) == 5);
	chain(a, 3, &one), chain(b, 3, &other);
	list_del(&b[2].list);
	list_replace(&a[1].list, &b[2].list);
	CHECK(spelt(&one) == 133);
	list_replace_init(&one, &cut);
	CHECK(spelt(&cut) == 133 && list_empty(&one));
	chain(a, 3, &one);
	list_swap(&a[0].list, &a[2].list);
	CHECK(spelt(&one) == 321);
	list_swap(&a[2].list, &a[1].list);
	CHECK(spelt(&one) == 231);
	list_swap(&a[2].list, &a[1].list);
	CHECK(spelt(&one) == 321);
	chain(a, 3, &one);
	list_bulk_move_tail(&one, &a[0].list, &a[1].list);
	CHECK(spelt(&one) == 312);
	chain(a, 3, &one);
	list_cut_position(&cut, &one, &a[1].list);
	CHECK(spelt(&cut) == 12 && spelt(&one) == 3);
	list_cut_position(&cut, &one, &one);
	CHECK(list_empty(&cut) && spelt(&one) == 3);
	chain(a, 3, &one);
	list_rotate_left(&one);
	CHECK(spelt(&one) == 231);
	list_move(&a[0].list, &one);
	list_del_init(&a[0].list);
	list_add(&a[0].list, &one);
	list_move_tail(&a[1].list, &one);
	CHECK(spelt(&one) == 132);
	return 0;
}

/* list_is_first, _last, _head, _singular; list_first_entry_or_null and kin; list_empty_careful; every walk. */
static int check_list_walks(void)
{
	struct thing things[3], *pos, *n;
	struct list_head head, *node, *next;
	LIST_HEAD(empty);
	long number = 0;

	chain(things, 3, &head);
	CHECK(list_is_first(&things[0].list, &head) && !list_is_first(&things[1].list, &head));
	CHECK(list_is_last(&things[2].list, &head) && !list_is_last(&things[1].list, &head));
	CHECK(list_is_head(&head, &head) && !list_is_singular(&head) && list_empty_careful(&empty));
	CHECK(!list_first_entry_or_null(&empty, struct thing, list) && !list_last_entry_or_null(&empty, struct thing, list));
	CHECK(list_first_entry_or_null(&head, struct thing, list) == &things[0]);
	CHECK(list_last_entry_or_null(&head, struct thing, list) == &things[2]);
	CHECK(list_next_entry(&things[0], list) == &things[1] && list_prev_entry(&things[2], list) == &things[1]);
	list_for_each_prev(node, &head)
		number = 10 * number + list_entry(node, struct thing, list)->value + 1;
	CHECK(number == 321);
	number = 0;
	list_for_each_entry_reverse(pos, &head, list)
		number = 10 * number + pos->value + 1;
	CHECK(number == 321 && list_entry_is_head(pos, &head, list));
	number = 0;
	pos = &things[0];
	list_for_each_entry_continue(pos, &head, list)
		number = 10 * number + pos->value + 1;
	CHECK(number == 23);
	number = 0;
	pos = &things[1];
	list_for_each_entry_from(pos, &head, list)
		number = 10 * number + pos->value + 1;
	CHECK(number == 23);
	number = 0;
	pos = &things[2];
	list_for_each_entry_continue_reverse(pos, &head, list)
		number = 10 * number + pos->value + 1;
	CHECK(number == 21);
	number = 0;
	list_for_each_entry_safe_reverse(pos, n, &head, list) {
		number = 10 * number + pos->value + 1;
		list_del_init(&pos->list);
	}
	CHECK(number == 321 && list_empty(&head));
	chain(things, 3, &head);
	list_for_each_safe(node, next, &head)
		list_del(node);
	CHECK(list_empty(&head));
	chain(things, 3, &head);
	pos = &things[1];
	list_for_each_entry_safe_from(pos, n, &head, list)
		list_del(&pos->list);
	CHECK(spelt(&head) == 1 && list_is_singular(&head));
	chain(things, 3, &head);
	pos = &things[0];
	list_for_each_entry_safe_continue(pos, n, &head, list)
		list_del(&pos->list);
	CHECK(spelt(&head) == 1);
	return 0;
}

/* hlist_*: chains. */
static int check_hlist(void)
{
	struct thing things[3], *pos;
	struct hlist_node *next, *node;
	HLIST_HEAD(head);
	struct hlist_head other = HLIST_HEAD_INIT;
	long number = 0;
	int i;

	INIT_HLIST_HEAD(&other);
	for (i = 0; i < 3; i++) {
		things[i].value = i;
		INIT_HLIST_NODE(&things[i].hash);
	}
	CHECK(hlist_empty(&head) && hlist_unhashed(&things[0].hash));
	hlist_del_init(&things[0].hash);
	hlist_add_head(&things[1].hash, &head);
	CHECK(hlist_is_singular_node(&things[1].hash, &head));
	hlist_add_before(&things[0].hash, &things[1].hash);
	hlist_add_behind(&things[2].hash, &things[1].hash);
	hlist_for_each_entry(pos, &head, hash)
		number = 10 * number + pos->value + 1;
	CHECK(number == 123 && !hlist_empty(&head) && !hlist_unhashed(&things[2].hash));
	number = 0;
	pos = &things[0];
	hlist_for_each_entry_continue(pos, hash)
		number = 10 * number + pos->value + 1;
	CHECK(number == 23);
	pos = &things[2];
	hlist_for_each_entry_from(pos, hash)
		number = 10 * number + pos->value + 1;
	CHECK(number == 233);
	hlist_del_init(&things[1].hash);
	CHECK(hlist_unhashed(&things[1].hash) && things[0].hash.next == &things[2].hash);
	CHECK(things[2].hash.pprev == &things[0].hash.next);
	hlist_move_list(&head, &other);
	CHECK(hlist_empty(&head) && things[0].hash.pprev == &other.first);
	hlist_for_each(node, &other)
		CHECK(hlist_entry(node, struct thing, hash)->value != 1);
	hlist_for_each_safe(node, next, &other)
		hlist_del(node);
	CHECK(hlist_empty(&other));
	hlist_add_head(&things[0].hash, &other);
	hlist_add_head(&things[1].hash, &other);
	hlist_for_each_entry_safe(pos, next, &other, hash)
		hlist_del(&pos->hash);
	CHECK(hlist_empty(&other));
	return 0;
}

/* llist_add says whether it was empty; llist_del_all, llist_del_first, llist_reverse_order, the walks. */
static int check_llist(void)
{
	struct thing things[3], *pos, *n;
	struct llist_node *all, *node, *next;
	LLIST_HEAD(head);
	long number = 0;
	int i;

	for (i = 0; i < 3; i++)
		things[i].value = i;
	CHECK(llist_empty(&head) && !llist_del_all(&head) && !llist_del_first(&head));
	CHECK(llist_add(&things[0].lockless, &head) && !llist_add(&things[1].lockless, &head));
	CHECK(!llist_add(&things[2].lockless, &head) && !llist_empty(&head));
	CHECK(llist_del_first(&head) == &things[2].lockless);
	all = llist_del_all(&head);
	CHECK(llist_empty(&head) && llist_next(all) == &things[0].lockless);
	llist_for_each_entry(pos, all, lockless)
		number = 10 * number + pos->value + 1;
	CHECK(number == 21);
	all = llist_reverse_order(all);
	number = 0;
	llist_for_each_entry_safe(pos, n, all, lockless) {
		number = 10 * number + pos->value + 1;
		pos->lockless.next = NULL;
	}
	CHECK(number == 12);
	init_llist_head(&head);
	things[1].lockless.next = &things[0].lockless;
	CHECK(llist_add_batch(&things[1].lockless, &things[0].lockless, &head));
	number = 0;
	llist_for_each(node, head.first)
		number = 10 * number + llist_entry(node, struct thing, lockless)->value + 1;
	CHECK(number == 21);
	llist_for_each_safe(node, next, llist_del_all(&head))
		node->next = NULL;
	return 0;
}

/* list_*_rcu, hlist_*_rcu: a reader on a node that is deleted goes on forward. */
static int check_rculist(void)
{
	struct thing things[4], *pos;
	struct list_head head, more;
	struct hlist_head chain = HLIST_HEAD_INIT;
	long number = 0;
	int i;

	INIT_LIST_HEAD(&head);
	for (i = 0; i < 4; i++)
		things[i].value = i;
	list_add_rcu(&things[0].list, &head);
	list_add_tail_rcu(&things[1].list, &head);
	list_add_tail_rcu(&things[2].list, &head);
	rcu_read_lock();
	CHECK(list_first_or_null_rcu(&head, struct thing, list) == &things[0]);
	list_for_each_entry_rcu(pos, &head, list) {
		number = 10 * number + pos->value + 1;
		if (pos == &things[1])
			list_del_rcu(&pos->list);
	}
	rcu_read_unlock();
	CHECK(number == 123 && spelt(&head) == 13);
	list_replace_rcu(&things[2].list, &things[3].list);
	CHECK(spelt(&head) == 14);
	number = 0;
	list_for_each_entry_rcu(pos, &head, list, true)
		number = 10 * number + pos->value + 1;
	CHECK(number == 14);
	INIT_LIST_HEAD_RCU(&more);
	list_splice_init_rcu(&head, &more, synchronize_rcu);
	CHECK(list_empty(&head) && spelt(&more) == 14);
	rcu_read_lock();
	CHECK(!list_first_or_null_rcu(&head, struct thing, list));
	CHECK(list_entry_rcu(more.next, struct thing, list) == &things[0]);
	rcu_read_unlock();

	hlist_add_head_rcu(&things[1].hash, &chain);
	hlist_add_head_rcu(&things[0].hash, &chain);
	number = 0;
	rcu_read_lock();
	hlist_for_each_entry_rcu(pos, &chain, hash)
		number = 10 * number + pos->value + 1;
	rcu_read_unlock();
	CHECK(number == 12);
	hlist_replace_rcu(&things[1].hash, &things[2].hash);
	CHECK(things[0].hash.next == &things[2].hash && !things[2].hash.next);
	hlist_del_rcu(&things[0].hash);
	CHECK(things[0].hash.next == &things[2].hash && chain.first == &things[2].hash);
	hlist_del_init_rcu(&things[2].hash);
	CHECK(hlist_empty(&chain) && hlist_unhashed(&things[2].hash));
	return 0;
}

/* --- memory --- */

struct flexible {
	unsigned int n;
	int values[];
};

/* kmalloc and kin; what does not fit fails. */
static int check_slab(void)
{
	char *text, *copy;
	int *numbers, evaluated = 0;
	struct thing *things;
	struct flexible *flexible;

	numbers = kmalloc_array(4, sizeof(*numbers), GFP_KERNEL_ACCOUNT);
	CHECK(numbers && ksize(numbers) >= 4 * sizeof(*numbers));
	numbers[0] = 5, numbers[3] = 8;
	numbers = krealloc(numbers, 500 * sizeof(*numbers), GFP_KERNEL);
	CHECK(numbers && numbers[0] == 5 && numbers[3] == 8);
	numbers[499] = 1;
	numbers = krealloc_array(numbers, 2, sizeof(*numbers), GFP_KERNEL);
	CHECK(numbers && numbers[0] == 5);
	CHECK(!krealloc(numbers, 0, GFP_KERNEL));
	CHECK(!kmalloc_array(SIZE_MAX / 2, 3, GFP_KERNEL | __GFP_NOWARN) && !kcalloc(SIZE_MAX, 2, GFP_ATOMIC));
	numbers = kcalloc(100, sizeof(*numbers), GFP_NOWAIT);
	CHECK(numbers && !numbers[0] && !numbers[99]);
	kfree_sensitive(numbers);

	text = kstrdup("group", GFP_KERNEL);
	CHECK(text && !strcmp(text, "group") && !kstrdup(NULL, GFP_KERNEL));
	copy = kstrndup("group", 2, GFP_KERNEL);
	CHECK(copy && !strcmp(copy, "gr"));
	kfree(copy);
	copy = kasprintf(GFP_KERNEL, "%s#%d", text, 11 + ++evaluated);
	CHECK(copy && !strcmp(copy, "group#12") && evaluated == 1);
	kfree(text);
	text = kmemdup(copy, 9, GFP_KERNEL);
	CHECK(text && !memcmp(text, copy, 9));
	kfree(text);
	text = kmemdup_nul(copy, 3, GFP_KERNEL);
	CHECK(text && !strcmp(text, "gro"));
	kfree(text);
	kfree(copy);

	things = kzalloc_objs(*things, 3);
	CHECK(things && !things[2].value);
	kfree(things);
	things = kmalloc_obj(*things, GFP_ATOMIC);
	CHECK(things);
	kvfree(things);
	flexible = kzalloc_flex(*flexible, values, 10);
	CHECK(flexible && !flexible->values[9]);
	CHECK(struct_size(flexible, values, 10) == sizeof(*flexible) + 40);
	CHECK(struct_size(flexible, values, SIZE_MAX) == SIZE_MAX && size_add(SIZE_MAX, 1) == SIZE_MAX);
	CHECK(array_size(SIZE_MAX, 2) == SIZE_MAX && size_mul(3, 4) == 12);
	kfree(flexible);
	text = kvmalloc(10, GFP_KERNEL | __GFP_NOFAIL);
	CHECK(text);
	kvfree(text);
	text = kvzalloc(10, GFP_KERNEL);
	CHECK(text && !text[9]);
	kvfree(text);
	text = kvcalloc(3, 10, GFP_KERNEL);
	CHECK(text && !text[29]);
	kvfree(text);
	return 0;
}

static void construct(void *object)
{
	((struct thing *)object)->value = 99;
}

/* KMEM_CACHE, kmem_cache_create and kin. */
static int check_kmem_cache(void)
{
	struct kmem_cache *cache = KMEM_CACHE(thing, SLAB_ACCOUNT | SLAB_HWCACHE_ALIGN);
	struct kmem_cache *built = kmem_cache_create("built", sizeof(struct thing), 8, SLAB_PANIC, construct);
	struct thing *one, *other, *third;

	CHECK(cache && built);
	one = kmem_cache_alloc(cache, GFP_KERNEL);
	other = kmem_cache_zalloc(cache, GFP_KERNEL);
	third = kmem_cache_alloc(built, GFP_ATOMIC);
	CHECK(one && other && !other->value && third && third->value == 99);
	kmem_cache_free(cache, one);
	kfree_rcu(other, rcu);
	kmem_cache_free(built, third);
	kmem_cache_free(built, NULL);
	rcu_barrier();
	kmem_cache_destroy(cache);
	kmem_cache_destroy(built);
	kmem_cache_destroy(NULL);
	return 0;
}

/* --- RCU, the rest --- */

static void free_thing(struct rcu_head *head)
{
	kfree(container_of(head, struct thing, rcu));
}

/* kfree_rcu_mightsleep, init_rcu_head, rcu_head_init, rcu_replace_pointer, rcu_pointer_handoff, rcu_dereference_raw. */
static int check_rcu_rest(void)
{
	struct thing *one = kzalloc_obj(*one), *other = kzalloc_obj(*other), *old;
	struct thing __rcu *slot = NULL;

	CHECK(one && other);
	init_rcu_head(&one->rcu);
	rcu_assign_pointer(slot, one);
	old = rcu_replace_pointer(slot, other, true);
	CHECK(old == one && rcu_dereference_raw(slot) == other && rcu_access_pointer(slot) == other);
	CHECK(rcu_pointer_handoff(other) == other);
	kfree_rcu_mightsleep(one);
	rcu_head_init(&other->rcu);
	CHECK(!rcu_head_after_call_rcu(&other->rcu, free_thing));
	call_rcu(&other->rcu, free_thing);
	rcu_barrier();
	kfree_rcu_mightsleep((struct thing *)NULL);
	return 0;
}

/* --- numbers, sizes, constants --- */

static const int table[7] __maybe_unused;

static_assert(ARRAY_SIZE(table) == 7);
static_assert(sizeof(int) == 4, "ints have four bytes");

static int next_value(int *calls)
{
	return ++*calls;
}

/* min, max and kin evaluate once; BUILD_BUG_ON, static_assert, ARRAY_SIZE, IS_ENABLED. */
static int check_numbers(void)
{
	int calls = 0, low = -3, high = 4;
	unsigned int u = 5;
	u8 small = 200;
	size_t sum;

	CHECK(min(low, high) == -3 && max(low, high) == 4 && min(u, 7) == 5 && max(small, 3) == 200);
	CHECK(min(next_value(&calls), 10) == 1 && calls == 1);
	CHECK(clamp(7, low, high) == 4 && clamp(-7, low, high) == -3 && clamp(2, low, high) == 2);
	CHECK(min3(3, 1, 2) == 1 && max3(3, 1, 2) == 3 && min_t(u64, u, 9) == 5 && max_t(int, u, -1) == 5);
	CHECK(clamp_t(int, u, 0, 3) == 3 && clamp_val(small, 0, 100) == 100);
	CHECK(min_not_zero(0, 4) == 4 && min_not_zero(3, 4) == 3 && umin(u, 2) == 2 && umax(u, 2) == 5);
	swap(low, high);
	CHECK(low == 4 && high == -3);
	CHECK(check_add_overflow(SIZE_MAX, (size_t)1, &sum) && !check_mul_overflow((size_t)3, (size_t)4, &sum) && sum == 12);
	CHECK(check_sub_overflow((size_t)1, (size_t)2, &sum));
	CHECK(!IS_ENABLED(CONFIG_NOBODY_SETS_THIS) && !IS_BUILTIN(CONFIG_NOBODY_SETS_THIS));
	CHECK(!IS_MODULE(CONFIG_NOBODY_SETS_THIS) && !IS_REACHABLE(CONFIG_NOBODY_SETS_THIS));
#define CONFIG_SET_BY_THE_TEST 1
	CHECK(IS_ENABLED(CONFIG_SET_BY_THE_TEST) && IS_BUILTIN(CONFIG_SET_BY_THE_TEST));
	BUILD_BUG_ON(sizeof(struct thing) < sizeof(int));
	BUILD_BUG_ON_MSG(sizeof(u8) != 1, "a byte is one");
	CHECK(BUILD_BUG_ON_ZERO(sizeof(u8) != 1) == 0);
	if (low < high && low > high)
		BUILD_BUG();
	CHECK(PTR_ERR_OR_ZERO(ERR_PTR(-EIO)) == -EIO && !PTR_ERR_OR_ZERO(&low) && IS_ERR(ERR_CAST(ERR_PTR(-EIO))));
	return 0;
}

/* container_of_const. */
static int check_container_of_const(void)
{
	struct thing thing = { .value = 3 };
	const struct list_head *node = &thing.list;
	struct list_head *other = &thing.list;

	CHECK(container_of_const(node, struct thing, list)->value == 3);
	container_of_const(other, struct thing, list)->value = 4;
	CHECK(thing.value == 4);
	return 0;
}

void exported_by_the_test(void);
void exported_by_the_test(void)
{
}
EXPORT_SYMBOL(exported_by_the_test);
EXPORT_SYMBOL_GPL(exported_by_the_test);
EXPORT_SYMBOL_NS_GPL(exported_by_the_test, "IOMMUFD");
EXPORT_SYMBOL_NS(exported_by_the_test, "IOMMUFD");
EXPORT_SYMBOL_FOR_MODULES(exported_by_the_test, "iommufd");

/* --- messages, and what may be called where --- */

static int never(int *evaluated)
{
	return ++*evaluated;
}

/* dev_err and kin, pr_err and kin, printk, once and with a limit; trace_io_page_fault evaluates nothing. */
static int check_messages(void)
{
	struct device dev = { .init_name = "0000:00:1f.2" };
	int i, evaluated = 0;

	dev_emerg(&dev, "a\n"), dev_alert(&dev, "a\n"), dev_crit(&dev, "a\n");
	dev_err(&dev, "error %d\n", 1), dev_warn(&dev, "warning\n"), dev_notice(&dev, "notice\n");
	dev_info(&dev, "info\n"), dev_dbg(&dev, "debug\n");
	pr_emerg("a\n"), pr_alert("a\n"), pr_crit("a\n"), pr_err("error %s\n", "x"), pr_warn("warning\n");
	pr_notice("notice\n"), pr_info("info\n"), pr_debug("debug\n");
	for (i = 0; i < 2; i++) {
		dev_err_once(&dev, "once\n");
		dev_warn_once(&dev, "once\n");
		dev_info_once(&dev, "once\n");
		dev_dbg_once(&dev, "once\n");
		pr_err_once("once\n");
		pr_warn_once("once\n");
		pr_info_once("once\n");
		pr_debug_once("once\n");
	}
	dev_err_ratelimited(&dev, "limited\n");
	dev_info_ratelimited(&dev, "limited\n");
	dev_dbg_ratelimited(&dev, "limited\n");
	pr_err_ratelimited("limited\n");
	pr_warn_ratelimited("limited\n");
	pr_info_ratelimited("limited\n");
	pr_debug_ratelimited("limited\n");
	CHECK(printk(KERN_ERR "%s a level\n", "with") == 12);
	CHECK(printk("%s", "without") == 7);
	no_printk("never %d\n", never(&evaluated));
	trace_io_page_fault(&dev, 0x1000, never(&evaluated));
	CHECK(!evaluated && !trace_io_page_fault_enabled());
	return 0;
}

/* might_sleep, cond_resched, cpu_relax, BUG_ON and VM_WARN_ON of what is not so, lockdep_* . */
static int check_context(void)
{
	static struct lock_class_key key;
	struct mutex lock;
	spinlock_t spin;
	int i;

	might_sleep();
	might_sleep_if(true);
	cond_resched();
	for (i = 0; i < 3; i++)
		cpu_relax();
	BUG_ON(i != 3);
	if (i != 3)
		BUG();
	VM_BUG_ON(i != 3);
	VM_WARN_ON(i != 3);
	VM_WARN_ON_ONCE(i != 3);
	mutex_init(&lock);
	lockdep_register_key(&key);
	lockdep_set_class(&lock, &key);
	lockdep_set_class_and_name(&lock, &key, "lock");
	might_lock(&lock);
	spin_lock_init(&spin);
	preempt_disable();
	might_lock(&spin);
	preempt_enable();
	lockdep_assert_not_held(&lock);
	lockdep_assert(i == 3);
	lockdep_assert_once(i == 3);
	lockdep_unregister_key(&key);
	mutex_destroy(&lock);
	return 0;
}

/* --- atomics --- */

#define CHECK_ATOMIC(p, t, INIT)							\
static int check_##p(void)								\
{											\
	p##_t v = INIT(5);								\
	t old = 4;									\
											\
	CHECK(p##_read(&v) == 5 && p##_read_acquire(&v) == 5);				\
	p##_set(&v, 1);									\
	p##_add(4, &v), p##_sub(2, &v), p##_inc(&v), p##_dec(&v);			\
	CHECK(p##_read(&v) == 3);							\
	p##_or(12, &v), p##_and(13, &v), p##_xor(1, &v), p##_andnot(4, &v);		\
	CHECK(p##_read(&v) == 8);							\
	CHECK(p##_add_return(2, &v) == 10 && p##_sub_return(1, &v) == 9);		\
	CHECK(p##_inc_return(&v) == 10 && p##_dec_return(&v) == 9);			\
	CHECK(p##_fetch_add(1, &v) == 9 && p##_fetch_sub(3, &v) == 10);			\
	CHECK(p##_fetch_inc(&v) == 7 && p##_fetch_dec(&v) == 8);			\
	CHECK(p##_fetch_or(8, &v) == 7 && p##_fetch_and(8, &v) == 15 && p##_fetch_xor(1, &v) == 8);	\
	CHECK(p##_add_return_relaxed(1, &v) == 10 && p##_fetch_add_acquire(1, &v) == 10);	\
	CHECK(p##_inc_return_release(&v) == 12);					\
	CHECK(!p##_dec_and_test(&v) && !p##_inc_and_test(&v) && p##_sub_and_test(12, &v));	\
	CHECK(p##_add_negative(-1, &v) && p##_inc_and_test(&v));			\
	CHECK(!p##_inc_not_zero(&v) && !p##_add_unless(&v, 1, 0) && p##_fetch_add_unless(&v, 3, 1) == 0);	\
	CHECK(p##_inc_not_zero(&v) && p##_dec_if_positive(&v) == 3);			\
	CHECK(p##_inc_unless_negative(&v) && !p##_dec_unless_positive(&v));		\
	p##_set_release(&v, 0);								\
	CHECK(p##_dec_if_positive(&v) == -1 && p##_read(&v) == 0);			\
	CHECK(p##_xchg(&v, 3) == 0 && p##_cmpxchg(&v, 4, 9) == 3 && p##_cmpxchg(&v, 3, 9) == 3);	\
	CHECK(!p##_try_cmpxchg(&v, &old, 1) && old == 9 && p##_try_cmpxchg(&v, &old, 1));	\
	CHECK(p##_xchg_relaxed(&v, 2) == 1 && p##_cmpxchg_acquire(&v, 2, 3) == 2);	\
	CHECK(p##_try_cmpxchg_release(&v, (t []){ 3 }, 6) && p##_read(&v) == 6);	\
	return 0;									\
}

CHECK_ATOMIC(atomic, int, ATOMIC_INIT)
CHECK_ATOMIC(atomic_long, long, ATOMIC_LONG_INIT)
CHECK_ATOMIC(atomic64, s64, ATOMIC64_INIT)

/* xchg, cmpxchg, try_cmpxchg of any size and of pointers; the barriers. */
static int check_exchanges(void)
{
	u8 byte = 1;
	u64 large = 1ull << 40;
	struct thing thing, *pointer = NULL, *old = NULL;

	CHECK(xchg(&byte, 2) == 1 && byte == 2);
	CHECK(cmpxchg(&large, 1, 2) == 1ull << 40 && cmpxchg(&large, 1ull << 40, 2) == 1ull << 40 && large == 2);
	CHECK(!xchg(&pointer, &thing) && !try_cmpxchg(&pointer, &old, NULL) && old == &thing);
	CHECK(try_cmpxchg(&pointer, &old, NULL) && !pointer);
	CHECK(xchg_acquire(&byte, 3) == 2 && xchg_release(&byte, 4) == 3 && xchg_relaxed(&byte, 5) == 4);
	CHECK(cmpxchg_relaxed(&byte, 5, 6) == 5 && cmpxchg_acquire(&byte, 6, 7) == 6 && cmpxchg_release(&byte, 7, 8) == 7);
	smp_mb();
	smp_rmb();
	smp_wmb();
	mb();
	rmb();
	wmb();
	dma_rmb();
	dma_wmb();
	smp_mb__before_atomic();
	smp_mb__after_atomic();
	smp_mb__after_spinlock();
	smp_store_mb(byte, 9);
	smp_store_release(&byte, 10);
	CHECK(smp_load_acquire(&byte) == 10 && smp_cond_load_acquire(&byte, VAL > 3) == 10);
	CHECK(smp_cond_load_relaxed(&byte, VAL == 10) == 10);
	smp_acquire__after_ctrl_dep();
	barrier();
	return 0;
}

/* set_bit and kin. */
static int check_bits(void)
{
	DECLARE_BITMAP(bits, 100) = { 0 };

	set_bit(70, bits);
	CHECK(test_bit(70, bits) && !test_bit(6, bits) && test_bit_acquire(70, bits));
	CHECK(test_and_set_bit(70, bits) && !test_and_set_bit(3, bits));
	CHECK(test_and_clear_bit(3, bits) && !test_and_clear_bit(3, bits));
	change_bit(70, bits);
	CHECK(!test_and_change_bit(70, bits));
	clear_bit(70, bits);
	CHECK(!test_and_set_bit_lock(1, bits) && bits[0] == BIT(1));
	clear_bit_unlock(1, bits);
	__set_bit(64, bits);
	CHECK(bits[1] == 1);
	__clear_bit(64, bits);
	CHECK(!bits[0] && !bits[1] && GENMASK(5, 4) == 0x30 && GENMASK_ULL(63, 62) == 3ull << 62 && BIT_ULL(40) == 1ull << 40);
	return 0;
}

static void release_thing(struct kref *ref)
{
	++*container_of(ref, struct thing, ref)->released;
}

/* kref_*: 1 for who released. */
static int check_kref(void)
{
	int released = 0;
	struct thing thing = { .released = &released, .ref = KREF_INIT(1) };

	CHECK(kref_read(&thing.ref) == 1);
	kref_init(&thing.ref);
	kref_get(&thing.ref);
	CHECK(kref_get_unless_zero(&thing.ref) && kref_read(&thing.ref) == 3);
	CHECK(!kref_put(&thing.ref, release_thing) && !kref_put(&thing.ref, release_thing) && !released);
	CHECK(kref_put(&thing.ref, release_thing) == 1 && released == 1 && !kref_get_unless_zero(&thing.ref));
	return 0;
}

/* --- workqueues, the rest --- */

struct counted_work {
	struct work_struct work;
	struct delayed_work delayed;
	struct workqueue_struct *wq;
	atomic_t runs;
	int order[4], again;
	struct completion done;
};

static void count_run(struct work_struct *work)
{
	struct counted_work *c = container_of(work, struct counted_work, work);

	if (current_work() != work)
		return;
	if (c->again-- > 0)
		queue_work(c->wq, work);
	atomic_inc(&c->runs);
}

static void count_delayed(struct work_struct *work)
{
	struct counted_work *c = container_of(to_delayed_work(work), struct counted_work, delayed);

	atomic_inc(&c->runs);
	complete_all(&c->done);
}

/* work_pending, work_busy, drain_workqueue, alloc_ordered_workqueue, the flags, current_work, the system's queues. */
static int check_workqueue(void)
{
	struct counted_work c = { .runs = ATOMIC_INIT(0) };
	struct workqueue_struct *ordered = alloc_ordered_workqueue("ordered/%d", WQ_MEM_RECLAIM | WQ_FREEZABLE, 1);

	c.wq = alloc_workqueue("api", WQ_UNBOUND | WQ_HIGHPRI | WQ_CPU_INTENSIVE | WQ_SYSFS | WQ_POWER_EFFICIENT, 0);
	CHECK(c.wq && ordered);
	INIT_WORK_ONSTACK(&c.work, count_run);
	CHECK(!work_pending(&c.work) && !work_busy(&c.work));
	c.again = 2;
	CHECK(queue_work(c.wq, &c.work));
	drain_workqueue(c.wq);
	CHECK(atomic_read(&c.runs) == 3 && !work_pending(&c.work));
	c.again = 0;
	CHECK(queue_work_on(WORK_CPU_UNBOUND, ordered, &c.work));
	flush_workqueue(ordered);
	CHECK(atomic_read(&c.runs) == 4);
	CHECK(schedule_work(&c.work));
	flush_work(&c.work);
	CHECK(queue_work(system_unbound_wq, &c.work));
	cancel_work_sync(&c.work);
	CHECK(atomic_read(&c.runs) >= 5);
	CHECK(system_wq == system_percpu_wq && system_unbound_wq == system_dfl_wq && system_long_wq != system_highpri_wq);
	destroy_work_on_stack(&c.work);
	destroy_workqueue(ordered);
	destroy_workqueue(c.wq);
	return 0;
}

#define A_LONG_TIME (1000 * HZ)

/* queue_delayed_work and kin: pending from the call on; taken back, hurried, and run when its time has come. */
static int check_delayed_work(void)
{
	struct counted_work c = { .runs = ATOMIC_INIT(0) };

	c.wq = alloc_workqueue("api", WQ_PERCPU, 0);
	CHECK(c.wq);
	init_completion(&c.done);
	INIT_DELAYED_WORK_ONSTACK(&c.delayed, count_delayed);
	CHECK(!delayed_work_pending(&c.delayed) && !cancel_delayed_work(&c.delayed) && !cancel_delayed_work_sync(&c.delayed));
	CHECK(queue_delayed_work(c.wq, &c.delayed, 1));
	wait_for_completion(&c.done);
	flush_delayed_work(&c.delayed);
	CHECK(atomic_read(&c.runs) == 1);
	CHECK(queue_delayed_work(c.wq, &c.delayed, 0));
	flush_delayed_work(&c.delayed);
	CHECK(atomic_read(&c.runs) == 2);
	CHECK(queue_delayed_work(c.wq, &c.delayed, A_LONG_TIME));
	flush_delayed_work(&c.delayed);
	CHECK(atomic_read(&c.runs) == 3 && !delayed_work_pending(&c.delayed));
	CHECK(!mod_delayed_work(c.wq, &c.delayed, A_LONG_TIME));
	mod_delayed_work(c.wq, &c.delayed, 0);
	flush_delayed_work(&c.delayed);
	CHECK(atomic_read(&c.runs) >= 4);
	schedule_delayed_work(&c.delayed, A_LONG_TIME);
	cancel_delayed_work_sync(&c.delayed);
	CHECK(!delayed_work_pending(&c.delayed));
	destroy_delayed_work_on_stack(&c.delayed);
	destroy_workqueue(c.wq);
	return 0;
}

struct counted_timer {
	struct timer_list timer;
	atomic_t runs;
	bool is_work;
	struct completion done;
};

static void timer_ran(struct timer_list *timer)
{
	struct counted_timer *c = timer_container_of(c, timer, timer);

	c->is_work |= current_work() != NULL;
	atomic_inc(&c->runs);
	complete(&from_timer(c, timer, timer)->done);
}

/* timer_setup, mod_timer, timer_pending, timer_delete(_sync), timer_shutdown_sync, add_timer. */
static int check_timer(void)
{
	struct counted_timer c = { .runs = ATOMIC_INIT(0) };

	init_completion(&c.done);
	timer_setup(&c.timer, timer_ran, 0);
	CHECK(!timer_pending(&c.timer) && !timer_delete(&c.timer) && !timer_delete_sync(&c.timer));
	CHECK(!mod_timer(&c.timer, jiffies + 1));
	wait_for_completion(&c.done);
	timer_delete_sync(&c.timer);
	CHECK(atomic_read(&c.runs) == 1 && !c.is_work);
	c.timer.expires = jiffies + 1;
	add_timer(&c.timer);
	wait_for_completion(&c.done);
	CHECK(atomic_read(&c.runs) == 2);
	mod_timer(&c.timer, jiffies + A_LONG_TIME);
	del_timer_sync(&c.timer);
	CHECK(!timer_pending(&c.timer));
	timer_shutdown_sync(&c.timer);
	CHECK(!mod_timer(&c.timer, jiffies + 1) && !timer_pending(&c.timer));
	return 0;
}

/* jiffies, time_after and kin, ktime_get and kin, msleep, udelay: time passes, and does not go back. */
static int check_time(void)
{
	unsigned long before = jiffies;
	ktime_t begin = ktime_get(), end;

	msleep(3);
	udelay(1);
	usleep_range(10, 20);
	fsleep(5);
	end = ktime_get();
	CHECK(time_after_eq(jiffies, before + 3) && time_before(before, jiffies) && time_after(jiffies, before));
	CHECK(time_before_eq(before, before) && time_is_before_jiffies(before) && time_is_after_jiffies(before + 1000 * A_LONG_TIME));
	CHECK(ktime_after(end, begin) && ktime_before(begin, end) && ktime_to_ms(ktime_sub(end, begin)) >= 3);
	CHECK(ktime_us_delta(end, begin) >= 3000 && ktime_compare(begin, end) < 0 && ktime_get_ns() >= (u64)end);
	CHECK(ktime_add_ms(begin, 3) <= end && ktime_to_us(us_to_ktime(7)) == 7 && ms_to_ktime(1) == NSEC_PER_MSEC);
	CHECK(msecs_to_jiffies(10) == 10 && jiffies_to_msecs(10) == 10 && usecs_to_jiffies(1) == 1 && secs_to_jiffies(1) == HZ);
	CHECK(msecs_to_jiffies((unsigned int)-1) == MAX_JIFFY_OFFSET);
	CHECK(time_before(~0ul, 5ul));
	return 0;
}

/* --- sleeping locks --- */

/* down_read and kin, downgrade_write, the trylocks, guard(rwsem_read). */
static int check_rwsem(void)
{
	struct rw_semaphore sem;

	init_rwsem(&sem);
	CHECK(!rwsem_is_locked(&sem));
	down_read(&sem);
	lockdep_assert_held_read(&sem);
	lockdep_assert_held(&sem);
	CHECK(rwsem_is_locked(&sem) && !down_write_trylock(&sem));
	up_read(&sem);
	down_write(&sem);
	lockdep_assert_held_write(&sem);
	CHECK(!down_read_trylock(&sem) && !down_write_trylock(&sem));
	downgrade_write(&sem);
	lockdep_assert_held_read(&sem);
	up_read(&sem);
	CHECK(down_write_trylock(&sem));
	up_write(&sem);
	CHECK(down_read_trylock(&sem));
	up_read(&sem);
	CHECK(!down_write_killable(&sem));
	up_write(&sem);
	CHECK(!down_read_killable(&sem) && rwsem_is_locked(&sem));
	up_read(&sem);
	scoped_guard(rwsem_read, &sem)
		rwsem_assert_held(&sem);
	scoped_guard(rwsem_write, &sem)
		rwsem_assert_held_write(&sem);
	scoped_cond_guard(rwsem_read_try, return __LINE__, &sem)
		lockdep_assert_held_read(&sem);
	CHECK(!rwsem_is_locked(&sem));
	return 0;
}

/* srcu_read_lock and kin: the index belongs to the reader; synchronize_srcu, call_srcu, srcu_barrier. */
static int check_srcu(void)
{
	struct srcu_struct srcu;
	struct thing *one = kzalloc_obj(*one), *slot = NULL;
	int outer, inner;

	CHECK(one && !init_srcu_struct(&srcu));
	rcu_assign_pointer(slot, one);
	outer = srcu_read_lock(&srcu);
	inner = srcu_read_lock(&srcu);
	might_sleep();
	CHECK(srcu_dereference(slot, &srcu) == one && srcu_read_lock_held(&srcu));
	srcu_read_unlock(&srcu, outer);
	srcu_read_unlock(&srcu, inner);
	CHECK(!srcu_read_lock_held(&srcu) && srcu_dereference_check(slot, &srcu, true) == one);
	synchronize_srcu(&srcu);
	scoped_guard(srcu, &srcu)
		CHECK(srcu_read_lock_held(&srcu));
	call_srcu(&srcu, &one->rcu, free_thing);
	srcu_barrier(&srcu);
	synchronize_srcu_expedited(&srcu);
	cleanup_srcu_struct(&srcu);
	return 0;
}

/* --- xarray --- */

/* xa_store and kin say what was there; xa_alloc finds what is free; xa_for_each goes in order. */
static int check_xarray(void)
{
	struct thing things[3];
	struct xarray xa;
	struct thing *entry;
	unsigned long index, number = 0, flags;
	void *value;
	u32 id = 0, next = 0;

	xa_init(&xa);
	CHECK(xa_empty(&xa) && !xa_load(&xa, 5) && !xa_erase(&xa, 5));
	CHECK(!xa_store(&xa, 5, &things[0], GFP_KERNEL) && xa_load(&xa, 5) == &things[0] && !xa_empty(&xa));
	CHECK(xa_store(&xa, 5, &things[1], GFP_ATOMIC) == &things[0] && xa_insert(&xa, 5, &things[2], GFP_KERNEL) == -EBUSY);
	CHECK(!xa_insert(&xa, 2, &things[2], GFP_KERNEL) && !xa_insert(&xa, ~0ul, &things[0], GFP_KERNEL));
	CHECK(xa_cmpxchg(&xa, 5, &things[0], &things[2], GFP_KERNEL) == &things[1]);
	CHECK(xa_cmpxchg(&xa, 5, &things[1], &things[0], GFP_KERNEL) == &things[1] && xa_load(&xa, 5) == &things[0]);
	xa_for_each(&xa, index, entry)
		number = 10 * number + index % 9 + 1;
	CHECK(number == (2 + 1) * 100 + (5 + 1) * 10 + ~0ul % 9 + 1);
	number = 0;
	xa_for_each_range(&xa, index, entry, 3, 9)
		number = 10 * number + index;
	CHECK(number == 5);
	xa_for_each_start(&xa, index, entry, 6)
		CHECK(index == ~0ul);
	index = 0;
	CHECK(xa_find(&xa, &index, ~0ul, XA_PRESENT) == &things[2] && index == 2);
	CHECK(xa_find_after(&xa, &index, ~0ul, XA_PRESENT) == &things[0] && index == 5);
	xa_lock(&xa);
	CHECK(__xa_erase(&xa, 5) == &things[0] && !__xa_store(&xa, 5, &things[1], GFP_ATOMIC));
	CHECK(__xa_insert(&xa, 5, &things[0], GFP_ATOMIC) == -EBUSY);
	xa_unlock(&xa);
	xa_lock_irqsave(&xa, flags);
	CHECK(__xa_cmpxchg(&xa, 5, &things[1], NULL, GFP_ATOMIC) == &things[1]);
	xa_unlock_irqrestore(&xa, flags);
	CHECK(xa_store(&xa, 2, NULL, GFP_KERNEL) == &things[2] && xa_erase(&xa, ~0ul) == &things[0] && xa_empty(&xa));
	value = xa_mk_value(77);
	CHECK(xa_is_value(value) && xa_to_value(value) == 77 && !xa_is_err(value) && !xa_is_value(&things[0]));
	CHECK(!xa_err(NULL));
	xa_destroy(&xa);
	xa_init_flags(&xa, XA_FLAGS_LOCK_IRQ);
	CHECK(!xa_store_irq(&xa, 9, value, GFP_KERNEL) && xa_erase_irq(&xa, 9) == value);
	xa_destroy(&xa);
	xa_init_flags(&xa, XA_FLAGS_LOCK_BH);
	CHECK(!xa_insert_bh(&xa, 9, value, GFP_KERNEL) && xa_cmpxchg_bh(&xa, 9, value, NULL, GFP_KERNEL) == value);
	xa_destroy(&xa);

	xa_init_flags(&xa, XA_FLAGS_ALLOC1);
	CHECK(!xa_alloc(&xa, &id, &things[0], xa_limit_32b, GFP_KERNEL) && id == 1);
	CHECK(!xa_alloc(&xa, &id, &things[1], XA_LIMIT(1, 2), GFP_KERNEL) && id == 2);
	CHECK(xa_alloc(&xa, &id, &things[1], XA_LIMIT(1, 2), GFP_KERNEL) == -EBUSY);
	CHECK(!xa_alloc_cyclic(&xa, &id, &things[1], XA_LIMIT(1, 4), &next, GFP_KERNEL) && id == 3 && next == 4);
	CHECK(xa_erase(&xa, 1) == &things[0]);
	CHECK(!xa_alloc_cyclic(&xa, &id, &things[1], XA_LIMIT(1, 4), &next, GFP_KERNEL) && id == 4);
	CHECK(xa_alloc_cyclic(&xa, &id, &things[1], XA_LIMIT(1, 4), &next, GFP_KERNEL) == 1 && id == 1);
	CHECK(xa_alloc_cyclic(&xa, &id, &things[1], XA_LIMIT(1, 4), &next, GFP_KERNEL) == -EBUSY);
	xa_destroy(&xa);
	CHECK(xa_empty(&xa));

	/* The greatest one: what comes next has wrapped, once. */
	xa_init_flags(&xa, XA_FLAGS_ALLOC);
	next = UINT32_MAX;
	CHECK(!xa_alloc_cyclic(&xa, &id, &things[0], xa_limit_32b, &next, GFP_KERNEL) && id == UINT32_MAX && !next);
	CHECK(xa_alloc_cyclic(&xa, &id, &things[1], xa_limit_32b, &next, GFP_KERNEL) == 1 && !id && next == 1);
	CHECK(!xa_alloc_cyclic(&xa, &id, &things[1], xa_limit_32b, &next, GFP_KERNEL) && id == 1);
	xa_destroy(&xa);
	rcu_barrier();
	return 0;
}

/* NULL reserves an index: it is in use, and nothing is found there. */
static int check_xarray_reserved(void)
{
	struct thing thing, *entry;
	struct xarray xa;
	unsigned long index;
	u32 id;

	xa_init_flags(&xa, XA_FLAGS_ALLOC);
	CHECK(!xa_alloc(&xa, &id, NULL, xa_limit_32b, GFP_KERNEL) && id == 0 && !xa_load(&xa, 0) && !xa_empty(&xa));
	CHECK(!xa_alloc(&xa, &id, &thing, xa_limit_32b, GFP_KERNEL) && id == 1);
	CHECK(xa_store(&xa, 1, NULL, GFP_KERNEL) == &thing && !xa_load(&xa, 1));
	xa_for_each(&xa, index, entry)
		CHECK(false);
	CHECK(!xa_alloc(&xa, &id, &thing, xa_limit_32b, GFP_KERNEL) && id == 2);
	CHECK(!xa_store(&xa, 0, &thing, GFP_KERNEL) && xa_load(&xa, 0) == &thing);
	CHECK(!xa_erase(&xa, 1) && !xa_alloc(&xa, &id, &thing, xa_limit_32b, GFP_KERNEL) && id == 1);
	CHECK(xa_cmpxchg(&xa, 2, &thing, NULL, GFP_KERNEL) == &thing);
	CHECK(!xa_alloc(&xa, &id, &thing, xa_limit_32b, GFP_KERNEL) && id == 2);
	xa_destroy(&xa);

	xa_init(&xa);
	CHECK(!xa_insert(&xa, 3, NULL, GFP_KERNEL) && xa_insert(&xa, 3, &thing, GFP_KERNEL) == -EBUSY && !xa_load(&xa, 3));
	CHECK(!xa_store(&xa, 3, NULL, GFP_KERNEL) && xa_empty(&xa));
	rcu_barrier();
	return 0;
}

/* --- defined in place --- */

static DEFINE_MUTEX(a_mutex);
static DEFINE_SPINLOCK(a_spinlock);
static DECLARE_RWSEM(a_rwsem);
DEFINE_STATIC_SRCU(an_srcu);
static DEFINE_XARRAY_ALLOC(an_xarray);
static DECLARE_COMPLETION(a_completion);
static LIST_HEAD(a_list);
static atomic_t a_work_ran = ATOMIC_INIT(0);

static void a_work_function(struct work_struct *work)
{
	atomic_inc(&a_work_ran);
}

static void a_timer_function(struct timer_list *timer)
{
	complete(&a_completion);
}

static DECLARE_WORK(a_work, a_work_function);
static DECLARE_DELAYED_WORK(a_delayed_work, a_work_function);
static DEFINE_TIMER(a_timer, a_timer_function);

/* DEFINE_MUTEX, DECLARE_RWSEM, DEFINE_SRCU, DEFINE_XARRAY_ALLOC, DECLARE_WORK, DECLARE_DELAYED_WORK, DEFINE_TIMER and so on. */
static int check_definitions(void)
{
	int index, runs = atomic_read(&a_work_ran);
	u32 id;

	CHECK(list_empty(&a_list));
	scoped_guard(mutex, &a_mutex)
		CHECK(mutex_is_locked(&a_mutex));
	scoped_guard(spinlock, &a_spinlock)
		CHECK(spin_is_locked(&a_spinlock));
	scoped_guard(rwsem_read, &a_rwsem)
		CHECK(rwsem_is_locked(&a_rwsem));
	index = srcu_read_lock(&an_srcu);
	srcu_read_unlock(&an_srcu, index);
	synchronize_srcu(&an_srcu);
	CHECK(!xa_alloc(&an_xarray, &id, xa_mk_value(5), xa_limit_16b, GFP_KERNEL) && id == 0 && xa_to_value(xa_erase(&an_xarray, id)) == 5);
	schedule_work(&a_work);
	flush_work(&a_work);
	schedule_delayed_work(&a_delayed_work, A_LONG_TIME);
	flush_delayed_work(&a_delayed_work);
	CHECK(atomic_read(&a_work_ran) == runs + 2);
	mod_timer(&a_timer, jiffies);
	wait_for_completion(&a_completion);
	timer_delete_sync(&a_timer);
	rcu_barrier();
	return 0;
}

/* --- all of them --- */

static const struct kernel_api_check {
	const char *name;
	int (*run)(void);
} kernel_api_checks[] = {
#define C(name) { #name, check_##name }
	C(free_order), C(free_kfree), C(guard_mutex), C(cond_guard), C(guard_spinlock), C(class),
	C(list_moves), C(list_walks), C(hlist), C(llist), C(rculist),
	C(slab), C(kmem_cache), C(rcu_rest),
	C(numbers), C(container_of_const), C(messages), C(context),
	C(workqueue), C(delayed_work), C(timer), C(time), C(rwsem), C(srcu), C(xarray), C(xarray_reserved), C(definitions),
	C(atomic), C(atomic_long), C(atomic64), C(exchanges), C(bits), C(kref),
#undef C
};

/* 0: fine; a line; -1: there is no such check. */
#define SEEN __attribute__((visibility("default")))

SEEN int iopf_kernel_api_check(unsigned int n);
int iopf_kernel_api_check(unsigned int n)
{
	return n < ARRAY_SIZE(kernel_api_checks) ? kernel_api_checks[n].run() : -1;
}

SEEN const char *iopf_kernel_api_name(unsigned int n);
const char *iopf_kernel_api_name(unsigned int n)
{
	return n < ARRAY_SIZE(kernel_api_checks) ? kernel_api_checks[n].name : NULL;
}
