# SPDX-License-Identifier: GPL-2.0-only
"""The primitives that patches use, against each other under the explorer: what must be found, and what must not.

Each race is tasks that run pieces of kernel code over one state (kernel_code.py); each that must find something has a twin
that must not. Then random ones of all of them go through every strategy, which have to come to the same classes, and through
the commutation oracle.
"""

import random

import kernel_code
import pytest
from test_golden import agree, quiet
from test_oracle import exchanged

from iopf.explore import explore
from iopf.explore.search import find_core

CODE = """
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/llist.h>
#include <linux/lockdep.h>
#include <linux/rculist.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/timer.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

struct thing {
	int value;
	struct list_head list;
	struct llist_node lockless;
	struct rcu_head rcu;
	struct kref ref;
};

struct state {
	struct mutex mutex;
	spinlock_t lock;
	struct rw_semaphore sem;
	struct srcu_struct srcu, other_srcu;
	struct workqueue_struct *wq, *ordered;
	struct work_struct work, other, chained;
	struct delayed_work delayed;
	struct timer_list timer;
	struct xarray xa;
	struct list_head list;
	struct llist_head stack;
	struct thing *one, *other_thing;
	struct thing __rcu *slot;
	int data, flag, released, timed_out, ids[2], chain, deletes_in_timer, locks_in_timer, sleeps_in_timer, again;
	atomic_t count;
};

static void add_to_data(struct state *s)
{
	s->data = s->data + 1;
}

static void work_function(struct work_struct *work)
{
	add_to_data(container_of(work, struct state, work));
}

static void other_function(struct work_struct *work)
{
	add_to_data(container_of(work, struct state, other));
}

static void chaining_function(struct work_struct *work)
{
	struct state *s = container_of(work, struct state, chained);

	queue_work(s->wq, &s->other);
}

static void delayed_function(struct work_struct *work)
{
	add_to_data(container_of(to_delayed_work(work), struct state, delayed));
}

static void timer_function(struct timer_list *timer)
{
	struct state *s = timer_container_of(s, timer, timer);

	if (s->locks_in_timer)
		spin_lock(&s->lock);
	if (s->sleeps_in_timer)
		msleep(1);
	add_to_data(s);
	if (s->locks_in_timer)
		spin_unlock(&s->lock);
	if (s->again-- > 0)
		mod_timer(&s->timer, jiffies + 1);
}

static void release_thing(struct kref *ref)
{
	kfree(container_of(ref, struct thing, ref));
}

static void free_thing(struct rcu_head *head)
{
	kfree(container_of(head, struct thing, rcu));
}

static void free_thing_after_a_sleep(struct rcu_head *head)
{
	msleep(1);
	free_thing(head);
}

/* The state goes as soon as this returns: who used it still is found. */
static void end(struct device *dev, struct state *s)
{
	*shared(dev) = NULL;
	kfree(s);
}

static int locked_add(struct state *s, bool fails)
{
	guard(mutex)(&s->mutex);
	if (fails)
		return -EINVAL;
	add_to_data(s);
	return 0;
}

static int wait_for_flag(struct state *s)
{
	unsigned long end = jiffies + HZ;

	while (!READ_ONCE(s->flag)) {
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		cpu_relax();
	}
	return 0;
}

static struct lock_class_key inner_key;

/* One place: one class. */
static void init_one(struct mutex *lock)
{
	mutex_init(lock);
}

static void nest(struct mutex *outer, struct mutex *inner)
{
	guard(mutex)(outer);
	guard(mutex)(inner);
}

static int calls;
static DEFINE_MUTEX(static_mutex);
static DEFINE_SPINLOCK(static_spinlock);
static DEFINE_XARRAY(static_xarray);
"""

