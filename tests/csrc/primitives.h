/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The face of the kernel primitives: what tests/primitives drives. One function for each primitive, on objects that
 * the caller holds by pointer, and a few programs that need threads of their own. tests/semantics.py compiles it against
 * the installed extension.
 */
#ifndef IOPF_TESTS_PRIMITIVES_H
#define IOPF_TESTS_PRIMITIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

/* cdef-begin */
#define IOPF_PRIM_TEXT 240

const char *iopf_prim_runtime(void);

/* --- warnings, messages, the clock of the rate limits --- */

struct iopf_prim_warning {
	const char *file;
	const char *function;
	const char *reason;
	int line;
	unsigned long hits;
};

/* Those that fired, at most max of them. Returns how many. */
size_t iopf_prim_warnings(struct iopf_prim_warning *warnings, size_t max);
unsigned long iopf_prim_warn_total(void);
void iopf_prim_warn_clear(void);
bool iopf_prim_warn_on(bool condition);
bool iopf_prim_warn_on_once(bool condition);
bool iopf_prim_warn(bool condition);
bool iopf_prim_warn_once(bool condition);
/* How often the condition was evaluated. */
int iopf_prim_warn_evaluations(void);
void iopf_prim_warn_race(unsigned int nr_threads, unsigned int rounds);

/* text has room for IOPF_PRIM_TEXT bytes. Returns the level, or -1: there is no message. */
int iopf_prim_message(char *text);
bool iopf_prim_message_waiting(void);
unsigned long iopf_prim_messages_dropped(void);
void iopf_prim_emit(int level, const char *text);
void iopf_prim_dev_warn(const char *dev, const char *text);
/* site 0 and 1 are two places in the source. */
void iopf_prim_dev_warn_ratelimited(const char *dev, int site, int number);
void iopf_prim_clock_set(uint64_t now_ns);
uint64_t iopf_prim_clock_now(void);

/* How often the calling thread has made every thread of the process pass a barrier. */
unsigned long iopf_prim_barriers(void);
unsigned long iopf_prim_barriers_of_all(void);
/* How often an idle worker has looked for an item before it slept. */
unsigned long iopf_prim_spins(void);

/* --- what patches use (kernel_api.c): a check gives 0, or the line of what was wrong --- */

int iopf_kernel_api_check(unsigned int n);
const char *iopf_kernel_api_name(unsigned int n);

/* --- refcount_t --- */

struct iopf_prim_refcount;

struct iopf_prim_refcount *iopf_prim_refcount_new(int n);
void iopf_prim_refcount_free(struct iopf_prim_refcount *count);
void iopf_prim_refcount_set(struct iopf_prim_refcount *count, int n);
int iopf_prim_refcount_read(struct iopf_prim_refcount *count);
void iopf_prim_refcount_inc(struct iopf_prim_refcount *count);
void iopf_prim_refcount_add(int n, struct iopf_prim_refcount *count);
bool iopf_prim_refcount_inc_not_zero(struct iopf_prim_refcount *count);
void iopf_prim_refcount_dec(struct iopf_prim_refcount *count);
bool iopf_prim_refcount_dec_and_test(struct iopf_prim_refcount *count);
/* Threads take and drop references to objects that their creator drops meanwhile. Objects not released exactly once. */
unsigned long iopf_prim_refcount_race(unsigned int nr_threads, unsigned int nr_objects);

/* --- mutexes --- */

struct iopf_prim_mutex;

struct iopf_prim_mutex *iopf_prim_mutex_new(void);
/* mutex_destroy(), then kfree(). */
void iopf_prim_mutex_free(struct iopf_prim_mutex *mutex);
void iopf_prim_mutex_destroy(struct iopf_prim_mutex *mutex);
void iopf_prim_mutex_lock(struct iopf_prim_mutex *mutex);
bool iopf_prim_mutex_trylock(struct iopf_prim_mutex *mutex);
void iopf_prim_mutex_unlock(struct iopf_prim_mutex *mutex);
bool iopf_prim_mutex_is_locked(struct iopf_prim_mutex *mutex);
bool iopf_prim_lockdep_is_held(struct iopf_prim_mutex *mutex);
void iopf_prim_lockdep_assert_held(struct iopf_prim_mutex *mutex);
void iopf_prim_lockdep_assert_not_held(struct iopf_prim_mutex *mutex);
/* A DEFINE_MUTEX() in the C file. */
struct iopf_prim_mutex *iopf_prim_mutex_static(void);
/* Each thread adds 1 per round, not atomically, and sleeps inside in every sleep_every-th round. Returns the sum. */
unsigned long iopf_prim_mutex_race(unsigned int nr_threads, unsigned int rounds, unsigned int sleep_every);

