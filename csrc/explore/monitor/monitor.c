// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is promised to devices and drivers, checked in every execution: one answer to every last request, to the right
 * device, with its index and PASID, and not when removal is over; returns that the contract allows; nothing left behind.
 */
#include <string.h>

#include "monitor.h"

void monitors_reset(void)
{
	int i;

	contract_reset();
	groups_reset();
	monitor_clauses = 0;
	monitor_date = 0;
	for (i = 0; i < nr_tokens; i++)
		tokens[i].begun = 0;
	for (i = 0; i < scenario.nr_devices; i++) {
		struct device_state *s = &device_states[i];

		possible_reset(&s->queue);
		s->readers = 0;
		s->closed = false;
		s->closing = s->adding = s->reports = s->removals = s->perhaps_removals = s->nr_attached = 0;
		s->removed = 0;
	}
	for (i = 0; i < scenario.nr_queues; i++)
		queue_states[i] = (struct queue_state){ 0 };
	forget_tasks(monitor_nth_report);
}

bool monitor_is_added(int device, int *queue)
{
	/* If nobody knows, freeing the queue removes it. */
	*queue = possible_value(&device_states[device].queue, NOTHING);
	return *queue >= 0 && !device_states[device].closed && !queue_states[*queue].freed;
}

bool monitor_queue_is_freed(int queue)
{
	return queue_states[queue].freed;
}

bool monitor_is_closed(int device)
{
	return device_states[device].closed;
}

/* --- reports and their answers --- */

static bool judge_report_begin(const struct call *c)
{
	const struct record *r = c->record;
	struct device_state *s = &device_states[c->device];
	struct attachment *a = attachment(c->device, (int)c->pasid);
	const struct observed *seen = monitor_observe(c->device, (int)c->pasid);
	struct token *t = &tokens[c->number - 1];
	int task = monitor_now->task, k;

	*t = (struct token){
		.number = c->number, .task = (s16)task, .nth = (s16)monitor_nth_report[task]++, .device = c->device,
		.last = request_is_last(r), .other = r->e & XP_R_OTHER, .grpid = (u32)r->b, .pasid = c->pasid, .code = -1,
		.report_code = -1, .record = monitor_now->record, .fault_in = NOT_TRIED, .begun = ++monitor_date, .space = -1,
		.resolved = -1, .handled = -1, .removals = (s16)s->removals, .launched = 0x7fff,
		.perhaps_removals = (s16)s->perhaps_removals, .readded = s->adding,
		.queues = (u16)seen->queues,
		.has_work = request_is_last(r) && seen->handlers == 2u << XP_H_SVA,
		.may_have_work = request_is_last(r) && seen->handlers & 2u << XP_H_SVA,
	};
	for (k = 0; core->facts.response_matches_copies && k < nr_tokens; k++)
		if (tokens[k].begun && &tokens[k] != t && tokens[k].last && !tokens[k].answers && same_key(&tokens[k], t) &&
		    tokens[k].removals == t->removals)
			monitor_clauses |= XP_C_INDEX;
	s->reports++;
	if (demands(IOPF_DEMANDS_QUIET) && (possible_has(&s->queue, NOTHING) || !is_before(s->removed)))
		monitor_clauses |= XP_C_RECEPTION;
	if (demands(IOPF_DEMANDS_DRAINED) &&
	    (a->leaving || !is_before(a->left) ||
	     (seen->nested && (seen->nested->leaving || !is_before(seen->nested->left)))))
		monitor_clauses |= XP_C_DETACH;
	if (s->closed)
		monitor_clauses |= XP_C_DEVICE_GONE;
	return true;
}

/* The space that the only domain of the PASID had while the report ran, and the one that the work was given. */
static void judge_space(const struct token *t, const void *pc)
{
	if (t->returned && t->resolved >= 0 && t->space >= 0 && t->space != t->resolved)
		monitor_wrong(XP_K_WRONG_RESPONSE, pc,
			      "the request is resolved against an address space that came to its PASID later", 0);
}

/* Somebody refused the group, or may have, or there was no memory for it, or removal may have come between. */
static bool may_be_given_up(const struct observed *seen)
{
	return scenario.may_fail || (seen->handlers & (1 | 2u << XP_H_REFUSE)) || (seen->queues & 1) || !core->facts.group_handlers;
}

/*
 * What upstream chose against its own documentation. It is known by its words, to explore/deviations.py and to signatures,
 * and no failure where nobody asks for it: what comes behind it in an execution is seen then, too.
 */