PIECES = {
    # --- the state ---
    "begin": """
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	*shared(dev) = s;
	mutex_init(&s->mutex);
	spin_lock_init(&s->lock);
	init_rwsem(&s->sem);
	init_srcu_struct(&s->srcu);
	init_srcu_struct(&s->other_srcu);
	INIT_WORK(&s->work, work_function);
	INIT_WORK(&s->other, other_function);
	INIT_WORK(&s->chained, chaining_function);
	INIT_DELAYED_WORK(&s->delayed, delayed_function);
	timer_setup(&s->timer, timer_function, 0);
	xa_init_flags(&s->xa, XA_FLAGS_ALLOC);
	INIT_LIST_HEAD(&s->list);
	init_llist_head(&s->stack);
	s->wq = alloc_workqueue("state", WQ_UNBOUND, 0);
	s->ordered = alloc_ordered_workqueue("state", 0);""",
    "end": "drain_workqueue(s->wq); destroy_workqueue(s->wq); destroy_workqueue(s->ordered); xa_destroy(&s->xa); end(dev, s);",
    "end alone": "end(dev, s);",
    "add": "add_to_data(s);",
    "look": "s->chain = s->data;",
    "publish": "s->one = kzalloc_obj(*s->one); kref_init(&s->one->ref); rcu_assign_pointer(s->slot, s->one);",
    "put one": "kref_put(&s->one->ref, release_thing);",
    "free one": "kfree(s->one);",
    # --- cleanup.h ---
    "guarded add": "return locked_add(s, false);",
    "guarded error": "return locked_add(s, true) == -EINVAL ? 0 : -EIO;",
    "lost unlock": "mutex_lock(&s->mutex); add_to_data(s);",
    "scoped spin add": "scoped_guard(spinlock, &s->lock) add_to_data(s);",
    # --- rwsem ---
    "read": "down_read(&s->sem); s->chain += 0 * s->data; up_read(&s->sem);",
    "read alone": "down_read(&s->sem); (void)READ_ONCE(s->data); up_read(&s->sem);",
    "write": "down_write(&s->sem); add_to_data(s); up_write(&s->sem);",
    "read twice": "down_read(&s->sem); down_read(&s->sem); up_read(&s->sem); up_read(&s->sem);",
    "downgrade": "down_write(&s->sem); add_to_data(s); downgrade_write(&s->sem); (void)*(volatile int *)&s->data; up_read(&s->sem);",
    "try read": "if (down_read_trylock(&s->sem)) { (void)s->data; up_read(&s->sem); }",
    "try write": "if (down_write_trylock(&s->sem)) { add_to_data(s); up_write(&s->sem); }",
    "guarded read": "guard(rwsem_read)(&s->sem); if (s->data > 100) return -EIO;",
    "guarded write": "guard(rwsem_write)(&s->sem); add_to_data(s);",
    "up read": "up_read(&s->sem);",
    "keep reading": "down_read(&s->sem);",
    "read under spinlock": "spin_lock(&s->lock); down_read(&s->sem); up_read(&s->sem); spin_unlock(&s->lock);",
    "is locked": "(void)rwsem_is_locked(&s->sem);",
    # --- srcu ---
    "srcu reader": """
	int index = srcu_read_lock(&s->srcu);
	struct thing *t = srcu_dereference(s->slot, &s->srcu);

	if (t && t->value > 100)
		return -EIO;
	srcu_read_unlock(&s->srcu, index);""",
    "sleeping srcu reader": """
	guard(srcu)(&s->srcu);
	mutex_lock(&s->mutex);
	mutex_unlock(&s->mutex);""",
    "retract": "rcu_assign_pointer(s->slot, NULL);",
    "synchronize_srcu": "synchronize_srcu(&s->srcu);",
    "synchronize other srcu": "synchronize_srcu(&s->other_srcu);",
    "synchronize_rcu": "synchronize_rcu();",
    "call_srcu": "call_srcu(&s->srcu, &s->one->rcu, free_thing);",
    "srcu_barrier": "srcu_barrier(&s->srcu);",
    "wait inside": "guard(srcu)(&s->srcu); synchronize_srcu(&s->srcu);",
    "dereference outside": "(void)srcu_dereference(s->slot, &s->srcu);",
    "keep srcu": "(void)srcu_read_lock(&s->srcu);",
    "srcu under spinlock": "spin_lock(&s->lock); synchronize_srcu(&s->srcu); spin_unlock(&s->lock);",
    "kfree_rcu_mightsleep": "kfree_rcu_mightsleep(s->one);",
    "rcu reader": "guard(rcu)(); { struct thing *t = rcu_dereference(s->slot); if (t && t->value > 100) return -EIO; }",
    # --- workqueues ---
    "queue": "queue_work(s->wq, &s->work);",
    "queue other": "queue_work(s->wq, &s->other);",
    "queue chained": "queue_work(s->wq, &s->chained);",
    "queue ordered": "queue_work(s->ordered, &s->work);",
    "queue other ordered": "queue_work(s->ordered, &s->other);",
    "flush": "flush_workqueue(s->wq);",
    "flush ordered": "flush_workqueue(s->ordered);",
    "drain": "drain_workqueue(s->wq);",
    "drain and queue": "drain_workqueue(s->wq); queue_work(s->wq, &s->work); flush_work(&s->work);",
    "schedule": "schedule_work(&s->work);",
    "flush work": "flush_work(&s->work);",
    "flush system": "flush_workqueue(system_wq);",
    "work pending": "(void)work_pending(&s->work);",
    "work busy": "(void)work_busy(&s->work);",
    "cancel": "cancel_work(&s->work);",
    "cancel sync": "cancel_work_sync(&s->work);",
    "drain under spinlock": "spin_lock(&s->lock); drain_workqueue(s->wq); spin_unlock(&s->lock);",
    # --- delayed works ---
    "delay": "queue_delayed_work(s->wq, &s->delayed, HZ);",
    "delay by 0": "queue_delayed_work(s->wq, &s->delayed, 0);",
    "mod": "mod_delayed_work(s->wq, &s->delayed, HZ);",
    "mod to 0": "mod_delayed_work(s->wq, &s->delayed, 0);",
    "cancel delayed": "cancel_delayed_work(&s->delayed);",
    "cancel delayed sync": "cancel_delayed_work_sync(&s->delayed);",
    "flush delayed": "flush_delayed_work(&s->delayed);",
    "delayed pending": "(void)delayed_work_pending(&s->delayed);",
    "destroy": "destroy_workqueue(s->wq);",
    # --- timers and the clock ---
    "arm": "mod_timer(&s->timer, jiffies + HZ);",
    "arm twice": "mod_timer(&s->timer, jiffies + HZ); mod_timer(&s->timer, jiffies + HZ);",
    "delete timer": "timer_delete(&s->timer);",
    "delete timer sync": "timer_delete_sync(&s->timer);",
    "shut timer down": "timer_shutdown_sync(&s->timer);",
    "timer pending": "(void)timer_pending(&s->timer);",
    "timer locks": "s->locks_in_timer = 1;",
    "timer sleeps": "s->sleeps_in_timer = 1;",
    "timer goes on": "s->again = 1;",
    "delete timer locked": "spin_lock(&s->lock); timer_delete_sync(&s->timer); spin_unlock(&s->lock);",
    "set flag": "WRITE_ONCE(s->flag, 1);",
    "wait for flag": "s->timed_out = wait_for_flag(s);",
    "has not timed out": "return s->timed_out;",
    "time goes on": "{ unsigned long then = jiffies; msleep(5); return time_before(jiffies, then + 5) ? -EIO : 0; }",
    "look at the clock": "(void)ktime_get();",
    "msleep": "msleep(1);",
    "msleep under spinlock": "spin_lock(&s->lock); msleep(1); spin_unlock(&s->lock);",
    "cond_resched under spinlock": "spin_lock(&s->lock); cond_resched(); spin_unlock(&s->lock);",
    "cond_resched": "cond_resched();",
    # --- xarray ---
    "xa store": "s->one = kzalloc_obj(*s->one); if (xa_err(xa_store(&s->xa, 3, s->one, GFP_KERNEL))) return -ENOMEM;",
    "xa reader": """
	struct thing *t;

	rcu_read_lock();
	t = xa_load(&s->xa, 3);
	if (t && t->value > 100)
		return -EIO;
	rcu_read_unlock();""",
    "xa reader outside": "struct thing *t = xa_load(&s->xa, 3); if (t && t->value > 100) return -EIO;",
    "xa erase": "struct thing *t = xa_erase(&s->xa, 3); if (t) kfree_rcu(t, rcu);",
    "xa erase and free": "struct thing *t = xa_erase(&s->xa, 3); kfree(t);",
    "xa alloc one": "u32 id; if (xa_alloc(&s->xa, &id, xa_mk_value(1), XA_LIMIT(1, 2), GFP_KERNEL)) return -EIO; s->ids[0] = (int)id;",
    "xa alloc other": "u32 id; if (xa_alloc(&s->xa, &id, xa_mk_value(2), XA_LIMIT(1, 2), GFP_KERNEL)) return -EIO; s->ids[1] = (int)id;",
    "ids differ": "return s->ids[0] + s->ids[1] == 3 ? 0 : -EIO;",
    "xa under spinlock": "spin_lock(&s->lock); xa_store(&s->xa, 9, xa_mk_value(1), GFP_KERNEL); spin_unlock(&s->lock);",
    "xa atomic under spinlock": "spin_lock(&s->lock); xa_store(&s->xa, 9, xa_mk_value(1), GFP_ATOMIC); spin_unlock(&s->lock);",
    "xa insert": "int ret = xa_insert(&s->xa, 7, xa_mk_value(1), GFP_KERNEL); if (!ret) atomic_inc(&s->count); else if (ret != -EBUSY) return ret;",
    "one inserted": "return atomic_read(&s->count) == 1 ? 0 : -EIO;",
    # --- lists ---
    "list add": "s->one = kzalloc_obj(*s->one); list_add_rcu(&s->one->list, &s->list);",
    "list walk": """
	struct thing *t;

	rcu_read_lock();
	list_for_each_entry_rcu(t, &s->list, list)
		if (t->value > 100)
			return -EIO;
	rcu_read_unlock();""",
    "list walk outside": "struct thing *t; list_for_each_entry_rcu(t, &s->list, list) if (t->value > 100) return -EIO;",
    "list del": "list_del_rcu(&s->one->list); kfree_rcu(s->one, rcu);",
    "list del and free": "list_del_rcu(&s->one->list); kfree(s->one);",
    "push one": "s->one = kzalloc_obj(*s->one); s->one->value = 1; llist_add(&s->one->lockless, &s->stack);",
    "push other": "s->other_thing = kzalloc_obj(*s->other_thing); s->other_thing->value = 2; llist_add(&s->other_thing->lockless, &s->stack);",
    "take all": """
	struct thing *t, *n;

	llist_for_each_entry_safe(t, n, llist_del_all(&s->stack), lockless) {
		atomic_add(t->value, &s->count);
		kfree(t);
	}""",
    "three were taken": "return atomic_read(&s->count) == 3 ? 0 : -EIO;",
    # --- counts, caches, BUG ---
    "get": "kref_get(&s->one->ref);",
    "kfree in another cache": """
	struct kmem_cache *a = KMEM_CACHE(thing, 0);
	struct kmem_cache *b = KMEM_CACHE(thing, 0);
	struct thing *t = kmem_cache_alloc(a, GFP_KERNEL);

	kmem_cache_free(b, t);
	kmem_cache_free(a, t);
	kmem_cache_destroy(a);
	kmem_cache_destroy(b);""",
    "cache with an object": """
	struct kmem_cache *a = KMEM_CACHE(thing, 0);
	struct thing *t = kmem_cache_alloc(a, GFP_KERNEL);

	kmem_cache_destroy(a);
	kfree(t);""",
    "cache in order": """
	struct kmem_cache *a = KMEM_CACHE(thing, 0);
	struct thing *t = kmem_cache_alloc(a, GFP_KERNEL);

	kmem_cache_free(a, t);
	kmem_cache_destroy(a);""",
    "nested": "struct mutex a, b; init_one(&a); init_one(&b); nest(&a, &b);",
    "nested classes": """
	struct mutex a, b;

	init_one(&a);
	init_one(&b);
	lockdep_set_class(&b, &inner_key);
	nest(&a, &b);""",
    "nested of one key": """
	struct mutex a, b;

	mutex_init(&a);
	mutex_init(&b);
	lockdep_set_class(&a, &inner_key);
	lockdep_set_class(&b, &inner_key);
	nest(&a, &b);""",
    "cancel delayed under spinlock": "spin_lock(&s->lock); cancel_delayed_work_sync(&s->delayed); spin_unlock(&s->lock);",
    "flush delayed under spinlock": "spin_lock(&s->lock); flush_delayed_work(&s->delayed); spin_unlock(&s->lock);",
    "mightsleep under spinlock": "spin_lock(&s->lock); kfree_rcu_mightsleep(s->one); spin_unlock(&s->lock);",
    "srcu_barrier under spinlock": "spin_lock(&s->lock); srcu_barrier(&s->srcu); spin_unlock(&s->lock);",
    "down_write under spinlock": "spin_lock(&s->lock); down_write(&s->sem); up_write(&s->sem); spin_unlock(&s->lock);",
    "trylocks under spinlock": """
	guard(spinlock)(&s->lock);
	if (down_write_trylock(&s->sem))
		up_write(&s->sem);
	if (down_read_trylock(&s->sem))
		up_read(&s->sem);
	cancel_delayed_work(&s->delayed);
	timer_delete_sync(&s->timer);
	mod_delayed_work(s->wq, &s->delayed, 1);
	timer_pending(&s->timer);""",
    "sleeping callback": "call_rcu(&s->one->rcu, free_thing_after_a_sleep); rcu_barrier();",
    "callback": "call_rcu(&s->one->rcu, free_thing); rcu_barrier();",
    "sleeping srcu callback": "call_srcu(&s->srcu, &s->one->rcu, free_thing_after_a_sleep); srcu_barrier(&s->srcu);",
    "might lock spinlock": "spin_lock(&s->lock); might_lock(&static_spinlock); spin_unlock(&s->lock);",
    "might lock mutex": "spin_lock(&s->lock); might_lock(&s->mutex); spin_unlock(&s->lock);",
    "nest what might be": "guard(mutex)(&s->mutex); might_lock(&static_mutex);",
    "nest the other way": "guard(mutex)(&static_mutex); guard(mutex)(&s->mutex);",
    "xa again under spinlock": """
	spin_lock(&s->lock);
	xa_store(&s->xa, 3, xa_load(&s->xa, 3), GFP_KERNEL);
	spin_unlock(&s->lock);""",
    "BUG_ON": "BUG_ON(s->data == 0);",
    "BUG_ON not": "BUG_ON(s->data == 1);",
    # --- static memory, which each execution finds as it was loaded ---
    "count calls": "return ++calls == 1 ? 0 : -EIO;",
    "static objects": """
	guard(mutex)(&static_mutex);
	if (xa_load(&static_xarray, 1) || xa_err(xa_store(&static_xarray, 1, xa_mk_value(1), GFP_KERNEL)))
		return -EIO;
	xa_erase(&static_xarray, 1);""",
}  # fmt: skip