/*
 * For each of many new mutexes: one thread locks and unlocks it all the time, newcomers come when they like. How often
 * one of them was not alone inside. Ends after so many mutexes or ms.
 */
unsigned long iopf_prim_mutex_newcomers(unsigned int nr_newcomers, unsigned int nr_mutexes, unsigned int ms);

/* The same with new counts that go up and down. How often one was not what it had to be. */
unsigned long iopf_prim_refcount_newcomers(unsigned int nr_newcomers, unsigned int nr_counts, unsigned int ms);

/*
 * One thread uses new mutexes, or counts, all the time, each until a newcomer comes: a signal stops the first thread at
 * whatever instruction it is, and only then the newcomer locks, or gets and puts. It is let go when the newcomer is
 * through, or waits for it.
 */
struct iopf_prim_stops {
	unsigned long met;	/* rounds in which the newcomer came to its end while the other was stopped */
	unsigned long waited;	/* rounds in which it did not */
	unsigned long broken;	/* somebody was not alone inside; a count was not the sum of what was done to it */
};

void iopf_prim_mutex_stops(unsigned int rounds, struct iopf_prim_stops *result);
void iopf_prim_refcount_stops(unsigned int rounds, struct iopf_prim_stops *result);

/* --- spinlocks: form is 0 plain, 1 _bh, 2 _irq, 3 _irqsave --- */

struct spinlock;

struct spinlock *iopf_prim_spin_new(void);
void iopf_prim_spin_free(struct spinlock *lock);
void iopf_prim_spin_lock(struct spinlock *lock, int form);
bool iopf_prim_spin_trylock(struct spinlock *lock, int form);
void iopf_prim_spin_unlock(struct spinlock *lock, int form);
unsigned long iopf_prim_spin_lock_irqsave(struct spinlock *lock);
void iopf_prim_spin_unlock_irqrestore(struct spinlock *lock, unsigned long flags);
bool iopf_prim_spin_is_locked(struct spinlock *lock);
bool iopf_prim_spin_lockdep_is_held(struct spinlock *lock);
void iopf_prim_assert_spin_locked(struct spinlock *lock);
struct spinlock *iopf_prim_spin_static(void);	/* a DEFINE_SPINLOCK() */
void iopf_prim_preempt_disable(void);
void iopf_prim_preempt_enable(void);
/* Each thread adds 1 per round, not atomically, under the lock. Returns the sum. */
unsigned long iopf_prim_spin_race(unsigned int nr_threads, unsigned int rounds);

/* --- completions --- */

struct completion;

struct completion *iopf_prim_completion_new(void);
void iopf_prim_completion_free(struct completion *x);
void iopf_prim_complete(struct completion *x);
void iopf_prim_complete_all(struct completion *x);
void iopf_prim_wait_for_completion(struct completion *x);
unsigned long iopf_prim_wait_for_completion_timeout(struct completion *x, unsigned long ticks);
int iopf_prim_wait_for_completion_killable(struct completion *x);
bool iopf_prim_try_wait_for_completion(struct completion *x);
bool iopf_prim_completion_done(struct completion *x);
void iopf_prim_reinit_completion(struct completion *x);
/*
 * One thread waits for a completion of its own stack, which the other completes, again and again. How often what was
 * written before complete() was not seen after the wait.
 */
unsigned long iopf_prim_completion_race(unsigned int rounds);

/* --- wait queues: a number that threads wait for --- */

struct iopf_prim_gate;

