// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's side: what the core demands of it, by its facts (core.h), and what no driver may do. A demand that something
 * be over before a call begins is kept where a happens-before edge says so: that the other task came first by chance in
 * this execution is nothing that a driver did. So two executions that differ in chance alone are tagged alike, and a
 * failure that is predicted from an order that did not happen is tagged as the one that did.
 */
#include <string.h>

#include "monitor.h"

/* What the core demands of a driver that calls remove. */
static void demand_of_remove(int device)
{
	int i;

	for (i = 0; i < nr_tokens; i++) {
		const struct token *t = &tokens[i];

		if (!t->begun || t->device != device)
			continue;
		if (demands(IOPF_DEMANDS_QUIET) && !is_over(t))
			monitor_clauses |= XP_C_RECEPTION;
		if (demands(IOPF_DEMANDS_FLUSH) && t->may_have_work && t->returned && !is_answered(t))
			monitor_clauses |= XP_C_FLUSH;
		if (demands(IOPF_DEMANDS_IDLE) && t->last && !t->answers && !is_given_up(t))
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
		if (tokens[i].begun && (tokens[i].queues & 2u << queue) && !is_over(&tokens[i]))
			monitor_clauses |= XP_C_RECEPTION;
}

/* Of one that takes away what a PASID is attached to. */
static void demand_of_detach(const struct attachment *a)
{
	int i;

	for (i = 0; demands(IOPF_DEMANDS_DRAINED) && i < nr_tokens; i++) {
		const struct token *t = &tokens[i];

		if (t->begun && is_resolved_by(t, a) && (!is_over(t) || !is_answered(t)))
			monitor_clauses |= XP_C_DETACH;
	}
}

static void demand_of_close(int device)
{
	const struct device_state *s = &device_states[device];
	int i;

	if (s->reports || s->queue.running || s->closing > 1)
		monitor_clauses |= XP_C_DEVICE_GONE;
	for (i = 0; demands(IOPF_DEMANDS_DEVICE) && i < nr_tokens; i++)
		if (tokens[i].begun && tokens[i].device == device && (!is_over(&tokens[i]) || !is_answered(&tokens[i])))
			monitor_clauses |= XP_C_DEVICE_GONE;
}

/* The change that each task is in: its number among those of each device, and when it began. */
static struct { u8 number[MAX_DEVICES]; int began; } changing[MAX_TASKS];

static void device_change_begin(int device, enum change_kind kind, int queue)
{
	struct device_state *s = &device_states[device];
	int task = monitor_now->task;

	changing[task].number[device] = (u8)possible_begin(&s->queue, kind, queue);
	changing[task].began = monitor_date;
	monitor_show_queue(s);
}

/*
 * A removal is over. If it may have been one, a driver has to have ordered what comes next after it. If it is certain to
 * have been one, what was reported before now belongs to it.
 */
static void removed(int device, const struct effect *effect)
{
	struct device_state *s = &device_states[device];
	int i;

	if (effect->possible) {
		s->removed = stamp();
		s->perhaps_removals++;
	}
	if (!effect->certain)
		return;
	s->removals++;
	for (i = 0; i < nr_tokens; i++)
		if (tokens[i].begun && tokens[i].device == device && (!tokens[i].removal_ended || tokens[i].removal_began <= tokens[i].ended)) {
			tokens[i].removal_began = changing[monitor_now->task].began;
			tokens[i].removal_ended = monitor_date;
			tokens[i].readded |= effect->beside;
		}
}

void judge_warn(const struct call *c, bool must, bool may)
{
	if (!core->facts.counts_handles)
		return;
	if (must && !c->warned)
		monitor_wrong(XP_K_MISSING_WARN, c->pc, "the caller did what a WARN is for, and none came", 0);
	else if (!may && c->warned)
		monitor_wrong(XP_K_WARN, c->pc, "a WARN blames a caller that did nothing wrong", 0);
}

static bool add_end(int device, int change, int result)
{
	struct device_state *s = &device_states[device];
	struct effect effect = possible_end(&s->queue, change, !result ? HAD_EFFECT :
					    result == -EBUSY ? HAD_NONE : WAS_REFUSED);

	s->adding--;
	/* Early forms do not look whether somebody could answer. */
	if (driver_is_mute(device) && (result || core->facts.counts_faults))
		return result == -ENODEV;
	return effect.explained && (!result || result == -EBUSY || (result == -ENOMEM && scenario.may_fail));
}

bool judge_change_begin(const struct call *c)
{
	int op = c->op, device = c->device, queue = c->queue, i;
	struct queue_state *q = queue >= 0 ? &queue_states[queue] : NULL;
	struct device_state *s;

	monitor_date++;
	if (op == XP_FREE_QUEUE) {
		demand_of_free(queue);
		q->freeing++;
		for (i = 0; i < scenario.nr_devices; i++)
			device_change_begin(i, CHANGE_SWEEP, queue);
		return true;
	}
	s = &device_states[device];
	if (s->closed)
		monitor_clauses |= XP_C_DEVICE_GONE;
	if (q) {
		if (q->freed || q->freeing)
			monitor_clauses |= XP_C_FREE_BESIDE;
		q->calls++;
	}
	switch (op) {
	case XP_ADD:
		s->adding++;
		for (i = 0; i < nr_tokens; i++)
			if (tokens[i].begun && tokens[i].device == device && !tokens[i].returned)
				tokens[i].readded = true;
		device_change_begin(device, CHANGE_STORE, queue);
		return true;
	case XP_REMOVE:
		if (possible_has_other(&s->queue, queue))
			monitor_clauses |= XP_C_NOT_ON_QUEUE;
		demand_of_remove(device);
		device_change_begin(device, CHANGE_CLEAR, queue);
		return true;
	case XP_CLOSE:
		s->closing++;
		demand_of_close(device);
		return true;
	default:
		return true;
	}
}

bool judge_change_end(const struct call *c)
{
	int op = c->op, device = c->device, queue = c->queue, result = c->result, i;
	u8 *number = changing[monitor_now->task].number;
	struct device_state *s;
	struct effect effect;

	monitor_date++;
	if (op == XP_FREE_QUEUE) {
		queue_states[queue].freed = true;
		queue_states[queue].freeing--;
		for (i = 0; i < scenario.nr_devices; i++) {
			effect = possible_end(&device_states[i].queue, number[i], HAD_EITHER);
			removed(i, &effect);
		}
		return true;
	}
	s = &device_states[device];
	if (queue >= 0)
		queue_states[queue].calls--;
	switch (op) {
	case XP_ADD:
		return add_end(device, number[device], result);
	case XP_REMOVE:
		/* Early forms of the kernel refuse while requests are out. */
		effect = possible_end(&s->queue, number[device], result ? WAS_REFUSED : HAD_EITHER);
		if (!result && !effect.certain)
			monitor_clauses |= XP_C_NOT_ON_QUEUE;
		removed(device, &effect);
		judge_warn(c, !effect.possible, !effect.certain);
		return true;
	default:
		s->closing--;
		s->closed = true;
		return true;
	}
}

/* When the discard began that each task is in. */
static int discarding[MAX_TASKS];

/* Calls that need the queue and change nothing of a device: discards. */
bool judge_queue_begin(const struct call *c)
{
	discarding[monitor_now->task] = ++monitor_date;
	if (queue_states[c->queue].freed || queue_states[c->queue].freeing)
		monitor_clauses |= XP_C_FREE_BESIDE;
	queue_states[c->queue].calls++;
	return true;
}

bool judge_queue_end(const struct call *c)
{
	queue_states[c->queue].calls--;
	queue_states[c->queue].discard_began = discarding[monitor_now->task];
	queue_states[c->queue].discard_ended = ++monitor_date;
	return !c->result;
}

/* When the flush began that each task is in. */
static int flushing[MAX_TASKS];

bool judge_flush_begin(const struct call *c)
{
	struct device_state *s = &device_states[c->device];

	if (possible_has(&s->queue, NOTHING))
		monitor_clauses |= XP_C_FLUSH_AFTER_REMOVE;
	if (s->closed)
		monitor_clauses |= XP_C_DEVICE_GONE;
	monitor_observe(c->device, -1);
	flushing[monitor_now->task] = ++monitor_date;
	return true;
}

bool judge_flush_end(const struct call *c)
{
	u32 queues = monitor_observed()->queues;
	int queue = possible_value(&device_states[c->device].queue, NOTHING), i;

	/* The queue is flushed, not the device. */
	for (i = 0; !c->result && queue >= 0 && i < nr_tokens; i++)
		if (tokens[i].begun && tokens[i].has_work && tokens[i].queues == 2u << queue && is_over(&tokens[i]))
			tokens[i].flushed = true;
	/* Works that were queued before the call, of any device. */
	for (i = 0; !c->result && i < nr_tokens; i++)
		if (tokens[i].begun && tokens[i].queued && tokens[i].queues == queues && !tokens[i].answers &&
		    !tokens[i].given_up && tokens[i].ended < flushing[monitor_now->task])
			monitor_wrong(XP_K_UNEXPECTED_RETURN, c->pc, "flush returned before a work that had been queued answered", 0);
	judge_warn(c, c->result == -ENODEV, c->result);
	return (!c->result && queues & ~1u) || (c->result == -ENODEV && queues & 1);
}

/* --- owners --- */

/*
 * An owner answers a group once, and not beside another of its own. A second answer that is certain to be after the
 * first is left to the cores that see for themselves that the group is not pending any more.
 */
static struct {
	int answers, running;	/* that began, that run */
	u32 answered_at;	/* stamp of the last one's end */
} owners[MAX_HELD_GROUPS];
static int nr_owners;

bool judge_owner_begin(const struct call *c)
{
	bool core_sees = core->facts.response_checks_pending && !core->facts.response_matches_copies;

	for (; nr_owners <= c->held; nr_owners++)
		memset(&owners[nr_owners], 0, sizeof(owners[nr_owners]));
	if (owners[c->held].running ||
	    (owners[c->held].answers && (!core_sees || !is_before(owners[c->held].answered_at))))
		monitor_clauses |= XP_C_ANSWER;
	owners[c->held].answers++;
	owners[c->held].running++;
	return true;
}

bool judge_owner_end(const struct call *c)
{
	owners[c->held].running--;
	owners[c->held].answered_at = stamp();
	return c->number ? judge_work_end(c) : true;
}

/* What the owner of the group did about it is done, whatever the core made of that. */
bool judge_work_end(const struct call *c)
{
	struct token *t = &tokens[c->number - 1];

	t->given_up = true;
	t->given_up_at = stamp();
	return true;
}

bool judge_drop(const struct call *c)
{
	(void)c;
	monitor_clauses |= XP_C_ANSWER;
	return true;
}

bool judge_inside(const struct call *c)
{
	(void)c;
	monitor_clauses |= XP_C_INSIDE;
	return true;
}

void contract_reset(void)
{
	nr_owners = 0;
}

/* --- attachments --- */

static u8 attaching[MAX_TASKS];

bool judge_attach_begin(const struct call *c)
{
	struct attachment *a = attachment(c->device, c->pasid);

	if (c->op != XP_ATTACH) {
		demand_of_detach(a);
		a->leaving++;
	}
	attaching[monitor_now->task] =
		(u8)possible_begin(&a->domain, c->op == XP_ATTACH ? CHANGE_STORE : c->op == XP_REPLACE ? CHANGE_EXCHANGE :
				   CHANGE_CLEAR_ANY, c->result);
	monitor_show_domain(a);
	return true;
}

bool judge_attach_end(const struct call *c)
{
	struct attachment *a = attachment(c->device, c->pasid);
	int in_the_way = c->op == XP_ATTACH ? -EBUSY : -EINVAL;
	struct effect effect = possible_end(&a->domain, attaching[monitor_now->task], c->op == XP_DETACH ? HAD_EITHER :
					    !c->result ? HAD_EFFECT : c->result == in_the_way ? HAD_NONE : WAS_REFUSED);

	if (c->op == XP_DETACH)
		judge_warn(c, !effect.possible, !effect.certain);
	if (c->op == XP_DETACH && !effect.certain)
		monitor_clauses |= XP_C_DETACH_NOTHING;
	if (c->op != XP_ATTACH) {
		a->leaving--;
		a->left = stamp();
	}
	/* Who binds a process that has exited is told so by the driver, and has not come to the core. */
	return effect.explained && (!c->result || c->result == in_the_way || c->result == -ESRCH);
}
