// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read-copy-update with cheap readers.
 *
 * The protocol, after "User-Level Implementations of Read-Copy Update" (Desnoyers, McKenney, Stern, Dagenais, Walpole,
 * IEEE TPDS 23(2), 2012), with a 64-bit epoch in place of the two-phase parity bit: it never wraps, so one scan does.
 *
 *	reader				who waits
 *	------				---------
 *	epoch = now	(store)		the old pointer is unpublished
 *	read the pointer (load)		membarrier
 *	...				new = ++now
 *	epoch = 0	(release)	for each thread: wait for epoch == 0 or epoch >= new (acquire)
 *
 * Were the reader's load able to pass its store, the scan could miss a reader that holds the old pointer. The
 * membarrier puts a full barrier into every running thread at some moment: a reader whose store comes before it is
 * seen by the scan; one whose store comes after it also loads after it, and finds the new pointer. A reader that read
 * "now" long ago and stores it late looks older than it is: then the scan waits for nothing worse than its end.
 *
 * Deferred frees stay with the thread that deferred them, which tries to do them itself every 64th time: one membarrier
 * for the batch, and the memory returns to the list that it came from. A background thread looks after what a thread
 * leaves lying, every 10 ms while there is something. It alone (and rcu_barrier) runs the functions of call_rcu(): in
 * the thread that deferred, they would meet its locks. No caller of kfree_rcu() or call_rcu() ever waits.
 */
#include <linux/bug.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <runtime.h>
#include <time.h>

#include "internal.h"

#define BATCH 64
#define TICK_NS 10000000u

u64 rcu_epoch_now = RCU_EPOCH_STEP | RCU_READER;

static struct {
	pthread_mutex_t lock;
	u32 wanted;		/* futex word: something was deferred */
	int running;
} reclaimer = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void pause_ns(long ns)
{
	struct timespec t = { .tv_nsec = ns };

	nanosleep(&t, NULL);
}

/* The epoch stays that of the section which began first. */
static void set_marks(struct thread *self, u64 marks)
{
	u64 epoch = self->rcu_epoch ? self->rcu_epoch : __atomic_load_n(&rcu_epoch_now, __ATOMIC_RELAXED) & ~(u64)RCU_READER;

	__atomic_store_n(&self->rcu_epoch, epoch | marks, __ATOMIC_RELEASE);
	barrier();
}

static void clear_marks(struct thread *self, u64 marks)
{
	u64 epoch = self->rcu_epoch & ~marks;

	barrier();
	__atomic_store_n(&self->rcu_epoch, epoch % RCU_EPOCH_STEP ? epoch : 0, __ATOMIC_RELEASE);
}

/* A section inside another one, or the first of a thread. */
noinline void rcu_read_lock_slow(void)
{
	struct thread *self = thread_current();

	if (thread_in_reader(self)) {
		self->rcu_nesting++;
		set_marks(self, RCU_NESTED);
	} else {
		set_marks(self, RCU_READER);
	}
}

noinline void rcu_read_unlock_slow(void)
{
	struct thread *self = thread_current();

	if (WARN(!thread_in_reader(self), "unbalanced rcu_read_unlock"))
		return;
	if (!self->rcu_nesting)
		clear_marks(self, RCU_READER);
	else if (!--self->rcu_nesting)
		clear_marks(self, RCU_NESTED);
}

void preempt_disable(void)
{
	struct thread *self = thread_current();

	if (!self->unpreempted++)
		set_marks(self, RCU_UNPREEMPTED);
}

void preempt_enable(void)
{
	struct thread *self = thread_current();

	if (!WARN(!self->unpreempted, "unbalanced preempt_enable") && !--self->unpreempted)
		clear_marks(self, RCU_UNPREEMPTED);
}

/* Begins a grace period: it is over once rcu_is_over() says so for the result. */
static u64 rcu_begin(void)
{
	membarrier_all();
	return __atomic_add_fetch(&rcu_epoch_now, RCU_EPOCH_STEP, __ATOMIC_SEQ_CST);
}

static bool rcu_is_over(u64 epoch)
{
	struct thread *t;

	for_each_thread_record(t) {
		u64 began = __atomic_load_n(&t->rcu_epoch, __ATOMIC_ACQUIRE);

		if (began && began / RCU_EPOCH_STEP < epoch / RCU_EPOCH_STEP)
			return false;
	}
	return true;
}

static void rcu_wait(u64 epoch)
{
	unsigned int tries;

	for (tries = 0; !rcu_is_over(epoch); tries++) {
		if (tries < 200)
			cpu_relax();
		else
			pause_ns(50000);
	}
}

void synchronize_rcu(void)
{
	/* A reader that waits for itself would wait forever. */
	if (might_sleep_in_reader())
		return;
	rcu_wait(rcu_begin());
}

static void rcu_invoke(struct rcu_head *head)
{
	if (!head->func) {
		kfree(head->object);
		return;
	}
	/* Softirqs do not sleep. */
	preempt_disable();
	head->func(head);
	preempt_enable();
}