struct iopf_prim_gate *iopf_prim_gate_new(void);
void iopf_prim_gate_free(struct iopf_prim_gate *gate);
void iopf_prim_gate_set(struct iopf_prim_gate *gate, int value, bool wakes);
void iopf_prim_gate_wait(struct iopf_prim_gate *gate, int minimum);
long iopf_prim_gate_wait_timeout(struct iopf_prim_gate *gate, int minimum, unsigned long ticks);
/* wait_event_lock_irq(): how often the condition was tested without the lock. */
int iopf_prim_gate_wait_locked(struct iopf_prim_gate *gate, int minimum);
int iopf_prim_gate_tests(struct iopf_prim_gate *gate);	/* of the condition, so far */
bool iopf_prim_gate_active(struct iopf_prim_gate *gate);
/* Two threads wait for each other in turn. Returns the rounds that both came through. */
unsigned long iopf_prim_gate_race(unsigned int rounds);

/* --- RCU --- */

void iopf_prim_rcu_read_lock(void);
void iopf_prim_rcu_read_unlock(void);
bool iopf_prim_rcu_read_lock_held(void);
void iopf_prim_synchronize_rcu(void);
void iopf_prim_rcu_barrier(void);
/* The callback writes number into a log. again: it calls call_rcu() itself so many times, with number + 1 and so on. */
void iopf_prim_call_rcu(int number, int again);
/* Calls call_rcu() n times, with kfree_rcu() in between. How many functions ran inside the calls: none may. */
unsigned int iopf_prim_call_rcu_calls(unsigned int n);
/* The log so far, emptied. Returns how many. */
size_t iopf_prim_rcu_log(int *numbers, size_t max);

/* A published pointer to an object with a value. -1: the pointer is NULL. */
struct iopf_prim_cell;

struct iopf_prim_cell *iopf_prim_cell_new(void);
void iopf_prim_cell_free(struct iopf_prim_cell *cell);	/* and what it points to, at once */
void iopf_prim_cell_publish(struct iopf_prim_cell *cell, int value);	/* kfree_rcu() for the one before */
void iopf_prim_cell_clear(struct iopf_prim_cell *cell);		/* kfree_rcu() */
int iopf_prim_cell_dereference(struct iopf_prim_cell *cell);
int iopf_prim_cell_dereference_check(struct iopf_prim_cell *cell, bool condition);
int iopf_prim_cell_dereference_protected(struct iopf_prim_cell *cell, bool condition);
bool iopf_prim_cell_access(struct iopf_prim_cell *cell);

#define IOPF_PRIM_FREE_KFREE_RCU 0
#define IOPF_PRIM_FREE_CALL_RCU 1
#define IOPF_PRIM_FREE_SYNCHRONIZE 2
#define IOPF_PRIM_FREE_AT_ONCE 3	/* kfree(): the negative control */

/* Freed under a reader: the last bucket is "that or more". */
#define IOPF_PRIM_AGES 4

struct iopf_prim_torture {
	unsigned long updates;
	unsigned long reads;
	/* What readers found at their end: 0 still published, 1 replaced, 2 freed, 3 used for another object. */
	unsigned long ages[IOPF_PRIM_AGES];
};

/* An object is replaced, readers hold it; a single one is never preempted. Ends after so many ms and updates, both. */
void iopf_prim_rcu_torture(unsigned int how, unsigned int nr_readers, unsigned int ms, unsigned long updates,
			   struct iopf_prim_torture *result);

/* --- lists: nodes with a value --- */

struct iopf_prim_list;
struct iopf_prim_node;

struct iopf_prim_list *iopf_prim_list_new(void);
void iopf_prim_list_free(struct iopf_prim_list *list);
struct iopf_prim_node *iopf_prim_node_new(int value);
void iopf_prim_node_free(struct iopf_prim_node *node);
void iopf_prim_list_add(struct iopf_prim_node *node, struct iopf_prim_list *list);
void iopf_prim_list_add_tail(struct iopf_prim_node *node, struct iopf_prim_list *list);
void iopf_prim_list_del(struct iopf_prim_node *node);
void iopf_prim_list_del_init(struct iopf_prim_node *node);
void iopf_prim_list_move(struct iopf_prim_node *node, struct iopf_prim_list *list);
void iopf_prim_list_move_tail(struct iopf_prim_node *node, struct iopf_prim_list *list);
void iopf_prim_list_splice_init(struct iopf_prim_list *from, struct iopf_prim_list *list);
void iopf_prim_list_splice_tail_init(struct iopf_prim_list *from, struct iopf_prim_list *list);
bool iopf_prim_list_empty(struct iopf_prim_list *list);
bool iopf_prim_list_is_singular(struct iopf_prim_list *list);
size_t iopf_prim_list_count_nodes(struct iopf_prim_list *list);
/* Values forwards. Returns how many, or -1: the way backwards does not agree. */
int iopf_prim_list_read(struct iopf_prim_list *list, int *values, size_t max);
/* -1: none. */
int iopf_prim_list_first(struct iopf_prim_list *list);
int iopf_prim_list_last(struct iopf_prim_list *list);
int iopf_prim_list_next(struct iopf_prim_node *node);
/* Deletes and frees the odd ones while it walks. */
void iopf_prim_list_delete_odd(struct iopf_prim_list *list);
bool iopf_prim_node_is_poisoned(struct iopf_prim_node *node);
bool iopf_prim_node_is_alone(struct iopf_prim_node *node);	/* list_empty() of the node */

