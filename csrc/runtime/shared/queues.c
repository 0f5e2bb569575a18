// SPDX-License-Identifier: GPL-2.0-only
/* The queues that are there, for who has but the address of one. */
#include <one_work.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t let_go = PTHREAD_COND_INITIALIZER;
static struct live_queue *first;

static struct live_queue **find(const void *queue)
{
	struct live_queue **at = &first;

	while (*at && (*at)->queue != queue)
		at = &(*at)->next;
	return at;
}

void live_queue_add(struct live_queue *live, const void *queue)
{
	pthread_mutex_lock(&lock);
	*live = (struct live_queue){ .next = first, .queue = queue };
	first = live;
	pthread_mutex_unlock(&lock);
}

void live_queue_remove(struct live_queue *live)
{
	struct live_queue **at;

	pthread_mutex_lock(&lock);
	at = find(live->queue);
	if (*at)
		*at = live->next;
	while (live->holders)
		pthread_cond_wait(&let_go, &lock);
	pthread_mutex_unlock(&lock);
}

struct live_queue *live_queue_hold(const void *queue)
{
	struct live_queue *live;

	pthread_mutex_lock(&lock);
	live = *find(queue);
	if (live)
		live->holders++;
	pthread_mutex_unlock(&lock);
	return live;
}

void live_queue_let_go(struct live_queue *live)
{
	pthread_mutex_lock(&lock);
	if (!--live->holders)
		pthread_cond_broadcast(&let_go);
	pthread_mutex_unlock(&lock);
}

/* Those of the parent are dead. */
void live_queues_after_fork(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&let_go, NULL);
	first = NULL;
}
