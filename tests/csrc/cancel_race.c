// SPDX-License-Identifier: GPL-2.0-only
#include <linux/container_of.h>
#include <linux/workqueue.h>
#include <runtime.h>
#include <stdlib.h>

#include "primitives.h"
#include "threads.h"

#define ITEMS 8

struct cancelled {
	struct work_struct work;
	struct iopf_prim_cancel_race *race;
	int forbidden;		/* cancel_work_sync() has returned */
};

static void cancelled_main(struct work_struct *work)
{
	struct cancelled *item = container_of(work, struct cancelled, work);

	ADD(&item->race->runs, 1);
	ADD(&item->race->beside, (unsigned long)LOAD(&item->forbidden));
}

struct cancel_race {
	struct workqueue_struct *wq;
	unsigned int rounds;
	struct iopf_prim_cancel_race *result;
	struct cancelled items[MAX_THREADS][ITEMS];
};

static void cancel_main(void *arg, unsigned int index)
{
	struct cancel_race *race = arg;
	struct cancelled *items = race->items[index];
	unsigned int round, i;

	for (round = 0; round < race->rounds; round++) {
		struct cancelled *one = &items[round % ITEMS];

		for (i = 0; i < ITEMS; i++)
			ADD(&race->result->queued, (unsigned long)queue_work(race->wq, &items[i].work));
		if (round % 3 == 2) {
			ADD(&race->result->cancelled, (unsigned long)cancel_work(&one->work));
			continue;
		}
		ADD(&race->result->cancelled, (unsigned long)cancel_work_sync(&one->work));
		STORE(&one->forbidden, 1);
		if (round % 7 == 0)
			flush_work(&items[(round + 1) % ITEMS].work);
		STORE(&one->forbidden, 0);
	}
	for (i = 0; i < ITEMS; i++)
		flush_work(&items[i].work);
}

void iopf_prim_cancel_race(unsigned int nr_workers, unsigned int nr_threads, unsigned int rounds,
			   struct iopf_prim_cancel_race *result)
{
	struct cancel_race *race = calloc(1, sizeof(*race));
	unsigned int t, i;

	*result = (struct iopf_prim_cancel_race){ 0 };
	if (!race)
		abort();
	race->rounds = rounds;
	race->result = result;
	race->wq = alloc_workqueue("cancelled", WQ_UNBOUND, 0);
	if (!race->wq)
		abort();
	workqueue_set_workers(race->wq, nr_workers);
	for (t = 0; t < nr_threads; t++)
		for (i = 0; i < ITEMS; i++) {
			INIT_WORK(&race->items[t][i].work, cancelled_main);
			race->items[t][i].race = result;
		}
	run_parts(nr_threads, cancel_main, race);
	destroy_workqueue(race->wq);
	free(race);
}