bool monitor_as_upstream;
#define CHOSEN_LATE "the answer came when removal was over, from the owner of a group that was dequeued"
#define CHOSEN_FAILURE "report answered FAILURE where nobody handles the request, and INVALID is documented"

/* An owner that took its group from removal, in a form in which a response asks nothing. */
static bool is_chosen_late(const struct token *t, const struct call *c)
{
	return c->by == BY_OWNER && t->handled == XP_H_HELD && core->facts.has_dequeue &&
	       !core->facts.response_checks_pending && !core->facts.counts_handles;
}

/* A form whose report gives groups up without telling why: nobody handles the request, or perhaps. True: nothing more is asked. */
static bool judge_untold_code(const struct token *t, const struct observed *seen)
{
	bool untold = core->facts.answers == IOPF_ANSWERS_ABORTS ||
		      (core->facts.answers == IOPF_ANSWERS_ALL && !core->facts.report_returns);
	bool only_that = seen->handlers == 1 && !(seen->queues & 1) && !scenario.may_fail;

	if (!untold || !core->facts.group_handlers || !(seen->handlers & 1) || t->report_code < 0)
		return false;
	if (only_that && t->report_code == IOMMU_PAGE_RESP_FAILURE && !monitor_as_upstream)
		monitor_wrong(XP_K_WRONG_CODE, place_of_record(t->record), CHOSEN_FAILURE, t->number);
	return true;
}

/* INVALID says that nobody resolves such requests, FAILURE that the group was given up. */
static void judge_code_of_report(const struct token *t, const struct observed *seen)
{
	bool bad_setup;

	if (judge_untold_code(t, seen))
		return;
	switch (core->facts.answers) {
	case IOPF_ANSWERS_NOTHING:
		bad_setup = true;	/* the driver does not tell */
		break;
	case IOPF_ANSWERS_ABORTS:
		bad_setup = t->result == -ENODEV;
		break;
	default:
		bad_setup = core->facts.report_returns && t->result;
	}
	if (t->report_code >= 0 && t->report_code != (bad_setup ? IOMMU_PAGE_RESP_INVALID : IOMMU_PAGE_RESP_FAILURE))
		monitor_wrong(XP_K_WRONG_CODE, place_of_record(t->record), bad_setup ? "report answered bad setup with another code than INVALID" :
			      "report gave a group up with another code than FAILURE", t->number);
	else if (t->report_code == IOMMU_PAGE_RESP_FAILURE && !may_be_given_up(seen))
		monitor_wrong(XP_K_WRONG_CODE, place_of_record(t->record), "report gave a group up that nobody refused", t->number);
}

/* Whoever answers what a handler refused, report, removal or the driver that is told, has done it when report returns. */
static void judge_refusal(const struct token *t, const struct observed *seen)
{
	if (t->last && t->members && !t->answers && seen->handlers == 2u << XP_H_REFUSE)
		monitor_wrong(XP_K_LOST_RESPONSE, place_of_record(t->record),
			      "report returned, and nobody has answered what the handler refused", t->number);
}

/* For certain: where report does not say, there has to be somebody to accept it, and memory. */
static bool is_accepted(const struct observed *seen, int result)
{
	if (core->facts.report_returns)
		return !result;
	return !scenario.may_fail && !(seen->queues & 1) && !(seen->handlers & 1);
}

static bool judge_report_end(const struct call *c)
{
	struct token *t = &tokens[c->number - 1];
	const struct observed *seen = monitor_observed();

	t->returned = true;
	t->returned_at = stamp();
	t->ended = ++monitor_date;
	t->result = c->result;
	t->accepted = is_accepted(seen, c->result);
	device_states[t->device].reports--;
	t->space = (s16)seen->space;
	/* What is judged here is at the report that ended, as its findings are: the core is left. */
	judge_space(t, place_of_record(t->record));
	judge_code_of_report(t, seen);
	judge_refusal(t, seen);
	judge_membership(t, c->pc);
	if (t->handled >= 0 && !(seen->handlers & 2u << t->handled))
		monitor_wrong(XP_K_WRONG_GROUP, c->pc, "a request comes to a handler that its PASID has not", t->number);
	judge_warn(c, t->result == -EINVAL && seen->queues == 1 && !(seen->handlers & 1), seen->queues & 1);
	t->queued = t->members && !t->result && seen->handlers == 2u << XP_H_SVA && !(seen->queues & 1) &&
		    !(seen->queues & (seen->queues - 1)) && seen->queues == t->queues;
	return report_may(t, seen, c->result);
}

