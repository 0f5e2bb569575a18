// SPDX-License-Identifier: GPL-2.0-only
/*
 * What calls return, and what an execution comes to.
 *
 * What a call may return depends on the facts of its core, and on what the device was while it ran: on which queue, with
 * which handler. Unless a change of that overlapped it, there is exactly one right result.
 */
#include <linux/bug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor.h"

#define MAX_VALUES 256

/* Values that the outcome consists of, beside the answers: results and XP_OUT. */
static struct { s16 task, nth; s16 record; s64 value; } values[MAX_VALUES];
static int nr_values;
static u16 nth_value[MAX_TASKS];

void values_reset(void)
{
	nr_values = 0;
	forget_tasks(nth_value);
}

static void add_value(int record, s64 value)
{
	int task = engine.current->id;

	if (nr_values == MAX_VALUES)
		return;
	values[nr_values].task = (s16)task;
	values[nr_values].nth = (s16)nth_value[task]++;
	values[nr_values].record = (s16)record;
	values[nr_values++].value = value;
}

void monitor_value(s64 value)
{
	add_value(engine.current->record, value);
}

/* --- results --- */

static const char *const unexpected = "the operation returned what it must not return here";

/* What report says where there is no handler, or the device is on no queue. */
static bool is_bad_setup(int queue, const struct token *t, int result)
{
	const struct iopf_core_facts *facts = &core->facts;

	if (!facts->report_returns)
		return !result;
	if (result == -EINVAL || (result == -ENODEV && facts->returns_refusal))
		return true;
	/* Early forms look at the handler when the group is complete, the first one when its work runs. */
	return !result && queue >= 0 && facts->returns_refusal && (!t->last || !facts->group_handlers);
}

/* With that queue and handler. */
static bool report_may_with(const struct token *t, int queue, int handler, int result)
{
	if (queue < 0 || handler < 0)
		return is_bad_setup(queue, t, result);
	return !result || (result == -EINVAL && handler == XP_H_REFUSE && t->last && core->facts.returns_refusal);
}

bool report_may(const struct token *t, const struct observed *seen, int result)
{
	u32 queues, handlers;

	/* The kernel's forms do not look at the type before somebody has to answer. */
	if (t->other && (result == -EOPNOTSUPP || core->facts.counts_handles))
		return result == -EOPNOTSUPP;
	if (result == -ENOMEM)
		return scenario.may_fail && (!t->last || core->facts.answers != IOPF_ANSWERS_ALL);
	for (queues = seen->queues; queues; queues &= queues - 1)
		for (handlers = seen->handlers; handlers; handlers &= handlers - 1)
			if (report_may_with(t, __builtin_ctz(queues) - 1, __builtin_ctz(handlers) - 1, result))
				return true;
	return false;
}

bool judge_result(const struct call *c)
{
	const struct record *r = c->record;

	/* Calls that are about no queue of the scenario's. */
	if (r->op == XP_DISCARD && r->a < 0)
		ended_well = c->result == -EINVAL;
	if (r->op == XP_TRY_QUEUE)
		ended_well = !c->result || (c->result == -ENOMEM && scenario.may_fail);
	if (r->g == XP_ANY ? !ended_well : c->result != r->g)
		monitor_wrong(XP_K_UNEXPECTED_RETURN, c->pc, unexpected, (u64)(s64)c->result);
	return true;
}

/* --- outcomes --- */

static u64 mix_text(u64 h, const char *text)
{
	for (; *text; text++)
		h = mix(h, (u8)*text);
	return h;
}

/* By what it says: the site itself is elsewhere in another process. */
static u64 mix_warn(const struct warn_hit *hit)
{
	const struct warn_site *site = hit->site;

	return mix(mix(mix_text(mix_text(4, site->function), site->reason), (u64)site->line), hit->hits);
}

/* The order in which independent things happened is no part of it. */
u64 monitor_outcome(void)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < nr_tokens; i++) {
		const struct token *t = &tokens[i];

		if (t->last || t->answers)
			sum += mix(mix(mix(1, engine.tasks[t->task].name + (u64)t->nth), (u64)(t->code + 1)), (u64)t->answers);
	}
	for (i = 0; i < nr_values; i++)
		sum += mix(mix(mix(2, engine.tasks[values[i].task].name + (u64)values[i].nth), (u64)values[i].value), 3);
	for (i = 0; i < nr_warn_hits; i++)
		sum += mix_warn(&warn_hits[i]);
	return sum;
}

static const char *const code_names[] = { "success", "invalid", "failure" };

/* The tasks of the execution that just ran, in an order that no search's numbers have a part in. Returns how many. */
static int tasks_in_order(int *tasks)
{
	u64 left;
	int n = 0, i;

	for (left = engine.used; left; left &= left - 1) {
		int task = __builtin_ctzll(left);

		for (i = n++; i > 0 && task_precedes(&engine.tasks[task], &engine.tasks[tasks[i - 1]]); i--)
			tasks[i] = tasks[i - 1];
		tasks[i] = task;
	}
	return n;
}

static bool is_said_before(const struct warn_hit *a, const struct warn_hit *b)
{
	int order = strcmp(a->site->function, b->site->function);

	return order ? order < 0 : a->site->line != b->site->line ? a->site->line < b->site->line : a->hits < b->hits;
}

/* Equal outcomes have equal words, whichever execution they are those of. */
void monitor_outcome_words(struct xp_outcome *o)
{
	char text[2048] = "";
	struct xp_return *returns = calloc((size_t)nr_values + 1, sizeof(*returns));
	size_t used = 0;
	int i, k, nth, task, tasks[MAX_TASKS], nr_tasks = tasks_in_order(tasks);
	const struct warn_hit *hits[sizeof(warn_hits) / sizeof(warn_hits[0])];

#define SAY(format...) do {								\
	if (used < sizeof(text))							\
		used += (size_t)snprintf(text + used, sizeof(text) - used, format);	\
} while (0)
	for (k = 0; k < nr_tasks; k++)
		for (task = tasks[k], nth = 0; nth < monitor_nth_report[task]; nth++)
			for (i = 0; i < nr_tokens; i++) {
				const struct token *t = &tokens[i];

				if (t->task != task || t->nth != nth || (!t->last && !t->answers))
					continue;
				SAY("%s%s: dev%d grpid %u", used ? "; " : "", record_task(task), t->device, t->grpid);
				if (t->answers)
					SAY(" %s", t->code >= 0 && t->code < 3 ? code_names[t->code] : "?");
				else
					SAY(" unanswered");
				if (t->answers > 1)
					SAY(" %d times", t->answers);
			}
	o->responses = strdup(text);
	for (k = 0; k < nr_tasks; k++)
		for (task = tasks[k], nth = 0; nth < nth_value[task]; nth++)
			for (i = 0; i < nr_values && returns; i++)
				if (values[i].task == task && values[i].nth == nth)
					returns[o->nr_returns++] = (struct xp_return){
						.task = record_task(task), .record = values[i].record, .value = values[i].value,
					};
	o->returns = returns;
	used = 0;
	text[0] = '\0';
	for (k = 0; k < nr_warn_hits; k++) {
		for (i = k; i > 0 && is_said_before(&warn_hits[k], hits[i - 1]); i--)
			hits[i] = hits[i - 1];
		hits[i] = &warn_hits[k];
	}
	for (i = 0; i < nr_warn_hits; i++)
		SAY("%sWARN in %s (%u)", used ? "; " : "", hits[i]->site->function, hits[i]->hits);
	o->warnings = strdup(text);
#undef SAY
}