struct iopf_prim_hlist;

struct iopf_prim_hlist *iopf_prim_hlist_new(void);
void iopf_prim_hlist_free(struct iopf_prim_hlist *list);
void iopf_prim_hlist_add_head(struct iopf_prim_node *node, struct iopf_prim_hlist *list);
void iopf_prim_hlist_del(struct iopf_prim_node *node);
int iopf_prim_hlist_read(struct iopf_prim_hlist *list, int *values, size_t max);
void iopf_prim_hlist_delete_odd(struct iopf_prim_hlist *list);
bool iopf_prim_node_is_hpoisoned(struct iopf_prim_node *node);

/* --- workqueues --- */

struct workqueue_struct;

struct workqueue_struct *iopf_prim_wq_new(const char *name, unsigned int nr_workers);	/* NULL: no memory */
/* The kernel's alone: nobody said how many workers. */
struct workqueue_struct *iopf_prim_wq_alloc(const char *name);
struct workqueue_struct *iopf_prim_wq_alloc_ordered(const char *name);
void iopf_prim_wq_drain(struct workqueue_struct *wq);
void iopf_prim_wq_set_workers(struct workqueue_struct *wq, unsigned int nr_workers);
void iopf_prim_wq_flush(struct workqueue_struct *wq);
void iopf_prim_wq_destroy(struct workqueue_struct *wq);
unsigned long iopf_prim_wq_run(struct workqueue_struct *wq);
bool iopf_prim_wq_wait_idle(struct workqueue_struct *wq, uint64_t timeout_ns);
bool iopf_prim_wq_current_work_on(struct workqueue_struct *wq);

/*
 * An item, with a record of what it did that outlives it. What it does, in this order: waits for iopf_prim_item_open()
 * if it is gated; queues itself again, as long as it is told to; queues the next item; breaks a rule; frees itself.
 */
struct iopf_prim_item;

#define IOPF_PRIM_ITEM_GATED 1
#define IOPF_PRIM_ITEM_FREES 2
#define IOPF_PRIM_ITEM_FLUSHES 4
#define IOPF_PRIM_ITEM_DESTROYS 8
/* Frees itself first of all, and waits for a new item, with another function, that may have got its memory. */
#define IOPF_PRIM_ITEM_REBORN 16
#define IOPF_PRIM_ITEM_FLUSHES_ITSELF 32
#define IOPF_PRIM_ITEM_CANCELS_ITSELF 64

struct iopf_prim_item_report {
	int started;
	int finished;
	int most_inside;	/* at the same time */
	int first_start;	/* the how-manieth start of all items, the first is 1 */
	int inside_said;	/* current_work_on() its queue, in the function: 0, 1; -1: it did not run */
	int requeue_said;	/* what queue_work() said of itself, the last time; -1: not tried */
	int chain_said;
	int reborn_ran;		/* while the old function waited: 0, 1; -1: not tried */
	unsigned long thread;	/* where it ran last */
};

