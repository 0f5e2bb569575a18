// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commutation oracle: what is taken for independent has to be.
 *
 * All reductions rest on one claim, that two neighbouring steps without an order between them can change places and nothing
 * is different afterwards. Here random executions are taken, and each such pair in them is really exchanged: the execution
 * has to be possible, of the same class, with the same outcome, the same findings, and the same verdict of the monitors
 * on all of its orders. A missing conflict shows as a
 * difference, where a comparison of numbers of classes would need luck.
 */
#include <stdlib.h>
#include <string.h>

#include "search.h"

struct what_came_of_it {
	int end, depth;
	u64 class, outcome, findings;
};

static struct what_came_of_it look(void)
{
	struct what_came_of_it w = {
		.end = engine.end, .depth = engine.depth, .class = hb_class(),
		.outcome = engine.end == END_COMPLETE ? monitor_outcome() : 0,
	};
	int i;

	/* Where moments changed places, the monitors saw another order: what counts is what they say of all. */
	for (i = 0; i < engine.nr_findings; i++)
		if (!engine.findings[i].of_monitor)
			w.findings += finding_signature(&engine.findings[i]);
	w.findings += orders_verdict();
	return w;
}

static bool same(const struct what_came_of_it *a, const struct what_came_of_it *b)
{
	/* Which of two failures an execution comes to first may depend on the order. */
	if (a->end == END_FAILED && b->end == END_FAILED)
		return true;
	return a->end == b->end && a->depth == b->depth && a->class == b->class && a->outcome == b->outcome &&
	       a->findings == b->findings;
}

/* With one, steps that no lock and no atomic orders may matter to each other: the race is the finding. */
static bool has_data_race(void)
{
	int i;

	for (i = 0; i < engine.nr_findings; i++)
		if (engine.findings[i].kind == XP_K_DATA_RACE)
			return true;
	return false;
}

/* One random execution and all its exchanges, each counted. NULL, or what is wrong. */
const char *oracle_run(u64 *exchanges)
{
	struct what_came_of_it before, after;
	struct choice *choices, swap;
	struct pending { struct op_class *op; u64 addr; } *steps;
	const char *why = NULL;
	u8 *independent;
	int length, i;

	engine.strategy = &strategy_random;
	strategy_random.begin();
	engine_run();
	if (engine.end == END_BLOCKED || engine.end == END_STOPPED)
		return NULL;
	random_learn();
	++*exchanges;
	before = look();
	choices = copy_schedule(&length);
	independent = calloc((size_t)length + 1, 1);
	steps = calloc((size_t)length + 1, sizeof(*steps));
	if (!choices || !independent || !steps || has_data_race())
		goto out;
	for (i = 0; i < length; i++)
		steps[i] = (struct pending){ engine.nodes[i].op, engine.nodes[i].addr };
	for (i = 0; i + 1 < length; i++) {
		const struct node *a = &engine.nodes[i], *b = &engine.nodes[i + 1];

		independent[i] = a->task != b->task && b->clock.at[a->task] < (s16)a->ordinal;
	}
	for (i = 0; i + 1 < length && !why; i++) {
		/* The last step of an execution that failed was not whole: nobody knows what else it would have done. */
		if (!independent[i] || (before.end == END_FAILED && i + 2 == length))
			continue;
		swap = choices[i];
		choices[i] = choices[i + 1];
		choices[i + 1] = swap;
		failure_reproduces(choices, length, 0);
		after = look();
		if (engine.end == END_DIVERGED)
			why = record_text("%s on %s could not come before %s on %s, which it does not depend on",
					  steps[i + 1].op->name, record_object(steps[i + 1].addr),
					  steps[i].op->name, record_object(steps[i].addr));
		else if (!same(&before, &after))
			why = record_text("%s on %s and %s on %s are said to commute, and do not",
					  steps[i].op->name, record_object(steps[i].addr),
					  steps[i + 1].op->name, record_object(steps[i + 1].addr));
		swap = choices[i];
		choices[i] = choices[i + 1];
		choices[i + 1] = swap;
		++*exchanges;
	}
out:
	free(choices);
	free(independent);
	free(steps);
	return why;
}
