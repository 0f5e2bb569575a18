// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the monitors called wrong in an order that was not executed is a prediction. It is executed here, by a schedule of the
 * class in which the moments come in that order, and only what shows then is a finding (orders.c says why).
 */
#include <stdlib.h>

#include "monitor/monitor.h"
#include "search.h"

#define MAX_ALARMS 8

struct alarm {
	int kind;
	const void *pc;
	const char *text;
	unsigned int clauses;
	int length;
	struct choice *choices;
};

static struct alarm alarms[MAX_ALARMS];
static int nr_alarms;
static bool only_told;

void predictions_begin(bool told)
{
	nr_alarms = 0;
	only_told = told;
}

/* The schedule of a whole execution of this class in which these moments come in that order. */
static struct choice *schedule_of(const s16 *order, int nr, int *length)
{
	struct choice *choices = calloc((size_t)engine.depth + 1, sizeof(*choices));
	u8 *taken = calloc((size_t)engine.depth + 1, 1);
	int i, n, done = 0;

	for (i = 0; choices && taken && i <= nr; i++) {
		int node = i < nr ? moments[order[i]].node : engine.depth - 1;

		for (n = 0; n <= node; n++) {
			const struct node *before = &engine.nodes[n];

			if (taken[n])
				continue;
			/* What it comes after, and at the end all that is left. */
			if (i < nr && n != node &&
			    engine.nodes[node].clock.at[before->task] < (s16)before->ordinal)
				continue;
			taken[n] = 1;
			choices[done++] = (struct choice){ before->task, before->alternative };
		}
	}
	free(taken);
	*length = done;
	return choices;
}

static bool is_known(int kind, const void *pc, const char *text)
{
	int i;

	for (i = 0; i < nr_found; i++)
		if (found[i].finding.kind == kind && found[i].finding.pc == pc && found[i].finding.text == text)
			return !found[i].clauses;
	return false;
}

bool prediction_is_news(int kind, const void *pc, const char *text)
{
	return only_told || !(is_known(kind, pc, text) || scenario.expected >> kind & 1);
}

void prediction_keep(int kind, const void *pc, const char *text, const s16 *order, int nr)
{
	struct alarm *a;
	int i;

	if (!prediction_is_news(kind, pc, text))
		return;
	for (i = 0; i < nr_alarms; i++)
		if (alarms[i].kind == kind && alarms[i].pc == pc && alarms[i].text == text)
			break;
	if (i == MAX_ALARMS || (i < nr_alarms && (!alarms[i].clauses || monitor_clauses)))
		return;
	a = &alarms[i];
	if (i == nr_alarms)
		nr_alarms++;
	else
		free(a->choices);
	*a = (struct alarm){ .kind = kind, .pc = pc, .text = text, .clauses = monitor_clauses };
	if (!only_told)
		a->choices = schedule_of(order, nr, &a->length);
}

static bool shows(const struct alarm *a)
{
	int i;

	for (i = 0; i < engine.nr_findings; i++)
		if (engine.findings[i].kind == a->kind && engine.findings[i].pc == a->pc &&
		    engine.findings[i].text == a->text)
			return !monitor_clauses || a->clauses;
	return false;
}

static bool has_data_race(void)
{
	int i;

	for (i = 0; i < nr_found; i++)
		if (found[i].finding.kind == XP_K_DATA_RACE)
			return true;
	return false;
}

bool orders_put_off, orders_unproved;
static const char not_independent[] = "steps that are taken for independent are not: an order of calls and answers could not be run";

const char *orders_why(void)
{
	return orders_unproved && !has_data_race() ? not_independent : NULL;
}

static const char *execute_all(u64 execution, bool *news)
{
	struct aside aside;
	const char *why = NULL;
	int i;

	if (!aside_begin(&aside))
		return "no memory";
	for (i = 0; i < nr_alarms; i++) {
		struct alarm *a = &alarms[i];

		if (!a->choices)
			continue;
		schedule_lenient = schedule_free_after = false;
		failure_reproduces(a->choices, a->length, 0);
		if (shows(a))
			*news |= failures_collect(execution);
		else if (orders_put_off)
			orders_unproved = true;
		else if (!has_data_race())
			why = not_independent;
	}
	aside_end(&aside);
	return why;
}

bool predictions_broken(void)
{
	int i;

	for (i = 0; i < nr_alarms; i++)
		if (alarms[i].clauses)
			return true;
	return false;
}

bool predictions_any(void)
{
	return nr_alarms;
}

const char *predictions_execute(u64 execution, bool *news)
{
	const char *why = nr_alarms ? execute_all(execution, news) : NULL;

	while (nr_alarms)
		free(alarms[--nr_alarms].choices);
	return why;
}

u64 predictions_verdict(void)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < nr_alarms; i++)
		sum += mix(mix((u64)alarms[i].kind, (u64)alarms[i].pc), (u64)alarms[i].text ^ !alarms[i].clauses);
	return sum;
}