struct iopf_prim_item *iopf_prim_item_new(struct workqueue_struct *wq, int flags);
void iopf_prim_item_free(struct iopf_prim_item *item);
void iopf_prim_item_requeue(struct iopf_prim_item *item, int times);
void iopf_prim_item_chain(struct iopf_prim_item *item, struct iopf_prim_item *next);
bool iopf_prim_item_queue(struct iopf_prim_item *item);
/* It is queued on another queue from now on. */
void iopf_prim_item_move(struct iopf_prim_item *item, struct workqueue_struct *wq);
bool iopf_prim_item_flush_work(struct iopf_prim_item *item);
bool iopf_prim_item_cancel_work(struct iopf_prim_item *item);
bool iopf_prim_item_cancel_work_sync(struct iopf_prim_item *item);
bool iopf_prim_item_pending(struct iopf_prim_item *item);
unsigned int iopf_prim_item_busy(struct iopf_prim_item *item);	/* 1 pending, 2 running */
void iopf_prim_item_open(struct iopf_prim_item *item, int times);
/* False: not within the time. */
bool iopf_prim_item_wait_started(struct iopf_prim_item *item, int times, unsigned int timeout_ms);
bool iopf_prim_item_wait_finished(struct iopf_prim_item *item, int times, unsigned int timeout_ms);
void iopf_prim_item_report(struct iopf_prim_item *item, struct iopf_prim_item_report *report);
/* workqueue_after_item: counted; gated: it waits for iopf_prim_after_item_open(). Reset puts back what was there. */
void iopf_prim_after_item_set(bool gated);
void iopf_prim_after_item_open(int times);
int iopf_prim_after_item_count(void);
void iopf_prim_after_item_reset(void);
unsigned long iopf_prim_this_thread(void);

/* This thread's flushes ask, and the n-th answer is "give up"; 0: they do not ask. */
void iopf_prim_poll_set(int n);
/* They ask this. */
void iopf_prim_poll_call(int (*poll)(void));
int iopf_prim_poll_count(void);
bool iopf_prim_wait_abandoned(void);	/* and forgets it */

struct iopf_prim_work_race {
	unsigned long queued;		/* queue_work() said true */
	unsigned long runs;
	unsigned long overlaps;		/* an item met itself */
	unsigned long stale;		/* an item's last run missed what was written before it was queued */
	unsigned long uncovered;	/* a flush came back before an item that was queued before it had run */
};

struct iopf_prim_cancel_race {
	unsigned long queued;		/* queue_work() said true */
	unsigned long cancelled;	/* cancel_work_sync() or cancel_work() said true */
	unsigned long runs;
	unsigned long beside;		/* the function ran when cancel_work_sync() had returned and nobody else queued it */
};

/* One thread queues and cancels each of its items in turn, others queue items of their own on the same queue. */
void iopf_prim_cancel_race(unsigned int nr_workers, unsigned int nr_threads, unsigned int rounds,
			   struct iopf_prim_cancel_race *result);

/* Threads queue the same items and flush. */
void iopf_prim_work_race(unsigned int nr_workers, unsigned int nr_threads, unsigned int nr_items, unsigned int rounds,
			 struct iopf_prim_work_race *result);

/* --- allocation --- */

#define IOPF_PRIM_GFP_KERNEL 1
#define IOPF_PRIM_GFP_ATOMIC 2

void *iopf_prim_kmalloc(size_t size, unsigned int gfp);
void *iopf_prim_kzalloc(size_t size, unsigned int gfp);
void *iopf_prim_kcalloc(size_t n, size_t size, unsigned int gfp);
void *iopf_prim_kmemdup(const void *src, size_t size, unsigned int gfp);
/* kzalloc_obj(): its size, or 0: NULL, or not cleared. Freed again. */
size_t iopf_prim_kzalloc_obj(void);
void iopf_prim_kfree(void *object);
/* kfree() of something in the middle of static memory. */
void iopf_prim_kfree_foreign(void);
long iopf_prim_slab_live(void);
void iopf_prim_slab_set_idle(int idle);
size_t iopf_prim_slab_bytes(void);
void iopf_prim_slab_fail_nth(unsigned long n);
unsigned long iopf_prim_slab_fail_nth_left(void);

struct iopf_prim_site {
	const char *file;
	const char *function;
	int line;
	long live;
};

size_t iopf_prim_slab_sites(struct iopf_prim_site *sites, size_t max);
/* Threads hand objects of all sizes to each other. How many came with other contents than they were sent with. */
unsigned long iopf_prim_slab_race(unsigned int nr_threads, unsigned int rounds);

/* --- reader-writer semaphores --- */

struct rw_semaphore;