static bool judge_handler(const struct call *c)
{
	tokens[c->number - 1].handled = (s8)c->op;
	tokens[c->number - 1].launched = (s16)device_states[c->device].removals;
	groups_handler();
	return true;
}

static bool judge_resolve(const struct call *c)
{
	struct token *t = &tokens[c->number - 1];

	t->resolved = (s16)c->result;
	t->resolved_at = c->pc;
	if (c->known && (t->fault_in == NOT_TRIED || c->code != IOMMU_PAGE_RESP_SUCCESS))
		t->fault_in = (s8)c->code;
	t->tried += c->known;
	t->unsure |= !c->known && c->result >= MAX_SPACES - MAX_PROCESSES;
	judge_space(t, c->pc);
	return true;
}

/* The answer comes when the removal that followed its request is over, whatever became of the device since. */
static bool is_late(const struct token *t, const struct call *c)
{
	const struct possible *queue = &device_states[t->device].queue;

	if (!t->removal_ended)
		return false;
	if (t->returned && t->ended < t->removal_began)
		return true;
	/*
	 * Where late reports are bad setup, one that runs beside removal is no exception: it may say so itself, INVALID,
	 * and nobody says anything else, also while it has not returned. But if the device was added again meanwhile, the
	 * request may be of after that, until it is on no queue for certain.
	 */
	if (!core->facts.rejects_late_reports || (c->by == BY_REPORT && c->code == IOMMU_PAGE_RESP_INVALID))
		return false;
	return !t->readded || (!queue->running && !possible_has_other(queue, NOTHING));
}

/* The code that the answerer may give; what report may depends on what it returns, so that is judged there. */
static const char *wrong_with_code(const struct token *t, const struct call *c)
{
	switch (c->by) {
	case BY_OWNER:
		return c->code == c->given ? NULL : "the answer has another code than the group's owner gave";
	case BY_WORK:
		if (c->code == IOMMU_PAGE_RESP_FAILURE)
			return "a work that resolves faults answered FAILURE";
		if (c->code == IOMMU_PAGE_RESP_SUCCESS && c->resolved < (t->members ? t->members : 1))
			return "a work answered SUCCESS, and not all faults of its group were resolved";
		if (c->code == IOMMU_PAGE_RESP_SUCCESS && c->faulted < (t->members ? t->members : 1))
			return "a work answered SUCCESS, and not all pages of its group were faulted in";
		/* Where a group is of one key, all of it has a PASID or nothing has. */
		if (c->code == IOMMU_PAGE_RESP_INVALID && !c->resolved && t->pasid && t->members && core->facts.counts_handles)
			return "a work answered INVALID, and has looked into no address space";
		/* A space of the scenario's says for itself what is right. */
		if (c->code == IOMMU_PAGE_RESP_INVALID && t->fault_in == NOT_TRIED && !t->unsure && t->members && c->resolved >= t->members)
			return "a work answered INVALID, and all faults of its group were resolved";
		return NULL;
	case BY_FREE:
		return c->code == IOMMU_PAGE_RESP_INVALID ? NULL : "a group freed unanswered got another code than INVALID";
	case BY_REMOVAL:
		return c->code == IOMMU_PAGE_RESP_INVALID ? NULL : "removal answered with another code than INVALID";
	case BY_REPORT:
		return c->code != IOMMU_PAGE_RESP_SUCCESS ? NULL : "report answered SUCCESS, and nobody resolved anything";
	default:
		return "a call answered that answers nobody";
	}
}

