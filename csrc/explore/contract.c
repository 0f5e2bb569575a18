// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's side: what the core demands of it, by its facts (core.h), and what no driver may do. A demand that something
 * be over before a call begins is kept where a happens-before edge says so: that the other task came first by chance in
 * this execution is nothing that a driver did. So two executions that differ in chance alone are tagged alike, and a
 * failure that is predicted from an order that did not happen is tagged as the one that did.
 */
#include "monitor.h"

/* What the core demands of a driver that calls remove. */
static void demand_of_remove(int device)
{
	int i;

	for (i = 0; i < nr_tokens; i++) {
		const struct token *t = &tokens[i];

		if (t->device != device)
			continue;
		if (demands(IOPF_DEMANDS_QUIET) && !is_over(t))
			monitor_clauses |= XP_C_RECEPTION;
		if (demands(IOPF_DEMANDS_FLUSH) && t->has_work && t->returned && !is_answered(t))
			monitor_clauses |= XP_C_FLUSH;
		if (demands(IOPF_DEMANDS_IDLE) && t->last && !t->answers)
			monitor_clauses |= XP_C_IDLE;
	}
}

/* Of one that frees the queue: no other call. Works that are still pending are the queue's to wait for. */
static void demand_of_free(int queue)
{
	int i;

	if (queue_states[queue].calls || queue_states[queue].freed || queue_states[queue].freeing)
		monitor_clauses |= XP_C_FREE_BESIDE;
	for (i = 0; demands(IOPF_DEMANDS_QUIET) && i < nr_tokens; i++)
		if (tokens[i].queue == queue && !is_over(&tokens[i]))
			monitor_clauses |= XP_C_RECEPTION;
}

/* Of one that takes away what a PASID is attached to. */
static void demand_of_detach(const struct device_state *a, int pasid)
{
	int i;

	for (i = 0; demands(IOPF_DEMANDS_DRAINED) && i < nr_tokens; i++) {
		const struct token *t = &tokens[i];

		if (attachments(t->device) == a && t->pasid == (pasid >= 0 ? (u32)pasid : 0) &&
		    (!is_over(t) || !is_answered(t)))
			monitor_clauses |= XP_C_DETACH;
	}
}

static void demand_of_close(int device)
{
	const struct device_state *s = &device_states[device];
	int i;

	if (s->reports || s->busy > 1)
		monitor_clauses |= XP_C_DEVICE_GONE;
	for (i = 0; demands(IOPF_DEMANDS_DEVICE) && i < nr_tokens; i++)
		if (tokens[i].device == device && (!is_over(&tokens[i]) || !is_answered(&tokens[i])))
			monitor_clauses |= XP_C_DEVICE_GONE;
}

void monitor_change_begin(int op, int device, int queue)
{
	struct queue_state *q = queue >= 0 ? &queue_states[queue] : NULL;
	struct device_state *s;
	int i;

	note(OP_NOTE, 0, NULL, op == XP_REMOVE ? "remove begins" : op == XP_ADD ? "add begins" :
	     op == XP_CLOSE ? "close" : "free begins", 0);
	monitor_date++;
	if (op == XP_FREE_QUEUE) {
		demand_of_free(queue);
		q->freeing++;
		for (i = 0; i < scenario.nr_devices; i++) {
			s = &device_states[i];
			if (s->queue != queue)
				continue;
			s->changes++;
			s->busy++;
			s->removing++;
			s->remove_began = monitor_date;
		}
		return;
	}
	s = &device_states[device];
	s->changes++;
	s->busy++;
	if (s->closed)
		monitor_clauses |= XP_C_DEVICE_GONE;
	if (q) {
		if (q->freed || q->freeing)
			monitor_clauses |= XP_C_FREE_BESIDE;
		q->calls++;
	}
	if (op == XP_REMOVE) {
		if (s->queue != queue || s->removing)
			monitor_clauses |= XP_C_NOT_ON_QUEUE;
		demand_of_remove(device);
		s->removing++;
		s->remove_began = monitor_date;
	} else if (op == XP_ADD) {
		s->adding++;
		for (i = 0; i < nr_tokens; i++)
			if (tokens[i].device == device && !tokens[i].returned)
				tokens[i].readded = true;
	} else if (op == XP_CLOSE) {
		demand_of_close(device);
	}
}

