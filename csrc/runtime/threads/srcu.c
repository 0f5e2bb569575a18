// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleepable RCU: two counts of readers. A grace period turns new readers to the other count, where nobody is, since the one
 * before has waited for that, and waits until the count of the old ones is 0. Callbacks are run by a work of the system's.
 */
#include <linux/preempt.h>
#include <linux/srcu.h>

int init_srcu_struct(struct srcu_struct *ssp)
{
	*ssp = (struct srcu_struct)__SRCU_INITIALIZER(*ssp);
	return 0;
}

int srcu_read_lock(struct srcu_struct *ssp)
{
	int index;

	pthread_mutex_lock(&ssp->lock);
	index = ssp->index;
	ssp->readers[index]++;
	pthread_mutex_unlock(&ssp->lock);
	return index;
}

void srcu_read_unlock(struct srcu_struct *ssp, int index)
{
	if (WARN(index & ~1, "srcu_read_unlock with an index that srcu_read_lock did not give"))
		return;
	pthread_mutex_lock(&ssp->lock);
	if (!WARN(!ssp->readers[index], "unbalanced srcu_read_unlock") && !--ssp->readers[index])
		pthread_cond_broadcast(&ssp->left);
	pthread_mutex_unlock(&ssp->lock);
}

bool srcu_read_lock_held(struct srcu_struct *ssp)
{
	bool held;

	pthread_mutex_lock(&ssp->lock);
	held = ssp->readers[0] || ssp->readers[1];
	pthread_mutex_unlock(&ssp->lock);
	return held;
}

void synchronize_srcu(struct srcu_struct *ssp)
{
	int old;

	might_sleep();
	pthread_mutex_lock(&ssp->grace);
	pthread_mutex_lock(&ssp->lock);
	old = ssp->index;
	ssp->index = !old;
	while (ssp->readers[old])
		pthread_cond_wait(&ssp->left, &ssp->lock);
	pthread_mutex_unlock(&ssp->lock);
	pthread_mutex_unlock(&ssp->grace);
}

void __srcu_work(struct work_struct *work)
{
	struct srcu_struct *ssp = container_of(work, struct srcu_struct, work);
	struct rcu_head *batch;

	pthread_mutex_lock(&ssp->lock);
	batch = ssp->first;
	ssp->first = NULL;
	ssp->tail = &ssp->first;
	pthread_mutex_unlock(&ssp->lock);
	synchronize_srcu(ssp);
	while (batch) {
		struct rcu_head *next = batch->next;

		preempt_disable();
		batch->func(batch);
		preempt_enable();
		batch = next;
		pthread_mutex_lock(&ssp->lock);
		ssp->invoked++;
		pthread_cond_broadcast(&ssp->left);
		pthread_mutex_unlock(&ssp->lock);
	}
}

void call_srcu(struct srcu_struct *ssp, struct rcu_head *head, rcu_callback_t func)
{
	head->func = func;
	head->next = NULL;
	pthread_mutex_lock(&ssp->lock);
	*ssp->tail = head;
	ssp->tail = &head->next;
	ssp->queued++;
	pthread_mutex_unlock(&ssp->lock);
	queue_work(system_unbound_wq, &ssp->work);
}

void srcu_barrier(struct srcu_struct *ssp)
{
	unsigned long queued;

	might_sleep();
	pthread_mutex_lock(&ssp->lock);
	queued = ssp->queued;
	while ((long)(ssp->invoked - queued) < 0)
		pthread_cond_wait(&ssp->left, &ssp->lock);
	pthread_mutex_unlock(&ssp->lock);
}

void cleanup_srcu_struct(struct srcu_struct *ssp)
{
	(void)WARN(srcu_read_lock_held(ssp), "cleanup_srcu_struct while readers are in");
	(void)WARN(ssp->invoked != ssp->queued, "cleanup_srcu_struct while callbacks have yet to run");
	flush_work(&ssp->work);
	pthread_mutex_destroy(&ssp->lock);
	pthread_mutex_destroy(&ssp->grace);
	pthread_cond_destroy(&ssp->left);
}