/*
 * Runs what owner deferred up to now. Not waiting, it leaves everything where it was if a reader is in the way. One
 * thread at a time works for an owner, so that its calls run in order. Returns false when another one does.
 */
static bool rcu_process(struct thread *owner, bool waiting)
{
	struct rcu_head *batch, **tail;
	unsigned long n;
	u64 epoch;

	if (__atomic_exchange_n(&owner->invoking, 1, __ATOMIC_ACQUIRE))
		return false;

	pthread_mutex_lock(&owner->deferred_lock);
	batch = owner->deferred_first;
	tail = owner->deferred_tail;
	n = owner->nr_deferred;
	owner->deferred_first = NULL;
	owner->deferred_tail = &owner->deferred_first;
	owner->nr_deferred = 0;
	owner->nr_functions = 0;
	pthread_mutex_unlock(&owner->deferred_lock);
	if (!batch)
		goto out;

	epoch = rcu_begin();
	if (waiting) {
		rcu_wait(epoch);
	} else if (!rcu_is_over(epoch)) {
		pthread_mutex_lock(&owner->deferred_lock);
		*tail = owner->deferred_first;
		if (!owner->deferred_first)
			owner->deferred_tail = tail;
		owner->deferred_first = batch;
		owner->nr_deferred += n;
		pthread_mutex_unlock(&owner->deferred_lock);
		goto out;
	}

	while (batch) {
		struct rcu_head *next = batch->next;

		rcu_invoke(batch);
		batch = next;
	}
	__atomic_fetch_add(&owner->invoked, n, __ATOMIC_RELEASE);
out:
	__atomic_store_n(&owner->invoking, 0, __ATOMIC_RELEASE);
	return true;
}

static bool rcu_has_deferred(struct thread *owner)
{
	return __atomic_load_n(&owner->queued, __ATOMIC_RELAXED) != __atomic_load_n(&owner->invoked, __ATOMIC_RELAXED);
}

static void *reclaimer_main(void *unused)
{
	struct thread *t;

	for (;;) {
		while (!__atomic_load_n(&reclaimer.wanted, __ATOMIC_ACQUIRE))
			futex_wait(&reclaimer.wanted, 0, 0);
		pause_ns(TICK_NS);
		__atomic_store_n(&reclaimer.wanted, 0, __ATOMIC_SEQ_CST);
		for_each_thread_record(t)
			if (rcu_has_deferred(t) && !rcu_process(t, true))
				__atomic_store_n(&reclaimer.wanted, 1, __ATOMIC_SEQ_CST);
	}
	return unused;
}

static noinline void reclaimer_want(void)
{
	pthread_t thread;

	if (__atomic_exchange_n(&reclaimer.wanted, 1, __ATOMIC_SEQ_CST))
		return;
	futex_wake(&reclaimer.wanted, 1);
	if (__atomic_load_n(&reclaimer.running, __ATOMIC_ACQUIRE))
		return;

	pthread_mutex_lock(&reclaimer.lock);
	if (!reclaimer.running && !thread_start(&thread, reclaimer_main, NULL)) {
		pthread_detach(thread);
		__atomic_store_n(&reclaimer.running, 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&reclaimer.lock);
}

static void rcu_defer(struct rcu_head *head)
{
	struct thread *self = thread_current();
	bool batch;

	head->next = NULL;
	pthread_mutex_lock(&self->deferred_lock);
	*self->deferred_tail = head;
	self->deferred_tail = &head->next;
	self->nr_functions += !!head->func;
	batch = ++self->nr_deferred % BATCH == 0 && !self->nr_functions;
	/* Pairs with the reclaimer, which clears "wanted" before it looks at the counts. */
	__atomic_add_fetch(&self->queued, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&self->deferred_lock);

	if (batch)
		rcu_process(self, false);
	if (unlikely(!__atomic_load_n(&reclaimer.wanted, __ATOMIC_SEQ_CST)))
		reclaimer_want();
}

void call_rcu(struct rcu_head *head, rcu_callback_t func)
{
	head->func = func;
	rcu_defer(head);
}

void __kfree_rcu(struct rcu_head *head, void *object)
{
	head->func = NULL;
	head->object = object;
	rcu_defer(head);
}

void rcu_barrier(void)
{
	struct thread *t;

	if (might_sleep_in_reader())
		return;
	for_each_thread_record(t) {
		u64 queued = __atomic_load_n(&t->queued, __ATOMIC_ACQUIRE);

		while ((s64)(__atomic_load_n(&t->invoked, __ATOMIC_ACQUIRE) - queued) < 0)
			if (!rcu_process(t, true))
				pause_ns(50000);
	}
}

void rcu_after_fork(void)
{
	pthread_mutex_init(&reclaimer.lock, NULL);
	reclaimer.running = 0;
	reclaimer.wanted = 0;
}
