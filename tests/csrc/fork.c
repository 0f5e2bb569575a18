// SPDX-License-Identifier: GPL-2.0-only
/* A fork in the middle of everything, and a child that uses every primitive. */
#define _GNU_SOURCE
#include <linux/iommu.h>
#include <linux/preempt.h>
#include <runtime.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "threads.h"
#include "primitives.h"

struct deferred {
	struct rcu_head rcu;
};

struct fork_test {
	int in_reader;
	bool leave;
};

static void stay_in_reader(void *arg, unsigned int index)
{
	struct fork_test *test = arg;

	(void)index;
	rcu_read_lock();
	preempt_disable();
	ADD(&test->in_reader, 1);
	while (!LOAD(&test->leave))
		sleep_us(100);
	preempt_enable();
	rcu_read_unlock();
}

static void wait_for_reader(void *arg, unsigned int index)
{
	(void)arg;
	(void)index;
	synchronize_rcu();
}

static void set_flag(struct rcu_head *head)
{
	head->object = head;
}

/* Without a barrier: somebody has to do it in the background. */
static bool frees_by_itself(void)
{
	long before = slab_live();
	struct deferred *deferred = kzalloc_obj(*deferred);
	int i;

	if (!deferred)
		return false;
	kfree_rcu(deferred, rcu);
	for (i = 0; i < 5000 && slab_live() > before; i++)
		sleep_us(1000);
	return slab_live() <= before;
}

/* As many threads as the parent had beside this one, all at the same time: they get what the runtime knew of those. */
#define THREADS_OF_PARENT 3

static void sleep_there(void *arg, unsigned int index)
{
	int *arrived = arg;

	(void)index;
	synchronize_rcu();
	ADD(arrived, 1);
	while (LOAD(arrived) < THREADS_OF_PARENT)
		sleep_us(100);
}

/* Returns the number of the step that failed. */
static int use_everything(void)
{
	struct iopf_prim_item_report report;
	struct workqueue_struct *wq;
	struct iopf_prim_item *item;
	struct rcu_head head = { .object = NULL };
	unsigned long warned;
	struct mutex lock;
	int arrived = 0;

	runtime_after_fork();
	warned = warn_total();
	mutex_init(&lock);
	mutex_lock(&lock);
	if (!lockdep_is_held(&lock))
		return 1;
	mutex_unlock(&lock);
	if (!frees_by_itself())
		return 2;
	synchronize_rcu();
	call_rcu(&head, set_flag);
	rcu_barrier();
	if (head.object != &head)
		return 3;
	wq = iopf_prim_wq_new("child", 2);
	item = wq ? iopf_prim_item_new(wq, 0) : NULL;
	if (!item || !iopf_prim_item_queue(item))
		return 4;
	flush_workqueue(wq);
	iopf_prim_item_report(item, &report);
	if (report.finished != 1)
		return 5;
	destroy_workqueue(wq);
	iopf_prim_item_free(item);
	run_parts(THREADS_OF_PARENT, sleep_there, &arrived);
	return warn_total() == warned ? 0 : 6;
}

static void child_main(void)
{
	sigset_t all;

	signal(SIGALRM, SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	alarm(60);
	_exit(use_everything());
}

int iopf_prim_fork(void)
{
	struct workqueue_struct *wq = iopf_prim_wq_new("parent", 1);
	struct iopf_prim_item *item = wq ? iopf_prim_item_new(wq, IOPF_PRIM_ITEM_GATED) : NULL;
	struct fork_test test = { 0 };
	struct part reader, waiter;
	struct deferred *deferred;
	int status;
	pid_t child;

	if (!item)
		return 101;
	part_start(&reader, stay_in_reader, &test, 0);
	while (!LOAD(&test.in_reader))
		sleep_us(100);
	part_start(&waiter, wait_for_reader, NULL, 0);
	deferred = kzalloc_obj(*deferred);
	kfree_rcu(deferred, rcu);	/* waits for the reader, too */
	iopf_prim_item_queue(item);
	iopf_prim_item_wait_started(item, 1, 60000);

	child = fork();
	if (!child)
		child_main();
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	STORE(&test.leave, true);
	pthread_join(reader.thread, NULL);
	pthread_join(waiter.thread, NULL);
	iopf_prim_item_open(item, 1);
	destroy_workqueue(wq);
	iopf_prim_item_free(item);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}
