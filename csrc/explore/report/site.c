// SPDX-License-Identifier: GPL-2.0-only
/* One place that a failure is about, and the calls that led there. Which places these are says places.c. */
#include "report.h"

void record_site(struct xp_site *sites, int *n, int task, int step, const void *pc, const char *what,
		     const char *object)
{
	sites[(*n)++] = (struct xp_site){
		.task = task, .step = step, .place = record_place(pc), .what = what, .object = object,
	};
}

void record_callers(struct xp_site *sites, int *n, int event)
{
	int task = engine.events[event].task, depth = engine.events[event].depth, i;

	if (*n)
		sites[*n - 1].flags |= XP_SITE_CALLERS;
	for (i = event - 1; i >= 0 && depth >= 2 && *n < MAX_SITES; i--) {
		const struct event *e = &engine.events[i];

		if (e->task != task || e->op != &op_note || e->addr || e->depth != depth)
			continue;
		depth--;
		record_site(sites, n, task, -1, e->pc, "called from", NULL);
		sites[*n - 1].flags = XP_SITE_CALL | XP_SITE_CALLERS | XP_SITE_MORE;
	}
}
