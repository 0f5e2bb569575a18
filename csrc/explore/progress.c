// SPDX-License-Identifier: GPL-2.0-only
/* When a search has to stop, and telling its caller how far it is. */
#include <time.h>

#include "machine/engine.h"
#include "progress.h"

struct xp_options options;
struct progress progress;

static double last, interval;
static void (*fill)(struct xp_progress *p);

double now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void progress_begin(void (*what)(struct xp_progress *p))
{
	progress = (struct progress){ .began = now_seconds(), .searching = true };
	last = progress.began;
	interval = options.progress_interval > 0 ? options.progress_interval : 0.05;
	fill = what;
}

static void tell(double now)
{
	struct xp_progress p = { .seconds = now - progress.began };

	last = now;
	fill(&p);
	if (options.progress(options.progress_arg, &p))
		progress.interrupted = progress.stop = true;
}

static bool is_due(double now)
{
	return options.progress && now - last >= interval;
}

void progress_look_at_clock(void)
{
	double now = now_seconds();

	if (options.budget > 0 && now - progress.began >= options.budget)
		progress.stop = true;
	if (is_due(now))
		tell(now);
}

bool progress_must_stop(void)
{
	static int steps;

	steps += engine.depth;
	if (++progress.runs % LOOK_EVERY == 0 || steps > 4000) {
		steps = 0;
		progress_look_at_clock();
	}
	return progress.stop;
}

bool progress_interrupted(void)
{
	double now = now_seconds();

	if (!progress.interrupted && is_due(now))
		tell(now);
	return progress.interrupted;
}

bool progress_gives_up(void)
{
	if (progress.searching) {
		progress_look_at_clock();
		return progress.stop;
	}
	return now_seconds() > progress.told_by || (!progress.interrupted && progress_interrupted());
}