/* What is wrong with an answer to t: kind, and why; NULL: nothing. */
static const char *wrong_with(const struct token *t, const struct call *c, int *kind)
{
	bool given = c->expected && c->expected <= (u64)nr_tokens;

	*kind = XP_K_WRONG_RESPONSE;
	if (t->other)
		return "a fault that is no page request was answered";
	if (t->device != c->device)
		return "the answer went to another device";
	/* The PASID as it came, also where its flag says that there is none. */
	if (c->grpid != t->grpid || c->answer_pasid != (u32)scenario.records[t->record].c)
		return "the answer has another index or PASID than its request";
	if (!t->last)
		return "a request that was not the last of its group was answered";
	if (c->code > IOMMU_PAGE_RESP_FAILURE)
		return "the answer's code means nothing";
	if (given && tokens[c->expected - 1].launched < t->removals)
		return "the answer of a group from before removal went to a request from after it";
	if (c->expected && c->expected != c->number)
		return "the answer is to another request than the group's owner gave it for";
	if (c->by == BY_REPORT && c->report != c->number)
		return "report answered another request than its own";
	*kind = XP_K_DOUBLE_RESPONSE;
	if (t->answers)
		return "the request had been answered before";
	*kind = XP_K_LATE_RESPONSE;
	if (is_late(t, c) && !is_chosen_late(t, c))
		return "the answer came when removal was over";
	if (is_late(t, c) && !monitor_as_upstream)
		return CHOSEN_LATE;
	*kind = XP_K_WRONG_CODE;
	if (given && c->result && c->code == IOMMU_PAGE_RESP_SUCCESS && t->resolved < 0)
		return "a work answers SUCCESS, and has looked into no address space";
	if (given && t->fault_in == IOMMU_PAGE_RESP_SUCCESS && !t->unsure && t->members && t->tried < t->members &&
	    core->facts.group_handlers)
		return "a page of the group was not looked for in its address space";
	if (given && t->fault_in != NOT_TRIED && !(t->unsure && t->fault_in == IOMMU_PAGE_RESP_SUCCESS) &&
	    (u32)t->fault_in != c->code)
		return "the answer is not what the address space says of the group's pages";
	return wrong_with_code(t, c);
}

static bool judge_response(const struct call *c)
{
	struct token *t = &tokens[c->number - 1];
	const char *why;
	int kind;

	if (!c->known) {
		monitor_wrong(XP_K_WRONG_RESPONSE, c->pc, "the answer is to no request that was ever made", 0);
		return true;
	}
	why = wrong_with(t, c, &kind);
	if (why)
		monitor_wrong(kind, c->pc, why, c->number);
	if (c->by == BY_FREE)
		judge_warn(c, true, true);
	if (!t->answers++) {
		t->by_removal = c->by == BY_REMOVAL;
		t->code = (s8)c->code;
		t->report_code = (s8)(c->by == BY_REPORT && c->code != IOMMU_PAGE_RESP_SUCCESS ? (int)c->code : -1);
		t->answered_at = stamp();
		t->answered_by = monitor_now->task;
		t->answer_pc = c->pc;
		t->answer_event = c->event;
	}
	return true;
}

void judge(const struct call *c)
{
	static bool (*const judges[])(const struct call *c) = {
		[CALL_REPORT_BEGIN] = judge_report_begin,
		[CALL_REPORT_END] = judge_report_end,
		[CALL_HANDLER] = judge_handler,
		[CALL_MEMBER] = judge_member,
		[CALL_GROUP] = judge_group,
		[CALL_RESOLVE] = judge_resolve,
		[CALL_RESPONSE] = judge_response,
		[CALL_OWNER_BEGIN] = judge_owner_begin,
		[CALL_OWNER_END] = judge_owner_end,
		[CALL_WORK_END] = judge_work_end,
		[CALL_DROP] = judge_drop,
		[CALL_INSIDE] = judge_inside,
		[CALL_CHANGE_BEGIN] = judge_change_begin,
		[CALL_CHANGE_END] = judge_change_end,
		[CALL_ATTACH_BEGIN] = judge_attach_begin,
		[CALL_ATTACH_END] = judge_attach_end,
		[CALL_FLUSH_BEGIN] = judge_flush_begin,
		[CALL_FLUSH_END] = judge_flush_end,
		[CALL_QUEUE_BEGIN] = judge_queue_begin,
		[CALL_QUEUE_END] = judge_queue_end,
		[CALL_RESULT] = judge_result,
	};

	ended_well = judges[c->kind](c);
}

/* --- the end --- */

void monitor_end(void)
{
	int i;

	for (i = 0; i < nr_tokens; i++)
		if (tokens[i].last && !tokens[i].answers && !(scenario.dropped[tokens[i].record]) &&
		    !driver_is_mute(tokens[i].device)) {
			struct finding *f = finding_add(XP_K_LOST_RESPONSE, 0, NULL, "a last request was never answered");

			f->detail = (u64)i + 1;
			f->pc = place_of_record(tokens[i].record);
			f->task = tokens[i].task;
		}
	if (heap_live)
		leak_find();
}