MENU = kernel_code.Menu(CODE, PIECES)


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """All pieces in one kernel file."""
    core = MENU.core(tmp_path_factory.mktemp("races"))
    find_core(core)  # loaded: the oracle does not
    return core


#: Tasks, what is found, and setup and teardown beside the state's own. Without an end of its own a race ends in order.
RACES = {
    # cleanup.h
    "a guard keeps others out": ([["guarded add"], ["guarded add"]], set()),
    "without one they meet": ([["guarded add"], ["add"]], {"data-race"}),
    "a guard ends with an early return": ([["guarded error"], ["guarded add"]], set()),
    "an unlock that is lost": ([["lost unlock"], ["guarded add"]], {"deadlock", "warn"}),
    "a scoped guard": ([["scoped spin add"], ["scoped spin add"]], set()),
    # rwsem
    "readers and a writer": ([["read alone"], ["write"], ["read alone"]], set()),
    "two writers": ([["write"], ["write"]], set()),
    "a reader that writes": ([["write"], ["add"]], {"data-race"}),
    "a writer that waits stops a reader's second time": ([["read twice"], ["write"]], {"deadlock"}),
    "two readers read twice": ([["read twice"], ["read twice"]], set()),
    "a writer becomes a reader": ([["downgrade"], ["write"], ["read alone"]], set()),
    "trylocks": ([["try read", "try write"], ["write"], ["try write"]], set()),
    "guards of a semaphore": ([["guarded read"], ["guarded write"], ["guarded read"]], set()),
    "up_read by nobody": ([["up read"]], {"warn"}),
    "a reader that stays": ([["keep reading"], ["write"]], {"deadlock", "warn"}),
    "down_read under a spinlock": ([["read under spinlock"]], {"sleep"}),
    # srcu
    "a grace period of its srcu": ([["srcu reader"], ["retract", "synchronize_srcu", "free one"]], set(), ["publish"]),
    "none": ([["srcu reader"], ["retract", "free one"]], {"use-after-free"}, ["publish"]),
    "one of another srcu": ([["srcu reader"], ["retract", "synchronize other srcu", "free one"]], {"use-after-free"}, ["publish"]),
    "one of RCU": ([["srcu reader"], ["retract", "synchronize_rcu", "free one"]], {"use-after-free"}, ["publish"]),
    "a callback": ([["srcu reader"], ["retract", "call_srcu", "srcu_barrier"]], set(), ["publish"]),
    "a callback beside a barrier": ([["srcu reader"], ["retract", "call_srcu"], ["srcu_barrier"]], set(), ["publish"]),
    "readers that sleep": ([["sleeping srcu reader"], ["sleeping srcu reader"], ["synchronize_srcu"]], set()),
    "who waits for himself": ([["wait inside"]], {"deadlock"}),
    "a dereference outside": ([["dereference outside"]], {"rcu"}),
    "a task that ends inside": ([["keep srcu"]], {"rcu"}),
    "synchronize_srcu under a spinlock": ([["srcu under spinlock"]], {"sleep"}),
    "kfree_rcu_mightsleep waits for readers": ([["rcu reader"], ["retract", "kfree_rcu_mightsleep"]], set(), ["publish"]),
    "kfree does not": ([["rcu reader"], ["retract", "free one"]], {"use-after-free"}, ["publish"]),
    # workqueues
    "an ordered queue runs one at a time": ([["queue ordered"], ["queue other ordered"]], set()),
    "an unbound one runs several": ([["queue"], ["queue other"]], {"data-race"}),
    "a drain waits for what a work queues": ([["queue chained", "drain", "look"]], set()),
    "a flush does not": ([["queue chained", "flush", "look"]], {"data-race"}),
    "queueing after a drain": ([["drain and queue"], ["drain"]], {"warn"}),
    "queueing after one's own": ([["drain and queue"]], set()),
    "one of the system's queues": ([["schedule", "flush work", "look"]], set()),
    "flushing one of those": ([["flush system"]], {"warn"}),
    "a drain under a spinlock": ([["drain under spinlock"]], {"sleep"}),
    # delayed works
    "a delayed work that is flushed": ([["delay", "flush delayed", "look"]], set()),
    "a flush of the queue does not see its timer": ([["delay", "flush", "look"]], {"data-race"}, [], ["flush delayed"]),
    "cancelled, and idle": ([["delay", "cancel delayed sync", "look"]], set()),
    "cancelled, and perhaps running": ([["delay", "cancel delayed", "look"]], {"data-race"}),
    "two who cancel it": ([["delay", "cancel delayed sync", "look"], ["cancel delayed sync", "look"]], {"data-race"}),
    "mod beside cancel": ([["mod"], ["cancel delayed sync"], ["delay"]], set(), [], ["cancel delayed sync"]),
    "mod beside flush": ([["mod to 0"], ["flush delayed"]], set(), ["delay"], ["cancel delayed sync"]),
    "a queue that goes before the timer": ([["delay", "destroy"]], {"use-after-free"}, [], ["free queue"]),
    # timers
    "a timer that is taken back": ([["arm", "delete timer sync", "look"]], set()),
    "a timer that perhaps runs": ([["arm", "delete timer", "look"]], {"data-race"}, [], ["delete timer sync"]),
    "a timer that arms itself": ([["arm", "delete timer sync", "look"]], set(), ["timer goes on"]),
    "a timer that is shut down": ([["shut timer down", "look"], ["arm"]], set(), ["timer goes on"]),
    "arming twice": ([["arm twice"]], set(), [], ["delete timer sync"]),
    "a timer with a lock": ([["arm"], ["scoped spin add"]], set(), ["timer locks"], ["delete timer sync"]),
    "waiting for it with that lock": ([["arm", "delete timer locked"]], {"deadlock"}, ["timer locks"]),
    "waiting for it with a lock that it does not take": ([["arm", "delete timer locked"]], set()),
    "a timer that sleeps": ([["arm"]], {"sleep"}, ["timer sleeps"], ["delete timer sync"]),
    # the clock
    "a wait that times out, or not": ([["wait for flag"], ["set flag"]], set()),
    "it may time out": ([["wait for flag"], ["set flag"]], {"unexpected-return"}, [], ["has not timed out"]),
    "it does not if the flag is there": ([["wait for flag"]], set(), ["set flag"], ["has not timed out"]),
    "it ends when nobody sets the flag": ([["wait for flag"]], set()),
    "msleep lets time pass": ([["time goes on"], ["time goes on"]], set()),
    "msleep under a spinlock": ([["msleep under spinlock"]], {"sleep"}),
    "cond_resched under a spinlock": ([["cond_resched under spinlock"]], {"sleep"}),
    "cond_resched": ([["cond_resched"]], set()),
    # xarray
    "an entry that readers follow": ([["xa reader"], ["xa erase"]], set(), ["xa store"]),
    "a reader that is none": ([["xa reader outside"], ["xa erase"]], {"use-after-free"}, ["xa store"]),
    "an entry that is freed at once": ([["xa reader"], ["xa erase and free"]], {"use-after-free"}, ["xa store"]),
    "two allocate": ([["xa alloc one"], ["xa alloc other"]], set(), [], ["ids differ"]),
    "two insert": ([["xa insert"], ["xa insert"]], set(), [], ["one inserted"]),
    "a store that may sleep under a spinlock": ([["xa under spinlock"]], {"sleep"}),
    "one that may not": ([["xa atomic under spinlock"]], set()),
    # lists
    "a list that readers walk": ([["list walk"], ["list del"]], set(), ["list add"]),
    "a node that appears": ([["list walk"], ["list add"]], set(), [], ["list del"]),
    "a node that is freed at once": ([["list walk"], ["list del and free"]], {"use-after-free"}, ["list add"]),
    "a walk outside of a reader": ([["list walk outside"]], {"rcu"}, ["list add"], ["list del"]),
    "a stack without a lock": ([["push one"], ["push other"], ["take all"]], set(), [], ["take all", "three were taken"]),
    # counts, caches, BUG
    "the last put releases": ([["put one"], ["put one"]], set(), ["publish", "get"]),
    "a put too many": ([["put one"], ["put one"]], {"use-after-free"}, ["publish"]),
    "another cache's object": ([["kfree in another cache"]], {"invalid-free"}),
    "a cache that goes before its objects": ([["cache with an object"]], {"warn"}),
    "a cache that goes after them": ([["cache in order"]], set()),
    "two locks of one class": ([["nested"]], {"lock-order"}),
    "of two": ([["nested classes"]], set()),
    "of one key": ([["nested of one key"]], {"lock-order"}),
    "cancel_delayed_work_sync under a spinlock": ([["cancel delayed under spinlock"]], {"sleep"}),
    "flush_delayed_work under a spinlock": ([["flush delayed under spinlock"]], {"sleep"}),
    "kfree_rcu_mightsleep under a spinlock": ([["mightsleep under spinlock"]], {"sleep"}, ["publish"]),
    "srcu_barrier under a spinlock": ([["srcu_barrier under spinlock"]], {"sleep"}),
    "down_write under a spinlock": ([["down_write under spinlock"]], {"sleep"}),
    "what does not sleep under one": (
        [["trylocks under spinlock"]], set(), [], ["cancel delayed sync", "delete timer sync"],
    ),
    "a callback of RCU": ([["callback"]], set(), ["publish"]),
    "one that sleeps": ([["sleeping callback"]], {"sleep"}, ["publish"]),
    "one of an srcu that sleeps": ([["sleeping srcu callback"]], {"sleep"}, ["publish"]),
    "a spinlock that might be taken under one": ([["might lock spinlock"]], set()),
    "a mutex that might be": ([["might lock mutex"]], {"sleep"}),
    "an order of locks with one that might be taken": ([["nest what might be"], ["nest the other way"]], {"lock-order"}),
    "the same order twice": ([["nest what might be"], ["nest what might be"]], set()),
    "an entry that is stored anew under a spinlock": ([["xa again under spinlock"]], {"sleep"}, ["xa store"], ["xa erase"]),
    "BUG_ON": ([["BUG_ON"]], {"warn"}),
    "BUG_ON of what is not": ([["BUG_ON not"]], set()),
    # static memory
    "an execution finds static memory as it was loaded": ([["count calls"], ["look at the clock"]], set()),
    "static objects": ([["static objects"], ["static objects"]], set()),
}  # fmt: skip