/* What was reported before now belongs to a removal that is over. */
static void removed(int device)
{
	struct device_state *s = &device_states[device];
	int i;

	s->queue = -1;
	s->removed = stamp();
	s->removals++;
	for (i = 0; i < nr_tokens; i++)
		if (tokens[i].device == device && !tokens[i].removal_ended) {
			tokens[i].removal_began = s->remove_began;
			tokens[i].removal_ended = monitor_date;
		}
}

void monitor_change_end(int op, int device, int queue, int result)
{
	struct device_state *s;
	int i;

	note(OP_NOTE, 0, NULL, op == XP_REMOVE ? "remove returns" : op == XP_ADD ? "add returns" :
	     op == XP_CLOSE ? "closed" : "free returns", (u64)(s64)result);
	monitor_date++;
	if (op == XP_FREE_QUEUE) {
		queue_states[queue].freed = true;
		queue_states[queue].freeing--;
		for (i = 0; i < scenario.nr_devices; i++) {
			s = &device_states[i];
			if (s->queue != queue)
				continue;
			s->busy--;
			s->removing--;
			removed(i);
		}
		return;
	}
	s = &device_states[device];
	s->busy--;
	if (queue >= 0)
		queue_states[queue].calls--;
	switch (op) {
	case XP_ADD:
		s->adding--;
		if (!result)
			s->queue = queue;
		return;
	case XP_REMOVE:
		s->removing--;
		/* Early forms of the kernel refuse while requests are out. */
		if (s->queue == queue && !result)
			removed(device);
		return;
	case XP_CLOSE:
		s->closed = true;
		return;
	}
}

void monitor_call_begin(int queue)
{
	if (queue_states[queue].freed || queue_states[queue].freeing)
		monitor_clauses |= XP_C_FREE_BESIDE;
	queue_states[queue].calls++;
}

void monitor_call_end(int queue)
{
	queue_states[queue].calls--;
}

void monitor_flush_begin(int device)
{
	struct device_state *s = &device_states[device];

	note(OP_NOTE, 0, NULL, "flush begins", 0);
	if (s->queue < 0 || s->removing)
		monitor_clauses |= XP_C_FLUSH_AFTER_REMOVE;
	if (s->closed)
		monitor_clauses |= XP_C_DEVICE_GONE;
	monitor_see(device, -1);
}

void monitor_flush_end(int device, int result)
{
	int i;

	/* The queue is flushed, not the device. */
	for (i = 0; !result && i < nr_tokens; i++)
		if (tokens[i].has_work && tokens[i].queue >= 0 && tokens[i].queue == device_states[device].queue &&
		    is_over(&tokens[i]))
			tokens[i].flushed = true;
	note(OP_NOTE, 0, NULL, "flush returns", (u64)(s64)result);
}

void monitor_attach_begin(int op, int device, int pasid)
{
	struct device_state *s = attachments(device);
	int i = attached_index(s, pasid);

	monitor_see(device, pasid);
	s->attached[i].changes++;
	s->attached[i].busy++;
	if (op == XP_ATTACH)
		return;
	demand_of_detach(s, pasid);
	s->attached[i].leaving++;
}

/* The address space of the domain that is being attached. */
void monitor_attach_space(int device, int pasid, int space)
{
	struct device_state *s = attachments(device);

	s->attached[attached_index(s, pasid)].next_space = space;
}

void monitor_attach_end(int op, int device, int pasid, int handler, int result)
{
	struct device_state *s = attachments(device);
	int i = attached_index(s, pasid);

	s->attached[i].busy--;
	if (op == XP_DETACH && s->attached[i].handler < 0)
		monitor_clauses |= XP_C_DETACH_NOTHING;
	if (op != XP_ATTACH) {
		s->attached[i].leaving--;
		s->attached[i].left = stamp();
	}
	if (!result) {
		s->attached[i].handler = handler;
		s->attached[i].space = op == XP_DETACH ? -1 : s->attached[i].next_space;
	}
}