struct rw_semaphore *iopf_prim_rwsem_new(void);
void iopf_prim_rwsem_free(struct rw_semaphore *sem);
void iopf_prim_down_read(struct rw_semaphore *sem);
bool iopf_prim_down_read_trylock(struct rw_semaphore *sem);
void iopf_prim_up_read(struct rw_semaphore *sem);
void iopf_prim_down_write(struct rw_semaphore *sem);
bool iopf_prim_down_write_trylock(struct rw_semaphore *sem);
void iopf_prim_up_write(struct rw_semaphore *sem);
void iopf_prim_downgrade_write(struct rw_semaphore *sem);
bool iopf_prim_rwsem_is_locked(struct rw_semaphore *sem);
/* Every fourth round of a thread adds 1 as the writer, the others look. The sum, or ~0: a reader met a writer. */
unsigned long iopf_prim_rwsem_race(unsigned int nr_threads, unsigned int rounds);

/* 0: an object goes to another cache, 1: a cache goes before its object, 2: neither. */
void iopf_prim_kmem_cache_misuse(int how);
void iopf_prim_bug_on(bool condition);

/* --- sleepable RCU --- */

struct srcu_struct;

struct srcu_struct *iopf_prim_srcu_new(void);
/* cleanup_srcu_struct(), then kfree(). */
void iopf_prim_srcu_free(struct srcu_struct *ssp);
int iopf_prim_srcu_read_lock(struct srcu_struct *ssp);
void iopf_prim_srcu_read_unlock(struct srcu_struct *ssp, int index);
void iopf_prim_synchronize_srcu(struct srcu_struct *ssp);
/* The callback adds 1 to the counter. */
void iopf_prim_call_srcu(struct srcu_struct *ssp, unsigned long *counter);
/* Gives one that sleeps to call_srcu(), or, NULL, to call_rcu(), and waits for it. */
void iopf_prim_callback_sleeps(struct srcu_struct *ssp);
void iopf_prim_srcu_barrier(struct srcu_struct *ssp);
/* One retracts objects and frees them after a grace period, the others read. How often one was read that was free. */
unsigned long iopf_prim_srcu_race(unsigned int nr_threads, unsigned int rounds);

/* --- timers and delayed works: an alarm is one of each, and counts how often either ran --- */

struct iopf_prim_alarm;

struct iopf_prim_alarm *iopf_prim_alarm_new(void);
void iopf_prim_alarm_free(struct iopf_prim_alarm *alarm);
/* While it is gated, what runs stays inside. */
void iopf_prim_alarm_gate(struct iopf_prim_alarm *alarm, int gated);
void iopf_prim_alarm_sleeps(struct iopf_prim_alarm *alarm);
/* The timer arms itself so many times. */
void iopf_prim_alarm_rearms(struct iopf_prim_alarm *alarm, int times);
int iopf_prim_alarm_inside(struct iopf_prim_alarm *alarm);
unsigned long iopf_prim_alarm_runs(struct iopf_prim_alarm *alarm);
bool iopf_prim_mod_timer(struct iopf_prim_alarm *alarm, unsigned long ticks);
bool iopf_prim_timer_pending(struct iopf_prim_alarm *alarm);
bool iopf_prim_timer_delete(struct iopf_prim_alarm *alarm);
bool iopf_prim_timer_delete_sync(struct iopf_prim_alarm *alarm);
bool iopf_prim_timer_shutdown_sync(struct iopf_prim_alarm *alarm);
bool iopf_prim_queue_delayed(struct workqueue_struct *wq, struct iopf_prim_alarm *alarm, unsigned long ticks);
bool iopf_prim_mod_delayed(struct workqueue_struct *wq, struct iopf_prim_alarm *alarm, unsigned long ticks);
bool iopf_prim_flush_delayed(struct iopf_prim_alarm *alarm);
bool iopf_prim_cancel_delayed(struct iopf_prim_alarm *alarm);
bool iopf_prim_cancel_delayed_sync(struct iopf_prim_alarm *alarm);
bool iopf_prim_delayed_pending(struct iopf_prim_alarm *alarm);
/* Two queue a delayed work while one cancels it. Not 0: it ran, or was pending, behind the last cancel. */
unsigned long iopf_prim_delayed_race(struct workqueue_struct *wq, unsigned int rounds);

/*
 * Forks while other threads are in a reader, wait for a grace period and run an item. The child calls
 * runtime_after_fork() and uses every primitive. 0, the number of the step that failed, or 100: it did not end.
 */
int iopf_prim_fork(void);
/* cdef-end */

#pragma GCC visibility pop

#endif