def race(name):
    """The scenario of a race, and what it has to show."""
    tasks, found, *beside = RACES[name]
    setup, teardown = [*beside, [], []][:2]
    ends = ["end alone"] if teardown == ["free queue"] else [*teardown, "end"]
    tasks = {chr(ord("a") + n): pieces for n, pieces in enumerate(tasks)}
    return MENU.scenario(name, tasks, ["begin", *setup], ends), found


@pytest.mark.parametrize("name", RACES)
def test_what_must_be_found_is_found_and_nothing_else(core, name):
    """By a complete search."""
    scenario, expected = race(name)
    result = explore(scenario, core=core, strategy="dpor", all_failures=True, **quiet())
    assert result.exhausted, result
    found = {failure.kind for failure in result.failures} - {"leak"}
    assert expected == found, result.failure


# --- all of them ---

#: What random programs are made of: pieces that fit together in any order, of one or two kinds in a program.
KINDS = {
    "semaphores": ["read alone", "write", "try read", "try write", "is locked", "downgrade", "guarded write"],
    "sleepable readers": ["srcu reader", "synchronize_srcu", "sleeping srcu reader", "srcu_barrier", "synchronize other srcu"],
    "works": ["queue", "queue other", "flush work", "cancel", "cancel sync", "work pending", "work busy", "drain"],
    "ordered works": ["queue ordered", "queue other ordered", "flush ordered", "cancel"],
    "delayed works": [
        "delay", "mod", "mod to 0", "cancel delayed", "cancel delayed sync", "flush delayed", "delayed pending", "delay by 0",
    ],
    "timers": ["arm", "delete timer", "delete timer sync", "timer pending", "shut timer down"],
    "the clock": ["look at the clock", "msleep"],
    "entries": ["xa insert", "xa reader", "xa erase"],
    "stacks": ["take all", "guarded add"],
}  # fmt: skip


