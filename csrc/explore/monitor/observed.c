// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a call may have met that looks at a device: all that the device was, for all that is known, at some time between
 * the call's begin and its end. Who begins a change shows it to those that are looking.
 */
#include "monitor.h"

/* Of the domain with that address space. Spaces are numbered in the order in which domains are attached. */
static s8 handler_of[MAX_SPACES];
static bool is_nested[MAX_SPACES];
static int nr_spaces;

static struct observed all_observed[MAX_TASKS];

void observed_reset(void)
{
	nr_spaces = 0;
}

/* A PASID that nobody attached is the nested domain's, where the guest owns the table. */
static bool guest_owns_table(int device)
{
	return scenario.records[scenario.devices[device]].e & XP_D_USER_TABLE && core->facts.finds_nested;
}

struct attachment *attachment(int device, int pasid)
{
	const struct record *r = &scenario.records[scenario.devices[device]];
	struct device_state *s;
	struct attachment *a;
	int i;

	while (r->f >= 0) {
		device = r->f;
		r = &scenario.records[scenario.devices[device]];
	}
	s = &device_states[device];
	for (i = 0; i < s->nr_attached; i++)
		if (s->attached[i].pasid == pasid)
			return &s->attached[i];
	if (s->nr_attached == MAX_PASIDS) {
		monitor_overflow("more than 16 PASIDs of one device");
		return &s->attached[0];
	}
	a = &s->attached[s->nr_attached++];
	a->pasid = pasid;
	possible_reset(&a->domain);
	a->readers = 0;
	a->leaving = 0;
	a->left = 0;
	return a;
}

bool is_resolved_by(const struct token *t, const struct attachment *a)
{
	return attachment(t->device, (int)t->pasid) == a ||
	       (t->pasid && guest_owns_table(t->device) && attachment(t->device, 0) == a);
}

int monitor_new_space(const struct attaching *a)
{
	int space = a->process >= 0 ? MAX_SPACES - 1 - a->process : nr_spaces++ % (MAX_SPACES - MAX_PROCESSES);

	handler_of[space] = (s8)(a->handler == XP_H_NONE ? NOTHING : a->handler);
	is_nested[space] = a->nested;
	return space;
}

bool may_be_refused(void)
{
	int i;

	for (i = 0; i < nr_spaces && i < MAX_SPACES - MAX_PROCESSES; i++)
		if (handler_of[i] == XP_H_REFUSE)
			return true;
	return false;
}

/* Which domain stands for the PASIDs of the guest's table. Whose space that is, nobody asks. */
static void see_nested(struct observed *seen)
{
	const struct possible *domain = &seen->nested->domain;
	int i;

	for (i = 0; i < domain->nr_histories; i++) {
		int space = domain->histories[i].value;

		seen->handlers |= 1u << (space == NOTHING || !is_nested[space] ? 0 : handler_of[space] + 1);
	}
	seen->any_space = true;
}

static void see_queue(struct observed *seen, const struct possible *queue)
{
	int i;

	for (i = 0; i < queue->nr_histories; i++)
		seen->queues |= 1u << (queue->histories[i].value + 1);
}

static void see_domain(struct observed *seen, const struct possible *domain)
{
	int i;

	for (i = 0; i < domain->nr_histories; i++) {
		int space = domain->histories[i].value;

		if (space == NOTHING && seen->nested)
			see_nested(seen);
		else
			seen->handlers |= 1u << (space == NOTHING ? 0 : handler_of[space] + 1);
		seen->any_space |= space != seen->space;
	}
}

const struct observed *monitor_observe(int device, int pasid)
{
	struct observed *seen = &all_observed[monitor_now->task];
	struct attachment *a = attachment(device, pasid);

	*seen = (struct observed){ .device = device, .attachment = a, .space = a->domain.histories[0].value };
	if (pasid && guest_owns_table(device))
		seen->nested = attachment(device, 0);
	see_queue(seen, &device_states[device].queue);
	see_domain(seen, &a->domain);
	device_states[device].readers |= 1ull << monitor_now->task;
	a->readers |= 1ull << monitor_now->task;
	if (seen->nested)
		seen->nested->readers |= 1ull << monitor_now->task;
	return seen;
}

const struct observed *monitor_observed(void)
{
	struct observed *seen = &all_observed[monitor_now->task];

	device_states[seen->device].readers &= ~(1ull << monitor_now->task);
	seen->attachment->readers &= ~(1ull << monitor_now->task);
	if (seen->nested)
		seen->nested->readers &= ~(1ull << monitor_now->task);
	if (seen->any_space)
		seen->space = NOTHING;
	return seen;
}

void monitor_show_queue(const struct device_state *s)
{
	u64 left;

	for (left = s->readers; left; left &= left - 1)
		see_queue(&all_observed[__builtin_ctzll(left)], &s->queue);
}

void monitor_show_domain(const struct attachment *a)
{
	u64 left;

	for (left = a->readers; left; left &= left - 1) {
		struct observed *seen = &all_observed[__builtin_ctzll(left)];

		if (seen->nested == a)
			see_domain(seen, &seen->attachment->domain);
		else
			see_domain(seen, &a->domain);
	}
}
