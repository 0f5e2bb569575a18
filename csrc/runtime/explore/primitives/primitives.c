// SPDX-License-Identifier: GPL-2.0-only
/* The one list of the primitives that have something to forget, or to say when a task is over. */
#include "primitives.h"

static const struct primitive {
	void (*reset)(void);			/* before an execution */
	void (*task_ends)(struct task *t);	/* a task is over: what it must not have left */
} primitives[] = {
	{ rcu_reset, rcu_task_ends },
	{ workqueue_reset, NULL },
	{ warn_reset, NULL },
	{ refcount_reset, NULL },
};

void primitives_reset(void)
{
	size_t i;

	for (i = 0; i < sizeof(primitives) / sizeof(*primitives); i++)
		primitives[i].reset();
}

void primitives_task_ends(struct task *t)
{
	size_t i;

	for (i = 0; i < sizeof(primitives) / sizeof(*primitives); i++)
		if (primitives[i].task_ends)
			primitives[i].task_ends(t);
}