#: Of these few pieces are enough: works and timers are tasks, too, and an array takes many steps.
LONG = {"works", "delayed works", "timers", "the clock", "ordered works", "entries", "sleepable readers"}


def random_scenario(seed):
    """Two tasks, or three; so small that every interleaving can be executed."""
    rng = random.Random(f"kernel api {seed}")
    kinds = rng.sample(sorted(KINDS), rng.choice([1, 1, 2]))
    pieces = [piece for kind in kinds for piece in KINDS[kind]]
    long = len(LONG.intersection(kinds))
    tasks = {"a": rng.choices(pieces, k=rng.randint(1, 2 if long < 2 and "delayed works" not in kinds else 1))}
    tasks["b"] = rng.choices(pieces, k=1 if long else rng.randint(1, 2))
    if not long and len(tasks["a"]) + len(tasks["b"]) < 3:
        tasks["c"] = rng.choices(pieces, k=1)
    ends = ["cancel delayed sync", "delete timer sync", "flush ordered", "take all", "end"]
    return MENU.scenario(f"random {seed}", tasks, ["begin"], ends)


@pytest.mark.parametrize("block", range(10))
def test_strategies_agree_on_random_scenarios_of_these(core, class_hashes, block):
    """Five each: the same classes, outcomes and failures by classes, sleep sets and every interleaving."""
    for n in range(5):
        assert agree(random_scenario(5 * block + n), class_hashes, core=core) >= 1


@pytest.mark.parametrize("block", range(6))
def test_independent_steps_of_these_commute(core, block):
    """The commutation oracle over ten random scenarios each."""
    for n in range(10):
        assert (n, None) == (n, exchanged(random_scenario(10 * block + n), core, exchanges=300)[1])
