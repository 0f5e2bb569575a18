// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failures of another time, tried before the search: each schedule is followed as far as it fits (strategy/follow.c), in
 * every way of reading it until the failure that it is of shows. What fails is found, as if the search had come by it.
 */
#include <stdlib.h>
#include <string.h>

#include "search.h"

#define MOST_STEPS 100000	/* of all the ways of one */

static struct xp_fit *fits;
static struct xp_difference (*told)[FOLLOW_TOLD];
static int nr_fits;

void given_reset(void)
{
	free(fits);
	free(told);
	fits = NULL;
	told = NULL;
	nr_fits = 0;
}

enum { NOTHING, SAME_KIND, SAME };

#define CONTRACT "; contract "

/* With the contract kept where it was; where it was broken, whatever of it. */
static bool is_it(const char *wanted, const char *shown)
{
	const char *behind = strstr(wanted, CONTRACT), *also = strstr(shown, CONTRACT);

	if (!behind || !also || behind - wanted != also - shown || strncmp(wanted, shown, (size_t)(behind - wanted)) != 0)
		return false;
	return !monitor_clauses || strcmp(behind, CONTRACT "kept") != 0;
}

static int what_shows(const struct xp_schedule *s)
{
	int i, best = NOTHING;

	for (i = 0; i < engine.nr_findings; i++) {
		if (engine.findings[i].kind != s->kind)
			continue;
		best = SAME_KIND;
		if (s->signature && is_it(s->signature, signature_text(&engine.findings[i], monitor_clauses)))
			return SAME;
	}
	return best;
}

static void try(int index, bool (*collect)(int probe))
{
	const struct xp_schedule *s = &options.given[index];
	struct xp_fit *fit = &fits[index];
	struct follow_way way;
	struct follow_fit now;
	int i, best = -1, steps = 0;

	for (i = 0; best != SAME && steps < MOST_STEPS && follow_way(s, i, &way); i++) {
		int shown;

		if (!follow_once(s, way, &now))
			return;
		steps += engine.depth;
		shown = what_shows(s);
		if (shown == NOTHING)
			now.nr_differences = now.nr_before_end;
		if (shown > best || (shown == best && now.nr_differences < fit->nr_differences)) {
			best = shown;
			fit->shows = shown == SAME;
			fit->nr_differences = now.nr_differences;
			fit->nr_told = now.nr_differences < FOLLOW_TOLD ? now.nr_differences : FOLLOW_TOLD;
			memcpy(told[index], now.told, sizeof(now.told));
			fit->told = told[index];
		}
		if (collect(1))
			return;
	}
}

void given_try(bool (*collect)(int probe))
{
	int i;

	if (!options.nr_given)
		return;
	fits = calloc((size_t)options.nr_given, sizeof(*fits));
	told = calloc((size_t)options.nr_given, sizeof(*told));
	if (!fits || !told) {
		given_reset();
		return;
	}
	nr_fits = options.nr_given;
	for (i = 0; i < nr_fits && !progress_must_stop(); i++)
		try(i, collect);
	/* The search numbers its tasks as it would without. */
	if (!nr_found)
		engine_new_scenario();
}

const struct xp_fit *xp_fit(int index)
{
	return index >= 0 && index < nr_fits && fits[index].told ? &fits[index] : NULL;
}
