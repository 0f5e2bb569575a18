// SPDX-License-Identifier: GPL-2.0-only
/* The lists of the primitives: who has something to forget, and who something to say when a task is over. */
#include "primitives.h"

static void (*const resets[])(void) = { rcu_reset, workqueue_reset, one_item_reset, clock_reset, rwsem_reset, srcu_reset, warn_reset, refcount_reset };
static void (*const task_ends[])(struct task *t) = { rcu_task_ends, srcu_task_ends };

void primitives_reset(void)
{
	size_t i;

	for (i = 0; i < sizeof(resets) / sizeof(*resets); i++)
		resets[i]();
}

void primitives_task_ends(struct task *t)
{
	size_t i;

	for (i = 0; i < sizeof(task_ends) / sizeof(*task_ends); i++)
		task_ends[i](t);
}
